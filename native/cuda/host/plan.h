// Which layers run once over the rows of all tasks (the prefix) and which every task runs for itself (the suffix),
// where everything lies, and the launches before and after those of the tasks.
#pragma once
#include "../device/outer.h"
#include "../device/task.h"
#include "objects.h"

namespace innerloop::device {

// What a call asks of its plan.
struct Wanted {
  const std::uint8_t* fast;  // by tensor; null: none
  int steps = 0, order = 1;
  RateKind rate_kind = RateKind::scalar;
  int form = 1;              // as in innerloop_loop; only plain steps may be in the Gram form
  bool gradient = false;     // with respect to all parameters
  bool reptile = false;      // of whose direction the prefix has no part
  bool solves_head = false;  // ridge: the last layer is the suffix, and no tensor moves by steps
  bool all_suffix = false;   // a Hessian-vector product
  std::uint64_t dropout = 0;
  std::vector<int> own;  // tensors that no layer reads, whose gradient a block adds up
};

template <class T>
class Plan {
 public:
  Plan(const Store<T>& store, const Batch<T>& batch, Scratch& scratch, const Wanted& wanted);

  // x of the prefix slots, and of the Gram layer without its steps.
  void forward();
  // From the adjoints of the boundary slots; gradients go to `dense` [dense_size] and `blocks` by tensor.
  void backward(T* dense, T* const* blocks);
  // The sums over accumulators [parts, acc_size], where there are any, and over the tasks' table rows, for `reduce`.
  void gather(const T* acc, Index parts, T* const* task_blocks, T* dense, T* const* blocks);
  void add_job(const T* from, Index stride, Index parts, Index size, T* to);
  // The sums that backward and gather asked for, after everything that they are of.
  void reduce();

  // Device memory of the gradients of suffix tables, by tensor: host pointers.
  std::vector<T*> task_blocks() const;

  Program<T> program{};
  const Program<T>* device_program = nullptr;
  const Model& model;
  const Batch<T>& batch;
  Index gram_width = 0;
  bool gram_learns = false;
  T *gram_z = nullptr, *gram_adjoint = nullptr;

  std::vector<TensorInfo> tensors;
  std::vector<LayerInfo> layers;  // the prefix first
  std::vector<ColumnInfo> columns;
  std::vector<SlotInfo<T>> slots;

 private:
  bool gram_pays(const LayerInfo& layer, const Wanted& wanted) const;
  void place_tensors(const Wanted& wanted);
  void place_slots(const Wanted& wanted);
  bool is_in_place(const LayerInfo& layer) const;
  void linear_gradient(const LayerInfo& layer, const T* dz, bool add, T* dense);
  void sum_columns(const T* from, Index width, T* to);

  const Store<T>& store_;
  Scratch& scratch_;
  std::vector<ReduceJob<T>> jobs_;
  std::vector<TableCall<T>> tables_;
  Index job_blocks_ = 0;
};

}  // namespace innerloop::device
