// Rows of a catalogue as JavaScript names them.
#pragma once
#include <napi.h>

#include <vector>

#include "../batch/batch.h"
#include "arguments.h"

namespace innerloop {

// Reads ascending rows of a catalogue of so many items.
inline std::vector<std::int32_t> rows_of(const Napi::Value& value, Index items, const char* name) {
  std::vector<std::int32_t> rows = copy<std::int32_t>(value, name);
  for (std::size_t i = 0; i < rows.size(); ++i)
    require(rows[i] >= 0 && rows[i] < items && (i == 0 || rows[i - 1] < rows[i]),
            "rows of items must ascend within the catalogue");
  return rows;
}

// Reads the sides of a batch that name its item.
inline std::vector<int> read_item_sides(const Napi::Object& options) {
  return numbers<int>(options.Get("itemSides"), "itemSides", 0, kMaxCount);
}

// Checks that a batch is one row of one user, which can be scored with every item in turn.
template <class T>
void require_one(const Batch<T>& batch, const std::vector<int>& item_sides, Index items) {
  require(batch.begin.size() == 3 && batch.begin[1] == 0 && batch.begin[2] == 1, "one row of one user is read");
  for (const int side : item_sides) {
    const auto s = static_cast<std::size_t>(side);
    require(s < batch.sides.size() && s < batch.frame->side_rows.size() && batch.frame->side_rows[s] >= items,
            "the catalogue has more items than the frame");
  }
}

}  // namespace innerloop
