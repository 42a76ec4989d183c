// The rule of an inner step and its derivative, as in native/solvers/update.h:
//
//   sgd        s_k = g_k
//   momentum   s_k = m_{k+1},  m_{k+1} = μ m_k + g_k
//   adam       s_k = m̂ / (√q̂ + ε),  m_{k+1} = β₁ m_k + (1−β₁) g_k,  q_{k+1} = β₂ q_k + (1−β₂) g_k²
//
// With a largest norm R, g_k is cut to it: c(g) = g min(1, R / ‖g‖).
#pragma once
#include "task.h"

namespace innerloop::device {

// Step k of a task.
template <class T>
struct Update {
  IL_DEVICE Update(const Task<T>& task, int k)
      : task(task),
        call(task.call),
        m(task.m),
        k(k),
        g(task.gradient(k)),
        first(moments(m.first, k)),
        second(moments(m.second, k)),
        debias1(debias(call.beta1)),
        debias2(debias(call.beta2)) {}

  // Cuts g_k, and computes the moments after it.
  IL_DEVICE void advance() const {
    if (call.clip_norm > 0) {
      task.dot(g, g);
      task.block.once([&] {
        const double norm = sqrt(*m.number);
        m.shares[k] = norm > static_cast<double>(call.clip_norm) ? static_cast<T>(call.clip_norm / norm) : T(1);
      });
      const T share = m.shares[k];
      if (share != 1) task.each_fast([&](int, Index at, Index, Index) { g[at] *= share; });
    }
    if (call.update == UpdateKind::sgd) return;
    const T *first_before = k > 0 ? moments(m.first, k - 1) : nullptr,
            *second_before = k > 0 ? moments(m.second, k - 1) : nullptr;
    const bool adam = call.update == UpdateKind::adam;
    task.each_fast([&](int, Index at, Index, Index) {
      const T before = first_before ? first_before[at] : T(0);
      first[at] = call.beta1 * before + (adam ? (1 - call.beta1) * g[at] : g[at]);
      if (adam) second[at] = call.beta2 * (second_before ? second_before[at] : T(0)) + (1 - call.beta2) * g[at] * g[at];
    });
  }

  // Element of s_k, after `advance`.
  IL_DEVICE T step(Index at) const {
    if (call.update == UpdateKind::sgd) return g[at];
    if (call.update == UpdateKind::momentum) return first[at];
    return first[at] * debias1 / (root_of(debias2 * second[at]) + call.epsilon);
  }

  // Clears the derivatives of the moments, before the backward pass.
  IL_DEVICE static void clear(const Task<T>& task) {
    const TaskMemory<T>& m = task.m;
    if (!m.d_first) return;
    task.each_fast([&](int, Index at, Index, Index) {
      m.d_first[at] = 0;
      if (m.d_second) m.d_second[at] = 0;
    });
  }

  // Turns d from the derivative with respect to s_k into that with respect to g_k; those of the moments go on to the
  // step before.
  IL_DEVICE void back(T* d) const {
    if (call.update == UpdateKind::momentum)
      task.each_fast([&](int, Index at, Index, Index) {
        d[at] += m.d_first[at];
        m.d_first[at] = call.beta1 * d[at];
      });
    if (call.update == UpdateKind::adam)
      task.each_fast([&](int, Index at, Index, Index) {
        const T root = root_of(debias2 * second[at]), under = 1 / (root + call.epsilon);
        const T of_first = m.d_first[at] + d[at] * under * debias1;
        const T of_second =
            m.d_second[at] - (root > 0 ? d[at] * debias1 * first[at] * under * under * debias2 / (2 * root) : T(0));
        d[at] = (1 - call.beta1) * of_first + 2 * (1 - call.beta2) * g[at] * of_second;
        m.d_first[at] = call.beta1 * of_first;
        m.d_second[at] = call.beta2 * of_second;
      });
    if (!(call.clip_norm > 0) || m.shares[k] == 1) return;
    task.dot(g, d);
    const T along = static_cast<T>(*m.number / (static_cast<double>(call.clip_norm) * call.clip_norm));
    const T share = m.shares[k];
    task.each_fast([&](int, Index at, Index, Index) { d[at] = share * (d[at] - along * g[at]); });
  }

 private:
  IL_DEVICE T* moments(T* of, int step) const {
    return of ? of + (call.keep_gradients ? step : 0) * task.fast : nullptr;
  }
  IL_DEVICE static T root_of(T x) { return static_cast<T>(sqrt(x)); }
  // 1 / (1 − β^{k+1})
  IL_DEVICE T debias(T beta) const {
    if (call.update != UpdateKind::adam) return 1;
    double power = 1;
    for (int i = 0; i <= k; ++i) power *= beta;
    return static_cast<T>(1 / (1 - power));
  }

  const Task<T>& task;
  const TaskCall<T>& call;
  const TaskMemory<T>& m;
  const int k;
  T *const g, *const first, *const second;
  const T debias1, debias2;
};

}  // namespace innerloop::device
