// Draws from the posterior of a last layer in closed form (solvers/posterior.h), for Thompson sampling.
#pragma once
#include <functional>
#include <vector>

#include "../task/adapted.h"

namespace innerloop {

// Gives the adapted task with last-layer weights w + scale · x, which are distributed N(w, scale² M⁻¹) where the
// z [features + 1] are standard normal numbers. Where M = L Lᵀ was factorised, x = L⁻ᵀ z; in the dual form, with
// R Rᵀ = I + G Gᵀ and the prior's L,
//
//   x = L⁻ᵀ (z − Gᵀ R⁻ᵀ (R + I)⁻¹ G z)
//
// (Andrews 1968, for square roots of updated covariances). The result has no factor, since that belongs to the mean.
// @param parameters the shared ones, of which the dual form reads the prior
template <class T>
Adapted<T> sample_posterior(const Adapted<T>& adapted, const T* parameters, const std::vector<double>& z, double scale);

}  // namespace innerloop
