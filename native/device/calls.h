// Calls where the model is: on the processor's threads, or on the device that the model was attached to.
#pragma once
#include <functional>

#include "../meta/hessian_vector_product.h"
#include "../meta/inner_loop.h"
#include "../meta/meta_gradient.h"
#include "../meta/outer_update.h"

namespace innerloop {

// What every call takes. `rates`: the store of inner.parameter_rates, where there is one.
template <class T>
struct Work {
  Store<T>& store;
  const Batch<T>& batch;
  const InnerLoop<T>& inner;
  Store<T>* rates;
  int threads;
  const std::function<void()>& poll;  // may throw to stop
};

// Throws UNSUPPORTED, naming what of it the model's device does not do.
template <class T>
void check_loop(const Model<T>& model, const InnerLoop<T>& inner);

template <class T>
MetaGradient<T> run_meta_gradient(const Work<T>& work, Direction direction);

template <class T>
struct TrainStep {
  double loss = 0, norm = 0;
  std::vector<double> task_losses;
  std::vector<std::vector<T>> step_rate_gradient;
};
// rate_optimizer: null where the rates stay as they are.
template <class T>
TrainStep<T> run_train_step(const Work<T>& work, Direction direction, const OptimizerOptions& optimizer,
                            const OptimizerOptions* rate_optimizer);

template <class T>
std::vector<Adapted<T>> run_adapt(const Work<T>& work);
template <class T>
QueryOutputs<T> run_predict(const Work<T>& work, const Prediction<T>& wanted);
template <class T>
HessianVectorProduct<T> run_hessian_vector_product(const Work<T>& work, const Store<T>& vector);

}  // namespace innerloop
