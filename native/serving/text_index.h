// Numbers of texts, such as the rows of ids: a hash table over a copy of the texts, which threads other than
// JavaScript's can look things up in.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../runtime/index.h"

namespace innerloop {

// Texts one after the other, in UTF-16 units as JavaScript has them.
struct Texts {
  std::u16string units;
  std::vector<std::int32_t> lengths;  // their sum is the number of units
};

class TextIndex {
 public:
  // The first text stands for no text and is not found.
  explicit TextIndex(Index texts);
  // Adds the next ones. Of equal texts the last counts.
  void add(const Texts& texts);
  Index size() const { return texts_; }
  bool is_complete() const { return static_cast<Index>(ends_.size()) == texts_; }
  // Gives the number of each text, 0 where it is none of them. The index must be complete; it is not changed any more,
  // so that any number of threads may look things up.
  std::vector<std::int32_t> find(const Texts& texts) const;
  std::int64_t bytes() const;

 private:
  // In one line of the cache, so that a text is looked at only where it is likely the one. 0: there is none.
  struct Slot {
    std::int32_t text = 0;
    std::uint32_t hash = 0;
  };
  bool is(std::int32_t text, const char* bytes, std::size_t length) const;
  // The slot of a text, or that where it would stand.
  std::size_t slot_of(std::uint32_t hash, const char* bytes, std::size_t length) const;

  Index texts_;
  std::vector<Slot> slots_;  // a power of two, at most two thirds of them taken
  std::uint32_t last_;       // slot, whose number masks a hash
  // Each unit by itself in one to three bytes, as UTF-8 has it: most ids take a byte a unit, and no two are the same,
  // even where surrogates are not paired.
  std::vector<char> bytes_;
  std::vector<std::uint64_t> ends_;  // by text
};

}  // namespace innerloop
