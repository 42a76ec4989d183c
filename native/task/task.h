// The work on one task, in the arena of its thread; everything it takes is gone at the next reset.
#pragma once
#include <functional>

#include "../batch/batch.h"
#include "../plan/plan.h"
#include "../solvers/solver.h"
#include "adapted.h"
#include "parameters.h"

namespace innerloop {

template <class T>
struct Gram;
template <class T>
struct GraphRun;

// The slots of one pass, by number.
template <class T>
struct Slots {
  T** x;
  T** dx;
};

// What the blocks of a pass (row_blocks.h) have of their own.
template <class T>
struct BlockMemory {
  T* scratch = nullptr;   // by block
  T** slots = nullptr;    // by block, the pointers x, dx, tx and tdx of its pass
  Index size = 0;         // of the gradients of a block
  T* sums = nullptr;      // these, by block
  T** tensors = nullptr;  // by block and tensor: where they begin
};

template <class T>
struct Task {
  // `poll` is called before and within work that may take long, and may throw to stop.
  Task(const Plan<T>& plan, Index number, const SharedParameters<T>& shared, Arena& arena,
       const std::function<void()>& poll);

  // Runs the solver, leaving theta[0 … steps], all of them if `keep`, else only the last in theta[steps].
  void adapt(bool keep);
  // The layers below what is adapted, on the support rows.
  void support_prefix();
  // Starts from the fast parameters of an adapted task.
  void start_from(const Adapted<T>& adapted);
  // Gives outputs [query rows, outputs] at step k's parameters, and in `features`, where given, what the last layer
  // reads.
  const T* predict_query(int k, const T** features = nullptr);

  // Gives the number of blocks that a pass over n rows is divided into.
  Index blocks_of(Index n) const;
  const BlockMemory<T>& block_memory() const;

  // Runs all layers on the query rows at step k's parameters.
  void query_forward(int k, const Pass<T>& pass, const Slots<T>& slots);

  RowsView<T> support_rows() const { return {&plan.batch, plan.index, first}; }
  RowsView<T> query_rows() const { return {&plan.batch, plan.index, first + support}; }
  Labels<T> support_labels() const { return plan.batch.labels_from(first); }
  Labels<T> query_labels() const { return plan.batch.labels_from(first + support); }
  // Adjoints are taken only for slots with parameters below.
  Slots<T> take_slots(Index n, const std::vector<int>& slots, bool with_gradient) const;
  Pass<T> make_pass(const RowsView<T>& rows, Index n, const ParameterView<T>& view, const Slots<T>& slots,
                    T* const* grad) const;

  const Plan<T>& plan;
  Arena& arena;
  const std::function<void()>& poll;
  const Index number, first, support, query;  // position in the batch, first row, numbers of rows
  TaskParameters<T> parameters;
  Slots<T> prefix;                      // support rows below the boundary
  SolverState* solver_state = nullptr;  // what the solver left
  Gram<T>* gram = nullptr;              // set by the gradient solver where the plan says so
  GraphRun<T>* run = nullptr;           // the run of the plan's graph: what adapt left, or the one that made the starts
  T** no_targets;                       // by tensor, all null
  T* scratch;

 private:
  // Runs layers in order; where the values of one lie in memory already, its
  // slot is made to point there.
  template <class Layers>
  void forward_or_find(const Layers& layers, const Pass<T>& pass, const Slots<T>& slots) const;
  // Elements of the gradients of all tensors, as the task sees them.
  Index gradient_size() const;

  mutable BlockMemory<T> blocks;  // taken when first asked for
};

}  // namespace innerloop
