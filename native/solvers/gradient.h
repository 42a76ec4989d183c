// What gradient steps leave in the arena of their task. The implicit solver goes on from there.
#pragma once
#include "../task/support_passes.h"
#include "solver.h"
#include "update.h"

namespace innerloop {

template <class T>
struct GradientState : SolverState {
  explicit GradientState(Task<T>& task) : support(task) {}
  SupportPasses<T> support;
  Moments<T> moments;
  T** rates = nullptr;  // by tensor, with a rate per parameter: the task's part of the rates
};

template <class T>
GradientState<T>& gradient_state(const Task<T>& task) {
  return *static_cast<GradientState<T>*>(task.solver_state);
}

}  // namespace innerloop
