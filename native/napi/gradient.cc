// Operations that give gradients to callers that look at them: of the meta-loss, and along a direction.
#include "call.h"
#include "layout.h"
#include "operations.h"

namespace innerloop {
namespace {

// Whether of tables the rows that the batch reads are wanted, rather than all.
bool is_sparse(const Napi::CallbackInfo& info) { return object(info[0], "options").Get("sparse").ToBoolean(); }

template <class T>
Napi::Value meta_gradient_(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto c = read_call<T>(info, true);
    const Length length = length_of(*c, Wanted::gradients);
    const Direction way = read_direction(info);
    const bool sparse = is_sparse(info);
    const auto result = std::make_shared<MetaGradient<T>>();
    return run_job(
        info.Env(), c->threads, length, c->token,
        [c, way, result](const Poll& poll) {
          const std::shared_lock lock(c->store->mutex);
          const auto rates_lock = lock_rates(*c);
          *result = run_meta_gradient(c->inputs(poll), way);
        },
        [c, sparse, result](Napi::Env env) -> Napi::Value {
          Napi::Object out = Napi::Object::New(env);
          out.Set("loss", Napi::Number::New(env, result->loss));
          out.Set("taskLosses", to_typed_array(env, result->task_losses));
          out.Set("gradient", gradient_to_js(env, *c->store->model, result->gradient, sparse));
          if (c->inner.rate_kind == RateKind::per_parameter)
            out.Set("rateGradient", gradient_to_js(env, *c->store->model, result->rate_gradient, sparse));
          if (c->inner.rate_kind == RateKind::per_tensor_step)
            out.Set("rateGradient", step_rates_to_js(env, result->step_rate_gradient));
          return out;
        });
  });
}

template <class T>
Napi::Value hessian_vector_product_(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto c = read_call<T>(info, true);
    const Length length = length_of(*c, Wanted::gradients);
    const std::shared_ptr<Store<T>> vector = unwrap<Store<T>>(object(info[0], "options").Get("vector"));
    require(vector->model == c->store->model && vector != c->store, "the vector belongs to another model");
    require(c->batch->tasks() == 1, "a Hessian-vector product is of one set of rows");
    const bool sparse = is_sparse(info);
    const auto result = std::make_shared<HessianVectorProduct<T>>();
    return run_job(
        info.Env(), c->threads, length, c->token,
        [c, vector, result](const Poll& poll) {
          const std::shared_lock lock(c->store->mutex), vector_lock(vector->mutex);
          *result = run_hessian_vector_product(c->inputs(poll), *vector);
        },
        [c, sparse, result](Napi::Env env) -> Napi::Value {
          Napi::Object out = Napi::Object::New(env);
          out.Set("loss", Napi::Number::New(env, result->loss));
          out.Set("gradient", gradient_to_js(env, *c->store->model, result->gradient, sparse));
          out.Set("product", gradient_to_js(env, *c->store->model, result->product, sparse));
          return out;
        });
  });
}

}  // namespace

template <class T>
void add_gradient_operations(const Operations& operations) {
  operations.add("metaGradient", meta_gradient_<T>);
  operations.add("hessianVectorProduct", hessian_vector_product_<T>);
}

INNERLOOP_OPERATIONS(add_gradient_operations)

}  // namespace innerloop
