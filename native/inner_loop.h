// The inner loop of one task:  θ_{k+1} = θ_k − α ∘ ∇_θ L_S(θ_k, φ),  k = 0 … K−1.
//
// The program of layers is cut in two. Layers below the first fast one (the prefix) see only slow parameters, so they
// run once per task, not once per step; the rest (the suffix) runs at every step. Meta-learning only a head (ANIL) or only
// the network above the embeddings (MeLU) then costs what it should.
#pragma once
#include <functional>
#include <vector>

#include "arena.h"
#include "batch.h"
#include "layers.h"
#include "model.h"

namespace innerloop {

template <class T>
struct Gram;
template <class T>
struct Linear;

enum class RateKind : int { scalar = 0, per_tensor_step = 1, per_parameter = 2 };

template <class T>
struct InnerLoop {
  int steps = 0;
  int order = 2;
  bool ridge = false;  // the last layer in closed form (ridge.h) instead of gradient steps
  T shrinkage = 0;  // L_S = Σ / (n + shrinkage): a task with few rows moves less, as a posterior mean does
  std::vector<std::uint8_t> fast;  // by tensor: adapted or not
  RateKind rate_kind = RateKind::scalar;
  T rate = 0;
  std::vector<std::vector<T>> step_rates;            // per_tensor_step: [tensor][steps]
  std::shared_ptr<const std::vector<T>> parameter_rates;  // per_parameter: in the layout of the parameter arena
};

// What is the same for every task of a call.
template <class T>
struct Plan {
  // gradient: the plan is for a gradient with respect to all parameters, which needs the batch's distinct embedding rows.
  Plan(const Model<T>& model, const InnerLoop<T>& inner, const Batch<T>& batch, int threads, bool gradient = false);
  const Model<T>& model;
  const InnerLoop<T>& inner;
  const Batch<T>& batch;
  const BatchIndex<T>* index;  // null where tasks may read the embedding tables themselves
  const Kernels<T>& kernels;
  Loss<T> loss;
  int first_fast;  // first layer with a fast parameter; layers.size() if there is none
  int boundary;    // slot that layer reads, −1 if it is the first
  bool prefix_learns;      // whether anything below the boundary has parameters
  const Linear<T>* gram;   // that layer, where it runs in the Gram form (gram.h)
};

// Slots of one pass; arrays by slot.
template <class T>
struct Slots {
  T** x;
  T** dx;
};

// Fast parameters of one adapted task, on their own: what a personal model is made of.
template <class T>
struct Adapted {
  std::shared_ptr<const Model<T>> model;
  std::vector<std::uint8_t> fast;               // by tensor
  std::vector<std::vector<T>> dense;            // by tensor: [size], fast dense tensors
  std::vector<std::vector<std::int32_t>> rows;  // by tensor: table rows of a fast embedding, ascending
  std::vector<std::vector<T>> blocks;           // by tensor: [rows, dim]
};

// One task at work in the arena of its thread; everything it takes is gone at the next reset.
template <class T>
struct Task {
  Task(const Plan<T>& plan, Index task, const T* parameters, Arena& arena);

  // Runs the inner loop, leaving theta[0 … steps] (all of them if `keep`, else only the last in theta[steps]).
  void adapt(bool keep);
  // Takes the fast parameters of an adapted task for theta[0]; embedding rows it never met stay the shared ones.
  void start_from(const Adapted<T>& adapted);
  // Outputs [query rows, outputs] at step k's parameters.
  const T* predict_query(int k);

  // All layers on the query rows at step k's parameters.
  void query_forward(int k, const Pass<T>& pass);

  // Parameter pointers by tensor, with the fast ones at `fast` (layout: fast_offset).
  const T* const* pointers(const T* fast) const;
  // The entries of a flat fast vector by tensor, null for slow ones.
  T** fast_pointers(T* flat) const;
  // Embedding rows of this task in `table`-shaped storage (arena layout), as one block.
  T* gather(const T* storage, int tensor) const;
  Index block_rows(int tensor) const;  // distinct rows of an embedding in this task
  Index tensor_size(int tensor) const; // elements of a tensor as this task sees it

  // Weight of the mean support loss in the inner loop.
  T support_weight() const {
    return support > 0 ? static_cast<T>(support) / (static_cast<T>(support) + plan.inner.shrinkage) : T(1);
  }
  RowsView<T> support_rows() const { return {&plan.batch, plan.index, first}; }
  RowsView<T> query_rows() const { return {&plan.batch, plan.index, first + support}; }
  Slots<T> take_slots(Index n, int from, int to, bool with_gradient) const;
  Pass<T> make_pass(const RowsView<T>& rows, Index n, const T* const* theta, const Slots<T>& slots, T* const* grad) const;

  const Plan<T>& plan;
  Arena& arena;
  Index task, first, support, query;
  const T** base;      // by tensor: shared dense tensors, gathered blocks of embeddings (without an index, whole tables)
  Index* fast_offset;  // by tensor in the flat vectors; −1 if slow, or of the Gram layer, whose steps are never formed
  Index fast_size = 0;
  T** theta;        // flat fast parameters by step
  Gram<T>* gram = nullptr;  // set by adapt where the plan says so
  double* factor = nullptr;  // ridge: Cholesky factor of the posterior precision
  T** gradient;     // flat inner gradients by step
  T** rates;        // by tensor: the per-parameter rates, where used
  Slots<T> prefix;  // support rows below the boundary
  Slots<T>* steps;  // support rows above it, by step
  T** no_targets;   // by tensor, all null
  T* scratch;
};

// Every task of the batch, adapted.
template <class T>
std::vector<Adapted<T>> adapt_tasks(const Plan<T>& plan, const T* parameters, int threads, const std::function<void()>& poll);

// Query outputs of every task, before and after adaptation, [query rows of all tasks, outputs] in task order; either may
// be left out. With `start`, every task starts from those fast parameters.
template <class T>
struct QueryOutputs {
  std::vector<T> before, after;
};
template <class T>
QueryOutputs<T> predict_tasks(const Plan<T>& plan, const T* parameters, const Adapted<T>* start, bool before, bool after,
                              int threads, const std::function<void()>& poll);

}  // namespace innerloop
