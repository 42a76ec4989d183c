// Matrix products of one block on operands in shared memory or, through the cache, in global memory.
#pragma once
#include "../block.h"

namespace innerloop::device {

// The operands of a product A B over k, with A(i, l) at a[i · ra + l · ka] and B(l, j) at b[l · kb + j · cb].
template <class T>
struct Factors {
  const T* a;
  Index ra, ka;
  const T* b;
  Index kb, cb;
  Index k;
};

// Each lane computes TM × TN elements of C. Its columns are NT apart, so that neighbouring lanes read neighbouring
// elements of B and the same elements of A.
template <class T, int TM, int TN>
IL_DEVICE void product_tiles(const Block& block, Index M, Index N, const Factors<T>* f, int count, const T* bias,
                             const T* init, T* C, Index ldc) {
  const int NT = static_cast<int>((N + TN - 1) / TN), MT = static_cast<int>((M + TM - 1) / TM);
  block.each(static_cast<Index>(NT) * MT, [&](Index tile) {
    const int column = static_cast<int>(tile) % NT, row = static_cast<int>(tile) / NT * TM;
    T sum[TM][TN];
    int rows[TM], columns[TN];
    for (int i = 0; i < TM; ++i) rows[i] = row + i < M ? row + i : static_cast<int>(M) - 1;
    for (int j = 0; j < TN; ++j) columns[j] = column + j * NT < N ? column + j * NT : static_cast<int>(N) - 1;
    for (int i = 0; i < TM; ++i)
      for (int j = 0; j < TN; ++j) sum[i][j] = init ? init[rows[i] * ldc + columns[j]] : bias ? bias[columns[j]] : T(0);
    for (int p = 0; p < count; ++p) {
      const T *a[TM], *b[TN];
      for (int i = 0; i < TM; ++i) a[i] = f[p].a + rows[i] * f[p].ra;
      for (int j = 0; j < TN; ++j) b[j] = f[p].b + columns[j] * f[p].cb;
      const Index ka = f[p].ka, kb = f[p].kb;
      for (int l = 0; l < static_cast<int>(f[p].k); ++l) {
        T x[TM], y[TN];
        for (int i = 0; i < TM; ++i) x[i] = a[i][l * ka];
        for (int j = 0; j < TN; ++j) y[j] = b[j][l * kb];
        for (int i = 0; i < TM; ++i)
          for (int j = 0; j < TN; ++j) sum[i][j] += x[i] * y[j];
      }
    }
    for (int i = 0; i < TM; ++i)
      for (int j = 0; j < TN; ++j)
        if (row + i < M && column + j * NT < N) C[(row + i) * ldc + column + j * NT] = sum[i][j];
  });
}

// C [M, N] = init (or bias, or 0) + the sum of `count` products. init has C's layout and may be C. The order of the sum
// of an element does not depend on the tile size.
template <class T>
IL_DEVICE IL_NOINLINE void product(const Block& block, Index M, Index N, const Factors<T>* f, int count, const T* bias,
                                   const T* init, T* C, Index ldc) {
  if (M * N >= 12 * kLanes)
    product_tiles<T, 4, 4>(block, M, N, f, count, bias, init, C, ldc);
  else if (N > 1 && M * N >= 3 * kLanes)
    product_tiles<T, 2, 4>(block, M, N, f, count, bias, init, C, ldc);
  else
    product_tiles<T, 1, 1>(block, M, N, f, count, bias, init, C, ldc);
}

template <class T>
IL_DEVICE void product(const Block& block, Index M, Index N, const Factors<T>& f, const T* bias, const T* init, T* C,
                       Index ldc) {
  product(block, M, N, &f, 1, bias, init, C, ldc);
}

// to [N, M] = fromᵀ, with rows M + 1 apart so that lanes that read a column of `to` access different memory banks.
template <class T>
IL_DEVICE void transpose(const Block& block, Index M, Index N, const T* from, T* to) {
  block.each(M * N, [&](Index i) { to[i % N * (M + 1) + i / N] = from[i]; });
}

// Where there are few elements, this many lanes share the sum of one: each adds up a part, then one adds the parts in
// order.
constexpr int kParts = 16;

// z[r] = bias + Σ_l x[r · ld + l] w[l] (+ Σ_l y[r · ld + l] u[l]) for r < n; w or u may be null. scratch has
// n · (kParts + 1) elements.
template <class T>
IL_DEVICE void dots(const Block& block, Index n, Index k, Index ld, const T* x, const T* w, const T* y, const T* u,
                    const T* bias, T* z, T* scratch) {
  block.each(n * kParts, [&](Index i) {
    const Index r = i / kParts, part = i % kParts;
    T sum = 0;
    for (Index l = part; l < k; l += kParts) {
      if (w) sum += x[r * ld + l] * w[l];
      if (u) sum += y[r * ld + l] * u[l];
    }
    scratch[r * (kParts + 1) + part] = sum;
  });
  block.each(n, [&](Index r) {
    T sum = bias ? *bias : T(0);
    for (int part = 0; part < kParts; ++part) sum += scratch[r * (kParts + 1) + part];
    z[r] = sum;
  });
}

}  // namespace innerloop::device
