#include "plan.h"

#include <algorithm>

#include "../graphs/graph.h"
#include "../runtime/errors.h"
#include "../solvers/solver.h"
#include "form.h"

namespace innerloop {
namespace {

template <class T>
const BatchIndex<T>* choose_index(const Model<T>& model, const InnerLoop<T>& inner, const Batch<T>& batch, int threads,
                                  bool gradient, bool is_part) {
  // The rows of a part are put together with those of the others.
  if (gradient) return is_part ? &batch.index(threads) : &batch.index_with_rows(threads);
  for (std::size_t t = 0; t < model.tensors.size(); ++t)
    if (inner.fast[t] && model.tensors[t].input >= 0) return &batch.index(threads);
  return nullptr;
}

template <class T>
const Graph<T>* graph_of(const InnerLoop<T>& inner, bool gradient) {
  return gradient && inner.training_graph ? inner.training_graph.get() : inner.graph.get();
}

// Gives the heads of the graph where it has classes of its own, else the model's.
template <class T>
std::vector<HeadSpec> heads_of(const Model<T>& model, const Graph<T>* graph) {
  if (graph && graph->spec.classes > 0)
    return {{.kind = LossKind::softmax, .outputs = graph->spec.classes, .weight = 1}};
  return model.spec.heads;
}

// Checks labels here, because the classes of a graph are not known when a batch is made.
template <class T>
void check_classes(const Batch<T>& batch, const Graph<T>& graph) {
  for (const T y : batch.labels) require(is_class(y, graph.spec.classes), "labels must be classes from 0");
}

// Whether the rows of every task share one row of a side: those of a user name one row of the users' side.
template <class T>
bool is_shared(const Batch<T>& batch, int side) {
  const std::vector<std::int32_t>& rows = batch.sides[side];
  for (Index t = 0; t < batch.tasks(); ++t)
    for (Index r = batch.begin[2 * t] + 1; r < batch.begin[2 * t + 2]; ++r)
      if (rows[r] != rows[r - 1]) return false;
  return true;
}

// Whether the rows of every task have the same value of an input, although they name rows of their own: packed tasks
// have one side, on which every row stands for itself. The first difference ends the search.
template <class T>
bool is_same_value(const Batch<T>& batch, const typename Frame<T>::Column& column) {
  const std::vector<std::int32_t>& rows = batch.sides[column.side];
  const auto range = [&](std::int32_t row) {
    if (column.kind == InputKind::categorical) return std::pair<Index, Index>{row, row + 1};
    return std::pair<Index, Index>{column.offsets[row], column.offsets[row + 1]};
  };
  const auto are_equal = [&](std::int32_t a, std::int32_t b) {
    if (a == b) return true;
    if (column.kind == InputKind::dense) {
      const T* x = column.dense.data();
      return std::equal(x + a * column.width, x + (a + 1) * column.width, x + b * column.width);
    }
    const auto [from, to] = range(a);
    const auto [other, end] = range(b);
    const auto ids = column.ids.begin();
    return std::equal(ids + from, ids + to, ids + other, ids + end);
  };
  for (Index t = 0; t < batch.tasks(); ++t)
    for (Index r = batch.begin[2 * t] + 1; r < batch.begin[2 * t + 2]; ++r)
      if (!are_equal(rows[r - 1], rows[r])) return false;
  return true;
}

template <class T>
Segments segments_of(const Layer<T>& inputs, const Batch<T>& batch, bool gradient, const Whole* whole) {
  Segments segments;
  std::vector<int> shared(batch.sides.size(), -1);  // by side; −1 until it is asked for
  for (const InputColumns& column : inputs.input_columns()) {
    const auto& values = batch.column(column.input);
    if (!whole && shared[values.side] < 0) shared[values.side] = is_shared(batch, values.side);
    // Rows that share a row of a side have the same values, so that a part, which is for a gradient, compares these
    // alone.
    const bool same = whole ? whole->differs[column.input] == 0
                            : shared[values.side] != 0 || (gradient && is_same_value(batch, values));
    segments.is_same.push_back(same);
    auto& ranges = same ? segments.same : segments.varying;
    if (!ranges.empty() && ranges.back().end == column.begin)
      ranges.back().end += column.width;
    else
      ranges.push_back({.begin = column.begin, .end = column.begin + column.width});
  }
  return segments;
}

// The numbers of support and of query rows of an average task.
template <class T>
std::pair<double, double> mean_rows(const Batch<T>& batch, const Whole* whole) {
  double support = 0, query = 0;
  if (whole) {
    const double tasks = static_cast<double>(whole->tasks);
    return {whole->support_rows / tasks, whole->query_rows / tasks};
  }
  for (Index t = 0; t < batch.tasks(); ++t) {
    support += static_cast<double>(batch.begin[2 * t + 1] - batch.begin[2 * t]);
    query += static_cast<double>(batch.begin[2 * t + 2] - batch.begin[2 * t + 1]);
  }
  const double tasks = static_cast<double>(batch.tasks());
  return {support / tasks, query / tasks};
}

}  // namespace

template <class T>
bool takes_gram_form(const AffineMap& layer, const InnerLoop<T>& inner, double support_rows, double query_rows,
                     bool has_layers_below) {
  if (inner.steps == 0 || inner.rate_kind != RateKind::scalar || !inner.fast[layer.weight] || !inner.fast[layer.bias])
    return false;
  if (inner.form != Form::cheaper) return inner.form == Form::gram;
  return cheaper_form({.inputs = layer.I,
                       .outputs = layer.O,
                       .support_rows = support_rows,
                       .query_rows = query_rows,
                       .steps = inner.steps,
                       .order = inner.order,
                       .has_layers_below = has_layers_below}) == Form::gram;
}
template bool takes_gram_form(const AffineMap&, const InnerLoop<float>&, double, double, bool);
template bool takes_gram_form(const AffineMap&, const InnerLoop<double>&, double, double, bool);

template <class T>
std::vector<std::uint8_t> differing_inputs(const Batch<T>& batch) {
  std::vector<std::uint8_t> differs;
  for (std::size_t i = 0; i < batch.frame->columns.size(); ++i)
    differs.push_back(!is_same_value(batch, batch.column(i)));
  return differs;
}
template std::vector<std::uint8_t> differing_inputs(const Batch<float>&);
template std::vector<std::uint8_t> differing_inputs(const Batch<double>&);

template <class T>
Plan<T>::Plan(const Model<T>& model, const InnerLoop<T>& inner, const Batch<T>& batch, int threads, bool gradient,
              const Whole* whole)
    : model(model),
      inner(inner),
      batch(batch),
      whole(whole),
      threads(threads),
      index(choose_index(model, inner, batch, threads, gradient, whole != nullptr)),
      kernels(innerloop::kernels<T>()),
      solver(innerloop::solver<T>(inner.solver)),
      loss(heads_of(model, graph_of(inner, gradient))) {
  if (const Graph<T>* given = graph_of(inner, gradient)) {
    (given->spec.starts.empty() ? graph : starts) = given;
    require(gradient || !given->reads_query_labels, "a graph for predictions must not read the labels of query rows");
    if (given->spec.classes > 0) check_classes(batch, *given);
  }
  std::vector<std::uint8_t> moves(model.slot_width.size(), 0);
  for (const auto& layer : model.layers) {
    const auto is_fast = [&](int t) { return inner.fast[t] != 0; };
    const auto is_moving = [&](int s) { return moves[s] != 0; };
    moves[layer->out] = std::any_of(layer->tensors.begin(), layer->tensors.end(), is_fast) ||
                        std::any_of(layer->in.begin(), layer->in.end(), is_moving);
    (moves[layer->out] ? suffix : prefix).push_back(layer.get());
    for (const int slot : {layer->out, layer->work_slot}) {
      if (slot < 0) continue;
      (moves[layer->out] ? suffix_slots : prefix_slots).push_back(slot);
      all_slots.push_back(slot);
    }
    if (!moves[layer->out]) continue;
    for (const int s : layer->in)
      if (!moves[s]) boundary.push_back(s);
  }
  if (suffix.empty()) boundary.push_back(model.output_slot);
  for (const Layer<T>* layer : suffix) {
    may_alias = may_alias && layer->may_alias();
    const AffineMap* map = layer->affine_map();
    if (!map || map->is_column()) continue;
    if (moves[map->slot_in]) backpropagating.push_back(map);
    if (inner.is_folded() && inner.fast[map->weight]) folded.push_back(map);
  }
  prefix_learns = std::any_of(boundary.begin(), boundary.end(), [&](int s) { return model.slot_learns[s] != 0; });
  find_segments(gradient);
  // The Gram form relies on θ_0 being the shared values, which starts made by a graph are not.
  if (suffix.empty() || !inner.is_plain() || starts) return;
  const AffineMap* map = suffix[0]->affine_map();
  if (!map || moves[map->slot_in]) return;
  const auto [support_rows, query_rows] = mean_rows(batch, whole);
  if (!takes_gram_form(*map, inner, support_rows, query_rows, model.slot_learns[map->slot_in] != 0)) return;
  gram = map;
  for (const Layer<T>* layer : prefix)
    if (layer->out == map->slot_in) gram_source = layer;
}

// Only affine layers know what to do with segments, and graphs and closed-form heads read whole rows. Values are
// compared for gradients alone: outputs must not depend, in their last bits, on what the other rows of a list happen to
// have.
template <class T>
void Plan<T>::find_segments(bool gradient) {
  segments.assign(model.slot_width.size(), nullptr);
  if (graph || starts) return;
  segment_storage.reserve(model.layers.size());
  for (const auto& layer : model.layers) {
    if (layer->input_columns().empty()) continue;
    const auto reader = std::find_if(model.layers.begin(), model.layers.end(),
                                     [&](const auto& l) { return l->in.size() == 1 && l->in[0] == layer->out; });
    const AffineMap* map = reader == model.layers.end() ? nullptr : (*reader)->affine_map();
    if (!map || map == model.last_layer || map->is_column()) continue;
    Segments found = segments_of(*layer, batch, gradient, whole);
    if (found.same.empty() || found.varying.empty() || found.varying.size() > Segments::kMost) continue;
    segment_storage.push_back(std::move(found));
    segments[layer->out] = &segment_storage.back();
  }
}

template struct Plan<float>;
template struct Plan<double>;

}  // namespace innerloop
