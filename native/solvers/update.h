// The rule of an inner step, θ_{k+1} = θ_k − α ∘ s_k, and its derivative:
//
//   sgd        s_k = g_k
//   momentum   s_k = m_{k+1},  m_{k+1} = μ m_k + g_k                                       (heavy ball, Polyak 1964)
//   adam       s_k = m̂ / (√q̂ + ε),  m_{k+1} = β₁ m_k + (1−β₁) g_k,  q_{k+1} = β₂ q_k + (1−β₂) g_k²,
//              m̂ = m_{k+1} / (1−β₁^{k+1}),  q̂ = q_{k+1} / (1−β₂^{k+1})                     (Kingma & Ba 2015)
//
// With a largest norm R, c(g) = g min(1, R / ‖g‖) takes the place of g_k, with the norm over all that the task adapts.
// Where ‖g‖ > R its derivative is the symmetric (R / ‖g‖) (I − c cᵀ / R²), elsewhere it is 1.
//
// Moments start at 0 with every task. Where q̂ is 0, g_0 … g_k are 0 too, and the derivative of √q̂ is taken as 0.
#pragma once
#include <cmath>

#include "../task/task.h"

namespace innerloop {

// The moments m and q of momentum and adam, flat and by step.
template <class T>
struct Moments {
  T **first = nullptr, **second = nullptr;
  T* shares = nullptr;  // R / ‖g_k‖ where g_k was cut, else 1
};

template <class T>
struct Update {
  // @param gradient flat and by step
  Update(Task<T>& task, T* const* gradient, Moments<T>& moments)
      : task(task),
        gradient(gradient),
        moments(moments),
        rule(task.plan.inner.update),
        kernels(task.plan.kernels),
        n(task.parameters.fast_size) {}

  // Gives s_k from g_k; with `keep`, what `replay` and `back` need stays.
  const T* advance(int k, bool keep) {
    if (rule.clip_norm > 0) clip(k);
    const T* g = gradient[k];
    if (rule.kind == UpdateKind::sgd) return g;
    next(moments.first, k, keep);
    T* m = moments.first[k + 1];
    if (rule.kind == UpdateKind::momentum) {
      kernels.scale(n, rule.beta1, moments.first[k], m);
      kernels.axpy(n, T(1), g, m);
      return m;
    }
    next(moments.second, k, keep);
    const T *m_before = moments.first[k], *q_before = moments.second[k];
    T* q = moments.second[k + 1];
    for (Index i = 0; i < n; ++i) m[i] = rule.beta1 * m_before[i] + (1 - rule.beta1) * g[i];
    for (Index i = 0; i < n; ++i) q[i] = rule.beta2 * q_before[i] + (1 - rule.beta2) * g[i] * g[i];
    return replay(k);
  }

  // Gives s_k again, from what `advance` kept.
  const T* replay(int k) {
    if (rule.kind == UpdateKind::sgd) return gradient[k];
    if (rule.kind == UpdateKind::momentum) return moments.first[k + 1];
    if (!step) step = task.arena.template take<T>(n);
    const T *m = moments.first[k + 1], *q = moments.second[k + 1];
    const T first = 1 / correction(rule.beta1, k), second = 1 / correction(rule.beta2, k);
    for (Index i = 0; i < n; ++i) step[i] = first * m[i] / (std::sqrt(second * q[i]) + rule.epsilon);
    return step;
  }

  // Turns d from the derivative with respect to s_k into that with respect to g_k; those of the moments go on to the
  // step before.
  void back(int k, T* d) {
    back_to_clipped(k, d);
    if (rule.clip_norm == 0 || moments.shares[k] == 1) return;
    const T share = moments.shares[k];
    const T along = static_cast<T>(dot(gradient[k], d) / (static_cast<double>(rule.clip_norm) * rule.clip_norm));
    kernels.axpy(n, -along, gradient[k], d);
    kernels.scale(n, share, d, d);
  }

 private:
  void clip(int k) {
    if (!moments.shares) moments.shares = task.arena.template take<T>(task.plan.inner.steps);
    T* g = gradient[k];
    const double norm = std::sqrt(dot(g, g));
    const T share = norm > static_cast<double>(rule.clip_norm) ? static_cast<T>(rule.clip_norm / norm) : T(1);
    moments.shares[k] = share;
    if (share != 1) kernels.scale(n, share, g, g);
  }

  // The sum runs tensor by tensor, because what lies between them is whatever an earlier task left there.
  double dot(const T* a, const T* b) const {
    double sum = 0;
    task.parameters.each_fast([&](int, Index at, Index size) {
      for (Index i = at; i < at + size; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    });
    return sum;
  }

  // Turns the derivative with respect to c(g_k) into that with respect to g_k.
  void back_to_clipped(int k, T* d) {
    if (rule.kind == UpdateKind::sgd) return;
    if (!dm) dm = task.arena.template take_zeroed<T>(n);
    if (rule.kind == UpdateKind::momentum) {
      kernels.axpy(n, T(1), dm, d);
      kernels.scale(n, rule.beta1, d, dm);
      return;
    }
    if (!dq) dq = task.arena.template take_zeroed<T>(n);
    const T *g = gradient[k], *m = moments.first[k + 1], *q = moments.second[k + 1];
    const T first = 1 / correction(rule.beta1, k), second = 1 / correction(rule.beta2, k);
    for (Index i = 0; i < n; ++i) {
      const T root = std::sqrt(second * q[i]), under = 1 / (root + rule.epsilon);
      const T m_total = dm[i] + d[i] * under * first;
      const T q_total = dq[i] - (root > 0 ? d[i] * first * m[i] * under * under * second / (2 * root) : T(0));
      d[i] = (1 - rule.beta1) * m_total + 2 * (1 - rule.beta2) * g[i] * q_total;
      dm[i] = rule.beta1 * m_total;
      dq[i] = rule.beta2 * q_total;
    }
  }

  // 1 − β^{k+1}
  static T correction(T beta, int k) { return static_cast<T>(1 - std::pow(static_cast<double>(beta), k + 1)); }

  void next(T**& by_step, int k, bool keep) {
    if (!by_step) {
      by_step = task.arena.template take_zeroed<T*>(task.plan.inner.steps + 1);
      by_step[0] = task.arena.template take_zeroed<T>(n);
    }
    by_step[k + 1] = keep ? task.arena.template take<T>(n) : by_step[k];
  }

  Task<T>& task;
  T* const* const gradient;
  Moments<T>& moments;
  const UpdateRule<T>& rule;
  const Kernels<T>& kernels;
  const Index n;
  T *step = nullptr, *dm = nullptr, *dq = nullptr;  // [n]
};

}  // namespace innerloop
