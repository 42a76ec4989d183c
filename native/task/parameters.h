// The parameters of one task: the shared ones, and its own copies of the fast ones at every step of the inner loop.
#pragma once
#include "../plan/shared_parameters.h"
#include "../runtime/arena.h"

namespace innerloop {

template <class T>
struct Adapted;

// Parameters of one pass, by tensor; see Pass.
template <class T>
struct ParameterView {
  const T* const* theta;
  const T* const* transposed;
};

template <class T>
struct TaskParameters {
  TaskParameters(const Plan<T>& plan, Index task, const SharedParameters<T>& shared, Arena& arena);

  // Parameters at theta[k], by tensor; a forward pass needs no more than these.
  const T* const* pointers(int k) const;
  // The same, with transposes of the linear weights whose layers pass gradients on.
  ParameterView<T> at(int k);
  // The view of the shared parameters.
  ParameterView<T> at_shared() const { return {.theta = base, .transposed = shared.transposed.data()}; }
  // The entries of a flat fast vector by tensor, null for slow ones.
  T** fast_pointers(T* flat) const;
  // Takes the fast parameters of an adapted task for theta[0]; embedding rows it never met stay the shared ones.
  void start_from(const Adapted<T>& adapted);

  // Embedding rows of this task in `table`-shaped storage (arena layout), as one block.
  T* gather(const T* storage, int tensor) const;
  // Table rows of an embedding in this task, distinct: as many as block_rows.
  const std::int32_t* table_rows(int tensor) const;
  Index block_rows(int tensor) const;
  Index tensor_size(int tensor) const;  // elements of a tensor as this task sees it

  // Calls f(tensor, offset in the flat vectors, elements) for each fast tensor that has a place there.
  template <class F>
  void each_fast(const F& f) const {
    for (int t = 0; t < static_cast<int>(plan.model.tensors.size()); ++t)
      if (fast_offset[t] >= 0) f(t, fast_offset[t], tensor_size(t));
  }

  const Plan<T>& plan;
  const SharedParameters<T>& shared;
  Arena& arena;
  const Index task;
  const T** base;  // by tensor: shared dense tensors, gathered blocks of embeddings (without an index, whole tables)
  Index* fast_offset;  // by tensor in the flat vectors; −1 for slow ones and for the Gram layer's, whose steps are
                       // never formed
  Index fast_size = 0;
  T** theta;           // flat fast parameters by step
  bool starts_shared;  // whether theta[0] holds the shared values

 private:
  T*** transposes;  // by step, tensor: what `at` made
};

extern template struct TaskParameters<float>;
extern template struct TaskParameters<double>;

}  // namespace innerloop
