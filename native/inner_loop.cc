#include "inner_loop.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "episode/run.h"
#include "errors.h"
#include "gram.h"
#include "layers/linear.h"
#include "solvers/posterior.h"
#include "solvers/solver.h"
#include "thread_pool.h"

namespace innerloop {

template <class T>
Task<T>::Task(const Plan<T>& plan, Index task, const Shared<T>& shared, Arena& arena)
    : plan(plan), shared(shared), arena(arena), task(task), starts_shared(!plan.starts) {
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
    base[t] = info.input < 0 || !plan.index ? shared.values + info.offset : gather(shared.values, t);
    fast_offset[t] = -1;
  }
  for (int t = 0; t < n; ++t) {
    if (!plan.inner.fast[t] || (plan.gram && (t == plan.gram->weight || t == plan.gram->bias))) continue;
    fast_offset[t] = fast_size;
    fast_size += aligned(tensor_size(t));
  }

  theta = arena.take_zeroed<T*>(K + 1);
  transposes = arena.take_zeroed<T**>(K + 1);
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
  if (plan.starts) run = generate_starts(*this, *plan.starts);
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
const T* const* Task<T>::pointers(int k) const {
  const int n = static_cast<int>(plan.model.tensors.size());
  const T** p = arena.take<const T*>(n);
  for (int t = 0; t < n; ++t) p[t] = fast_offset[t] >= 0 ? theta[k] + fast_offset[t] : base[t];
  return p;
}

template <class T>
View<T> Task<T>::at(int k) {
  const int n = static_cast<int>(plan.model.tensors.size());
  const T* const* p = pointers(k);
  if (k == 0 && starts_shared) return {p, shared.transposed.data()};
  if (!transposes[k]) {
    T** made = transposes[k] = arena.take_zeroed<T*>(n);
    // Steps that overwrite each other's parameters share their transposes too.
    T** const before = k > 0 && theta[k] == theta[k - 1]   ? transposes[k - 1]
                       : k > 1 && theta[k] == theta[k - 2] ? transposes[k - 2]
                                                           : nullptr;
    for (const Linear<T>* linear : plan.turned) {
      const int w = linear->weight;
      if (fast_offset[w] < 0) continue;
      made[w] = before ? before[w] : arena.take<T>(linear->I * linear->O);
      plan.kernels.transpose(linear->I, linear->O, p[w], linear->O, made[w], linear->I);
    }
    // Only ever read through the view.
    for (int t = 0; t < n; ++t)
      if (fast_offset[t] < 0) made[t] = const_cast<T*>(shared.transposed[t]);
  }
  return {p, transposes[k]};
}

template <class T>
T** Task<T>::fast_pointers(T* flat) const {
  const int n = static_cast<int>(plan.model.tensors.size());
  T** p = arena.take<T*>(n);
  for (int t = 0; t < n; ++t) p[t] = fast_offset[t] >= 0 ? flat + fast_offset[t] : nullptr;
  return p;
}

template <class T>
Slots<T> Task<T>::take_slots(Index n, const std::vector<int>& slots, bool with_gradient) const {
  const int count = static_cast<int>(plan.model.slot_width.size());
  Slots<T> s{arena.take_zeroed<T*>(count), arena.take_zeroed<T*>(count)};
  for (const int i : slots) {
    s.x[i] = arena.take<T>(n * plan.model.slot_width[i]);
    if (with_gradient && plan.model.slot_learns[i]) s.dx[i] = arena.take<T>(n * plan.model.slot_width[i]);
  }
  return s;
}

template <class T>
Pass<T> Task<T>::make_pass(const RowsView<T>& rows, Index n, const View<T>& view, const Slots<T>& s,
                           T* const* grad) const {
  return {&plan.kernels,
          rows,
          n,
          view.theta,
          view.transposed,
          no_targets,
          grad,
          no_targets,
          no_targets,
          s.x,
          s.dx,
          nullptr,
          nullptr,
          scratch,
          plan.segments.data(),
          plan.inner.dropout};
}

template <class T>
void Task<T>::adapt(bool keep) {
  if (plan.episode) {
    run = new (arena.take<EpisodeRun<T>>(1)) EpisodeRun<T>(*this, *plan.episode, support);
    return run->forward_support();
  }
  if (plan.inner.steps == 0) return;
  prefix = take_slots(support, plan.prefix_slots, false);
  const Pass<T> pass = make_pass(support_rows(), support, at(0), prefix, no_targets);
  for (const Layer<T>* layer : plan.prefix) forward_or_find(*layer, pass, prefix);
  plan.solver.adapt(*this, keep);
}

template <class T>
void Task<T>::support_gradient(int k) {
  if (support == 0 || plan.suffix.empty()) return;
  const int out = plan.model.output_slot;
  const std::size_t bottom = gram ? 1 : 0;
  Pass<T> pass = make_pass(support_rows(), support, at(k), steps[k], fast_pointers(gradient[k]));
  if (plan.inner.is_folded()) pass.from = stepped_from(k);
  if (gram) gram->support_forward(k, pass.x[plan.gram->out]);
  for (std::size_t l = bottom; l < plan.suffix.size(); ++l) plan.suffix[l]->forward(pass);
  plan.loss.backward(support, pass.x[out], support_labels(), support_weight(), pass.dx[out]);
  for (std::size_t l = plan.suffix.size(); l-- > bottom;) plan.suffix[l]->backward(pass);
  if (gram) gram->step(k, pass.dx[plan.gram->out]);
}

template <class T>
const T* const* Task<T>::stepped_from(int k) const {
  const T** from = arena.take_zeroed<const T*>(static_cast<Index>(plan.model.tensors.size()));
  for (const Linear<T>* linear : plan.stepped)
    if (const Index at = fast_offset[linear->weight]; at >= 0) from[linear->weight] = theta[k] + at;
  return from;
}

template <class T>
void Task<T>::copy_step(int k) const {
  if (support == 0 || plan.suffix.empty()) {
    std::copy_n(theta[k], fast_size, theta[k + 1]);
    return;
  }
  const T* const* from = stepped_from(k);
  each_fast([&](int t, Index at, Index size) {
    if (!from[t]) std::copy_n(theta[k] + at, size, theta[k + 1] + at);
  });
}

template <class T>
void Task<T>::start_from(const Adapted<T>& adapted) {
  starts_shared = false;
  if (plan.episode && adapted.episode.get() == plan.episode) {
    run = new (arena.take<EpisodeRun<T>>(1)) EpisodeRun<T>(*this, *plan.episode, adapted.support);
    return run->restore(adapted);
  }
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
const T* Task<T>::predict_query(int k, const T** features) {
  if (plan.episode) return run ? run->outputs() : EpisodeRun<T>::of_unknown(*this, *plan.episode);
  const Slots<T> s = take_slots(query, plan.all_slots, false);
  const Pass<T> pass = make_pass(query_rows(), query, {pointers(k), no_targets}, s, no_targets);
  query_forward(k, pass, s);
  if (features) *features = s.x[plan.model.head->in[0]];
  return s.x[plan.model.output_slot];
}

template <class T>
void Task<T>::forward_or_find(const Layer<T>& layer, const Pass<T>& pass, const Slots<T>& slots) {
  // Slots of values are never written once their layer has run.
  if (const T* found = layer.in_place(pass.rows, pass.n))
    slots.x[layer.out] = const_cast<T*>(found);
  else
    layer.forward(pass);
}

template <class T>
void Task<T>::query_forward(int k, const Pass<T>& pass, const Slots<T>& slots) {
  for (const auto& layer : plan.model.layers) {
    if (gram && layer.get() == plan.gram)
      gram->query_forward(k, pass.x[plan.gram_in], pass.x[plan.gram->out]);
    else
      forward_or_find(*layer, pass, slots);
  }
}

template <class T>
static void keep_episode(const Task<T>& task, Adapted<T>& result) {
  result.episode = task.plan.inner.episode;
  result.support = task.support;
  for (const int node : task.plan.episode->kept) {
    const T* values = task.run->x[node];
    result.kept.emplace_back(values, values + task.run->size(node));
    for (const T value : result.kept.back())
      if (!std::isfinite(value)) throw Diverged(task.task, "adaptation gave a value that is not finite");
  }
}

template <class T>
std::vector<Adapted<T>> adapt_tasks(const Plan<T>& plan, const T* parameters, int threads,
                                    const std::function<void()>& poll) {
  const Model<T>& model = plan.model;
  std::vector<Adapted<T>> results(plan.batch.tasks());
  const Shared<T> shared(plan, parameters, Passes::inner_loop);
  ThreadPool::instance().parallel_for(plan.batch.tasks(), threads, [&](Index t) {
    poll();
    Arena& arena = Arena::of_this_thread();
    arena.reset();
    Task<T> task(plan, t, shared, arena);
    task.wants_factor = true;
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
    if (plan.episode) keep_episode(task, result);
    const std::size_t n = model.tensors.size();
    result.model = plan.batch.model;
    result.fast = plan.inner.fast;
    result.dense.resize(n), result.rows.resize(n), result.blocks.resize(n);
    if (task.factor) result.factor.assign(task.factor, task.factor + (model.head->I + 1) * (model.head->I + 1));
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
QueryOutputs<T> predict_tasks(const Plan<T>& plan, const T* parameters, const Adapted<T>* start, bool before,
                              bool after, int threads, const std::function<void()>& poll, bool variance) {
  const Index tasks = plan.batch.tasks(), outputs = plan.loss.outputs;
  std::vector<Index> offset(tasks + 1, 0);
  for (Index t = 0; t < tasks; ++t)
    offset[t + 1] = offset[t] + (plan.batch.begin[2 * t + 2] - plan.batch.begin[2 * t + 1]) * outputs;
  const Shared<T> shared(plan, parameters, after ? Passes::inner_loop : Passes::forward);
  QueryOutputs<T> result;
  if (before) result.before.resize(offset[tasks]);
  if (after) result.after.resize(offset[tasks]);
  if (variance) result.variance.resize(offset[tasks]);  // solvers with one have a single output
  ThreadPool::instance().parallel_for(tasks, threads, [&](Index t) {
    poll();
    Arena& arena = Arena::of_this_thread();
    arena.reset();
    Task<T> task(plan, t, shared, arena);
    if (start) task.start_from(*start);
    const Index n = offset[t + 1] - offset[t];
    const T* features = nullptr;
    const T** const wanted = variance ? &features : nullptr;
    const auto variances = [&](const double* factor) {
      posterior_variance(factor, plan.model.head->I, n, features, result.variance.data() + offset[t]);
    };
    if (before) std::copy_n(task.predict_query(0, wanted), n, result.before.data() + offset[t]);
    if (!after) {
      if (variance) variances(start->factor.data());
      return;
    }
    task.wants_factor = variance;
    task.adapt(false);
    T* into = result.after.data() + offset[t];
    std::copy_n(task.predict_query(plan.inner.steps, wanted), n, into);
    if (variance) variances(task.factor);
    for (Index i = 0; i < n; ++i)
      if (!std::isfinite(into[i])) throw Diverged(t, "adaptation gave an output that is not finite");
  });
  return result;
}

#define INNERLOOP_INSTANTIATE(T)                                                                             \
  template struct Task<T>;                                                                                   \
  template std::vector<Adapted<T>> adapt_tasks(const Plan<T>&, const T*, int, const std::function<void()>&); \
  template QueryOutputs<T> predict_tasks(const Plan<T>&, const T*, const Adapted<T>*, bool, bool, int,       \
                                         const std::function<void()>&, bool);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)

}  // namespace innerloop
