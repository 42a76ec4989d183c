// The inner loop of every task of a batch: what the tasks become, and what they predict.
#pragma once
#include <functional>
#include <vector>

#include "../plan/plan.h"
#include "../task/adapted.h"

namespace innerloop {

// Every task of the batch, adapted, with the factor of a last layer in closed form where it is wanted. `poll` is called
// between tasks and may throw to stop.
template <class T>
std::vector<Adapted<T>> adapt_tasks(const Plan<T>& plan, const T* parameters, bool factor, int threads,
                                    const std::function<void()>& poll);

// What predict_tasks is to give.
template <class T>
struct Prediction {
  bool before = false, after = false;  // outputs before and after adaptation
  // With a last layer in closed form, aᵀ M⁻¹ a of every query row (solvers/posterior.h): after adaptation, or where
  // only `before` is wanted, of `start`.
  bool variance = false;
  const Adapted<T>* start = nullptr;  // where every task starts from; null: from the shared parameters
  const std::shared_ptr<const Adapted<T>>* starts = nullptr;  // or by task
};
// In task order; what is not wanted stays empty.
template <class T>
struct QueryOutputs {
  std::vector<T> before, after;  // [query rows of all tasks, outputs]
  std::vector<T> variance;       // [query rows of all tasks]
};
template <class T>
QueryOutputs<T> predict_tasks(const Plan<T>& plan, const T* parameters, const Prediction<T>& wanted, int threads,
                              const std::function<void()>& poll);

}  // namespace innerloop
