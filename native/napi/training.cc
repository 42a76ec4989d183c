// Operations that take steps of training.
#include "call.h"
#include "layout.h"
#include "operations.h"

namespace innerloop {
namespace {

OptimizerOptions build_optimizer(const Napi::Object& from, std::size_t tensors) {
  OptimizerOptions o;
  o.kind = enumerator<OptimizerKind>(from, "kind");
  o.learning_rate = number(from, "learningRate");
  o.momentum = number(from, "momentum");
  o.beta1 = number(from, "beta1");
  o.beta2 = number(from, "beta2");
  o.epsilon = number(from, "epsilon");
  o.clip_norm = number(from, "clipNorm");
  o.weight_decay = copy<double>(from.Get("weightDecay"), "weightDecay");
  o.l2 = copy<double>(from.Get("l2"), "l2");
  o.max_norm = copy<double>(from.Get("maxNorm"), "maxNorm");
  require(o.weight_decay.size() == tensors && o.l2.size() == tensors && o.max_norm.size() == tensors,
          "weightDecay, l2 and maxNorm must hold one value for each tensor");
  return o;
}

template <class T>
Napi::Value train_step_(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto c = read_call<T>(info, true);
    const Napi::Object options = object(info[0], "options");
    const auto optimizer = [&](const char* name) {
      return build_optimizer(object(options.Get(name), name), c->store->model->tensors.size());
    };
    // The first step made the optimizer's state, which takes memory.
    tell_size<T>(options.Get("store"));
    const bool learn_rates = c->rates && !options.Get("rateOptimizer").IsUndefined();
    const TrainStep<T> step{
        .inner = c->inner,
        .batch = *c->batch,
        .direction = read_direction(info),
        .optimizer = optimizer("optimizer"),
        .rate_optimizer = learn_rates ? std::optional(optimizer("rateOptimizer")) : std::nullopt,
        .threads = c->threads,
    };
    const auto result = std::make_shared<TrainStepResult<T>>();
    return run_job(
        info.Env(), c->threads, is_brief(*c, Wanted::gradients), c->token,
        [c, step, result](const Poll& poll) { *result = run_train_step(*c->store, c->rates.get(), step, poll); },
        [result](Napi::Env env) -> Napi::Value {
          Napi::Object out = Napi::Object::New(env);
          out.Set("loss", Napi::Number::New(env, result->loss));
          out.Set("gradientNorm", Napi::Number::New(env, result->gradient_norm));
          out.Set("taskLosses", to_typed_array(env, result->task_losses));
          if (!result->step_rate_gradient.empty())
            out.Set("rateGradient", step_rates_to_js(env, result->step_rate_gradient));
          return out;
        });
  });
}

}  // namespace

template <class T>
void add_training_operations(const Operations& operations) {
  operations.add("trainStep", train_step_<T>);
}

INNERLOOP_OPERATIONS(add_training_operations)

}  // namespace innerloop
