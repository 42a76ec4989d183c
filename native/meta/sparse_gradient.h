// A gradient over the parameter arena: dense tensors densely, embeddings as the batch's distinct rows.
#pragma once
#include <cstdint>
#include <vector>

#include "../runtime/aligned.h"

namespace innerloop {

template <class T>
struct SparseGradient {
  Aligned<T> dense;                                    // [Model::dense_size]
  std::vector<const std::vector<std::int32_t>*> rows;  // by tensor: table rows (the batch index's), null if dense
  std::vector<Aligned<T>> blocks;                      // by tensor: [rows, dim]
};

}  // namespace innerloop
