// How a task gets from θ_0 to its own parameters, and how the derivative of its query loss gets back.
#pragma once
#include "../plan/inner_loop.h"
#include "../runtime/index.h"

namespace innerloop {

template <class T>
struct Task;
template <class T>
struct Reverse;

// A last layer's posterior precision M, factorised (solvers/posterior.h): in the primal form, or for fewer support rows
// than weights in the dual one.
struct PosteriorFactor {
  const double* cholesky = nullptr;  // of M [d, d]; dual: of I + G Gᵀ [rows, rows]
  const double* G = nullptr;         // dual: [rows, d]
  Index rows = 0;                    // dual: support rows; without any the posterior is the prior
  bool dual = false;
  const double* mode = nullptr;  // the adapted last layer [d]
  bool is_known() const { return cholesky || dual; }
};

// What a solver leaves between adapt and meta_gradient. Every solver has a type of its own, and reads only that.
struct SolverState {};

template <class T>
struct Solver {
  // Computes theta[steps] from theta[0] and the support rows, on which the prefix must have run. With `keep`,
  // everything that meta_gradient needs stays in the task.
  virtual void adapt(Task<T>& task, bool keep) const = 0;
  // Adds the gradient of weight · L_Q(θ_K) to `reverse`: to v that with respect to θ_0, to the targets that of slow
  // parameters. Returns L_Q, or where several steps have query losses their weighted sum.
  virtual double meta_gradient(Reverse<T>& reverse, T weight) const = 0;
  // Gives what adapt left of the last layer's posterior, where the solver has one.
  virtual PosteriorFactor posterior(const Task<T>&) const { return {}; }

 protected:
  // Never destroyed: threads of the pool may still be at work while the process exits.
  ~Solver() = default;
};

// Gives the solver of a kind. There is one object for each, which all calls share.
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
