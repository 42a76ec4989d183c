// A call as device code reads it: the layers of the model, the rows of the batch, and the places of all arrays. It is
// plain data with device pointers, which host/plan.cc makes for every call.
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
  terms = 7,
  pairs = 8,
  dropout = 10
};
enum class Activation : int { relu = 0, tanh = 1, sigmoid = 2, softplus = 3 };
enum class LossKind : int { mse = 0, bce = 1, softmax = 2, bpr = 3, listwise = 4 };
enum class InputKind : int { dense = 0, categorical = 1, bag = 2 };
enum class RateKind : int { scalar = 0, per_tensor_step = 1, per_parameter = 2 };
enum class UpdateKind : int { sgd = 0, momentum = 1, adam = 2 };

constexpr int kMostIn = 8;  // the most slots that one layer may read

struct LayerInfo {
  LayerKind kind;
  int out;
  int in[kMostIn];
  int in_count;
  int weight, bias;           // numbers of tensors, −1 for none
  int columns, column_count;  // of an inputs layer and of a factorization: its first column, and how many it has
  int work;                   // of `pairs`: the slot that keeps sums over features; −1 of others
  Activation activation;
  double keep;           // of a dropout layer: the probability that a value is kept
  std::uint64_t number;  // of a dropout layer: its number, which its masks depend on
};

// One of the columns that an `inputs` layer concatenates, or whose features a factorization sums. A dense column has a
// tensor in a factorization alone: a row of factors for each of its values.
struct ColumnInfo {
  InputKind kind;
  int input, tensor;
  int begin, width;
  int sums;  // of a bag: 1 if its embeddings are summed, 0 if they are averaged
};

template <class T>
struct SlotInfo {
  int width;
  int learns;  // whether its values depend on a parameter
  int moves;  // whether they depend on a fast parameter: then it is in the suffix, which every task computes for itself
  Index at;   // of a suffix slot: in a pass over n rows it begins at element n · at of the pass's memory
  T *x, *dx;  // of a prefix slot: [rows of the batch, width]; dx is null if it is not needed
};

struct TensorInfo {
  Index offset, size;  // in the parameter arena
  int width, input;    // of a table: its width and input; input is −1 for a dense tensor
  int fast;            // whether it adapts
  int suffix;  // whether a layer of the suffix reads it: then each task has a block of the gradients of its table rows
  Index fast_at;  // of a fast dense tensor: its place in a task's flat vectors, in which tables follow the dense ones
  Index acc_at;   // its place in the accumulators of a block; −1 if its gradient is computed elsewhere
};

// The ids of a categorical or bag input, or the rows of a dense one.
template <class T>
struct InputRows {
  const T* dense;              // [rows of the column, width]
  const std::int32_t* side;    // by batch row: the row of the dense column
  const Index* entry_begin;    // [batch rows + 1]: where the ids of each batch row begin
  const std::int32_t* local;   // by id: its row among the distinct table rows of its task
  const std::int32_t* ids;     // by id: its table row
  const Index* unique_begin;   // [tasks + 1]: where the distinct table rows of each task begin
  const std::int32_t* unique;  // the distinct table rows of all tasks
  // The batch rows that hold the distinct row u of a task: the support rows begin at inverse_begin[2u], the query rows
  // at inverse_begin[2u + 1].
  const Index* inverse_begin;
  const std::int32_t* inverse;
};

template <class T>
struct Rows {
  Index tasks, rows;
  const Index* begin;     // [2 tasks + 1]: first support row and first query row of each task
  const T* labels;        // [rows]
  const T* row_weights;   // [rows] or null
  const double* weights;  // [tasks] or null
  const InputRows<T>* inputs;
};

template <class T>
struct Program {
  const LayerInfo* layers;
  int layer_count;
  int suffix_begin;  // the first layer of the suffix; those before it depend on no fast parameter
  const ColumnInfo* columns;
  const SlotInfo<T>* slots;
  int slot_count, output;
  Index suffix_width;  // the sum of the widths of all suffix slots
  const TensorInfo* tensors;
  int tensor_count;
  Index fast_dense;     // elements of the fast dense tensors in the flat vectors
  Index acc_size;       // elements of a block's accumulators
  Index scratch_fixed;  // elements of scratch that layers need, whatever the number of rows
  LossKind loss;
  int outputs;
  const T* values;  // the parameter arena
  Rows<T> rows;
  std::uint64_t dropout;
  int gram;  // the layer in the Gram form, which is the first of the suffix; −1 if there is none
};

}  // namespace innerloop::device
