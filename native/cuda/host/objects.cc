#include "objects.h"

#include <algorithm>

namespace innerloop::device {
namespace {

const char* const kLayerNames[] = {"inputs", "linear", "activation", "dot", "product", "sum",
                                   "concat", "terms",  "pairs",      "gru", "dropout"};

bool is_known(int kind) { return (kind >= 0 && kind <= 8) || kind == 10; }
bool has_columns(LayerKind kind) {
  return kind == LayerKind::inputs || kind == LayerKind::terms || kind == LayerKind::pairs;
}

}  // namespace

Model::Model(const innerloop_model_spec& spec)
    : inputs(spec.inputs, spec.inputs + spec.input_count),
      tensors(spec.tensors, spec.tensors + spec.tensor_count),
      slots(spec.slots, spec.slots + spec.slot_count),
      learns(static_cast<std::size_t>(spec.slot_count), 0),
      output(spec.output),
      dense_size(spec.dense_size),
      arena_size(spec.arena_size) {
  precision = spec.precision;
  if (spec.head_count != 1) refuse("a model with further heads");
  if (spec.heads[0].weight != 1) refuse("a head with a weight");
  loss = static_cast<LossKind>(spec.heads[0].loss);
  outputs = spec.heads[0].outputs;
  std::vector<int> readers(tensors.size(), 0);
  for (int l = 0; l < spec.layer_count; ++l) {
    const innerloop_layer& from = spec.layers[l];
    if (!is_known(from.kind))
      refuse(std::string("the layer ") + (from.kind >= 0 && from.kind < 11 ? kLayerNames[from.kind] : "of this kind"));
    if (from.in_count > kMostIn) refuse("a layer that joins more than " + std::to_string(kMostIn) + " slots");
    ModelLayer layer{};
    LayerInfo& info = layer.info;
    info.kind = static_cast<LayerKind>(from.kind);
    info.out = from.out;
    info.in_count = from.in_count;
    std::copy_n(from.in, from.in_count, info.in);
    info.weight = info.bias = info.work = -1;
    if (info.kind == LayerKind::linear) info.weight = from.tensors[0], info.bias = from.tensors[1];
    if (info.kind == LayerKind::sum) info.bias = from.tensors[0];
    if (info.kind == LayerKind::activation)
      info.activation = static_cast<Activation>(static_cast<int>(from.options[0]));
    if (info.kind == LayerKind::dropout)
      info.keep = 1 - from.options[0], info.number = static_cast<std::uint64_t>(from.options[1]);
    if (has_columns(info.kind)) {
      int at = 0;
      for (int i = 0; i < from.option_count; ++i) {
        const int number = static_cast<int>(from.options[i]);
        const innerloop_input& input = inputs[number];
        const int table = from.tensors[i];
        const int width = static_cast<int>(input.kind == 0 ? input.size : tensors[table].width);
        // A sequence is a bag to these layers: its order matters to recurrent ones alone.
        const InputKind kind = input.kind == 3 ? InputKind::bag : static_cast<InputKind>(input.kind);
        layer.columns.push_back({kind, number, table, at, width, input.kind == 2 && input.pooling == 1});
        at += width;
      }
    }
    if (info.kind == LayerKind::pairs) {
      const innerloop_tensor& factors = tensors[layer.columns[0].tensor];
      const Index k = factors.input < 0 ? factors.size / layer.columns[0].width : factors.width;
      info.work = static_cast<int>(slots.size());
      slots.push_back(2 * k);
      learns.push_back(0);
    }
    for (int t = 0; t < from.tensor_count; ++t) {
      if (from.tensors[t] < 0) continue;
      learns[from.out] = 1;
      if (++readers[from.tensors[t]] > 1) refuse("a parameter that two layers read");
    }
    for (int i = 0; i < from.in_count; ++i) learns[from.out] |= learns[from.in[i]];
    if (from.out == output && info.kind == LayerKind::linear) head = l;
    layers.push_back(std::move(layer));
  }
}

// ------------------------------------------------------------------------------------------------ parameters

template <class T>
Store<T>::Store(Model& m) : values(static_cast<std::size_t>(m.arena_size)) {
  model = &m;
  runtime().zero(values.data(), values.size() * sizeof(T));
  runtime().submit();
  for (const innerloop_tensor& t : m.tensors) {
    touched_at.push_back(touched_size);
    if (t.input >= 0) touched_size += t.size / t.width;
  }
}

template <class T>
void Store<T>::make_moments() {
  if (first.size() > 0) return;
  first = Array<T>(values.size()), second = Array<T>(values.size());
  touched = Array<Index>(static_cast<std::size_t>(touched_size));
  runtime().zero(first.data(), first.size() * sizeof(T));
  runtime().zero(second.data(), second.size() * sizeof(T));
  runtime().zero(touched.data(), touched.size() * sizeof(Index));
  runtime().submit();
  step = 0;
}

template <class T>
void Store<T>::write(const innerloop_state& state) {
  Runtime& device = runtime();
  if (state.values) device.upload(values.data(), state.values, values.size() * sizeof(T));
  if (!state.first_moment) {
    first = Array<T>();
    second = Array<T>();
    touched = Array<Index>();
  } else {
    make_moments();
    device.upload(first.data(), state.first_moment, first.size() * sizeof(T));
    device.upload(second.data(), state.second_moment, second.size() * sizeof(T));
    if (touched_size > 0) device.upload(touched.data(), state.touched, touched.size() * sizeof(Index));
  }
  step = state.step;
}

template <class T>
void Store<T>::read(innerloop_state& state) const {
  Runtime& device = runtime();
  if (state.values) device.download(state.values, values.data(), values.size() * sizeof(T));
  state.step = step;
  if (first.size() == 0) return;
  if (state.first_moment) device.download(state.first_moment, first.data(), first.size() * sizeof(T));
  if (state.second_moment) device.download(state.second_moment, second.data(), second.size() * sizeof(T));
  if (state.touched && touched_size > 0) device.download(state.touched, touched.data(), touched.size() * sizeof(Index));
}

// ------------------------------------------------------------------------------------------------ rows

template <class T>
Frame<T>::Frame(Model& m, const innerloop_column* columns) {
  model = &m;
  for (std::size_t i = 0; i < m.inputs.size(); ++i)
    dense.emplace_back(static_cast<const T*>(columns[i].data),
                       columns[i].data ? static_cast<std::size_t>(columns[i].rows * columns[i].width) : 0);
}

namespace {

// Counting sort of items by key: the items with key k are place[begin[k]] up to place[begin[k + 1]], in ascending
// order.
template <class Key>
void group(Index keys, Index items, const Key& key, std::vector<Index>& begin, std::vector<std::int32_t>& place) {
  begin.assign(static_cast<std::size_t>(keys) + 1, 0);
  place.resize(static_cast<std::size_t>(items));
  for (Index i = 0; i < items; ++i) ++begin[key(i) + 1];
  for (Index k = 0; k < keys; ++k) begin[k + 1] += begin[k];
  std::vector<Index> at(begin.begin(), begin.end() - 1);
  for (Index i = 0; i < items; ++i) place[at[key(i)]++] = static_cast<std::int32_t>(i);
}

template <class T>
void load_ids(const innerloop_batch_spec& spec, const innerloop_batch_input& from, typename Batch<T>::Input& in) {
  const Index rows = spec.begin[2 * spec.tasks], entries = from.entry_begin[rows];
  in.unique_count = from.unique_begin[spec.tasks];
  in.distinct = from.row_count;
  in.unique_begin_host.assign(from.unique_begin, from.unique_begin + spec.tasks + 1);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(entries)), unique_of(ids.size()), row_of(ids.size()),
      part_of(ids.size());
  for (Index t = 0; t < spec.tasks; ++t)
    for (Index r = spec.begin[2 * t]; r < spec.begin[2 * t + 2]; ++r)
      for (Index e = from.entry_begin[r]; e < from.entry_begin[r + 1]; ++e) {
        const Index u = from.unique_begin[t] + from.local[e];
        ids[e] = from.unique[u];
        unique_of[e] = static_cast<std::int32_t>(u);
        row_of[e] = static_cast<std::int32_t>(r);
        part_of[e] = r >= spec.begin[2 * t + 1];
      }
  std::vector<Index> begin;
  std::vector<std::int32_t> place;
  const auto to_rows = [&] {
    for (std::int32_t& p : place) p = row_of[p];
  };
  group(
      2 * in.unique_count, entries, [&](Index e) { return 2 * Index{unique_of[e]} + part_of[e]; }, begin, place);
  to_rows();
  in.inverse_begin = Array<Index>(begin), in.inverse = Array<std::int32_t>(place);
  group(
      in.distinct, entries, [&](Index e) { return Index{from.unique_batch[unique_of[e]]}; }, begin, place);
  to_rows();
  in.in_rows.begin = Array<Index>(begin), in.in_rows.place = Array<std::int32_t>(place);
  group(
      in.distinct, in.unique_count, [&](Index u) { return Index{from.unique_batch[u]}; }, begin, place);
  in.in_blocks.begin = Array<Index>(begin), in.in_blocks.place = Array<std::int32_t>(place);
  in.ids = Array<std::int32_t>(ids);
  in.local = Array<std::int32_t>(from.local, static_cast<std::size_t>(entries));
  in.entry_begin = Array<Index>(from.entry_begin, static_cast<std::size_t>(rows) + 1);
  in.unique_begin = Array<Index>(from.unique_begin, static_cast<std::size_t>(spec.tasks) + 1);
  in.unique = Array<std::int32_t>(from.unique, static_cast<std::size_t>(in.unique_count));
  in.rows = Array<std::int32_t>(from.rows, static_cast<std::size_t>(in.distinct));
}

}  // namespace

template <class T>
Batch<T>::Batch(Frame<T>& frame, const innerloop_batch_spec& spec)
    : tasks(spec.tasks),
      rows(spec.begin[2 * spec.tasks]),
      begin(spec.begin, spec.begin + 2 * spec.tasks + 1),
      inputs(static_cast<const Model&>(*frame.model).inputs.size()) {
  model = frame.model;
  std::vector<InputRows<T>> views(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Input& in = inputs[i];
    const innerloop_batch_input& from = spec.inputs[i];
    const Index width = of().inputs[i].size;
    if (from.own)
      in.own = Array<T>(static_cast<const T*>(from.own->data), static_cast<std::size_t>(from.own->rows * width));
    const T* const dense = from.own ? in.own.data() : frame.dense[i].data();
    if (of().inputs[i].kind == 0) {
      in.side = Array<std::int32_t>(from.side, static_cast<std::size_t>(rows));
      bool contiguous = rows > 0;
      for (Index r = 1; r < rows && contiguous; ++r) contiguous = from.side[r] == from.side[r - 1] + 1;
      if (contiguous) in.in_place = dense + from.side[0] * width;
    } else {
      load_ids<T>(spec, from, in);
    }
    views[i] = {dense,
                in.side.data(),
                in.entry_begin.data(),
                in.local.data(),
                in.ids.data(),
                in.unique_begin.data(),
                in.unique.data(),
                in.inverse_begin.data(),
                in.inverse.data()};
  }
  std::vector<Index> queries;
  for (Index t = 0; t < tasks; ++t) {
    queries.push_back(query_rows);
    query_rows += begin[2 * t + 2] - begin[2 * t + 1];
    most_support = std::max(most_support, begin[2 * t + 1] - begin[2 * t]);
    most_query = std::max(most_query, begin[2 * t + 2] - begin[2 * t + 1]);
  }
  query_at = Array<Index>(queries);
  begin_device = Array<Index>(begin);
  const std::size_t n = static_cast<std::size_t>(rows);
  if (spec.labels) labels = Array<T>(static_cast<const T*>(spec.labels), n);
  if (spec.row_weights) row_weights = Array<T>(static_cast<const T*>(spec.row_weights), n);
  if (spec.weights) weights = Array<double>(spec.weights, static_cast<std::size_t>(tasks));
  device_inputs = Array<InputRows<T>>(views);
  device = {tasks, rows, begin_device.data(), labels.data(), row_weights.data(), weights.data(), device_inputs.data()};
}

#define IL_INSTANTIATE(T)   \
  template struct Store<T>; \
  template struct Frame<T>; \
  template struct Batch<T>;
IL_INSTANTIATE(float)
IL_INSTANTIATE(double)

}  // namespace innerloop::device
