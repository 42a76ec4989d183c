#include "shared_parameters.h"

#include "../layers/linear.h"

namespace innerloop {

template <class T>
SharedParameters<T>::SharedParameters(const Plan<T>& plan, const T* values, Passes passes)
    : values(values), transposed(plan.model.tensors.size(), nullptr) {
  std::vector<const Linear<T>*> wanted;
  if (passes == Passes::inner_loop) wanted = plan.turned;
  if (passes == Passes::meta_gradient)
    for (const auto& layer : plan.model.layers)
      if (const auto* linear = dynamic_cast<const Linear<T>*>(layer.get());
          linear && linear->O > 1 && plan.model.slot_learns[linear->in[0]])
        wanted.push_back(linear);
  Index size = 0;
  for (const Linear<T>* linear : wanted) size += aligned(linear->I * linear->O);
  storage.resize(size);
  T* to = storage.data();
  for (const Linear<T>* linear : wanted) {
    plan.kernels.transpose(linear->I, linear->O, values + plan.model.tensors[linear->weight].offset, linear->O, to,
                           linear->I);
    transposed[linear->weight] = to;
    to += aligned(linear->I * linear->O);
  }
}

template struct SharedParameters<float>;
template struct SharedParameters<double>;

}  // namespace innerloop
