#include "run.h"

#include <algorithm>

namespace innerloop {

template <class T>
GraphRun<T>::GraphRun(const Task<T>& task, const Graph<T>& graph, Index support)
    : task(task), graph(graph), kernels(task.plan.kernels), arena(task.arena), support(support), query(task.query) {
  const Index n = static_cast<Index>(graph.nodes.size());
  x = arena.template take_zeroed<const T*>(n);
  dx = arena.template take_zeroed<T*>(n);
  remembered = arena.template take_zeroed<T*>(n);
}

template <class T>
void GraphRun<T>::run_model(Index first, Index n) {
  first_row = first, model_rows = n;
  model = task.take_slots(n, graph.layer_slots, true);
  const Pass<T> pass = task.make_pass({&task.plan.batch, task.plan.index, first}, n, task.parameters.at_shared(), model,
                                      task.no_targets);
  for (const Layer<T>* layer : graph.layers) layer->forward(pass);
}

// Points the slot nodes of one part at the model's rows from `offset`.
template <class T>
void GraphRun<T>::slots(bool on_query, Index offset) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.op == Op::slot && node.on_query == on_query) x[i] = model.x[node.slot] + offset * node.columns;
  }
}

template <class T>
void GraphRun<T>::forward_support() {
  if (graph.reads_support) {
    run_model(task.first, support);
    slots(false, 0);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (!graph.nodes[i].on_query) forward(static_cast<int>(i));
}

template <class T>
void GraphRun<T>::forward_query() {
  if (graph.reads_query) {
    run_model(task.first + task.support, query);
    slots(true, 0);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (graph.nodes[i].on_query) forward(static_cast<int>(i));
}

template <class T>
void GraphRun<T>::forward() {
  const Index before = graph.reads_support ? support : 0;
  if (graph.reads_support || graph.reads_query) {
    run_model(task.first + support - before, before + (graph.reads_query ? query : 0));
    slots(false, 0);
    slots(true, before);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) forward(static_cast<int>(i));
}

template <class T>
void GraphRun<T>::restore(const Adapted<T>& adapted) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (graph.nodes[i].op == Op::parameter) forward(static_cast<int>(i));
  for (std::size_t i = 0; i < graph.kept.size(); ++i) x[graph.kept[i]] = adapted.kept[i].data();
}

template <class T>
void GraphRun<T>::begin_backward(T* const* targets) {
  into = targets;
  // A slot that nodes read gets one block for both parts; where a layer reads it too, the layer's part is added to
  // that.
  const Index count = static_cast<Index>(model.x ? graph.wanted.size() : 0);
  T** adjoint = arena.template take_zeroed<T*>(count);
  for (Index s = 0; s < count; ++s)
    if (graph.wanted[s] && task.plan.model.slot_learns[s])
      adjoint[s] = arena.template take_zeroed<T>(model_rows * task.plan.model.slot_width[s]);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!node.learns) continue;
    if (node.op == Op::parameter)
      dx[i] = into[node.tensors[0]];
    else if (node.op == Op::slot)
      dx[i] = adjoint[node.slot] + (x[i] - model.x[node.slot]);
    else
      dx[i] = arena.template take_zeroed<T>(size(static_cast<int>(i)));
  }
  model_adjoint = adjoint;
}

template <class T>
void GraphRun<T>::backward() {
  for (std::size_t i = graph.nodes.size(); i-- > 0;)
    if (graph.nodes[i].learns) backward(static_cast<int>(i));
  if (!model.x) return;
  for (std::size_t s = 0; s < graph.wanted.size(); ++s)
    if (model_adjoint[s] && !graph.consumed[s]) model.dx[s] = model_adjoint[s];
  const Pass<T> pass = task.make_pass({&task.plan.batch, task.plan.index, first_row}, model_rows,
                                      task.parameters.at_shared(), model, into);
  for (auto layer = graph.layers.rbegin(); layer != graph.layers.rend(); ++layer) {
    const int out = (*layer)->out;
    if (!model.dx[out]) continue;
    if (model_adjoint[out] && graph.consumed[out])
      kernels.axpy(model_rows * task.plan.model.slot_width[out], T(1), model_adjoint[out], model.dx[out]);
    (*layer)->backward(pass);
  }
}

template <class T>
double graph_gradient(Reverse<T>& reverse, T weight) {
  const Plan<T>& plan = reverse.plan;
  const Task<T>& task = reverse.task;
  const GraphSpec& spec = plan.graph->spec;
  GraphRun<T> run(task, *plan.graph, task.support);
  run.forward();
  double loss = plan.loss.value(task.query, run.output(), task.query_labels());
  run.begin_backward(reverse.into);
  plan.loss.backward(task.query, run.output(), task.query_labels(), weight, run.dx[spec.output]);
  for (const auto& term : spec.auxiliary) {
    loss += term.weight * static_cast<double>(run.x[term.node][0]);
    if (run.dx[term.node]) run.dx[term.node][0] += weight * static_cast<T>(term.weight);
  }
  run.backward();
  return loss;
}

// Gives how many rows of a fast tensor get the same start: one of a dense tensor, all of a table's block.
template <class T>
static Index start_rows(const Task<T>& task, int tensor) {
  return task.plan.model.tensors[tensor].input < 0 ? 1 : task.parameters.block_rows(tensor);
}

template <class T>
GraphRun<T>* generate_starts(Task<T>& task, const Graph<T>& graph) {
  auto* run = new (task.arena.template take<GraphRun<T>>(1)) GraphRun<T>(task, graph, task.support);
  run->forward_support();
  for (const auto& start : graph.spec.starts) {
    const Index size = run->columns(start.node);
    for (Index r = 0; r < start_rows(task, start.tensor); ++r)
      task.plan.kernels.axpy(size, T(1), run->x[start.node],
                             task.parameters.theta[0] + task.parameters.fast_offset[start.tensor] + r * size);
  }
  return run;
}

template <class T>
void start_gradient(Reverse<T>& reverse, GraphRun<T>& run) {
  const Task<T>& task = reverse.task;
  run.begin_backward(reverse.into);
  // All of ∂L/∂θ_0 is read before the graph adds to it, for the shared values that it reads itself.
  for (const auto& start : run.graph.spec.starts) {
    if (!run.dx[start.node]) continue;
    const Index size = run.columns(start.node);
    for (Index r = 0; r < start_rows(task, start.tensor); ++r)
      run.kernels.axpy(size, T(1), reverse.v + task.parameters.fast_offset[start.tensor] + r * size,
                       run.dx[start.node]);
  }
  run.backward();
}

#define INNERLOOP_INSTANTIATE(T)                                    \
  template struct GraphRun<T>;                                      \
  template double graph_gradient(Reverse<T>&, T);                   \
  template GraphRun<T>* generate_starts(Task<T>&, const Graph<T>&); \
  template void start_gradient(Reverse<T>&, GraphRun<T>&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
