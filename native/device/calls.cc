#include "calls.h"

#include <algorithm>
#include <numeric>

#include "../layers/layer.h"
#include "mirror.h"

namespace innerloop {
namespace {

template <class F>
void device_call(const DeviceModel& model, const F& f) {
  innerloop_failure failure{};
  failure.task = -1;
  Plugin::check(f(model.plugin->functions(), &failure), failure);
}

// An inner loop in the plugin's terms.
template <class T>
struct DeviceLoop {
  DeviceLoop(const InnerLoop<T>& inner, const innerloop_store* rates) {
    loop.steps = inner.steps, loop.order = inner.order;
    loop.solver = static_cast<int32_t>(inner.solver);
    loop.rate_kind = static_cast<int32_t>(inner.rate_kind);
    loop.form = static_cast<int32_t>(inner.form);
    loop.update = static_cast<int32_t>(inner.update.kind);
    loop.has_program = inner.graph != nullptr || inner.training_graph != nullptr;
    loop.prior = inner.prior.log_precisions, loop.prior_factor = inner.prior.factor;
    loop.shrinkage = static_cast<double>(inner.shrinkage);
    loop.rate = static_cast<double>(inner.rate);
    loop.proximal = static_cast<double>(inner.proximal);
    loop.clip_norm = static_cast<double>(inner.update.clip_norm);
    loop.beta1 = static_cast<double>(inner.update.beta1), loop.beta2 = static_cast<double>(inner.update.beta2);
    loop.epsilon = static_cast<double>(inner.update.epsilon);
    loop.cg_steps = inner.conjugate_gradients.steps;
    loop.cg_tolerance = static_cast<double>(inner.conjugate_gradients.tolerance);
    loop.cg_damping = static_cast<double>(inner.conjugate_gradients.damping);
    loop.dropout = inner.dropout;
    loop.fast = inner.fast.data();
    for (const std::vector<T>& rows : inner.step_rates) {
      step_rates.insert(step_rates.end(), rows.begin(), rows.end());
      step_rates.resize((step_rates.size() + static_cast<std::size_t>(inner.steps) - rows.size()), T(0));
    }
    loop.step_rates = step_rates.data();
    loop.rates = rates;
    loss_weights.assign(inner.loss_weights.begin(), inner.loss_weights.end());
    if (!loss_weights.empty()) loop.loss_weights = loss_weights.data();
  }
  std::vector<T> step_rates;  // [tensors, steps]
  std::vector<double> loss_weights;
  innerloop_loop loop{};
};

// One call on the device: its counterparts, and the loop.
template <class T>
struct DeviceCall {
  explicit DeviceCall(const CallInputs<T>& call)
      : model(*call.store.model->device),
        store((call.poll(), on_device(call.store))),
        batch(on_device(call.batch, call.threads)),
        made(call.inner, call.rates ? on_device(*call.rates) : nullptr),
        loop(&made.loop) {
    call.poll();
  }
  const DeviceModel& model;
  innerloop_store* store;
  innerloop_batch* batch;
  DeviceLoop<T> made;
  const innerloop_loop* loop;
};

// A gradient to be filled by the device.
template <class T>
std::vector<void*> make_room(const CallInputs<T>& call, SparseGradient<T>& gradient) {
  const Model<T>& model = *call.store.model;
  const BatchIndex<T>& index = call.batch.index_with_rows(call.threads);
  const std::size_t n = model.tensors.size();
  gradient.dense.resize(static_cast<std::size_t>(model.dense_size));
  gradient.rows.assign(n, nullptr);
  gradient.blocks.resize(n);
  std::vector<void*> blocks(n, nullptr);
  for (std::size_t t = 0; t < n; ++t) {
    if (model.tensors[t].input < 0) continue;
    gradient.rows[t] = &index.inputs[model.tensors[t].input].rows;
    gradient.blocks[t].resize(gradient.rows[t]->size() * static_cast<std::size_t>(model.tensors[t].width));
    blocks[t] = gradient.blocks[t].data();
  }
  return blocks;
}

template <class T>
std::vector<std::vector<T>> by_tensor(const std::vector<T>& flat, const InnerLoop<T>& inner) {
  std::vector<std::vector<T>> rows;
  for (std::size_t t = 0; t < inner.fast.size(); ++t)
    rows.emplace_back(flat.begin() + static_cast<std::ptrdiff_t>(t) * inner.steps,
                      flat.begin() + static_cast<std::ptrdiff_t>(t + 1) * inner.steps);
  return rows;
}

template <class T>
std::vector<T> room_for_step_rates(const InnerLoop<T>& inner) {
  const bool wanted = inner.rate_kind == RateKind::per_tensor_step;
  return std::vector<T>(wanted ? inner.fast.size() * static_cast<std::size_t>(inner.steps) : 0, T(0));
}

// Adapted parameters as starts in the plugin's terms.
template <class T>
struct DeviceStarts {
  DeviceStarts(const Model<T>& model, bool variance) : model(model), variance(variance) {}
  void add(const Adapted<T>& from) {
    if (variance && from.dual)
      throw Error("UNSUPPORTED",
                  "the variance of a task that was adapted on the processor is not supported on the device");
    const std::size_t n = model.tensors.size();
    pieces.push_back(std::make_unique<Pieces>(n));
    Pieces& to = *pieces.back();
    for (std::size_t t = 0; t < n; ++t) {
      if (!from.fast[t]) continue;
      to.values[t] = model.tensors[t].input >= 0 ? from.blocks[t].data() : from.dense[t].data();
      to.rows[t] = from.rows[t].data();
      to.counts[t] = static_cast<int64_t>(from.rows[t].size());
    }
    all.push_back({from.fast.data(), to.values.data(), to.rows.data(), to.counts.data(),
                   variance && !from.factor.empty() ? from.factor.data() : nullptr});
  }
  struct Pieces {
    explicit Pieces(std::size_t n) : values(n, nullptr), rows(n, nullptr), counts(n, 0) {}
    std::vector<const void*> values;
    std::vector<const int32_t*> rows;
    std::vector<int64_t> counts;
  };
  const Model<T>& model;
  const bool variance;
  std::vector<std::unique_ptr<Pieces>> pieces;
  std::vector<innerloop_start> all;
};

template <class T>
Plan<T> plan_of(const CallInputs<T>& call, bool gradient) {
  return Plan<T>(*call.store.model, call.inner, call.batch, call.threads, gradient);
}

innerloop_optimizer optimizer_of(const OptimizerOptions& from) {
  return {static_cast<int32_t>(from.kind),
          from.learning_rate,
          from.momentum,
          from.beta1,
          from.beta2,
          from.epsilon,
          from.clip_norm,
          from.weight_decay.data(),
          from.max_norm.data(),
          from.l2.data()};
}

}  // namespace

template <class T>
void check_loop(const Model<T>& model, const InnerLoop<T>& inner) {
  if (!model.device) return;
  const DeviceLoop<T> made(inner, nullptr);
  device_call(*model.device, [&](auto& device, auto* failure) {
    return device.check_loop(model.device->handle, &made.loop, failure);
  });
}

template <class T>
MetaGradient<T> run_meta_gradient(const CallInputs<T>& call, Direction direction) {
  if (!call.store.model->device)
    return meta_gradient<T>(plan_of(call, true), call.store.values->data(), direction, call.threads, call.poll);
  const DeviceCall<T> on(call);
  MetaGradient<T> result;
  result.task_losses.resize(static_cast<std::size_t>(call.batch.tasks()));
  std::vector<T> step_rates = room_for_step_rates(call.inner);
  const std::vector<void*> blocks = make_room(call, result.gradient);
  std::vector<void*> rate_blocks;
  if (call.inner.rate_kind == RateKind::per_parameter) rate_blocks = make_room(call, result.rate_gradient);
  innerloop_meta_gradient_result out{
      0,
      result.task_losses.data(),
      {result.gradient.dense.data(), blocks.data()},
      {result.rate_gradient.dense.empty() ? nullptr : result.rate_gradient.dense.data(), rate_blocks.data()},
      step_rates.empty() ? nullptr : step_rates.data()};
  device_call(on.model, [&](auto& device, auto* failure) {
    return device.meta_gradient(on.store, on.batch, on.loop, static_cast<int32_t>(direction), &out, failure);
  });
  result.loss = out.loss;
  if (call.inner.rate_kind == RateKind::per_tensor_step) result.step_rate_gradient = by_tensor(step_rates, call.inner);
  return result;
}

template <class T>
TrainStepResult<T> run_train_step(Store<T>& parameters, Store<T>* rates, const TrainStep<T>& step,
                                  const std::function<void()>& poll) {
  if (!parameters.model->device) return train_step<T>(parameters, rates, step, poll);
  StepLocks<T> locks(parameters, rates, poll);
  locks.begin_update();  // the device does the whole step at once
  const DeviceCall<T> on({parameters, step.batch, step.inner, rates, step.threads, poll});
  TrainStepResult<T> result;
  result.task_losses.resize(static_cast<std::size_t>(step.batch.tasks()));
  std::vector<T> step_rates = room_for_step_rates(step.inner);
  innerloop_step_result out{0, 0, result.task_losses.data(), step_rates.empty() ? nullptr : step_rates.data()};
  const bool learn_rates = rates && step.rate_optimizer;
  const innerloop_optimizer outer = optimizer_of(step.optimizer);
  const innerloop_optimizer rate_outer = learn_rates ? optimizer_of(*step.rate_optimizer) : innerloop_optimizer{};
  device_call(on.model, [&](auto& device, auto* failure) {
    return device.train_step(on.store, on.batch, on.loop, static_cast<int32_t>(step.direction), &outer,
                             learn_rates ? &rate_outer : nullptr, &out, failure);
  });
  updated_on_device(parameters);
  if (learn_rates) updated_on_device(*rates);
  result.loss = out.loss, result.gradient_norm = out.norm;
  if (step.inner.rate_kind == RateKind::per_tensor_step) result.step_rate_gradient = by_tensor(step_rates, step.inner);
  return result;
}

template <class T>
std::vector<Adapted<T>> run_adapt(const CallInputs<T>& call, bool factor) {
  if (!call.store.model->device)
    return adapt_tasks<T>(plan_of(call, false), call.store.values->data(), factor, call.threads, call.poll);
  const DeviceCall<T> on(call);
  const Model<T>& model = *call.store.model;
  const BatchIndex<T>& index = call.batch.index_with_rows(call.threads);
  const std::size_t n = model.tensors.size(), tasks = static_cast<std::size_t>(call.batch.tasks());
  std::vector<std::vector<T>> values(n);
  std::vector<void*> pointers(n, nullptr);
  for (std::size_t t = 0; t < n; ++t) {
    if (!call.inner.fast[t]) continue;
    const TensorInfo& info = model.tensors[t];
    values[t].resize(info.input < 0 ? tasks * static_cast<std::size_t>(info.size)
                                    : index.inputs[info.input].unique.size() * static_cast<std::size_t>(info.width));
    pointers[t] = values[t].data();
  }
  const std::size_t d =
      factor && call.inner.solves_last_layer() ? static_cast<std::size_t>(model.last_layer->I) + 1 : 0;
  std::vector<double> factors(tasks * d * d), modes(tasks * d);
  innerloop_adapted_result out{pointers.data(), d > 0 ? factors.data() : nullptr, modes.data()};
  device_call(on.model,
              [&](auto& device, auto* failure) { return device.adapt(on.store, on.batch, on.loop, &out, failure); });
  std::vector<Adapted<T>> results(tasks);
  for (std::size_t task = 0; task < tasks; ++task) {
    Adapted<T>& result = results[task];
    result.model = call.store.model;
    result.fast = call.inner.fast;
    result.dense.resize(n), result.rows.resize(n), result.blocks.resize(n);
    if (d > 0) {
      result.factor.assign(factors.data() + task * d * d, factors.data() + (task + 1) * d * d);
      result.mode.assign(modes.data() + task * d, modes.data() + (task + 1) * d);
    }
    for (std::size_t t = 0; t < n; ++t) {
      if (!call.inner.fast[t]) continue;
      const TensorInfo& info = model.tensors[t];
      if (info.input < 0) {
        const T* from = values[t].data() + task * static_cast<std::size_t>(info.size);
        result.dense[t].assign(from, from + info.size);
        continue;
      }
      const auto& in = index.inputs[info.input];
      const Index begin = in.unique_begin[task];
      const std::int32_t* rows = in.unique.data() + begin;
      std::vector<Index> order(static_cast<std::size_t>(in.unique_begin[task + 1] - begin));
      std::iota(order.begin(), order.end(), Index{0});
      std::sort(order.begin(), order.end(), [&](Index a, Index b) { return rows[a] < rows[b]; });
      for (const Index r : order) {
        const T* from = values[t].data() + (begin + r) * info.width;
        result.rows[t].push_back(rows[r]);
        result.blocks[t].insert(result.blocks[t].end(), from, from + info.width);
      }
    }
  }
  return results;
}

template <class T>
QueryOutputs<T> run_predict(const CallInputs<T>& call, const Prediction<T>& wanted) {
  if (!call.store.model->device)
    return predict_tasks<T>(plan_of(call, false), call.store.values->data(), wanted, call.threads, call.poll);
  const DeviceCall<T> on(call);
  Index rows = 0;
  for (Index t = 0; t < call.batch.tasks(); ++t) rows += call.batch.begin[2 * t + 2] - call.batch.begin[2 * t + 1];
  const std::size_t size = static_cast<std::size_t>(rows * call.store.model->spec.outputs());
  QueryOutputs<T> result;
  if (wanted.before) result.before.resize(size);
  if (wanted.after) result.after.resize(size);
  if (wanted.variance) result.variance.resize(size);
  DeviceStarts<T> starts(*call.store.model, wanted.variance && !wanted.after);
  if (wanted.starts)
    for (Index t = 0; t < call.batch.tasks(); ++t) starts.add(*wanted.starts[t]);
  else if (wanted.start)
    starts.add(*wanted.start);
  const auto pointer = [](std::vector<T>& to) { return to.empty() ? nullptr : static_cast<void*>(to.data()); };
  innerloop_outputs out{pointer(result.before), pointer(result.after), pointer(result.variance)};
  device_call(on.model, [&](auto& device, auto* failure) {
    return device.predict(on.store, on.batch, on.loop, starts.all.data(), static_cast<int64_t>(starts.all.size()), &out,
                          failure);
  });
  return result;
}

template <class T>
HessianVectorProduct<T> run_hessian_vector_product(const CallInputs<T>& call, const Store<T>& vector) {
  if (!call.store.model->device)
    return hessian_vector_product<T>(plan_of(call, true), call.store.values->data(), vector.values->data(), call.poll);
  const DeviceCall<T> on(call);
  HessianVectorProduct<T> result{};
  const std::vector<void*> gradient = make_room(call, result.gradient), product = make_room(call, result.product);
  innerloop_product_result out{
      0, {result.gradient.dense.data(), gradient.data()}, {result.product.dense.data(), product.data()}};
  const innerloop_store* along = on_device(vector);
  device_call(on.model, [&](auto& device, auto* failure) {
    return device.hessian_vector_product(on.store, on.batch, along, &out, failure);
  });
  result.loss = out.loss;
  return result;
}

#define INNERLOOP_INSTANTIATE(T)                                                                                       \
  template void check_loop(const Model<T>&, const InnerLoop<T>&);                                                      \
  template MetaGradient<T> run_meta_gradient(const CallInputs<T>&, Direction);                                         \
  template TrainStepResult<T> run_train_step(Store<T>&, Store<T>*, const TrainStep<T>&, const std::function<void()>&); \
  template std::vector<Adapted<T>> run_adapt(const CallInputs<T>&, bool);                                              \
  template QueryOutputs<T> run_predict(const CallInputs<T>&, const Prediction<T>&);                                    \
  template HessianVectorProduct<T> run_hessian_vector_product(const CallInputs<T>&, const Store<T>&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
