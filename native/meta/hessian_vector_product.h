// The Hessian of a loss times a vector, in all parameters: the exact derivative of the gradient along it.
#pragma once
#include <functional>

#include "../plan/plan.h"
#include "sparse_gradient.h"

namespace innerloop {

template <class T>
struct HessianVectorProduct {
  double loss;
  SparseGradient<T> gradient, product;
};

// Takes the loss of the query rows of the batch's only task; `vector` is in the layout of the parameter arena.
template <class T>
HessianVectorProduct<T> hessian_vector_product(const Plan<T>& plan, const T* parameters, const T* vector,
                                               const std::function<void()>& poll);

}  // namespace innerloop
