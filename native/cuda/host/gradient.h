// A gradient call: the launches that compute a meta-gradient, and those of the outer step after it.
#pragma once
#include "operations.h"
#include "tasks.h"

namespace innerloop::device {

// A gradient on the device: dense tensors as a whole, tables by the batch's distinct rows.
template <class T>
struct DeviceGradient {
  T* dense = nullptr;      // [dense_size]
  std::vector<T*> blocks;  // by tensor: [distinct rows, width]
};

template <class T>
class GradientCall {
 public:
  GradientCall(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop, int direction, Scratch& scratch);
  // Notes the launches that compute the meta-gradient.
  void run();
  // Requests an outer step, which conclude() takes. The first call requests that of the parameters, the second that of
  // the learned inner rates.
  void update(const innerloop_optimizer& optimizer, Store<T>& store);
  // Computes loss and norm, takes the requested steps if all values are finite, and waits for the device. Throws
  // Failure if a value is not finite.
  Verdict conclude();

  // Copy results to the host, after conclude().
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
  // Launches Σ g² of a gradient; returns the partial sums on the device and their number.
  std::pair<double*, Index> squares(const DeviceGradient<T>& of);

  const Model& model_;
  const Batch<T>& batch_;
  const innerloop_loop& loop_;
  const bool reptile_;
  Scratch& scratch_;
  Plan<T> plan_;
  double* task_losses_;
  T* step_rates_ = nullptr;  // [tensors, steps]
  int* failed_ = nullptr;    // ridge: [tasks], 1 where the system could not be solved
  Verdict* verdict_;
  struct Update {
    const innerloop_optimizer* optimizer;
    Store<T>* store;
  };
  std::vector<Update> updates_;  // of the parameters, then of the rates
};

}  // namespace innerloop::device
