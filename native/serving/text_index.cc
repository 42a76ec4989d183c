#include "text_index.h"

#include <algorithm>
#include <cstring>

#include "../runtime/errors.h"

namespace innerloop {
namespace {

void append(std::vector<char>& bytes, const char16_t* units, std::size_t length) {
  for (std::size_t i = 0; i < length; ++i) {
    const char16_t u = units[i];
    if (u < 0x80) {
      bytes.push_back(static_cast<char>(u));
    } else if (u < 0x800) {
      bytes.push_back(static_cast<char>(0xc0 | u >> 6));
      bytes.push_back(static_cast<char>(0x80 | (u & 0x3f)));
    } else {
      bytes.push_back(static_cast<char>(0xe0 | u >> 12));
      bytes.push_back(static_cast<char>(0x80 | (u >> 6 & 0x3f)));
      bytes.push_back(static_cast<char>(0x80 | (u & 0x3f)));
    }
  }
}

// Eight bytes at a time by the multiplier of the golden ratio, and at last the finaliser of MurmurHash3, without which
// the low bits of similar ids are alike.
std::uint32_t hash_of(const char* bytes, std::size_t length) {
  constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15u;
  std::uint64_t h = length * kMultiplier;
  const auto mix = [&](std::uint64_t word) {
    h = (h ^ word) * kMultiplier;
    h ^= h >> 32;
  };
  std::uint64_t word = 0;
  for (; length >= sizeof word; bytes += sizeof word, length -= sizeof word) {
    std::memcpy(&word, bytes, sizeof word);
    mix(word);
  }
  word = 0;
  if (length > 0) std::memcpy(&word, bytes, length);  // a text of no bytes may have a null address
  mix(word);
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdu;
  h ^= h >> 33;
  return static_cast<std::uint32_t>(h);
}

// Texts that are looked up together: in a large index a look-up waits for memory, and a pass over some of them that
// does little else waits for all at once. (Prefetch instructions took twice as long where pages are small.)
constexpr std::size_t kTogether = 256;

void check(const Texts& texts) {
  std::uint64_t units = 0;
  for (const std::int32_t length : texts.lengths) {
    require(length >= 0, "a text has a length");
    units += static_cast<std::uint64_t>(length);
  }
  require(units == texts.units.size(), "the lengths must be those of the texts");
}

}  // namespace

TextIndex::TextIndex(Index texts) : texts_(texts) {
  std::size_t slots = 4;
  while (2 * slots < 3 * static_cast<std::size_t>(texts)) slots *= 2;
  require(slots <= std::size_t{1} << 32, "so many texts have no index");
  slots_.resize(slots);
  last_ = static_cast<std::uint32_t>(slots - 1);
  ends_.reserve(static_cast<std::size_t>(texts));
}

void TextIndex::add(const Texts& texts) {
  check(texts);
  require(static_cast<Index>(ends_.size() + texts.lengths.size()) <= texts_, "the index has all its texts");
  const char16_t* units = texts.units.data();
  std::uint32_t hashes[kTogether];
  std::int32_t taken = 0;  // read below, so that no compiler leaves a pass out
  for (std::size_t from = 0; from < texts.lengths.size(); from += kTogether) {
    const std::size_t some = std::min(kTogether, texts.lengths.size() - from), first = ends_.size();
    for (std::size_t i = 0; i < some; ++i) {
      const std::size_t begin = bytes_.size(), length = static_cast<std::size_t>(texts.lengths[from + i]);
      append(bytes_, units, length);
      units += length;
      ends_.push_back(bytes_.size());
      hashes[i] = hash_of(bytes_.data() + begin, bytes_.size() - begin);
    }
    for (std::size_t i = 0; i < some; ++i) taken |= slots_[hashes[i] & last_].text;
    for (std::size_t i = 0; i < some; ++i) {
      const std::size_t text = first + i;
      if (text == 0) continue;
      const std::uint64_t begin = ends_[text - 1];
      slots_[slot_of(hashes[i], bytes_.data() + begin, ends_[text] - begin)] = {static_cast<std::int32_t>(text),
                                                                                hashes[i]};
    }
  }
  require(taken >= 0, "numbers of texts are not negative");
  if (is_complete()) bytes_.shrink_to_fit();
}

bool TextIndex::is(std::int32_t text, const char* bytes, std::size_t length) const {
  const std::uint64_t begin = ends_[static_cast<std::size_t>(text) - 1];
  return ends_[static_cast<std::size_t>(text)] - begin == length &&
         (length == 0 || std::memcmp(bytes_.data() + begin, bytes, length) == 0);
}

std::size_t TextIndex::slot_of(std::uint32_t hash, const char* bytes, std::size_t length) const {
  for (std::uint32_t slot = hash & last_;; slot = (slot + 1) & last_) {
    const Slot& at = slots_[slot];
    if (at.text == 0 || (at.hash == hash && is(at.text, bytes, length))) return slot;
  }
}

std::vector<std::int32_t> TextIndex::find(const Texts& texts) const {
  require(is_complete(), "the index lacks texts");
  check(texts);
  const std::size_t n = texts.lengths.size();
  std::vector<std::int32_t> found(n);
  std::vector<char> bytes;
  std::size_t ends[kTogether];
  std::uint32_t hashes[kTogether];
  char heads[kTogether];  // first bytes of what was found
  const char16_t* units = texts.units.data();
  for (std::size_t from = 0; from < n; from += kTogether) {
    const std::size_t some = std::min(kTogether, n - from);
    std::int32_t* const ids = found.data() + from;
    const auto begin = [&](std::size_t i) { return i == 0 ? 0 : ends[i - 1]; };
    bytes.clear();
    for (std::size_t i = 0; i < some; ++i) {
      const auto length = static_cast<std::size_t>(texts.lengths[from + i]);
      append(bytes, units, length);
      units += length;
      ends[i] = bytes.size();
      hashes[i] = hash_of(bytes.data() + begin(i), ends[i] - begin(i));
    }
    for (std::size_t i = 0; i < some; ++i) {
      std::uint32_t slot = hashes[i] & last_;
      while (slots_[slot].text != 0 && slots_[slot].hash != hashes[i]) slot = (slot + 1) & last_;
      ids[i] = slots_[slot].text;
    }
    for (std::size_t i = 0; i < some; ++i) {
      const std::uint64_t at = ids[i] == 0 ? 0 : ends_[static_cast<std::size_t>(ids[i]) - 1];
      heads[i] = at < bytes_.size() ? bytes_[at] : 0;
    }
    for (std::size_t i = 0; i < some; ++i) {
      const char* const text = bytes.data() + begin(i);
      const std::size_t length = ends[i] - begin(i);
      const bool is_it = ids[i] == 0 || (length > 0 && text[0] == heads[i] && is(ids[i], text, length));
      // Another text of the same hash may stand before the right one.
      if (!is_it) ids[i] = slots_[slot_of(hashes[i], text, length)].text;
    }
  }
  return found;
}

std::int64_t TextIndex::bytes() const {
  return static_cast<std::int64_t>(slots_.capacity() * sizeof(Slot) + bytes_.capacity() +
                                   ends_.capacity() * sizeof ends_[0]);
}

}  // namespace innerloop
