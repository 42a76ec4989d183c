// One task's run of an episode program in the arena of its thread.
#pragma once
#include "../task/reverse.h"
#include "../task/task.h"
#include "program.h"

namespace innerloop {

template <class T>
struct EpisodeRun {
  // With `support` rows of the task's own, or none: what an unknown user gets.
  EpisodeRun(const Task<T>& task, const Episode<T>& program, Index support);

  // Nodes below the query rows; then, for any query rows, the others. Or all at once, the model running on both parts
  // together.
  void forward_support();
  void forward_query();
  void forward();
  // Instead of forward_support: the values that an adapted task kept.
  void restore(const Adapted<T>& adapted);

  const T* output() const { return x[program.spec.output]; }
  // Outputs [query, outputs] from what forward_support left, as often as wanted.
  const T* outputs() { return forward_query(), output(); }

  // Outputs of a task whose support rows are not known.
  static const T* of_unknown(Task<T>& task, const Episode<T>& program) {
    auto* run = new (task.arena.template take<EpisodeRun>(1)) EpisodeRun(task, program, 0);
    run->forward_support();
    return run->outputs();
  }

  // After forward: adjoints of all nodes that learn, 0; add to them, then run backward into the gradients by tensor.
  void begin_backward(T* const* into);
  void backward();

  Index size(int node) const { return rows(node) * columns(node); }
  Index rows(int node) const { return extent(program.nodes[node].rows); }
  Index columns(int node) const { return extent(program.nodes[node].columns); }

  const Task<T>& task;
  const Episode<T>& program;
  const Kernels<T>& kernels;
  Arena& arena;
  Index support, query;
  const T** x;     // by node
  T** dx;          // by node, null where nothing learns below
  T** remembered;  // by node: what an operation leaves for its reverse

 private:
  Index extent(Index dim) const { return dim == kSupport ? support : dim == kQuery ? query : dim; }
  void run_model(Index first, Index n);
  void slots(bool on_query, Index offset);
  void forward(int node);
  void backward(int node);
  T* make(int node) { return arena.template take<T>(size(node)); }

  // The model's layers on the rows [first, first + rows) of the batch.
  Index first_row = 0, model_rows = 0;
  Slots<T> model{};
  T** model_adjoint = nullptr;  // by slot: what the nodes that read it gave
  T* const* into = nullptr;
};

// Query outputs of a task under the plan's program, and the gradient of weight times its loss. Returns the loss.
template <class T>
double episode_gradient(Reverse<T>& reverse, T weight);

// θ_0 += the program's starts; the run stays for start_gradient, which takes reverse.v for ∂L/∂θ_0.
template <class T>
EpisodeRun<T>* generate_starts(Task<T>& task, const Episode<T>& program);
template <class T>
void start_gradient(Reverse<T>& reverse, EpisodeRun<T>& run);

extern template struct EpisodeRun<float>;
extern template struct EpisodeRun<double>;

}  // namespace innerloop
