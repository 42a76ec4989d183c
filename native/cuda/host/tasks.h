// Prepares launches over tasks: the number of blocks, the memory of each, and their arguments.
#pragma once
#include "../device/inner_loop.h"
#include "../device/ridge.h"
#include "plan.h"

namespace innerloop::device {

struct Grid {
  Index blocks = 0;
  std::size_t shared = 0;  // bytes of shared memory of each block
  char* slab = nullptr;
  std::size_t slab_bytes = 0;  // bytes of the slab of each block
};

// The grid for `tasks` tasks of which each needs at most `bytes`. There are no more blocks than run at the same time,
// because each has accumulators that must be cleared and summed. So their number, and with it the order of sums,
// depends on the device.
inline Grid grid_of(Index tasks, std::size_t bytes, Scratch& scratch) {
  constexpr std::size_t kReserved = 1024, kSlabs = std::size_t{2} << 30;
  constexpr Index kMostBlocks = 8;  // blocks of a multiprocessor, which runs at most 2,048 lanes
  const std::size_t limit = (runtime().shared_limit() - 2 * kReserved) / 2 / 16 * 16;
  Grid grid;
  grid.shared = bytes < limit ? (bytes + 15) / 16 * 16 : limit;
  grid.slab_bytes = bytes <= grid.shared ? 0 : (bytes + 255) / 256 * 256;
  Index at_once = static_cast<Index>(runtime().shared_limit() / (grid.shared + kReserved));
  at_once = at_once < 1 ? 1 : at_once > kMostBlocks ? kMostBlocks : at_once;
  grid.blocks = at_once * runtime().processors();
  if (grid.slab_bytes > 0) {
    const Index affordable = static_cast<Index>(kSlabs / grid.slab_bytes);
    grid.blocks = affordable < 1 ? 1 : affordable < grid.blocks ? affordable : grid.blocks;
  }
  if (tasks < grid.blocks) grid.blocks = tasks;
  grid.slab = scratch.take<char>(static_cast<std::size_t>(grid.blocks) * grid.slab_bytes + 16);
  return grid;
}

// The most elements that the flat vectors of fast parameters have in any task.
template <class T>
Index most_fast(const Plan<T>& plan) {
  Index size = plan.program.fast_dense;
  for (const TensorInfo& info : plan.tensors) {
    if (!info.fast || info.input < 0) continue;
    const std::vector<Index>& begin = plan.batch.inputs[info.input].unique_begin_host;
    Index rows = 0;
    for (std::size_t t = 1; t < begin.size(); ++t)
      rows = begin[t] - begin[t - 1] > rows ? begin[t] - begin[t - 1] : rows;
    size += rows * info.width;
  }
  return size;
}

template <class T>
Grid grid_of(const Plan<T>& plan, const TaskCall<T>& call, Scratch& scratch) {
  Space measure{nullptr, 0, nullptr};
  const TaskMemory<T> memory(measure, call, {plan.batch.most_support, plan.batch.most_query, most_fast(plan)});
  static_cast<void>(memory);
  return grid_of(plan.batch.tasks, measure.slab_used, scratch);
}

template <class T>
Start<T> put_start(const Model& model, const innerloop_start& start, Index factor_width, Scratch& scratch) {
  const std::size_t n = model.tensors.size();
  std::vector<const T*> values(n, nullptr);
  std::vector<const std::int32_t*> rows(n, nullptr);
  std::vector<Index> counts(n, 0);
  const auto put = [&](const auto* from, Index size) {
    using X = std::remove_const_t<std::remove_pointer_t<decltype(from)>>;
    return scratch.put(std::vector<X>(from, from + size));
  };
  for (std::size_t t = 0; t < n; ++t) {
    if (!start.fast[t]) continue;
    const innerloop_tensor& tensor = model.tensors[t];
    if (tensor.input >= 0) {
      counts[t] = start.counts[t];
      rows[t] = put(start.rows[t], counts[t]);
    }
    values[t] = put(static_cast<const T*>(start.values[t]), tensor.input < 0 ? tensor.size : counts[t] * tensor.width);
  }
  const double* factor = start.factor && factor_width > 0 ? put(start.factor, factor_width * factor_width) : nullptr;
  return {scratch.put(values), scratch.put(rows), scratch.put(counts), factor};
}

// Copies starting parameters to the device. factor_width: d of their [d, d] factors; 0 if the factors are not needed.
template <class T>
Starts<T> put_starts(const Model& model, const innerloop_start* starts, Index count, Index factor_width,
                     Scratch& scratch) {
  std::vector<Start<T>> put;
  for (Index i = 0; i < count; ++i) put.push_back(put_start<T>(model, starts[i], factor_width, scratch));
  return {scratch.put(put), count};
}

// The arguments of a call with gradient steps, except the places of its results.
template <class T>
TaskCall<T> task_call(const Plan<T>& plan, const innerloop_loop& loop, Mode mode, bool reptile, int steps,
                      Scratch& scratch) {
  TaskCall<T> call{};
  call.program = plan.program;
  call.mode = mode;
  call.steps = steps;
  call.order = loop.order;
  call.reptile = reptile;
  call.rate_kind = static_cast<RateKind>(loop.rate_kind);
  call.update = static_cast<UpdateKind>(loop.update);
  call.proximal = static_cast<T>(loop.proximal);
  call.clip_norm = static_cast<T>(loop.clip_norm);
  call.beta1 = static_cast<T>(loop.beta1), call.beta2 = static_cast<T>(loop.beta2);
  call.epsilon = static_cast<T>(loop.epsilon);
  call.folded = is_folded(loop);
  const bool back = mode == Mode::gradient && !reptile;
  if (back && steps > 0 && loop.loss_weights)
    call.loss_weights = scratch.put(std::vector<double>(loop.loss_weights, loop.loss_weights + steps));
  call.implicit = loop.solver == 3;
  call.cg_steps = loop.cg_steps, call.cg_tolerance = loop.cg_tolerance;
  call.cg_damping = static_cast<T>(loop.cg_damping);
  call.keep = back && !call.implicit && (loop.order == 2 || call.loss_weights) && steps > 0;
  call.keep_gradients = back && !call.folded && !call.implicit && steps > 0;
  call.rate = static_cast<T>(loop.rate);
  call.shrinkage = static_cast<T>(loop.shrinkage);
  const std::size_t rates = plan.tensors.size() * static_cast<std::size_t>(steps);
  if (call.rate_kind == RateKind::per_tensor_step && steps > 0) {
    const T* from = static_cast<const T*>(loop.step_rates);
    call.step_rates = scratch.put(std::vector<T>(from, from + rates));
  }
  if (call.rate_kind == RateKind::per_parameter) call.rates = static_cast<const Store<T>*>(loop.rates)->values.data();
  call.gram_width = plan.gram_width;
  call.gram_learns = plan.gram_learns;
  call.gram_z = plan.gram_z;
  call.gram_adjoint = plan.gram_adjoint;
  call.query_at = plan.batch.query_at.data();
  return call;
}

template <class T>
void launch_tasks(TaskCall<T> call, const Grid& grid, Scratch& scratch) {
  call.slab = grid.slab, call.slab_bytes = grid.slab_bytes;
  runtime().launch<Tasks>(grid.blocks, grid.shared, Tasks::Arguments<T>{scratch.put(call)});
}

template <class T>
RidgeCall<T> ridge_call(const Plan<T>& plan, const innerloop_loop& loop, Mode mode) {
  RidgeCall<T> call{};
  const LayerInfo& head = plan.layers.back();
  call.program = plan.program;
  call.mode = mode;
  call.logistic = loop.solver == 2;
  call.features = head.in[0];
  call.weight = head.weight, call.bias = head.bias;
  call.prior = loop.prior, call.prior_factor = loop.prior_factor;
  call.query_at = plan.batch.query_at.data();
  call.shared_steps = 1;
  return call;
}

template <class T>
Grid ridge_grid(const Plan<T>& plan, const RidgeCall<T>& call, Scratch& scratch) {
  Space measure{nullptr, 0, nullptr};
  const Index d = plan.slots[call.features].width + 1;
  const RidgeMemory<T> memory(measure, plan.batch.most_support, plan.batch.most_query, d, call.prior_factor >= 0,
                              call.mode == Mode::gradient, call.logistic);
  static_cast<void>(memory);
  return grid_of(plan.batch.tasks, measure.slab_used, scratch);
}

template <class T>
void launch_ridge(RidgeCall<T> call, const Grid& grid, Scratch& scratch) {
  call.slab = grid.slab, call.slab_bytes = grid.slab_bytes;
  runtime().launch<Ridge>(grid.blocks, grid.shared, Ridge::Arguments<T>{scratch.put(call)});
}

}  // namespace innerloop::device
