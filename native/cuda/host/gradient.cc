#include "gradient.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

namespace innerloop::device {
namespace {

template <class T>
Wanted wanted_of(const Model& model, const innerloop_loop& loop, bool reptile) {
  Wanted wanted{};
  wanted.steps = loop.steps, wanted.order = reptile ? 1 : loop.order;
  wanted.fast = loop.steps > 0 ? loop.fast : nullptr;
  wanted.rate_kind = static_cast<RateKind>(loop.rate_kind);
  wanted.plain = is_plain(loop);
  wanted.form = loop.form;
  wanted.gradient = true;
  wanted.reptile = reptile;
  wanted.dropout = loop.dropout;
  wanted.solves_head = solves_head(loop);
  if (wanted.solves_head) {
    wanted.own.push_back(loop.prior);
    if (loop.prior_factor >= 0) wanted.own.push_back(loop.prior_factor);
  }
  static_cast<void>(model);
  return wanted;
}

}  // namespace

template <class T>
GradientCall<T>::GradientCall(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop, int direction,
                              Scratch& scratch)
    : model_(store.of()),
      batch_(batch),
      loop_(loop),
      reptile_(direction == 1),
      scratch_(scratch),
      plan_(store, batch, scratch, wanted_of<T>(store.of(), loop, direction == 1)),
      task_losses_(scratch.take<double>(static_cast<std::size_t>(batch.tasks))),
      verdict_(scratch.take<Verdict>(1)) {}

template <class T>
DeviceGradient<T> GradientCall<T>::make_gradient() const {
  DeviceGradient<T> made;
  const std::size_t dense = static_cast<std::size_t>(model_.dense_size);
  made.dense = scratch_.zeroed<T>(dense);
  for (const TensorInfo& info : plan_.tensors)
    made.blocks.push_back(
        info.input < 0 ? nullptr
                       : scratch_.zeroed<T>(static_cast<std::size_t>(batch_.inputs[info.input].distinct * info.width)));
  return made;
}

template <class T>
void GradientCall<T>::run() {
  gradient = make_gradient();
  plan_.forward();
  if (plan_.program.suffix_begin == plan_.program.layer_count)
    run_prefix_alone();
  else if (solves_head(loop_))
    run_ridge();
  else
    run_tasks();
  plan_.backward(gradient.dense, gradient.blocks.data());
  plan_.reduce();
}

// Without fast parameters the loss is that of the query rows of all tasks under the shared parameters, after every
// step.
template <class T>
void GradientCall<T>::run_prefix_alone() {
  double* terms = scratch_.take<double>(static_cast<std::size_t>(batch_.rows));
  const double weight =
      loop_.loss_weights ? std::accumulate(loop_.loss_weights, loop_.loss_weights + loop_.steps, 0.0) : 1;
  runtime().launch<PrefixOutputs>(batch_.tasks, 64,
                                  OutputsCall<T>{plan_.device_program, task_losses_, terms, nullptr, nullptr, weight});
}

template <class T>
void GradientCall<T>::run_tasks() {
  TaskCall<T> call = task_call(plan_, loop_, Mode::gradient, reptile_, loop_.steps, scratch_);
  const Grid grid = grid_of(plan_, call, scratch_);
  const std::size_t blocks = static_cast<std::size_t>(grid.blocks),
                    acc = static_cast<std::size_t>(plan_.program.acc_size);
  const std::vector<T*> task_blocks = plan_.task_blocks();
  call.task_losses = task_losses_;
  call.acc = scratch_.take<T>(blocks * acc);
  call.blocks = scratch_.put(task_blocks);
  plan_.gather(call.acc, grid.blocks, task_blocks.data(), gradient.dense, gradient.blocks.data());
  if (call.rate_kind == RateKind::per_parameter && !reptile_) {
    rate_gradient = make_gradient();
    const std::vector<T*> rate_blocks = plan_.task_blocks();
    call.rate_acc = scratch_.take<T>(blocks * acc);
    call.rate_blocks = scratch_.put(rate_blocks);
    plan_.gather(call.rate_acc, grid.blocks, rate_blocks.data(), rate_gradient.dense, rate_gradient.blocks.data());
  }
  if (call.rate_kind == RateKind::per_tensor_step && !reptile_) {
    const std::size_t size = plan_.tensors.size() * static_cast<std::size_t>(loop_.steps);
    step_rates_ = scratch_.take<T>(size);
    call.step_rate_acc = scratch_.take<T>(blocks * size);
    plan_.add_job(call.step_rate_acc, static_cast<Index>(size), grid.blocks, static_cast<Index>(size), step_rates_);
  }
  launch_tasks(call, grid, scratch_);
}

template <class T>
void GradientCall<T>::run_ridge() {
  RidgeCall<T> call = ridge_call(plan_, loop_, Mode::gradient);
  const Grid grid = ridge_grid(plan_, call, scratch_);
  const std::vector<T*> none(plan_.tensors.size(), nullptr);
  call.task_losses = task_losses_;
  call.failed = failed_ = scratch_.zeroed<int>(static_cast<std::size_t>(batch_.tasks));
  call.acc = scratch_.take<T>(static_cast<std::size_t>(grid.blocks * plan_.program.acc_size));
  plan_.gather(call.acc, grid.blocks, none.data(), gradient.dense, gradient.blocks.data());
  launch_ridge(call, grid, scratch_);
}

// ------------------------------------------------------------------------------------------------ outer step

template <class T>
void GradientCall<T>::update(const innerloop_optimizer& optimizer, Store<T>& store) {
  updates_.push_back({&optimizer, &store});
}

template <class T>
OuterCall<T>* GradientCall<T>::outer_call(const DeviceGradient<T>& of, const innerloop_optimizer& optimizer,
                                          Store<T>& store, bool is_rates, std::vector<OuterTensor<T>>& tensors) {
  for (std::size_t t = 0; t < plan_.tensors.size(); ++t) {
    const TensorInfo& info = plan_.tensors[t];
    OuterTensor<T> tensor{};
    tensor.offset = info.offset, tensor.size = info.size, tensor.width = info.width;
    tensor.table = info.input >= 0;
    tensor.shrink = static_cast<T>(optimizer.learning_rate * optimizer.weight_decay[t]);
    tensor.l2 = optimizer.l2[t], tensor.max_norm = optimizer.max_norm[t];
    if (tensor.table) {
      const typename Batch<T>::Input& in = batch_.inputs[info.input];
      tensor.rows = in.distinct, tensor.row = in.rows.data(), tensor.block = of.blocks[t];
      tensor.touched = store.touched.data() + store.touched_at[t];
    }
    tensors.push_back(tensor);
  }
  OuterCall<T> call{};
  call.tensors = scratch_.put(tensors);
  call.count = static_cast<int>(tensors.size());
  call.dense = of.dense;
  call.values = store.values.data(), call.first = store.first.data(), call.second = store.second.data();
  call.adam = optimizer.kind == 1;
  call.momentum = optimizer.momentum, call.beta1 = optimizer.beta1, call.beta2 = optimizer.beta2;
  call.rate = static_cast<T>(optimizer.learning_rate);
  call.epsilon = static_cast<T>(optimizer.epsilon);
  call.number = store.step + 1;
  const double number = static_cast<double>(call.number);
  call.step = static_cast<T>(optimizer.learning_rate / (1 - std::pow(optimizer.beta1, number)));
  call.correction = static_cast<T>(1 / std::sqrt(1 - std::pow(optimizer.beta2, number)));
  call.verdict = verdict_;
  call.is_rates = is_rates;
  call.learning_rate = optimizer.learning_rate, call.clip_norm = optimizer.clip_norm;
  return scratch_.put(call);
}

template <class T>
std::pair<double*, Index> GradientCall<T>::squares(const DeviceGradient<T>& of) {
  // Squares reads only the places and sizes of the gradients, so only these are filled in.
  std::vector<OuterTensor<T>> tensors;
  const auto stretches = [](Index size) { return (size + kSquaresOfBlock - 1) / kSquaresOfBlock; };
  Index blocks = stretches(model_.dense_size);
  for (std::size_t t = 0; t < plan_.tensors.size(); ++t) {
    OuterTensor<T> tensor{};
    const TensorInfo& info = plan_.tensors[t];
    tensor.table = info.input >= 0, tensor.width = info.width, tensor.block = of.blocks[t];
    if (tensor.table) tensor.rows = batch_.inputs[info.input].distinct, blocks += stretches(tensor.rows * tensor.width);
    tensors.push_back(tensor);
  }
  OuterCall<T> call{};
  call.tensors = scratch_.put(tensors);
  call.dense = of.dense;
  double* parts = scratch_.take<double>(static_cast<std::size_t>(blocks));
  runtime().launch<Squares>(blocks, kLanes * sizeof(double),
                            SquaresCall<T>{scratch_.put(call), model_.dense_size, parts});
  return {parts, blocks};
}

template <class T>
Verdict GradientCall<T>::conclude() {
  const bool has_rates = rate_gradient.dense != nullptr;
  VerdictCall<T> call{};
  call.task_losses = task_losses_;
  call.weights = batch_.device.weights;
  call.tasks = batch_.tasks;
  std::tie(call.parts, call.count) = squares(gradient);
  if (has_rates) std::tie(call.rate_parts, call.rate_count) = squares(rate_gradient);
  call.most = static_cast<double>(std::numeric_limits<T>::max());
  call.verdict = verdict_;
  std::vector<std::pair<OuterCall<T>*, Index>> steps;
  for (std::size_t i = 0; i < updates_.size(); ++i) {
    std::vector<OuterTensor<T>> tensors;
    OuterCall<T>* outer =
        outer_call(i == 0 ? gradient : rate_gradient, *updates_[i].optimizer, *updates_[i].store, i == 1, tensors);
    (i == 0 ? call.outer : call.rate_outer) = outer;
    Index blocks = 0;
    for (const OuterTensor<T>& tensor : tensors) blocks += outer_blocks(tensor.table, tensor.size, tensor.rows);
    steps.emplace_back(outer, blocks);
  }
  runtime().launch<Judge>(1, kLanes * sizeof(double), call);
  for (const auto& [outer, blocks] : steps) runtime().launch<OuterUpdate>(blocks, 0, OuterUpdate::Arguments<T>{outer});

  Verdict verdict{};
  runtime().download(&verdict, verdict_, sizeof verdict);
  if (failed_) {
    std::vector<int> failed(static_cast<std::size_t>(batch_.tasks));
    runtime().download(failed.data(), failed_, failed.size() * sizeof(int));
    for (std::size_t t = 0; t < failed.size(); ++t)
      if (failed[t])
        throw Failure(INNERLOOP_DIVERGED, "the posterior precision of the last layer is not finite and positive", 0, 0,
                      static_cast<Index>(t));
  }
  if (verdict.bad_task >= 0)
    throw Failure(INNERLOOP_DIVERGED, "the query loss after adaptation is not finite", 0, 0, verdict.bad_task);
  if (!verdict.finite) throw Failure(INNERLOOP_DIVERGED, "the meta-gradient is not finite");
  if (!verdict.in_range) throw Failure(INNERLOOP_DIVERGED, "the step on the parameters is out of range");
  for (const Update& each : updates_) ++each.store->step;
  return verdict;
}

template <class T>
void GradientCall<T>::give_losses(double* task_losses) const {
  runtime().download(task_losses, task_losses_, static_cast<std::size_t>(batch_.tasks) * sizeof(double));
}

template <class T>
void GradientCall<T>::give_step_rates(void* to) const {
  if (to && step_rates_)
    runtime().download(to, step_rates_, plan_.tensors.size() * static_cast<std::size_t>(loop_.steps) * sizeof(T));
}

template <class T>
void GradientCall<T>::give(const DeviceGradient<T>& of, const innerloop_gradient& to) const {
  if (!to.dense || !of.dense) return;
  runtime().download(to.dense, of.dense, static_cast<std::size_t>(model_.dense_size) * sizeof(T));
  for (std::size_t t = 0; t < of.blocks.size(); ++t)
    if (of.blocks[t])
      runtime().download(
          to.blocks[t], of.blocks[t],
          static_cast<std::size_t>(batch_.inputs[plan_.tensors[t].input].distinct * plan_.tensors[t].width) *
              sizeof(T));
}

template class GradientCall<float>;
template class GradientCall<double>;

}  // namespace innerloop::device
