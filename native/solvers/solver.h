// How a task gets from θ_0 to its own parameters, and how the derivative of its query loss gets back.
#pragma once
#include "../inner_loop.h"

namespace innerloop {

template <class T>
struct Reverse;

template <class T>
struct Solver {
  // theta[steps] from theta[0] and the support rows, the prefix having run on them. With `keep`, everything that
  // meta_gradient needs stays in the task.
  virtual void adapt(Task<T>& task, bool keep) const = 0;
  // Adds the gradient of weight · L_Q(θ_K) to `reverse`: v with respect to θ_0, the slow parameters where they go.
  // Returns L_Q, or where several steps have query losses their weighted sum.
  virtual double meta_gradient(Reverse<T>& reverse, T weight) const = 0;

 protected:
  // Never destroyed: threads of the pool may still be at work while the process exits.
  ~Solver() = default;
};

// One object a kind, shared by all calls.
template <class T>
const Solver<T>& solver(SolverKind kind);

template <class T>
const Solver<T>& gradient_solver();
template <class T>
const Solver<T>& ridge_solver();
template <class T>
const Solver<T>& laplace_solver();
template <class T>
const Solver<T>& implicit_solver();
template <class T>
const Solver<T>& lstm_solver();

}  // namespace innerloop
