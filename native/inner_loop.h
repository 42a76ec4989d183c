// The inner loop of one task:  θ_{k+1} = θ_k − α ∘ ∇_θ L_S(θ_k, φ),  k = 0 … K−1.
//
// The program of layers is cut in two. Layers that no fast parameter reaches (the prefix) run once per task, not once
// per step; the rest (the suffix) runs at every step. Meta-learning only a head (ANIL) or only the network above the
// embeddings (MeLU) then costs what it should.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "aligned.h"
#include "arena.h"
#include "batch.h"
#include "layers.h"
#include "model.h"

namespace innerloop {

template <class T>
struct Gram;
template <class T>
struct Linear;
template <class T>
struct Solver;
template <class T>
struct Episode;
template <class T>
struct EpisodeRun;

enum class RateKind : int { scalar = 0, per_tensor_step = 1, per_parameter = 2 };
enum class SolverKind : int { gradient = 0, ridge = 1, laplace = 2, implicit = 3, lstm = 4 };
// Of the first fast linear layer (gram.h): whichever takes fewer operations, or one of them where both are possible.
enum class Form : int { cheaper = 0, direct = 1, gram = 2 };
enum class UpdateKind : int { sgd = 0, momentum = 1, adam = 2 };

// What an inner step follows (solvers/update.h).
template <class T>
struct UpdateRule {
  UpdateKind kind = UpdateKind::sgd;
  T beta1 = 0, beta2 = 0, epsilon = 0;  // momentum: its factor is beta1
};

template <class T>
struct InnerLoop {
  int steps = 0;
  int order = 2;
  SolverKind solver = SolverKind::gradient;
  T shrinkage = 0;  // L_S = Σ / (n + shrinkage): a task with few rows moves less, as a posterior mean does
  std::vector<std::uint8_t> fast;  // by tensor: adapted or not
  RateKind rate_kind = RateKind::scalar;
  T rate = 0;
  std::vector<std::vector<T>> step_rates;             // per_tensor_step: [tensor][steps]
  std::shared_ptr<const Aligned<T>> parameter_rates;  // per_parameter: in the layout of the parameter arena
  Form form = Form::cheaper;
  std::uint64_t dropout = 0;  // key of the masks; 0 = none
  UpdateRule<T> update;
  T proximal = 0;               // λ of λ/2 ‖θ − θ_0‖² beside L_S
  std::vector<T> loss_weights;  // of L_Q(θ_1) … L_Q(θ_K) in the meta-loss; empty: the last alone
  int cg_steps = 0;             // implicit
  T cg_tolerance = 0;
  int prior = -1;                              // ridge, laplace: tensor of the log precisions
  int prior_factor = -1;                       // and of the precision's triangular factor, where it is full
  std::vector<int> own;                        // lstm: its tensors (solvers/lstm.cc)
  std::shared_ptr<const Episode<T>> episode;   // a program instead of the inner loop, or one that makes its starts
  std::shared_ptr<const Episode<T>> training;  // what is differentiated in its place, if it is another

  // Nothing but θ − α g, with one α. The steps are then those of the loss −α L_S, θ_{k+1} = θ_k + ∇(−α L_S), and
  // neither they nor their derivative ever multiply by α: its gradient adds up in the copy of θ_k that becomes θ_{k+1}.
  bool is_folded() const {
    return solver == SolverKind::gradient && update.kind == UpdateKind::sgd && proximal == 0 &&
           rate_kind == RateKind::scalar;
  }
  // The same towards the last query loss.
  bool is_plain() const { return is_folded() && loss_weights.empty(); }
};

// What is the same for every task of a call.
template <class T>
struct Plan {
  // gradient: the plan is for a gradient with respect to all parameters, which needs the batch's distinct table rows.
  Plan(const Model<T>& model, const InnerLoop<T>& inner, const Batch<T>& batch, int threads, bool gradient = false);
  const Model<T>& model;
  const InnerLoop<T>& inner;
  const Batch<T>& batch;
  const BatchIndex<T>* index;  // null where tasks may read the embedding tables themselves
  const Kernels<T>& kernels;
  const Solver<T>& solver;
  Loss<T> loss;

  std::vector<const Layer<T>*> prefix, suffix;  // layers that see no fast parameter, and the others, as they run
  std::vector<int> prefix_slots, suffix_slots;  // written by them
  std::vector<int> boundary;                    // written by the prefix and read by the suffix (or the outputs)
  std::vector<int> all_slots;
  const Episode<T>* episode = nullptr;    // what replaces the inner loop
  const Episode<T>* starts = nullptr;     // what makes θ_0
  bool prefix_learns;                     // whether anything below the boundary has parameters
  const Linear<T>* gram;                  // the first layer of the suffix, where it runs in the Gram form (gram.h)
  int gram_in = -1;                       // slot that it reads
  const Layer<T>* gram_source = nullptr;  // what writes that slot
  std::vector<Segments> segment_storage;
  std::vector<const Segments*> segments;  // by slot: see Segments; null where all columns differ
  bool may_alias = true;                  // whether all layers of the suffix may
  std::vector<const Linear<T>*> stepped;  // linear layers of the suffix whose weight adapts by folded steps
  std::vector<const Linear<T>*> turned;   // linear layers of the suffix that pass gradients on to layers of the suffix

 private:
  void find_segments();
};

// Passes of a call: forward alone, with those of the inner loop backward, with those of the meta-gradient.
enum class Passes { forward, inner_loop, meta_gradient };

// The shared parameters as the tasks of a call read them.
template <class T>
struct Shared {
  // Linear weights that backward passes multiply with are transposed once for all tasks.
  Shared(const Plan<T>& plan, const T* values, Passes passes);
  const T* values;                   // in the layout of the parameter arena
  std::vector<const T*> transposed;  // by tensor; null where not made

 private:
  Aligned<T> storage;
};

// Parameters of one pass, by tensor; see Pass.
template <class T>
struct View {
  const T* const* theta;
  const T* const* transposed;
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
  std::shared_ptr<const Episode<T>>
      episode;                       // of an episode learner, and what its query rows read of the support rows:
  std::vector<std::vector<T>> kept;  // by Episode::kept
  Index support = 0;
  std::vector<double> factor;  // ridge, laplace: Cholesky factor of the posterior precision
};

// One task at work in the arena of its thread; everything it takes is gone at the next reset.
template <class T>
struct Task {
  Task(const Plan<T>& plan, Index task, const Shared<T>& shared, Arena& arena);

  // Runs the solver, leaving theta[0 … steps] (all of them if `keep`, else only the last in theta[steps]).
  void adapt(bool keep);
  // Support loss at theta[k]: forward over the suffix, leaving its slots in steps[k], and the gradient of the weighted
  // loss by fast tensor added to gradient[k]. Does nothing if there are no rows.
  void support_gradient(int k);
  // Folded steps: theta[k] to theta[k + 1] but for the weights that support_gradient itself takes from theta[k].
  void copy_step(int k) const;
  // Takes the fast parameters of an adapted task for theta[0]; embedding rows it never met stay the shared ones.
  void start_from(const Adapted<T>& adapted);
  // Outputs [query rows, outputs] at step k's parameters; `features`, where given, what the last layer reads.
  const T* predict_query(int k, const T** features = nullptr);

  // All layers on the query rows at step k's parameters.
  void query_forward(int k, const Pass<T>& pass, const Slots<T>& slots);
  // x[out] of a layer that no fast parameter reaches: computed, or taken where it lies.
  static void forward_or_find(const Layer<T>& layer, const Pass<T>& pass, const Slots<T>& slots);

  // Parameters at theta[k], by tensor: all that a pass forward needs.
  const T* const* pointers(int k) const;
  // The same with transposes of the linear weights whose layers pass gradients on.
  View<T> at(int k);
  // The shared ones.
  View<T> at_shared() const { return {base, shared.transposed.data()}; }
  // The entries of a flat fast vector by tensor, null for slow ones.
  T** fast_pointers(T* flat) const;
  // Embedding rows of this task in `table`-shaped storage (arena layout), as one block.
  T* gather(const T* storage, int tensor) const;
  Index block_rows(int tensor) const;   // distinct rows of an embedding in this task
  Index tensor_size(int tensor) const;  // elements of a tensor as this task sees it

  // f(tensor, offset in the flat vectors, elements) for each fast tensor that has a place there.
  template <class F>
  void each_fast(const F& f) const {
    for (int t = 0; t < static_cast<int>(plan.model.tensors.size()); ++t)
      if (fast_offset[t] >= 0) f(t, fast_offset[t], tensor_size(t));
  }

  // Weight of the mean support loss in the inner loop.
  T support_weight() const {
    const T weight = support > 0 ? static_cast<T>(support) / (static_cast<T>(support) + plan.inner.shrinkage) : T(1);
    return plan.inner.is_folded() ? -plan.inner.rate * weight : weight;
  }
  RowsView<T> support_rows() const { return {&plan.batch, plan.index, first}; }
  Labels<T> support_labels() const { return plan.batch.labels_from(first); }
  Labels<T> query_labels() const { return plan.batch.labels_from(first + support); }
  RowsView<T> query_rows() const { return {&plan.batch, plan.index, first + support}; }
  // Adjoints are taken only for slots with parameters below.
  Slots<T> take_slots(Index n, const std::vector<int>& slots, bool with_gradient) const;
  Pass<T> make_pass(const RowsView<T>& rows, Index n, const View<T>& view, const Slots<T>& slots, T* const* grad) const;

  // By tensor: the weights of plan.stepped at theta[k].
  const T* const* stepped_from(int k) const;

  const Plan<T>& plan;
  const Shared<T>& shared;
  Arena& arena;
  Index task, first, support, query;
  const T** base;  // by tensor: shared dense tensors, gathered blocks of embeddings (without an index, whole tables)
  Index* fast_offset;  // by tensor in the flat vectors; −1 if slow, or of the Gram layer, whose steps are never formed
  Index fast_size = 0;
  T** theta;                     // flat fast parameters by step
  T*** transposes;               // by step, tensor: what `at` made
  bool starts_shared;            // whether theta[0] are the shared values
  Gram<T>* gram = nullptr;       // set by adapt where the plan says so
  EpisodeRun<T>* run = nullptr;  // of the plan's program: what adapt left, or the starts
  bool wants_factor =
      false;  // ridge, laplace: whether adapt leaves `factor`, of the posterior precision (solvers/posterior.h)
  double *factor = nullptr, *dual_factor = nullptr, *dual_rows = nullptr;
  const double* mode = nullptr;                           // and the solution
  T **first_moment = nullptr, **second_moment = nullptr;  // momentum, adam: flat, by step
  T* losses = nullptr;                                    // lstm: support loss by step
  T** gradient;                                           // flat inner gradients by step
  T** rates;                                              // by tensor: the per-parameter rates, where used
  Slots<T> prefix;                                        // support rows below the boundary
  Slots<T>* steps;  // support rows above it, by step; their boundary slots are the prefix's
  T** no_targets;   // by tensor, all null
  T* scratch;
};

// Every task of the batch, adapted.
template <class T>
std::vector<Adapted<T>> adapt_tasks(const Plan<T>& plan, const T* parameters, int threads,
                                    const std::function<void()>& poll);

// Query outputs of every task, before and after adaptation, [query rows of all tasks, outputs] in task order; either
// may be left out. With `start`, every task starts from those fast parameters. With `variance`, for a last layer in
// closed form, aᵀ M⁻¹ a of every query row after adaptation (solvers/posterior.h), or of `start` where only `before` is
// wanted.
template <class T>
struct QueryOutputs {
  std::vector<T> before, after;
  std::vector<T> variance;  // [query rows of all tasks]
};
template <class T>
QueryOutputs<T> predict_tasks(const Plan<T>& plan, const T* parameters, const Adapted<T>* start, bool before,
                              bool after, int threads, const std::function<void()>& poll, bool variance = false);

}  // namespace innerloop
