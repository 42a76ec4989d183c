// Launches over the rows of the whole batch instead of tasks, and the sums over the results of tasks and blocks.
#pragma once
#include "layers.h"

namespace innerloop::device {

// ------------------------------------------------------------------------------------------------ layers of the prefix

constexpr Index kRowsOfBlock = 32;

// Layers [begin, end) of the prefix over all rows; linear layers are not among them, as they run as tall products.
template <class T>
struct RowsCall {
  const Program<T>* program;
  int begin, end;
  int back;
};

struct PrefixRows {
  template <class T>
  IL_DEVICE static void run(const Block& block, const RowsCall<T>& c) {
    const Program<T>& program = *c.program;
    Pass<T> p{};
    p.program = &program;
    p.first = block.index * kRowsOfBlock;
    p.n = program.rows.rows - p.first < kRowsOfBlock ? program.rows.rows - p.first : kRowsOfBlock;
    p.boundary = Boundary::set;
    if (!c.back) {
      for (int l = c.begin; l < c.end; ++l) forward(block, p, program.layers[l]);
      return;
    }
    // Gradients of tables and biases are sums over all rows, which other launches compute.
    for (int l = c.end; l-- > c.begin;) {
      const LayerInfo& layer = program.layers[l];
      if (layer.kind != LayerKind::inputs && program.slots[layer.out].learns) backward(block, p, layer);
    }
  }
};

// Losses of the query rows of tasks whose outputs are computed in the prefix, with the adjoints of the outputs; in
// predictions, only the outputs.
template <class T>
struct OutputsCall {
  const Program<T>* program;
  double* task_losses;  // null in predictions
  double* terms;        // [rows]
  T* outputs;
  const Index* query_at;
  double weight;  // of the losses
};

struct PrefixOutputs {
  template <class T>
  IL_DEVICE static void run(const Block& block, const OutputsCall<T>& c) {
    const Program<T>& program = *c.program;
    const Rows<T>& rows = program.rows;
    const SlotInfo<T>& slot = program.slots[program.output];
    double* count = reinterpret_cast<double*>(block.shared);
    for (Index task = block.index; task < rows.tasks; task += block.count) {
      const Index first = rows.begin[2 * task], from = rows.begin[2 * task + 1], Q = rows.begin[2 * task + 2] - from;
      const T* o = slot.x + from * slot.width;
      if (!c.task_losses) {
        T* to = c.outputs + c.query_at[task] * slot.width;
        block.each(Q * slot.width, [&](Index i) { to[i] = o[i]; });
        continue;
      }
      Labelled<T> labels{program.loss,
                         Q,
                         program.outputs,
                         rows.labels + from,
                         rows.row_weights ? rows.row_weights + from : nullptr,
                         0};
      block.once([&] { *count = counted(labels); });
      labels.count = *count;
      loss_value(block, labels, o, c.terms + from, c.task_losses + task);
      block.once([&] { c.task_losses[task] *= c.weight; });
      if (!slot.dx) continue;  // no adjoints are needed for Reptile's direction
      T* d = slot.dx + first * slot.width;
      block.each((from - first) * slot.width, [&](Index i) { d[i] = 0; });
      const T weight =
          static_cast<T>(c.weight * (rows.weights ? rows.weights[task] : 1.0 / static_cast<double>(rows.tasks)));
      loss_backward(block, labels, o, weight, slot.dx + from * slot.width);
    }
  }
};

// ------------------------------------------------------------------------------------------------ sums

// to[i] = Σ_p from[p · stride + i], summed in order.
template <class T>
struct ReduceJob {
  const T* from;
  Index stride, parts, size;
  T* to;
  Index first_block;  // number of its first block in the launch
};
template <class T>
struct ReduceCall {
  const ReduceJob<T>* jobs;
  int count;
};

constexpr Index kElementsOfBlock = 2 * kLanes;

template <class Job>
IL_DEVICE const Job& job_of(const Job* jobs, int count, Index block) {
  int at = 0;
  while (at + 1 < count && jobs[at + 1].first_block <= block) ++at;
  return jobs[at];
}

struct Reduce {
  template <class T>
  IL_DEVICE static void run(const Block& block, const ReduceCall<T>& c) {
    const ReduceJob<T>& job = job_of(c.jobs, c.count, block.index);
    const Index begin = (block.index - job.first_block) * kElementsOfBlock;
    const Index n = job.size - begin < kElementsOfBlock ? job.size - begin : kElementsOfBlock;
    block.each(n, [&](Index i) {
      T sum = 0;
      for (Index p = 0; p < job.parts; ++p) sum += job.from[p * job.stride + begin + i];
      job.to[begin + i] = sum;
    });
  }
};

// Column sums of a matrix [rows, width], in parts of kRowsOfPart rows.
constexpr Index kRowsOfPart = 256;

template <class T>
struct ColumnsCall {
  const T* from;
  Index rows, width;
  T* to;  // [parts, width]
};

struct ColumnSums {
  template <class T>
  IL_DEVICE static void run(const Block& block, const ColumnsCall<T>& c) {
    const Index begin = block.index * kRowsOfPart, end = begin + kRowsOfPart < c.rows ? begin + kRowsOfPart : c.rows;
    block.each(c.width, [&](Index j) {
      T sum = 0;
      for (Index r = begin; r < end; ++r) sum += c.from[r * c.width + j];
      c.to[block.index * c.width + j] = sum;
    });
  }
};

// Gradients of table rows: each is the sum over the places in which the row occurs, in order.
template <class T>
struct TableCall {
  const Index* begin;         // [distinct rows + 1]: where the occurrences of each row begin
  const std::int32_t* place;  // occurrences: rows of `from`
  Index rows, width;
  const T* from;
  Index stride, offset;      // elements of a row of `from`, and the first column of this table in it
  const Index* entry_begin;  // of bags: where the ids of each batch row begin, for the weights of a mean
  int mean;                  // whether the embeddings of a bag are averaged
  T* to;                     // [rows, width]
};

struct TableSums {
  template <class T>
  IL_DEVICE static void run(const Block& block, const TableCall<T>& c) {
    const Index first = block.index * kElementsOfBlock, size = c.rows * c.width;
    const Index n = size - first < kElementsOfBlock ? size - first : kElementsOfBlock;
    block.each(n, [&](Index i) {
      const Index u = (first + i) / c.width, j = (first + i) % c.width;
      T sum = 0;
      for (Index e = c.begin[u]; e < c.begin[u + 1]; ++e) {
        const Index r = c.place[e];
        const T weight = c.mean ? T(1) / static_cast<T>(c.entry_begin[r + 1] - c.entry_begin[r]) : T(1);
        sum += weight * c.from[r * c.stride + c.offset + j];
      }
      c.to[first + i] = sum;
    });
  }
};

}  // namespace innerloop::device
