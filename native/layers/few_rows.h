#pragma once
#include "../runtime/index.h"

namespace innerloop {

// So few rows are multiplied with the transpose of a weight by dot products with its rows: to transpose a weight for
// them costs more than the product. As many as one tile of dot products has.
constexpr Index kFewRows = 4;

}  // namespace innerloop
