// One kernel source for every instruction set. Included inside a namespace and a target region (target.h) after a file
// that defines `template <class T> struct Vec` with the operations below; no header may be included in here, because
// its inline functions must never be compiled for an instruction set that the machine may lack.
//
//   Vec<T>::R register, W lanes; load, store, load_n/store_n (first n lanes, rest zero), set1, zero, add, sub, mul,
//   div, fma (a*b+c), fnma (c-a*b), max, min, abs, copysign (magnitude, sign), sqrt, round, exp2i (2^n, n integral),
//   positive (x > 0 ? y : 0), sum (all lanes, fixed order), sum4 (of four registers into four elements). ROWS x COLS
//   vectors is the register block of the matrix kernels, DOT_ROWS x 4 that of dot products.

template <class T, class F1, class F2>
IL_INLINE void each(Index n, F1 full, F2 tail) {
  constexpr Index W = Vec<T>::W;
  Index i = 0;
  for (; i + W <= n; i += W) full(i);
  if (i < n) tail(i, n - i);
}

#include "products.inl"

// ---------------------------------------------------------------------------------------------- flat loops

template <class T>
void axpy(Index n, T a, const T* x, T* y) {
  using V = Vec<T>;
  const typename V::R va = V::set1(a);
  each<T>(
      n, [&](Index i) { V::store(y + i, V::fma(va, V::load(x + i), V::load(y + i))); },
      [&](Index i, Index r) { V::store_n(y + i, r, V::fma(va, V::load_n(x + i, r), V::load_n(y + i, r))); });
}

template <class T, int NV>
IL_INLINE void sums_of(Index M, const T* A, Index lda, T* y) {
  using V = Vec<T>;
  constexpr Index W = V::W;
  typename V::R sum[NV];
  for (int j = 0; j < NV; ++j) sum[j] = V::load(y + j * W);
  for (Index i = 0; i < M; ++i)
    for (int j = 0; j < NV; ++j) sum[j] = V::add(sum[j], V::load(A + i * lda + j * W));
  for (int j = 0; j < NV; ++j) V::store(y + j * W, sum[j]);
}

template <class T>
void column_sums(Index M, Index N, const T* A, Index lda, T* y) {
  using V = Vec<T>;
  constexpr Index W = V::W;
  Index j = 0;
  for (; j + 4 * W <= N; j += 4 * W) sums_of<T, 4>(M, A + j, lda, y + j);
  for (; j + W <= N; j += W) sums_of<T, 1>(M, A + j, lda, y + j);
  if (j == N) return;
  typename V::R sum = V::load_n(y + j, N - j);
  for (Index i = 0; i < M; ++i) sum = V::add(sum, V::load_n(A + i * lda + j, N - j));
  V::store_n(y + j, N - j, sum);
}

template <class T>
void scale(Index n, T a, const T* x, T* y) {
  using V = Vec<T>;
  const typename V::R va = V::set1(a);
  each<T>(
      n, [&](Index i) { V::store(y + i, V::mul(va, V::load(x + i))); },
      [&](Index i, Index r) { V::store_n(y + i, r, V::mul(va, V::load_n(x + i, r))); });
}

template <class T>
void add_scaled(Index n, const T* x, T a, const T* y, T* z) {
  using V = Vec<T>;
  const typename V::R va = V::set1(a);
  each<T>(
      n, [&](Index i) { V::store(z + i, V::fma(va, V::load(y + i), V::load(x + i))); },
      [&](Index i, Index r) { V::store_n(z + i, r, V::fma(va, V::load_n(y + i, r), V::load_n(x + i, r))); });
}

template <class T>
void sub_product(Index n, const T* x, const T* a, const T* y, T* z) {
  using V = Vec<T>;
  each<T>(
      n, [&](Index i) { V::store(z + i, V::fnma(V::load(a + i), V::load(y + i), V::load(x + i))); },
      [&](Index i, Index r) {
        V::store_n(z + i, r, V::fnma(V::load_n(a + i, r), V::load_n(y + i, r), V::load_n(x + i, r)));
      });
}

template <class T>
void negative_product(Index n, const T* a, const T* x, T* z) {
  using V = Vec<T>;
  each<T>(
      n, [&](Index i) { V::store(z + i, V::fnma(V::load(a + i), V::load(x + i), V::zero())); },
      [&](Index i, Index r) { V::store_n(z + i, r, V::fnma(V::load_n(a + i, r), V::load_n(x + i, r), V::zero())); });
}

template <class T>
void sub_product_into(Index n, const T* x, const T* y, T* z) {
  sub_product<T>(n, z, x, y, z);
}

#include "activations.inl"
#include "recurrent.inl"
#include "rows.inl"

// ---------------------------------------------------------------------------------------------- outer update and peak

template <class T>
void adam(Index n, T* p, T* m, T* q, const T* g, T gradient_scale, T b1, T b2, T step, T correction, T epsilon,
          T decay) {
  using V = Vec<T>;
  using R = typename V::R;
  const R vs = V::set1(gradient_scale), vb1 = V::set1(b1), vb2 = V::set1(b2), c1 = V::set1(1 - b1),
          c2 = V::set1(1 - b2), vstep = V::set1(step), vcorrection = V::set1(correction), vepsilon = V::set1(epsilon),
          vdecay = V::set1(decay);
  const auto body = [&](R& pi, R& mi, R& qi, R gi) {
    gi = V::mul(vs, gi);
    mi = V::fma(vb1, mi, V::mul(c1, gi));
    qi = V::fma(vb2, qi, V::mul(c2, V::mul(gi, gi)));
    const R update = V::div(V::mul(vstep, mi), V::fma(V::sqrt(qi), vcorrection, vepsilon));
    pi = V::sub(pi, V::fma(vdecay, pi, update));
  };
  each<T>(
      n,
      [&](Index i) {
        R pi = V::load(p + i), mi = V::load(m + i), qi = V::load(q + i);
        body(pi, mi, qi, V::load(g + i));
        V::store(p + i, pi), V::store(m + i, mi), V::store(q + i, qi);
      },
      [&](Index i, Index r) {
        R pi = V::load_n(p + i, r), mi = V::load_n(m + i, r), qi = V::load_n(q + i, r);
        body(pi, mi, qi, V::load_n(g + i, r));
        V::store_n(p + i, r, pi), V::store_n(m + i, r, mi), V::store_n(q + i, r, qi);
      });
}

template <class T>
double multiply_adds(Index n) {
  using V = Vec<T>;
  constexpr int CHAINS =
      12;  // enough to hide the latency of a fused multiply-add on two ports, few enough for 16 registers
  typename V::R sum[CHAINS];
  for (int c = 0; c < CHAINS; ++c) sum[c] = V::set1(T(c));
  const typename V::R factor = V::set1(T(0.999)), term = V::set1(T(1e-3));
  for (Index i = 0; i < n; ++i)
    for (int c = 0; c < CHAINS; ++c) sum[c] = V::fma(sum[c], factor, term);
  for (int c = 1; c < CHAINS; ++c) sum[0] = V::add(sum[0], sum[c]);
  volatile T kept = V::sum(sum[0]);
  (void)kept;
  return 2.0 * CHAINS * static_cast<double>(V::W) * static_cast<double>(n);
}

template <class T>
constexpr Kernels<T> make_table(const char* name) {
  return {
      .name = name,
      .gemm_nn = gemm_nn<T>,
      .gemm_tn = gemm_tn<T>,
      .gemm_nt = gemm_nt<T>,
      .gemm = gemm<T>,
      .transpose = transpose<T>,
      .column_sums = column_sums<T>,
      .axpy = axpy<T>,
      .scale = scale<T>,
      .add_scaled = add_scaled<T>,
      .sub_product = sub_product<T>,
      .negative_product = negative_product<T>,
      .sub_product_into = sub_product_into<T>,
      .dot = dot<T>,
      .gather_rows = gather_rows<T>,
      .scatter_rows = scatter_rows<T>,
      .row_dots = row_dots<T>,
      .scale_rows = scale_rows<T>,
      .weighted_sum = weighted_sum<T>,
      .spread_pairs = spread_pairs<T>,
      .row_pairs = row_pairs<T>,
      .spread_row_pairs = spread_row_pairs<T>,
      .cholesky_block = cholesky_block<T>,
      .gru_candidate = gru_candidate<T>,
      .gru_state = gru_state<T>,
      .gru_adjoint = gru_adjoint<T>,
      .gru_tangent = gru_tangent<T>,
      .gru_tangent_adjoint = gru_tangent_adjoint<T>,
      .gru_carry = gru_carry<T>,
      .activation_forward = activation_forward<T>,
      .activation_backward = activation_backward<T>,
      .activation_tangent_forward = activation_backward<T>,  // ta = tz f'(z) is the same map as dz = da f'(z)
      .activation_tangent_backward = activation_tangent_backward<T>,
      .adam = adam<T>,
      .multiply_adds = multiply_adds<T>,
  };
}
