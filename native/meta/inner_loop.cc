#include "inner_loop.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "../graphs/run.h"
#include "../layers/layer.h"
#include "../runtime/errors.h"
#include "../runtime/thread_pool.h"
#include "../solvers/posterior.h"
#include "../task/gram.h"
#include "../task/task.h"

namespace innerloop {
namespace {

constexpr const char* kNotFinite = "adaptation gave a parameter that is not finite";

template <class T>
void require_finite(const T* values, Index n, Index task, const char* what) {
  for (Index i = 0; i < n; ++i)
    if (!std::isfinite(values[i])) throw Diverged(task, what);
}

// Keeps what the query rows of a graph read of the support rows.
template <class T>
void keep_graph(const Task<T>& task, Adapted<T>& result) {
  result.graph = task.plan.inner.graph;
  result.support = task.support;
  for (const int node : task.plan.graph->kept) {
    const T* values = task.run->x[node];
    result.kept.emplace_back(values, values + task.run->size(node));
    require_finite(values, task.run->size(node), task.number, "adaptation gave a value that is not finite");
  }
}

// Forms the adapted weight of the Gram layer, whose steps were never formed.
template <class T>
void keep_gram(const Task<T>& task, Adapted<T>& result) {
  const AffineMap& layer = *task.plan.gram;
  const auto shared = [&](int t) {
    const T* values = task.parameters.base[t];
    return std::vector<T>(values, values + task.plan.model.tensors[t].size);
  };
  std::vector<T> weight = shared(layer.weight), bias = shared(layer.bias);
  if (task.gram) task.gram->displace(T(1), weight.data(), bias.data());
  require_finite(weight.data(), static_cast<Index>(weight.size()), task.number, kNotFinite);
  result.dense[layer.weight] = std::move(weight);
  result.dense[layer.bias] = std::move(bias);
}

// Copies the adapted rows of a table, in ascending order.
template <class T>
void keep_rows(const Task<T>& task, int tensor, const T* block, Adapted<T>& result) {
  const Index dim = task.plan.model.dim(tensor);
  const std::int32_t* table_rows = task.parameters.table_rows(tensor);
  std::vector<Index> order(task.parameters.block_rows(tensor));
  std::iota(order.begin(), order.end(), Index{0});
  std::sort(order.begin(), order.end(), [&](Index a, Index b) { return table_rows[a] < table_rows[b]; });
  for (const Index r : order) {
    result.rows[tensor].push_back(table_rows[r]);
    result.blocks[tensor].insert(result.blocks[tensor].end(), block + r * dim, block + (r + 1) * dim);
  }
}

// Copies what variances and draws need, which the solver left in the arena.
template <class T>
void keep_posterior(const PosteriorFactor& posterior, const Plan<T>& plan, Adapted<T>& result) {
  if (!posterior.is_known()) return;
  const Index d = plan.model.last_layer->I + 1, n = posterior.dual ? posterior.rows : d;
  result.factor.assign(posterior.cholesky, posterior.cholesky + n * n);
  result.mode.assign(posterior.mode, posterior.mode + d);
  if (posterior.dual)
    result.dual = {
        .rows = posterior.rows, .G = {posterior.G, posterior.G + posterior.rows * d}, .prior = plan.inner.prior};
}

template <class T>
Adapted<T> keep(const Task<T>& task, bool with_posterior) {
  const Plan<T>& plan = task.plan;
  const std::size_t n = plan.model.tensors.size();
  const T* last = task.parameters.theta[plan.inner.steps];
  // The copy goes tensor by tensor, because what lies between them is whatever an earlier task left there.
  task.parameters.each_fast(
      [&](int, Index at, Index size) { require_finite(last + at, size, task.number, kNotFinite); });
  Adapted<T> result;
  if (plan.graph) keep_graph(task, result);
  result.model = plan.batch.model;
  result.fast = plan.inner.fast;
  result.dense.resize(n), result.rows.resize(n), result.blocks.resize(n);
  if (with_posterior) keep_posterior(plan.solver.posterior(task), plan, result);
  if (plan.gram) keep_gram(task, result);
  task.parameters.each_fast([&](int t, Index at, Index size) {
    if (plan.model.tensors[t].input < 0)
      result.dense[t].assign(last + at, last + at + size);
    else
      keep_rows(task, t, last + at, result);
  });
  return result;
}

}  // namespace

template <class T>
std::vector<Adapted<T>> adapt_tasks(const Plan<T>& plan, const T* parameters, bool factor, int threads,
                                    const std::function<void()>& poll) {
  std::vector<Adapted<T>> results(plan.batch.tasks());
  const SharedParameters<T> shared(plan, parameters, Passes::inner_loop);
  ThreadPool::instance().parallel_for(plan.batch.tasks(), threads, [&](Index t) {
    poll();
    Arena& arena = Arena::of_this_thread();
    arena.reset();
    Task<T> task(plan, t, shared, arena, poll);
    task.adapt(false);
    results[t] = keep(task, factor);
  });
  return results;
}

template <class T>
QueryOutputs<T> predict_tasks(const Plan<T>& plan, const T* parameters, const Prediction<T>& wanted, int threads,
                              const std::function<void()>& poll) {
  const Index tasks = plan.batch.tasks(), outputs = plan.loss.outputs;
  std::vector<Index> offset(tasks + 1, 0);
  for (Index t = 0; t < tasks; ++t)
    offset[t + 1] = offset[t] + (plan.batch.begin[2 * t + 2] - plan.batch.begin[2 * t + 1]) * outputs;
  const SharedParameters<T> shared(plan, parameters, wanted.after ? Passes::inner_loop : Passes::forward);
  QueryOutputs<T> result;
  if (wanted.before) result.before.resize(offset[tasks]);
  if (wanted.after) result.after.resize(offset[tasks]);
  if (wanted.variance) result.variance.resize(offset[tasks]);  // solvers with one have a single output
  ThreadPool::instance().parallel_for(tasks, threads, [&](Index t) {
    poll();
    Arena& arena = Arena::of_this_thread();
    arena.reset();
    Task<T> task(plan, t, shared, arena, poll);
    const Adapted<T>* start = wanted.starts ? wanted.starts[t].get() : wanted.start;
    if (start) task.start_from(*start);
    const Index n = offset[t + 1] - offset[t];
    const T* features = nullptr;
    const T** const read = wanted.variance ? &features : nullptr;
    const auto variances = [&](const PosteriorFactor& posterior, const Prior& prior) {
      posterior_variance(task, prior, posterior, n, features, result.variance.data() + offset[t]);
    };
    if (wanted.before) std::copy_n(task.predict_query(0, read), n, result.before.data() + offset[t]);
    if (!wanted.after) {
      if (wanted.variance) variances(posterior_of(*start), start->dual ? start->dual->prior : Prior{});
      return;
    }
    task.adapt(false);
    T* into = result.after.data() + offset[t];
    std::copy_n(task.predict_query(plan.inner.steps, read), n, into);
    if (wanted.variance) variances(plan.solver.posterior(task), plan.inner.prior);
    require_finite(into, n, t, "adaptation gave an output that is not finite");
  });
  return result;
}

#define INNERLOOP_INSTANTIATE(T)                                                                                   \
  template std::vector<Adapted<T>> adapt_tasks(const Plan<T>&, const T*, bool, int, const std::function<void()>&); \
  template QueryOutputs<T> predict_tasks(const Plan<T>&, const T*, const Prediction<T>&, int,                      \
                                         const std::function<void()>&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
