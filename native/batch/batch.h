// A meta-batch: ragged rows of tasks over a frame of columns, and its index: per task, the distinct embedding rows it
// touches ("local" rows), so that a task works on small gathered blocks and its gradient is sparse rows.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "../kernels/kernels.h"
#include "../model/model.h"
#include "../runtime/aligned.h"

namespace innerloop {

struct DeviceFrame;
struct DeviceBatch;

// Input columns, each indexed by one side's row number (user, item, interaction …). Immutable.
template <class T>
struct Frame {
  struct Column {
    InputKind kind;
    int side;
    Index width;                        // dense
    Aligned<T> dense;                   // [rows, width]
    std::vector<std::int32_t> ids;      // categorical: one a row; bag: concatenated
    std::vector<std::int32_t> offsets;  // bag: rows + 1
  };
  std::shared_ptr<const Model<T>> model;        // whose vocabularies all ids were checked against
  std::vector<Index> side_rows;                 // number of rows of each side
  std::vector<Column> columns;                  // in the order of the model's inputs
  mutable std::shared_ptr<DeviceFrame> device;  // its counterpart (device/mirror.h)
};

template <class T>
struct BatchIndex;

template <class T>
struct Batch {
  std::shared_ptr<const Model<T>> model;
  std::shared_ptr<const Frame<T>> frame;
  std::vector<Index> begin;  // [2·tasks + 1]: the support of task t is the rows [begin[2t], begin[2t+1]), its query
                             // those up to begin[2t+2]
  std::vector<std::vector<std::int32_t>> sides;  // per side: that side's row of each batch row
  std::vector<std::pair<std::size_t, typename Frame<T>::Column>>
      overrides;                // columns that stand in place of the frame's, by input; few
  std::vector<T> labels;        // [rows, heads], or empty
  std::vector<T> row_weights;   // of the rows in their losses; empty = equal
  std::vector<double> weights;  // of the tasks in the meta-loss, summing to 1; empty = equal

  mutable std::shared_ptr<DeviceBatch> device;  // its counterpart (device/mirror.h)

  const typename Frame<T>::Column& column(std::size_t input) const {
    for (const auto& [i, column] : overrides)
      if (i == input) return column;
    return frame->columns[input];
  }
  Index tasks() const { return static_cast<Index>(begin.size() - 1) / 2; }
  Labels<T> labels_from(Index row) const {
    const Index heads = static_cast<Index>(model->spec.heads.size());
    return {.values = labels.data() + row * heads, .weights = row_weights.empty() ? nullptr : row_weights.data() + row};
  }

  // Gives the index, which the first call that needs it builds, off the JavaScript thread.
  const BatchIndex<T>& index(int threads) const;
  // Gives it with `rows` and `unique_batch`, which only gradients need.
  const BatchIndex<T>& index_with_rows(int threads) const;

 private:
  mutable std::once_flag once_, rows_once_;
  mutable std::unique_ptr<BatchIndex<T>> index_;

 public:
  Batch();
  ~Batch();
};

template <class T>
struct BatchIndex {
  struct Input {                             // one embedding input
    std::vector<Index> entry_begin;          // per batch row + 1: its ids in `local`
    std::vector<std::int32_t> local;         // task-local embedding row of each id
    std::vector<Index> unique_begin;         // per task + 1
    std::vector<std::int32_t> unique;        // table row of each task-local row
    std::vector<std::int32_t> unique_batch;  // its position in `rows`
    std::vector<std::int32_t> rows;          // distinct table rows of the batch, ascending
  };
  std::vector<Input> inputs;  // by input; dense inputs stay empty
};

// Finds the distinct rows of an input, and where among them those of its tasks are.
template <class T>
void index_rows(Index cardinality, typename BatchIndex<T>::Input& in);

// The ids of one input, row by row.
struct RowIds {
  const std::int32_t* ids;
  const Index* begin;           // by row, in an indexed batch; else null, and the other two hold:
  const std::int32_t* side;     // by row, the row of the input's side
  const std::int32_t* offsets;  // by row of the side; null: one id a row
  std::span<const std::int32_t> operator()(Index r) const {
    if (begin) return {ids + begin[r], static_cast<std::size_t>(begin[r + 1] - begin[r])};
    const std::int32_t row = side[r];
    if (!offsets) return {ids + row, 1};
    return {ids + offsets[row], static_cast<std::size_t>(offsets[row + 1] - offsets[row])};
  }
  // Calls f(first row, rows, their ids) for blocks of the first n rows of a categorical input, which have one id each.
  template <class F>
  void each_block(Index n, const F& f) const {
    if (begin) return f(Index{0}, n, ids + begin[0]);
    constexpr Index kBlock = 64;
    std::int32_t block[kBlock];
    for (Index r = 0; r < n; r += kBlock) {
      const Index count = std::min(kBlock, n - r);
      f(r, count, single(r, count, block));
    }
  }
  // Gives the ids of the rows [first, first + count) of a categorical input: where they lie, or in `block`.
  const std::int32_t* single(Index first, Index count, std::int32_t* block) const {
    if (begin) return ids + begin[first];
    for (Index i = 0; i < count; ++i) block[i] = ids[side[first + i]];
    return block;
  }
};

// The rows [first, first + n) of a batch as layers see them. Without an index, ids are rows of the whole table, which
// is enough where no embedding is adapted and none needs a gradient.
template <class T>
struct RowsView {
  const Batch<T>* batch;
  const BatchIndex<T>* index;
  Index first;

  const T* dense(std::size_t input, Index r) const {
    const auto& column = batch->column(input);
    return column.dense.data() + batch->sides[column.side][first + r] * column.width;
  }
  RowIds ids(std::size_t input) const {
    if (index)
      return {.ids = index->inputs[input].local.data(),
              .begin = index->inputs[input].entry_begin.data() + first,
              .side = nullptr,
              .offsets = nullptr};
    const auto& column = batch->column(input);
    return {.ids = column.ids.data(),
            .begin = nullptr,
            .side = batch->sides[column.side].data() + first,
            .offsets = column.kind == InputKind::categorical ? nullptr : column.offsets.data()};
  }
  std::span<const std::int32_t> ids(std::size_t input, Index r) const { return ids(input)(r); }
};

extern template struct Batch<float>;
extern template struct Batch<double>;

}  // namespace innerloop
