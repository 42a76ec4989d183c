// Factors a symmetric positive definite matrix M = L Lᵀ [d, d], rows contiguous. L takes the place of the lower
// triangle; the upper one is neither read nor written.
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

// Factorises in place; false if M is not positive definite (or not finite). `poll` may throw to stop.
inline bool cholesky(const Kernels<double>& kernels, double* m, Index d, const std::function<void()>& poll) {
  Index work = 0;
  for (Index i = 0; i < d; ++i) {
    if ((work += i * i / 2) >= kSlowWorkPerPoll) poll(), work = 0;
    double* row = m + i * d;
    for (Index j = 0; j < i; ++j) row[j] = (row[j] - kernels.dot(j, row, m + j * d)) / m[j * d + j];
    row[i] -= kernels.dot(i, row, row);
    if (!(row[i] > 0) || !std::isfinite(row[i])) return false;
    row[i] = std::sqrt(row[i]);
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
