#include "meta_gradient.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "episode/run.h"
#include "errors.h"
#include "gram.h"
#include "layers/linear.h"
#include "reverse.h"
#include "solvers/solver.h"
#include "thread_pool.h"

namespace innerloop {
namespace {

// Blocks of all tasks for one gradient, and their sum by batch row in task order: the same for any number of threads.
template <class T>
struct Blocks {
  Blocks(const Plan<T>& plan, bool wanted) : storage(plan.model.tensors.size()) {
    if (!wanted) return;
    for (std::size_t t = 0; t < storage.size(); ++t) {
      const int input = plan.model.tensors[t].input;
      if (input >= 0)
        storage[t].assign(plan.index->inputs[input].unique.size() * plan.model.dim(static_cast<int>(t)), T(0));
    }
  }
  std::vector<T*> of_task(const Plan<T>& plan, Index task) {
    std::vector<T*> p(storage.size(), nullptr);
    for (std::size_t t = 0; t < storage.size(); ++t) {
      const int input = plan.model.tensors[t].input;
      if (input >= 0)
        p[t] = storage[t].data() + plan.index->inputs[input].unique_begin[task] * plan.model.dim(static_cast<int>(t));
    }
    return p;
  }
  void reduce(const Plan<T>& plan, int threads, SparseGradient<T>& into) {
    into.rows.assign(storage.size(), nullptr);
    into.blocks.resize(storage.size());
    Index size = 0;
    for (const auto& blocks : storage) size += static_cast<Index>(blocks.size());
    ThreadPool::instance().parallel_for(
        static_cast<Index>(storage.size()), ThreadPool::worth(threads, size), [&](Index t) {
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
  std::vector<Aligned<T>> storage;  // by tensor: [Σ tasks' distinct rows, dim]
};

// Accumulators of consecutive tasks. Their number depends on the batch and the model alone, so the order of every sum
// does not depend on the threads; at most 64 MiB of them. Four tasks share one where there are enough: clearing and
// summing an accumulator costs about as much memory traffic as a small task.
template <class T>
Index chunk_count(const Plan<T>& plan) {
  const Index affordable =
      (Index{64} << 20) / (std::max<Index>(plan.model.dense_size, 1) * static_cast<Index>(sizeof(T)));
  const Index tasks = plan.batch.tasks();
  return std::min({tasks, std::max<Index>(8, tasks / 4), std::clamp<Index>(affordable, 2, 64)});
}

// One chunk's gradient of the dense tensors. That of the Gram layer's weight is one product over the rows of all tasks
// of the chunk, where the rows outlast their tasks.
template <class T>
struct Accumulator {
  Accumulator(const Plan<T>& plan, Aligned<T>& sum) : plan(plan), sum(sum), keep(Arena::of_this_chunk()) {
    keep.reset();
    std::fill(sum.begin(), sum.begin() + weight_at(), T(0));
    std::fill(sum.begin() + weight_at() + weight_size(), sum.end(), T(0));
    if (!plan.gram) return;
    segments = plan.segments[plan.gram_in] ? plan.segments[plan.gram_in] : &plan.gram->whole;
    // The varying columns start with the products.
    for (const auto& range : segments->same)
      std::fill_n(weight() + range.begin * plan.gram->O, range.width() * plan.gram->O, T(0));
  }

  void add(Gram<T>& gram) {
    if (!gram.finish(keep, products, weight(), bias())) flush();
  }
  // −a (W_K − W_0), Reptile's.
  void displace(Gram<T>& gram, T a) {
    flush();
    gram.displace(-a, weight(), bias());
  }
  // Before the sum is read or added to, and before the next task overwrites what the products read.
  void flush() {
    if (!plan.gram || (started && products.empty())) return;
    const Index H = plan.gram->O;
    for (const auto& range : segments->varying) {
      moved = products;
      for (Factors<T>& f : moved) f.A += range.begin;
      T* to = weight() + range.begin * H;
      plan.kernels.gemm(range.width(), H, moved.data(), static_cast<int>(moved.size()), nullptr, started ? to : nullptr,
                        to, H);
    }
    started = true;
    products.clear();
    keep.reset();
  }

 private:
  Index weight_at() const { return plan.gram ? plan.model.tensors[plan.gram->weight].offset : 0; }
  Index weight_size() const { return plan.gram ? plan.model.tensors[plan.gram->weight].size : 0; }
  T* weight() { return sum.data() + weight_at(); }
  T* bias() { return sum.data() + plan.model.tensors[plan.gram->bias].offset; }

  const Plan<T>& plan;
  Aligned<T>& sum;
  Arena& keep;
  const Segments* segments = nullptr;
  std::vector<Factors<T>> products, moved;
  bool started = false;
};

// The sums of all chunks, which keep their memory for the next call where it is not much: pages fresh from the system
// cost more than what is done with them.
template <class T>
struct Accumulators {
  static constexpr std::size_t kKept = std::size_t{8} << 20;

  Accumulators(Index chunks, Index size) : sums(std::move(spare())) {
    sums.resize(chunks);
    for (Aligned<T>& sum : sums) sum.resize(size);
  }
  ~Accumulators() {
    if (!sums.empty() && sums.size() * sums[0].size() * sizeof(T) <= kKept) spare() = std::move(sums);
  }

  void reduce(int threads, const Kernels<T>& kernels, Aligned<T>& into) const {
    if (sums.empty()) return;
    const Index size = static_cast<Index>(sums[0].size()), piece = 4096;
    into.resize(size);
    ThreadPool::instance().parallel_for(
        (size + piece - 1) / piece, ThreadPool::worth(threads, size * static_cast<Index>(sums.size())), [&](Index p) {
          const Index from = p * piece, count = std::min(piece, size - from);
          std::copy_n(sums[0].data() + from, count, into.data() + from);
          for (std::size_t c = 1; c < sums.size(); ++c)
            kernels.axpy(count, T(1), sums[c].data() + from, into.data() + from);
        });
  }

  std::vector<Aligned<T>> sums;

 private:
  static std::vector<Aligned<T>>& spare() {
    static thread_local std::vector<Aligned<T>> kept;
    return kept;
  }
};

template <class V>
void require_finite(const V& x) {
  // 0 · x is 0 or NaN; sums side by side, for the compiler to put into one register.
  constexpr std::size_t lanes = 16;
  typename V::value_type sums[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= x.size(); i += lanes)
    for (std::size_t j = 0; j < lanes; ++j) sums[j] += 0 * x[i + j];
  for (; i < x.size(); ++i) sums[0] += 0 * x[i];
  for (const auto sum : sums)
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
  const bool parameter_rates = inner.rate_kind == RateKind::per_parameter,
             step_rates = inner.rate_kind == RateKind::per_tensor_step;
  const auto task_weight = [&](Index t) {
    return plan.batch.weights.empty() ? 1.0 / static_cast<double>(tasks) : plan.batch.weights[t];
  };

  const Shared<T> shared(plan, parameters, Passes::meta_gradient);
  MetaGradient<T> result;
  result.task_losses.resize(tasks);
  Blocks<T> blocks(plan, true), rate_blocks(plan, parameter_rates);
  Accumulators<T> dense(chunks, model.dense_size);
  Accumulators<T> rate_dense(parameter_rates ? chunks : 0, model.dense_size);
  std::vector<std::vector<std::vector<T>>> step_rate(step_rates ? chunks : 0);

  ThreadPool::instance().parallel_for(chunks, threads, [&](Index c) {
    Aligned<T>& sum = dense.sums[c];
    Accumulator<T> accumulator(plan, sum);
    if (parameter_rates) rate_dense.sums[c].assign(model.dense_size, T(0));
    if (step_rates) step_rate[c].assign(n, std::vector<T>(inner.steps, T(0)));
    for (Index t = c * tasks / chunks; t < (c + 1) * tasks / chunks; ++t) {
      poll();
      const T weight = static_cast<T>(task_weight(t));
      Arena& arena = Arena::of_this_thread();
      arena.reset();
      Task<T> task(plan, t, shared, arena);
      const Targets<T> targets{sum.data(), blocks.of_task(plan, t)};
      Reverse<T> reverse(task, targets);
      if (parameter_rates) {
        const Targets<T> rate_targets{rate_dense.sums[c].data(), rate_blocks.of_task(plan, t)};
        for (std::size_t i = 0; i < n; ++i) reverse.rate_into.push_back(rate_targets.at(model, i));
      }
      if (step_rates) reverse.step_rate_into = &step_rate[c];

      const bool reptile = direction == Direction::reptile;
      if (!plan.episode)
        task.adapt(!reptile &&
                   (inner.order == 2 || inner.rate_kind != RateKind::scalar || !inner.loss_weights.empty()));
      // Without support rows the layer runs as any other and adds to the sum itself.
      if (!task.gram) accumulator.flush();
      if (plan.episode) {
        result.task_losses[t] = episode_gradient(reverse, weight);
      } else if (reptile) {
        result.task_losses[t] = plan.loss.value(task.query, task.predict_query(inner.steps), task.query_labels());
        const T* last = task.theta[inner.steps];
        for (Index i = 0; i < task.fast_size; ++i) reverse.v[i] = weight * (task.theta[0][i] - last[i]);
      } else {
        const T cold = plan.starts ? static_cast<T>(plan.starts->spec.cold) : T(0);
        result.task_losses[t] = plan.solver.meta_gradient(reverse, (1 - cold) * weight);
        if (cold > 0)
          result.task_losses[t] = (1 - cold) * result.task_losses[t] + cold * reverse.query(0, cold * weight);
        if (plan.starts) start_gradient(reverse, *task.run);
      }
      if (!std::isfinite(result.task_losses[t]))
        throw Diverged(t, "the query loss after adaptation is " + std::to_string(result.task_losses[t]));
      for (std::size_t i = 0; i < n; ++i) {
        if (task.fast_offset[i] < 0) continue;
        plan.kernels.axpy(task.tensor_size(static_cast<int>(i)), T(1), reverse.v + task.fast_offset[i],
                          targets.at(model, i));
      }
      if (task.gram) {
        if (reptile)
          accumulator.displace(*task.gram, weight);
        else
          accumulator.add(*task.gram);
      }
    }
    accumulator.flush();
  });

  for (Index t = 0; t < tasks; ++t) result.loss += task_weight(t) * result.task_losses[t];
  dense.reduce(threads, plan.kernels, result.gradient.dense);
  blocks.reduce(plan, threads, result.gradient);
  if (parameter_rates) {
    rate_dense.reduce(threads, plan.kernels, result.rate_gradient.dense);
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
  const int n = static_cast<int>(model.tensors.size()), out = model.output_slot;
  const Shared<T> shared(plan, parameters, Passes::meta_gradient);
  Arena& arena = Arena::of_this_thread();
  arena.reset();
  Task<T> task(plan, 0, shared, arena);
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
  const Slots<T> s = task.take_slots(task.query, plan.all_slots, true),
                 tangent = task.take_slots(task.query, plan.all_slots, true);
  Pass<T> pass = task.make_pass(task.query_rows(), task.query, task.at(0), s, grad.data());
  pass.v = v.data(), pass.hv = hv.data(), pass.tx = tangent.x, pass.tdx = tangent.dx;
  const Labels<T> labels = task.query_labels();
  const auto learns = [&](const Layer<T>& layer) { return s.dx[layer.out] != nullptr; };
  for (const auto& layer : model.layers) layer->forward(pass);
  result.loss = plan.loss.value(task.query, s.x[out], labels);
  plan.loss.backward(task.query, s.x[out], labels, T(1), s.dx[out]);
  for (auto layer = model.layers.rbegin(); layer != model.layers.rend(); ++layer)
    if (learns(**layer)) (*layer)->backward(pass);
  for (const auto& layer : model.layers) layer->tangent_forward(pass);
  plan.loss.tangent(task.query, s.x[out], labels, tangent.x[out], T(1), tangent.dx[out]);
  for (auto layer = model.layers.rbegin(); layer != model.layers.rend(); ++layer)
    if (learns(**layer)) (*layer)->tangent_backward(pass);
  gradient_blocks.reduce(plan, 1, result.gradient);
  product_blocks.reduce(plan, 1, result.product);
  return result;
}

#define INNERLOOP_INSTANTIATE(T)                                                                                  \
  template MetaGradient<T> meta_gradient(const Plan<T>&, const T*, Direction, int, const std::function<void()>&); \
  template HessianVectorProduct<T> hessian_vector_product(const Plan<T>&, const T*, const T*);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)

}  // namespace innerloop
