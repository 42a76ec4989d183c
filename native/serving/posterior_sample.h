// A draw from the posterior of a last layer in closed form (solvers/posterior.h): Thompson sampling.
#pragma once
#include <functional>
#include <vector>

#include "../task/adapted.h"

namespace innerloop {

// The adapted task with last-layer weights w + scale · x, z [features + 1] standard normal numbers: weights distributed
// N(w, scale² M⁻¹). x = L⁻ᵀ z where M = L Lᵀ was factorised; in the dual form, with R Rᵀ = I + G Gᵀ and the prior's L,
//
//   x = L⁻ᵀ (z − Gᵀ R⁻ᵀ (R + I)⁻¹ G z)
//
// (Andrews 1968, for square roots of updated covariances). Without the factor, which is of the mean.
// @param parameters the shared ones, of which the dual form reads the prior
template <class T>
Adapted<T> sample_posterior(const Adapted<T>& adapted, const T* parameters, const std::vector<double>& z, double scale);

}  // namespace innerloop
