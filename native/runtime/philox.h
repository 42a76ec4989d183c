// The counter-based generator of lib/foundation/random.ts: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011).
#pragma once
#include <array>
#include <cstdint>

namespace innerloop {

using Words = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

inline Words philox4x32(Words c, PhiloxKey k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xd2511f53u} * c[0], b = std::uint64_t{0xcd9e8d57u} * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(a)};
    k[0] += 0x9e3779b9u, k[1] += 0xbb67ae85u;
  }
  return c;
}

}  // namespace innerloop
