// The objects behind the handles of the interface.
#pragma once
#include <memory>

#include "../device/program.h"
#include "runtime.h"

struct innerloop_model {
  virtual ~innerloop_model() = default;
  int precision = 4;
};
struct innerloop_store {
  virtual ~innerloop_store() = default;
  innerloop_model* model = nullptr;
};
struct innerloop_frame {
  virtual ~innerloop_frame() = default;
  innerloop_model* model = nullptr;
};
struct innerloop_batch {
  virtual ~innerloop_batch() = default;
  innerloop_model* model = nullptr;
};

namespace innerloop::device {

struct ModelLayer {
  LayerInfo info;  // the plan fills in where its columns begin
  std::vector<ColumnInfo> columns;
};

struct Model : innerloop_model {
  explicit Model(const innerloop_model_spec& spec);
  std::vector<innerloop_input> inputs;
  std::vector<innerloop_tensor> tensors;
  std::vector<ModelLayer> layers;
  std::vector<Index> slots;          // widths
  std::vector<std::uint8_t> learns;  // by slot: whether it depends on a parameter
  LossKind loss{};
  int output = 0, outputs = 1;
  int head = -1;  // the layer that writes the outputs if it is linear, else -1
  Index dense_size = 0, arena_size = 0;
};

template <class T>
struct Store : innerloop_store {
  explicit Store(Model& m);
  const Model& of() const { return static_cast<const Model&>(*model); }
  void write(const innerloop_state& state);
  void read(innerloop_state& state) const;
  void make_moments();
  Array<T> values, first, second;
  Array<Index> touched;
  std::vector<Index> touched_at;  // by tensor: place of its first row in `touched`
  Index touched_size = 0, step = 0;
};

template <class T>
struct Frame : innerloop_frame {
  Frame(Model& m, const innerloop_column* columns);
  std::vector<Array<T>> dense;  // by input
};

// The places in which each distinct row of a table occurs in the batch: those of row u are place[begin[u]] up to
// place[begin[u + 1]].
struct Occurrences {
  Array<Index> begin;
  Array<std::int32_t> place;
};

template <class T>
struct Batch : innerloop_batch {
  Batch(Frame<T>& frame, const innerloop_batch_spec& spec);
  const Model& of() const { return static_cast<const Model&>(*model); }
  struct Input {
    Array<std::int32_t> side, local, ids, unique, inverse, rows;
    Array<T> own;  // dense values of the batch that replace the frame's column
    Array<Index> entry_begin, unique_begin, inverse_begin;
    Occurrences in_rows, in_blocks;  // of each distinct row: in batch rows, and in the task-local rows of all tasks
    Index distinct = 0, unique_count = 0;
    const T* in_place = nullptr;  // the dense rows, if they lie in memory in the order of the batch
    std::vector<Index> unique_begin_host;
  };
  Index tasks = 0, rows = 0;
  std::vector<Index> begin;
  std::vector<Input> inputs;
  Array<Index> begin_device, query_at;
  Array<T> labels, row_weights;
  Array<double> weights;
  Index query_rows = 0, most_support = 0, most_query = 0;
  Rows<T> device{};
  Array<InputRows<T>> device_inputs;
};

}  // namespace innerloop::device
