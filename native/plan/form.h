// The form in which the first adapted linear layer runs, chosen by counted multiplications.
#pragma once
#include "../runtime/index.h"
#include "inner_loop.h"

namespace innerloop {

// The sizes that decide how an adapted linear layer should run. Numbers of rows may be means over tasks.
struct LayerWork {
  Index inputs, outputs;
  double support_rows, query_rows;
  int steps, order;
  bool has_layers_below;  // whether layers below it have parameters, which need the adjoint of what it reads
};

// Gives the form that takes fewer multiplications. This is a rule of thumb: it takes every step of a form to cost the
// same.
Form cheaper_form(const LayerWork& work);

}  // namespace innerloop
