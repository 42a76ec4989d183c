// The inner loop in closed form: ridge regression of the last layer on the features below it, from a meta-learned
// Gaussian prior (R2-D2, Bertinetto et al. 2019; ALPaCA, Harrison et al. 2018): the posterior mean under noise of
// variance 1,
//
//   w = w̄ + M⁻¹ Aᵀ (y − A w̄),   M = AᵀA + Λ
//
// and its derivative by posterior.h, with e = y − A w and s = 1.
#include <algorithm>

#include "posterior.h"
#include "solver.h"

namespace innerloop {
namespace {

template <class T>
struct RidgeSolver final : Solver<T> {
  void adapt(Task<T>& task, bool) const override {
    Posterior<T> posterior(task);
    double* w = task.arena.template take_zeroed<double>(posterior.d);
    posterior.add_transposed(errors(posterior, posterior.mean), w);
    posterior.factorise(weights(posterior));
    posterior.solve(w);
    posterior.kernels.axpy(posterior.d, 1.0, posterior.mean, w);
    posterior.write(w);
  }

  double meta_gradient(Reverse<T>& reverse, T weight) const override {
    const double loss = reverse.query(1, weight);
    if (reverse.task.support == 0) return loss;
    const Posterior<T> posterior(reverse.task);
    posterior.back(reverse, errors(posterior, posterior.state.mode), weights(posterior));
    return loss;
  }

  PosteriorFactor posterior(const Task<T>& task) const override { return posterior_factor(task); }

 private:
  // Gives the weights of the support rows, or null where all are 1.
  static double* weights(const Posterior<T>& posterior) {
    if (!posterior.labels.weights) return nullptr;
    double* s = posterior.take(posterior.S);
    std::copy_n(posterior.labels.weights, posterior.S, s);
    return s;
  }
  // Gives y − A w, times the weights of the rows.
  static double* errors(const Posterior<T>& posterior, const double* w) {
    double* e = posterior.take(posterior.S);
    posterior.outputs(w, e);
    for (Index r = 0; r < posterior.S; ++r) e[r] = posterior.weight(r) * (posterior.label(r) - e[r]);
    return e;
  }
};

}  // namespace

template <class T>
const Solver<T>& ridge_solver() {
  static const RidgeSolver<T> solver;
  return solver;
}

template const Solver<float>& ridge_solver();
template const Solver<double>& ridge_solver();

}  // namespace innerloop
