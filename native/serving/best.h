// The best of many items, in the order that equal ones have in the catalogue.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "../runtime/index.h"

namespace innerloop {

struct Ranked {
  double key;    // what the rank is by
  double score;  // what predict gives
  std::int32_t row;
};

inline bool better(const Ranked& a, const Ranked& b) { return a.key > b.key || (a.key == b.key && a.row < b.row); }

// Keeps the best of what it was offered, as a heap with the worst of them at its root.
class Best {
 public:
  explicit Best(Index count) : count_(static_cast<std::size_t>(count)) {}
  bool full() const { return heap_.size() == count_; }
  const Ranked& worst() const { return heap_.front(); }
  void offer(const Ranked& item) {
    if (full()) {
      if (!better(item, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.back() = item;
    } else {
      heap_.push_back(item);
    }
    std::push_heap(heap_.begin(), heap_.end(), better);
  }
  void offer(const Best& other) {
    for (const Ranked& item : other.heap_) offer(item);
  }
  std::vector<Ranked> sorted() && {
    std::sort(heap_.begin(), heap_.end(), better);
    return std::move(heap_);
  }

 private:
  std::size_t count_;
  std::vector<Ranked> heap_;
};

}  // namespace innerloop
