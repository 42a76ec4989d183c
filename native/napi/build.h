// Objects made from what JavaScript passes: models, frames, batches, inner loops.
#pragma once
#include <limits>

#include "../layers/linear.h"
#include "arguments.h"
#include "build_solver.h"
#include "handle.h"

namespace innerloop {

constexpr double kMaxCount = 2147483647;

// Whole numbers of a JavaScript array.
template <class R>
std::vector<R> numbers(const Napi::Value& from, const char* what, double least, double most) {
  const Napi::Array values = array(from, what);
  std::vector<R> result;
  for (std::uint32_t i = 0; i < values.Length(); ++i)
    result.push_back(static_cast<R>(integer(values.Get(i).ToNumber().DoubleValue(), least, most, what)));
  return result;
}

template <class T>
std::shared_ptr<Model<T>> build_model(const Napi::Object& from) {
  ModelSpec spec;
  const Napi::Array inputs = array(from.Get("inputs"), "inputs"), tensors = array(from.Get("tensors"), "tensors"),
                    layers = array(from.Get("layers"), "layers");
  for (std::uint32_t i = 0; i < inputs.Length(); ++i) {
    const Napi::Object input = object(inputs.Get(i), "input");
    spec.inputs.push_back({static_cast<InputKind>(integer(input, "kind", 0, 3)), integer(input, "size", 0, kMaxCount),
                           integer(input, "cardinality", 0, kMaxCount),
                           static_cast<Pooling>(integer(input, "pooling", 0, 1))});
    const InputSpec& last = spec.inputs.back();
    require(last.kind == InputKind::dense ? last.size > 0 : last.cardinality > 0,
            "an input needs a size or a cardinality");
  }
  require(!spec.inputs.empty(), "a model needs an input");
  for (std::uint32_t i = 0; i < tensors.Length(); ++i) {
    const Napi::Object tensor = object(tensors.Get(i), "tensor");
    spec.tensors.push_back(
        {tensor.Get("name").ToString().Utf8Value(), numbers<Index>(tensor.Get("shape"), "shape", 1, kMaxCount),
         static_cast<int>(integer(tensor, "input", -1, kMaxCount)), integer(tensor, "transposed", 0, 1) == 1});
  }
  for (std::uint32_t i = 0; i < layers.Length(); ++i) {
    const Napi::Object layer = object(layers.Get(i), "layer");
    LayerSpec made{static_cast<int>(integer(layer, "kind", 0, 1000)),
                   numbers<int>(layer.Get("in"), "in", 0, kMaxCount),
                   static_cast<int>(integer(layer, "out", 0, kMaxCount)),
                   numbers<int>(layer.Get("tensors"), "tensors", -1, kMaxCount),
                   {}};
    const Napi::Array options = array(layer.Get("options"), "options");
    for (std::uint32_t o = 0; o < options.Length(); ++o)
      made.options.push_back(options.Get(o).ToNumber().DoubleValue());
    spec.layers.push_back(std::move(made));
  }
  spec.slots = numbers<Index>(from.Get("slots"), "slots", 1, kMaxCount);
  spec.output = static_cast<int>(integer(from, "output", 0, kMaxCount));
  const Napi::Array heads = array(from.Get("heads"), "heads");
  for (std::uint32_t i = 0; i < heads.Length(); ++i) {
    const Napi::Object head = object(heads.Get(i), "head");
    spec.heads.push_back({static_cast<LossKind>(integer(head, "loss", 0, 4)), integer(head, "outputs", 1, kMaxCount),
                          number(head, "weight")});
    const HeadSpec& last = spec.heads.back();
    // mse reads the first of several outputs only: they are an embedding, which has no loss.
    require(last.kind == LossKind::softmax || last.kind == LossKind::mse || last.outputs == 1,
            "every loss but softmax has one output");
    require(last.weight >= 0, "a head's weight must not be negative");
  }
  require(!spec.heads.empty(), "a model needs a head");
  return std::make_shared<Model<T>>(std::move(spec));
}

// A column of an input; its ids are checked against the model here, once, and batches then only check row numbers.
// `rows` is −1 where the column itself says how many there are.
template <class T>
typename Frame<T>::Column build_column(const InputSpec& input, const Napi::Object& from, int side, Index rows) {
  typename Frame<T>::Column c;
  c.kind = input.kind;
  c.width = input.size;
  c.side = side;
  if (c.kind == InputKind::dense) {
    c.dense = copy<T, Aligned<T>>(from.Get("dense"), "dense");
    require(rows < 0 ? static_cast<Index>(c.dense.size()) % c.width == 0
                     : static_cast<Index>(c.dense.size()) == rows * c.width,
            "a dense column must hold rows x width values");
    return c;
  }
  c.ids = copy<std::int32_t>(from.Get("ids"), "ids");
  for (const std::int32_t id : c.ids) require(id >= 0 && id < input.cardinality, "an id is outside its vocabulary");
  if (c.kind == InputKind::categorical) {
    require(rows < 0 || static_cast<Index>(c.ids.size()) == rows, "a categorical column must hold one id a row");
    return c;
  }
  c.offsets = copy<std::int32_t>(from.Get("offsets"), "offsets");
  require(!c.offsets.empty() && (rows < 0 || static_cast<Index>(c.offsets.size()) == rows + 1) &&
              c.offsets.front() == 0 && c.offsets.back() == static_cast<Index>(c.ids.size()),
          "bag offsets must run from 0 to the number of ids");
  for (std::size_t r = 1; r < c.offsets.size(); ++r)
    require(c.offsets[r - 1] <= c.offsets[r], "bag offsets must not decrease");
  return c;
}

template <class T>
Index rows_of(const typename Frame<T>::Column& c) {
  if (c.kind == InputKind::dense) return static_cast<Index>(c.dense.size()) / c.width;
  return static_cast<Index>(c.kind == InputKind::categorical ? c.ids.size() : c.offsets.size() - 1);
}

template <class T>
std::shared_ptr<Frame<T>> build_frame(std::shared_ptr<const Model<T>> for_model, const Napi::Object& from) {
  const Model<T>& model = *for_model;
  auto frame = std::make_shared<Frame<T>>();
  frame->model = std::move(for_model);
  const Napi::Array sides = array(from.Get("sides"), "sides"), columns = array(from.Get("columns"), "columns");
  for (std::uint32_t i = 0; i < sides.Length(); ++i)
    frame->side_rows.push_back(integer(sides.Get(i).ToNumber().DoubleValue(), 0, kMaxCount, "sides"));
  require(columns.Length() == model.spec.inputs.size(), "a frame needs one column for each input");
  for (std::uint32_t i = 0; i < columns.Length(); ++i) {
    const Napi::Object column = object(columns.Get(i), "column");
    const int side = static_cast<int>(integer(column, "side", 0, static_cast<double>(frame->side_rows.size()) - 1));
    frame->columns.push_back(build_column<T>(model.spec.inputs[i], column, side, frame->side_rows[side]));
  }
  return frame;
}

template <class T>
std::shared_ptr<Batch<T>> build_batch(std::shared_ptr<const Model<T>> model, std::shared_ptr<const Frame<T>> frame,
                                      const Napi::Object& from) {
  auto batch = std::make_shared<Batch<T>>();
  batch->model = std::move(model);
  batch->frame = std::move(frame);
  require(batch->frame->columns.size() == batch->model->spec.inputs.size(), "the frame belongs to another model");
  for (std::size_t i = 0; i < batch->frame->columns.size(); ++i) {
    const auto& column = batch->frame->columns[i];
    const InputSpec& input = batch->model->spec.inputs[i];
    require(column.kind == input.kind && column.width == input.size, "the frame belongs to another model");
    if (batch->frame->model == batch->model) continue;
    for (const std::int32_t id : column.ids) require(id < input.cardinality, "the frame belongs to another model");
  }
  const std::vector<std::int32_t> begin = copy<std::int32_t>(from.Get("begin"), "begin");
  require(begin.size() >= 3 && begin.size() % 2 == 1 && begin[0] == 0, "begin must hold 2 x tasks + 1 offsets from 0");
  batch->begin.assign(begin.begin(), begin.end());
  for (std::size_t i = 1; i < begin.size(); ++i) require(begin[i - 1] <= begin[i], "begin must not decrease");
  const Index rows = begin.back();
  const Napi::Array sides = array(from.Get("sides"), "sides");
  const std::size_t shared = batch->frame->side_rows.size();
  std::vector<Index> side_rows = batch->frame->side_rows;
  if (!from.Get("own").IsUndefined()) {
    const Napi::Array own = array(from.Get("own"), "own");
    for (std::uint32_t i = 0; i < own.Length(); ++i) {
      const Napi::Object column = object(own.Get(i), "column");
      const Index input = integer(column, "input", 0, static_cast<double>(batch->model->spec.inputs.size()) - 1);
      const InputSpec& spec = batch->model->spec.inputs[input];
      require(integer(column, "side", 0, kMaxCount) == static_cast<Index>(shared + i),
              "own columns have sides of their own, after the frame's");
      batch->own.emplace_back(input, build_column<T>(spec, column, static_cast<int>(shared + i), -1));
      side_rows.push_back(rows_of<T>(batch->own.back().second));
    }
  }
  require(sides.Length() == side_rows.size(), "a batch needs one row list for each side");
  batch->sides.resize(sides.Length());
  for (std::size_t i = 0; i < batch->frame->columns.size(); ++i) {  // a side that no column reads is not copied
    const int at = batch->column(i).side;
    std::vector<std::int32_t>& side = batch->sides[at];
    if (!side.empty()) continue;
    side = row_numbers(sides.Get(static_cast<std::uint32_t>(at)), rows, side_rows[at], "sides");
  }
  if (!from.Get("weights").IsUndefined()) {
    batch->weights = copy<double>(from.Get("weights"), "weights");
    require(static_cast<Index>(batch->weights.size()) == batch->tasks(), "weights must hold one value for each task");
  }
  if (!from.Get("labels").IsUndefined()) {
    batch->labels = copy<T>(from.Get("labels"), "labels");
    const std::vector<HeadSpec>& heads = batch->model->spec.heads;
    require(static_cast<Index>(batch->labels.size()) == rows * static_cast<Index>(heads.size()),
            "labels must hold one value for each batch row and head");
    for (std::size_t h = 0; h < heads.size(); ++h) {
      if (heads[h].kind != LossKind::softmax) continue;
      for (Index r = 0; r < rows; ++r) {
        const T y = batch->labels[r * static_cast<Index>(heads.size()) + static_cast<Index>(h)];
        if (heads.size() > 1 && y != y) continue;
        require(is_class(y, heads[h].outputs), "softmax labels must be classes from 0");
      }
    }
  }
  if (!from.Get("rowWeights").IsUndefined()) {
    batch->row_weights = copy<T>(from.Get("rowWeights"), "rowWeights");
    require(static_cast<Index>(batch->row_weights.size()) == rows, "rowWeights must hold one value for each batch row");
    for (const T w : batch->row_weights)
      require(w >= 0 && w <= std::numeric_limits<T>::max(), "row weights must be finite and not negative");
  }
  return batch;
}

template <class T>
InnerLoop<T> build_inner_loop(const Model<T>& model, const Napi::Object& from) {
  InnerLoop<T> inner;
  inner.steps = static_cast<int>(integer(from, "steps", 0, 10000));
  inner.order = static_cast<int>(integer(from, "order", 1, 2));
  inner.shrinkage = static_cast<T>(number(from, "shrinkage"));
  require(inner.shrinkage >= 0, "shrinkage must not be negative");
  if (!from.Get("form").IsUndefined()) inner.form = static_cast<Form>(integer(from, "form", 0, 2));
  if (!from.Get("dropout").IsUndefined())
    inner.dropout = static_cast<std::uint64_t>(integer(from, "dropout", 0, 9007199254740991.0));
  inner.fast = copy<std::uint8_t>(from.Get("fast"), "fast");
  require(inner.fast.size() == model.tensors.size(), "fast must hold one flag for each tensor");
  inner.solver = static_cast<SolverKind>(integer(from, "solver", 0, 4));
  build_solver(model, from, inner);
  inner.rate_kind = static_cast<RateKind>(integer(from, "rateKind", 0, 2));
  switch (inner.rate_kind) {
    case RateKind::scalar:
      inner.rate = static_cast<T>(number(from, "rate"));
      break;
    case RateKind::per_tensor_step: {
      const Napi::Array rates = array(from.Get("rates"), "rates");
      require(rates.Length() == model.tensors.size(), "rates must hold one entry for each tensor");
      inner.step_rates.resize(model.tensors.size());
      for (std::size_t t = 0; t < model.tensors.size(); ++t) {
        if (!inner.fast[t]) continue;
        inner.step_rates[t] = copy<T>(rates.Get(static_cast<std::uint32_t>(t)), "rates");
        require(inner.step_rates[t].size() == static_cast<std::size_t>(inner.steps),
                "rates must hold one value for each step");
      }
      break;
    }
    case RateKind::per_parameter: {
      const auto store = unwrap<Store<T>>(from.Get("rates"));
      require(store->model->arena_size == model.arena_size, "the rates belong to another model");
      inner.parameter_rates = store->values;
    }
  }
  return inner;
}

inline OptimizerOptions build_optimizer(const Napi::Object& from, std::size_t tensors) {
  OptimizerOptions o;
  o.kind = static_cast<OptimizerKind>(integer(from, "kind", 0, 1));
  o.learning_rate = number(from, "learningRate");
  o.momentum = number(from, "momentum");
  o.beta1 = number(from, "beta1");
  o.beta2 = number(from, "beta2");
  o.epsilon = number(from, "epsilon");
  o.clip_norm = number(from, "clipNorm");
  o.weight_decay = copy<double>(from.Get("weightDecay"), "weightDecay");
  o.l2 = copy<double>(from.Get("l2"), "l2");
  o.max_norm = copy<double>(from.Get("maxNorm"), "maxNorm");
  require(o.weight_decay.size() == tensors && o.l2.size() == tensors && o.max_norm.size() == tensors,
          "weightDecay, l2 and maxNorm must hold one value for each tensor");
  return o;
}

}  // namespace innerloop
