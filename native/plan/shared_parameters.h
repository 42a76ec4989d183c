// The shared parameters as the tasks of a call read them.
#pragma once
#include <vector>

#include "plan.h"

namespace innerloop {

// Which passes a call makes: forward alone, also backward in the inner loop, or all of those of a meta-gradient.
enum class Passes { forward, inner_loop, meta_gradient };

template <class T>
struct SharedParameters {
  // Weights of affine layers that backward passes multiply with are transposed once for all tasks.
  SharedParameters(const Plan<T>& plan, const T* values, Passes passes);
  const T* values;                   // in the layout of the parameter arena
  std::vector<const T*> transposed;  // by tensor; null where no backward pass needs it

 private:
  Aligned<T> storage;
};

}  // namespace innerloop
