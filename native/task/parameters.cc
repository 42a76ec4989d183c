#include "parameters.h"

#include <algorithm>

#include "../layers/few_rows.h"
#include "adapted.h"

namespace innerloop {

template <class T>
TaskParameters<T>::TaskParameters(const Plan<T>& plan, Index task, const SharedParameters<T>& shared, Arena& arena)
    : plan(plan), shared(shared), arena(arena), task(task), starts_shared(!plan.starts) {
  const Model<T>& model = plan.model;
  const int n = static_cast<int>(model.tensors.size()), K = plan.inner.steps;
  base = arena.take<const T*>(n);
  fast_offset = arena.take<Index>(n);
  for (int t = 0; t < n; ++t) {
    const TensorInfo& info = model.tensors[t];
    base[t] = info.input < 0 || !plan.index ? shared.values + info.offset : gather(shared.values, t);
    fast_offset[t] = -1;
  }
  for (int t = 0; t < n; ++t) {
    if (!plan.inner.fast[t] || (plan.gram && (t == plan.gram->weight || t == plan.gram->bias))) continue;
    fast_offset[t] = fast_size;
    fast_size += aligned(tensor_size(t));
  }
  theta = arena.take_zeroed<T*>(K + 1);
  transposes = arena.take_zeroed<T**>(K + 1);
  theta[0] = arena.take_zeroed<T>(fast_size);
  each_fast([&](int t, Index at, Index size) { std::copy_n(base[t], size, theta[0] + at); });
}

template <class T>
Index TaskParameters<T>::block_rows(int tensor) const {
  const auto& in = plan.index->inputs[plan.model.tensors[tensor].input];
  return in.unique_begin[task + 1] - in.unique_begin[task];
}

template <class T>
const std::int32_t* TaskParameters<T>::table_rows(int tensor) const {
  const auto& in = plan.index->inputs[plan.model.tensors[tensor].input];
  return in.unique.data() + in.unique_begin[task];
}

template <class T>
Index TaskParameters<T>::tensor_size(int tensor) const {
  const TensorInfo& info = plan.model.tensors[tensor];
  return info.input < 0 ? info.size : block_rows(tensor) * plan.model.dim(tensor);
}

template <class T>
T* TaskParameters<T>::gather(const T* storage, int tensor) const {
  const TensorInfo& info = plan.model.tensors[tensor];
  const Index rows = block_rows(tensor), dim = plan.model.dim(tensor);
  const std::int32_t* unique = table_rows(tensor);
  T* block = arena.take<T>(rows * dim);
  plan.kernels.gather_rows(rows, dim, storage + info.offset, unique, block, dim);
  return block;
}

template <class T>
const T* const* TaskParameters<T>::pointers(int k) const {
  const int n = static_cast<int>(plan.model.tensors.size());
  const T** p = arena.take<const T*>(n);
  for (int t = 0; t < n; ++t) p[t] = fast_offset[t] >= 0 ? theta[k] + fast_offset[t] : base[t];
  return p;
}

template <class T>
ParameterView<T> TaskParameters<T>::at(int k) {
  const int n = static_cast<int>(plan.model.tensors.size());
  const T* const* p = pointers(k);
  if (k == 0 && starts_shared) return {.theta = p, .transposed = shared.transposed.data()};
  if (!transposes[k]) {
    T** made = transposes[k] = arena.take_zeroed<T*>(n);
    // Steps that share the place of their parameters share the place of their transposes too.
    T** const before = k > 0 && theta[k] == theta[k - 1]   ? transposes[k - 1]
                       : k > 1 && theta[k] == theta[k - 2] ? transposes[k - 2]
                                                           : nullptr;
    const bool few = plan.batch.begin[2 * task + 1] - plan.batch.begin[2 * task] <= kFewRows;
    for (const AffineMap* map : plan.backpropagating) {
      const int w = map->weight;
      if (fast_offset[w] < 0 || few) continue;
      made[w] = before ? before[w] : arena.take<T>(map->I * map->O);
      plan.kernels.transpose(map->I, map->O, p[w], map->O, made[w], map->I);
    }
    // The view only reads, although its type would let it write.
    for (int t = 0; t < n; ++t)
      if (fast_offset[t] < 0) made[t] = const_cast<T*>(shared.transposed[t]);
  }
  return {.theta = p, .transposed = transposes[k]};
}

template <class T>
T** TaskParameters<T>::fast_pointers(T* flat) const {
  const int n = static_cast<int>(plan.model.tensors.size());
  T** p = arena.take<T*>(n);
  for (int t = 0; t < n; ++t) p[t] = fast_offset[t] >= 0 ? flat + fast_offset[t] : nullptr;
  return p;
}

template <class T>
void TaskParameters<T>::start_from(const Adapted<T>& adapted) {
  starts_shared = false;
  each_fast([&](int t, Index at, Index) {
    if (!adapted.fast[t]) return;
    T* to = theta[0] + at;
    if (plan.model.tensors[t].input < 0) {
      std::copy(adapted.dense[t].begin(), adapted.dense[t].end(), to);
      return;
    }
    const Index dim = plan.model.dim(t), rows = block_rows(t);
    const std::int32_t* unique = table_rows(t);
    for (Index r = 0; r < rows; ++r) {
      const auto found = std::lower_bound(adapted.rows[t].begin(), adapted.rows[t].end(), unique[r]);
      if (found != adapted.rows[t].end() && *found == unique[r])
        std::copy_n(adapted.blocks[t].data() + (found - adapted.rows[t].begin()) * dim, dim, to + r * dim);
    }
  });
}

template struct TaskParameters<float>;
template struct TaskParameters<double>;

}  // namespace innerloop
