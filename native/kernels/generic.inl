// One kernel source for every instruction set. Included inside a namespace and a target region (target.h) after a file
// that defines `template <class T> struct Vec` with the operations below; no include may stand in here, because inline
// functions of other headers must never be compiled for an instruction set that the machine may lack.
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

// ---------------------------------------------------------------------------------------------- elementary functions

// x = n ln2 + r, |r| <= ln2/2; returns e^r - 1 and 2^n. Taylor in r: the remainder after r^7 is below 1e-8 (float), after
// r^13 below 1e-17 (double). n must be in the exponent range.
template <class T>
IL_INLINE typename Vec<T>::R expm1_reduced(typename Vec<T>::R x, typename Vec<T>::R& power) {
  using V = Vec<T>;
  using R = typename V::R;
  constexpr bool f32 = sizeof(T) == 4;
  const R n = V::round(V::mul(x, V::set1(T(1.44269504088896340736))));
  R r = V::fnma(n, V::set1(f32 ? T(0.693359375) : T(6.93145751953125e-1)), x);
  r = V::fnma(n, V::set1(f32 ? T(-2.12194440e-4) : T(1.42860682030941723212e-6)), r);
  constexpr T c[] = {T(1) / T(6227020800.0), T(1) / T(479001600.0), T(1) / T(39916800.0), T(1) / T(3628800.0),
                     T(1) / T(362880.0),     T(1) / T(40320.0),     T(1) / T(5040.0),     T(1) / T(720.0),
                     T(1) / T(120.0),        T(1) / T(24.0),        T(1) / T(6.0),        T(0.5)};
  R p = V::set1(c[f32 ? 6 : 0]);
  for (int i = f32 ? 7 : 1; i < 12; ++i) p = V::fma(p, r, V::set1(c[i]));
  power = V::exp2i(n);
  return V::fma(V::mul(r, r), p, r);
}

// Exact relative accuracy at 0, where tanh needs it.
template <class T>
IL_INLINE typename Vec<T>::R expm1_in_range(typename Vec<T>::R x) {
  using V = Vec<T>;
  typename V::R s;
  const typename V::R p = expm1_reduced<T>(x, s);
  return V::fma(s, p, V::sub(s, V::set1(T(1))));
}

// Results below the normal range are 0, above it the largest power that fits (what uses this saturates there); NaN stays.
template <class T>
IL_INLINE typename Vec<T>::R exp(typename Vec<T>::R x) {
  using V = Vec<T>;
  constexpr bool f32 = sizeof(T) == 4;
  const typename V::R low = V::set1(f32 ? T(-87.3) : T(-708.3)), high = V::set1(f32 ? T(88.3) : T(709.4));
  typename V::R s;
  const typename V::R p = expm1_reduced<T>(V::min(high, V::max(low, x)), s);
  const typename V::R y = V::fma(s, p, s);
  return V::sub(y, V::positive(V::sub(low, x), y));  // y - y where x < low
}

template <class T>
IL_INLINE typename Vec<T>::R tanh(typename Vec<T>::R x) {
  using V = Vec<T>;
  // Beyond 20 (40 in the exponent) tanh is 1 to the last bit; min's second operand keeps a NaN a NaN.
  const typename V::R y = V::min(V::set1(T(40)), V::mul(V::abs(x), V::set1(T(2))));
  const typename V::R e = expm1_in_range<T>(V::sub(V::zero(), y));
  const typename V::R t = V::div(V::sub(V::zero(), e), V::add(e, V::set1(T(2))));
  return V::copysign(t, x);
}

template <class T>
IL_INLINE typename Vec<T>::R logistic(typename Vec<T>::R x) {
  using V = Vec<T>;
  const typename V::R one = V::set1(T(1));
  return V::div(one, V::add(one, exp<T>(V::sub(V::zero(), x))));
}

// max(x, 0) + log(1 + e^-|x|); log1p(y) = 2 atanh(y / (2 + y)), whose series converges like 9^-k on y in (0, 1].
template <class T>
IL_INLINE typename Vec<T>::R softplus(typename Vec<T>::R x) {
  using V = Vec<T>;
  using R = typename V::R;
  const R y = exp<T>(V::sub(V::zero(), V::abs(x)));
  const R s = V::div(y, V::add(y, V::set1(T(2))));
  const R q = V::mul(s, s);
  constexpr int terms = sizeof(T) == 4 ? 8 : 17;
  R p = V::set1(T(1) / T(2 * terms + 1));
  for (int k = terms - 1; k >= 0; --k) p = V::fma(p, q, V::set1(T(1) / T(2 * k + 1)));
  return V::fma(V::mul(s, V::set1(T(2))), p, V::max(V::zero(), x));
}

// ---------------------------------------------------------------------------------------------- activations

template <Activation F, class T>
IL_INLINE typename Vec<T>::R value(typename Vec<T>::R z) {
  using V = Vec<T>;
  if constexpr (F == Activation::relu) return V::max(V::zero(), z);  // NaN stays
  else if constexpr (F == Activation::tanh) return tanh<T>(z);
  else if constexpr (F == Activation::sigmoid) return logistic<T>(z);
  else return softplus<T>(z);
}

// First and second derivative times x, from what the forward pass left.
template <Activation F, class T>
IL_INLINE typename Vec<T>::R times_first(typename Vec<T>::R z, typename Vec<T>::R a, typename Vec<T>::R x) {
  using V = Vec<T>;
  if constexpr (F == Activation::relu) return V::positive(z, x);
  else if constexpr (F == Activation::tanh) return V::fnma(V::mul(a, a), x, x);
  else if constexpr (F == Activation::sigmoid) return V::mul(V::fnma(a, a, a), x);
  else return V::mul(logistic<T>(z), x);
}

template <Activation F, class T>
IL_INLINE typename Vec<T>::R times_second(typename Vec<T>::R z, typename Vec<T>::R a, typename Vec<T>::R x) {
  using V = Vec<T>;
  const typename V::R one = V::set1(T(1)), two = V::set1(T(2));
  if constexpr (F == Activation::relu) return V::zero();
  else if constexpr (F == Activation::tanh) return V::mul(V::mul(V::sub(V::zero(), two), a), V::fnma(V::mul(a, a), x, x));
  else if constexpr (F == Activation::sigmoid) return V::mul(V::mul(V::fnma(a, a, a), V::fnma(two, a, one)), x);
  else {
    const typename V::R s = logistic<T>(z);
    return V::mul(V::fnma(s, s, s), x);
  }
}

template <Activation F, class T>
void forward_of(Index n, const T* z, T* a) {
  using V = Vec<T>;
  each<T>(
      n, [&](Index i) { V::store(a + i, value<F, T>(V::load(z + i))); },
      [&](Index i, Index r) { V::store_n(a + i, r, value<F, T>(V::load_n(z + i, r))); });
}

// y = x f'(z)
template <Activation F, class T>
void first_of(Index n, const T* z, const T* a, const T* x, T* y) {
  using V = Vec<T>;
  each<T>(
      n, [&](Index i) { V::store(y + i, times_first<F, T>(V::load(z + i), V::load(a + i), V::load(x + i))); },
      [&](Index i, Index r) {
        V::store_n(y + i, r, times_first<F, T>(V::load_n(z + i, r), V::load_n(a + i, r), V::load_n(x + i, r)));
      });
}

template <Activation F, class T>
void second_of(Index n, const T* z, const T* a, const T* tz, const T* da, const T* tda, T* tdz) {
  using V = Vec<T>;
  each<T>(
      n,
      [&](Index i) {
        const typename V::R zi = V::load(z + i), ai = V::load(a + i), x = V::mul(V::load(da + i), V::load(tz + i));
        V::store(tdz + i, V::add(times_first<F, T>(zi, ai, V::load(tda + i)), times_second<F, T>(zi, ai, x)));
      },
      [&](Index i, Index r) {
        const typename V::R zi = V::load_n(z + i, r), ai = V::load_n(a + i, r);
        const typename V::R x = V::mul(V::load_n(da + i, r), V::load_n(tz + i, r));
        V::store_n(tdz + i, r, V::add(times_first<F, T>(zi, ai, V::load_n(tda + i, r)), times_second<F, T>(zi, ai, x)));
      });
}

template <class T>
void activation_forward(Activation f, Index n, const T* z, T* a) {
  switch (f) {
    case Activation::relu: return forward_of<Activation::relu>(n, z, a);
    case Activation::tanh: return forward_of<Activation::tanh>(n, z, a);
    case Activation::sigmoid: return forward_of<Activation::sigmoid>(n, z, a);
    default: return forward_of<Activation::softplus>(n, z, a);
  }
}

template <class T>
void activation_backward(Activation f, Index n, const T* z, const T* a, const T* da, T* dz) {
  switch (f) {
    case Activation::relu: return first_of<Activation::relu>(n, z, a, da, dz);
    case Activation::tanh: return first_of<Activation::tanh>(n, z, a, da, dz);
    case Activation::sigmoid: return first_of<Activation::sigmoid>(n, z, a, da, dz);
    default: return first_of<Activation::softplus>(n, z, a, da, dz);
  }
}

template <class T>
void activation_tangent_backward(Activation f, Index n, const T* z, const T* a, const T* tz, const T* da, const T* tda, T* tdz) {
  if (!tz || f == Activation::relu) return activation_backward<T>(f, n, z, a, tda, tdz);
  switch (f) {
    case Activation::tanh: return second_of<Activation::tanh>(n, z, a, tz, da, tda, tdz);
    case Activation::sigmoid: return second_of<Activation::sigmoid>(n, z, a, tz, da, tda, tdz);
    default: return second_of<Activation::softplus>(n, z, a, tz, da, tda, tdz);
  }
}

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

// ---------------------------------------------------------------------------------------------- peak

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
