#include "row_blocks.h"

#include <algorithm>

#include "../runtime/thread_pool.h"

namespace innerloop {

template <class T>
Pass<T> RowBlocks<T>::block(Index b) const {
  const std::vector<Index>& widths = task_.plan.model.slot_width;
  const Index slots = static_cast<Index>(widths.size());
  T** pointers = task_.block_memory().slots + b * 4 * slots;
  const auto moved = [&](T* const* from) -> T* const* {
    if (!from) return nullptr;
    T** const to = pointers;
    pointers += slots;
    for (Index s = 0; s < slots; ++s) to[s] = from[s] ? from[s] + first(b) * widths[s] : nullptr;
    return to;
  };
  Pass<T> pass = pass_;
  pass.rows.first += first(b), pass.first_row += first(b);
  pass.n = first(b + 1) - first(b);
  pass.x = moved(pass_.x), pass.dx = moved(pass_.dx), pass.tx = moved(pass_.tx), pass.tdx = moved(pass_.tdx);
  pass.scratch = task_.block_memory().scratch + b * aligned(task_.plan.model.scratch_size);
  return pass;
}

template <class T>
void RowBlocks<T>::run(const std::function<void(Index)>& body) const {
  task_.block_memory();  // taken before any thread asks for it
  ThreadPool::instance().parallel_for(count_, task_.plan.threads, [&](Index b) {
    task_.poll();
    body(b);
  });
}

template <class T>
T** RowBlocks<T>::take_sums(T* const* wanted) const {
  const BlockMemory<T>& memory = task_.block_memory();
  const Index n = static_cast<Index>(task_.plan.model.tensors.size());
  for (Index b = 0; b < count_; ++b) {
    T* at = memory.sums + b * memory.size;
    for (Index t = 0; t < n; ++t) {
      memory.tensors[b * n + t] = wanted[t] ? at : nullptr;
      if (wanted[t]) at += aligned(task_.parameters.tensor_size(static_cast<int>(t)));
    }
  }
  return memory.tensors;
}

template <class T>
T** RowBlocks<T>::clear(T** sums, Index b) const {
  const Index n = static_cast<Index>(task_.plan.model.tensors.size());
  T** const of_block = sums + b * n;
  for (Index t = 0; t < n; ++t)
    if (of_block[t]) std::fill_n(of_block[t], task_.parameters.tensor_size(static_cast<int>(t)), T(0));
  return of_block;
}

template <class T>
void RowBlocks<T>::reduce(T* const* sums, T* const* into, const T* const* from) const {
  constexpr Index kPiece = 4096;
  const Index n = static_cast<Index>(task_.plan.model.tensors.size());
  for (Index t = 0; t < n; ++t) {
    if (!into[t]) continue;
    const Index size = task_.parameters.tensor_size(static_cast<int>(t));
    const auto add = [&](Index piece) {
      const Index at = piece * kPiece, length = std::min(kPiece, size - at);
      if (from[t] && from[t] != into[t]) std::copy_n(from[t] + at, length, into[t] + at);
      for (Index b = 0; b < count_; ++b) task_.plan.kernels.axpy(length, T(1), sums[b * n + t] + at, into[t] + at);
    };
    ThreadPool::instance().parallel_for((size + kPiece - 1) / kPiece,
                                        ThreadPool::threads_for(task_.plan.threads, size * count_), add);
  }
}

template class RowBlocks<float>;
template class RowBlocks<double>;

}  // namespace innerloop
