#include "gram.h"

#include <algorithm>

#include "layers/linear.h"

namespace innerloop {

template <class T>
bool gram_pays(const Linear<T>& layer, const InnerLoop<T>& inner, const Batch<T>& batch, bool adjoint) {
  if (inner.steps == 0 || inner.rate_kind != RateKind::scalar || !inner.fast[layer.weight] || !inner.fast[layer.bias]) return false;
  double support = 0, query = 0;
  for (Index t = 0; t < batch.tasks(); ++t) {
    support += static_cast<double>(batch.begin[2 * t + 1] - batch.begin[2 * t]);
    query += static_cast<double>(batch.begin[2 * t + 2] - batch.begin[2 * t + 1]);
  }
  const double S = support / static_cast<double>(batch.tasks()), Q = query / static_cast<double>(batch.tasks());
  const double D = static_cast<double>(layer.I), H = static_cast<double>(layer.O), K = inner.steps;
  const bool second = inner.order == 2;
  const double direct = K * S * D * H * (second ? (adjoint ? 6 : 4) : 2) + Q * D * H * (adjoint ? 3 : 2) + K * D * H;
  const double gram = S * D * H * (second ? (adjoint ? 3 : 2) : 1) + Q * D * H * (adjoint ? 3 : 2) +
                      (S + Q) * S * D * (adjoint && second ? 2 : 1) + K * S * S * H * (second ? (adjoint ? 4 : 2) : 1);
  return gram < direct;
}

template <class T>
Gram<T>::Gram(Task<T>& task)
    : task(task),
      layer(*task.plan.gram),
      kernels(task.plan.kernels),
      S(task.support),
      Q(task.query),
      D(layer.I),
      H(layer.O),
      A(task.prefix.x[task.plan.gram_in]),
      W(task.base[layer.weight]),
      W_transposed(task.shared.transposed[layer.weight]),
      b(task.base[layer.bias]) {
  Arena& arena = task.arena;
  scratch = arena.take<T>(std::max(std::max(S, Q) * std::max(D, H), std::max(D * H, S * std::max(S, Q))));
  z0 = arena.take<T>(S * H);
  gram = arena.take<T>(S * S);
  R = arena.take_zeroed<T*>(task.plan.inner.steps + 1);
  R[0] = arena.take_zeroed<T>(S * H);
  kernels.gemm_nn(S, H, D, A, D, W, H, b, false, z0, H);
  kernels.gemm_nt(S, S, D, A, D, A, D, false, gram, S, scratch);
  for (Index i = 0; i < S * S; ++i) gram[i] += 1;
}

template <class T>
void Gram<T>::support_forward(int k, T* z) {
  if (k == 0) {
    std::copy_n(z0, S * H, z);
    return;
  }
  // −R_k is held in R[k], so the product adds straight to Z_0.
  const Factors<T> f{gram, S, 1, R[k], H, S};
  kernels.gemm(S, H, &f, 1, nullptr, z0, z, H);
}

template <class T>
void Gram<T>::step(int k, const T* dz) {
  R[k + 1] = task.arena.template take<T>(S * H);
  kernels.add_scaled(S * H, R[k], -task.plan.inner.rate, dz, R[k + 1]);
}

template <class T>
void Gram<T>::query_forward(int k, const T* x, T* z) {
  if (k == 0) {
    kernels.gemm_nn(Q, H, D, x, D, W, H, b, false, z, H);
    return;
  }
  if (X != x) {
    cross = task.arena.template take<T>(Q * S);
    kernels.gemm_nt(Q, S, D, x, D, A, D, false, cross, S, scratch);
    for (Index i = 0; i < Q * S; ++i) cross[i] += 1;
    X = x;
  }
  const Factors<T> f[2] = {{x, D, 1, W, H, D}, {cross, S, 1, R[k], H, S}};
  kernels.gemm(Q, H, f, 2, b, nullptr, z, H);
}

template <class T>
void Gram<T>::displace(T a, T* w, T* bias) {
  T* r = task.arena.template take<T>(S * H);
  kernels.scale(S * H, a, R[task.plan.inner.steps], r);
  kernels.gemm_tn(D, H, S, A, D, r, H, true, w, H);
  kernels.column_sums(S, H, r, H, bias);
}

template <class T>
void Gram<T>::query_backward(int k, const T* x, const T* p, T* dX) {
  X = x, P = p, last = k;
  U = task.arena.template take_zeroed<T>(S * H);
  if (!dX) return;
  T* pr = task.arena.template take<T>(Q * S);
  kernels.gemm_nt(Q, S, H, P, H, R[k], H, false, pr, S, scratch);
  const Factors<T> f[2] = {{P, H, 1, W_transposed, D, H}, {pr, S, 1, A, D, S}};
  kernels.gemm(Q, D, f, 2, nullptr, nullptr, dX, D);
}

template <class T>
void Gram<T>::tangent_forward(T* tz) {
  if (!cross_p) {
    cross_p = task.arena.template take<T>(S * H);
    kernels.gemm_tn(S, H, Q, cross, S, P, H, false, cross_p, H);
  }
  const T* sum = cross_p;
  if (second_order) {
    const Factors<T> f{gram, S, 1, U, H, S};
    kernels.gemm(S, H, &f, 1, nullptr, cross_p, tz, H);
    sum = tz;
  }
  kernels.scale(S * H, -task.plan.inner.rate, sum, tz);
}

template <class T>
void Gram<T>::tangent_backward(int k, const T* dz, const T* tdz, bool adjoint) {
  if (adjoint) {
    // With −R in R[k] both terms of the sum enter with a minus: mix holds −Σ tΔ R_kᵀ + α Δ Uᵀ.
    if (!mix) mix = task.arena.template take_zeroed<T>(S * S);
    kernels.gemm_nt(S, S, H, tdz, H, R[k], H, true, mix, S, scratch);
    T* scaled = task.arena.template take<T>(S * H);
    kernels.scale(S * H, -task.plan.inner.rate, dz, scaled);
    kernels.gemm_nt(S, S, H, scaled, H, U, H, true, mix, S, scratch);
  }
  kernels.axpy(S * H, T(1), tdz, U);
  second_order = true;
}

template <class T>
void Gram<T>::support_adjoint(T* dA) {
  T* rp = task.arena.template take<T>(S * Q);
  kernels.gemm_nt(S, Q, H, R[last], H, P, H, false, rp, Q, scratch);
  const Factors<T> f[3] = {{U, H, 1, W_transposed, D, H}, {mix, S, 1, A, D, S}, {rp, Q, 1, X, D, Q}};
  kernels.gemm(S, D, f, 3, nullptr, nullptr, dA, D);
}

template <class T>
bool Gram<T>::finish(Arena& keep, std::vector<Factors<T>>& products, T* db) {
  const auto add = [&](const T* rows, const T* adjoint, Index n) {
    kernels.column_sums(n, H, adjoint, H, db);
    T* kept = keep.take<T>(n * H);
    std::copy_n(adjoint, n * H, kept);
    products.push_back({rows, 1, D, kept, H, n});
  };
  add(X, P, Q);
  if (second_order) add(A, U, S);
  const Layer<T>& source = *task.plan.gram_source;
  return source.in_place(task.query_rows(), Q) == X && source.in_place(task.support_rows(), S) == A;
}

#define INNERLOOP_INSTANTIATE(T) \
  template struct Gram<T>;       \
  template bool gram_pays(const Linear<T>&, const InnerLoop<T>&, const Batch<T>&, bool);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)

}  // namespace innerloop
