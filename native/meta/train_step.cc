#include "train_step.h"

#include <chrono>
#include <utility>

namespace innerloop {
namespace {

template <class Lock>
void acquire(Lock& lock, const std::function<void()>& poll) {
#ifdef __SANITIZE_THREAD__
  // ThreadSanitizer does not know the calls behind try_lock_for (pthread_rwlock_clockwrlock), and would see no lock.
  poll();
  lock.lock();
#else
  while (!lock.try_lock_for(std::chrono::milliseconds(20))) poll();
#endif
}

}  // namespace

template <class T>
StepLocks<T>::StepLocks(const Store<T>& parameters, const Store<T>* rates, const std::function<void()>& poll)
    : stores_{&parameters, rates}, poll_(poll) {
  if (rates && std::less<>()(rates, &parameters)) std::swap(stores_[0], stores_[1]);
  for (int i = 0; i < 2; ++i) {
    if (!stores_[i]) continue;
    updating_[i] = std::unique_lock(stores_[i]->updating, std::defer_lock);
    acquire(updating_[i], poll);
    reading_[i] = std::shared_lock(stores_[i]->mutex, std::defer_lock);
    acquire(reading_[i], poll);
  }
}

template <class T>
void StepLocks<T>::begin_update() {
  for (int i = 0; i < 2; ++i) {
    if (!stores_[i]) continue;
    reading_[i].unlock();  // nobody else updates meanwhile
    writing_[i] = std::unique_lock(stores_[i]->mutex, std::defer_lock);
    acquire(writing_[i], poll_);
  }
}

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
  StepLocks<T> locks(parameters, rates, poll);
  MetaGradient<T> gradient = step_gradient(parameters, step, poll);
  locks.begin_update();
  const double norm = apply_gradient(parameters, rates, step, gradient);
  return {.loss = gradient.loss,
          .gradient_norm = norm,
          .task_losses = std::move(gradient.task_losses),
          .step_rate_gradient = std::move(gradient.step_rate_gradient)};
}

#define INNERLOOP_INSTANTIATE(T)                                                                              \
  template class StepLocks<T>;                                                                                \
  template MetaGradient<T> step_gradient(const Store<T>&, const TrainStep<T>&, const std::function<void()>&); \
  template double apply_gradient(Store<T>&, Store<T>*, const TrainStep<T>&, const MetaGradient<T>&);          \
  template TrainStepResult<T> train_step(Store<T>&, Store<T>*, const TrainStep<T>&, const std::function<void()>&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
