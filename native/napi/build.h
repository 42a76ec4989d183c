// Objects made from what JavaScript passes: models, frames, batches, inner loops.
#pragma once
#include "arguments.h"
#include "handle.h"

namespace innerloop {

constexpr double kMaxCount = 2147483647;

template <class T>
std::shared_ptr<Model<T>> build_model(const Napi::Object& from) {
  ModelSpec spec;
  const Napi::Array inputs = array(from.Get("inputs"), "inputs"), hidden = array(from.Get("hidden"), "hidden");
  for (std::uint32_t i = 0; i < inputs.Length(); ++i) {
    const Napi::Object input = object(inputs.Get(i), "input");
    spec.inputs.push_back({input.Get("name").ToString().Utf8Value(), static_cast<InputKind>(integer(input, "kind", 0, 2)),
                           integer(input, "width", 1, kMaxCount), integer(input, "cardinality", 0, kMaxCount),
                           static_cast<Pooling>(integer(input, "pooling", 0, 1))});
    require(spec.inputs.back().kind == InputKind::dense || spec.inputs.back().cardinality > 0, "cardinality must be positive");
  }
  require(!spec.inputs.empty(), "a model needs an input");
  for (std::uint32_t i = 0; i < hidden.Length(); ++i)
    spec.hidden.push_back(integer(hidden.Get(i).ToNumber().DoubleValue(), 1, kMaxCount, "hidden"));
  const Index activation = integer(from, "activation", 0, 4);
  spec.linear = activation == 4;
  spec.activation = static_cast<Activation>(spec.linear ? 0 : activation);
  spec.loss = static_cast<LossKind>(integer(from, "loss", 0, 2));
  spec.outputs = integer(from, "outputs", 1, kMaxCount);
  require(spec.loss == LossKind::softmax || spec.outputs == 1, "mse and bce have one output");
  spec.prior = integer(from, "prior", 0, 1) == 1;
  require(!spec.prior || spec.loss == LossKind::mse, "a Gaussian prior needs the loss mse");
  return std::make_shared<Model<T>>(std::move(spec));
}

// Ids of every column are checked against the model here, once; batches then only check row numbers.
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
    const InputSpec& input = model.spec.inputs[i];
    typename Frame<T>::Column c;
    c.kind = input.kind;
    c.width = input.width;
    c.side = static_cast<int>(integer(column, "side", 0, static_cast<double>(frame->side_rows.size()) - 1));
    const Index rows = frame->side_rows[c.side];
    if (c.kind == InputKind::dense) {
      c.dense = copy<T>(column.Get("dense"), "dense");
      require(static_cast<Index>(c.dense.size()) == rows * c.width, "a dense column must hold rows x width values");
    } else {
      c.ids = copy<std::int32_t>(column.Get("ids"), "ids");
      for (const std::int32_t id : c.ids) require(id >= 0 && id < input.cardinality, "an id is outside its vocabulary");
      if (c.kind == InputKind::categorical) {
        require(static_cast<Index>(c.ids.size()) == rows, "a categorical column must hold one id a row");
      } else {
        c.offsets = copy<std::int32_t>(column.Get("offsets"), "offsets");
        require(static_cast<Index>(c.offsets.size()) == rows + 1 && c.offsets.front() == 0 &&
                    c.offsets.back() == static_cast<Index>(c.ids.size()),
                "bag offsets must run from 0 to the number of ids");
        for (Index r = 0; r < rows; ++r) require(c.offsets[r] <= c.offsets[r + 1], "bag offsets must not decrease");
      }
    }
    frame->columns.push_back(std::move(c));
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
    require(column.kind == input.kind && column.width == input.width, "the frame belongs to another model");
    if (batch->frame->model == batch->model) continue;
    for (const std::int32_t id : column.ids) require(id < input.cardinality, "the frame belongs to another model");
  }
  const std::vector<std::int32_t> begin = copy<std::int32_t>(from.Get("begin"), "begin");
  require(begin.size() >= 3 && begin.size() % 2 == 1 && begin[0] == 0, "begin must hold 2 x tasks + 1 offsets from 0");
  batch->begin.assign(begin.begin(), begin.end());
  for (std::size_t i = 1; i < begin.size(); ++i) require(begin[i - 1] <= begin[i], "begin must not decrease");
  const Index rows = begin.back();
  const Napi::Array sides = array(from.Get("sides"), "sides");
  require(sides.Length() == batch->frame->side_rows.size(), "a batch needs one row list for each side");
  for (std::uint32_t s = 0; s < sides.Length(); ++s) {
    batch->sides.push_back(copy<std::int32_t>(sides.Get(s), "sides"));
    require(static_cast<Index>(batch->sides[s].size()) == rows, "a side must name one row for each batch row");
    for (const std::int32_t r : batch->sides[s])
      require(r >= 0 && r < batch->frame->side_rows[s], "a row number is outside its side");
  }
  if (!from.Get("weights").IsUndefined()) {
    batch->weights = copy<double>(from.Get("weights"), "weights");
    require(static_cast<Index>(batch->weights.size()) == batch->tasks(), "weights must hold one value for each task");
  }
  if (!from.Get("labels").IsUndefined()) {
    batch->labels = copy<T>(from.Get("labels"), "labels");
    require(static_cast<Index>(batch->labels.size()) == rows, "labels must hold one value for each batch row");
    if (batch->model->spec.loss == LossKind::softmax)
      for (const T y : batch->labels)
        require(y >= 0 && y < static_cast<T>(batch->model->spec.outputs) && y == static_cast<T>(static_cast<Index>(y)),
                "softmax labels must be classes from 0");
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
  inner.fast = copy<std::uint8_t>(from.Get("fast"), "fast");
  require(inner.fast.size() == model.tensors.size(), "fast must hold one flag for each tensor");
  inner.ridge = integer(from, "solver", 0, 1) == 1;
  if (inner.ridge) {
    require(model.log_precision >= 0, "the ridge solver needs a model with a prior");
    for (std::size_t t = 0; t < model.tensors.size(); ++t)
      require((inner.fast[t] != 0) == (static_cast<int>(t) == model.head_weight || static_cast<int>(t) == model.head_bias),
              "the ridge solver adapts the last layer");
    require(inner.steps == 1, "the ridge solver takes one step");
  }
  inner.rate_kind = static_cast<RateKind>(integer(from, "rateKind", 0, 2));
  switch (inner.rate_kind) {
    case RateKind::scalar: inner.rate = static_cast<T>(number(from, "rate")); break;
    case RateKind::per_tensor_step: {
      const Napi::Array rates = array(from.Get("rates"), "rates");
      require(rates.Length() == model.tensors.size(), "rates must hold one entry for each tensor");
      inner.step_rates.resize(model.tensors.size());
      for (std::size_t t = 0; t < model.tensors.size(); ++t) {
        if (!inner.fast[t]) continue;
        inner.step_rates[t] = copy<T>(rates.Get(static_cast<std::uint32_t>(t)), "rates");
        require(inner.step_rates[t].size() == static_cast<std::size_t>(inner.steps), "rates must hold one value for each step");
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
  require(o.weight_decay.size() == tensors && o.l2.size() == tensors, "weightDecay and l2 must hold one value for each tensor");
  return o;
}

}  // namespace innerloop
