// This part of generic.inl holds matrix products in register blocks, and transposition.

// ---------------------------------------------------------------------------------------------- row blocks

// C tile of MR rows and NV vectors at (row, j): init (or bias, or 0) + A B of every factor. Element (i, k) of A is
// A[i*row_stride + k*k_stride], so one body serves A and Aᵀ.
template <class T, int MR, int NV, bool TAIL>
IL_INLINE void tile(const Factors<T>* f, int count, Index row, Index j0, const T* bias, const T* init, T* C, Index ldc,
                    Index tail) {
  using V = Vec<T>;
  constexpr Index W = V::W;
  typename V::R acc[MR][NV];
  const auto load = [&](const T* p, int j) { return TAIL && j == NV - 1 ? V::load_n(p, tail) : V::load(p); };
  for (int j = 0; j < NV; ++j) {
    const typename V::R b = bias ? load(bias + j0 + j * W, j) : V::zero();
    for (int i = 0; i < MR; ++i) acc[i][j] = init ? load(init + (row + i) * ldc + j0 + j * W, j) : b;
  }
  for (int part = 0; part < count; ++part, ++f) {
    const Index ars = f->row_stride, aks = f->k_stride, ldb = f->ldb, K = f->K;
    const T *A = f->A + row * ars, *B = f->B + j0;
    for (Index k = 0; k < K; ++k) {
      typename V::R b[NV];
      for (int j = 0; j < NV; ++j) b[j] = load(B + k * ldb + j * W, j);
      for (int i = 0; i < MR; ++i) {
        const typename V::R a = V::set1(A[i * ars + k * aks]);
        for (int j = 0; j < NV; ++j) acc[i][j] = V::fma(a, b[j], acc[i][j]);
      }
    }
  }
  for (int i = 0; i < MR; ++i) {
    for (int j = 0; j < NV; ++j) {
      T* p = C + (row + i) * ldc + j0 + j * W;
      if (TAIL && j == NV - 1)
        V::store_n(p, tail, acc[i][j]);
      else
        V::store(p, acc[i][j]);
    }
  }
}

template <class T, int NV, bool TAIL>
IL_INLINE void panel(Index M, const Factors<T>* f, int count, Index j0, const T* bias, const T* init, T* C, Index ldc,
                     Index tail) {
  // Tiles of nearly equal height: 20 rows are 5 + 5 + 5 + 5, not 6 + 6 + 6 + 2, whose last would wait for its own sums.
  const Index tiles = (M + ROWS - 1) / ROWS;
  for (Index t = 0; t < tiles; ++t) {
    const Index row = t * M / tiles;
    switch ((t + 1) * M / tiles - row) {
      case 1:
        tile<T, 1, NV, TAIL>(f, count, row, j0, bias, init, C, ldc, tail);
        break;
      case 2:
        tile<T, 2, NV, TAIL>(f, count, row, j0, bias, init, C, ldc, tail);
        break;
      case 3:
        tile<T, 3, NV, TAIL>(f, count, row, j0, bias, init, C, ldc, tail);
        break;
      case 4:
        tile<T, 4, NV, TAIL>(f, count, row, j0, bias, init, C, ldc, tail);
        break;
      case 5:
        tile<T, 5, NV, TAIL>(f, count, row, j0, bias, init, C, ldc, tail);
        break;
      default:
        tile<T, ROWS, NV, TAIL>(f, count, row, j0, bias, init, C, ldc, tail);
        break;
    }
  }
}

// A factor with more rows than this is taken by parts.
constexpr Index DEPTH = 1024;

template <class T>
void gemm(Index M, Index N, const Factors<T>* f, int count, const T* bias, const T* init, T* C, Index ldc);

// Of a long K some rows of B are taken at a time, which stay near by for all rows of C; every sum goes on where it
// stood, so that its order and its bits are the same.
template <class T>
[[gnu::noinline]] void gemm_by_parts(Index M, Index N, const Factors<T>* f, int count, const T* bias, const T* init,
                                     T* C, Index ldc) {
  for (int i = 0; i < count; ++i) {
    for (Index k = 0; k < f[i].K; k += DEPTH) {
      Factors<T> part = f[i];
      part.A += k * part.k_stride, part.B += k * part.ldb, part.K = std::min(DEPTH, f[i].K - k);
      gemm<T>(M, N, &part, 1, bias, init, C, ldc);
      bias = nullptr, init = C;
    }
  }
}

template <class T>
void gemm(Index M, Index N, const Factors<T>* f, int count, const T* bias, const T* init, T* C, Index ldc) {
  constexpr Index W = Vec<T>::W;
  if (M > ROWS)
    for (int i = 0; i < count; ++i)
      if (f[i].K > 2 * DEPTH) return gemm_by_parts<T>(M, N, f, count, bias, init, C, ldc);
  Index j = 0;
  for (; j + COLS * W <= N; j += COLS * W) panel<T, COLS, false>(M, f, count, j, bias, init, C, ldc, 0);
  const Index rest = N - j, vectors = (rest + W - 1) / W, tail = rest - (vectors - 1) * W;
  if (rest == 0) return;
  const bool full = tail == W;
  switch (vectors) {
    case 1:
      full ? panel<T, 1, false>(M, f, count, j, bias, init, C, ldc, 0)
           : panel<T, 1, true>(M, f, count, j, bias, init, C, ldc, tail);
      break;
    case 2:
      full ? panel<T, 2, false>(M, f, count, j, bias, init, C, ldc, 0)
           : panel<T, 2, true>(M, f, count, j, bias, init, C, ldc, tail);
      break;
    case 3:
      full ? panel<T, 3, false>(M, f, count, j, bias, init, C, ldc, 0)
           : panel<T, 3, true>(M, f, count, j, bias, init, C, ldc, tail);
      break;
    default:
      panel<T, 4, true>(M, f, count, j, bias, init, C, ldc, tail);
      break;
  }
}

// ---------------------------------------------------------------------------------------------- dot products

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

// C tile of MR x NR dot products of the rows of A and B: the lanes run along K, and are summed at the end.
template <class T, int MR, int NR>
IL_INLINE void dot_tile(Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C, Index ldc) {
  using V = Vec<T>;
  typename V::R acc[MR][NR];
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NR; ++j) acc[i][j] = V::zero();
  each<T>(
      K,
      [&](Index k) {
        typename V::R a[MR];
        for (int i = 0; i < MR; ++i) a[i] = V::load(A + i * lda + k);
        for (int j = 0; j < NR; ++j) {
          const typename V::R b = V::load(B + j * ldb + k);
          for (int i = 0; i < MR; ++i) acc[i][j] = V::fma(a[i], b, acc[i][j]);
        }
      },
      [&](Index k, Index r) {
        for (int j = 0; j < NR; ++j) {
          const typename V::R b = V::load_n(B + j * ldb + k, r);
          for (int i = 0; i < MR; ++i) acc[i][j] = V::fma(V::load_n(A + i * lda + k, r), b, acc[i][j]);
        }
      });
  for (int i = 0; i < MR; ++i) {
    T sums[4] = {};
    if constexpr (NR == 4)
      V::sum4(acc[i][0], acc[i][1], acc[i][2], acc[i][3], sums);
    else
      for (int j = 0; j < NR; ++j) sums[j] = V::sum(acc[i][j]);
    for (int j = 0; j < NR; ++j) C[i * ldc + j] = accumulate ? C[i * ldc + j] + sums[j] : sums[j];
  }
}

template <class T, int NR>
IL_INLINE void dot_panel(Index M, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C,
                         Index ldc) {
  Index i = 0;
  for (; i + DOT_ROWS <= M; i += DOT_ROWS)
    dot_tile<T, DOT_ROWS, NR>(K, A + i * lda, lda, B, ldb, accumulate, C + i * ldc, ldc);
  for (; i < M; ++i) dot_tile<T, 1, NR>(K, A + i * lda, lda, B, ldb, accumulate, C + i * ldc, ldc);
}

// C (+)= A Bᵀ without a transpose.
template <class T>
void gemm_dots_pass(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C,
                    Index ldc) {
  Index j = 0;
  for (; j + 4 <= N; j += 4) dot_panel<T, 4>(M, K, A, lda, B + j * ldb, ldb, accumulate, C + j, ldc);
  for (; j < N; ++j) dot_panel<T, 1>(M, K, A, lda, B + j * ldb, ldb, accumulate, C + j, ldc);
}

// Long rows are read piece by piece, of some rows of A at a time, which stay near by while those of B pass.
template <class T>
void gemm_dots(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C,
               Index ldc) {
  constexpr Index DEPTH = 1024, HEIGHT = 128;
  if (K <= 2 * DEPTH || M <= DOT_ROWS) return gemm_dots_pass<T>(M, N, K, A, lda, B, ldb, accumulate, C, ldc);
  for (Index k = 0; k < K; k += DEPTH)
    for (Index i = 0; i < M; i += HEIGHT)
      gemm_dots_pass<T>(std::min(HEIGHT, M - i), N, std::min(DEPTH, K - k), A + i * lda + k, lda, B + k, ldb,
                        accumulate || k > 0, C + i * ldc, ldc);
}

// ---------------------------------------------------------------------------------------------- what callers see

template <class T>
void gemm_nn(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, const T* bias, bool accumulate,
             T* C, Index ldc) {
  // One output (a rating head) would leave all lanes but one idle; its weight column is contiguous, so take dot
  // products.
  if (N == 1 && ldb == 1) {
    for (Index i = 0; i < M; ++i)
      C[i * ldc] = (accumulate ? C[i * ldc] : bias ? bias[0] : T(0)) + dot<T>(K, A + i * lda, B);
    return;
  }
  const Factors<T> f{.A = A, .row_stride = lda, .k_stride = 1, .B = B, .ldb = ldb, .K = K};
  gemm<T>(M, N, &f, 1, accumulate ? nullptr : bias, accumulate ? C : nullptr, C, ldc);
}

template <class T>
void gemm_tn(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C,
             Index ldc) {
  // C[M,1] = A^T b is the row vector b^T A: vectorise over M.
  const bool column = N == 1 && ldc == 1;
  const Factors<T> f = column ? Factors<T>{.A = B, .row_stride = 1, .k_stride = ldb, .B = A, .ldb = lda, .K = K}
                              : Factors<T>{.A = A, .row_stride = 1, .k_stride = lda, .B = B, .ldb = ldb, .K = K};
  gemm<T>(column ? 1 : M, column ? M : N, &f, 1, nullptr, accumulate ? C : nullptr, C, column ? M : ldc);
}

template <class T>
void transpose(Index M, Index N, const T* A, Index lda, T* B, Index ldb) {
  constexpr Index S = Block<T>::SIZE;
  for (Index i = 0; i < M; i += S) {
    for (Index j = 0; j < N; j += S) {
      if (i + S <= M && j + S <= N) {
        Block<T>::transpose(A + i * lda + j, lda, B + j * ldb + i, ldb);
        continue;
      }
      for (Index ii = i; ii < std::min(i + S, M); ++ii)
        for (Index jj = j; jj < std::min(j + S, N); ++jj) B[jj * ldb + ii] = A[ii * lda + jj];
    }
  }
}

template <class T>
void gemm_nt(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C, Index ldc,
             T* scratch) {
  const T* init = accumulate ? C : nullptr;
  if (K == 1 && ldb == 1) {
    const Factors<T> f{.A = A, .row_stride = lda, .k_stride = 1, .B = B, .ldb = N, .K = 1};
    return gemm<T>(M, N, &f, 1, nullptr, init, C, ldc);
  }
  // Two rough counts of cycles are compared: tiles of dot products with their sums, and row blocks with the transpose
  // that they need.
  constexpr Index W = Vec<T>::W;
  const Index dots =
      ((M + DOT_ROWS - 1) / DOT_ROWS) * ((N + 3) / 4) * (2 * DOT_ROWS * ((K + W - 1) / W) + 12 * DOT_ROWS);
  const Index blocks = M * ((N + W - 1) / W) * K / 2 + N * K / 2;
  if (dots < blocks) return gemm_dots<T>(M, N, K, A, lda, B, ldb, accumulate, C, ldc);
  transpose<T>(N, K, B, ldb, scratch, N);
  const Factors<T> f{.A = A, .row_stride = lda, .k_stride = 1, .B = scratch, .ldb = N, .K = K};
  gemm<T>(M, N, &f, 1, nullptr, init, C, ldc);
}
