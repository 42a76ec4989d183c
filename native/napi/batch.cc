// Operations that make frames of columns, and batches of rows over them.
#include "batch.h"

#include <limits>

#include "arguments.h"
#include "handle.h"
#include "operations.h"

namespace innerloop {
namespace {

// Reads a column of an input. Its ids are checked against the model once, here; batches then check row numbers alone.
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

}  // namespace

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
  // Calls on whole batches refuse one without tasks, which is what a part of a batch may be.
  require(begin.size() % 2 == 1 && begin[0] == 0, "begin must hold 2 x tasks + 1 offsets from 0");
  batch->begin.assign(begin.begin(), begin.end());
  for (std::size_t i = 1; i < begin.size(); ++i) require(begin[i - 1] <= begin[i], "begin must not decrease");
  const Index rows = begin.back();
  const Napi::Array sides = array(from.Get("sides"), "sides");
  const std::size_t shared = batch->frame->side_rows.size();
  std::vector<Index> side_rows = batch->frame->side_rows;
  if (!from.Get("overrides").IsUndefined()) {
    const Napi::Array overrides = array(from.Get("overrides"), "overrides");
    for (std::uint32_t i = 0; i < overrides.Length(); ++i) {
      const Napi::Object column = object(overrides.Get(i), "column");
      const Index input = integer(column, "input", 0, static_cast<double>(batch->model->spec.inputs.size()) - 1);
      const InputSpec& spec = batch->model->spec.inputs[input];
      require(integer(column, "side", 0, kMaxCount) == static_cast<Index>(shared + i),
              "the k-th override reads the k-th side after those of the frame");
      batch->overrides.emplace_back(input, build_column<T>(spec, column, static_cast<int>(shared + i), -1));
      side_rows.push_back(rows_of<T>(batch->overrides.back().second));
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
  const HeadSpec& head = batch->model->spec.heads[0];
  if (!head.class_weights.empty() && !batch->labels.empty()) {
    batch->row_weights.resize(static_cast<std::size_t>(rows), T(1));
    for (Index r = 0; r < rows; ++r)
      batch->row_weights[r] *= static_cast<T>(head.class_weight(static_cast<double>(batch->labels[r])));
  }
  return batch;
}

template std::shared_ptr<Batch<float>> build_batch(std::shared_ptr<const Model<float>>,
                                                   std::shared_ptr<const Frame<float>>, const Napi::Object&);
template std::shared_ptr<Batch<double>> build_batch(std::shared_ptr<const Model<double>>,
                                                    std::shared_ptr<const Frame<double>>, const Napi::Object&);

namespace {

template <class T>
Napi::Value create_frame(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return wrap(info.Env(), build_frame<T>(unwrap<Model<T>>(info[0]), object(info[1], "frame"))); });
}

template <class T>
Napi::Value create_batch(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return wrap(info.Env(),
                build_batch<T>(unwrap<Model<T>>(info[0]), unwrap<Frame<T>>(info[1]), object(info[2], "batch")));
  });
}

}  // namespace

template <class T>
void add_batch_operations(const Operations& operations) {
  operations.add("createFrame", create_frame<T>);
  operations.add("createBatch", create_batch<T>);
}

INNERLOOP_OPERATIONS(add_batch_operations)

}  // namespace innerloop
