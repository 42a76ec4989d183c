// The rule of an inner step, θ_{k+1} = θ_k − α ∘ u_k, and its derivative:
//
//   sgd        u_k = g_k
//   momentum   u_k = m_{k+1},  m_{k+1} = μ m_k + g_k                                       (heavy ball, Polyak 1964)
//   adam       u_k = m̂ / (√ŝ + ε),  m_{k+1} = β₁ m_k + (1−β₁) g_k,  s_{k+1} = β₂ s_k + (1−β₂) g_k²,
//              m̂ = m_{k+1} / (1−β₁^{k+1}),  ŝ = s_{k+1} / (1−β₂^{k+1})                     (Kingma & Ba 2015)
//
// Moments start at 0 with every task. Where ŝ is 0, so are g_0 … g_k, and the derivative of √ŝ is taken as 0: that of u
// at 0.
#pragma once
#include <cmath>

#include "../inner_loop.h"

namespace innerloop {

template <class T>
struct Update {
  explicit Update(Task<T>& task)
      : task(task), rule(task.plan.inner.update), kernels(task.plan.kernels), n(task.fast_size) {}

  // u_k from g_k; with `keep`, what `replay` and `back` need stays.
  const T* advance(int k, bool keep) {
    if (rule.kind == UpdateKind::sgd) return task.gradient[k];
    next(task.first_moment, k, keep);
    const T* g = task.gradient[k];
    T* m = task.first_moment[k + 1];
    if (rule.kind == UpdateKind::momentum) {
      kernels.scale(n, rule.beta1, task.first_moment[k], m);
      kernels.axpy(n, T(1), g, m);
      return m;
    }
    next(task.second_moment, k, keep);
    const T* s = task.second_moment[k];
    T* to = task.second_moment[k + 1];
    for (Index i = 0; i < n; ++i) m[i] = rule.beta1 * task.first_moment[k][i] + (1 - rule.beta1) * g[i];
    for (Index i = 0; i < n; ++i) to[i] = rule.beta2 * s[i] + (1 - rule.beta2) * g[i] * g[i];
    return replay(k);
  }

  // u_k again.
  const T* replay(int k) {
    if (rule.kind == UpdateKind::sgd) return task.gradient[k];
    if (rule.kind == UpdateKind::momentum) return task.first_moment[k + 1];
    if (!u) u = task.arena.template take<T>(n);
    const T *m = task.first_moment[k + 1], *s = task.second_moment[k + 1];
    const T first = 1 / correction(rule.beta1, k), second = 1 / correction(rule.beta2, k);
    for (Index i = 0; i < n; ++i) u[i] = first * m[i] / (std::sqrt(second * s[i]) + rule.epsilon);
    return u;
  }

  // d from the derivative with respect to u_k to that with respect to g_k; those of the moments go on to the step
  // before.
  void back(int k, T* d) {
    if (rule.kind == UpdateKind::sgd) return;
    if (!dm) dm = task.arena.template take_zeroed<T>(n);
    if (rule.kind == UpdateKind::momentum) {
      kernels.axpy(n, T(1), dm, d);
      kernels.scale(n, rule.beta1, d, dm);
      return;
    }
    if (!ds) ds = task.arena.template take_zeroed<T>(n);
    const T *g = task.gradient[k], *m = task.first_moment[k + 1], *s = task.second_moment[k + 1];
    const T first = 1 / correction(rule.beta1, k), second = 1 / correction(rule.beta2, k);
    for (Index i = 0; i < n; ++i) {
      const T root = std::sqrt(second * s[i]), under = 1 / (root + rule.epsilon);
      const T m_total = dm[i] + d[i] * under * first;
      const T s_total = ds[i] - (root > 0 ? d[i] * first * m[i] * under * under * second / (2 * root) : T(0));
      d[i] = (1 - rule.beta1) * m_total + 2 * (1 - rule.beta2) * g[i] * s_total;
      dm[i] = rule.beta1 * m_total;
      ds[i] = rule.beta2 * s_total;
    }
  }

 private:
  // 1 − β^{k+1}
  static T correction(T beta, int k) { return static_cast<T>(1 - std::pow(static_cast<double>(beta), k + 1)); }

  void next(T**& moments, int k, bool keep) {
    if (!moments) {
      moments = task.arena.template take_zeroed<T*>(task.plan.inner.steps + 1);
      moments[0] = task.arena.template take_zeroed<T>(n);
    }
    moments[k + 1] = keep ? task.arena.template take<T>(n) : moments[k];
  }

  Task<T>& task;
  const UpdateRule<T>& rule;
  const Kernels<T>& kernels;
  Index n;
  T *u = nullptr, *dm = nullptr, *ds = nullptr;  // [n]
};

}  // namespace innerloop
