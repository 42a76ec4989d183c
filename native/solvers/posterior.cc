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

template <class T>
PriorFactor prior_of(const Task<T>& task, const Prior& tensors, Index d) {
  const auto& base = task.parameters.base;
  return prior_factor(task.arena, base[tensors.log_precisions], tensors.factor < 0 ? nullptr : base[tensors.factor], d);
}

}  // namespace

template <class T>
PriorFactor prior_factor(Arena& arena, const T* log_precisions, const T* factor, Index d) {
  PriorFactor prior{.root = arena.take<double>(d)};
  for (Index i = 0; i < d; ++i) prior.root[i] = std::exp(static_cast<double>(log_precisions[i]) / 2);
  if (!factor) return prior;
  prior.L = arena.take_zeroed<double>(d * d);
  for (Index i = 0; i < d; ++i) {
    std::copy_n(factor + i * d, i, prior.L + i * d);
    prior.L[i * d + i] = prior.root[i];
  }
  return prior;
}

void PriorFactor::solve(const Kernels<double>& kernels, Index d, double* x) const {
  if (L) return solve_lower(kernels, L, d, x);
  for (Index i = 0; i < d; ++i) x[i] /= root[i];
}

void PriorFactor::solve_transposed(const Kernels<double>& kernels, Index d, double* x) const {
  if (L) return solve_lower_transposed(kernels, L, d, x);
  for (Index i = 0; i < d; ++i) x[i] /= root[i];
}

template <class T>
Posterior<T>::Posterior(Task<T>& task)
    : task(task),
      state(state_of(task)),
      labels(task.support_labels()),
      kernels(innerloop::kernels<double>()),
      n(task.plan.model.last_layer->I),
      d(n + 1),
      S(task.support),
      rows_per_poll(std::max<Index>(1, kSlowWorkPerPoll / 8 / d)),
      rows_to_poll(rows_per_poll) {
  const AffineMap& head = *task.plan.model.last_layer;
  const T* features = task.prefix.x[head.slot_in];
  A = take(S * d);
  for (Index s = 0; s < S; ++s) {
    passed_row();
    std::copy_n(features + s * n, n, A + s * d);
    A[s * d + n] = 1;
  }
  mean = take(d);
  std::copy_n(task.parameters.theta[0] + task.parameters.fast_offset[head.weight], n, mean);
  mean[n] = static_cast<double>(task.parameters.theta[0][task.parameters.fast_offset[head.bias]]);
  prior = prior_of(task, task.plan.inner.prior, d);
}

template <class T>
void Posterior<T>::outputs(const double* w, double* o) const {
  each_rows([&](Index s, Index rows) { kernels.gemm_nn(rows, 1, d, A + s * d, d, w, 1, nullptr, false, o + s, 1); });
}

template <class T>
void Posterior<T>::add_transposed(const double* e, double* x) const {
  each_rows([&](Index s, Index rows) { kernels.gemm_tn(d, 1, rows, A + s * d, d, e + s, 1, true, x, 1); });
}

template <class T>
void Posterior<T>::precision(const double* x, double* y) const {
  if (!prior.L) {
    for (Index i = 0; i < d; ++i) y[i] = prior.root[i] * prior.root[i] * x[i];
    return;
  }
  double* u = task.arena.template take_zeroed<double>(d);  // Lᵀ x
  for (Index i = 0; i < d; ++i) kernels.axpy(i + 1, x[i], prior.L + i * d, u);
  for (Index i = 0; i < d; ++i) y[i] = kernels.dot(i + 1, prior.L + i * d, u);
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
  if (is_dual())
    factorise_dual(s);
  else
    factorise_primal(s);
}

template <class T>
void Posterior<T>::factorise_dual(const double* s) {
  if (!state.G) state.G = take(S * d), state.cholesky = take(S * S);
  if (prior.L && !state.whitened) {
    state.whitened = take(S * d);
    std::copy_n(A, S * d, state.whitened);
    for (Index r = 0; r < S; ++r) {
      task.poll();  // d² operations a row
      prior.solve(kernels, d, state.whitened + r * d);
    }
  }
  double *G = state.G, *k = state.cholesky;
  for (Index r = 0; r < S; ++r) {
    passed_row();
    const double root_s = s ? std::sqrt(s[r]) : 1;
    if (prior.L)
      kernels.scale(d, root_s, state.whitened + r * d, G + r * d);
    else
      for (Index i = 0; i < d; ++i) G[r * d + i] = root_s * A[r * d + i] / prior.root[i];
  }
  const auto whole = [this](Index) { return d; };
  row_products(kernels, S, d, G, whole, k, take_once(state.scratch, kScratchRows * d), task.poll);
  for (Index r = 0; r < S; ++r) k[r * S + r] += 1;
  if (!cholesky(kernels, k, S, take_once(state.work, cholesky_scratch(S)), task.poll))
    throw Diverged(task.number, kNotPositive);
}

template <class T>
void Posterior<T>::factorise_primal(const double* s) {
  if (!state.cholesky) state.cholesky = take(d * d);
  double* m = state.cholesky;
  std::fill_n(m, d * d, 0.0);
  if (prior.L) {
    const auto triangular = [](Index r) { return r + 1; };
    row_products(kernels, d, d, prior.L, triangular, m, take_once(state.scratch, kScratchRows * d), task.poll);
  } else {
    for (Index i = 0; i < d; ++i) m[i * d + i] = prior.root[i] * prior.root[i];
  }
  const double* B = A;
  if (s) {
    double* const scaled = take_once(state.scaled, S * d);
    for (Index r = 0; r < S; ++r) passed_row(), kernels.scale(d, s[r], A + r * d, scaled + r * d);
    B = scaled;
  }
  add_products(kernels, S, d, B, A, m, task.poll);
  if (!cholesky(kernels, m, d, take_once(state.work, cholesky_scratch(d)), task.poll))
    throw Diverged(task.number, kNotPositive);
}

template <class T>
void Posterior<T>::solve(double* x) const {
  if (!is_dual()) return innerloop::solve(kernels, state.cholesky, d, x);
  double* u = take(S);
  prior.solve(kernels, d, x);
  each_rows(
      [&](Index r, Index rows) { kernels.gemm_nn(rows, 1, d, state.G + r * d, d, x, 1, nullptr, false, u + r, 1); });
  innerloop::solve(kernels, state.cholesky, S, u);
  kernels.scale(S, -1, u, u);
  each_rows([&](Index r, Index rows) { kernels.gemm_tn(d, 1, rows, state.G + r * d, d, u + r, 1, true, x, 1); });
  prior.solve_transposed(kernels, d, x);
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
  if (!prior.L) {
    for (Index i = 0; i < d; ++i) d_log[i] -= static_cast<T>(scaled[i] * delta[i]);
  } else {
    T* d_factor = reverse.into[task.plan.inner.prior.factor];
    double *lz = task.arena.template take_zeroed<double>(d), *ld = task.arena.template take_zeroed<double>(d);
    for (Index i = 0; i < d; ++i) {
      kernels.axpy(i + 1, z[i], prior.L + i * d, lz);
      kernels.axpy(i + 1, delta[i], prior.L + i * d, ld);
    }
    for (Index i = 0; i < d; ++i) {
      for (Index j = 0; j < i; ++j) d_factor[i * d + j] -= static_cast<T>(z[i] * ld[j] + delta[i] * lz[j]);
      d_log[i] -= static_cast<T>((z[i] * ld[i] + delta[i] * lz[i]) * prior.root[i] / 2);
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
PosteriorFactor posterior_factor(const Task<T>& task) {
  if (!task.solver_state) return {};
  const auto& state = *static_cast<const PosteriorState*>(task.solver_state);
  if (!state.G) return {.cholesky = state.cholesky, .mode = state.mode};
  return {.cholesky = state.cholesky, .G = state.G, .rows = task.support, .dual = true, .mode = state.mode};
}

template <class T>
void posterior_variance(const Task<T>& task, const Prior& prior, const PosteriorFactor& factor, Index rows, const T* a,
                        T* variance) {
  const Kernels<double>& kernels = innerloop::kernels<double>();
  const Index n = task.plan.model.last_layer->I, d = n + 1;
  PriorFactor L{};
  if (factor.dual) L = prior_of(task, prior, d);
  double *x = task.arena.template take<double>(d), *u = task.arena.template take<double>(factor.rows);
  for (Index r = 0; r < rows; ++r) {
    task.poll();
    std::copy_n(a + r * n, n, x);
    x[n] = 1;
    if (!factor.dual) {
      solve_lower(kernels, factor.cholesky, d, x);
      variance[r] = static_cast<T>(kernels.dot(d, x, x));
      continue;
    }
    // ‖L⁻¹ a‖² less what the support rows explain of it: never below 0 but for rounding.
    L.solve(kernels, d, x);
    for (Index i = 0; i < factor.rows; ++i) u[i] = kernels.dot(d, factor.G + i * d, x);
    solve_lower(kernels, factor.cholesky, factor.rows, u);
    variance[r] = static_cast<T>(std::max(0.0, kernels.dot(d, x, x) - kernels.dot(factor.rows, u, u)));
  }
}

#define INNERLOOP_INSTANTIATE(T)                                        \
  template struct Posterior<T>;                                         \
  template PriorFactor prior_factor(Arena&, const T*, const T*, Index); \
  template PosteriorFactor posterior_factor(const Task<T>&);            \
  template void posterior_variance(const Task<T>&, const Prior&, const PosteriorFactor&, Index, const T*, T*);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
