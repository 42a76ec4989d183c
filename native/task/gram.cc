#include "gram.h"

#include <algorithm>

namespace innerloop {

template <class T>
Gram<T>::Gram(Task<T>& task)
    : task(task),
      layer(*task.plan.gram),
      kernels(task.plan.kernels),
      S(task.support),
      Q(task.query),
      D(layer.I),
      H(layer.O),
      segments(task.plan.segments[task.plan.gram->slot_in] ? *task.plan.segments[task.plan.gram->slot_in]
                                                           : layer.whole),
      A(task.prefix.x[task.plan.gram->slot_in]),
      W(task.parameters.base[layer.weight]),
      W_transposed(layer.is_column()
                       ? W
                       : task.parameters.shared.transposed[layer.weight]),  // a single column is its own transpose
      b(task.parameters.base[layer.bias]) {
  Arena& arena = task.arena;
  scratch = arena.take<T>(std::max(std::max(S, Q) * std::max(D, H), std::max(D * H, S * std::max(S, Q))));
  z0 = arena.take<T>(S * H);
  R = arena.take_zeroed<T*>(task.plan.inner.steps + 1);
  R[0] = arena.take_zeroed<T>(S * H);
  for (const auto& range : segments.same) {
    T* sum = arena.take<T>(H);
    const Factors<T> f{
        .A = A + range.begin, .row_stride = D, .k_stride = 1, .B = W + range.begin * H, .ldb = H, .K = range.width()};
    kernels.gemm(1, H, &f, 1, nullptr, b, sum, H);
    b = sum;
    one += kernels.dot(range.width(), A + range.begin, A + range.begin);
  }
  rows_by_weights(S, A, nullptr, z0);
}

template <class T>
void Gram<T>::rows_by_weights(Index n, const T* rows, const Factors<T>* more, T* to) {
  Factors<T> f[Segments::kMost + 1];
  int count = 0;
  for (const auto& range : segments.varying)
    f[count++] = {.A = rows + range.begin,
                  .row_stride = D,
                  .k_stride = 1,
                  .B = W + range.begin * H,
                  .ldb = H,
                  .K = range.width()};
  if (more) f[count++] = *more;
  kernels.gemm(n, H, f, count, b, nullptr, to, H);
}

template <class T>
void Gram<T>::products_with_support(Index n, const T* B, T* C) {
  bool more = false;
  for (const auto& range : segments.varying) {
    kernels.gemm_nt(n, S, range.width(), B + range.begin, D, A + range.begin, D, more, C, S, scratch);
    more = true;
  }
  for (Index i = 0; i < n * S; ++i) C[i] += one;
}

// Gives A Aᵀ + 1. It is computed when first asked for, because a single step and its tangent do without it: R_0 is 0.
template <class T>
const T* Gram<T>::support_products() {
  if (!gram) {
    gram = task.arena.template take<T>(S * S);
    products_with_support(S, A, gram);
  }
  return gram;
}

template <class T>
void Gram<T>::support_forward(int k, T* z) {
  if (k == 0) {
    std::copy_n(z0, S * H, z);
    return;
  }
  const Factors<T> f{.A = support_products(), .row_stride = S, .k_stride = 1, .B = R[k], .ldb = H, .K = S};
  kernels.gemm(S, H, &f, 1, nullptr, z0, z, H);
}

template <class T>
void Gram<T>::step(int k, const T* dz) {
  R[k + 1] = task.arena.template take<T>(S * H);
  kernels.add_scaled(S * H, R[k], T(1), dz, R[k + 1]);
}

template <class T>
void Gram<T>::query_forward(int k, const T* x, T* z) {
  if (k == 0) return rows_by_weights(Q, x, nullptr, z);
  if (X != x) {
    cross = task.arena.template take<T>(Q * S);
    products_with_support(Q, x, cross);
    X = x;
  }
  const Factors<T> displaced{.A = cross, .row_stride = S, .k_stride = 1, .B = R[k], .ldb = H, .K = S};
  rows_by_weights(Q, x, &displaced, z);
}

template <class T>
void Gram<T>::displace(T a, T* w, T* bias) {
  T *r = task.arena.template take<T>(S * H), *sums = task.arena.template take_zeroed<T>(H);
  kernels.scale(S * H, a, R[task.plan.inner.steps], r);
  kernels.column_sums(S, H, r, H, sums);
  kernels.axpy(H, T(1), sums, bias);
  for (const auto& range : segments.varying)
    kernels.gemm_tn(range.width(), H, S, A + range.begin, D, r, H, true, w + range.begin * H, H);
  for (const auto& range : segments.same)
    kernels.gemm_tn(range.width(), H, 1, A + range.begin, D, sums, H, true, w + range.begin * H, H);
}

template <class T>
void Gram<T>::back_to_rows(Index n, const T* P, const Factors<T>* more, int count, T* dX) {
  Factors<T> f[3];
  for (const auto& [begin, end] : segments.varying) {
    f[0] = {.A = P, .row_stride = H, .k_stride = 1, .B = W_transposed + begin, .ldb = D, .K = H};
    for (int i = 0; i < count; ++i) f[i + 1] = more[i], f[i + 1].B += begin;
    kernels.gemm(n, end - begin, f, count + 1, nullptr, nullptr, dX + begin, D);
  }
  if (segments.same.empty()) return;
  // Columns that the rows share hold a_s in every row, so that their adjoint is a sum over the rows.
  T* sums = task.arena.template take_zeroed<T>(H);
  kernels.column_sums(n, H, P, H, sums);
  T total = 0;
  for (int i = 0; i < count; ++i) {
    T* columns = task.arena.template take_zeroed<T>(more[i].K);
    kernels.column_sums(n, more[i].K, more[i].A, more[i].K, columns);
    for (Index j = 0; j < more[i].K; ++j) total += columns[j];
  }
  for (const auto& [begin, end] : segments.same) {
    f[0] = {.A = sums, .row_stride = H, .k_stride = 1, .B = W_transposed + begin, .ldb = D, .K = H};
    f[1] = {.A = &total, .row_stride = 1, .k_stride = 1, .B = A + begin, .ldb = D, .K = 1};
    kernels.gemm(1, end - begin, f, 2, nullptr, nullptr, dX + begin, D);
  }
}

template <class T>
void Gram<T>::query_backward(int k, const T* x, const T* p, T* dX) {
  X = x, P = p, last = k;
  U = task.arena.template take_zeroed<T>(S * H);
  if (!dX) return;
  T* pr = task.arena.template take<T>(Q * S);
  kernels.gemm_nt(Q, S, H, P, H, R[k], H, false, pr, S, scratch);
  const Factors<T> f{.A = pr, .row_stride = S, .k_stride = 1, .B = A, .ldb = D, .K = S};
  back_to_rows(Q, P, &f, 1, dX);
}

template <class T>
void Gram<T>::tangent_forward(T* tz) {
  if (!cross_p) {
    cross_p = task.arena.template take<T>(S * H);
    kernels.gemm_tn(S, H, Q, cross, S, P, H, false, cross_p, H);
  }
  if (!second_order) {
    std::copy_n(cross_p, S * H, tz);
    return;
  }
  const Factors<T> f{.A = support_products(), .row_stride = S, .k_stride = 1, .B = U, .ldb = H, .K = S};
  kernels.gemm(S, H, &f, 1, nullptr, cross_p, tz, H);
}

template <class T>
void Gram<T>::tangent_backward(int k, const T* dz, const T* tdz, bool adjoint) {
  if (adjoint) {
    // mix holds Σ tΔ R_kᵀ + Δ Uᵀ. R_0 is 0, and so is U at first.
    const auto add = [&](const T* left, const T* right) {
      if (mix) return kernels.gemm_nt(S, S, H, left, H, right, H, true, mix, S, scratch);
      mix = task.arena.template take<T>(S * S);
      kernels.gemm_nt(S, S, H, left, H, right, H, false, mix, S, scratch);
    };
    if (k > 0) add(tdz, R[k]);
    if (second_order) add(dz, U);
  }
  kernels.axpy(S * H, T(1), tdz, U);
  second_order = true;
}

template <class T>
void Gram<T>::support_adjoint(T* dA) {
  T* rp = task.arena.template take<T>(S * Q);
  kernels.gemm_nt(S, Q, H, R[last], H, P, H, false, rp, Q, scratch);
  const Factors<T> f[2] = {{.A = rp, .row_stride = Q, .k_stride = 1, .B = X, .ldb = D, .K = Q},
                           {.A = mix, .row_stride = S, .k_stride = 1, .B = A, .ldb = D, .K = S}};
  back_to_rows(S, U, f, mix ? 2 : 1, dA);
}

template <class T>
bool Gram<T>::finish(Arena& keep, std::vector<Factors<T>>& products, T* dW, T* db) {
  T* sums = task.arena.template take_zeroed<T>(H);
  const auto add = [&](const T* rows, const T* adjoint, Index n) {
    kernels.column_sums(n, H, adjoint, H, sums);
    T* kept = keep.take<T>(n * H);
    std::copy_n(adjoint, n * H, kept);
    products.push_back({.A = rows, .row_stride = 1, .k_stride = D, .B = kept, .ldb = H, .K = n});
  };
  add(X, P, Q);
  if (second_order) add(A, U, S);
  kernels.axpy(H, T(1), sums, db);
  for (const auto& range : segments.same)
    kernels.gemm_tn(range.width(), H, 1, A + range.begin, D, sums, H, true, dW + range.begin * H, H);
  const Layer<T>& source = *task.plan.gram_source;
  return source.in_place(task.query_rows(), Q) == X && source.in_place(task.support_rows(), S) == A;
}

template struct Gram<float>;
template struct Gram<double>;

}  // namespace innerloop
