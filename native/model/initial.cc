#include "initial.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "../runtime/thread_pool.h"

namespace innerloop {
namespace {

// Marsaglia's polar method takes four words for an attempt, which are one block of the generator, and gives a pair of
// numbers in π/4 of all attempts. So attempts are independent of each other: threads make them block by block, and the
// pairs are put side by side afterwards.
constexpr Index kBlocks = 4096;       // of a thread at a time
constexpr Index kRun = 512;           // worked on together, in the nearest cache
constexpr Index kChunks = 256;        // made before they are put side by side
constexpr double kAttempts = 1.2733;  // for a pair, in the mean

// Products and sums must be rounded one by one, as JavaScript does. GCC would join them where the processor can.
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif

double uniform_of(std::uint32_t high, std::uint32_t low) {
  return (static_cast<double>(high >> 5) * 67108864.0 + static_cast<double>(low >> 6)) / 9007199254740992.0;
}

// `logarithm` of random.ts: its series in 1/25, 1/23 … 1, without a branch, so that several are worked out at once.
double logarithm_of(double x) {
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const double whole = std::bit_cast<double>((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
  const bool halves = whole > 1.4142135623730951;
  const double mantissa = halves ? whole / 2 : whole;
  const double exponent = static_cast<double>(static_cast<int>(bits >> 52) - (halves ? 1022 : 1023));
  const double z = (mantissa - 1) / (mantissa + 1), square = z * z;
  double series = 1.0 / 25;
  series = series * square + 1.0 / 23;
  series = series * square + 1.0 / 21;
  series = series * square + 1.0 / 19;
  series = series * square + 1.0 / 17;
  series = series * square + 1.0 / 15;
  series = series * square + 1.0 / 13;
  series = series * square + 1.0 / 11;
  series = series * square + 1.0 / 9;
  series = series * square + 1.0 / 7;
  series = series * square + 1.0 / 5;
  series = series * square + 1.0 / 3;
  series = series * square + 1.0;
  return exponent * 0.6931471805599453 + 2 * z * series;
}

struct Pair {
  double u, v, s;
};

bool attempt(const NormalDraw& draw, std::uint64_t block, Pair& pair) {
  const Words words =
      philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0}, draw.key);
  pair.u = 2 * uniform_of(words[0], words[1]) - 1;
  pair.v = 2 * uniform_of(words[2], words[3]) - 1;
  pair.s = pair.u * pair.u + pair.v * pair.v;
  return !(pair.s >= 1 || pair.s == 0);
}

// The pairs of the blocks from `first` on: out[2 · pairs].
template <class T>
Index pairs_of(const NormalDraw& draw, std::uint64_t first, T* out) {
  double u[kRun], v[kRun], s[kRun];
  Index pairs = 0;
  for (Index from = 0; from < kBlocks; from += kRun) {
    Index n = 0;
    for (Index b = 0; b < kRun; ++b) {
      Pair pair;
      const bool taken = attempt(draw, first + static_cast<std::uint64_t>(from + b), pair);
      u[n] = pair.u, v[n] = pair.v, s[n] = pair.s;
      n += taken ? 1 : 0;
    }
    for (Index i = 0; i < n; ++i) s[i] = __builtin_sqrt((-2 * logarithm_of(s[i])) / s[i]);
    for (Index i = 0; i < n; ++i) {
      out[2 * (pairs + i)] = static_cast<T>(draw.deviation * (u[i] * s[i]));
      out[2 * (pairs + i) + 1] = static_cast<T>(draw.deviation * (v[i] * s[i]));
    }
    pairs += n;
  }
  return pairs;
}

#if !defined(__clang__) && defined(__GNUC__)
#pragma GCC pop_options
#endif

}  // namespace

template <class T>
std::uint64_t draw_normal(const NormalDraw& given, Index n, T* out, int threads, const std::function<void()>& poll) {
  NormalDraw draw = given;
  std::vector<T> made;
  std::vector<Index> pairs;
  for (Index left = (n + 1) / 2; left > 0;) {
    const Index blocks = static_cast<Index>(static_cast<double>(left) * kAttempts) + kBlocks;
    const Index chunks = std::min(kChunks, (blocks + kBlocks - 1) / kBlocks);
    made.resize(static_cast<std::size_t>(chunks * kBlocks * 2));
    pairs.assign(static_cast<std::size_t>(chunks), 0);
    ThreadPool::instance().parallel_for(chunks, threads, [&](Index c) {
      poll();
      pairs[c] = pairs_of(draw, draw.block + static_cast<std::uint64_t>(c * kBlocks), made.data() + c * kBlocks * 2);
    });
    for (Index c = 0; c < chunks && left > 0; ++c) {
      const Index taken = std::min(left, pairs[c]), numbers = std::min(2 * taken, n);
      std::copy_n(made.data() + c * kBlocks * 2, numbers, out);
      out += numbers, n -= numbers, left -= taken;
      if (left > 0) {
        draw.block += kBlocks;
        continue;
      }
      // Where the last pair was made.
      Pair pair;
      for (Index found = 0; found < taken;) found += attempt(draw, draw.block++, pair) ? 1 : 0;
    }
  }
  return draw.block;
}

template std::uint64_t draw_normal(const NormalDraw&, Index, float*, int, const std::function<void()>&);
template std::uint64_t draw_normal(const NormalDraw&, Index, double*, int, const std::function<void()>&);

}  // namespace innerloop
