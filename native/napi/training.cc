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
  std::shared_ptr<Call<T>> call;
  Direction direction;
  Parts part;
  Whole whole;
  std::int64_t step = 0;  // of the optimizer, when the gradient was taken
  bool is_applied = false;
};
template <class T>
std::int64_t bytes_of(const GradientPart<T>& part) {
  return kObject + bytes_of(part.whole.differs) + bytes_of(part.whole.weights);
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

Parts read_part(const Napi::Object& from) {
  const Index parts = integer(from, "parts", 1, 65536);
  return {integer(from, "part", 0, static_cast<double>(parts - 1)), parts};
}

template <class T>
Chunks chunks_of(const Model<T>& model, Index tasks) {
  return {tasks, model.dense_size * static_cast<Index>(sizeof(T))};
}

// Gives which tasks of a batch of so many a part has: tasksOfPart(model, { tasks, part, parts }) → [from, to].
template <class T>
Napi::Value tasks_of_part(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto model = unwrap<Model<T>>(info[0]);
    const Napi::Object of = object(info[1], "of");
    const Range tasks = chunks_of(*model, integer(of, "tasks", 1, kMaxCount)).tasks_of(read_part(of));
    Napi::Array out = Napi::Array::New(info.Env(), 2);
    out.Set(0u, Napi::Number::New(info.Env(), static_cast<double>(tasks.from)));
    out.Set(1u, Napi::Number::New(info.Env(), static_cast<double>(tasks.to)));
    return out;
  });
}

// Gives what the other processes have to know of a part's batch: { supportRows, queryRows, differs }.
template <class T>
Napi::Value describe_part(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto batch = unwrap<Batch<T>>(info[0]);
    Index support = 0;
    for (Index t = 0; t < batch->tasks(); ++t) support += batch->begin[2 * t + 1] - batch->begin[2 * t];
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("supportRows", Napi::Number::New(info.Env(), static_cast<double>(support)));
    out.Set("queryRows", Napi::Number::New(info.Env(), static_cast<double>(batch->begin.back() - support)));
    out.Set("differs", to_typed_array(info.Env(), differing_inputs(*batch)));
    return out;
  });
}

// Reads of what the batch of a call is a part.
template <class T>
Whole read_whole(const Call<T>& call, const Napi::Object& from, Parts part) {
  const Batch<T>& batch = *call.batch;
  Whole whole;
  whole.tasks = integer(from, "tasks", 1, kMaxCount);
  const Range own = chunks_of(*batch.model, whole.tasks).tasks_of(part);
  require(batch.tasks() == own.to - own.from, "the batch must hold the tasks of the part");
  whole.first_task = own.from;
  whole.first_row = integer(from, "firstRow", 0, 9007199254740991.0);
  whole.support_rows = number(from, "supportRows");
  whole.query_rows = number(from, "queryRows");
  whole.differs = copy<std::uint8_t>(from.Get("differs"), "differs");
  require(whole.differs.size() == batch.model->spec.inputs.size(), "differs must hold one value for each input");
  require(batch.weights.empty(), "the weights of a part are those of the whole");
  if (from.Get("weights").IsUndefined()) return whole;
  whole.weights = copy<double>(from.Get("weights"), "weights");
  require(static_cast<Index>(whole.weights.size()) == whole.tasks, "weights must hold one value for each task");
  return whole;
}

// Adds up one part of a batch's gradient: { gradient, bytes }.
template <class T>
Napi::Value gradient_part(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto c = read_call<T>(info, true, true);
    const Length length = length_of(*c, Wanted::gradients);
    if (c->store->model->device) throw Error("UNSUPPORTED", "steps of several processes run on the processor");
    const Napi::Object whole = object(object(info[0], "options").Get("whole"), "whole");
    const Parts part = read_part(whole);
    const auto result =
        std::make_shared<GradientPart<T>>(GradientPart<T>{c, read_direction(info), part, read_whole(*c, whole, part)});
    const auto bytes = std::make_shared<std::vector<std::byte>>();
    return run_job(
        info.Env(), c->threads, length, c->token,
        [c, result, bytes](const Poll& poll) {
          const std::shared_lock lock(c->store->mutex);
          const auto rates_lock = lock_rates(*c);
          result->step = c->store->step;
          *bytes = partial_gradient(*c->store, c->inner, *c->batch, result->direction, result->whole, result->part,
                                    c->threads, poll);
        },
        [result, bytes](Napi::Env env) -> Napi::Value {
          Napi::Object out = Napi::Object::New(env);
          out.Set("bytes", bytes_to_array(env, *bytes));
          out.Set("gradient", wrap(env, result));
          return out;
        });
  });
}

// Takes the bytes of all parts, by part, and updates the parameters by their sum. A gradient is applied once.
template <class T>
Napi::Value apply_parts(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Object options = object(info[0], "options");
    const auto of = unwrap<GradientPart<T>>(options.Get("gradient"));
    const std::shared_ptr<Call<T>> c = of->call;
    const Length length = length_of(*c, Wanted::gradients);
    require(!of->is_applied, "this gradient has been applied");
    const Napi::Array given = array(options.Get("parts"), "parts");
    require(given.Length() == static_cast<std::uint32_t>(of->part.parts), "parts must hold the bytes of every part");
    const auto parts = std::make_shared<std::vector<std::vector<std::byte>>>();
    for (std::uint32_t p = 0; p < given.Length(); ++p) {
      const Napi::Value value = given.Get(p);
      if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
        throw Error("INVALID_OPTION", "parts must be arrays of bytes");
      const auto bytes = value.As<Napi::Uint8Array>();
      const std::byte* first = reinterpret_cast<const std::byte*>(bytes.Data());
      if (first)
        parts->emplace_back(first, first + bytes.ElementLength());
      else
        parts->emplace_back();
    }
    const TrainStep<T> step = read_step(*c, options, of->direction);
    of->is_applied = true;
    const auto result = std::make_shared<TrainStepResult<T>>();
    return run_job(
        info.Env(), c->threads, length, c->token,
        [c, of, parts, step, result](const Poll& poll) {
          StepLocks<T> locks(*c->store, c->rates.get(), poll);
          require(c->store->step == of->step, "the parameters were updated after this gradient was taken");
          JoinedGradient<T> joined(*c->store->model, c->inner, of->whole, *parts);
          MetaGradient<T> sum = joined.reduce(c->threads);
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
  operations.add("tasksOfPart", tasks_of_part<T>);
  operations.add("describePart", describe_part<T>);
  operations.add("gradientPart", gradient_part<T>);
  operations.add("applyParts", apply_parts<T>);
}

INNERLOOP_OPERATIONS(add_training_operations)

}  // namespace innerloop
