// Gradient steps, forward and back. With g_k = ∇_θ L_S(θ_k, φ) + λ (θ_k − θ_0) and u_k the update rule's (update.h):
//
//   θ_{k+1} = θ_k − α ∘ u_k,   L = Σ_k w_k L_Q(θ_k), by default L_Q(θ_K)
//   k = K−1 … 0:  v += w_{k+1} ∇L_Q(θ_{k+1});  ∂α += −v ∘ u_k
//   order 2:      d = ∂u_k/∂g_k (−α ∘ v);  (v, u) += H_S(θ_k, φ)(d, 0);  v += λ d;  ∂θ_0 −= λ d
//
// The slow parameters of the prefix see the support rows only through the boundary slots, which are the same at every
// step: their part of Σ_k Hφ is one backward pass with the summed adjoints.
#include <algorithm>
#include <optional>

#include "curvature.h"
#include "solver.h"
#include "update.h"

namespace innerloop {
namespace {

template <class T>
struct GradientSolver final : Solver<T> {
  void adapt(Task<T>& task, bool keep) const override {
    const Plan<T>& plan = task.plan;
    const InnerLoop<T>& inner = plan.inner;
    Arena& arena = task.arena;
    const bool store_gradients =
        keep && (inner.update.kind == UpdateKind::adam ||
                 (inner.update.kind == UpdateKind::sgd && inner.rate_kind != RateKind::scalar));
    if (plan.gram && task.support > 0) task.gram = new (arena.take<Gram<T>>(1)) Gram<T>(task);
    Update<T> update(task);
    const bool folded = inner.is_folded();
    for (int k = 0; k < inner.steps; ++k) {
      const bool fresh = keep || k == 0;
      task.steps[k] = fresh ? task.take_slots(task.support, plan.suffix_slots, true) : task.steps[0];
      if (fresh)
        for (const int s : plan.boundary) task.steps[k].x[s] = task.prefix.x[s];
      if (folded) {
        // Where steps are not kept, every other one takes the same place.
        task.theta[k + 1] = keep || k < 2 ? arena.take<T>(task.fast_size) : task.theta[k - 1];
        task.copy_step(k);
        task.gradient[k] = task.theta[k + 1];
        task.support_gradient(k);
        continue;
      }
      task.gradient[k] = k == 0 || store_gradients ? arena.take<T>(task.fast_size) : task.gradient[0];
      task.theta[k + 1] = keep || k == 0 ? arena.take<T>(task.fast_size) : task.theta[k];
      std::fill_n(task.gradient[k], task.fast_size, T(0));
      task.support_gradient(k);
      if (inner.proximal != 0) {
        plan.kernels.axpy(task.fast_size, inner.proximal, task.theta[k], task.gradient[k]);
        plan.kernels.axpy(task.fast_size, -inner.proximal, task.theta[0], task.gradient[k]);
      }
      step(task, k, update.advance(k, keep));
    }
  }

  double meta_gradient(Reverse<T>& reverse, T weight) const override {
    Task<T>& task = reverse.task;
    const Plan<T>& plan = task.plan;
    const InnerLoop<T>& inner = plan.inner;
    const bool exact = inner.order == 2 && task.support > 0 && !plan.suffix.empty();
    const auto share = [&](int k) {
      return inner.loss_weights.empty() ? (k == inner.steps ? T(1) : T(0)) : inner.loss_weights[k - 1];
    };
    if (inner.steps == 0) return reverse.query(0, weight);

    double loss = 0;
    Update<T> update(task);
    T** const adjoint = exact ? reverse.take_adjoints() : nullptr;
    // Folded steps have −α in their loss: d is v, and even lies where v does if no layer minds.
    const bool in_place = inner.is_folded() && plan.may_alias;
    T* const d = in_place ? reverse.v : task.arena.template take<T>(task.fast_size);
    T* const start = inner.proximal == 0
                         ? nullptr
                         : task.arena.template take_zeroed<T>(task.fast_size);  // ∂θ_0 of the proximal term
    std::optional<Curvature<T>> curvature;
    for (int k = inner.steps - 1; k >= 0; --k) {
      if (const T w = share(k + 1); w != 0) loss += static_cast<double>(w) * reverse.query(k + 1, weight * w);
      if (inner.rate_kind != RateKind::scalar) rate_gradient(reverse, k, update.replay(k));
      if (!exact) continue;
      if (!curvature) curvature.emplace(reverse, adjoint);
      if (!in_place) direction(reverse, k, d);
      update.back(k, d);
      if (start) {
        plan.kernels.axpy(task.fast_size, inner.proximal, d, reverse.v);
        plan.kernels.axpy(task.fast_size, -inner.proximal, d, start);
      }
      curvature->product(k, d, reverse.into);
    }
    if (!exact) return loss;
    if (start) plan.kernels.axpy(task.fast_size, T(1), start, reverse.v);
    if (task.gram && adjoint[plan.gram_in]) task.gram->support_adjoint(adjoint[plan.gram_in]);
    if (plan.prefix_learns) reverse.prefix_backward(adjoint);
    return loss;
  }

 private:
  // θ_{k+1} = θ_k − α ∘ u_k
  static void step(const Task<T>& task, int k, const T* u) {
    const Plan<T>& plan = task.plan;
    const T* from = task.theta[k];
    T* to = task.theta[k + 1];
    if (plan.inner.rate_kind == RateKind::scalar)
      return plan.kernels.add_scaled(task.fast_size, from, -plan.inner.rate, u, to);
    task.each_fast([&](int t, Index at, Index size) {
      if (plan.inner.rate_kind == RateKind::per_tensor_step)
        plan.kernels.add_scaled(size, from + at, -plan.inner.step_rates[t][k], u + at, to + at);
      else
        plan.kernels.sub_product(size, from + at, task.rates[t], u + at, to + at);
    });
  }

  // d = −α ∘ v: the minus sign makes every later product accumulate straight into v and u.
  static void direction(const Reverse<T>& reverse, int k, T* d) {
    const Task<T>& task = reverse.task;
    const Plan<T>& plan = task.plan;
    if (plan.inner.is_folded()) {
      std::copy_n(reverse.v, task.fast_size, d);
      return;
    }
    if (plan.inner.rate_kind == RateKind::scalar)
      return plan.kernels.scale(task.fast_size, -plan.inner.rate, reverse.v, d);
    task.each_fast([&](int t, Index at, Index size) {
      if (plan.inner.rate_kind == RateKind::per_tensor_step)
        plan.kernels.scale(size, -plan.inner.step_rates[t][k], reverse.v + at, d + at);
      else
        plan.kernels.negative_product(size, task.rates[t], reverse.v + at, d + at);
    });
  }

  // ∂α += −v ∘ u_k
  static void rate_gradient(Reverse<T>& reverse, int k, const T* u) {
    const Task<T>& task = reverse.task;
    const Plan<T>& plan = task.plan;
    task.each_fast([&](int t, Index at, Index size) {
      const T* v = reverse.v + at;
      if (plan.inner.rate_kind == RateKind::per_tensor_step)
        (*reverse.step_rate_into)[t][k] -= plan.kernels.dot(size, v, u + at);
      else
        plan.kernels.sub_product_into(size, v, u + at, reverse.rate_into[t]);
    });
  }
};

}  // namespace

template <class T>
const Solver<T>& gradient_solver() {
  static const GradientSolver<T> solver;
  return solver;
}

template const Solver<float>& gradient_solver();
template const Solver<double>& gradient_solver();

}  // namespace innerloop
