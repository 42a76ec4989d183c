// The plan of a call: it divides the layers into those that run once over the rows of all tasks (the prefix) and those
// that every task runs for itself (the suffix), allocates their memory, and makes the launches before and after those
// of the tasks.
#pragma once
#include "../device/outer.h"
#include "../device/task.h"
#include "objects.h"

namespace innerloop::device {

// The properties of a call that its plan depends on.
struct Wanted {
  const std::uint8_t* fast;  // by tensor: whether it adapts; null: none does
  int steps = 0, order = 1;
  RateKind rate_kind = RateKind::scalar;
  bool plain = false;        // whether steps are θ − α g with a single α, and the last loss alone counts
  int form = 1;              // as in innerloop_loop; only plain gradient steps can use the Gram form
  bool gradient = false;     // whether the gradient with respect to all parameters is needed
  bool reptile = false;      // Reptile's direction, which is 0 for the parameters of the prefix
  bool solves_head = false;  // ridge: the suffix is the last layer, and no tensor adapts by gradient steps
  bool all_suffix = false;   // Hessian-vector product: all layers are in the suffix
  std::uint64_t dropout = 0;
  std::vector<int> own;  // tensors that no layer reads, such as ridge's prior, and that need accumulators
};

// Whether the last layer is solved for: ridge and laplace.
inline bool solves_head(const innerloop_loop& loop) { return loop.solver == 1 || loop.solver == 2; }
// Whether steps are θ − α g with a single α.
inline bool is_folded(const innerloop_loop& loop) {
  return loop.rate_kind == 0 && loop.update == 0 && loop.clip_norm == 0 && loop.proximal == 0;
}
// See Wanted::plain.
inline bool is_plain(const innerloop_loop& loop) { return is_folded(loop) && !loop.loss_weights; }

template <class T>
class Plan {
 public:
  Plan(const Store<T>& store, const Batch<T>& batch, Scratch& scratch, const Wanted& wanted);

  // Computes the values of the prefix slots, and the Gram layer's product with its shared weights.
  void forward();
  // Propagates the adjoints of the slots between prefix and suffix back through the prefix. Gradients go to `dense`
  // [dense_size] and to `blocks`, by tensor [distinct rows, width].
  void backward(T* dense, T* const* blocks);
  // Adds the sums over accumulators [parts, acc_size] (may be null) and over the tasks' table rows to those that
  // `reduce` will compute.
  void gather(const T* acc, Index parts, T* const* task_blocks, T* dense, T* const* blocks);
  // Adds the sum to[i] = Σ_p from[p · stride + i] over `parts`.
  void add_job(const T* from, Index stride, Index parts, Index size, T* to);
  // Launches all sums that were added, after the launches that compute their terms.
  void reduce();

  // Allocates device memory for the gradients of the suffix's tables; the vector, by tensor, is on the host.
  std::vector<T*> task_blocks() const;

  Program<T> program{};
  const Program<T>* device_program = nullptr;
  const Model& model;
  const Batch<T>& batch;
  Index gram_width = 0;
  bool gram_learns = false;
  T *gram_z = nullptr, *gram_adjoint = nullptr;

  std::vector<TensorInfo> tensors;
  std::vector<LayerInfo> layers;  // sorted: the layers of the prefix first
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
