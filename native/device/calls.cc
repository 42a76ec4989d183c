#include "calls.h"

#include <algorithm>
#include <numeric>

#include "../layers/linear.h"
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
    loop.has_program = inner.episode != nullptr || inner.training != nullptr;
    loop.has_loss_weights = !inner.loss_weights.empty();
    loop.prior = inner.prior.log_precisions, loop.prior_factor = inner.prior.factor;
    loop.shrinkage = static_cast<double>(inner.shrinkage);
    loop.rate = static_cast<double>(inner.rate);
    loop.proximal = static_cast<double>(inner.proximal);
    loop.dropout = inner.dropout;
    loop.fast = inner.fast.data();
    for (const std::vector<T>& rows : inner.step_rates) {
      step_rates.insert(step_rates.end(), rows.begin(), rows.end());
      step_rates.resize((step_rates.size() + static_cast<std::size_t>(inner.steps) - rows.size()), T(0));
    }
    loop.step_rates = step_rates.data();
    loop.rates = rates;
  }
  std::vector<T> step_rates;  // [tensors, steps]
  innerloop_loop loop{};
};

// One call on the device: its counterparts, and the loop.
template <class T>
struct DeviceWork {
  explicit DeviceWork(const Work<T>& work)
      : model(*work.store.model->device),
        store((work.poll(), on_device(work.store))),
        batch(on_device(work.batch, work.threads)),
        made(work.inner, work.rates ? on_device(*work.rates) : nullptr),
        loop(&made.loop) {
    work.poll();
  }
  const DeviceModel& model;
  innerloop_store* store;
  innerloop_batch* batch;
  DeviceLoop<T> made;
  const innerloop_loop* loop;
};

// A gradient to be filled by the device.
template <class T>
std::vector<void*> make_room(const Work<T>& work, SparseGradient<T>& gradient) {
  const Model<T>& model = *work.store.model;
  const BatchIndex<T>& index = work.batch.index_with_rows(work.threads);
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

template <class T>
Plan<T> plan_of(const Work<T>& work, bool gradient) {
  return Plan<T>(*work.store.model, work.inner, work.batch, work.threads, gradient);
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
MetaGradient<T> run_meta_gradient(const Work<T>& work, Direction direction) {
  if (!work.store.model->device)
    return meta_gradient<T>(plan_of(work, true), work.store.values->data(), direction, work.threads, work.poll);
  const DeviceWork<T> on(work);
  MetaGradient<T> result;
  result.task_losses.resize(static_cast<std::size_t>(work.batch.tasks()));
  std::vector<T> step_rates = room_for_step_rates(work.inner);
  const std::vector<void*> blocks = make_room(work, result.gradient);
  std::vector<void*> rate_blocks;
  if (work.inner.rate_kind == RateKind::per_parameter) rate_blocks = make_room(work, result.rate_gradient);
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
  if (work.inner.rate_kind == RateKind::per_tensor_step) result.step_rate_gradient = by_tensor(step_rates, work.inner);
  return result;
}

template <class T>
TrainStep<T> run_train_step(const Work<T>& work, Direction direction, const OptimizerOptions& optimizer,
                            const OptimizerOptions* rate_optimizer) {
  TrainStep<T> result;
  if (!work.store.model->device) {
    MetaGradient<T> g =
        meta_gradient<T>(plan_of(work, true), work.store.values->data(), direction, work.threads, work.poll);
    result.norm = outer_update<T>(work.store, g.gradient, optimizer, work.threads);
    if (rate_optimizer) outer_update<T>(*work.rates, g.rate_gradient, *rate_optimizer, work.threads);
    result.loss = g.loss;
    result.task_losses = std::move(g.task_losses);
    result.step_rate_gradient = std::move(g.step_rate_gradient);
    return result;
  }
  const DeviceWork<T> on(work);
  result.task_losses.resize(static_cast<std::size_t>(work.batch.tasks()));
  std::vector<T> step_rates = room_for_step_rates(work.inner);
  innerloop_step_result out{0, 0, result.task_losses.data(), step_rates.empty() ? nullptr : step_rates.data()};
  const innerloop_optimizer outer = optimizer_of(optimizer);
  const innerloop_optimizer rate_outer = rate_optimizer ? optimizer_of(*rate_optimizer) : innerloop_optimizer{};
  device_call(on.model, [&](auto& device, auto* failure) {
    return device.train_step(on.store, on.batch, on.loop, static_cast<int32_t>(direction), &outer,
                             rate_optimizer ? &rate_outer : nullptr, &out, failure);
  });
  updated_on_device(work.store);
  if (rate_optimizer) updated_on_device(*work.rates);
  result.loss = out.loss, result.norm = out.norm;
  if (work.inner.rate_kind == RateKind::per_tensor_step) result.step_rate_gradient = by_tensor(step_rates, work.inner);
  return result;
}

template <class T>
std::vector<Adapted<T>> run_adapt(const Work<T>& work) {
  if (!work.store.model->device)
    return adapt_tasks<T>(plan_of(work, false), work.store.values->data(), work.threads, work.poll);
  const DeviceWork<T> on(work);
  const Model<T>& model = *work.store.model;
  const BatchIndex<T>& index = work.batch.index_with_rows(work.threads);
  const std::size_t n = model.tensors.size(), tasks = static_cast<std::size_t>(work.batch.tasks());
  std::vector<std::vector<T>> values(n);
  std::vector<void*> pointers(n, nullptr);
  for (std::size_t t = 0; t < n; ++t) {
    if (!work.inner.fast[t]) continue;
    const TensorInfo& info = model.tensors[t];
    values[t].resize(info.input < 0 ? tasks * static_cast<std::size_t>(info.size)
                                    : index.inputs[info.input].unique.size() * static_cast<std::size_t>(info.width));
    pointers[t] = values[t].data();
  }
  const std::size_t d = work.inner.solver == SolverKind::ridge ? static_cast<std::size_t>(model.head->I) + 1 : 0;
  std::vector<double> factors(tasks * d * d);
  innerloop_adapted_result out{pointers.data(), d > 0 ? factors.data() : nullptr};
  device_call(on.model,
              [&](auto& device, auto* failure) { return device.adapt(on.store, on.batch, on.loop, &out, failure); });
  std::vector<Adapted<T>> results(tasks);
  for (std::size_t task = 0; task < tasks; ++task) {
    Adapted<T>& result = results[task];
    result.model = work.store.model;
    result.fast = work.inner.fast;
    result.dense.resize(n), result.rows.resize(n), result.blocks.resize(n);
    if (d > 0) result.factor.assign(factors.data() + task * d * d, factors.data() + (task + 1) * d * d);
    for (std::size_t t = 0; t < n; ++t) {
      if (!work.inner.fast[t]) continue;
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
QueryOutputs<T> run_predict(const Work<T>& work, const Prediction<T>& wanted) {
  if (!work.store.model->device)
    return predict_tasks<T>(plan_of(work, false), work.store.values->data(), wanted, work.threads, work.poll);
  const DeviceWork<T> on(work);
  const std::size_t n = work.store.model->tensors.size();
  Index rows = 0;
  for (Index t = 0; t < work.batch.tasks(); ++t) rows += work.batch.begin[2 * t + 2] - work.batch.begin[2 * t + 1];
  const std::size_t size = static_cast<std::size_t>(rows * work.store.model->spec.outputs());
  QueryOutputs<T> result;
  if (wanted.before) result.before.resize(size);
  if (wanted.after) result.after.resize(size);
  if (wanted.variance) result.variance.resize(size);
  std::vector<const void*> values(n, nullptr);
  std::vector<const int32_t*> table_rows(n, nullptr);
  std::vector<int64_t> counts(n, 0);
  innerloop_start start{};
  if (wanted.start) {
    const Adapted<T>& from = *wanted.start;
    for (std::size_t t = 0; t < n; ++t) {
      if (!from.fast[t]) continue;
      const bool table = work.store.model->tensors[t].input >= 0;
      values[t] = table ? from.blocks[t].data() : from.dense[t].data();
      table_rows[t] = from.rows[t].data();
      counts[t] = static_cast<int64_t>(from.rows[t].size());
    }
    start = {from.fast.data(), values.data(), table_rows.data(), counts.data(),
             from.factor.empty() ? nullptr : from.factor.data()};
  }
  const auto pointer = [](std::vector<T>& to) { return to.empty() ? nullptr : static_cast<void*>(to.data()); };
  innerloop_outputs out{pointer(result.before), pointer(result.after), pointer(result.variance)};
  device_call(on.model, [&](auto& device, auto* failure) {
    return device.predict(on.store, on.batch, on.loop, wanted.start ? &start : nullptr, &out, failure);
  });
  return result;
}

template <class T>
HessianVectorProduct<T> run_hessian_vector_product(const Work<T>& work, const Store<T>& vector) {
  if (!work.store.model->device)
    return hessian_vector_product<T>(plan_of(work, true), work.store.values->data(), vector.values->data());
  const DeviceWork<T> on(work);
  HessianVectorProduct<T> result{};
  const std::vector<void*> gradient = make_room(work, result.gradient), product = make_room(work, result.product);
  innerloop_product_result out{
      0, {result.gradient.dense.data(), gradient.data()}, {result.product.dense.data(), product.data()}};
  const innerloop_store* along = on_device(vector);
  device_call(on.model, [&](auto& device, auto* failure) {
    return device.hessian_vector_product(on.store, on.batch, along, &out, failure);
  });
  result.loss = out.loss;
  return result;
}

#define INNERLOOP_INSTANTIATE(T)                                                                                     \
  template void check_loop(const Model<T>&, const InnerLoop<T>&);                                                    \
  template MetaGradient<T> run_meta_gradient(const Work<T>&, Direction);                                             \
  template TrainStep<T> run_train_step(const Work<T>&, Direction, const OptimizerOptions&, const OptimizerOptions*); \
  template std::vector<Adapted<T>> run_adapt(const Work<T>&);                                                        \
  template QueryOutputs<T> run_predict(const Work<T>&, const Prediction<T>&);                                        \
  template HessianVectorProduct<T> run_hessian_vector_product(const Work<T>&, const Store<T>&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)

}  // namespace innerloop
