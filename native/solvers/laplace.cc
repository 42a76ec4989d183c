// A logistic last layer in (almost) closed form: the mode of its posterior under a meta-learned Gaussian prior,
//
//   w = argmin Σ_s [log(1 + e^o) − y o] + (w − w̄)ᵀ Λ (w − w̄) / 2,   o = A w
//
// by Newton's method (iteratively reweighted least squares) with step halving to convergence, and its derivative by the
// implicit function theorem (posterior.h) with e = y − p and s = p (1 − p). M⁻¹ is the covariance of Laplace's
// approximation (MacKay 1992).
#include <algorithm>
#include <cmath>

#include "../runtime/errors.h"
#include "posterior.h"
#include "solver.h"

namespace innerloop {
namespace {

constexpr int kMaxNewton = 100;
// Bounds of the squared Newton decrement gᵀM⁻¹g: below the first, Newton's method has converged; below the second, full
// steps converge quadratically and need no line search.
constexpr double kConverged = 1e-22, kNear = 1e-8;
constexpr double kArmijo = 1e-4, kShortest = 1e-9;

template <class T>
struct LaplaceSolver final : Solver<T> {
  void adapt(Task<T>& task, bool) const override {
    Posterior<T> p(task);
    Workspace at(p);
    double *w = p.take(p.d), *next = p.take(p.d), *gradient = p.take(p.d), *step = p.take(p.d);
    std::copy_n(p.mean, p.d, w);
    double energy = at.energy(w);
    for (int i = 0; i < kMaxNewton; ++i) {
      at.likelihood(w);
      for (Index j = 0; j < p.d; ++j) next[j] = p.mean[j] - w[j];
      p.precision(next, gradient);
      p.add_transposed(at.e, gradient);
      p.factorise(at.s);
      std::copy_n(gradient, p.d, step);
      p.solve(step);
      const double decrement = p.kernels.dot(p.d, gradient, step);
      if (!std::isfinite(decrement)) throw Diverged(task.number, "the features of the support rows are not finite");
      if (decrement <= kConverged) break;
      double length = 1, reached;
      for (;; length /= 2) {
        p.kernels.add_scaled(p.d, w, length, step, next);
        reached = at.energy(next);
        if (decrement < kNear || reached <= energy - kArmijo * length * decrement || length < kShortest) break;
      }
      std::swap(w, next);
      energy = reached;
    }
    p.write(w);
  }

  double meta_gradient(Reverse<T>& reverse, T weight) const override {
    const double loss = reverse.query(1, weight);
    if (reverse.task.support == 0) return loss;
    const Posterior<T> p(reverse.task);
    Workspace at(p);
    at.likelihood(p.state.mode);
    p.back(reverse, at.e, at.s);
    return loss;
  }

  PosteriorFactor posterior(const Task<T>& task) const override { return posterior_factor(task); }

 private:
  struct Workspace {
    explicit Workspace(const Posterior<T>& p) : p(p), o(p.take(p.S)), e(p.take(p.S)), s(p.take(p.S)) {}
    void likelihood(const double* w) {
      p.outputs(w, o);
      for (Index r = 0; r < p.S; ++r) {
        const double small = std::exp(-std::abs(o[r])), probability = (o[r] >= 0 ? 1 : small) / (1 + small);
        e[r] = p.weight(r) * (p.label(r) - probability);
        s[r] = p.weight(r) * small / ((1 + small) * (1 + small));
      }
    }
    double energy(const double* w) {
      p.outputs(w, o);
      double sum = p.prior_energy(w);
      for (Index r = 0; r < p.S; ++r)
        sum += p.weight(r) * (std::max(o[r], 0.0) + std::log1p(std::exp(-std::abs(o[r]))) - p.label(r) * o[r]);
      return sum;
    }
    const Posterior<T>& p;
    double *o, *e, *s;
  };
};

}  // namespace

template <class T>
const Solver<T>& laplace_solver() {
  static const LaplaceSolver<T> solver;
  return solver;
}

template const Solver<float>& laplace_solver();
template const Solver<double>& laplace_solver();

}  // namespace innerloop
