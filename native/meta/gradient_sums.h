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
#include "task_sums.h"

namespace innerloop {

// The gradients of the tasks of a plan, added up by chunks of consecutive tasks. Chunks may be added by any threads;
// what reduce gives depends only on their number.
template <class T>
struct GradientSums {
  // With parts, it is of the tasks of one part alone: those of the chunks from its first to the next part's first.
  GradientSums(const Plan<T>& plan, Direction direction, Parts part = {0, 1})
      : plan(plan),
        direction(direction),
        chunks(plan.tasks(), plan.model.dense_size * static_cast<Index>(sizeof(T))),
        first(chunks.first(part)),
        end(chunks.first(part.next())),
        sums(plan.model, plan.inner, *plan.index, plan.batch.tasks(), end - first) {}

  void add_chunk(Index c, const SharedParameters<T>& shared, const std::function<void()>& poll) {
    ChunkSum<T> sum(plan, sums.dense.sums[c - first]);
    if (sums.has_parameter_rates) sums.rate_dense.sums[c - first].assign(plan.model.dense_size, T(0));
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

  MetaGradient<T> reduce(int threads) { return sums.reduce(plan.batch.weights, threads); }

  const Plan<T>& plan;
  const Direction direction;
  const Chunks chunks;
  const Index first, end;  // those that are added here
  TaskSums<T> sums;

 private:
  // The first task of a chunk among those of the batch.
  Index first_task(Index chunk) const { return chunks.first_task(chunk) - plan.first_task(); }
  double weight_of(Index task) const { return task_weight(plan.weights(), plan.tasks(), plan.first_task() + task); }

  void add_task(Task<T>& task, Index chunk, ChunkSum<T>& sum) {
    const Model<T>& model = plan.model;
    const Targets<T> targets{sums.dense.sums[chunk - first].data(), tables_of(sums.tables, task.number)};
    Reverse<T> reverse(task, targets);
    if (sums.has_parameter_rates) {
      const Targets<T> rate_targets{sums.rate_dense.sums[chunk - first].data(),
                                    tables_of(sums.rate_tables, task.number)};
      for (std::size_t i = 0; i < model.tensors.size(); ++i) reverse.rate_into.push_back(rate_targets.at(model, i));
    }
    if (sums.has_step_rates) reverse.step_rate_into = &sums.step_rates[chunk - first];

    const InnerLoop<T>& inner = plan.inner;
    const bool reptile = direction == Direction::reptile;
    task.adapt(!reptile && inner.keeps_steps());
    // Without support rows the layer runs as any other and adds to the sum itself.
    if (!task.gram) sum.flush();
    const T weight = static_cast<T>(weight_of(task.number));
    check_loss(task.number, sums.losses[task.number] = differentiate(reverse, weight));
    add_fast(reverse, targets);
    if (!task.gram) return;
    if (reptile)
      sum.displace(*task.gram, weight);
    else
      sum.add(*task.gram);
  }

  std::vector<T*> tables_of(TableSums<T>& tables, Index task) const {
    return tables.of_task(plan.model, *plan.index, task);
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
      targets.push_back({sums.dense.sums[chunk - first].data(), tables_of(sums.tables, t)});
      pointers.push_back(&reverses.emplace_back(tasks.back(), targets.back()));
      weights.push_back(static_cast<T>(weight_of(t)));
    }
    graph_gradient(pointers.data(), end - task, weights.data(), sums.losses.data() + task);
    for (Index t = task; t < end; ++t) {
      check_loss(t, sums.losses[t]);
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
};

}  // namespace innerloop
