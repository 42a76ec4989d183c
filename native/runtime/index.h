#pragma once
#include <cstdint>

namespace innerloop {

// Counts, sizes and positions: signed, so that differences and loops downwards are safe.
using Index = std::int64_t;

}  // namespace innerloop
