// The layer that all device code is written on: a block of lanes (GPU threads) that share loops and meet at barriers.
//
// Code for a block is a sequence of loops, block.each(n, f), over independent items: on the GPU the lanes share the
// items and wait for each other at the end, on the CPU one thread takes them one after another. A value that a lane
// writes inside a loop must not be read by another lane before the loop ends; code between loops does the same in
// every lane. The CPU can also take the items in reverse order, as the tests do: code that breaks this rule then gives
// other results.
//
// Every sum is made by one lane in a fixed order that does not depend on the number of lanes, so the same device gives
// the same bits.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#define IL_DEVICE __device__
#define IL_BOTH __host__ __device__
#define IL_NOINLINE __noinline__
#else
#include <vector>
#define IL_DEVICE
#define IL_BOTH
#define IL_NOINLINE
#endif

namespace innerloop::device {

using Index = std::int64_t;

// Lanes of every block: a compromise between the small products of tasks, which cannot keep more lanes busy, and the
// tall products over all rows.
constexpr int kLanes = 256;

#if defined(__CUDACC__)

struct Block {
  Index index, count;  // number of this block, and how many blocks there are
  char* shared;
  std::size_t shared_bytes;

  template <class F>
  __device__ void each(Index n, const F& f) const {
    for (Index i = threadIdx.x; i < n; i += kLanes) f(i);
    __syncthreads();
  }
  // Calls f(lane) once in every lane.
  template <class F>
  __device__ void lanes(const F& f) const {
    f(static_cast<int>(threadIdx.x));
    __syncthreads();
  }
  template <class F>
  __device__ void once(const F& f) const {
    if (threadIdx.x == 0) f();
    __syncthreads();
  }
};

// N private values of every lane, which keep their values from one loop to the next.
template <class T, int N>
struct Private {
  __device__ T* of(int) { return values; }
  T values[N];
};

template <class Stage, class Arguments>
__global__ void __launch_bounds__(kLanes) entry(const __grid_constant__ Arguments arguments, std::size_t shared_bytes) {
  extern __shared__ __align__(16) char shared[];
  const Block block{static_cast<Index>(blockIdx.x), static_cast<Index>(gridDim.x), shared, shared_bytes};
  Stage::run(block, arguments);
}

#else

struct Block {
  Index index, count;
  char* shared;
  std::size_t shared_bytes;
  bool backwards;

  template <class F>
  void each(Index n, const F& f) const {
    if (backwards)
      for (Index i = n - 1; i >= 0; --i) f(i);
    else
      for (Index i = 0; i < n; ++i) f(i);
  }
  template <class F>
  void lanes(const F& f) const {
    each(kLanes, [&](Index i) { f(static_cast<int>(i)); });
  }
  template <class F>
  void once(const F& f) const {
    f();
  }
};

template <class T, int N>
struct Private {
  T* of(int lane) { return values.data() + lane * N; }
  std::vector<T> values = std::vector<T>(static_cast<std::size_t>(kLanes) * N);
};

#endif

// Allocates the memory of one block: from shared memory as long as it lasts, then from a slab of global memory. With
// null pointers and no shared memory, it only measures how much is needed.
struct Space {
  char* shared;
  std::size_t shared_bytes;
  char* slab;
  std::size_t shared_used = 0, slab_used = 0;

  template <class X>
  IL_BOTH X* take(Index n) {
    const std::size_t bytes = (static_cast<std::size_t>(n) * sizeof(X) + 15) / 16 * 16;
    if (shared_used + bytes <= shared_bytes) {
      char* at = shared + shared_used;
      shared_used += bytes;
      return reinterpret_cast<X*>(at);
    }
    char* at = slab + slab_used;
    slab_used += bytes;
    return reinterpret_cast<X*>(at);
  }
};

}  // namespace innerloop::device
