#pragma once
#include <cstdint>

namespace innerloop {

// The type of counts, sizes and positions. It is signed, so that differences and loops downwards are safe.
using Index = std::int64_t;

}  // namespace innerloop
