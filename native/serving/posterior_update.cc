#include "posterior_update.h"

#include <algorithm>
#include <cmath>

#include "../layers/layer.h"
#include "../runtime/errors.h"
#include "../solvers/cholesky.h"
#include "../solvers/posterior.h"
#include "../task/task.h"

namespace innerloop {
namespace {

// The factor of M of an adapted task, as it grows.
template <class T>
struct GrowingFactor {
  GrowingFactor(const Posterior<T>& row, Adapted<T>& adapted) : row(row), adapted(adapted), d(row.d) {}

  void add(double weight, const double* a) {
    if (adapted.dual && adapted.dual->rows + 1 >= d) to_primal();
    std::vector<double> x(a, a + d);
    const double root = std::sqrt(weight);
    if (!adapted.dual) {
      row.kernels.scale(d, root, a, x.data());
      return sweep(x.data());
    }
    row.prior.solve(row.kernels, d, x.data());
    row.kernels.scale(d, root, x.data(), x.data());
    border(x);
  }

  // Sets x to M⁻¹ x.
  void solve(double* x) const {
    if (!adapted.dual) return innerloop::solve(row.kernels, adapted.factor.data(), d, x);
    const DualPosterior& dual = *adapted.dual;
    std::vector<double> u(static_cast<std::size_t>(dual.rows));
    row.prior.solve(row.kernels, d, x);
    for (Index i = 0; i < dual.rows; ++i) u[i] = row.kernels.dot(d, dual.G.data() + i * d, x);
    innerloop::solve(row.kernels, adapted.factor.data(), dual.rows, u.data());
    for (Index i = 0; i < dual.rows; ++i) row.kernels.axpy(d, -u[i], dual.G.data() + i * d, x);
    row.prior.solve_transposed(row.kernels, d, x);
  }

  // Sets x to Aᵀ S 1, the last column of M − Λ.
  void sum_of_rows(double* x) const {
    std::vector<double> last(static_cast<std::size_t>(d), 0.0), u(static_cast<std::size_t>(d), 0.0);
    last[d - 1] = 1;
    if (adapted.dual) {
      // This computes L Gᵀ G Lᵀ e, for e the last unit vector.
      prior_transposed(last.data(), u.data());
      std::fill(last.begin(), last.end(), 0.0);
      for (Index i = 0; i < adapted.dual->rows; ++i) {
        const double* g = adapted.dual->G.data() + i * d;
        row.kernels.axpy(d, row.kernels.dot(d, g, u.data()), g, last.data());
      }
      return prior_times(last.data(), x);
    }
    row.precision(last.data(), u.data());
    const double* L = adapted.factor.data();
    for (Index i = 0; i < d; ++i) x[i] = row.kernels.dot(i + 1, L + i * d, L + (d - 1) * d) - u[i];
  }

 private:
  static constexpr Index kRows = 64;  // between two polls

  // M + x xᵀ of the factor of M.
  void sweep(double* x) {
    double* L = adapted.factor.data();
    for (Index k = 0; k < d; ++k) {
      if (k % kRows == 0) row.task.poll();
      const double r = std::hypot(L[k * d + k], x[k]), c = r / L[k * d + k], s = x[k] / L[k * d + k];
      L[k * d + k] = r;
      for (Index i = k + 1; i < d; ++i) {
        L[i * d + k] = (L[i * d + k] + s * x[i]) / c;
        x[i] = c * x[i] - s * L[i * d + k];
      }
    }
  }

  // I + G Gᵀ with one row g more.
  void border(const std::vector<double>& g) {
    DualPosterior& dual = *adapted.dual;
    const Index rows = dual.rows, grown = rows + 1;
    std::vector<double> factor(static_cast<std::size_t>(grown * grown), 0.0);
    for (Index i = 0; i < rows; ++i) std::copy_n(adapted.factor.data() + i * rows, i + 1, factor.data() + i * grown);
    double* last = factor.data() + rows * grown;
    for (Index i = 0; i < rows; ++i) last[i] = row.kernels.dot(d, dual.G.data() + i * d, g.data());
    solve_lower(row.kernels, adapted.factor.data(), rows, last);
    last[rows] = std::sqrt(1 + row.kernels.dot(d, g.data(), g.data()) - row.kernels.dot(rows, last, last));
    dual.G.insert(dual.G.end(), g.begin(), g.end());
    dual.rows = grown;
    adapted.factor = std::move(factor);
  }

  // M = L (I + Gᵀ G) Lᵀ, and the product of two lower triangles is one.
  void to_primal() {
    const DualPosterior& dual = *adapted.dual;
    std::vector<double> inner(static_cast<std::size_t>(d * d), 0.0), factor(inner);
    for (Index i = 0; i < d; ++i) inner[i * d + i] = 1;
    add_products(row.kernels, dual.rows, d, dual.G.data(), dual.G.data(), inner.data(), row.task.poll);
    std::vector<double> scratch(static_cast<std::size_t>(cholesky_scratch(d)));
    if (!cholesky(row.kernels, inner.data(), d, scratch.data(), row.task.poll))
      throw Diverged(row.task.number, "the posterior precision of the last layer is not finite and positive");
    for (Index i = 0; i < d; ++i) {
      double* to = factor.data() + i * d;
      if (i % kRows == 0) row.task.poll();
      if (!row.prior.L)
        row.kernels.scale(i + 1, row.prior.root[i], inner.data() + i * d, to);
      else
        for (Index k = 0; k <= i; ++k) row.kernels.axpy(k + 1, row.prior.L[i * d + k], inner.data() + k * d, to);
    }
    adapted.factor = std::move(factor);
    adapted.dual.reset();
  }

  // y = L x and y = Lᵀ x of the prior's factor; y is 0 before.
  void prior_times(const double* x, double* y) const {
    for (Index i = 0; i < d; ++i)
      y[i] = row.prior.L ? row.kernels.dot(i + 1, row.prior.L + i * d, x) : row.prior.root[i] * x[i];
  }
  void prior_transposed(const double* x, double* y) const {
    for (Index i = 0; i < d; ++i) {
      if (row.prior.L)
        row.kernels.axpy(i + 1, x[i], row.prior.L + i * d, y);
      else
        y[i] = row.prior.root[i] * x[i];
    }
  }

  const Posterior<T>& row;
  Adapted<T>& adapted;
  const Index d;
};

}  // namespace

template <class T>
Adapted<T> update_posterior(const Plan<T>& plan, const T* parameters, const Adapted<T>& adapted,
                            const RowChange& change, const std::function<void()>& poll) {
  const AffineMap& head = *plan.model.last_layer;
  const SharedParameters<T> shared(plan, parameters, Passes::inner_loop);
  Arena& arena = Arena::of_this_thread();
  arena.reset();
  Task<T> task(plan, 0, shared, arena, poll);
  task.support_prefix();
  const Posterior<T> row(task);
  const Index d = row.d;
  const double *a = row.A, y = row.label(0), weight = row.weight(0);

  Adapted<T> result = adapted;
  GrowingFactor<T> factor(row, result);
  std::vector<double> gain(static_cast<std::size_t>(d), 0.0);
  if (change.shift != 0) {
    factor.sum_of_rows(gain.data());
    row.kernels.scale(d, -change.shift, gain.data(), gain.data());
  }
  const double from = change.before ? *change.before - change.shift : row.kernels.dot(d, a, result.mode.data());
  row.kernels.axpy(d, weight * (y - from), a, gain.data());
  if (!change.before) factor.add(weight, a);
  factor.solve(gain.data());
  for (Index i = 0; i < d; ++i) {
    result.mode[i] += gain[i];
    if (!std::isfinite(result.mode[i])) throw Diverged(0, "the update gave a parameter that is not finite");
  }
  for (Index i = 0; i + 1 < d; ++i) result.dense[head.weight][i] = static_cast<T>(result.mode[i]);
  result.dense[head.bias][0] = static_cast<T>(result.mode[d - 1]);
  return result;
}

template Adapted<float> update_posterior(const Plan<float>&, const float*, const Adapted<float>&, const RowChange&,
                                         const std::function<void()>&);
template Adapted<double> update_posterior(const Plan<double>&, const double*, const Adapted<double>&, const RowChange&,
                                          const std::function<void()>&);

}  // namespace innerloop
