#include "inner_loop.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "errors.h"
#include "gram.h"
#include "layers/linear.h"
#include "ridge.h"
#include "thread_pool.h"

namespace innerloop {
namespace {

template <class T>
const BatchIndex<T>* choose_index(const Model<T>& model, const InnerLoop<T>& inner, const Batch<T>& batch, int threads, bool gradient) {
  if (gradient) return &batch.index_with_rows(threads);
  for (std::size_t t = 0; t < model.tensors.size(); ++t)
    if (inner.fast[t] && model.tensors[t].input >= 0) return &batch.index(threads);
  return nullptr;
}

}  // namespace

template <class T>
Plan<T>::Plan(const Model<T>& model, const InnerLoop<T>& inner, const Batch<T>& batch, int threads, bool gradient)
    : model(model),
      inner(inner),
      batch(batch),
      index(choose_index(model, inner, batch, threads, gradient)),
      kernels(innerloop::kernels<T>()),
      loss{model.spec.loss, model.spec.outputs},
      first_fast(static_cast<int>(model.layers.size())),
      boundary(model.output_slot) {
  for (int l = static_cast<int>(model.layers.size()) - 1; l >= 0; --l) {
    for (const int t : model.layers[l]->tensors) {
      if (!inner.fast[t]) continue;
      first_fast = l;
      boundary = model.layers[l]->in;
    }
  }
  prefix_learns = boundary > 0 || (boundary == 0 && !model.layers[0]->tensors.empty());
  gram = nullptr;
  if (first_fast == static_cast<int>(model.layers.size()) || inner.ridge) return;
  const auto* linear = dynamic_cast<const Linear<T>*>(model.layers[first_fast].get());
  if (linear && gram_pays(*linear, inner, batch, prefix_learns)) gram = linear;
}

template <class T>
Task<T>::Task(const Plan<T>& plan, Index task, const T* parameters, Arena& arena) : plan(plan), arena(arena), task(task) {
  const Model<T>& model = plan.model;
  const int n = static_cast<int>(model.tensors.size()), K = plan.inner.steps;
  first = plan.batch.begin[2 * task];
  support = plan.batch.begin[2 * task + 1] - first;
  query = plan.batch.begin[2 * task + 2] - first - support;

  scratch = arena.take<T>(model.scratch_size);
  no_targets = arena.take_zeroed<T*>(n);
  base = arena.take<const T*>(n);
  fast_offset = arena.take<Index>(n);
  for (int t = 0; t < n; ++t) {
    const TensorInfo& info = model.tensors[t];
    base[t] = info.input < 0 || !plan.index ? parameters + info.offset : gather(parameters, t);
    fast_offset[t] = -1;
  }
  for (int t = 0; t < n; ++t) {
    if (!plan.inner.fast[t] || (plan.gram && (t == plan.gram->weight || t == plan.gram->bias))) continue;
    fast_offset[t] = fast_size;
    fast_size += (tensor_size(t) + 15) / 16 * 16;
  }

  theta = arena.take_zeroed<T*>(K + 1);
  gradient = arena.take_zeroed<T*>(K + 1);
  theta[0] = arena.take_zeroed<T>(fast_size);
  for (int t = 0; t < n; ++t)
    if (fast_offset[t] >= 0) std::copy_n(base[t], tensor_size(t), theta[0] + fast_offset[t]);

  rates = arena.take_zeroed<T*>(n);
  if (plan.inner.rate_kind == RateKind::per_parameter) {
    const T* storage = plan.inner.parameter_rates->data();
    for (int t = 0; t < n; ++t) {
      if (fast_offset[t] < 0) continue;
      const TensorInfo& info = model.tensors[t];
      // The pass never writes through `rates`; only the type of the pointer table is shared.
      rates[t] = info.input < 0 ? const_cast<T*>(storage + info.offset) : gather(storage, t);
    }
  }
  steps = arena.take<Slots<T>>(K + 1);
}

template <class T>
Index Task<T>::block_rows(int tensor) const {
  const auto& in = plan.index->inputs[plan.model.tensors[tensor].input];
  return in.unique_begin[task + 1] - in.unique_begin[task];
}

template <class T>
Index Task<T>::tensor_size(int tensor) const {
  const TensorInfo& info = plan.model.tensors[tensor];
  return info.input < 0 ? info.size : block_rows(tensor) * plan.model.dim(tensor);
}

template <class T>
T* Task<T>::gather(const T* storage, int tensor) const {
  const TensorInfo& info = plan.model.tensors[tensor];
  const auto& in = plan.index->inputs[info.input];
  const Index rows = block_rows(tensor), dim = plan.model.dim(tensor);
  const std::int32_t* unique = in.unique.data() + in.unique_begin[task];
  T* block = arena.take<T>(rows * dim);
  for (Index r = 0; r < rows; ++r) std::copy_n(storage + info.offset + unique[r] * dim, dim, block + r * dim);
  return block;
}

template <class T>
const T* const* Task<T>::pointers(const T* fast) const {
  const int n = static_cast<int>(plan.model.tensors.size());
  const T** p = arena.take<const T*>(n);
  for (int t = 0; t < n; ++t) p[t] = fast_offset[t] >= 0 ? fast + fast_offset[t] : base[t];
  return p;
}

template <class T>
T** Task<T>::fast_pointers(T* flat) const {
  const int n = static_cast<int>(plan.model.tensors.size());
  T** p = arena.take<T*>(n);
  for (int t = 0; t < n; ++t) p[t] = fast_offset[t] >= 0 ? flat + fast_offset[t] : nullptr;
  return p;
}

template <class T>
Slots<T> Task<T>::take_slots(Index n, int from, int to, bool with_gradient) const {
  const int slots = static_cast<int>(plan.model.slot_width.size());
  Slots<T> s{arena.take_zeroed<T*>(slots), arena.take_zeroed<T*>(slots)};
  for (int i = std::max(from, 0); i < to; ++i) {
    s.x[i] = arena.take<T>(n * plan.model.slot_width[i]);
    if (with_gradient) s.dx[i] = arena.take<T>(n * plan.model.slot_width[i]);
  }
  return s;
}

template <class T>
Pass<T> Task<T>::make_pass(const RowsView<T>& rows, Index n, const T* const* theta, const Slots<T>& s, T* const* grad) const {
  return {&plan.kernels, rows, n, theta, no_targets, grad, no_targets, s.x, s.dx, nullptr, nullptr, scratch};
}

template <class T>
void Task<T>::adapt(bool keep) {
  const auto& layers = plan.model.layers;
  const int L = static_cast<int>(layers.size()), slots = static_cast<int>(plan.model.slot_width.size()), K = plan.inner.steps;
  const int out = plan.model.output_slot;
  const T* labels = plan.batch.labels.data() + first;
  const bool store_gradients = keep && plan.inner.rate_kind != RateKind::scalar;
  if (K == 0) return;

  prefix = take_slots(support, 0, plan.boundary + 1, false);
  {
    const Pass<T> pass = make_pass(support_rows(), support, pointers(theta[0]), prefix, no_targets);
    for (int l = 0; l < plan.first_fast; ++l) layers[l]->forward(pass);
  }
  if (plan.inner.ridge) {
    theta[1] = arena.take<T>(fast_size);
    ridge_solve(*this);
    return;
  }
  if (plan.gram && support > 0) gram = new (arena.take<Gram<T>>(1)) Gram<T>(*this);
  for (int k = 0; k < K; ++k) {
    const bool fresh = keep || k == 0;
    steps[k] = fresh ? take_slots(support, plan.boundary + 1, slots, true) : steps[0];
    if (fresh && plan.boundary >= 0) steps[k].x[plan.boundary] = prefix.x[plan.boundary];
    gradient[k] = k == 0 || store_gradients ? arena.take<T>(fast_size) : gradient[0];
    std::fill_n(gradient[k], fast_size, T(0));
    theta[k + 1] = keep || k == 0 ? arena.take<T>(fast_size) : theta[k];

    if (support > 0) {
      const Pass<T> pass = make_pass(support_rows(), support, pointers(theta[k]), steps[k], fast_pointers(gradient[k]));
      if (gram) gram->support_forward(k, pass.x[plan.gram->out]);
      for (int l = plan.first_fast + (gram ? 1 : 0); l < L; ++l) layers[l]->forward(pass);
      if (plan.first_fast < L) plan.loss.backward(support, pass.x[out], labels, support_weight(), pass.dx[out]);
      for (int l = L - 1; l >= plan.first_fast + (gram ? 1 : 0); --l) layers[l]->backward(pass);
      if (gram) gram->step(k, pass.dx[plan.gram->out]);
    }
    switch (plan.inner.rate_kind) {
      case RateKind::scalar:
        plan.kernels.add_scaled(fast_size, theta[k], -plan.inner.rate, gradient[k], theta[k + 1]);
        break;
      case RateKind::per_tensor_step:
        for (std::size_t t = 0; t < plan.model.tensors.size(); ++t) {
          const Index at = fast_offset[t];
          if (at >= 0)
            plan.kernels.add_scaled(tensor_size(static_cast<int>(t)), theta[k] + at, -plan.inner.step_rates[t][k],
                                    gradient[k] + at, theta[k + 1] + at);
        }
        break;
      case RateKind::per_parameter:
        for (std::size_t t = 0; t < plan.model.tensors.size(); ++t) {
          const Index at = fast_offset[t];
          if (at >= 0)
            plan.kernels.sub_product(tensor_size(static_cast<int>(t)), theta[k] + at, rates[t], gradient[k] + at,
                                     theta[k + 1] + at);
        }
    }
  }
}

template <class T>
void Task<T>::start_from(const Adapted<T>& adapted) {
  for (std::size_t t = 0; t < plan.model.tensors.size(); ++t) {
    if (fast_offset[t] < 0 || !adapted.fast[t]) continue;
    T* to = theta[0] + fast_offset[t];
    const int input = plan.model.tensors[t].input;
    if (input < 0) {
      std::copy(adapted.dense[t].begin(), adapted.dense[t].end(), to);
      continue;
    }
    const Index dim = plan.model.dim(static_cast<int>(t)), rows = block_rows(static_cast<int>(t));
    const std::int32_t* unique = plan.index->inputs[input].unique.data() + plan.index->inputs[input].unique_begin[task];
    for (Index r = 0; r < rows; ++r) {
      const auto found = std::lower_bound(adapted.rows[t].begin(), adapted.rows[t].end(), unique[r]);
      if (found != adapted.rows[t].end() && *found == unique[r])
        std::copy_n(adapted.blocks[t].data() + (found - adapted.rows[t].begin()) * dim, dim, to + r * dim);
    }
  }
}

template <class T>
const T* Task<T>::predict_query(int k) {
  const Slots<T> s = take_slots(query, 0, static_cast<int>(plan.model.slot_width.size()), false);
  const Pass<T> pass = make_pass(query_rows(), query, pointers(theta[k]), s, no_targets);
  query_forward(k, pass);
  return s.x[plan.model.output_slot];
}

template <class T>
void Task<T>::query_forward(int k, const Pass<T>& pass) {
  const int L = static_cast<int>(plan.model.layers.size());
  for (int l = 0; l < L; ++l) {
    if (gram && l == plan.first_fast) gram->query_forward(k, pass.x[plan.boundary], pass.x[plan.gram->out]);
    else plan.model.layers[l]->forward(pass);
  }
}

template <class T>
std::vector<Adapted<T>> adapt_tasks(const Plan<T>& plan, const T* parameters, int threads, const std::function<void()>& poll) {
  const Model<T>& model = plan.model;
  std::vector<Adapted<T>> results(plan.batch.tasks());
  ThreadPool::instance().parallel_for(plan.batch.tasks(), threads, [&](Index t) {
    poll();
    Arena& arena = Arena::of_this_thread();
    arena.reset();
    Task<T> task(plan, t, parameters, arena);
    task.adapt(false);
    const T* last = task.theta[plan.inner.steps];
    // By tensor: what lies between tensors is whatever an earlier task left there.
    for (std::size_t i = 0; i < model.tensors.size(); ++i) {
      if (task.fast_offset[i] < 0) continue;
      const T* values = last + task.fast_offset[i];
      for (Index j = 0; j < task.tensor_size(static_cast<int>(i)); ++j)
        if (!std::isfinite(values[j])) throw Diverged(t, "adaptation gave a parameter that is not finite");
    }
    Adapted<T>& result = results[t];
    const std::size_t n = model.tensors.size();
    result.model = plan.batch.model;
    result.fast = plan.inner.fast;
    result.dense.resize(n), result.rows.resize(n), result.blocks.resize(n);
    if (plan.gram) {
      std::vector<T>&w = result.dense[plan.gram->weight], &b = result.dense[plan.gram->bias];
      w.assign(task.base[plan.gram->weight], task.base[plan.gram->weight] + model.tensors[plan.gram->weight].size);
      b.assign(task.base[plan.gram->bias], task.base[plan.gram->bias] + model.tensors[plan.gram->bias].size);
      if (task.gram) task.gram->displace(T(1), w.data(), b.data());
      for (const T x : w)
        if (!std::isfinite(x)) throw Diverged(t, "adaptation gave a parameter that is not finite");
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (task.fast_offset[i] < 0) continue;
      const T* from = last + task.fast_offset[i];
      const Index size = task.tensor_size(static_cast<int>(i));
      const int input = model.tensors[i].input;
      if (input < 0) {
        result.dense[i].assign(from, from + size);
        continue;
      }
      const Index dim = model.dim(static_cast<int>(i)), rows = task.block_rows(static_cast<int>(i));
      const std::int32_t* unique = plan.index->inputs[input].unique.data() + plan.index->inputs[input].unique_begin[t];
      std::vector<Index> order(rows);
      std::iota(order.begin(), order.end(), Index{0});
      std::sort(order.begin(), order.end(), [&](Index a, Index b) { return unique[a] < unique[b]; });
      for (const Index r : order) {
        result.rows[i].push_back(unique[r]);
        result.blocks[i].insert(result.blocks[i].end(), from + r * dim, from + (r + 1) * dim);
      }
    }
  });
  return results;
}

template <class T>
QueryOutputs<T> predict_tasks(const Plan<T>& plan, const T* parameters, const Adapted<T>* start, bool before, bool after,
                              int threads, const std::function<void()>& poll) {
  const Index tasks = plan.batch.tasks(), outputs = plan.model.spec.outputs;
  std::vector<Index> offset(tasks + 1, 0);
  for (Index t = 0; t < tasks; ++t)
    offset[t + 1] = offset[t] + (plan.batch.begin[2 * t + 2] - plan.batch.begin[2 * t + 1]) * outputs;
  QueryOutputs<T> result;
  if (before) result.before.resize(offset[tasks]);
  if (after) result.after.resize(offset[tasks]);
  ThreadPool::instance().parallel_for(tasks, threads, [&](Index t) {
    poll();
    Arena& arena = Arena::of_this_thread();
    arena.reset();
    Task<T> task(plan, t, parameters, arena);
    if (start) task.start_from(*start);
    const Index n = offset[t + 1] - offset[t];
    if (before) std::copy_n(task.predict_query(0), n, result.before.data() + offset[t]);
    if (!after) return;
    task.adapt(false);
    T* into = result.after.data() + offset[t];
    std::copy_n(task.predict_query(plan.inner.steps), n, into);
    for (Index i = 0; i < n; ++i)
      if (!std::isfinite(into[i])) throw Diverged(t, "adaptation gave an output that is not finite");
  });
  return result;
}

#define INNERLOOP_INSTANTIATE(T)                                                                                     \
  template struct Plan<T>;                                                                                           \
  template struct Task<T>;                                                                                           \
  template std::vector<Adapted<T>> adapt_tasks(const Plan<T>&, const T*, int, const std::function<void()>&);         \
  template QueryOutputs<T> predict_tasks(const Plan<T>&, const T*, const Adapted<T>*, bool, bool, int,             \
                                         const std::function<void()>&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)

}  // namespace innerloop
