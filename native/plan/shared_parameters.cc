#include "shared_parameters.h"

namespace innerloop {

template <class T>
SharedParameters<T>::SharedParameters(const Plan<T>& plan, const T* values, Passes passes)
    : values(values), transposed(plan.model.tensors.size(), nullptr) {
  std::vector<const AffineMap*> wanted;
  if (passes == Passes::inner_loop) wanted = plan.backpropagating;
  if (passes == Passes::meta_gradient)
    for (const auto& layer : plan.model.layers)
      if (const AffineMap* map = layer->affine_map(); map && !map->is_column() && plan.model.slot_learns[map->slot_in])
        wanted.push_back(map);
  Index size = 0;
  for (const AffineMap* map : wanted) size += aligned(map->I * map->O);
  storage.resize(size);
  T* to = storage.data();
  for (const AffineMap* map : wanted) {
    plan.kernels.transpose(map->I, map->O, values + plan.model.tensors[map->weight].offset, map->O, to, map->I);
    transposed[map->weight] = to;
    to += aligned(map->I * map->O);
  }
}

template struct SharedParameters<float>;
template struct SharedParameters<double>;

}  // namespace innerloop
