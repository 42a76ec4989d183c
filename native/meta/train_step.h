// One outer step: the meta-gradient of a batch, then the update of the parameters and of rates that are parameters. The
// two halves can be called apart, so that a sum of several gradients can take the place of one.
#pragma once
#include <functional>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "meta_gradient.h"
#include "outer_update.h"

namespace innerloop {

template <class T>
struct TrainStep {
  const InnerLoop<T>& inner;
  const Batch<T>& batch;
  Direction direction;
  OptimizerOptions optimizer;
  std::optional<OptimizerOptions> rate_optimizer;  // of `rates`; without it they stay as they are
  int threads;
};

template <class T>
struct TrainStepResult {
  double loss = 0, gradient_norm = 0;
  std::vector<double> task_losses;
  std::vector<std::vector<T>> step_rate_gradient;  // of rates by tensor and step, for the caller to apply
};

// Parameters, and rates where there are any, held for a step: against other updates from the beginning, against readers
// only while the update itself is made. Whatever it waits for, it goes on only while `poll` does not throw.
template <class T>
class StepLocks {
 public:
  StepLocks(const Store<T>& parameters, const Store<T>* rates, const std::function<void()>& poll);
  void begin_update();

 private:
  const Store<T>* stores_[2];  // in one order for all, so that two steps never wait for each other
  const std::function<void()>& poll_;
  std::unique_lock<std::timed_mutex> updating_[2];
  std::shared_lock<std::shared_timed_mutex> reading_[2];
  std::unique_lock<std::shared_timed_mutex> writing_[2];
};

// Holds the stores by StepLocks. Throws, changing nothing, where the gradient is not finite or `poll` throws.
template <class T>
TrainStepResult<T> train_step(Store<T>& parameters, Store<T>* rates, const TrainStep<T>& step,
                              const std::function<void()>& poll);

// The two halves of train_step, for callers that hold the stores themselves.
template <class T>
MetaGradient<T> step_gradient(const Store<T>& parameters, const TrainStep<T>& step, const std::function<void()>& poll);
// Gives the norm of the gradient with respect to the parameters, before clipping.
template <class T>
double apply_gradient(Store<T>& parameters, Store<T>* rates, const TrainStep<T>& step, const MetaGradient<T>& gradient);

}  // namespace innerloop
