// Implicit MAML (Rajeswaran, Finn, Kakade & Levine 2019). The inner problem is regularised towards the shared
// parameters,
//
//   θ* = argmin_θ L_S(θ, φ) + λ/2 ‖θ − θ_0‖²,   so that at θ*   ∇_θ L_S + λ (θ* − θ_0) = 0
//
// and the derivative needs no path of steps, only the curvature at their end:
//
//   ∂θ_0 = x = (I + H/λ)⁻¹ ∇_θ L_Q,   ∂φ = ∇_φ L_Q − (∇²_φθ L_S) x / λ
//
// x comes from conjugate gradients on Hessian-vector products. θ_K stands for θ*: the derivative is exact where θ_K is
// the minimum and the system is solved. Damping (the authors' code has it) solves (I + H/λ + δ I) x = ∇_θ L_Q instead,
// which is positive definite where H is less so, and shrinks the gradient.
#include <algorithm>

#include "curvature.h"
#include "gradient.h"

namespace innerloop {
namespace {

template <class T>
struct ImplicitSolver final : Solver<T> {
  void adapt(Task<T>& task, bool) const override { gradient_solver<T>().adapt(task, false); }

  double meta_gradient(Reverse<T>& reverse, T weight) const override {
    Task<T>& task = reverse.task;
    const Plan<T>& plan = task.plan;
    const int K = plan.inner.steps;
    const double loss = reverse.query(K, weight);
    if (K == 0 || task.support == 0 || plan.suffix.empty()) return loss;
    SupportPasses<T>& support = gradient_state(task).support;

    const Index n = task.parameters.fast_size;
    support.take_slots(K);
    support.gradient[K] = task.arena.template take_zeroed<T>(n);
    support.run(K);

    T* const x = conjugate_gradients(reverse, support);
    // The slow parameters take −x/λ through the curvature once more.
    T** const adjoint = reverse.take_adjoints();
    T* const d = task.arena.template take<T>(n);
    plan.kernels.scale(n, -1 / plan.inner.proximal, x, d);
    T** const slow = task.arena.template take<T*>(static_cast<Index>(plan.model.tensors.size()));
    for (std::size_t t = 0; t < plan.model.tensors.size(); ++t)
      slow[t] = task.parameters.fast_offset[t] < 0 ? reverse.into[t] : nullptr;
    Curvature<T>(reverse, support, adjoint).product(K, d, slow);
    if (plan.prefix_learns) reverse.prefix_backward(adjoint);
    std::copy_n(x, n, reverse.v);
    return loss;
  }

 private:
  // Gives the x of (I + H/λ + δ I) x = v, δ being the damping. It ends early at the tolerance, and where the curvature
  // is so negative that the matrix is not positive definite, because θ_K is then no minimum.
  static T* conjugate_gradients(const Reverse<T>& reverse, SupportPasses<T>& support) {
    Task<T>& task = reverse.task;
    const Plan<T>& plan = task.plan;
    const Kernels<T>& kernels = plan.kernels;
    const Index n = task.parameters.fast_size;
    Curvature<T> curvature(reverse, support,
                           task.arena.template take_zeroed<T*>(static_cast<Index>(plan.model.slot_width.size())));
    T *x = task.arena.template take_zeroed<T>(n), *r = task.arena.template take<T>(n),
      *p = task.arena.template take<T>(n);
    T* ap = task.arena.template take<T>(n);
    T** const into = task.parameters.fast_pointers(ap);
    std::copy_n(reverse.v, n, r);
    std::copy_n(reverse.v, n, p);
    double squared = kernels.dot(n, r, r);
    const double enough = squared * static_cast<double>(plan.inner.conjugate_gradients.tolerance) *
                          static_cast<double>(plan.inner.conjugate_gradients.tolerance);
    const T damping = plan.inner.conjugate_gradients.damping;
    bool moved = false;
    for (int i = 0; i < plan.inner.conjugate_gradients.steps && squared > enough; ++i) {
      std::fill_n(ap, n, T(0));
      curvature.product(plan.inner.steps, p, into);
      kernels.add_scaled(n, p, 1 / plan.inner.proximal, ap, ap);
      if (damping > 0) kernels.axpy(n, damping, p, ap);
      const double along = kernels.dot(n, p, ap);
      if (!(along > 0)) break;
      const T step = static_cast<T>(squared / along);
      kernels.axpy(n, step, p, x);
      kernels.axpy(n, -step, ap, r);
      moved = true;
      const double next = kernels.dot(n, r, r);
      kernels.add_scaled(n, r, static_cast<T>(next / squared), p, p);
      squared = next;
    }
    if (!moved) std::copy_n(reverse.v, n, x);
    return x;
  }
};

}  // namespace

template <class T>
const Solver<T>& implicit_solver() {
  static const ImplicitSolver<T> solver;
  return solver;
}

template const Solver<float>& implicit_solver();
template const Solver<double>& implicit_solver();

}  // namespace innerloop
