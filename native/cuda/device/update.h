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

template <class T>
struct Update {
  IL_DEVICE explicit Update(const Task<T>& task) : task(task), block(task.block), call(task.call), m(task.m) {}

  // Cuts g_k, and computes the moments after it.
  IL_DEVICE void advance(int k) const {
    T* g = task.gradient(k);
    if (call.clip_norm > 0) {
      task.dot(g, g);
      block.once([&] {
        const double norm = sqrt(*m.number);
        m.shares[k] = norm > static_cast<double>(call.clip_norm) ? static_cast<T>(call.clip_norm / norm) : T(1);
      });
      const T share = m.shares[k];
      if (share != 1) task.each_fast([&](int, Index at, Index, Index) { g[at] *= share; });
    }
    if (call.update == UpdateKind::sgd) return;
    T *first = moments(m.first, k), *second = m.second ? moments(m.second, k) : nullptr;
    const T *first_before = k > 0 ? moments(m.first, k - 1) : nullptr,
            *second_before = k > 0 && second ? moments(m.second, k - 1) : nullptr;
    const bool adam = call.update == UpdateKind::adam;
    task.each_fast([&](int, Index at, Index, Index) {
      const T before = first_before ? first_before[at] : T(0);
      first[at] = call.beta1 * before + (adam ? (1 - call.beta1) * g[at] : g[at]);
      if (adam) second[at] = call.beta2 * (second_before ? second_before[at] : T(0)) + (1 - call.beta2) * g[at] * g[at];
    });
  }

  // Element of s_k, after `advance`.
  IL_DEVICE T step(int k, Index at) const {
    if (call.update == UpdateKind::sgd) return task.gradient(k)[at];
    const T first = moments(m.first, k)[at];
    if (call.update == UpdateKind::momentum) return first;
    return first * debias(call.beta1, k) / (root_of(debias(call.beta2, k) * moments(m.second, k)[at]) + call.epsilon);
  }

  // Clears the derivatives of the moments, before the backward pass.
  IL_DEVICE void begin_back() const {
    if (call.update == UpdateKind::sgd) return;
    task.each_fast([&](int, Index at, Index, Index) {
      m.d_first[at] = 0;
      if (m.d_second) m.d_second[at] = 0;
    });
  }

  // Turns d from the derivative with respect to s_k into that with respect to g_k; those of the moments go on to the
  // step before.
  IL_DEVICE void back(int k, T* d) const {
    const T* g = task.gradient(k);
    if (call.update == UpdateKind::momentum)
      task.each_fast([&](int, Index at, Index, Index) {
        d[at] += m.d_first[at];
        m.d_first[at] = call.beta1 * d[at];
      });
    if (call.update == UpdateKind::adam) {
      const T *first = moments(m.first, k), *second = moments(m.second, k);
      const T b1 = debias(call.beta1, k), b2 = debias(call.beta2, k);
      task.each_fast([&](int, Index at, Index, Index) {
        const T root = root_of(b2 * second[at]), under = 1 / (root + call.epsilon);
        const T of_first = m.d_first[at] + d[at] * under * b1;
        const T of_second =
            m.d_second[at] - (root > 0 ? d[at] * b1 * first[at] * under * under * b2 / (2 * root) : T(0));
        d[at] = (1 - call.beta1) * of_first + 2 * (1 - call.beta2) * g[at] * of_second;
        m.d_first[at] = call.beta1 * of_first;
        m.d_second[at] = call.beta2 * of_second;
      });
    }
    if (!(call.clip_norm > 0) || m.shares[k] == 1) return;
    task.dot(g, d);
    const T along = static_cast<T>(*m.number / (static_cast<double>(call.clip_norm) * call.clip_norm));
    const T share = m.shares[k];
    task.each_fast([&](int, Index at, Index, Index) { d[at] = share * (d[at] - along * g[at]); });
  }

 private:
  IL_DEVICE T* moments(T* of, int k) const { return of + (call.keep_gradients ? k : 0) * task.fast; }
  IL_DEVICE static T root_of(T x) { return static_cast<T>(sqrt(x)); }
  // 1 / (1 − β^{k+1})
  IL_DEVICE static T debias(T beta, int k) {
    double power = 1;
    for (int i = 0; i <= k; ++i) power *= beta;
    return static_cast<T>(1 / (1 - power));
  }

  const Task<T>& task;
  const Block& block;
  const TaskCall<T>& call;
  const TaskMemory<T>& m;
};

}  // namespace innerloop::device
