// Products over the rows of all tasks: C [M, N] (+)= A B (+ bias), in tiles of 64 × 64. The operands are staged in
// shared memory, 16 steps of the inner dimension at a time, and each lane computes 4 × 4 elements of a tile.
//
// If the inner dimension is the rows of the batch, as for the gradient of a weight, it is divided into parts: each part
// gives a matrix of its own, and Reduce adds them up in order. The division depends on the shapes only.
#pragma once
#include "../block.h"

namespace innerloop::device {

constexpr int kTile = 64, kDepth = 16, kPad = kTile + 4;

template <class T>
struct TallCall {
  const T* a;  // A(i, l) at a[i · ra + l · ka]
  Index ra, ka;
  const T* b;  // B(l, j) at b[l · kb + j · cb]
  Index kb, cb;
  Index M, N, K;
  const T* bias;  // [N] or null
  int add;        // whether the product is added to C
  T* c;           // [parts, M, N]
  int parts;
};

constexpr std::size_t kTallShared(std::size_t scalar) { return 2 * kDepth * kPad * scalar; }

inline Index tiles(Index n) { return (n + kTile - 1) / kTile; }

struct Tall {
  template <class T>
  IL_DEVICE static void run(const Block& block, const TallCall<T>& c) {
    T* const as = reinterpret_cast<T*>(block.shared);
    T* const bs = as + kDepth * kPad;
    const Index NT = (c.N + kTile - 1) / kTile, MT = (c.M + kTile - 1) / kTile;
    const Index part = block.index / (NT * MT), tile = block.index % (NT * MT);
    const Index row = tile / NT * kTile, column = tile % NT * kTile;
    const Index depth = (c.K + c.parts - 1) / c.parts;
    const Index begin = part * depth, end = begin + depth < c.K ? begin + depth : c.K;
    Private<T, 16> sums;
    block.lanes([&](int lane) {
      T* sum = sums.of(lane);
      for (int i = 0; i < 16; ++i) sum[i] = 0;
    });
    for (Index l0 = begin; l0 < end; l0 += kDepth) {
      // Neighbouring lanes read along the direction in which the operand is contiguous.
      block.each(kDepth * kTile, [&](Index e) {
        const Index i = c.ka == 1 ? e / kDepth : e % kTile, l = c.ka == 1 ? e % kDepth : e / kTile;
        as[l * kPad + i] = row + i < c.M && l0 + l < end ? c.a[(row + i) * c.ra + (l0 + l) * c.ka] : T(0);
      });
      block.each(kDepth * kTile, [&](Index e) {
        const Index j = c.kb == 1 ? e / kDepth : e % kTile, l = c.kb == 1 ? e % kDepth : e / kTile;
        bs[l * kPad + j] = column + j < c.N && l0 + l < end ? c.b[(l0 + l) * c.kb + (column + j) * c.cb] : T(0);
      });
      block.lanes([&](int lane) {
        T* sum = sums.of(lane);
        const T *a = as + lane / 16 * 4, *b = bs + lane % 16;
        for (int l = 0; l < kDepth; ++l) {
          T x[4], y[4];
          for (int i = 0; i < 4; ++i) x[i] = a[l * kPad + i];
          for (int j = 0; j < 4; ++j) y[j] = b[l * kPad + 16 * j];
          for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j) sum[4 * i + j] += x[i] * y[j];
        }
      });
    }
    T* out = c.c + part * c.M * c.N;
    block.lanes([&](int lane) {
      const T* sum = sums.of(lane);
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) {
          const Index r = row + lane / 16 * 4 + i, s = column + lane % 16 + 16 * j;
          if (r >= c.M || s >= c.N) continue;
          T& to = out[r * c.N + s];
          to = sum[4 * i + j] + (c.bias ? c.bias[s] : T(0)) + (c.add ? to : T(0));
        }
    });
  }
};

}  // namespace innerloop::device
