// Arrays that start at a cache line. A vector of 64 bytes that straddles two lines costs two loads: matrix products
// over parameters placed as malloc likes run at little more than half speed with AVX-512.
#pragma once
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace innerloop {

constexpr std::size_t kCacheLine = 64;

template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(std::size_t n) {
    if (n > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(kCacheLine)));
  }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t(kCacheLine)); }
  friend bool operator==(const AlignedAllocator&, const AlignedAllocator&) { return true; }
};

// Elements after which the next array of an arena may begin: a cache line of floats, two of doubles.
constexpr std::int64_t aligned(std::int64_t n) { return (n + 15) / 16 * 16; }

template <class T>
using Aligned = std::vector<T, AlignedAllocator<T>>;

}  // namespace innerloop
