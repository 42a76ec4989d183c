#include "posterior.h"

#include <algorithm>
#include <cmath>

#include "../runtime/errors.h"
#include "cholesky.h"

namespace innerloop {
namespace {

constexpr const char* kNotPositive = "the posterior precision of the last layer is not finite and positive";

template <class T>
PosteriorState& state_of(Task<T>& task) {
  if (!task.solver_state) task.solver_state = new (task.arena.template take<PosteriorState>(1)) PosteriorState;
  return *static_cast<PosteriorState*>(task.solver_state);
}

}  // namespace

template <class T>
Posterior<T>::Posterior(Task<T>& task)
    : task(task),
      state(state_of(task)),
      labels(task.support_labels()),
      kernels(innerloop::kernels<double>()),
      n(task.plan.model.last_layer->I),
      d(n + 1),
      S(task.support) {
  const AffineMap& head = *task.plan.model.last_layer;
  const T* features = task.prefix.x[head.slot_in];
  A = take(S * d);
  for (Index s = 0; s < S; ++s) {
    std::copy_n(features + s * n, n, A + s * d);
    A[s * d + n] = 1;
  }
  mean = take(d);
  std::copy_n(task.parameters.theta[0] + task.parameters.fast_offset[head.weight], n, mean);
  mean[n] = static_cast<double>(task.parameters.theta[0][task.parameters.fast_offset[head.bias]]);
  const T* log_precision = task.parameters.base[task.plan.inner.prior.log_precisions];
  root = take(d);
  for (Index i = 0; i < d; ++i) root[i] = std::exp(static_cast<double>(log_precision[i]) / 2);
  if (task.plan.inner.prior.factor < 0) return;
  const T* factor = task.parameters.base[task.plan.inner.prior.factor];
  L = task.arena.template take_zeroed<double>(d * d);
  for (Index i = 0; i < d; ++i) {
    std::copy_n(factor + i * d, i, L + i * d);
    L[i * d + i] = root[i];
  }
}

template <class T>
void Posterior<T>::outputs(const double* w, double* o) const {
  for (Index s = 0; s < S; ++s) o[s] = kernels.dot(d, A + s * d, w);
}

template <class T>
void Posterior<T>::add_transposed(const double* e, double* x) const {
  for (Index s = 0; s < S; ++s) kernels.axpy(d, e[s], A + s * d, x);
}

template <class T>
void Posterior<T>::precision(const double* x, double* y) const {
  if (!L) {
    for (Index i = 0; i < d; ++i) y[i] = root[i] * root[i] * x[i];
    return;
  }
  double* u = task.arena.template take_zeroed<double>(d);  // Lᵀ x
  for (Index i = 0; i < d; ++i) kernels.axpy(i + 1, x[i], L + i * d, u);
  for (Index i = 0; i < d; ++i) y[i] = kernels.dot(i + 1, L + i * d, u);
}

template <class T>
double Posterior<T>::prior_energy(const double* w) const {
  double *delta = take(d), *u = take(d);
  for (Index i = 0; i < d; ++i) delta[i] = w[i] - mean[i];
  precision(delta, u);
  return kernels.dot(d, delta, u) / 2;
}

template <class T>
void Posterior<T>::factorise(const double* s) {
  if (!is_dual()) return factorise_primal(s);
  if (!state.dual_rows) state.dual_rows = take(S * d), state.dual_factor = take(S * S);
  double *G = state.dual_rows, *k = state.dual_factor;
  for (Index r = 0; r < S; ++r) {
    const double root_s = s ? std::sqrt(s[r]) : 1;
    for (Index i = 0; i < d; ++i) G[r * d + i] = root_s * A[r * d + i] / root[i];
  }
  kernels.gemm_nt(S, S, d, G, d, G, d, false, k, S, take(S * d));
  for (Index r = 0; r < S; ++r) k[r * S + r] += 1;
  if (!cholesky(kernels, k, S)) throw Diverged(task.number, kNotPositive);
}

template <class T>
void Posterior<T>::factorise_primal(const double* s) {
  if (!state.factor) state.factor = take(d * d);
  double* m = state.factor;
  std::fill_n(m, d * d, 0.0);
  if (L) {
    kernels.gemm_nt(d, d, d, L, d, L, d, false, m, d, take(d * d));
  } else {
    for (Index i = 0; i < d; ++i) m[i * d + i] = root[i] * root[i];
  }
  const double* B = A;
  if (s) {
    double* scaled = take(S * d);
    for (Index r = 0; r < S; ++r) kernels.scale(d, s[r], A + r * d, scaled + r * d);
    B = scaled;
  }
  kernels.gemm_tn(d, d, S, B, d, A, d, true, m, d);
  if (!cholesky(kernels, m, d)) throw Diverged(task.number, kNotPositive);
}

template <class T>
void Posterior<T>::solve(double* x) const {
  if (!is_dual()) return innerloop::solve(kernels, state.factor, d, x);
  const double* G = state.dual_rows;
  double* u = take(S);
  for (Index i = 0; i < d; ++i) x[i] /= root[i];
  for (Index r = 0; r < S; ++r) u[r] = kernels.dot(d, G + r * d, x);
  innerloop::solve(kernels, state.dual_factor, S, u);
  for (Index r = 0; r < S; ++r) kernels.axpy(d, -u[r], G + r * d, x);
  for (Index i = 0; i < d; ++i) x[i] /= root[i];
}

template <class T>
void Posterior<T>::keep_factor(const double* s) {
  if (!state.factor) factorise_primal(s);
}

template <class T>
void Posterior<T>::write(const double* w) {
  const AffineMap& head = *task.plan.model.last_layer;
  const TaskParameters<T>& parameters = task.parameters;
  T* const theta = parameters.theta[1] = task.arena.template take<T>(parameters.fast_size);
  std::copy_n(parameters.theta[0], parameters.fast_size, theta);
  for (Index i = 0; i < n; ++i) theta[parameters.fast_offset[head.weight] + i] = static_cast<T>(w[i]);
  theta[parameters.fast_offset[head.bias]] = static_cast<T>(w[n]);
  state.mode = w;
}

template <class T>
void Posterior<T>::back(Reverse<T>& reverse, const double* e, const double* s) const {
  const AffineMap& head = *task.plan.model.last_layer;
  T *v_weight = reverse.v + task.parameters.fast_offset[head.weight],
    *v_bias = reverse.v + task.parameters.fast_offset[head.bias];
  const double* w = state.mode;
  double *z = take(d), *scaled = take(d), *delta = take(d);
  std::copy_n(v_weight, n, z);
  z[n] = static_cast<double>(*v_bias);
  solve(z);
  precision(z, scaled);
  for (Index i = 0; i < d; ++i) delta[i] = w[i] - mean[i];

  T* d_log = reverse.into[task.plan.inner.prior.log_precisions];
  if (!L) {
    for (Index i = 0; i < d; ++i) d_log[i] -= static_cast<T>(scaled[i] * delta[i]);
  } else {
    T* d_factor = reverse.into[task.plan.inner.prior.factor];
    double *lz = task.arena.template take_zeroed<double>(d), *ld = task.arena.template take_zeroed<double>(d);
    for (Index i = 0; i < d; ++i) {
      kernels.axpy(i + 1, z[i], L + i * d, lz);
      kernels.axpy(i + 1, delta[i], L + i * d, ld);
    }
    for (Index i = 0; i < d; ++i) {
      for (Index j = 0; j < i; ++j) d_factor[i * d + j] -= static_cast<T>(z[i] * ld[j] + delta[i] * lz[j]);
      d_log[i] -= static_cast<T>((z[i] * ld[i] + delta[i] * lz[i]) * root[i] / 2);
    }
  }
  for (Index i = 0; i < n; ++i) v_weight[i] = static_cast<T>(scaled[i]);
  *v_bias = static_cast<T>(scaled[n]);

  if (S == 0 || !reverse.plan.prefix_learns) return;
  T** adjoint = reverse.take_adjoints();
  T* features = adjoint[head.slot_in];
  for (Index r = 0; r < S; ++r) {
    const double az = kernels.dot(d, A + r * d, z) * (s ? s[r] : 1);
    for (Index i = 0; i < n; ++i) features[r * n + i] = static_cast<T>(e[r] * z[i] - az * w[i]);
  }
  reverse.prefix_backward(adjoint);
}

template <class T>
const double* posterior_factor(const Task<T>& task) {
  return task.solver_state ? static_cast<const PosteriorState*>(task.solver_state)->factor : nullptr;
}

template <class T>
void posterior_variance(const double* factor, Index features, Index rows, const T* a, T* variance) {
  const Kernels<double>& kernels = innerloop::kernels<double>();
  std::vector<double> x(features + 1);
  for (Index r = 0; r < rows; ++r) {
    std::copy_n(a + r * features, features, x.data());
    x[features] = 1;
    solve_lower(kernels, factor, features + 1, x.data());
    variance[r] = static_cast<T>(kernels.dot(features + 1, x.data(), x.data()));
  }
}

#define INNERLOOP_INSTANTIATE(T)                           \
  template struct Posterior<T>;                            \
  template const double* posterior_factor(const Task<T>&); \
  template void posterior_variance(const double*, Index, Index, const T*, T*);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)

}  // namespace innerloop
