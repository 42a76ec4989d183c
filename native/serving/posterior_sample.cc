#include "posterior_sample.h"

#include "../kernels/kernels.h"
#include "../layers/layer.h"
#include "../runtime/errors.h"
#include "../solvers/cholesky.h"
#include "../solvers/posterior.h"

namespace innerloop {
namespace {

// Sets x to L⁻ᵀ (I − Gᵀ R⁻ᵀ (R + I)⁻¹ G) x.
template <class T>
void whiten_dual(const Adapted<T>& adapted, const T* parameters, std::vector<double>& x) {
  const Kernels<double>& kernels = innerloop::kernels<double>();
  const DualPosterior& dual = *adapted.dual;
  const Index d = static_cast<Index>(x.size()), rows = dual.rows;
  const double* R = adapted.factor.data();
  std::vector<double> u(static_cast<std::size_t>(rows));
  for (Index i = 0; i < rows; ++i) u[i] = kernels.dot(d, dual.G.data() + i * d, x.data());
  for (Index i = 0; i < rows; ++i) u[i] = (u[i] - kernels.dot(i, R + i * rows, u.data())) / (R[i * rows + i] + 1);
  solve_lower_transposed(kernels, R, rows, u.data());
  for (Index i = 0; i < rows; ++i) kernels.axpy(d, -u[i], dual.G.data() + i * d, x.data());
  const auto tensor = [&](int t) { return t < 0 ? nullptr : parameters + adapted.model->tensors[t].offset; };
  Arena& arena = Arena::of_this_thread();
  arena.reset();
  prior_factor(arena, tensor(dual.prior.log_precisions), tensor(dual.prior.factor), d)
      .solve_transposed(kernels, d, x.data());
}

}  // namespace

template <class T>
Adapted<T> sample_posterior(const Adapted<T>& adapted, const T* parameters, const std::vector<double>& z,
                            double scale) {
  const AffineMap* head = adapted.model->last_layer;
  require(head && adapted.has_posterior() && adapted.fast[head->weight] && adapted.fast[head->bias],
          "only a last layer in closed form has a posterior");
  const Index d = head->I + 1;
  require(static_cast<Index>(z.size()) == d, "a draw takes one number for each weight");
  std::vector<double> x(z);
  if (adapted.dual)
    whiten_dual(adapted, parameters, x);
  else
    solve_lower_transposed(innerloop::kernels<double>(), adapted.factor.data(), d, x.data());
  Adapted<T> drawn = adapted;
  drawn.factor.clear();
  drawn.dual.reset();
  drawn.mode.clear();
  std::vector<T>&weight = drawn.dense[head->weight], &bias = drawn.dense[head->bias];
  for (Index i = 0; i + 1 < d; ++i) weight[i] = static_cast<T>(weight[i] + scale * x[i]);
  bias[0] = static_cast<T>(bias[0] + scale * x[d - 1]);
  return drawn;
}

template Adapted<float> sample_posterior(const Adapted<float>&, const float*, const std::vector<double>&, double);
template Adapted<double> sample_posterior(const Adapted<double>&, const double*, const std::vector<double>&, double);

}  // namespace innerloop
