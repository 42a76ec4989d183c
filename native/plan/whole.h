// What a part of a batch has to know of the whole, where several processes share one: each has packed its own tasks
// alone, and computes them to the bits that they would have among all.
#pragma once
#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"

namespace innerloop {

struct Whole {
  Index tasks = 0;                          // of all parts
  Index first_task = 0, first_row = 0;      // of the part, in the whole
  double support_rows = 0, query_rows = 0;  // of all tasks
  std::vector<std::uint8_t> differs;        // by input: whether its value differs within some task
  std::vector<double> weights;              // of all tasks in the meta-loss, summing to 1; empty = equal
};

}  // namespace innerloop
