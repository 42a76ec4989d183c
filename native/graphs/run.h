// One task's run of a graph in the arena of its thread.
#pragma once
#include "../task/reverse.h"
#include "../task/task.h"
#include "graph.h"

namespace innerloop {

template <class T>
struct GraphRun {
  // @param support rows of the task that count as its support; 0: as for an unknown user
  GraphRun(const Task<T>& task, const Graph<T>& graph, Index support);

  // forward_support runs the nodes below the query rows, and forward_query then the others, for any query rows; forward
  // runs all at once, the model on both parts together.
  void forward_support();
  void forward_query();
  void forward();
  // Takes the values that an adapted task kept, in place of forward_support.
  void restore(const Adapted<T>& adapted);

  const T* output() const { return x[graph.spec.output]; }
  // Gives the outputs [query, outputs] from what forward_support left, as often as wanted.
  const T* outputs() { return forward_query(), output(); }

  // Gives the outputs of a task whose support rows are not known.
  static const T* of_unknown(Task<T>& task, const Graph<T>& graph) {
    auto* run = new (task.arena.template take<GraphRun>(1)) GraphRun(task, graph, 0);
    run->forward_support();
    return run->outputs();
  }

  // After forward: begin_backward zeroes the adjoints of all nodes that learn, for callers to add to, and backward adds
  // to the gradients by tensor.
  void begin_backward(T* const* into);
  void backward();

  Index size(int node) const { return rows(node) * columns(node); }
  Index rows(int node) const { return extent(graph.nodes[node].rows); }
  Index columns(int node) const { return extent(graph.nodes[node].columns); }

  const Task<T>& task;
  const Graph<T>& graph;
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

  // The model's layers run on the rows [first_row, first_row + model_rows) of the batch.
  Index first_row = 0, model_rows = 0;
  Slots<T> model{};
  T** model_adjoint = nullptr;  // by slot: what the nodes that read it gave
  T* const* into = nullptr;
};

// Runs a task through the plan's graph and adds the gradient of weight times its loss. Returns the loss.
template <class T>
double graph_gradient(Reverse<T>& reverse, T weight);

// Adds the graph's starts to θ_0. The run stays for start_gradient, which takes reverse.v for ∂L/∂θ_0.
template <class T>
GraphRun<T>* generate_starts(Task<T>& task, const Graph<T>& graph);
template <class T>
void start_gradient(Reverse<T>& reverse, GraphRun<T>& run);

extern template struct GraphRun<float>;
extern template struct GraphRun<double>;

}  // namespace innerloop
