// The derivative of the mean query loss after adaptation, with respect to the shared parameters and to learned rates.
//
//   v = ∇_θ L_Q(θ_K, φ),  u = ∇_φ L_Q(θ_K, φ)
//   order 2, k = K−1 … 0:  d = α ∘ v;  ∂α += −v ∘ g_k;  (Hθ, Hφ) = H_S(θ_k, φ)(d, 0);  v −= Hθ;  u −= Hφ
//
// The slow parameters of the prefix see the support rows only through the boundary activations, which are the same at
// every step: their part of Σ_k Hφ is one backward pass with the summed adjoints.
#pragma once
#include <functional>
#include <vector>

#include "../plan/plan.h"
#include "sparse_gradient.h"

namespace innerloop {

INNERLOOP_ENUM(Direction, meta_gradient, reptile)

template <class T>
struct MetaGradient {
  double loss = 0;                  // weighted mean over tasks
  std::vector<double> task_losses;  // query loss of each adapted task
  SparseGradient<T> gradient;
  // The gradient of rates that are tensors: per_parameter in the shape of the parameters, per_tensor_step as
  // [tensor][steps].
  SparseGradient<T> rate_gradient;
  std::vector<std::vector<T>> step_rate_gradient;
};

// `poll` is called between tasks and may throw to stop. Reptile's direction is the mean of θ_0 − θ_K.
template <class T>
MetaGradient<T> meta_gradient(const Plan<T>& plan, const T* parameters, Direction direction, int threads,
                              const std::function<void()>& poll);

}  // namespace innerloop
