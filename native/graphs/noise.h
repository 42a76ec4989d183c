// Standard normal numbers by their position, from Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011) and Box & Muller's
// transform, under the key that lib/foundation/random.ts gives to an outer step. Neither the number of threads nor the
// other tasks of a batch change a draw. Key 0 means that the model is not being trained: all numbers are 0.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../runtime/philox.h"

namespace innerloop {

// Fills out[n] for one node of one task.
template <class T>
void normal(std::int64_t n, std::uint64_t key, std::int64_t task, int node, T* out) {
  std::fill_n(out, n, T(0));
  for (std::int64_t i = 0; key != 0 && i < n; i += 4) {
    const Words words = philox4x32(
        {static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(node), static_cast<std::uint32_t>(task), 0},
        {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
    for (int pair = 0; pair < 2; ++pair) {
      const double u = (words[2 * pair] + 0.5) / 4294967296.0, v = (words[2 * pair + 1] + 0.5) / 4294967296.0;
      const double radius = std::sqrt(-2 * std::log(u)), angle = 6.283185307179586 * v;
      if (i + 2 * pair < n) out[i + 2 * pair] = static_cast<T>(radius * std::cos(angle));
      if (i + 2 * pair + 1 < n) out[i + 2 * pair + 1] = static_cast<T>(radius * std::sin(angle));
    }
  }
}

}  // namespace innerloop
