// The outer step on the shared parameters: dense tensors densely, embeddings by the rows that the batch touched.
#pragma once
#include <vector>

#include "sparse_gradient.h"
#include "store.h"

namespace innerloop {

INNERLOOP_ENUM(OptimizerKind, sgd, adam)

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adam;
  double learning_rate = 1e-3;
  double momentum = 0;                // sgd
  double beta1 = 0.9, beta2 = 0.999;  // adam
  double epsilon = 1e-8;              // adam
  double clip_norm = 0;               // of the whole gradient; 0 = no clipping
  std::vector<double> weight_decay;   // by tensor, decoupled
  std::vector<double> max_norm;       // by tensor: longest row of a table after a step; 0 = no limit
  std::vector<double> l2;             // by tensor: l2 / 2 ‖p‖² added to the loss of every step
};

// Applies one step and returns the gradient's norm before clipping. Throws Diverged, changing nothing, if it is not
// finite.
//
// Embedding rows: moments of a row that was not touched for g steps are first decayed by β^g, as dense Adam would have;
// its parameters do not move, and do not decay, while it is not touched (the usual lazy Adam). The l2 gradient of the g
// missed steps is added to that of the step that touches the row, so that rare rows are held to 0 as strongly as a
// fixed Gaussian prior would.
template <class T>
double outer_update(Store<T>& store, const SparseGradient<T>& gradient, const OptimizerOptions& options, int threads);

}  // namespace innerloop
