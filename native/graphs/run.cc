#include "run.h"

#include <algorithm>

namespace innerloop {

template <class T>
GraphRun<T>::GraphRun(const Task<T>* const* tasks, Index count, const Graph<T>& graph)
    : tasks(tasks), count(count), graph(graph), kernels(tasks[0]->plan.kernels), arena(tasks[0]->arena) {
  const Index n = static_cast<Index>(graph.nodes.size());
  x = arena.template take_zeroed<const T*>(n);
  dx = arena.template take_zeroed<T*>(n);
  remembered = arena.template take_zeroed<T**>(n);
  support = arena.template take<Index>(4 * (count + 1));
  query = support + count + 1, support_before = query + count + 1, query_before = support_before + count + 1;
  support_before[0] = query_before[0] = 0;
  for (Index t = 0; t < count; ++t) {
    support[t] = tasks[t]->support, query[t] = tasks[t]->query;
    support_before[t + 1] = support_before[t] + support[t];
    query_before[t + 1] = query_before[t] + query[t];
  }
}

template <class T>
GraphRun<T>::GraphRun(const Task<T>& task, const Graph<T>& graph, Index support_rows)
    : GraphRun(new (task.arena.template take<const Task<T>*>(1)) const Task<T>*(&task), 1, graph) {
  support[0] = support_before[1] = support_rows;
}

template <class T>
Index GraphRun<T>::offset(int i, Index t) const {
  const Node& node = graph.nodes[i];
  const auto before = [&](Index dim) {
    return dim == kSupport ? support_before[t] : dim == kQuery ? query_before[t] : dim * t;
  };
  if (node.columns > 0) return before(node.rows) * node.columns;
  if (node.rows > 0) return node.rows * before(node.columns);
  Index elements = 0;
  for (Index u = 0; u < t; ++u) elements += size_of(i, u);
  return elements;
}

template <class T>
Index GraphRun<T>::rows(int i, const View& view) const {
  const Node& node = graph.nodes[i];
  if (!view.whole || !node.by_task) return extent(node.rows, view.task);
  return node.rows == kSupport ? support_before[count] : node.rows == kQuery ? query_before[count] : node.rows * count;
}

template <class T>
template <class F>
void GraphRun<T>::each_pass(const Layer<T>& layer, const F& f) const {
  const auto& tensors = first().plan.model.tensors;
  const bool has_tables =
      std::any_of(layer.tensors.begin(), layer.tensors.end(), [&](int t) { return t >= 0 && tensors[t].input >= 0; });
  if (count == 1 || !has_tables)
    return f(first().make_pass({&first().plan.batch, first().plan.index, first_row}, model_rows,
                               first().parameters.at_shared(), model, into ? into[0] : first().no_targets));
  const std::vector<Index>& width = first().plan.model.slot_width;
  Slots<T> own{.x = arena.template take_zeroed<T*>(static_cast<Index>(width.size())),
               .dx = arena.template take_zeroed<T*>(static_cast<Index>(width.size()))};
  for (Index t = 0; t < count; ++t) {
    const Task<T>& task = *tasks[t];
    for (std::size_t s = 0; s < width.size(); ++s) {
      const Index from = (task.first - first_row) * width[s];
      own.x[s] = model.x[s] ? model.x[s] + from : nullptr;
      own.dx[s] = model.dx[s] ? model.dx[s] + from : nullptr;
    }
    f(task.make_pass(task.support_rows(), task.support + task.query, task.parameters.at_shared(), own,
                     into ? into[t] : task.no_targets));
  }
}

template <class T>
void GraphRun<T>::run_model(Index row, Index rows) {
  first_row = row, model_rows = rows;
  model = first().take_slots(rows, graph.layer_slots, true);
  for (const Layer<T>* layer : graph.layers) each_pass(*layer, [&](const Pass<T>& pass) { layer->forward(pass); });
}

// Points the slot nodes of one part at the model's rows, of one task from `offset`; those of several tasks, between
// which stand the rows of the other part, are copied.
template <class T>
void GraphRun<T>::slots(bool on_query, Index offset) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.op != Op::slot || node.on_query != on_query) continue;
    const int number = static_cast<int>(i);
    const T* const from = model.x[node.slot];
    if (count == 1) {
      x[i] = from + offset * node.columns;
      continue;
    }
    T* const to = arena.template take<T>(total(number));
    for (Index t = 0; t < count; ++t)
      std::copy_n(from + slot_row(node, t) * node.columns, size_of(number, t), to + at(number, t));
    x[i] = to;
  }
}

// Adds the adjoints of the copies to those of the model's rows.
template <class T>
void GraphRun<T>::collect_slots() {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.op != Op::slot || !dx[i]) continue;
    const int number = static_cast<int>(i);
    for (Index t = 0; t < count; ++t)
      kernels.axpy(size_of(number, t), T(1), adjoint(number, t),
                   model_adjoint[node.slot] + slot_row(node, t) * node.columns);
  }
}

template <class T>
void GraphRun<T>::forward_support() {
  if (graph.reads_support) {
    run_model(first().first, support[0]);
    slots(false, 0);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (!graph.nodes[i].on_query) forward(static_cast<int>(i));
}

template <class T>
void GraphRun<T>::forward_query() {
  if (graph.reads_query) {
    run_model(first().first + first().support, query[0]);
    slots(true, 0);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (graph.nodes[i].on_query) forward(static_cast<int>(i));
}

template <class T>
void GraphRun<T>::forward() {
  const Index before = graph.reads_support ? support[0] : 0;
  if (graph.reads_support || graph.reads_query) {
    if (count == 1)
      run_model(first().first + support[0] - before, before + (graph.reads_query ? query[0] : 0));
    else
      run_model(first().first, support_before[count] + query_before[count]);
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
void GraphRun<T>::begin_backward(T* const* const* targets) {
  into = targets;
  // A slot that nodes read gets one block for both parts; where a layer reads it too, the layer's part is added to
  // that.
  const Index slot_count = static_cast<Index>(model.x ? graph.wanted.size() : 0);
  T** adjoints = arena.template take_zeroed<T*>(slot_count);
  for (Index s = 0; s < slot_count; ++s)
    if (graph.wanted[s] && first().plan.model.slot_learns[s])
      adjoints[s] = arena.template take_zeroed<T>(model_rows * first().plan.model.slot_width[s]);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!node.learns) continue;
    if (node.op == Op::parameter)
      dx[i] = into[0][node.tensors[0]];
    else if (node.op == Op::slot && count == 1)
      dx[i] = adjoints[node.slot] + (x[i] - model.x[node.slot]);
    else
      dx[i] = arena.template take_zeroed<T>(total(static_cast<int>(i)));
  }
  model_adjoint = adjoints;
}

template <class T>
void GraphRun<T>::backward() {
  for (std::size_t i = graph.nodes.size(); i-- > 0;)
    if (graph.nodes[i].learns) backward(static_cast<int>(i));
  if (!model.x) return;
  if (count > 1) collect_slots();
  for (std::size_t s = 0; s < graph.wanted.size(); ++s)
    if (model_adjoint[s] && !graph.consumed[s]) model.dx[s] = model_adjoint[s];
  for (auto layer = graph.layers.rbegin(); layer != graph.layers.rend(); ++layer) {
    const int out = (*layer)->out;
    if (!model.dx[out]) continue;
    if (model_adjoint[out] && graph.consumed[out])
      kernels.axpy(model_rows * first().plan.model.slot_width[out], T(1), model_adjoint[out], model.dx[out]);
    each_pass(**layer, [&](const Pass<T>& pass) { (*layer)->backward(pass); });
  }
}

template <class T>
void graph_gradient(Reverse<T>* const* reverses, Index count, const T* weights, double* losses) {
  const Plan<T>& plan = reverses[0]->plan;
  Arena& arena = reverses[0]->task.arena;
  const GraphSpec& spec = plan.graph->spec;
  const Task<T>** tasks = arena.take<const Task<T>*>(count);
  T* const** into = arena.take<T* const*>(count);
  for (Index t = 0; t < count; ++t) tasks[t] = &reverses[t]->task, into[t] = reverses[t]->into;
  GraphRun<T> run(tasks, count, *plan.graph);
  run.forward();
  run.begin_backward(into);
  for (Index t = 0; t < count; ++t) {
    const Task<T>& task = *tasks[t];
    losses[t] = plan.loss.value(task.query, run.output(t), task.query_labels());
    plan.loss.backward(task.query, run.output(t), task.query_labels(), weights[t], run.adjoint(spec.output, t));
    for (const auto& term : spec.auxiliary) {
      losses[t] += term.weight * static_cast<double>(*run.value(term.node, t));
      if (T* to = run.adjoint(term.node, t)) *to += weights[t] * static_cast<T>(term.weight);
    }
  }
  run.backward();
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
    const Index size = run->size(start.node);
    for (Index r = 0; r < start_rows(task, start.tensor); ++r)
      task.plan.kernels.axpy(size, T(1), run->x[start.node],
                             task.parameters.theta[0] + task.parameters.fast_offset[start.tensor] + r * size);
  }
  return run;
}

template <class T>
void start_gradient(Reverse<T>& reverse, GraphRun<T>& run) {
  const Task<T>& task = reverse.task;
  T* const** into = task.arena.template take<T* const*>(1);
  into[0] = reverse.into;
  run.begin_backward(into);
  // All of ∂L/∂θ_0 is read before the graph adds to it, for the shared values that it reads itself.
  for (const auto& start : run.graph.spec.starts) {
    if (!run.dx[start.node]) continue;
    const Index size = run.size(start.node);
    for (Index r = 0; r < start_rows(task, start.tensor); ++r)
      run.kernels.axpy(size, T(1), reverse.v + task.parameters.fast_offset[start.tensor] + r * size,
                       run.dx[start.node]);
  }
  run.backward();
}

#define INNERLOOP_INSTANTIATE(T)                                              \
  template struct GraphRun<T>;                                                \
  template void graph_gradient(Reverse<T>* const*, Index, const T*, double*); \
  template GraphRun<T>* generate_starts(Task<T>&, const Graph<T>&);           \
  template void start_gradient(Reverse<T>&, GraphRun<T>&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
