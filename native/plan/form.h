// The form in which the first adapted linear layer runs, chosen by counted multiplications.
#pragma once
#include "../runtime/index.h"
#include "inner_loop.h"

namespace innerloop {

// An adapted linear layer and the tasks it meets. Rows may be means over tasks.
struct LayerWork {
  Index inputs, outputs;
  double support_rows, query_rows;
  int steps, order;
  bool has_layers_below;  // with parameters, which need the adjoint of what the layer reads
};

// The form that takes fewer multiplications: a rule of thumb, in which every step of a form costs the same.
Form cheaper_form(const LayerWork& work);

}  // namespace innerloop
