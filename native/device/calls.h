// Runs a call where its model is: on the processor's threads, or on the device that the model was attached to. The
// caller holds the stores, except for run_train_step, which takes them itself as train_step does.
#pragma once
#include <functional>

#include "../meta/hessian_vector_product.h"
#include "../meta/inner_loop.h"
#include "../meta/meta_gradient.h"
#include "../meta/train_step.h"

namespace innerloop {

// What every call takes.
template <class T>
struct CallInputs {
  const Store<T>& store;
  const Batch<T>& batch;
  const InnerLoop<T>& inner;
  const Store<T>* rates;  // of inner.parameter_rates, where there are some
  int threads;
  const std::function<void()>& poll;  // may throw to stop
};

// Throws UNSUPPORTED for a call that the model's device cannot make, and names what it lacks.
template <class T>
void check_loop(const Model<T>& model, const InnerLoop<T>& inner);

template <class T>
MetaGradient<T> run_meta_gradient(const CallInputs<T>& call, Direction direction);
template <class T>
TrainStepResult<T> run_train_step(Store<T>& parameters, Store<T>* rates, const TrainStep<T>& step,
                                  const std::function<void()>& poll);
// As adapt_tasks.
template <class T>
std::vector<Adapted<T>> run_adapt(const CallInputs<T>& call, bool factor);
template <class T>
QueryOutputs<T> run_predict(const CallInputs<T>& call, const Prediction<T>& wanted);
template <class T>
HessianVectorProduct<T> run_hessian_vector_product(const CallInputs<T>& call, const Store<T>& vector);

}  // namespace innerloop
