// The reverse pass of one task: the derivative of its query loss, from the adapted parameters to the shared ones.
#pragma once
#include <vector>

#include "task.h"

namespace innerloop {

// Where one task's gradient goes: dense tensors are added to its chunk's accumulator, table rows to its own blocks.
template <class T>
struct Targets {
  T* at(const Model<T>& model, std::size_t tensor) const {
    return model.tensors[tensor].input < 0 ? dense + model.tensors[tensor].offset : blocks[tensor];
  }
  T* dense;
  std::vector<T*> blocks;  // by tensor, null for dense
};

template <class T>
struct Reverse {
  Reverse(Task<T>& task, const Targets<T>& targets);

  // Adds the gradient of weight · L_Q at step k to v and u; returns L_Q.
  double query(int k, T weight);
  // Runs the prefix backward from the adjoints of the support rows' boundary slots (null where nothing learns below).
  void prefix_backward(T* const* adjoint);
  // Adjoints of the support rows' boundary slots, by slot; zeroed, null where nothing learns below.
  T** take_adjoints() const;

  Task<T>& task;
  const Plan<T>& plan = task.plan;
  const Model<T>& model = plan.model;
  T* v;      // flat: the gradient with respect to the fast parameters, v in the formulas of the solvers
  T** into;  // by tensor: the place in v of a fast one, the target of a slow one
  std::vector<T*> rate_into;                              // per_parameter: by tensor
  std::vector<std::vector<T>>* step_rate_into = nullptr;  // per_tensor_step: [tensor][steps]
};

extern template struct Reverse<float>;
extern template struct Reverse<double>;

}  // namespace innerloop
