// The gradients of a batch's tasks as they add up: chunk by chunk, in an order that does not depend on who adds them.
#pragma once
#include <cmath>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "../graphs/run.h"
#include "../runtime/errors.h"
#include "../solvers/solver.h"
#include "../task/reverse.h"
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

// The gradients of the tasks of a plan, added up by chunks of consecutive tasks. Chunks may be added by any threads;
// what reduce gives depends only on their number.
template <class T>
struct GradientSums {
  GradientSums(const Plan<T>& plan, Direction direction)
      : plan(plan),
        direction(direction),
        chunks(chunk_count(plan.batch.tasks(), plan.model.dense_size * static_cast<Index>(sizeof(T)))),
        task_losses(plan.batch.tasks()),
        tables(plan, true),
        rate_tables(plan, has_parameter_rates()),
        dense(chunks, plan.model.dense_size),
        rate_dense(has_parameter_rates() ? chunks : 0, plan.model.dense_size),
        step_rates(has_step_rates() ? chunks : 0,
                   std::vector<std::vector<T>>(plan.model.tensors.size(), std::vector<T>(plan.inner.steps, T(0)))) {}

  // Parts are made of consecutive chunks, as even as can be.
  Index first_chunk(Index part, Index parts) const { return part * chunks / parts; }
  Index first_task(Index chunk) const { return chunk * plan.batch.tasks() / chunks; }

  // All that the chunks [from, to) have added up, piece by piece in a fixed order: visit(pointer, bytes).
  template <class F>
  void each_span(Index from, Index to, const F& visit) {
    const Index first = first_task(from), last = first_task(to);
    visit(task_losses.data() + first, static_cast<std::size_t>(last - first) * sizeof(double));
    const auto visit_dense = [&](DenseSums<T>& sums) {
      if (sums.sums.empty()) return;
      for (Index c = from; c < to; ++c) visit(sums.sums[c].data(), sums.sums[c].size() * sizeof(T));
    };
    visit_dense(dense);
    visit_dense(rate_dense);
    const auto visit_tables = [&](TableSums<T>& sums) {
      const std::vector<T*> begin = sums.of_task(plan, first), end = sums.of_task(plan, last);
      for (std::size_t t = 0; t < begin.size(); ++t)
        if (begin[t]) visit(begin[t], static_cast<std::size_t>(end[t] - begin[t]) * sizeof(T));
    };
    visit_tables(tables);
    if (has_parameter_rates()) visit_tables(rate_tables);
    if (!has_step_rates()) return;
    for (Index c = from; c < to; ++c) {
      for (std::vector<T>& rates : step_rates[c]) visit(rates.data(), rates.size() * sizeof(T));
    }
  }

  void add_chunk(Index c, const SharedParameters<T>& shared, const std::function<void()>& poll) {
    ChunkSum<T> sum(plan, dense.sums[c]);
    if (has_parameter_rates()) rate_dense.sums[c].assign(plan.model.dense_size, T(0));
    if (plan.graph) {
      sum.flush();
      for (Index t = first_task(c); t < first_task(c + 1);) {
        poll();
        t = add_graph_tasks(t, c, shared, poll);
      }
      return;
    }
    for (Index t = first_task(c); t < first_task(c + 1); ++t) {
      poll();
      Arena& arena = Arena::of_this_thread();
      arena.reset();
      Task<T> task(plan, t, shared, arena, poll);
      add_task(task, c, sum);
    }
    sum.flush();
  }

  MetaGradient<T> reduce(int threads) {
    MetaGradient<T> result;
    for (std::size_t t = 0; t < task_losses.size(); ++t)
      result.loss += task_weight(static_cast<Index>(t)) * task_losses[t];
    result.task_losses = std::move(task_losses);
    dense.reduce(threads, plan.kernels, result.gradient.dense);
    tables.reduce(plan, threads, result.gradient);
    if (has_parameter_rates()) {
      rate_dense.reduce(threads, plan.kernels, result.rate_gradient.dense);
      rate_tables.reduce(plan, threads, result.rate_gradient);
    }
    if (has_step_rates()) {
      const std::size_t n = plan.model.tensors.size();
      result.step_rate_gradient.assign(n, std::vector<T>(plan.inner.steps, T(0)));
      for (const auto& chunk : step_rates)
        for (std::size_t i = 0; i < n; ++i)
          for (int k = 0; k < plan.inner.steps; ++k) result.step_rate_gradient[i][k] += chunk[i][k];
    }
    // This is checked before any update, so that one that is refused changes neither parameters nor rates.
    require_finite(result.gradient);
    require_finite(result.rate_gradient);
    for (const auto& gradient : result.step_rate_gradient) require_finite(gradient);
    return result;
  }

  const Plan<T>& plan;
  const Direction direction;
  const Index chunks;

 private:
  bool has_parameter_rates() const { return plan.inner.rate_kind == RateKind::per_parameter; }
  bool has_step_rates() const { return plan.inner.rate_kind == RateKind::per_tensor_step; }
  double task_weight(Index t) const {
    return plan.batch.weights.empty() ? 1.0 / static_cast<double>(plan.batch.tasks()) : plan.batch.weights[t];
  }

  void add_task(Task<T>& task, Index chunk, ChunkSum<T>& sum) {
    const Model<T>& model = plan.model;
    const Targets<T> targets{dense.sums[chunk].data(), tables.of_task(plan, task.number)};
    Reverse<T> reverse(task, targets);
    if (has_parameter_rates()) {
      const Targets<T> rate_targets{rate_dense.sums[chunk].data(), rate_tables.of_task(plan, task.number)};
      for (std::size_t i = 0; i < model.tensors.size(); ++i) reverse.rate_into.push_back(rate_targets.at(model, i));
    }
    if (has_step_rates()) reverse.step_rate_into = &step_rates[chunk];

    const InnerLoop<T>& inner = plan.inner;
    const bool reptile = direction == Direction::reptile;
    task.adapt(!reptile && inner.keeps_steps());
    // Without support rows the layer runs as any other and adds to the sum itself.
    if (!task.gram) sum.flush();
    const T weight = static_cast<T>(task_weight(task.number));
    check_loss(task.number, task_losses[task.number] = differentiate(reverse, weight));
    add_fast(reverse, targets);
    if (!task.gram) return;
    if (reptile)
      sum.displace(*task.gram, weight);
    else
      sum.add(*task.gram);
  }

  void check_loss(Index task, double loss) const {
    if (std::isfinite(loss)) return;
    // The sign of what is no number means nothing.
    const char* const what = std::isnan(loss) ? "NaN" : loss > 0 ? "Infinity" : "-Infinity";
    throw Diverged(task, std::string("the query loss after adaptation is ") + what);
  }
  void add_fast(const Reverse<T>& reverse, const Targets<T>& targets) const {
    reverse.task.parameters.each_fast([&](int t, Index at, Index size) {
      plan.kernels.axpy(size, T(1), reverse.v + at, targets.at(plan.model, static_cast<std::size_t>(t)));
    });
  }

  // Adds the tasks from `task` on that a graph runs at once, all of one chunk, and gives the next one.
  Index add_graph_tasks(Index task, Index chunk, const SharedParameters<T>& shared, const std::function<void()>& poll) {
    const std::vector<Index>& begin = plan.batch.begin;
    const bool joins = plan.graph->reads_support && plan.graph->reads_query;
    Index end = task + 1;
    while (joins && end < first_task(chunk + 1) && begin[2 * end + 2] - begin[2 * task] <= kGraphRows) ++end;
    Arena& arena = Arena::of_this_thread();
    arena.reset();
    std::deque<Task<T>> tasks;
    std::deque<Reverse<T>> reverses;
    std::vector<Reverse<T>*> pointers;
    std::vector<Targets<T>> targets;
    std::vector<T> weights;
    for (Index t = task; t < end; ++t) {
      tasks.emplace_back(plan, t, shared, arena, poll);
      targets.push_back({dense.sums[chunk].data(), tables.of_task(plan, t)});
      pointers.push_back(&reverses.emplace_back(tasks.back(), targets.back()));
      weights.push_back(static_cast<T>(task_weight(t)));
    }
    graph_gradient(pointers.data(), end - task, weights.data(), task_losses.data() + task);
    for (Index t = task; t < end; ++t) {
      check_loss(t, task_losses[t]);
      add_fast(reverses[t - task], targets[t - task]);
    }
    return end;
  }

  // Leaves the gradient of weight times the task's loss in `reverse`, and gives the loss.
  double differentiate(Reverse<T>& reverse, T weight) const {
    Task<T>& task = reverse.task;
    if (direction == Direction::reptile) {
      const int K = plan.inner.steps;
      const double loss = plan.loss.value(task.query, task.predict_query(K), task.query_labels());
      const T *start = task.parameters.theta[0], *last = task.parameters.theta[K];
      for (Index i = 0; i < task.parameters.fast_size; ++i) reverse.v[i] = weight * (start[i] - last[i]);
      return loss;
    }
    const T cold = plan.starts ? static_cast<T>(plan.starts->spec.cold) : T(0);
    double loss = plan.solver.meta_gradient(reverse, (1 - cold) * weight);
    if (cold > 0) loss = (1 - cold) * loss + cold * reverse.query(0, cold * weight);
    if (plan.starts) start_gradient(reverse, *task.run);
    return loss;
  }

  std::vector<double> task_losses;
  TableSums<T> tables, rate_tables;
  DenseSums<T> dense, rate_dense;
  std::vector<std::vector<std::vector<T>>> step_rates;  // [chunk][tensor][steps]
};

}  // namespace innerloop
