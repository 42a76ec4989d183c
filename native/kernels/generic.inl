// One kernel source for every instruction set. Included inside a namespace and a target region (target.h) after a file
// that defines `template <class T> struct Vec` with the operations below; no header may be included in here, because its
// inline functions must never be compiled for an instruction set that the machine may lack.
//
//   Vec<T>::R register, W lanes; load, store, load_n/store_n (first n lanes, rest zero), set1, zero, add, sub, mul, div,
//   fma (a*b+c), fnma (c-a*b), max, min, abs, copysign (magnitude, sign), sqrt, round, exp2i (2^n, n integral),
//   positive (x > 0 ? y : 0), sum (all lanes, fixed order). ROWS x COLS is the register block of the matrix kernels.

template <class T, class F1, class F2>
IL_INLINE void each(Index n, F1 full, F2 tail) {
  constexpr Index W = Vec<T>::W;
  Index i = 0;
  for (; i + W <= n; i += W) full(i);
  if (i < n) tail(i, n - i);
}

// ---------------------------------------------------------------------------------------------- matrix products

// C tile of MR rows and NV vectors. Element (i, k) of A is A[i*ars + k*aks], so one body serves A and A^T.
template <class T, int MR, int NV, bool TAIL>
IL_INLINE void tile(Index K, const T* A, Index ars, Index aks, const T* B, Index ldb, const T* bias, bool accumulate, T* C,
                    Index ldc, Index tail) {
  using V = Vec<T>;
  constexpr Index W = V::W;
  typename V::R acc[MR][NV];
  const auto load = [&](const T* p, int j) { return TAIL && j == NV - 1 ? V::load_n(p, tail) : V::load(p); };
  for (int j = 0; j < NV; ++j) {
    const typename V::R b = bias && !accumulate ? load(bias + j * W, j) : V::zero();
    for (int i = 0; i < MR; ++i) acc[i][j] = accumulate ? load(C + i * ldc + j * W, j) : b;
  }
  for (Index k = 0; k < K; ++k) {
    typename V::R b[NV];
    for (int j = 0; j < NV; ++j) b[j] = load(B + k * ldb + j * W, j);
    for (int i = 0; i < MR; ++i) {
      const typename V::R a = V::set1(A[i * ars + k * aks]);
      for (int j = 0; j < NV; ++j) acc[i][j] = V::fma(a, b[j], acc[i][j]);
    }
  }
  for (int i = 0; i < MR; ++i) {
    for (int j = 0; j < NV; ++j) {
      T* p = C + i * ldc + j * W;
      if (TAIL && j == NV - 1) V::store_n(p, tail, acc[i][j]);
      else V::store(p, acc[i][j]);
    }
  }
}

template <class T, int NV, bool TAIL>
IL_INLINE void panel(Index M, Index K, const T* A, Index ars, Index aks, const T* B, Index ldb, const T* bias, bool accumulate,
                     T* C, Index ldc, Index tail) {
  // Tiles of nearly equal height: 20 rows are 5 + 5 + 5 + 5, not 6 + 6 + 6 + 2, whose last would wait for its own sums.
  const Index tiles = (M + ROWS - 1) / ROWS;
  for (Index t = 0; t < tiles; ++t) {
    const Index i = t * M / tiles;
    const T* a = A + i * ars;
    T* c = C + i * ldc;
    switch ((t + 1) * M / tiles - i) {
      case 1: tile<T, 1, NV, TAIL>(K, a, ars, aks, B, ldb, bias, accumulate, c, ldc, tail); break;
      case 2: tile<T, 2, NV, TAIL>(K, a, ars, aks, B, ldb, bias, accumulate, c, ldc, tail); break;
      case 3: tile<T, 3, NV, TAIL>(K, a, ars, aks, B, ldb, bias, accumulate, c, ldc, tail); break;
      case 4: tile<T, 4, NV, TAIL>(K, a, ars, aks, B, ldb, bias, accumulate, c, ldc, tail); break;
      case 5: tile<T, 5, NV, TAIL>(K, a, ars, aks, B, ldb, bias, accumulate, c, ldc, tail); break;
      default: tile<T, ROWS, NV, TAIL>(K, a, ars, aks, B, ldb, bias, accumulate, c, ldc, tail); break;
    }
  }
}

template <class T>
void gemm(Index M, Index N, Index K, const T* A, Index ars, Index aks, const T* B, Index ldb, const T* bias, bool accumulate,
          T* C, Index ldc) {
  constexpr Index W = Vec<T>::W;
  Index j = 0;
  const auto at = [&](const T* p) { return p ? p + j : p; };
  for (; j + COLS * W <= N; j += COLS * W)
    panel<T, COLS, false>(M, K, A, ars, aks, B + j, ldb, at(bias), accumulate, C + j, ldc, 0);
  const Index rest = N - j, vectors = (rest + W - 1) / W, tail = rest - (vectors - 1) * W;
  if (rest == 0) return;
  const bool full = tail == W;
  switch (vectors) {
    case 1:
      full ? panel<T, 1, false>(M, K, A, ars, aks, B + j, ldb, at(bias), accumulate, C + j, ldc, 0)
           : panel<T, 1, true>(M, K, A, ars, aks, B + j, ldb, at(bias), accumulate, C + j, ldc, tail);
      break;
    case 2:
      full ? panel<T, 2, false>(M, K, A, ars, aks, B + j, ldb, at(bias), accumulate, C + j, ldc, 0)
           : panel<T, 2, true>(M, K, A, ars, aks, B + j, ldb, at(bias), accumulate, C + j, ldc, tail);
      break;
    case 3:
      full ? panel<T, 3, false>(M, K, A, ars, aks, B + j, ldb, at(bias), accumulate, C + j, ldc, 0)
           : panel<T, 3, true>(M, K, A, ars, aks, B + j, ldb, at(bias), accumulate, C + j, ldc, tail);
      break;
    default: panel<T, 4, true>(M, K, A, ars, aks, B + j, ldb, at(bias), accumulate, C + j, ldc, tail); break;
  }
}

template <class T>
T dot(Index n, const T* x, const T* y) {
  using V = Vec<T>;
  constexpr Index W = V::W;
  typename V::R s0 = V::zero(), s1 = V::zero();
  Index i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    s0 = V::fma(V::load(x + i), V::load(y + i), s0);
    s1 = V::fma(V::load(x + i + W), V::load(y + i + W), s1);
  }
  for (; i + W <= n; i += W) s0 = V::fma(V::load(x + i), V::load(y + i), s0);
  if (i < n) s1 = V::fma(V::load_n(x + i, n - i), V::load_n(y + i, n - i), s1);
  return V::sum(V::add(s0, s1));
}

template <class T>
void gemm_nn(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, const T* bias, bool accumulate, T* C,
             Index ldc) {
  // One output (a rating head) would leave all lanes but one idle; its weight column is contiguous, so take dot products.
  if (N == 1 && ldb == 1) {
    for (Index i = 0; i < M; ++i)
      C[i * ldc] = (accumulate ? C[i * ldc] : bias ? bias[0] : T(0)) + dot<T>(K, A + i * lda, B);
    return;
  }
  gemm<T>(M, N, K, A, lda, 1, B, ldb, bias, accumulate, C, ldc);
}

template <class T>
void gemm_tn(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C, Index ldc) {
  // C[M,1] = A^T b is the row vector b^T A: vectorise over M.
  if (N == 1 && ldc == 1) return gemm<T>(1, M, K, B, 1, ldb, A, lda, nullptr, accumulate, C, M);
  gemm<T>(M, N, K, A, 1, lda, B, ldb, nullptr, accumulate, C, ldc);
}

template <class T>
void gemm_nt(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C, Index ldc,
             T* scratch) {
  if (K == 1 && ldb == 1) return gemm<T>(M, N, 1, A, lda, 1, B, N, nullptr, accumulate, C, ldc);
  constexpr Index S = Block<T>::SIZE;
  for (Index j = 0; j < N; j += S) {
    for (Index k = 0; k < K; k += S) {
      if (j + S <= N && k + S <= K) {
        Block<T>::transpose(B + j * ldb + k, ldb, scratch + k * N + j, N);
        continue;
      }
      for (Index jj = j; jj < std::min(j + S, N); ++jj)
        for (Index kk = k; kk < std::min(k + S, K); ++kk) scratch[kk * N + jj] = B[jj * ldb + kk];
    }
  }
  gemm<T>(M, N, K, A, lda, 1, scratch, N, nullptr, accumulate, C, ldc);
}

// ---------------------------------------------------------------------------------------------- flat loops

template <class T>
void axpy(Index n, T a, const T* x, T* y) {
  using V = Vec<T>;
  const typename V::R va = V::set1(a);
  each<T>(
      n, [&](Index i) { V::store(y + i, V::fma(va, V::load(x + i), V::load(y + i))); },
      [&](Index i, Index r) { V::store_n(y + i, r, V::fma(va, V::load_n(x + i, r), V::load_n(y + i, r))); });
}

template <class T>
void column_sums(Index M, Index N, const T* A, Index lda, T* y) {
  for (Index i = 0; i < M; ++i) axpy<T>(N, T(1), A + i * lda, y);
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

// ---------------------------------------------------------------------------------------------- outer update and peak

template <class T>
void adam(Index n, T* p, T* m, T* v, const T* g, T gradient_scale, T b1, T b2, T step, T correction, T epsilon, T decay) {
  using V = Vec<T>;
  using R = typename V::R;
  const R vs = V::set1(gradient_scale), vb1 = V::set1(b1), vb2 = V::set1(b2), c1 = V::set1(1 - b1), c2 = V::set1(1 - b2),
          vstep = V::set1(step), vcorrection = V::set1(correction), vepsilon = V::set1(epsilon), vdecay = V::set1(decay);
  const auto body = [&](R& pi, R& mi, R& vi, R gi) {
    gi = V::mul(vs, gi);
    mi = V::fma(vb1, mi, V::mul(c1, gi));
    vi = V::fma(vb2, vi, V::mul(c2, V::mul(gi, gi)));
    const R update = V::div(V::mul(vstep, mi), V::fma(V::sqrt(vi), vcorrection, vepsilon));
    pi = V::sub(pi, V::fma(vdecay, pi, update));
  };
  each<T>(
      n,
      [&](Index i) {
        R pi = V::load(p + i), mi = V::load(m + i), vi = V::load(v + i);
        body(pi, mi, vi, V::load(g + i));
        V::store(p + i, pi), V::store(m + i, mi), V::store(v + i, vi);
      },
      [&](Index i, Index r) {
        R pi = V::load_n(p + i, r), mi = V::load_n(m + i, r), vi = V::load_n(v + i, r);
        body(pi, mi, vi, V::load_n(g + i, r));
        V::store_n(p + i, r, pi), V::store_n(m + i, r, mi), V::store_n(v + i, r, vi);
      });
}

template <class T>
double multiply_adds(Index n) {
  using V = Vec<T>;
  constexpr int CHAINS = 12;  // enough to hide the latency of a fused multiply-add on two ports, few enough for 16 registers
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
  return {name,
          gemm_nn<T>,
          gemm_tn<T>,
          gemm_nt<T>,
          column_sums<T>,
          axpy<T>,
          scale<T>,
          add_scaled<T>,
          sub_product<T>,
          negative_product<T>,
          sub_product_into<T>,
          dot<T>,
          activation_forward<T>,
          activation_backward<T>,
          activation_backward<T>,  // ta = tz f'(z) is the same map as dz = da f'(z)
          activation_tangent_backward<T>,
          adam<T>,
          multiply_adds<T>};
}
