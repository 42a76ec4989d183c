// Implicit MAML for one task, as in native/solvers/implicit.cc: at the minimum that the steps approach,
//
//   ∂θ_0 = x = (I + H/λ + δ I)⁻¹ ∇_θ L_Q,   ∂φ = ∇_φ L_Q − (∇²_φθ L_S) x / λ
//
// with x from conjugate gradients on Hessian-vector products.
#pragma once
#include "task.h"

namespace innerloop::device {

template <class T>
struct Implicit {
  // @param support the pass over the support rows at θ_K; its values and adjoints are computed here
  IL_DEVICE Implicit(const Task<T>& task, const Pass<T>& support) : task(task), call(task.call), m(task.m), p(support) {
    p.grad = m.product, p.from = nullptr;
    task.run_forward(p);
    task.run_backward(p, task.support_labels(), task.support_weight());
  }

  // Turns v, which is ∇_θ L_Q, into x, and adds −(∇²_φθ L_S) x / λ to the sums of the other parameters.
  IL_DEVICE void solve(T* slow, T* const* blocks) {
    const bool moved = conjugate_gradients();
    T *const x = m.solution, *const d = m.conjugate;
    task.each_fast([&](int, Index at, Index, Index) {
      if (moved) m.v[at] = x[at];
      d[at] = -m.v[at] / call.proximal;
    });
    p.boundary = Boundary::set;
    p.slow = slow, p.blocks = blocks;
    multiply(d);
  }

 private:
  // Computes H d, to m.product.
  IL_DEVICE void multiply(const T* d) {
    p.v = d;
    task.run_tangents(p);
  }

  // Returns whether a step was taken. It ends early at the tolerance, and where the curvature is so negative that the
  // matrix is not positive definite, because θ_K is then no minimum.
  IL_DEVICE bool conjugate_gradients() {
    T *const x = m.solution, *const r = m.residual, *const c = m.conjugate, *const ac = m.product;
    task.each_fast([&](int, Index at, Index, Index) { x[at] = 0, r[at] = m.v[at], c[at] = m.v[at]; });
    const auto dot = [&](const T* a, const T* b) {
      task.dot(a, b);
      return *m.number;
    };
    double squared = dot(r, r);
    const double enough = squared * call.cg_tolerance * call.cg_tolerance;
    bool moved = false;
    for (int i = 0; i < call.cg_steps && squared > enough; ++i) {
      multiply(c);
      task.each_fast(
          [&](int, Index at, Index, Index) { ac[at] = c[at] + ac[at] / call.proximal + call.cg_damping * c[at]; });
      const double along = dot(c, ac);
      if (!(along > 0)) break;
      const T step = static_cast<T>(squared / along);
      task.each_fast([&](int, Index at, Index, Index) {
        x[at] += step * c[at];
        r[at] -= step * ac[at];
      });
      moved = true;
      const double next = dot(r, r);
      const T share = static_cast<T>(next / squared);
      task.each_fast([&](int, Index at, Index, Index) { c[at] = r[at] + share * c[at]; });
      squared = next;
    }
    return moved;
  }

  const Task<T>& task;
  const TaskCall<T>& call;
  const TaskMemory<T>& m;
  Pass<T> p;
};

}  // namespace innerloop::device
