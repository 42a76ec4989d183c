// Operations that draw initial values: of an array of JavaScript, or of a table of a store, at once or off its thread.
#include "../model/initial.h"

#include "../device/mirror.h"
#include "../meta/train_step.h"
#include "arguments.h"
#include "handle.h"
#include "job.h"
#include "locks.h"
#include "operations.h"

namespace innerloop {
namespace {

constexpr double kMostThreads = 1024;

NormalDraw read_draw(const Napi::Object& options) {
  const auto word = [&](const char* name) {
    return static_cast<std::uint32_t>(integer(options, name, 0, 4294967295.0));
  };
  return {.key = {word("key0"), word("key1")},
          .deviation = number(options, "deviation"),
          .block = static_cast<std::uint64_t>(integer(options, "block", 0, 9e15))};
}

// fillNormal(data, draw): all of an array, on this thread and others.
template <class T>
Napi::Value fill_normal(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    napi_typedarray_type type;
    std::size_t length = 0;
    void* data = nullptr;
    bool is_typed = false;
    if (napi_is_typedarray(info.Env(), info[0], &is_typed) != napi_ok || !is_typed ||
        napi_get_typedarray_info(info.Env(), info[0], &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != kArrayType<T>)
      throw Error("INVALID_OPTION", "data must be a typed array of the right element type");
    const Napi::Object options = object(info[1], "draw");
    const NormalDraw draw = read_draw(options);
    const int threads = static_cast<int>(integer(options, "threads", 1, kMostThreads));
    if (data) draw_normal(draw, static_cast<Index>(length), static_cast<T*>(data), threads, [] {});
    return info.Env().Undefined();
  });
}

// A table's values from … to − 1: gives the block to go on with.
template <class T, bool now>
Napi::Value draw_table(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = object(info[0], "options");
    const std::shared_ptr<Store<T>> store = unwrap<Store<T>>(options.Get("store"));
    const auto& tensors = store->model->tensors;
    const TensorInfo& t = tensors[integer(options, "tensor", 0, static_cast<double>(tensors.size()) - 1)];
    require(t.input >= 0, "only tables are drawn in place");
    const Index from = integer(options, "from", 0, static_cast<double>(t.size));
    const Index to = integer(options, "to", static_cast<double>(from), static_cast<double>(t.size));
    require((to - from) % 2 == 0 || to == t.size, "only the last numbers of a table may be an odd number of them");
    const NormalDraw draw = read_draw(options);
    const int threads = static_cast<int>(integer(options, "threads", 1, kMostThreads));
    const auto block = std::make_shared<std::uint64_t>(0);
    const Index offset = t.offset + from;
    const Work draws = [store, draw, offset, from, to, threads, block](const Poll& poll) {
      bring_home(*store);
      *block = draw_normal(draw, to - from, store->values->data() + offset, threads, poll);
      updated_here(*store);
    };
    const Finish finish = [block](Napi::Env env) -> Napi::Value {
      return Napi::Number::New(env, static_cast<double>(*block));
    };
    if constexpr (now) {
      const auto lock = own_now(*store);
      return run_inline(info.Env(), draws, finish);
    }
    std::shared_ptr<Token> token;
    if (!options.Get("token").IsUndefined()) token = unwrap<Token>(options.Get("token"));
    return run_job(
        info.Env(), threads, Length::lengthy, std::move(token),
        [store, draws](const Poll& poll) {
          StepLocks<T> locks(*store, nullptr, poll);
          locks.begin_update();
          draws(poll);
        },
        finish);
  });
}

}  // namespace

template <class T>
void add_initial_operations(const Operations& operations) {
  operations.add("fillNormal", fill_normal<T>);
  operations.add("drawTable", draw_table<T, false>);
  operations.add("drawTableNow", draw_table<T, true>);
}

INNERLOOP_OPERATIONS(add_initial_operations)

}  // namespace innerloop
