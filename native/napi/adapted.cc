// Adapting tasks, reading what they became, predicting with it.
#include "../meta/inner_loop.h"
#include "arguments.h"
#include "call.h"
#include "layout.h"
#include "operations.h"

namespace innerloop {
namespace {

// With Sync on the calling thread.
template <class T, bool Sync>
Napi::Value adapt(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto c = read_call<T>(info, true);
    const auto result = std::make_shared<std::vector<Adapted<T>>>();
    return run_reading<Sync>(
        info.Env(), c,
        [c, result](const Poll& poll) {
          const Plan<T> plan(*c->store->model, c->inner, *c->batch, c->threads);
          *result = adapt_tasks<T>(plan, c->store->values->data(), c->threads, poll);
        },
        [result](Napi::Env env) -> Napi::Value {
          Napi::Array out = Napi::Array::New(env);
          for (Adapted<T>& task : *result)
            out.Set(out.Length(), wrap(env, std::make_shared<Adapted<T>>(std::move(task))));
          return out;
        });
  });
}

// The fast tensors of an adapted task in full, by tensor; an embedding's other rows come from the shared parameters.
template <class T>
Napi::Value read_adapted(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto adapted = unwrap<Adapted<T>>(info[0]);
    const std::shared_ptr<Store<T>> store = unwrap<Store<T>>(info[1]);
    const Model<T>& model = *adapted->model;
    require(store->model == adapted->model, "the parameters belong to another model");
    const auto lock = share_now(*store);
    Napi::Array out = Napi::Array::New(info.Env(), model.tensors.size());
    for (std::size_t i = 0; i < model.tensors.size(); ++i) {
      const TensorInfo& t = model.tensors[i];
      if (!adapted->fast[i]) continue;
      if (t.input < 0) {
        out.Set(static_cast<std::uint32_t>(i), to_typed_array<T>(info.Env(), t, adapted->dense[i].data()));
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
    std::shared_ptr<Adapted<T>> start;
    if (!options.Get("adapted").IsUndefined()) {
      start = unwrap<Adapted<T>>(options.Get("adapted"));
      require(start->model == c->store->model, "the adapted parameters belong to another model");
      // Steps on another selection than the rates and the solver were checked for would read beyond them.
      require(!after || start->fast == c->inner.fast, "the adapted parameters are of another selection");
      c->inner.fast = start->fast;
      c->inner.graph = start->graph;
    }
    const bool variance = options.Get("variance").ToBoolean();
    const bool solved =
        !c->inner.graph && (c->inner.solver == SolverKind::ridge || c->inner.solver == SolverKind::laplace);
    require(!variance || (after ? solved : before && start && !start->factor.empty()),
            "only a last layer in closed form has a variance");
    const auto result = std::make_shared<QueryOutputs<T>>();
    return run_reading<Sync>(
        info.Env(), c,
        [c, before, after, variance, start, result](const Poll& poll) {
          const Plan<T> plan(*c->store->model, c->inner, *c->batch, c->threads);
          const Prediction<T> wanted{.before = before, .after = after, .variance = variance, .start = start.get()};
          *result = predict_tasks<T>(plan, c->store->values->data(), wanted, c->threads, poll);
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
