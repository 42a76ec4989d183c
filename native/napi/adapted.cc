// Operations that adapt tasks, read what they became, and predict with it.
#include "../device/mirror.h"
#include "../graphs/graph.h"
#include "../serving/packed_adapted.h"
#include "arguments.h"
#include "call.h"
#include "layout.h"
#include "operations.h"
#include "packed.h"

namespace innerloop {
namespace {

// With Sync on the calling thread.
template <class T, bool Sync>
Napi::Value adapt(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto c = read_call<T>(info, true);
    const Napi::Object options = object(info[0], "options");
    const bool packed = options.Get("packed").ToBoolean();
    // A handle keeps everything. Packed tasks are kept in great numbers, so that the d² numbers of a factor are packed
    // only where they were asked for.
    const bool factor = !packed || options.Get("factor").ToBoolean();
    const auto result = std::make_shared<std::vector<Adapted<T>>>();
    return run_reading<Sync>(
        info.Env(), c, length_of(*c, Wanted::adapted),
        [c, factor, result](const Poll& poll) { *result = run_adapt(c->inputs(poll), factor); },
        [packed, result](Napi::Env env) -> Napi::Value {
          Napi::Array out = Napi::Array::New(env, result->size());
          for (std::uint32_t t = 0; t < result->size(); ++t) {
            Adapted<T>& task = (*result)[t];
            if (packed)
              out.Set(t, bytes_to_array(env, pack_adapted(task)));
            else
              out.Set(t, wrap(env, std::make_shared<Adapted<T>>(std::move(task))));
          }
          return out;
        });
  });
}

// Gives the fast tensors of an adapted task, by tensor. Of an embedding it gives the rows that adapted alone if the
// last argument is true, else all of them, the others from the shared parameters.
template <class T>
Napi::Value read_adapted(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto adapted = unwrap<Adapted<T>>(info[0]);
    const std::shared_ptr<Store<T>> store = unwrap<Store<T>>(info[1]);
    const Model<T>& model = *adapted->model;
    require(store->model == adapted->model, "the parameters belong to another model");
    const auto lock = share_now(*store);
    bring_home(*store);
    const bool sparse = info[2].ToBoolean();
    Napi::Array out = Napi::Array::New(info.Env(), model.tensors.size());
    for (std::size_t i = 0; i < model.tensors.size(); ++i) {
      const TensorInfo& t = model.tensors[i];
      if (!adapted->fast[i]) continue;
      if (t.input < 0) {
        out.Set(static_cast<std::uint32_t>(i), to_typed_array<T>(info.Env(), t, adapted->dense[i].data()));
        continue;
      }
      if (sparse) {
        out.Set(static_cast<std::uint32_t>(i), rows_to_js(info.Env(), adapted->rows[i], adapted->blocks[i]));
        continue;
      }
      std::vector<T> full(store->values->data() + t.offset, store->values->data() + t.offset + t.size);
      const Index dim = model.dim(static_cast<int>(i));
      for (std::size_t r = 0; r < adapted->rows[i].size(); ++r)
        std::copy_n(adapted->blocks[i].data() + r * dim, dim, full.data() + adapted->rows[i][r] * dim);
      out.Set(static_cast<std::uint32_t>(i), to_typed_array(info.Env(), full));
    }
    return out;
  });
}

// With Sync on the calling thread.
template <class T, bool Sync>
Napi::Value predict(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Object options = object(info[0], "options");
    const auto c = read_call<T>(info, options.Get("after").ToBoolean());
    const bool before = options.Get("before").ToBoolean(), after = options.Get("after").ToBoolean();
    std::vector<std::shared_ptr<const Adapted<T>>> starts;
    std::shared_ptr<const Adapted<T>> start;
    if (!options.Get("adapted").IsUndefined()) {
      starts = read_adapted_tasks<T>(c->store->model, options);
      require(starts.size() == 1 || static_cast<Index>(starts.size()) == c->batch->tasks(),
              "adapted parameters must be of one task or of all");
      require(!starts.empty(), "the batch has no tasks");
      start = starts[0];
      // Steps on another selection than the rates and the solver were checked for would read beyond them.
      require(!after || start->fast == c->inner.fast, "the adapted parameters are of another selection");
      c->inner.fast = start->fast;
      c->inner.graph = start->graph;
    }
    const bool variance = options.Get("variance").ToBoolean();
    const bool replaced = c->inner.graph && c->inner.graph->spec.starts.empty();
    const bool solved = !replaced && c->inner.solves_last_layer();
    require(!variance || (after ? solved : before && start), "only a last layer in closed form has a variance");
    for (const auto& each : starts)
      require(!variance || after || each->has_posterior(), "only a last layer in closed form has a variance");
    const auto result = std::make_shared<QueryOutputs<T>>();
    return run_reading<Sync>(
        info.Env(), c, length_of(*c, after ? Wanted::adapted : Wanted::outputs),
        [c, before, after, variance, starts, result](const Poll& poll) {
          const Prediction<T> wanted{.before = before,
                                     .after = after,
                                     .variance = variance,
                                     .start = starts.empty() ? nullptr : starts[0].get(),
                                     .starts = starts.size() > 1 ? starts.data() : nullptr};
          *result = run_predict(c->inputs(poll), wanted);
        },
        [before, after, variance, result](Napi::Env env) -> Napi::Value {
          Napi::Object out = Napi::Object::New(env);
          if (before) out.Set("before", to_typed_array(env, result->before));
          if (after) out.Set("after", to_typed_array(env, result->after));
          if (variance) out.Set("variance", to_typed_array(env, result->variance));
          return out;
        });
  });
}

}  // namespace

template <class T>
void add_adapted_operations(const Operations& operations) {
  operations.add("adapt", adapt<T, false>);
  operations.add("adaptSync", adapt<T, true>);
  operations.add("readAdapted", read_adapted<T>);
  operations.add("predict", predict<T, false>);
  operations.add("predictSync", predict<T, true>);
}

INNERLOOP_OPERATIONS(add_adapted_operations)

}  // namespace innerloop
