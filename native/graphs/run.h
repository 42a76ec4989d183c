// A run of a graph on some tasks at once, in the arena of their thread. Operations that work on each row alone are done
// for the rows of all tasks together, the others task by task.
#pragma once
#include "../task/reverse.h"
#include "../task/task.h"
#include "graph.h"

namespace innerloop {

template <class T>
struct GraphRun {
  // @param support rows of the task that count as its support; 0: as for an unknown user
  GraphRun(const Task<T>& task, const Graph<T>& graph, Index support);
  // Of consecutive tasks of one plan, in one arena, with all their support rows.
  GraphRun(const Task<T>* const* tasks, Index count, const Graph<T>& graph);

  // forward_support runs the nodes below the query rows, and forward_query then the others, for any query rows; forward
  // runs all at once, the model on both parts together. The first two are for one task.
  void forward_support();
  void forward_query();
  void forward();
  // Takes the values that an adapted task kept, in place of forward_support.
  void restore(const Adapted<T>& adapted);

  const T* output(Index t = 0) const { return value(graph.spec.output, t); }
  // Gives the outputs [query, outputs] from what forward_support left, as often as wanted.
  const T* outputs() { return forward_query(), output(); }

  // Gives the outputs of a task whose support rows are not known.
  static const T* of_unknown(Task<T>& task, const Graph<T>& graph) {
    auto* run = new (task.arena.template take<GraphRun>(1)) GraphRun(task, graph, 0);
    run->forward_support();
    return run->outputs();
  }

  // After forward: begin_backward zeroes the adjoints of all nodes that learn, for callers to add to, and backward adds
  // to the gradients by tensor, of each task its own.
  void begin_backward(T* const* const* into);
  void backward();

  // The value and the adjoint, null where nothing learns below, of a node of a task.
  const T* value(int node, Index t) const { return x[node] + at(node, t); }
  T* adjoint(int node, Index t) const { return dx[node] ? dx[node] + at(node, t) : nullptr; }
  // Elements of a node of the first task.
  Index size(int node) const { return size_of(node, 0); }

  const Task<T>* const* tasks;
  const Index count;
  const Graph<T>& graph;
  const Kernels<T>& kernels;
  Arena& arena;
  const T** x;  // by node: the values of a task behind those of the one before
  T** dx;       // by node, null where nothing learns below

 private:
  // What an operation works on: one task, or where `whole` the rows of all.
  struct View {
    Index task;
    bool whole;
  };

  Index extent(Index dim, Index t) const { return dim == kSupport ? support[t] : dim == kQuery ? query[t] : dim; }
  Index size_of(int node, Index t) const {
    return extent(graph.nodes[node].rows, t) * extent(graph.nodes[node].columns, t);
  }
  // Where the elements of a task begin: 0 in a node that all tasks share.
  Index at(int node, Index t) const { return t == 0 || !graph.nodes[node].by_task ? 0 : offset(node, t); }
  Index offset(int node, Index t) const;
  Index total(int node) const { return graph.nodes[node].by_task ? at(node, count) : size_of(node, 0); }
  // Rows and columns as a view sees them.
  Index rows(int node, const View& view) const;
  Index columns(int node, const View& view) const { return extent(graph.nodes[node].columns, view.task); }

  const Task<T>& first() const { return *tasks[0]; }
  T* const* targets(const View& view) const { return into[view.task]; }
  void run_model(Index row, Index rows);
  void slots(bool on_query, Index offset);
  void collect_slots();
  // Where the rows of a task that a slot node reads begin among those that the model runs on, of several tasks.
  Index slot_row(const Node& node, Index t) const {
    return tasks[t]->first - first_row + (node.on_query ? support[t] : 0);
  }
  // Calls f(layer's pass) once for the rows of all tasks, or task by task for a layer that reads tables, which are the
  // tasks' own.
  template <class F>
  void each_pass(const Layer<T>& layer, const F& f) const;
  // Calls f(view) for what an operation works on, one after the other.
  template <class F>
  void each_view(const Node& node, const F& f) const {
    if (count == 1 || !node.by_task) return f(View{0, false});
    if (node.by_row) return f(View{0, true});
    for (Index t = 0; t < count; ++t) f(View{t, false});
  }
  void forward(int node);
  void backward(int node);
  void forward(int node, const View& view);
  void backward(int node, const View& view);

  Index *support, *query;                // by task
  Index *support_before, *query_before;  // by task and one more: rows of all tasks before
  T*** remembered;                       // by node, task: what an operation leaves for its reverse
  Index first_row = 0, model_rows = 0;   // rows of the batch on which the model's layers run
  Slots<T> model{};
  T** model_adjoint = nullptr;  // by slot: what the nodes that read it gave
  T* const* const* into = nullptr;
};

// Runs consecutive tasks of one plan through its graph and adds the gradients of weight times their losses, of each its
// own. Sets their losses.
template <class T>
void graph_gradient(Reverse<T>* const* reverses, Index count, const T* weights, double* losses);

// Adds the graph's starts to θ_0. The run stays for start_gradient, which takes reverse.v for ∂L/∂θ_0.
template <class T>
GraphRun<T>* generate_starts(Task<T>& task, const Graph<T>& graph);
template <class T>
void start_gradient(Reverse<T>& reverse, GraphRun<T>& run);

extern template struct GraphRun<float>;
extern template struct GraphRun<double>;

}  // namespace innerloop
