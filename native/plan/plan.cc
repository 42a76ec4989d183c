#include "plan.h"

#include <algorithm>

#include "../episode/program.h"
#include "../layers/inputs.h"
#include "../layers/linear.h"
#include "../runtime/errors.h"
#include "../solvers/solver.h"
#include "form.h"

namespace innerloop {
namespace {

template <class T>
const BatchIndex<T>* choose_index(const Model<T>& model, const InnerLoop<T>& inner, const Batch<T>& batch, int threads,
                                  bool gradient) {
  if (gradient) return &batch.index_with_rows(threads);
  for (std::size_t t = 0; t < model.tensors.size(); ++t)
    if (inner.fast[t] && model.tensors[t].input >= 0) return &batch.index(threads);
  return nullptr;
}

template <class T>
const Episode<T>* program_of(const InnerLoop<T>& inner, bool gradient) {
  return gradient && inner.training ? inner.training.get() : inner.episode.get();
}

// Of the program where it has classes of its own, else the model's.
template <class T>
std::vector<HeadSpec> heads_of(const Model<T>& model, const Episode<T>* program) {
  if (program && program->spec.classes > 0) return {{LossKind::softmax, program->spec.classes, 1.0}};
  return model.spec.heads;
}

// A program's own classes are not known when a batch is made.
template <class T>
void check_classes(const Batch<T>& batch, const Episode<T>& program) {
  for (const T y : batch.labels) require(is_class(y, program.spec.classes), "labels must be classes from 0");
}

// Whether every task's rows share one row of a side, as a user's do of the users.
template <class T>
bool is_shared(const Batch<T>& batch, int side) {
  const std::vector<std::int32_t>& rows = batch.sides[side];
  for (Index t = 0; t < batch.tasks(); ++t)
    for (Index r = batch.begin[2 * t] + 1; r < batch.begin[2 * t + 2]; ++r)
      if (rows[r] != rows[r - 1]) return false;
  return true;
}

template <class T>
Segments segments_of(const Inputs<T>& inputs, const Batch<T>& batch) {
  Segments segments;
  std::vector<int> shared(batch.sides.size(), -1);  // by side, once asked for
  for (const auto& column : inputs.columns) {
    const int side = batch.column(column.input).side;
    if (shared[side] < 0) shared[side] = is_shared(batch, side);
    const bool same = shared[side] != 0;
    segments.is_same.push_back(same);
    auto& ranges = same ? segments.same : segments.varying;
    if (!ranges.empty() && ranges.back().end == column.begin)
      ranges.back().end += column.width;
    else
      ranges.push_back({column.begin, column.begin + column.width});
  }
  return segments;
}

// Whether a layer runs in the Gram form, which needs one rate: where it may choose, if that takes less than the direct
// form on an average task of the batch.
template <class T>
bool takes_gram_form(const Linear<T>& layer, const InnerLoop<T>& inner, const Batch<T>& batch, bool has_layers_below) {
  if (inner.steps == 0 || inner.rate_kind != RateKind::scalar || !inner.fast[layer.weight] || !inner.fast[layer.bias])
    return false;
  if (inner.form != Form::cheaper) return inner.form == Form::gram;
  double support = 0, query = 0;
  for (Index t = 0; t < batch.tasks(); ++t) {
    support += static_cast<double>(batch.begin[2 * t + 1] - batch.begin[2 * t]);
    query += static_cast<double>(batch.begin[2 * t + 2] - batch.begin[2 * t + 1]);
  }
  const double tasks = static_cast<double>(batch.tasks());
  return cheaper_form({.inputs = layer.I,
                       .outputs = layer.O,
                       .support_rows = support / tasks,
                       .query_rows = query / tasks,
                       .steps = inner.steps,
                       .order = inner.order,
                       .has_layers_below = has_layers_below}) == Form::gram;
}

}  // namespace

template <class T>
Plan<T>::Plan(const Model<T>& model, const InnerLoop<T>& inner, const Batch<T>& batch, int threads, bool gradient)
    : model(model),
      inner(inner),
      batch(batch),
      index(choose_index(model, inner, batch, threads, gradient)),
      kernels(innerloop::kernels<T>()),
      solver(innerloop::solver<T>(inner.solver)),
      loss(heads_of(model, program_of(inner, gradient))) {
  if (const Episode<T>* program = program_of(inner, gradient)) {
    (program->spec.starts.empty() ? episode : starts) = program;
    require(gradient || !program->reads_query_labels,
            "a program for predictions must not read the labels of query rows");
    if (program->spec.classes > 0) check_classes(batch, *program);
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
    const auto* linear = dynamic_cast<const Linear<T>*>(layer);
    if (!linear || linear->O == 1) continue;
    if (moves[linear->in[0]]) turned.push_back(linear);
    if (inner.is_folded() && inner.fast[linear->weight]) stepped.push_back(linear);
  }
  prefix_learns = std::any_of(boundary.begin(), boundary.end(), [&](int s) { return model.slot_learns[s] != 0; });
  find_segments();
  gram = nullptr;
  // The Gram form takes θ_0 for the shared values, which generated starts are not.
  if (suffix.empty() || !inner.is_plain() || starts) return;
  const auto* linear = dynamic_cast<const Linear<T>*>(suffix[0]);
  if (!linear || moves[linear->in[0]] || !takes_gram_form(*linear, inner, batch, model.slot_learns[linear->in[0]] != 0))
    return;
  gram = linear;
  gram_in = linear->in[0];
  for (const Layer<T>* layer : prefix)
    if (layer->out == gram_in) gram_source = layer;
}

// Only linear layers know what to do with them, and programs and closed-form heads read whole rows.
template <class T>
void Plan<T>::find_segments() {
  segments.assign(model.slot_width.size(), nullptr);
  if (episode || starts) return;
  segment_storage.reserve(model.layers.size());
  for (const auto& layer : model.layers) {
    const auto* inputs = dynamic_cast<const Inputs<T>*>(layer.get());
    if (!inputs) continue;
    const auto reader = std::find_if(model.layers.begin(), model.layers.end(),
                                     [&](const auto& l) { return l->in.size() == 1 && l->in[0] == inputs->out; });
    const auto* linear = reader == model.layers.end() ? nullptr : dynamic_cast<const Linear<T>*>(reader->get());
    if (!linear || linear == model.head || linear->O == 1) continue;
    Segments found = segments_of(*inputs, batch);
    if (found.same.empty() || found.varying.empty() || found.varying.size() > Segments::kMost) continue;
    segment_storage.push_back(std::move(found));
    segments[inputs->out] = &segment_storage.back();
  }
}

template struct Plan<float>;
template struct Plan<double>;

}  // namespace innerloop
