// M = L Lᵀ of a symmetric positive definite matrix [d, d], L in the lower triangle, rows contiguous; the rest is left
// alone.
#pragma once
#include <cmath>

#include "../kernels/kernels.h"

namespace innerloop {

// Factorises in place; false if M is not positive definite (or not finite).
inline bool cholesky(const Kernels<double>& kernels, double* m, Index d) {
  for (Index i = 0; i < d; ++i) {
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

// Sets x to M⁻¹ x.
inline void solve(const Kernels<double>& kernels, const double* l, Index d, double* x) {
  solve_lower(kernels, l, d, x);
  for (Index i = d - 1; i >= 0; --i) {
    x[i] /= l[i * d + i];
    kernels.axpy(i, -x[i], l + i * d, x);
  }
}

}  // namespace innerloop
