// Initial values of tables: the normal numbers of a stream of lib/foundation/random.ts, bit for bit.
#pragma once
#include <cstdint>
#include <functional>

#include "../runtime/index.h"
#include "../runtime/philox.h"

namespace innerloop {

struct NormalDraw {
  PhiloxKey key;
  double deviation;     // the numbers are multiplied by it
  std::uint64_t block;  // of the stream, to begin with: 0, or where an earlier call has ended
};

// Writes n numbers, an even number of them unless no more follow, and gives the block to go on with. Neither the number
// of threads nor how a stream is divided over calls changes a number.
template <class T>
std::uint64_t draw_normal(const NormalDraw& draw, Index n, T* out, int threads, const std::function<void()>& poll);

}  // namespace innerloop
