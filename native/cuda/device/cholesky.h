// Cholesky factors of the systems of closed forms, which are small: one lane takes what follows step by step.
#pragma once
#include "../block.h"

namespace innerloop::device {

// Replaces the lower triangle of k [N, N] by its factor, column by column; sets *failed where k is not finite and
// positive definite.
IL_DEVICE inline void cholesky(const Block& block, double* k, Index N, int* failed) {
  for (Index j = 0; j < N; ++j) {
    block.once([&] {
      double sum = k[j * N + j];
      for (Index l = 0; l < j; ++l) sum -= k[j * N + l] * k[j * N + l];
      if (!(sum > 0) || !(sum < 1e300)) *failed = 1;
      k[j * N + j] = sqrt(sum);
    });
    block.each(N - j - 1, [&](Index i) {
      double* row = k + (j + 1 + i) * N;
      double sum = row[j];
      for (Index l = 0; l < j; ++l) sum -= row[l] * k[j * N + l];
      row[j] = sum / k[j * N + j];
    });
  }
}

// b = (L Lᵀ)⁻¹ b, in one lane.
IL_DEVICE inline void solve_system(const double* k, Index N, double* b) {
  for (Index i = 0; i < N; ++i) {
    double sum = b[i];
    for (Index l = 0; l < i; ++l) sum -= k[i * N + l] * b[l];
    b[i] = sum / k[i * N + i];
  }
  for (Index i = N - 1; i >= 0; --i) {
    double sum = b[i];
    for (Index l = i + 1; l < N; ++l) sum -= k[l * N + i] * b[l];
    b[i] = sum / k[i * N + i];
  }
}

}  // namespace innerloop::device
