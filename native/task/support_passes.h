// The support rows of one task at the parameters of every inner step: their slots above the boundary and the gradient
// of their loss. The solvers that follow gradients keep one of these.
#pragma once
#include "task.h"

namespace innerloop {

template <class T>
struct SupportPasses {
  explicit SupportPasses(Task<T>& task);

  // Makes slots for step k.
  void take_slots(int k);
  // Forward over the suffix at theta[k], leaving its slots in slots[k], and the gradient of the weighted loss by fast
  // tensor added to gradient[k]. Does nothing if there are no rows.
  void run(int k);
  // Where steps are folded, copies theta[k] to theta[k + 1], but for the weights that `run` itself takes from theta[k].
  void copy_step(int k) const;
  // Gives the weight of the mean support loss in the inner loop.
  T weight() const;
  // Whether there is nothing to learn from, or nothing to adapt.
  bool is_empty() const { return task.support == 0 || task.plan.suffix.empty(); }

  Task<T>& task;
  Slots<T>* slots;  // by step; the boundary slots are those of the prefix
  T** gradient;     // flat inner gradients by step

 private:
  // Gives the weights of plan.folded at theta[k], by tensor.
  const T* const* folded_from(int k) const;
};

extern template struct SupportPasses<float>;
extern template struct SupportPasses<double>;

}  // namespace innerloop
