#include "train_step.h"

namespace innerloop {

template <class T>
MetaGradient<T> step_gradient(const Store<T>& parameters, const TrainStep<T>& step, const std::function<void()>& poll) {
  const Plan<T> plan(*parameters.model, step.inner, step.batch, step.threads, true);
  return meta_gradient<T>(plan, parameters.values->data(), step.direction, step.threads, poll);
}

template <class T>
double apply_gradient(Store<T>& parameters, Store<T>* rates, const TrainStep<T>& step,
                      const MetaGradient<T>& gradient) {
  const double norm = outer_update<T>(parameters, gradient.gradient, step.optimizer, step.threads);
  if (rates && step.rate_optimizer) outer_update<T>(*rates, gradient.rate_gradient, *step.rate_optimizer, step.threads);
  return norm;
}

template <class T>
TrainStepResult<T> train_step(Store<T>& parameters, Store<T>* rates, const TrainStep<T>& step,
                              const std::function<void()>& poll) {
  const StepLocks locks(parameters, rates);
  MetaGradient<T> gradient = step_gradient(parameters, step, poll);
  const double norm = apply_gradient(parameters, rates, step, gradient);
  return {.loss = gradient.loss,
          .gradient_norm = norm,
          .task_losses = std::move(gradient.task_losses),
          .step_rate_gradient = std::move(gradient.step_rate_gradient)};
}

#define INNERLOOP_INSTANTIATE(T)                                                                              \
  template MetaGradient<T> step_gradient(const Store<T>&, const TrainStep<T>&, const std::function<void()>&); \
  template double apply_gradient(Store<T>&, Store<T>*, const TrainStep<T>&, const MetaGradient<T>&);          \
  template TrainStepResult<T> train_step(Store<T>&, Store<T>*, const TrainStep<T>&, const std::function<void()>&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
