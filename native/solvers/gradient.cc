// Gradient steps, forward and back. With g_k = ∇_θ L_S(θ_k, φ) + λ (θ_k − θ_0) and s_k the update rule's step
// (update.h):
//
//   θ_{k+1} = θ_k − α ∘ s_k,   L = Σ_k w_k L_Q(θ_k), by default L_Q(θ_K)
//   k = K−1 … 0:  v += w_{k+1} ∇L_Q(θ_{k+1});  ∂α += −v ∘ s_k
//   order 2:      d = ∂s_k/∂g_k (−α ∘ v);  (v, u) += H_S(θ_k, φ)(d, 0);  v += λ d;  ∂θ_0 −= λ d
//
// The slow parameters of the prefix see the support rows only through the boundary slots, which are the same at every
// step: their part of Σ_k Hφ is one backward pass with the summed adjoints.
#include "gradient.h"

#include <algorithm>
#include <optional>

#include "curvature.h"

namespace innerloop {
namespace {

template <class T>
struct GradientSolver final : Solver<T> {
  void adapt(Task<T>& task, bool keep) const override {
    const Plan<T>& plan = task.plan;
    const InnerLoop<T>& inner = plan.inner;
    Arena& arena = task.arena;
    auto& state = *new (arena.take<GradientState<T>>(1)) GradientState<T>(task);
    task.solver_state = &state;
    if (inner.rate_kind == RateKind::per_parameter) state.rates = take_rates(task);
    if (plan.gram && task.support > 0) task.gram = new (arena.take<Gram<T>>(1)) Gram<T>(task);
    const bool keep_gradients = keep && (inner.update.kind == UpdateKind::adam || inner.update.clip_norm > 0 ||
                                         (inner.update.kind == UpdateKind::sgd && inner.rate_kind != RateKind::scalar));
    T **const theta = task.parameters.theta, **const gradient = state.support.gradient;
    const Index n = task.parameters.fast_size;
    Update<T> update(task, gradient, state.moments);
    const bool folded = inner.is_folded();
    for (int k = 0; k < inner.steps; ++k) {
      if (keep || k == 0)
        state.support.take_slots(k);
      else
        state.support.slots[k] = state.support.slots[0];
      if (folded) {
        // Where steps are not kept, two places are enough, in turns.
        theta[k + 1] = keep || k < 2 ? arena.take<T>(n) : theta[k - 1];
        state.support.copy_step(k);
        gradient[k] = theta[k + 1];
        state.support.run(k);
        continue;
      }
      gradient[k] = k == 0 || keep_gradients ? arena.take<T>(n) : gradient[0];
      theta[k + 1] = keep || k == 0 ? arena.take<T>(n) : theta[k];
      std::fill_n(gradient[k], n, T(0));
      state.support.run(k);
      if (inner.proximal != 0) {
        plan.kernels.axpy(n, inner.proximal, theta[k], gradient[k]);
        plan.kernels.axpy(n, -inner.proximal, theta[0], gradient[k]);
      }
      step(task, k, update.advance(k, keep));
    }
  }

  double meta_gradient(Reverse<T>& reverse, T weight) const override {
    Task<T>& task = reverse.task;
    const Plan<T>& plan = task.plan;
    const InnerLoop<T>& inner = plan.inner;
    if (inner.steps == 0) return reverse.query(0, weight);
    GradientState<T>& state = gradient_state(task);
    const Index n = task.parameters.fast_size;
    const bool exact = inner.order == 2 && !state.support.is_empty();
    const auto share = [&](int k) {
      return inner.loss_weights.empty() ? (k == inner.steps ? T(1) : T(0)) : inner.loss_weights[k - 1];
    };

    double loss = 0;
    Update<T> update(task, state.support.gradient, state.moments);
    T** const adjoint = exact ? reverse.take_adjoints() : nullptr;
    // Folded steps have −α in their loss, so that d equals v; it may lie in the same place where every layer allows
    // that.
    const bool in_place = inner.is_folded() && plan.may_alias;
    T* const d = in_place ? reverse.v : task.arena.template take<T>(n);
    // The proximal term's part of ∂θ_0.
    T* const start = inner.proximal == 0 ? nullptr : task.arena.template take_zeroed<T>(n);
    std::optional<Curvature<T>> curvature;
    for (int k = inner.steps - 1; k >= 0; --k) {
      if (const T w = share(k + 1); w != 0) loss += static_cast<double>(w) * reverse.query(k + 1, weight * w);
      if (inner.rate_kind != RateKind::scalar) rate_gradient(reverse, k, update.replay(k));
      if (!exact) continue;
      if (!curvature) curvature.emplace(reverse, state.support, adjoint);
      if (!in_place) direction(reverse, k, d);
      update.back(k, d);
      if (start) {
        plan.kernels.axpy(n, inner.proximal, d, reverse.v);
        plan.kernels.axpy(n, -inner.proximal, d, start);
      }
      curvature->product(k, d, reverse.into);
    }
    if (!exact) return loss;
    if (start) plan.kernels.axpy(n, T(1), start, reverse.v);
    if (task.gram && adjoint[plan.gram->slot_in]) task.gram->support_adjoint(adjoint[plan.gram->slot_in]);
    if (plan.prefix_learns) reverse.prefix_backward(adjoint);
    return loss;
  }

 private:
  // Gives the rates of the fast parameters by tensor, gathered as the parameters of the task are.
  static T** take_rates(const Task<T>& task) {
    const T* storage = task.plan.inner.parameter_rates->data();
    const auto& tensors = task.plan.model.tensors;
    T** rates = task.arena.template take_zeroed<T*>(static_cast<Index>(tensors.size()));
    task.parameters.each_fast([&](int t, Index, Index) {
      // The rates are never written; only the table of pointers has a type that would allow it.
      rates[t] =
          tensors[t].input < 0 ? const_cast<T*>(storage + tensors[t].offset) : task.parameters.gather(storage, t);
    });
    return rates;
  }

  // θ_{k+1} = θ_k − α ∘ s_k
  static void step(const Task<T>& task, int k, const T* s) {
    const Plan<T>& plan = task.plan;
    const T* from = task.parameters.theta[k];
    T* to = task.parameters.theta[k + 1];
    if (plan.inner.rate_kind == RateKind::scalar)
      return plan.kernels.add_scaled(task.parameters.fast_size, from, -plan.inner.rate, s, to);
    task.parameters.each_fast([&](int t, Index at, Index size) {
      if (plan.inner.rate_kind == RateKind::per_tensor_step)
        plan.kernels.add_scaled(size, from + at, -plan.inner.step_rates[t][k], s + at, to + at);
      else
        plan.kernels.sub_product(size, from + at, gradient_state(task).rates[t], s + at, to + at);
    });
  }

  // Sets d = −α ∘ v. With the minus sign here, every later product adds straight to v and u.
  static void direction(const Reverse<T>& reverse, int k, T* d) {
    const Task<T>& task = reverse.task;
    const Plan<T>& plan = task.plan;
    if (plan.inner.is_folded()) {
      std::copy_n(reverse.v, task.parameters.fast_size, d);
      return;
    }
    if (plan.inner.rate_kind == RateKind::scalar)
      return plan.kernels.scale(task.parameters.fast_size, -plan.inner.rate, reverse.v, d);
    task.parameters.each_fast([&](int t, Index at, Index size) {
      if (plan.inner.rate_kind == RateKind::per_tensor_step)
        plan.kernels.scale(size, -plan.inner.step_rates[t][k], reverse.v + at, d + at);
      else
        plan.kernels.negative_product(size, gradient_state(task).rates[t], reverse.v + at, d + at);
    });
  }

  // ∂α += −v ∘ s_k
  static void rate_gradient(Reverse<T>& reverse, int k, const T* s) {
    const Task<T>& task = reverse.task;
    const Plan<T>& plan = task.plan;
    task.parameters.each_fast([&](int t, Index at, Index size) {
      const T* v = reverse.v + at;
      if (plan.inner.rate_kind == RateKind::per_tensor_step)
        (*reverse.step_rate_into)[t][k] -= plan.kernels.dot(size, v, s + at);
      else
        plan.kernels.sub_product_into(size, v, s + at, reverse.rate_into[t]);
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
