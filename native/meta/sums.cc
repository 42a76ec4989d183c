#include "sums.h"

namespace innerloop {

Index chunk_count(Index tasks, Index dense_bytes) {
  const Index affordable = ChunkLimits::kMostBytes / std::max<Index>(dense_bytes, 1);
  return std::min(
      {tasks, std::max<Index>(8, tasks / 4), std::clamp(affordable, ChunkLimits::kLeast, ChunkLimits::kMost)});
}

}  // namespace innerloop
