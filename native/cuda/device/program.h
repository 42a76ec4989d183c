// A call as device code reads it: the layers of a model, the rows of a batch and where everything lies. Plain data
// with device pointers, made by host/plan.cc for every call.
#pragma once
#include "../block.h"

namespace innerloop::device {

enum class LayerKind : int {
  inputs = 0,
  linear = 1,
  activation = 2,
  dot = 3,
  product = 4,
  sum = 5,
  concat = 6,
  dropout = 10
};
enum class Activation : int { relu = 0, tanh = 1, sigmoid = 2, softplus = 3 };
enum class LossKind : int { mse = 0, bce = 1, softmax = 2, bpr = 3, listwise = 4 };
enum class InputKind : int { dense = 0, categorical = 1, bag = 2 };
enum class RateKind : int { scalar = 0, per_tensor_step = 1, per_parameter = 2 };

constexpr int kMostIn = 8;  // slots that one layer reads

struct LayerInfo {
  LayerKind kind;
  int out;
  int in[kMostIn];
  int in_count;
  int weight, bias;           // tensors, −1: none
  int columns, column_count;  // inputs
  Activation activation;
  double keep;           // dropout
  std::uint64_t number;  // dropout
};

// What an `inputs` layer concatenates.
struct ColumnInfo {
  InputKind kind;
  int input, tensor;
  int begin, width;
  int sums;  // of a bag's embeddings; else their mean
};

template <class T>
struct SlotInfo {
  int width;
  int learns;  // whether a parameter lies below
  int moves;   // whether a fast parameter does: a slot of the suffix, which every task computes for itself
  Index at;    // of a suffix slot: slot s of n rows lies at n · at in a pass's memory
  T *x, *dx;   // of a prefix slot: [rows of the batch, width], dx null where not wanted
};

struct TensorInfo {
  Index offset, size;  // in the parameter arena
  int width, input;    // of a table; input −1: dense
  int fast;
  int suffix;     // read by a layer of the suffix: a table's rows are then a task's own block
  Index fast_at;  // of a fast dense tensor in a task's flat vectors; tables follow the dense ones
  Index acc_at;   // in the accumulators of a block, −1: its gradient goes another way
};

// The ids of an input, or the rows of a dense one.
template <class T>
struct InputRows {
  const T* dense;             // [rows of the column, width]
  const std::int32_t* side;   // by batch row
  const Index* entry_begin;   // by batch row + 1
  const std::int32_t* local;  // of every id: the task-local row
  const std::int32_t* ids;    // and the table row
  const Index* unique_begin;  // by task + 1
  const std::int32_t* unique;
  // Batch rows that hold a task-local row u: of the support from inverse_begin[2u], of the query from [2u + 1].
  const Index* inverse_begin;
  const std::int32_t* inverse;
};

template <class T>
struct Rows {
  Index tasks, rows;
  const Index* begin;     // 2 tasks + 1
  const T* labels;        // [rows]
  const T* row_weights;   // [rows] or null
  const double* weights;  // [tasks] or null
  const InputRows<T>* inputs;
};

template <class T>
struct Program {
  const LayerInfo* layers;
  int layer_count;
  int suffix_begin;  // layers are sorted: the prefix, which sees no fast parameter, first
  const ColumnInfo* columns;
  const SlotInfo<T>* slots;
  int slot_count, output;
  Index suffix_width;  // elements of all suffix slots a row
  const TensorInfo* tensors;
  int tensor_count;
  Index fast_dense;     // elements of the fast dense tensors in the flat vectors
  Index acc_size;       // elements of a block's accumulators
  Index scratch_fixed;  // elements of scratch that layers need whatever the rows are,
  Index scratch_row;    // and those a row
  LossKind loss;
  int outputs;
  const T* values;  // the parameter arena
  Rows<T> rows;
  std::uint64_t dropout;
  int gram;     // layer in the Gram form, the first of the suffix; −1: none
  int largest;  // width of the widest gram input or output
};

// Where the gradients of tables go: by tensor, null where there is none.
template <class T>
struct Blocks {
  T* const* of;  // [tensors]: [distinct rows of all tasks, width]
};

}  // namespace innerloop::device
