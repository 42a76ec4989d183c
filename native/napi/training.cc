// Operations that take steps of training: whole ones, and those that several processes share.
#include "../meta/partial_gradient.h"
#include "call.h"
#include "layout.h"
#include "operations.h"
#include "packed.h"

namespace innerloop {

// A step between its gradient, of which this process has added up a part, and its update.
template <class T>
struct GradientPart {
  GradientPart(std::shared_ptr<Call<T>> of, Direction direction, Index part, Index parts)
      : call(std::move(of)), direction(direction), part(part), parts(parts) {}
  std::shared_ptr<Call<T>> call;
  Direction direction;
  Index part, parts;
  std::int64_t step = 0;  // of the optimizer, when the gradient was taken
  std::unique_ptr<PartialGradient<T>> gradient;
  std::vector<std::byte> bytes;  // of this part, until JavaScript has them
  std::int64_t held = 0;         // bytes of all sums
};
template <class T>
std::int64_t bytes_of(const GradientPart<T>& part) {
  return kObject + part.held;
}

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

// How `optimizer`, and `rateOptimizer` where rates are learned, are to update by the gradient of a call.
template <class T>
TrainStep<T> read_step(const Call<T>& call, const Napi::Object& options, Direction direction) {
  const auto optimizer = [&](const char* name) {
    return build_optimizer(object(options.Get(name), name), call.store->model->tensors.size());
  };
  const bool learn_rates = call.rates && !options.Get("rateOptimizer").IsUndefined();
  return {
      .inner = call.inner,
      .batch = *call.batch,
      .direction = direction,
      .optimizer = optimizer("optimizer"),
      .rate_optimizer = learn_rates ? std::optional(optimizer("rateOptimizer")) : std::nullopt,
      .threads = call.threads,
  };
}

template <class T>
Napi::Object step_to_js(Napi::Env env, const TrainStepResult<T>& result) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("loss", Napi::Number::New(env, result.loss));
  out.Set("gradientNorm", Napi::Number::New(env, result.gradient_norm));
  out.Set("taskLosses", to_typed_array(env, result.task_losses));
  if (!result.step_rate_gradient.empty()) out.Set("rateGradient", step_rates_to_js(env, result.step_rate_gradient));
  return out;
}

template <class T>
Napi::Value train_step_(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto c = read_call<T>(info, true);
    const Length length = length_of(*c, Wanted::gradients);
    const Napi::Object options = object(info[0], "options");
    // The first step made the optimizer's state, which takes memory.
    tell_size<T>(options.Get("store"));
    const TrainStep<T> step = read_step(*c, options, read_direction(info));
    const auto result = std::make_shared<TrainStepResult<T>>();
    return run_job(
        info.Env(), c->threads, length, c->token,
        [c, step, result](const Poll& poll) { *result = run_train_step(*c->store, c->rates.get(), step, poll); },
        [result](Napi::Env env) -> Napi::Value { return step_to_js(env, *result); });
  });
}

// Adds up one part of a batch's gradient: { gradient, bytes }.
template <class T>
Napi::Value gradient_part(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto c = read_call<T>(info, true);
    const Length length = length_of(*c, Wanted::gradients);
    if (c->store->model->device) throw Error("UNSUPPORTED", "steps of several processes run on the processor");
    const Napi::Object options = object(info[0], "options");
    const Index parts = integer(options, "parts", 1, 65536);
    const Index part = integer(options, "part", 0, static_cast<double>(parts - 1));
    const auto result = std::make_shared<GradientPart<T>>(c, read_direction(info), part, parts);
    return run_job(
        info.Env(), c->threads, length, c->token,
        [c, result](const Poll& poll) {
          const std::shared_lock lock(c->store->mutex);
          const auto rates_lock = lock_rates(*c);
          result->step = c->store->step;
          result->gradient =
              std::make_unique<PartialGradient<T>>(*c->store, c->inner, *c->batch, result->direction, c->threads);
          result->gradient->add(result->part, result->parts, poll);
          result->bytes = result->gradient->bytes(result->part, result->parts);
          result->held = static_cast<std::int64_t>(result->gradient->size(0, 1));
        },
        [result](Napi::Env env) -> Napi::Value {
          Napi::Object out = Napi::Object::New(env);
          out.Set("bytes", bytes_to_array(env, result->bytes));
          result->bytes = {};
          out.Set("gradient", wrap(env, result));
          return out;
        });
  });
}

// Takes the other parts of a gradient, by part, and updates the parameters by the sum. A gradient is applied once.
template <class T>
Napi::Value apply_parts(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Object options = object(info[0], "options");
    const auto of = unwrap<GradientPart<T>>(options.Get("gradient"));
    const std::shared_ptr<Call<T>> c = of->call;
    const Length length = length_of(*c, Wanted::gradients);
    require(of->gradient != nullptr, "this gradient has been applied");
    const Napi::Array given = array(options.Get("parts"), "parts");
    require(given.Length() == static_cast<std::uint32_t>(of->parts), "parts must hold the bytes of every part");
    for (Index p = 0; p < of->parts; ++p) {
      if (p == of->part) continue;
      const Napi::Value value = given.Get(static_cast<std::uint32_t>(p));
      if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
        throw Error("INVALID_OPTION", "parts must be arrays of bytes");
      const auto bytes = value.As<Napi::Uint8Array>();
      require(bytes.ElementLength() == of->gradient->size(p, of->parts), "a part's bytes are not those of this batch");
      of->gradient->take(p, of->parts, reinterpret_cast<const std::byte*>(bytes.Data()));
    }
    const std::shared_ptr<PartialGradient<T>> gradient = std::move(of->gradient);
    const TrainStep<T> step = read_step(*c, options, of->direction);
    const auto result = std::make_shared<TrainStepResult<T>>();
    return run_job(
        info.Env(), c->threads, length, c->token,
        [c, of, gradient, step, result](const Poll& poll) {
          StepLocks<T> locks(*c->store, c->rates.get(), poll);
          require(c->store->step == of->step, "the parameters were updated after this gradient was taken");
          MetaGradient<T> sum = gradient->reduce();
          locks.begin_update();
          result->gradient_norm = apply_gradient(*c->store, c->rates.get(), step, sum);
          result->loss = sum.loss;
          result->task_losses = std::move(sum.task_losses);
          result->step_rate_gradient = std::move(sum.step_rate_gradient);
        },
        [result](Napi::Env env) -> Napi::Value { return step_to_js(env, *result); });
  });
}

}  // namespace

template <class T>
void add_training_operations(const Operations& operations) {
  operations.add("trainStep", train_step_<T>);
  operations.add("gradientPart", gradient_part<T>);
  operations.add("applyParts", apply_parts<T>);
}

INNERLOOP_OPERATIONS(add_training_operations)

}  // namespace innerloop
