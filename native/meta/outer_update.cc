#include "outer_update.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../runtime/errors.h"
#include "../runtime/thread_pool.h"

namespace innerloop {
namespace {

template <class T>
double squared_norm(const Model<T>& model, const SparseGradient<T>& gradient) {
  // The sums stand side by side, so that the compiler puts them into registers.
  constexpr std::size_t lanes = 8;
  double sums[lanes] = {};
  const auto add = [&](const Aligned<T>& x) {
    const auto square = [&](std::size_t i) { return static_cast<double>(x[i]) * static_cast<double>(x[i]); };
    std::size_t i = 0;
    for (; i + lanes <= x.size(); i += lanes)
      for (std::size_t j = 0; j < lanes; ++j) sums[j] += square(i + j);
    for (; i < x.size(); ++i) sums[0] += square(i);
  };
  add(gradient.dense);
  for (std::size_t t = 0; t < model.tensors.size(); ++t) add(gradient.blocks[t]);
  double sum = 0;
  for (const double s : sums) sum += s;
  return sum;
}

template <class T>
struct Step {
  Store<T>& store;
  const OptimizerOptions& options;
  const Kernels<T>& kernels;
  T gradient_scale;

  static std::vector<T>& scratch() {
    static thread_local std::vector<T> s;
    return s;
  }

  // Updates n parameters from `offset` on, all of which were last updated at step `last`.
  void update(Index offset, Index n, const T* gradient, std::int64_t last, int tensor) const {
    T *p = store.values->data() + offset, *m = store.first_moment.data() + offset;
    const double t = static_cast<double>(store.step), missed = t - 1 - static_cast<double>(last);
    const double decay = options.weight_decay[tensor], l2 = options.l2[tensor] * (missed + 1);
    std::vector<T>& sum = scratch();
    if (l2 > 0) {
      sum.resize(n);
      for (Index i = 0; i < n; ++i) sum[i] = gradient[i] + static_cast<T>(l2) * p[i] / gradient_scale;
      gradient = sum.data();
    }
    const T shrink = static_cast<T>(options.learning_rate * decay);
    if (options.kind == OptimizerKind::sgd) {
      const T keep = static_cast<T>(std::pow(options.momentum, missed + 1)),
              rate = static_cast<T>(options.learning_rate);
      for (Index i = 0; i < n; ++i) {
        m[i] = keep * m[i] + gradient_scale * gradient[i];
        p[i] -= rate * m[i] + shrink * p[i];
      }
      return;
    }
    T* q = store.second_moment.data() + offset;
    if (missed > 0) {
      kernels.scale(n, static_cast<T>(std::pow(options.beta1, missed)), m, m);
      kernels.scale(n, static_cast<T>(std::pow(options.beta2, missed)), q, q);
    }
    kernels.adam(n, p, m, q, gradient, gradient_scale, static_cast<T>(options.beta1), static_cast<T>(options.beta2),
                 static_cast<T>(options.learning_rate / (1 - std::pow(options.beta1, t))),
                 static_cast<T>(1 / std::sqrt(1 - std::pow(options.beta2, t))), static_cast<T>(options.epsilon),
                 shrink);
  }

  // Shortens a row that is longer than the limit to it.
  void limit(Index offset, Index n, int tensor) const {
    const double longest = options.max_norm[tensor];
    if (longest == 0) return;
    T* p = store.values->data() + offset;
    double squares = 0;
    for (Index i = 0; i < n; ++i) squares += static_cast<double>(p[i]) * static_cast<double>(p[i]);
    if (squares > longest * longest) kernels.scale(n, static_cast<T>(longest / std::sqrt(squares)), p, p);
  }
};

}  // namespace

template <class T>
double outer_update(Store<T>& store, const SparseGradient<T>& gradient, const OptimizerOptions& options, int threads) {
  const Model<T>& model = *store.model;
  const double norm = std::sqrt(squared_norm(model, gradient));
  if (!std::isfinite(norm)) throw Diverged(-1, "the meta-gradient is not finite");
  const double scale = options.clip_norm > 0 && norm > options.clip_norm ? options.clip_norm / norm : 1;
  // A finite gradient is not enough: its square is kept as a moment, and the step itself must fit the numbers.
  const double length = std::max(norm * scale, 1.0),
               limit = std::sqrt(static_cast<double>(std::numeric_limits<T>::max()));
  if (!(length < limit && options.learning_rate * length < limit))
    throw Diverged(-1, "the step on the parameters is out of range");
  if (store.first_moment.empty()) {
    store.first_moment.assign(model.arena_size, T(0));
    store.second_moment.assign(model.arena_size, T(0));
    store.touched.resize(model.tensors.size());
    for (std::size_t t = 0; t < model.tensors.size(); ++t)
      if (model.tensors[t].input >= 0) store.touched[t].assign(model.tensors[t].shape[0], 0);
  }
  ++store.step;
  const Step<T> step{store, options, kernels<T>(), static_cast<T>(scale)};
  Index elements = static_cast<Index>(gradient.dense.size());
  for (const auto& block : gradient.blocks) elements += static_cast<Index>(block.size());
  // An element of Adam's update costs about as much as eight of a sum.
  ThreadPool::instance().parallel_for(
      static_cast<Index>(model.tensors.size()), ThreadPool::threads_for(threads, 8 * elements), [&](Index t) {
        const TensorInfo& info = model.tensors[t];
        if (info.input < 0)
          return step.update(info.offset, info.size, gradient.dense.data() + info.offset, store.step - 1,
                             static_cast<int>(t));
        const Index dim = model.dim(static_cast<int>(t));
        const std::vector<std::int32_t>& rows = *gradient.rows[t];
        for (std::size_t r = 0; r < rows.size(); ++r) {
          std::int64_t& last = store.touched[t][rows[r]];
          step.update(info.offset + rows[r] * dim, dim, gradient.blocks[t].data() + r * dim, last, static_cast<int>(t));
          step.limit(info.offset + rows[r] * dim, dim, static_cast<int>(t));
          last = store.step;
        }
      });
  return norm;
}

template double outer_update(Store<float>&, const SparseGradient<float>&, const OptimizerOptions&, int);
template double outer_update(Store<double>&, const SparseGradient<double>&, const OptimizerOptions&, int);

}  // namespace innerloop
