// M = L Lᵀ of a symmetric positive definite matrix [d, d], L in the lower triangle, rows contiguous; the rest is left
// alone.
#pragma once
#include <cmath>
#include <functional>

#include "../kernels/kernels.h"

namespace innerloop {

// Rows of a factorisation between two polls: at 4,096 columns one takes up to some ten milliseconds.
constexpr Index kRowsPerPoll = 4;

// Factorises in place; false if M is not positive definite (or not finite). `poll` may throw to stop.
inline bool cholesky(const Kernels<double>& kernels, double* m, Index d, const std::function<void()>& poll) {
  for (Index i = 0; i < d; ++i) {
    if (i % kRowsPerPoll == kRowsPerPoll - 1) poll();
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
