// Runs the inner loop on every task of a batch, and gives what the tasks become or what they predict.
#pragma once
#include <functional>
#include <vector>

#include "../plan/plan.h"
#include "../task/adapted.h"

namespace innerloop {

// Adapts every task of the batch, and keeps the factor of a last layer in closed form where it is wanted. `poll` is
// called between tasks and may throw to stop.
template <class T>
std::vector<Adapted<T>> adapt_tasks(const Plan<T>& plan, const T* parameters, bool factor, int threads,
                                    const std::function<void()>& poll);

// What predict_tasks is to give.
template <class T>
struct Prediction {
  bool before = false, after = false;  // outputs before and after adaptation
  // Asks, of a last layer in closed form, for aᵀ M⁻¹ a of every query row (solvers/posterior.h) after adaptation; where
  // only `before` is wanted, under `start`.
  bool variance = false;
  const Adapted<T>* start = nullptr;  // where every task starts from; null: from the shared parameters
  const std::shared_ptr<const Adapted<T>>* starts = nullptr;  // or by task
};
// Predictions in the order of the tasks; what is not wanted stays empty.
template <class T>
struct QueryOutputs {
  std::vector<T> before, after;  // [query rows of all tasks, outputs]
  std::vector<T> variance;       // [query rows of all tasks]
};
template <class T>
QueryOutputs<T> predict_tasks(const Plan<T>& plan, const T* parameters, const Prediction<T>& wanted, int threads,
                              const std::function<void()>& poll);

}  // namespace innerloop
