// Scratch memory of one thread: bump allocation, reused from task to task, so that steady state allocates nothing.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "aligned.h"
#include "index.h"

namespace innerloop {

class Arena {
 public:
  // Gives memory for n elements, aligned to a cache line, with whatever an earlier task left in it.
  template <class T>
  T* take(Index n) {
    const std::size_t bytes = (static_cast<std::size_t>(n) * sizeof(T) + kCacheLine - 1) / kCacheLine * kCacheLine;
    if (blocks_.empty() || used_ + bytes > blocks_.back().size) grow(bytes);
    void* p = blocks_.back().data.get() + used_;
    used_ += bytes;
    total_ += bytes;
    return static_cast<T*>(p);
  }

  template <class T>
  T* take_zeroed(Index n) {
    T* p = take<T>(n);
    std::memset(static_cast<void*>(p), 0, static_cast<std::size_t>(n) * sizeof(T));
    return p;
  }

  // Forgets everything taken; several blocks become one, so the next task of this size finds a single block.
  void reset() {
    if (blocks_.size() > 1) {
      const std::size_t need = total_ + total_ / 4;
      blocks_.clear();
      used_ = 0;
      grow(need);
    }
    used_ = total_ = 0;
  }

  // Gives the arena of tasks on this thread. What a task takes is gone when the next one begins; what is to outlast it
  // goes to the arena of its chunk of tasks.
  static Arena& of_this_thread() {
    static thread_local Arena arena;
    return arena;
  }
  static Arena& of_this_chunk() {
    static thread_local Arena arena;
    return arena;
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t(kCacheLine)); }
  };
  struct Block {
    std::unique_ptr<std::byte, Free> data;
    std::size_t size;
  };

  void grow(std::size_t bytes) {
    const std::size_t size = std::max<std::size_t>(bytes, std::size_t{1} << 18);
    blocks_.push_back(
        {std::unique_ptr<std::byte, Free>(static_cast<std::byte*>(::operator new(size, std::align_val_t(kCacheLine)))),
         size});
    used_ = 0;
  }

  std::vector<Block> blocks_;
  std::size_t used_ = 0, total_ = 0;
};

}  // namespace innerloop
