// What is the same for every task of a call: which layers run once, which at every step, and in which form.
//
// The layers of a model are cut in two. Layers that no fast parameter reaches (the prefix) run once per task, not once
// per step; the rest (the suffix) runs at every step. Meta-learning only a head (ANIL) or only the network above the
// embeddings (MeLU) then costs what it should.
#pragma once
#include <vector>

#include "../batch/batch.h"
#include "../layers/layer.h"
#include "../model/model.h"
#include "inner_loop.h"
#include "whole.h"

namespace innerloop {

template <class T>
struct Solver;

template <class T>
struct Plan {
  // gradient: the plan is for a gradient with respect to all parameters, which needs the batch's distinct table rows.
  // whole: what the batch is a part of, if it is one; it must outlive the plan.
  Plan(const Model<T>& model, const InnerLoop<T>& inner, const Batch<T>& batch, int threads, bool gradient = false,
       const Whole* whole = nullptr);
  const Model<T>& model;
  const InnerLoop<T>& inner;
  const Batch<T>& batch;
  const Whole* const whole;
  const int threads;           // that a call may use
  const BatchIndex<T>* index;  // null where tasks may read the embedding tables themselves
  const Kernels<T>& kernels;
  const Solver<T>& solver;
  Loss<T> loss;

  std::vector<const Layer<T>*> prefix,
      suffix;  // layers that no fast parameter reaches, and the others, in the order they run
  std::vector<int> prefix_slots, suffix_slots;  // written by them
  std::vector<int> boundary;                    // written by the prefix and read by the suffix (or the outputs)
  std::vector<int> all_slots;
  const Graph<T>* graph = nullptr;        // what replaces the inner loop
  const Graph<T>* starts = nullptr;       // what makes θ_0
  bool prefix_learns;                     // whether anything below the boundary has parameters
  const AffineMap* gram = nullptr;        // the first layer of the suffix, where it runs in the Gram form
  const Layer<T>* gram_source = nullptr;  // the layer that writes the slot that the Gram layer reads
  std::vector<Segments> segment_storage;
  std::vector<const Segments*> segments;  // by slot: see Segments; null where all columns differ
  bool may_alias = true;                  // whether every layer of the suffix allows it (Layer::may_alias)
  // Affine layers of the suffix whose weight has more than one column: those whose weight adapts by folded steps, and
  // those that pass gradients on to layers of the suffix, which takes products with the transpose.
  std::vector<const AffineMap*> folded, backpropagating;

  // Of the whole batch: how many tasks it has, their weights, and where those of this one begin in it.
  Index tasks() const { return whole ? whole->tasks : batch.tasks(); }
  const std::vector<double>& weights() const { return whole ? whole->weights : batch.weights; }
  Index first_task() const { return whole ? whole->first_task : 0; }
  Index first_row() const { return whole ? whole->first_row : 0; }

 private:
  void find_segments(bool gradient);
};

// By input, whether its value differs within some task: what a part of a batch tells the others (Whole::differs).
template <class T>
std::vector<std::uint8_t> differing_inputs(const Batch<T>& batch);

// Whether a layer runs in the Gram form, which needs a single rate. Where the loop leaves the choice open, it does so
// if that costs less than the direct form on a task of so many rows.
template <class T>
bool takes_gram_form(const AffineMap& layer, const InnerLoop<T>& inner, double support_rows, double query_rows,
                     bool has_layers_below);

}  // namespace innerloop
