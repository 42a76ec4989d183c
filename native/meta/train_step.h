// One outer step: the meta-gradient of a batch, and the update of the parameters, and of rates that are parameters,
// that follows it. The two halves stand apart, so that a sum of several gradients can take the place of one.
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

// Parameters, and rates where there are any, held against all other calls.
struct StepLocks {
  template <class T>
  StepLocks(const Store<T>& parameters, const Store<T>* rates) : lock(parameters.mutex, std::defer_lock) {
    if (rates) {
      rates_lock = std::unique_lock(rates->mutex, std::defer_lock);
      std::lock(lock, rates_lock);
    } else {
      lock.lock();
    }
  }
  std::unique_lock<std::shared_mutex> lock, rates_lock;
};

// Holds `parameters`, and `rates` where there are any, against all other calls until it is done. Throws, changing
// nothing, where the gradient is not finite or `poll` throws.
template <class T>
TrainStepResult<T> train_step(Store<T>& parameters, Store<T>* rates, const TrainStep<T>& step,
                              const std::function<void()>& poll);

// The halves of train_step, for callers that hold the stores themselves.
template <class T>
MetaGradient<T> step_gradient(const Store<T>& parameters, const TrainStep<T>& step, const std::function<void()>& poll);
// Gives the norm of the gradient with respect to the parameters, before clipping.
template <class T>
double apply_gradient(Store<T>& parameters, Store<T>* rates, const TrainStep<T>& step, const MetaGradient<T>& gradient);

}  // namespace innerloop
