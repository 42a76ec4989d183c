// Factors a symmetric positive definite matrix M = L Lᵀ [d, d], rows contiguous. L takes the place of the lower
// triangle; of the upper one nothing is read.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>

#include "../kernels/kernels.h"

namespace innerloop {

// Multiply-adds between two polls of long work on one task: some milliseconds. What reads most of its operands from
// memory counts as some times as many.
constexpr Index kWorkPerPoll = Index{1} << 24, kSlowWorkPerPoll = kWorkPerPoll / 4;

// Adds Bᵀ A of B and A [rows, d] to the lower triangle of m [d, d], some columns and rows at a time. Every sum runs
// over the rows in order. `poll` may throw to stop.
inline void add_products(const Kernels<double>& kernels, Index rows, Index d, const double* B, const double* A,
                         double* m, const std::function<void()>& poll) {
  constexpr Index kColumns = 32;
  const Index at_once = std::max<Index>(16, kWorkPerPoll / (kColumns * d));
  for (Index j = 0; j < d; j += kColumns) {
    for (Index r = 0; r < rows; r += at_once) {
      poll();
      kernels.gemm_tn(d - j, std::min(kColumns, d - j), std::min(at_once, rows - r), B + r * d + j, d, A + r * d + j, d,
                      true, m + j * d + j, d);
    }
  }
}

// Sets the lower triangle of m [rows, rows] to A Aᵀ of A [rows, d], whose row r has `length(r)` entries that are not 0;
// `scratch` is of kScratchRows · d.
constexpr Index kScratchRows = 64;
template <class Length>
void row_products(const Kernels<double>& kernels, Index rows, Index d, const double* A, const Length& length, double* m,
                  double* scratch, const std::function<void()>& poll) {
  constexpr Index kRows = 32;
  static_assert(kRows * kScratchRows * 8192 <= kWorkPerPoll);
  for (Index r = 0; r < rows; r += kRows) {
    const Index height = std::min(kRows, rows - r);
    for (Index c = 0; c < r + height; c += kScratchRows) {
      poll();
      const Index width = std::min(kScratchRows, r + height - c);
      kernels.gemm_nt(height, width, length(c + width - 1), A + r * d, d, A + c * d, d, false, m + r * rows + c, rows,
                      scratch);
    }
  }
}

// Sets `inverse` [d, d] to L⁻¹ of L, whose rows are ld apart: row by row, (e_i − Σ_{k<i} L_ik L⁻¹_k) / L_ii. `row` is
// of d elements.
inline void invert_lower(const Kernels<double>& kernels, const double* l, Index ld, Index d, double* inverse,
                         double* row) {
  std::fill_n(inverse, d * d, 0.0);
  for (Index i = 0; i < d; ++i) {
    const double scale = 1 / l[i * ld + i];
    kernels.scale(i, -scale, l + i * ld, row);
    if (i > 0) kernels.gemm_nn(1, i, i, row, d, inverse, d, nullptr, false, inverse + i * d, d);
    inverse[i * d + i] = scale;
  }
}

// Elements of the scratch that a factorisation takes.
constexpr Index kCholeskyBlock = 48, kCholeskyRows = 64;
inline Index cholesky_scratch(Index d) {
  const Index b = std::min(d, kCholeskyBlock), block = b * (b + 15);
  return d <= kCholeskyBlock ? block : block + b * b + b * std::max(d, kCholeskyRows + b);
}

// Factorises in place; false if M is not positive definite (or not finite). `poll` may throw to stop.
//
// By blocks of columns J, of which L_J is the block on the diagonal: what earlier columns explain is subtracted from J
// and all rows below, L_J is found, and the rows below are multiplied by L_J⁻ᵀ. Elements above the diagonal of L_J are
// written.
inline bool cholesky(const Kernels<double>& kernels, double* m, Index d, double* scratch,
                     const std::function<void()>& poll) {
  const Index b = std::min(d, kCholeskyBlock);
  double *const inverse = scratch + b * (b + 15), *const wide = inverse + b * b;
  for (Index j = 0; j < d; j += kCholeskyBlock) {
    const Index width = std::min(kCholeskyBlock, d - j), below = j + width;
    if (j > 0) {
      // −L[J, before]ᵀ
      kernels.transpose(width, j, m + j * d, d, wide, width);
      kernels.scale(j * width, -1, wide, wide);
      const Index at_once = std::max<Index>(kCholeskyRows, kWorkPerPoll / (j * width));
      for (Index r = j; r < d; r += at_once) {
        poll();
        kernels.gemm_nn(std::min(at_once, d - r), width, j, m + r * d, d, wide, width, nullptr, true, m + r * d + j, d);
      }
    }
    double* const corner = m + j * d + j;
    if (!kernels.cholesky_block(width, corner, d, scratch)) return false;
    if (below == d) return true;
    invert_lower(kernels, corner, d, width, inverse, wide);
    double* const product = wide + width * width;
    for (Index r = below; r < d; r += kCholeskyRows) {
      const Index rows = std::min(kCholeskyRows, d - r);
      kernels.gemm_nt(rows, width, width, m + r * d + j, d, inverse, width, false, product, width, wide);
      for (Index i = 0; i < rows; ++i) std::copy_n(product + i * width, width, m + (r + i) * d + j);
    }
  }
  return true;
}

// Sets x to L⁻¹ x.
inline void solve_lower(const Kernels<double>& kernels, const double* l, Index d, double* x) {
  for (Index i = 0; i < d; ++i) x[i] = (x[i] - kernels.dot(i, l + i * d, x)) / l[i * d + i];
}

// Sets x to L⁻ᵀ x.
inline void solve_lower_transposed(const Kernels<double>& kernels, const double* l, Index d, double* x) {
  for (Index i = d - 1; i >= 0; --i) {
    x[i] /= l[i * d + i];
    kernels.axpy(i, -x[i], l + i * d, x);
  }
}

// Sets x to M⁻¹ x.
inline void solve(const Kernels<double>& kernels, const double* l, Index d, double* x) {
  solve_lower(kernels, l, d, x);
  solve_lower_transposed(kernels, l, d, x);
}

}  // namespace innerloop
