// A draw from the posterior of a last layer in closed form (solvers/posterior.h): Thompson sampling.
#pragma once
#include <vector>

#include "../task/adapted.h"

namespace innerloop {

// The adapted task with last-layer weights w + scale · L⁻ᵀ z, M = L Lᵀ the posterior precision, z [features + 1]
// standard normal numbers: weights distributed N(w, scale² M⁻¹). Without the factor, which is of the mean.
template <class T>
Adapted<T> sample_posterior(const Adapted<T>& adapted, const std::vector<double>& z, double scale);

}  // namespace innerloop
