// The inner loop in closed form: ridge regression of the last layer on the features below it, from a meta-learned Gaussian
// prior (R2-D2, Bertinetto et al. 2019; ALPaCA, Harrison et al. 2018). With A the support features and a column of ones,
//
//   w = w̄ + δ,   δ = M⁻¹ Aᵀ (y − A w̄),   M = AᵀA + Λ,   Λ = diag(exp ℓ)
//
// the posterior mean under noise of variance 1 and prior precision Λ. Backward, for g = ∂L_Q/∂w and z = M⁻¹ g:
//
//   ∂w̄ = Λ z,   ∂ℓ = −Λ z ∘ δ,   ∂A = (y − A w) zᵀ − (A z) wᵀ
//
// Solved in double whatever the scalar: the systems are small.
#pragma once
#include "inner_loop.h"

namespace innerloop {

// theta[1] of the task from theta[0] and its support rows; leaves the Cholesky factor in task.factor.
template <class T>
void ridge_solve(Task<T>& task);

// v: flat gradient of the adapted last layer, replaced by that of the prior mean. adjoint [support, features] is set;
// d_log_precision [features + 1] is added to.
template <class T>
void ridge_reverse(Task<T>& task, T* v, T* adjoint, T* d_log_precision);

}  // namespace innerloop
