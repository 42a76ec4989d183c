// What the tasks of a batch have added up, of which parts can be made by several processes, and their sum.
#pragma once
#include <cmath>
#include <vector>

#include "../runtime/errors.h"
#include "meta_gradient.h"
#include "sums.h"

namespace innerloop {

template <class V>
void require_finite(const V& x) {
  // 0 · x is NaN where x is not finite, else 0. The sums stand side by side, so that the compiler puts them into
  // registers.
  constexpr std::size_t lanes = 16;
  typename V::value_type sums[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= x.size(); i += lanes)
    for (std::size_t j = 0; j < lanes; ++j) sums[j] += 0 * x[i + j];
  for (; i < x.size(); ++i) sums[0] += 0 * x[i];
  for (const auto sum : sums)
    if (!(sum == 0)) throw Diverged(-1, "the meta-gradient is not finite");
}

template <class T>
void require_finite(const SparseGradient<T>& gradient) {
  require_finite(gradient.dense);
  for (const auto& block : gradient.blocks) require_finite(block);
}

// The weight of a task in the meta-loss; without weights all of them count equally.
inline double task_weight(const std::vector<double>& weights, Index tasks, Index task) {
  return weights.empty() ? 1.0 / static_cast<double>(tasks) : weights[task];
}

template <class T>
struct TaskSums {
  // The index must outlive what reduce gives.
  TaskSums(const Model<T>& model, const InnerLoop<T>& inner, const BatchIndex<T>& index, Index tasks, Index chunks)
      : model(model),
        index(index),
        steps(inner.steps),
        has_parameter_rates(inner.rate_kind == RateKind::per_parameter),
        has_step_rates(inner.rate_kind == RateKind::per_tensor_step),
        losses(tasks),
        tables(model, index, true),
        rate_tables(model, index, has_parameter_rates),
        dense(chunks, model.dense_size),
        rate_dense(has_parameter_rates ? chunks : 0, model.dense_size),
        step_rates(has_step_rates ? chunks : 0,
                   std::vector<std::vector<T>>(model.tensors.size(), std::vector<T>(inner.steps, T(0)))) {}

  // All that some tasks, which are those of some chunks, have added up, piece by piece in a fixed order:
  // visit(pointer, bytes).
  template <class F>
  void each_span(Range tasks, Range chunks, const F& visit) {
    visit(losses.data() + tasks.from, static_cast<std::size_t>(tasks.to - tasks.from) * sizeof(double));
    const auto visit_dense = [&](DenseSums<T>& sums) {
      if (sums.sums.empty()) return;
      for (Index c = chunks.from; c < chunks.to; ++c) visit(sums.sums[c].data(), sums.sums[c].size() * sizeof(T));
    };
    visit_dense(dense);
    visit_dense(rate_dense);
    const auto visit_tables = [&](TableSums<T>& sums) {
      const std::vector<T*> begin = sums.of_task(model, index, tasks.from), end = sums.of_task(model, index, tasks.to);
      for (std::size_t t = 0; t < begin.size(); ++t)
        if (begin[t]) visit(begin[t], static_cast<std::size_t>(end[t] - begin[t]) * sizeof(T));
    };
    visit_tables(tables);
    if (has_parameter_rates) visit_tables(rate_tables);
    if (!has_step_rates) return;
    for (Index c = chunks.from; c < chunks.to; ++c)
      for (std::vector<T>& rates : step_rates[c]) visit(rates.data(), rates.size() * sizeof(T));
  }

  // Throws Diverged if the sum is not finite. The index must have its rows. Once.
  MetaGradient<T> reduce(const std::vector<double>& weights, int threads) {
    MetaGradient<T> result;
    const Index tasks = static_cast<Index>(losses.size());
    for (Index t = 0; t < tasks; ++t) result.loss += task_weight(weights, tasks, t) * losses[t];
    result.task_losses = std::move(losses);
    dense.reduce(threads, kernels<T>(), result.gradient.dense);
    tables.reduce(model, index, threads, result.gradient);
    if (has_parameter_rates) {
      rate_dense.reduce(threads, kernels<T>(), result.rate_gradient.dense);
      rate_tables.reduce(model, index, threads, result.rate_gradient);
    }
    if (has_step_rates) {
      const std::size_t n = model.tensors.size();
      result.step_rate_gradient.assign(n, std::vector<T>(steps, T(0)));
      for (const auto& chunk : step_rates)
        for (std::size_t i = 0; i < n; ++i)
          for (int k = 0; k < steps; ++k) result.step_rate_gradient[i][k] += chunk[i][k];
    }
    // This is checked before any update, so that one that is refused changes neither parameters nor rates.
    require_finite(result.gradient);
    require_finite(result.rate_gradient);
    for (const auto& gradient : result.step_rate_gradient) require_finite(gradient);
    return result;
  }

  const Model<T>& model;
  const BatchIndex<T>& index;
  const int steps;
  const bool has_parameter_rates, has_step_rates;
  std::vector<double> losses;  // by task
  TableSums<T> tables, rate_tables;
  DenseSums<T> dense, rate_dense;
  std::vector<std::vector<std::vector<T>>> step_rates;  // [chunk][tensor][steps]
};

}  // namespace innerloop
