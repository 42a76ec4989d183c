#include "solver.h"

namespace innerloop {

template <class T>
const Solver<T>& solver(SolverKind kind) {
  switch (kind) {
    case SolverKind::ridge:
      return ridge_solver<T>();
    case SolverKind::laplace:
      return laplace_solver<T>();
    case SolverKind::implicit:
      return implicit_solver<T>();
    case SolverKind::lstm:
      return lstm_solver<T>();
    case SolverKind::gradient:
      break;
  }
  return gradient_solver<T>();
}

template const Solver<float>& solver(SolverKind);
template const Solver<double>& solver(SolverKind);

}  // namespace innerloop
