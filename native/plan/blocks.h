// How the rows of a large task are divided into blocks (task/row_blocks.h).
#pragma once
#include <algorithm>

#include "../runtime/index.h"

namespace innerloop {

// A task of fewer rows than kLeastBlocks have runs as it is: to share it out would cost more than it gives.
constexpr Index kBlockRows = 2048, kLeastBlocks = 4, kMostBlocks = 16;
// What the gradients and the scratch memory of all blocks may take together.
constexpr Index kBlockBytes = Index{64} << 20;

// Gives the number of blocks of n rows, where each block takes so many bytes.
constexpr Index block_count(Index n, Index bytes) {
  if (n < kLeastBlocks * kBlockRows) return 1;
  return std::max<Index>(1, std::min({n / kBlockRows, kMostBlocks, kBlockBytes / std::max<Index>(bytes, 1)}));
}

}  // namespace innerloop
