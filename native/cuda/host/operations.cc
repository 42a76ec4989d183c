#include "operations.h"

#include <cmath>

#include "../device/curvature.h"
#include "gradient.h"

namespace innerloop::device {
namespace {

Scratch& begin_call() {
  static Scratch* const scratch = new Scratch();
  runtime().forget();
  scratch->reset();
  return *scratch;
}

template <class T>
bool all_finite(const T* x, Index n) {
  for (Index i = 0; i < n; ++i)
    if (!std::isfinite(x[i])) return false;
  return true;
}

}  // namespace

void check_loop(const Model& model, const innerloop_loop& loop) {
  static const char* const solvers[] = {"gradient", "ridge", "laplace", "implicit", "lstm"};
  if (loop.solver < 0 || loop.solver > 4) refuse("a solver of this kind");
  if (loop.solver == 4) refuse(std::string("the solver ") + solvers[loop.solver]);
  if (loop.has_program) refuse("an algorithm that is a program of matrix operations");
  if (!solves_head(loop)) {
    if (loop.update < 0 || loop.update > 2) refuse("an inner rule of this kind");
    return;
  }
  const bool ridge = loop.solver == 1;
  const std::string name = ridge ? "ridge" : "laplace";
  if (model.head < 0 || model.outputs != 1 || model.loss != (ridge ? LossKind::mse : LossKind::bce))
    refuse(name + " on this head");
  if (loop.steps != 1) refuse(name + " without its step");
}

template <class T>
void Operations<T>::meta_gradient(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop, int direction,
                                  innerloop_meta_gradient_result& result) {
  GradientCall<T> call(store, batch, loop, direction, begin_call());
  call.run();
  result.loss = call.conclude().loss;
  call.give_losses(result.task_losses);
  call.give(call.gradient, result.gradient);
  call.give(call.rate_gradient, result.rate_gradient);
  call.give_step_rates(result.step_rate_gradient);
}

template <class T>
void Operations<T>::train_step(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop, int direction,
                               const innerloop_optimizer& optimizer, const innerloop_optimizer* rate_optimizer,
                               innerloop_step_result& result) {
  Scratch& scratch = begin_call();
  store.make_moments();
  // The loop has the rates as const because it only reads them; their outer step is the one place that writes them.
  Store<T>* const rates = rate_optimizer ? const_cast<Store<T>*>(static_cast<const Store<T>*>(loop.rates)) : nullptr;
  if (rates) rates->make_moments();
  GradientCall<T> call(store, batch, loop, direction, scratch);
  call.run();
  call.update(optimizer, store);
  if (rates) call.update(*rate_optimizer, *rates);
  const Verdict verdict = call.conclude();
  result.loss = verdict.loss;
  result.norm = verdict.norm;
  call.give_losses(result.task_losses);
  call.give_step_rates(result.step_rate_gradient);
}

// ------------------------------------------------------------------------------------------------ adaptation

template <class T>
void Operations<T>::adapt(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop,
                          innerloop_adapted_result& result) {
  Scratch& scratch = begin_call();
  const Model& model = store.of();
  Wanted wanted{};
  wanted.fast = loop.fast, wanted.steps = loop.steps;
  wanted.rate_kind = static_cast<RateKind>(loop.rate_kind);
  wanted.plain = is_plain(loop);
  wanted.dropout = loop.dropout;
  wanted.solves_head = solves_head(loop);
  Plan<T> plan(store, batch, scratch, wanted);
  plan.forward();
  std::vector<T*> adapted(model.tensors.size(), nullptr);
  std::vector<Index> sizes(adapted.size(), 0);
  for (std::size_t t = 0; t < adapted.size(); ++t) {
    if (!loop.fast[t]) continue;
    const innerloop_tensor& tensor = model.tensors[t];
    sizes[t] = tensor.input < 0 ? batch.tasks * tensor.size : batch.inputs[tensor.input].unique_count * tensor.width;
    adapted[t] = scratch.take<T>(static_cast<std::size_t>(sizes[t]));
  }
  double *factors = nullptr, *modes = nullptr;
  int* failed = nullptr;
  Index d = 0;
  if (wanted.solves_head) {
    RidgeCall<T> call = ridge_call(plan, loop, Mode::adapt);
    d = plan.slots[call.features].width + 1;
    const Grid grid = ridge_grid(plan, call, scratch);
    call.adapted = scratch.put(adapted);
    call.failed = failed = scratch.zeroed<int>(static_cast<std::size_t>(batch.tasks));
    if (result.factors) {
      call.factors = factors = scratch.take<double>(static_cast<std::size_t>(batch.tasks * d * d));
      call.modes = modes = scratch.take<double>(static_cast<std::size_t>(batch.tasks * d));
    }
    launch_ridge(call, grid, scratch);
  } else if (plan.program.suffix_begin < plan.program.layer_count) {
    TaskCall<T> call = task_call(plan, loop, Mode::adapt, false, loop.steps, scratch);
    const Grid grid = grid_of(plan, call, scratch);
    call.adapted = scratch.put(adapted);
    launch_tasks(call, grid, scratch);
  }
  for (std::size_t t = 0; t < adapted.size(); ++t)
    if (sizes[t] > 0) runtime().download(result.values[t], adapted[t], static_cast<std::size_t>(sizes[t]) * sizeof(T));
  if (factors) {
    runtime().download(result.factors, factors, static_cast<std::size_t>(batch.tasks * d * d) * sizeof(double));
    runtime().download(result.modes, modes, static_cast<std::size_t>(batch.tasks * d) * sizeof(double));
  }
  for (Index task = 0; task < batch.tasks; ++task)
    for (std::size_t t = 0; t < adapted.size(); ++t) {
      if (sizes[t] == 0) continue;
      const innerloop_tensor& tensor = model.tensors[t];
      const T* values = static_cast<const T*>(result.values[t]);
      Index begin = task * tensor.size, end = begin + tensor.size;
      if (tensor.input >= 0) {
        const std::vector<Index>& unique = batch.inputs[tensor.input].unique_begin_host;
        begin = unique[task] * tensor.width, end = unique[task + 1] * tensor.width;
      }
      if (!all_finite(values + begin, end - begin))
        throw Failure(INNERLOOP_DIVERGED, "adaptation gave a parameter that is not finite", 0, 0, task);
    }
}

// ------------------------------------------------------------------------------------------------ predictions

namespace {

template <class T>
struct Prediction {
  Store<T>& store;
  Batch<T>& batch;
  const innerloop_loop& loop;
  const innerloop_start* starts;
  Index start_count;
  Scratch& scratch;

  // Computes the outputs of the query rows, after the inner steps if `after`, and their variances unless null.
  void run(bool after, void* outputs, void* variance) {
    const Model& model = store.of();
    // Variances are computed by the ridge kernel, also for parameters that were adapted before and bring their factor.
    const bool solved = (solves_head(loop) && after) || variance;
    Wanted wanted{};
    wanted.steps = after ? loop.steps : 0;
    wanted.fast = start_count > 0 ? starts[0].fast : wanted.steps > 0 ? loop.fast : nullptr;
    wanted.rate_kind = static_cast<RateKind>(loop.rate_kind);
    wanted.plain = is_plain(loop);
    wanted.form = start_count > 0 ? 1 : loop.form;
    wanted.dropout = loop.dropout;
    wanted.solves_head = solved;
    Plan<T> plan(store, batch, scratch, wanted);
    plan.forward();
    const std::size_t size = static_cast<std::size_t>(batch.query_rows * model.outputs);
    T* to = scratch.take<T>(size);
    T* variances = variance ? scratch.take<T>(size) : nullptr;
    int* failed = nullptr;
    if (solved) {
      RidgeCall<T> call = ridge_call(plan, loop, Mode::predict);
      call.shared_steps = after;
      call.solves = after;
      call.starts = put_starts<T>(model, starts, start_count, after ? 0 : plan.slots[call.features].width + 1, scratch);
      const Grid grid = ridge_grid(plan, call, scratch);
      call.outputs = to, call.variance = variances;
      call.failed = failed = scratch.zeroed<int>(static_cast<std::size_t>(batch.tasks));
      launch_ridge(call, grid, scratch);
    } else if (plan.program.suffix_begin == plan.program.layer_count) {
      runtime().launch<PrefixOutputs>(
          batch.tasks, 64, OutputsCall<T>{plan.device_program, nullptr, nullptr, to, batch.query_at.data(), 1});
    } else {
      TaskCall<T> call = task_call(plan, loop, Mode::predict, false, wanted.steps, scratch);
      call.starts = put_starts<T>(model, starts, start_count, 0, scratch);
      const Grid grid = grid_of(plan, call, scratch);
      call.outputs = to;
      launch_tasks(call, grid, scratch);
    }
    if (outputs) runtime().download(outputs, to, size * sizeof(T));
    if (variance) runtime().download(variance, variances, size * sizeof(T));
    if (failed) {
      std::vector<int> flags(static_cast<std::size_t>(batch.tasks));
      runtime().download(flags.data(), failed, flags.size() * sizeof(int));
      for (std::size_t t = 0; t < flags.size(); ++t)
        if (flags[t])
          throw Failure(INNERLOOP_DIVERGED, "the posterior precision of the last layer is not finite and positive", 0,
                        0, static_cast<Index>(t));
    }
    if (!after || !outputs) return;
    const T* at = static_cast<const T*>(outputs);
    for (Index task = 0; task < batch.tasks; ++task) {
      const Index n = (batch.begin[2 * task + 2] - batch.begin[2 * task + 1]) * model.outputs;
      if (!all_finite(at, n))
        throw Failure(INNERLOOP_DIVERGED, "adaptation gave an output that is not finite", 0, 0, task);
      at += n;
    }
  }
};

}  // namespace

template <class T>
void Operations<T>::predict(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop, const innerloop_start* starts,
                            Index start_count, innerloop_outputs& outputs) {
  if (batch.query_rows == 0) return;
  if (outputs.before)
    Prediction<T>{store, batch, loop, starts, start_count, begin_call()}.run(
        false, outputs.before, outputs.after ? nullptr : outputs.variance);
  if (outputs.after)
    Prediction<T>{store, batch, loop, starts, start_count, begin_call()}.run(true, outputs.after, outputs.variance);
}

// ------------------------------------------------------------------------------------------------ curvature

template <class T>
void Operations<T>::hessian_vector_product(Store<T>& store, Batch<T>& batch, const Store<T>& vector,
                                           innerloop_product_result& result) {
  Scratch& scratch = begin_call();
  const Model& model = store.of();
  Wanted wanted{};
  wanted.all_suffix = true;
  Plan<T> plan(store, batch, scratch, wanted);
  innerloop_loop loop{};
  loop.order = 1;
  ProductCall<T> call{};
  call.task = task_call(plan, loop, Mode::gradient, true, 0, scratch);
  const Grid grid = grid_of(plan, call.task, scratch);
  call.task.slab = grid.slab, call.task.slab_bytes = grid.slab_bytes;
  call.vector = vector.values.data();
  call.loss = scratch.take<double>(1);
  const std::size_t dense = static_cast<std::size_t>(model.dense_size);
  call.gradient = scratch.zeroed<T>(dense), call.product = scratch.zeroed<T>(dense);
  std::vector<T*> gradient(model.tensors.size(), nullptr), product(model.tensors.size(), nullptr);
  for (std::size_t t = 0; t < gradient.size(); ++t) {
    if (model.tensors[t].input < 0) continue;
    const std::size_t size =
        static_cast<std::size_t>(batch.inputs[model.tensors[t].input].distinct * model.tensors[t].width);
    gradient[t] = scratch.zeroed<T>(size), product[t] = scratch.zeroed<T>(size);
  }
  // The task's table rows are in the order in which it met them, the batch's rows ascending: gather() reorders them.
  std::vector<T*> task_gradient = plan.task_blocks(), task_product = plan.task_blocks();
  call.gradient_blocks = scratch.put(task_gradient), call.product_blocks = scratch.put(task_product);
  call.work =
      scratch.take<T>(static_cast<std::size_t>(3 * most_fast(plan) + 4 * batch.most_query * plan.program.suffix_width));
  runtime().launch<HessianProduct>(1, grid.shared, HessianProduct::Arguments<T>{scratch.put(call)});
  plan.gather(nullptr, 0, task_gradient.data(), call.gradient, gradient.data());
  plan.gather(nullptr, 0, task_product.data(), call.product, product.data());
  plan.reduce();
  runtime().download(&result.loss, call.loss, sizeof(double));
  const auto give = [&](const T* from, const std::vector<T*>& blocks, const innerloop_gradient& to) {
    runtime().download(to.dense, from, dense * sizeof(T));
    for (std::size_t t = 0; t < blocks.size(); ++t)
      if (blocks[t])
        runtime().download(
            to.blocks[t], blocks[t],
            static_cast<std::size_t>(batch.inputs[model.tensors[t].input].distinct * model.tensors[t].width) *
                sizeof(T));
  };
  give(call.gradient, gradient, result.gradient);
  give(call.product, product, result.product);
}

template struct Operations<float>;
template struct Operations<double>;

}  // namespace innerloop::device
