#include "meta_gradient.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "errors.h"
#include "gram.h"
#include "layers/linear.h"
#include "ridge.h"
#include "thread_pool.h"

namespace innerloop {
namespace {

// Where one task's gradient goes: dense tensors are added to its chunk's accumulator, embedding rows to its own blocks.
template <class T>
struct Targets {
  T* at(const Model<T>& model, std::size_t tensor) const {
    return model.tensors[tensor].input < 0 ? dense + model.tensors[tensor].offset : blocks[tensor];
  }
  T* dense;
  std::vector<T*> blocks;  // by tensor, null for dense
};

template <class T>
struct Reverse {
  explicit Reverse(Task<T>& task) : task(task) {}
  Task<T>& task;
  const Plan<T>& plan = task.plan;
  const Model<T>& model = plan.model;
  const int L = static_cast<int>(model.layers.size());
  const int slots = static_cast<int>(model.slot_width.size());
  const int n = static_cast<int>(model.tensors.size());
  const int out = model.output_slot;
  T* v = task.arena.template take_zeroed<T>(task.fast_size);
  T** into = nullptr;  // by tensor: v for fast, the targets for slow

  void aim(const Targets<T>& targets) {
    into = task.fast_pointers(v);
    for (int t = 0; t < n; ++t)
      if (!into[t]) into[t] = targets.at(model, t);
  }

  // v, u ← gradient of weight · L_Q at step k; returns L_Q.
  double query(int k, T weight) {
    const bool embeds = !model.layers[0]->tensors.empty();
    const Slots<T> s = task.take_slots(task.query, 0, slots, true);
    if (!embeds) s.dx[0] = nullptr;
    const Pass<T> pass = task.make_pass(task.query_rows(), task.query, task.pointers(task.theta[k]), s, into);
    task.query_forward(k, pass);
    const T* labels = plan.batch.labels.data() + task.first + task.support;
    const double loss = plan.loss.value(task.query, s.x[out], labels);
    plan.loss.backward(task.query, s.x[out], labels, weight, s.dx[out]);
    for (int l = L - 1; l >= (embeds ? 0 : 1); --l) {
      if (task.gram && l == plan.first_fast) task.gram->query_backward(k, s.x[plan.boundary], s.dx[plan.gram->out], s.dx[plan.boundary]);
      else model.layers[l]->backward(pass);
    }
    return loss;
  }

  // The same through the closed-form solve; v becomes the gradient of the prior mean.
  void through_ridge() {
    if (task.support == 0) return;
    T* adjoint = task.arena.template take<T>(task.support * model.slot_width[plan.boundary]);
    ridge_reverse(task, v, adjoint, into[model.log_precision]);
    prefix_backward(adjoint);
  }

  void through_inner_loop() {
    if (task.support == 0 || plan.first_fast == L || plan.inner.steps == 0) return;
    const bool prefix_learns = plan.prefix_learns;
    Gram<T>* const gram = task.gram;
    const int bottom = plan.first_fast + (gram ? 1 : 0);
    const Index boundary_size = plan.boundary >= 0 ? task.support * model.slot_width[plan.boundary] : 0;
    T* adjoint = prefix_learns ? task.arena.template take_zeroed<T>(boundary_size) : nullptr;
    T* adjoint_step = prefix_learns ? task.arena.template take<T>(boundary_size) : nullptr;

    const Slots<T> tangent = task.take_slots(task.support, plan.boundary + 1, slots, true);
    if (plan.boundary >= 0) tangent.dx[plan.boundary] = adjoint_step;
    if (plan.boundary < 0 && model.layers[0]->tensors.empty()) tangent.dx[0] = nullptr;
    T* d = task.arena.template take<T>(task.fast_size);
    T** const v_pointers = task.fast_pointers(d);

    for (int k = plan.inner.steps - 1; k >= 0; --k) {
      direction(k, d);
      Pass<T> pass = task.make_pass(task.support_rows(), task.support, task.pointers(task.theta[k]), task.steps[k],
                                    task.no_targets);
      pass.v = v_pointers, pass.hv = into, pass.tx = tangent.x, pass.tdx = tangent.dx;
      if (gram) gram->tangent_forward(pass.tx[plan.gram->out]);
      for (int l = bottom; l < L; ++l) model.layers[l]->tangent_forward(pass);
      plan.loss.tangent(task.support, pass.x[out], pass.tx[out], task.support_weight(), pass.tdx[out]);
      for (int l = L - 1; l >= bottom; --l) model.layers[l]->tangent_backward(pass);
      if (gram) gram->tangent_backward(k, pass.dx[plan.gram->out], pass.tdx[plan.gram->out], prefix_learns);
      else if (prefix_learns) plan.kernels.axpy(boundary_size, T(1), adjoint_step, adjoint);
    }
    if (gram && prefix_learns) gram->support_adjoint(adjoint);
    if (prefix_learns) prefix_backward(adjoint);
  }

  // Slow parameters of the prefix, from the summed adjoints of the boundary activations of the support rows.
  void prefix_backward(T* adjoint) {
    Slots<T> s = task.take_slots(task.support, 0, plan.boundary, true);
    s.x = task.prefix.x;
    s.dx[plan.boundary] = adjoint;
    const bool embeds = !model.layers[0]->tensors.empty();
    if (!embeds) s.dx[0] = nullptr;
    const Pass<T> pass = task.make_pass(task.support_rows(), task.support, task.pointers(task.theta[0]), s, into);
    for (int l = plan.first_fast - 1; l >= (embeds ? 0 : 1); --l) model.layers[l]->backward(pass);
  }

  // ∂α += −v ∘ g_k at order 1, where v does not change from step to step; order 2 does this inside direction().
  void rates_only() {
    for (int k = plan.inner.steps - 1; k >= 0; --k) rate_gradient(k);
  }

  std::vector<T*> rate_into;                    // per_parameter: by tensor
  std::vector<std::vector<T>>* step_rate_into = nullptr;  // per_tensor_step

 private:
  // d = −α ∘ v: the minus sign makes every later product accumulate straight into v and u.
  void direction(int k, T* d) {
    rate_gradient(k);
    if (plan.inner.rate_kind == RateKind::scalar) return plan.kernels.scale(task.fast_size, -plan.inner.rate, v, d);
    for (int t = 0; t < n; ++t) {
      const Index at = task.fast_offset[t];
      if (at < 0) continue;
      const Index size = task.tensor_size(t);
      if (plan.inner.rate_kind == RateKind::per_tensor_step)
        plan.kernels.scale(size, -plan.inner.step_rates[t][k], v + at, d + at);
      else
        plan.kernels.negative_product(size, task.rates[t], v + at, d + at);
    }
  }

  void rate_gradient(int k) {
    if (plan.inner.rate_kind == RateKind::scalar) return;
    for (int t = 0; t < n; ++t) {
      const Index at = task.fast_offset[t];
      if (at < 0) continue;
      const Index size = task.tensor_size(t);
      const T *g = task.gradient[k] + at, *vt = v + at;
      if (plan.inner.rate_kind == RateKind::per_tensor_step) (*step_rate_into)[t][k] -= plan.kernels.dot(size, vt, g);
      else plan.kernels.sub_product_into(size, vt, g, rate_into[t]);
    }
  }
};

// Blocks of all tasks for one gradient, and their sum by batch row in task order: the same for any number of threads.
template <class T>
struct Blocks {
  Blocks(const Plan<T>& plan, bool wanted) : storage(plan.model.tensors.size()) {
    if (!wanted) return;
    for (std::size_t t = 0; t < storage.size(); ++t) {
      const int input = plan.model.tensors[t].input;
      if (input >= 0) storage[t].assign(plan.index->inputs[input].unique.size() * plan.model.dim(static_cast<int>(t)), T(0));
    }
  }
  std::vector<T*> of_task(const Plan<T>& plan, Index task) {
    std::vector<T*> p(storage.size(), nullptr);
    for (std::size_t t = 0; t < storage.size(); ++t) {
      const int input = plan.model.tensors[t].input;
      if (input >= 0) p[t] = storage[t].data() + plan.index->inputs[input].unique_begin[task] * plan.model.dim(static_cast<int>(t));
    }
    return p;
  }
  void reduce(const Plan<T>& plan, int threads, SparseGradient<T>& into) {
    into.rows.assign(storage.size(), nullptr);
    into.blocks.resize(storage.size());
    ThreadPool::instance().parallel_for(static_cast<Index>(storage.size()), threads, [&](Index t) {
      const int input = plan.model.tensors[t].input;
      if (input < 0) return;
      const auto& in = plan.index->inputs[input];
      const Index dim = plan.model.dim(static_cast<int>(t));
      into.rows[t] = &in.rows;
      into.blocks[t].assign(in.rows.size() * dim, T(0));
      for (std::size_t u = 0; u < in.unique.size(); ++u)
        plan.kernels.axpy(dim, T(1), storage[t].data() + u * dim, into.blocks[t].data() + in.unique_batch[u] * dim);
    });
  }
  std::vector<std::vector<T>> storage;  // by tensor: [Σ tasks' distinct rows, dim]
};

// Accumulators of consecutive tasks. Their number depends on the batch and the model alone, so the order of every sum does
// not depend on the threads; at most 64 MiB of them. Four tasks share one where there are enough: clearing and summing an
// accumulator costs about as much memory traffic as a small task.
template <class T>
Index chunk_count(const Plan<T>& plan) {
  const Index affordable = (Index{64} << 20) / (std::max<Index>(plan.model.dense_size, 1) * static_cast<Index>(sizeof(T)));
  const Index tasks = plan.batch.tasks();
  return std::min({tasks, std::max<Index>(8, tasks / 4), std::clamp<Index>(affordable, 2, 64)});
}

template <class T>
void reduce_dense(const std::vector<std::vector<T>>& chunks, int threads, const Kernels<T>& kernels, std::vector<T>& into) {
  if (chunks.empty()) return;
  const Index size = static_cast<Index>(chunks[0].size()), piece = 4096;
  into.assign(size, T(0));
  ThreadPool::instance().parallel_for((size + piece - 1) / piece, threads, [&](Index p) {
    const Index from = p * piece, count = std::min(piece, size - from);
    for (const auto& chunk : chunks) kernels.axpy(count, T(1), chunk.data() + from, into.data() + from);
  });
}

template <class T>
void require_finite(const std::vector<T>& x) {
  T sum = 0;  // 0 · x is 0 or NaN
  for (const T value : x) sum += 0 * value;
  if (!(sum == 0)) throw Diverged(-1, "the meta-gradient is not finite");
}

template <class T>
void require_finite(const SparseGradient<T>& gradient) {
  require_finite(gradient.dense);
  for (const auto& block : gradient.blocks) require_finite(block);
}

}  // namespace

template <class T>
MetaGradient<T> meta_gradient(const Plan<T>& plan, const T* parameters, Direction direction, int threads,
                              const std::function<void()>& poll) {
  const Model<T>& model = plan.model;
  const InnerLoop<T>& inner = plan.inner;
  const Index tasks = plan.batch.tasks(), chunks = chunk_count(plan);
  const std::size_t n = model.tensors.size();
  const bool parameter_rates = inner.rate_kind == RateKind::per_parameter, step_rates = inner.rate_kind == RateKind::per_tensor_step;
  const auto task_weight = [&](Index t) { return plan.batch.weights.empty() ? 1.0 / static_cast<double>(tasks) : plan.batch.weights[t]; };

  MetaGradient<T> result;
  result.task_losses.resize(tasks);
  Blocks<T> blocks(plan, true), rate_blocks(plan, parameter_rates);
  std::vector<std::vector<T>> dense(chunks), rate_dense(parameter_rates ? chunks : 0);
  std::vector<std::vector<std::vector<T>>> step_rate(step_rates ? chunks : 0);

  ThreadPool::instance().parallel_for(chunks, threads, [&](Index c) {
    dense[c].assign(model.dense_size, T(0));
    if (parameter_rates) rate_dense[c].assign(model.dense_size, T(0));
    if (step_rates) step_rate[c].assign(n, std::vector<T>(inner.steps, T(0)));
    for (Index t = c * tasks / chunks; t < (c + 1) * tasks / chunks; ++t) {
      poll();
      const T weight = static_cast<T>(task_weight(t));
      Arena& arena = Arena::of_this_thread();
      arena.reset();
      Task<T> task(plan, t, parameters, arena);
      Reverse<T> reverse(task);
      const Targets<T> targets{dense[c].data(), blocks.of_task(plan, t)};
      reverse.aim(targets);
      if (parameter_rates) {
        const Targets<T> rate_targets{rate_dense[c].data(), rate_blocks.of_task(plan, t)};
        for (std::size_t i = 0; i < n; ++i) reverse.rate_into.push_back(rate_targets.at(model, i));
      }
      if (step_rates) reverse.step_rate_into = &step_rate[c];

      const bool reptile = direction == Direction::reptile;
      task.adapt(!reptile && (inner.order == 2 || inner.rate_kind != RateKind::scalar));
      if (reptile) {
        const T* labels = plan.batch.labels.data() + task.first + task.support;
        result.task_losses[t] = plan.loss.value(task.query, task.predict_query(inner.steps), labels);
        const T* last = task.theta[inner.steps];
        for (Index i = 0; i < task.fast_size; ++i) reverse.v[i] = weight * (task.theta[0][i] - last[i]);
      } else {
        result.task_losses[t] = reverse.query(inner.steps, weight);
        if (inner.ridge) reverse.through_ridge();
        else if (inner.order == 2) reverse.through_inner_loop();
        else reverse.rates_only();
      }
      if (!std::isfinite(result.task_losses[t]))
        throw Diverged(t, "the query loss after adaptation is " + std::to_string(result.task_losses[t]));
      for (std::size_t i = 0; i < n; ++i) {
        if (task.fast_offset[i] < 0) continue;
        plan.kernels.axpy(task.tensor_size(static_cast<int>(i)), T(1), reverse.v + task.fast_offset[i], targets.at(model, i));
      }
      if (task.gram) {
        T *dW = targets.at(model, plan.gram->weight), *db = targets.at(model, plan.gram->bias);
        if (reptile) task.gram->displace(-weight, dW, db);
        else task.gram->finish(dW, db);
      }
    }
  });

  for (Index t = 0; t < tasks; ++t) result.loss += task_weight(t) * result.task_losses[t];
  reduce_dense(dense, threads, plan.kernels, result.gradient.dense);
  blocks.reduce(plan, threads, result.gradient);
  if (parameter_rates) {
    reduce_dense(rate_dense, threads, plan.kernels, result.rate_gradient.dense);
    rate_blocks.reduce(plan, threads, result.rate_gradient);
  }
  if (step_rates) {
    result.step_rate_gradient.assign(n, std::vector<T>(inner.steps, T(0)));
    for (const auto& chunk : step_rate)
      for (std::size_t i = 0; i < n; ++i)
        for (int k = 0; k < inner.steps; ++k) result.step_rate_gradient[i][k] += chunk[i][k];
  }
  // Before any update, so that one that is refused changes neither parameters nor rates.
  require_finite(result.gradient);
  require_finite(result.rate_gradient);
  for (const auto& gradient : result.step_rate_gradient) require_finite(gradient);
  return result;
}

template <class T>
HessianVectorProduct<T> hessian_vector_product(const Plan<T>& plan, const T* parameters, const T* vector) {
  const Model<T>& model = plan.model;
  const int n = static_cast<int>(model.tensors.size()), slots = static_cast<int>(model.slot_width.size()), out = model.output_slot;
  Arena& arena = Arena::of_this_thread();
  arena.reset();
  Task<T> task(plan, 0, parameters, arena);
  Blocks<T> gradient_blocks(plan, true), product_blocks(plan, true);
  HessianVectorProduct<T> result{};
  result.gradient.dense.assign(model.dense_size, T(0));
  result.product.dense.assign(model.dense_size, T(0));

  std::vector<T*> grad = gradient_blocks.of_task(plan, 0), hv = product_blocks.of_task(plan, 0);
  std::vector<const T*> v(n);
  for (int t = 0; t < n; ++t) {
    const TensorInfo& info = model.tensors[t];
    v[t] = info.input < 0 ? vector + info.offset : task.gather(vector, t);
    if (info.input >= 0) continue;
    grad[t] = result.gradient.dense.data() + info.offset;
    hv[t] = result.product.dense.data() + info.offset;
  }
  const Slots<T> s = task.take_slots(task.query, 0, slots, true), tangent = task.take_slots(task.query, 0, slots, true);
  Pass<T> pass = task.make_pass(task.query_rows(), task.query, task.pointers(task.theta[0]), s, grad.data());
  pass.v = v.data(), pass.hv = hv.data(), pass.tx = tangent.x, pass.tdx = tangent.dx;
  const T* labels = plan.batch.labels.data() + task.first + task.support;
  for (const auto& layer : model.layers) layer->forward(pass);
  result.loss = plan.loss.value(task.query, s.x[out], labels);
  plan.loss.backward(task.query, s.x[out], labels, T(1), s.dx[out]);
  for (auto layer = model.layers.rbegin(); layer != model.layers.rend(); ++layer) (*layer)->backward(pass);
  for (const auto& layer : model.layers) layer->tangent_forward(pass);
  plan.loss.tangent(task.query, s.x[out], tangent.x[out], T(1), tangent.dx[out]);
  for (auto layer = model.layers.rbegin(); layer != model.layers.rend(); ++layer) (*layer)->tangent_backward(pass);
  gradient_blocks.reduce(plan, 1, result.gradient);
  product_blocks.reduce(plan, 1, result.product);
  return result;
}

#define INNERLOOP_INSTANTIATE(T)                                                                                       \
  template MetaGradient<T> meta_gradient(const Plan<T>&, const T*, Direction, int, const std::function<void()>&);      \
  template HessianVectorProduct<T> hessian_vector_product(const Plan<T>&, const T*, const T*);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)

}  // namespace innerloop
