// Gradient calls: the launches of a meta-gradient, and those of the outer step after it.
#pragma once
#include "operations.h"
#include "tasks.h"

namespace innerloop::device {

// A gradient on the device: dense tensors densely, tables by the batch's distinct rows.
template <class T>
struct DeviceGradient {
  T* dense = nullptr;      // [dense_size]
  std::vector<T*> blocks;  // by tensor: [distinct rows, width]
};

template <class T>
class GradientCall {
 public:
  GradientCall(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop, int direction, Scratch& scratch);
  void run();
  // Asks for an outer step: of the parameters, and when called again, of the rates.
  void update(const innerloop_optimizer& optimizer, Store<T>& store);
  // Loss, norm, and whether all is finite; then waits and throws Failure if it is not.
  Verdict conclude();

  void give_losses(double* task_losses) const;
  void give_step_rates(void* gradient) const;
  void give(const DeviceGradient<T>& gradient, const innerloop_gradient& to) const;

  DeviceGradient<T> gradient, rate_gradient;

 private:
  DeviceGradient<T> make_gradient() const;
  void run_prefix_alone();
  void run_tasks();
  void run_ridge();
  OuterCall<T>* outer_call(const DeviceGradient<T>& of, const innerloop_optimizer& optimizer, Store<T>& store,
                           bool is_rates, std::vector<OuterTensor<T>>& tensors);
  // Σ g² by stretches of a gradient.
  std::pair<double*, Index> squares(const DeviceGradient<T>& of);

  const Model& model_;
  const Batch<T>& batch_;
  const innerloop_loop& loop_;
  const bool reptile_;
  Scratch& scratch_;
  Plan<T> plan_;
  double* task_losses_;
  T* step_rates_ = nullptr;  // [tensors, steps]
  int* failed_ = nullptr;    // ridge: by task
  Verdict* verdict_;
  struct Update {
    const innerloop_optimizer* optimizer;
    Store<T>* store;
  };
  std::vector<Update> updates_;  // the parameters', then the rates'
};

}  // namespace innerloop::device
