#include "plan.h"

#include <algorithm>

#include "../device/tall.h"

namespace innerloop::device {

template <class T>
Plan<T>::Plan(const Store<T>& store, const Batch<T>& batch, Scratch& scratch, const Wanted& wanted)
    : model(store.of()), batch(batch), store_(store), scratch_(scratch) {
  std::vector<std::uint8_t> moves(model.slots.size(), 0);
  const auto is_fast = [&](int t) { return t >= 0 && wanted.fast && wanted.fast[t] != 0; };
  for (const ModelLayer& layer : model.layers) {
    const LayerInfo& info = layer.info;
    std::uint8_t& out = moves[info.out];
    out = wanted.all_suffix || is_fast(info.weight) || is_fast(info.bias);
    for (int i = 0; i < info.in_count; ++i) out |= moves[info.in[i]];
    for (const ColumnInfo& column : layer.columns) out |= is_fast(column.tensor);
    // A factorization has no part in the prefix: the gradients of its tables are sums over the rows of a task.
    out |= info.kind == LayerKind::terms || info.kind == LayerKind::pairs;
    if (info.work >= 0) moves[info.work] = 1;
  }
  for (const int pass : {0, 1}) {
    if (pass == 1) program.suffix_begin = static_cast<int>(layers.size());
    for (const ModelLayer& layer : model.layers) {
      if (moves[layer.info.out] != pass) continue;
      layers.push_back(layer.info);
      layers.back().columns = static_cast<int>(columns.size());
      layers.back().column_count = static_cast<int>(layer.columns.size());
      columns.insert(columns.end(), layer.columns.begin(), layer.columns.end());
    }
  }
  slots.resize(model.slots.size());
  for (std::size_t s = 0; s < slots.size(); ++s)
    slots[s] = {static_cast<int>(model.slots[s]), model.learns[s], moves[s], 0, nullptr, nullptr};
  program.gram = -1;
  if (program.suffix_begin < static_cast<int>(layers.size())) {
    const LayerInfo& first = layers[program.suffix_begin];
    if (first.kind == LayerKind::linear && !moves[first.in[0]] && gram_pays(first, wanted)) {
      program.gram = program.suffix_begin;
      gram_width = slots[first.out].width;
      gram_learns = slots[first.in[0]].learns != 0 && wanted.gradient && !wanted.reptile;
    }
  }
  place_tensors(wanted);
  place_slots(wanted);

  program.layer_count = static_cast<int>(layers.size());
  program.slot_count = static_cast<int>(slots.size());
  program.tensor_count = static_cast<int>(tensors.size());
  program.output = model.output;
  program.loss = model.loss;
  program.outputs = model.outputs;
  program.values = store.values.data();
  program.rows = batch.device;
  program.dropout = wanted.dropout;
  program.layers = scratch.put(layers);
  program.columns = scratch.put(columns);
  program.slots = scratch.put(slots);
  program.tensors = scratch.put(tensors);
  device_program = scratch.put(program);
}

// Whether the Gram form takes fewer multiplications than the direct form on an average task, counted as in
// native/task/gram.cc.
template <class T>
bool Plan<T>::gram_pays(const LayerInfo& layer, const Wanted& wanted) const {
  if (wanted.steps == 0 || !wanted.plain || wanted.solves_head || wanted.all_suffix || !wanted.fast[layer.weight] ||
      !wanted.fast[layer.bias] || wanted.form == 1)
    return false;
  if (wanted.form == 2) return true;
  double support = 0;
  for (Index t = 0; t < batch.tasks; ++t) support += static_cast<double>(batch.begin[2 * t + 1] - batch.begin[2 * t]);
  const double S = support / static_cast<double>(batch.tasks),
               Q = static_cast<double>(batch.query_rows) / static_cast<double>(batch.tasks);
  const double D = slots[layer.in[0]].width, H = slots[layer.out].width, K = wanted.steps;
  const bool second = wanted.order == 2, adjoint = slots[layer.in[0]].learns != 0;
  const double direct = K * S * D * H * (second ? (adjoint ? 6 : 4) : 2) + Q * D * H * (adjoint ? 3 : 2) + K * D * H;
  const double gram = S * D * H * (second ? (adjoint ? 3 : 2) : 1) + Q * D * H * (adjoint ? 3 : 2) +
                      ((K > 1 ? S : 0) + Q) * S * D * (adjoint && second ? 2 : 1) +
                      K * S * S * H * (second ? (adjoint ? 4 : 2) : 1);
  return gram < direct;
}

template <class T>
void Plan<T>::place_tensors(const Wanted& wanted) {
  std::vector<std::uint8_t> suffix(model.tensors.size(), 0);
  for (std::size_t l = static_cast<std::size_t>(program.suffix_begin); l < layers.size(); ++l) {
    if (layers[l].weight >= 0) suffix[layers[l].weight] = 1;
    if (layers[l].bias >= 0) suffix[layers[l].bias] = 1;
    for (int c = 0; c < layers[l].column_count; ++c)
      if (const int t = columns[layers[l].columns + c].tensor; t >= 0) suffix[t] = 1;
  }
  for (const int t : wanted.own) suffix[t] = 1;
  for (std::size_t t = 0; t < model.tensors.size(); ++t) {
    const innerloop_tensor& from = model.tensors[t];
    TensorInfo info{from.offset, from.size, static_cast<int>(from.width), from.input, 0, suffix[t], -1, -1};
    const bool in_gram = program.gram >= 0 && (layers[program.gram].weight == static_cast<int>(t) ||
                                               layers[program.gram].bias == static_cast<int>(t));
    info.fast = !in_gram && !wanted.solves_head && (wanted.all_suffix || (wanted.fast && wanted.fast[t] != 0));
    // A table that no layer of the suffix reads does not adapt, so its rows need no place in a task's vectors.
    if (info.fast && info.input >= 0 && !suffix[t]) info.fast = 0;
    if (info.input < 0) {
      if (info.fast) info.fast_at = program.fast_dense, program.fast_dense += (info.size + 3) / 4 * 4;
      if ((info.fast || info.suffix) && !in_gram) info.acc_at = program.acc_size, program.acc_size += info.size;
    }
    tensors.push_back(info);
  }
}

template <class T>
bool Plan<T>::is_in_place(const LayerInfo& layer) const {
  return layer.kind == LayerKind::inputs && layer.column_count == 1 &&
         columns[layer.columns].kind == InputKind::dense && batch.inputs[columns[layer.columns].input].in_place;
}

template <class T>
void Plan<T>::place_slots(const Wanted& wanted) {
  for (int l = 0; l < static_cast<int>(layers.size()); ++l) {
    SlotInfo<T>& slot = slots[layers[l].out];
    if (layers[l].work >= 0) {
      SlotInfo<T>& work = slots[layers[l].work];
      work.at = program.suffix_width;
      program.suffix_width += work.width;
    }
    if (slot.moves) {
      slot.at = program.suffix_width;
      program.suffix_width += slot.width;
      const Index I = layers[l].in_count > 0 ? slots[layers[l].in[0]].width : 0;
      if (layers[l].kind == LayerKind::linear)
        program.scratch_fixed = std::max<Index>(program.scratch_fixed, (I + 1) * slot.width);
      continue;
    }
    const std::size_t size = static_cast<std::size_t>(batch.rows * slot.width);
    // Dense rows that lie in the order of the batch are used where they are; they are never written.
    slot.x = is_in_place(layers[l]) ? const_cast<T*>(batch.inputs[columns[layers[l].columns].input].in_place)
                                    : scratch_.template take<T>(size);
    if (wanted.gradient && !wanted.reptile && (slot.learns || layers[l].out == model.output))
      slot.dx = scratch_.template take<T>(size);
  }
  if (program.gram < 0) return;
  const std::size_t size = static_cast<std::size_t>(batch.rows * gram_width);
  gram_z = scratch_.template take<T>(size);
  if (wanted.gradient) gram_adjoint = scratch_.template take<T>(size);
}

// ------------------------------------------------------------------------------------------------ over all rows

template <class T>
static void multiply(TallCall<T> call, int parts = 1) {
  call.parts = parts;
  runtime().launch<Tall>(tiles(call.M) * tiles(call.N) * parts, kTallShared(sizeof(T)), call);
}

template <class T>
void Plan<T>::forward() {
  const Index rows = batch.rows, blocks = (rows + kRowsOfBlock - 1) / kRowsOfBlock;
  const auto product = [&](const LayerInfo& layer, T* z) {
    const SlotInfo<T>& in = slots[layer.in[0]];
    const Index I = in.width, O = slots[layer.out].width;
    multiply<T>({in.x, I, 1, program.values + tensors[layer.weight].offset, O, 1, rows, O, I,
                 program.values + tensors[layer.bias].offset, 0, z, 1});
  };
  int begin = 0;
  const auto flush = [&](int end) {
    if (end > begin) runtime().launch<PrefixRows>(blocks, 0, RowsCall<T>{device_program, begin, end, 0});
    begin = end + 1;
  };
  for (int l = 0; l < program.suffix_begin; ++l) {
    const LayerInfo& layer = layers[l];
    if (layer.kind != LayerKind::linear && !is_in_place(layer)) continue;
    flush(l);
    if (layer.kind == LayerKind::linear) product(layer, slots[layer.out].x);
  }
  flush(program.suffix_begin);
  if (program.gram >= 0) product(layers[program.gram], gram_z);
}

template <class T>
void Plan<T>::add_job(const T* from, Index stride, Index parts, Index size, T* to) {
  jobs_.push_back({from, stride, parts, size, to, job_blocks_});
  job_blocks_ += (size + kElementsOfBlock - 1) / kElementsOfBlock;
}

template <class T>
void Plan<T>::sum_columns(const T* from, Index width, T* to) {
  const Index parts = (batch.rows + kRowsOfPart - 1) / kRowsOfPart;
  if (parts == 0) return;
  T* sums = scratch_.template take<T>(static_cast<std::size_t>(parts * width));
  runtime().launch<ColumnSums>(parts, 0, ColumnsCall<T>{from, batch.rows, width, sums});
  add_job(sums, width, parts, width, to);
}

// dW = xᵀ dz, db = Σ dz, dx (+)= dz Wᵀ over the rows of all tasks.
template <class T>
void Plan<T>::linear_gradient(const LayerInfo& layer, const T* dz, bool add, T* dense) {
  const SlotInfo<T>& in = slots[layer.in[0]];
  const Index I = in.width, O = slots[layer.out].width, rows = batch.rows;
  if (in.dx)
    multiply<T>({dz, O, 1, program.values + tensors[layer.weight].offset, 1, O, rows, I, O, nullptr, add, in.dx, 1});
  // There are enough parts to occupy the device, but each sums at least 512 rows to be worth a matrix of its own.
  const int parts = static_cast<int>(std::clamp<Index>(rows / 512, 1, 128));
  T* partial = scratch_.template take<T>(static_cast<std::size_t>(parts * I * O));
  multiply<T>({in.x, 1, I, dz, O, 1, I, O, rows, nullptr, 0, partial, 1}, parts);
  add_job(partial, I * O, parts, I * O, dense + tensors[layer.weight].offset);
  sum_columns(dz, O, dense + tensors[layer.bias].offset);
}

template <class T>
void Plan<T>::backward(T* dense, T* const* blocks) {
  const Index rows = batch.rows, row_blocks = (rows + kRowsOfBlock - 1) / kRowsOfBlock;
  if (program.gram >= 0) linear_gradient(layers[program.gram], gram_adjoint, true, dense);
  for (int l = program.suffix_begin; l-- > 0;) {
    const LayerInfo& layer = layers[l];
    const SlotInfo<T>& out = slots[layer.out];
    if (!out.learns || !out.dx) continue;
    if (layer.kind == LayerKind::linear) {
      linear_gradient(layer, out.dx, false, dense);
      continue;
    }
    if (layer.kind == LayerKind::inputs) {
      for (int c = layer.columns; c < layer.columns + layer.column_count; ++c) {
        const ColumnInfo& column = columns[c];
        if (column.tensor < 0) continue;
        const typename Batch<T>::Input& in = batch.inputs[column.input];
        const bool mean = column.kind == InputKind::bag && !column.sums;
        tables_.push_back({in.in_rows.begin.data(), in.in_rows.place.data(), in.distinct, column.width, out.dx,
                           out.width, column.begin, in.entry_begin.data(), mean, blocks[column.tensor]});
      }
      continue;
    }
    if (layer.kind == LayerKind::sum && layer.bias >= 0)
      sum_columns(out.dx, out.width, dense + tensors[layer.bias].offset);
    runtime().launch<PrefixRows>(row_blocks, 0, RowsCall<T>{device_program, l, l + 1, 1});
  }
}

template <class T>
std::vector<T*> Plan<T>::task_blocks() const {
  std::vector<T*> result(tensors.size(), nullptr);
  for (std::size_t t = 0; t < tensors.size(); ++t)
    if (tensors[t].input >= 0 && tensors[t].suffix)
      result[t] = scratch_.template take<T>(
          static_cast<std::size_t>(batch.inputs[tensors[t].input].unique_count * tensors[t].width));
  return result;
}

template <class T>
void Plan<T>::gather(const T* acc, Index parts, T* const* task_blocks, T* dense, T* const* blocks) {
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const TensorInfo& info = tensors[t];
    if (acc && info.acc_at >= 0) add_job(acc + info.acc_at, program.acc_size, parts, info.size, dense + info.offset);
    if (info.input < 0 || !task_blocks[t]) continue;
    const typename Batch<T>::Input& in = batch.inputs[info.input];
    tables_.push_back({in.in_blocks.begin.data(), in.in_blocks.place.data(), in.distinct, info.width, task_blocks[t],
                       info.width, 0, nullptr, 0, blocks[t]});
  }
}

template <class T>
void Plan<T>::reduce() {
  for (const TableCall<T>& call : tables_)
    runtime().launch<TableSums>((call.rows * call.width + kElementsOfBlock - 1) / kElementsOfBlock, 0, call);
  if (jobs_.empty()) return;
  runtime().launch<Reduce>(job_blocks_, 0, ReduceCall<T>{scratch_.put(jobs_), static_cast<int>(jobs_.size())});
}

template class Plan<float>;
template class Plan<double>;

}  // namespace innerloop::device
