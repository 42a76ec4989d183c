#include "ridge.h"

#include <algorithm>
#include <cmath>

#include "errors.h"

namespace innerloop {
namespace {

// The last layer as one vector of features + 1 weights, the bias last.
template <class T>
struct Head {
  explicit Head(Task<T>& task)
      : n(task.plan.model.slot_width[task.plan.boundary]),
        weight(task.fast_offset[task.plan.model.head_weight]),
        bias(task.fast_offset[task.plan.model.head_bias]),
        features(task.prefix.x[task.plan.boundary]) {}
  T get(const T* flat, Index i) const { return i < n ? flat[weight + i] : flat[bias]; }
  T& at(T* flat, Index i) const { return i < n ? flat[weight + i] : flat[bias]; }
  double feature(Index row, Index i) const { return i < n ? static_cast<double>(features[row * n + i]) : 1.0; }
  Index n, weight, bias;
  const T* features;
};

// L of M = L Lᵀ in the lower triangle, in place.
void cholesky(double* m, Index d) {
  for (Index j = 0; j < d; ++j) {
    for (Index k = 0; k < j; ++k) m[j * d + j] -= m[j * d + k] * m[j * d + k];
    if (!(m[j * d + j] > 0)) throw Error("DIVERGED", "the posterior precision is not positive definite");
    m[j * d + j] = std::sqrt(m[j * d + j]);
    for (Index i = j + 1; i < d; ++i) {
      for (Index k = 0; k < j; ++k) m[i * d + j] -= m[i * d + k] * m[j * d + k];
      m[i * d + j] /= m[j * d + j];
    }
  }
}

void solve(const double* l, Index d, double* x) {
  for (Index i = 0; i < d; ++i) {
    for (Index k = 0; k < i; ++k) x[i] -= l[i * d + k] * x[k];
    x[i] /= l[i * d + i];
  }
  for (Index i = d - 1; i >= 0; --i) {
    for (Index k = i + 1; k < d; ++k) x[i] -= l[k * d + i] * x[k];
    x[i] /= l[i * d + i];
  }
}

}  // namespace

template <class T>
void ridge_solve(Task<T>& task) {
  const Head<T> head(task);
  const Index d = head.n + 1, S = task.support;
  const T* log_precision = task.base[task.plan.model.log_precision];
  const T* labels = task.plan.batch.labels.data() + task.first;
  std::copy_n(task.theta[0], task.fast_size, task.theta[1]);

  double* m = task.arena.template take_zeroed<double>(d * d);
  double* x = task.arena.template take_zeroed<double>(d);
  double* row = task.arena.template take<double>(d);
  for (Index i = 0; i < d; ++i) m[i * d + i] = std::exp(static_cast<double>(log_precision[i]));
  for (Index s = 0; s < S; ++s) {
    double residual = static_cast<double>(labels[s]);
    for (Index i = 0; i < d; ++i) {
      row[i] = head.feature(s, i);
      residual -= row[i] * static_cast<double>(head.get(task.theta[0], i));
    }
    for (Index i = 0; i < d; ++i) {
      x[i] += row[i] * residual;
      for (Index j = 0; j <= i; ++j) m[i * d + j] += row[i] * row[j];
    }
  }
  if (!std::isfinite(m[d * d - 1])) throw Error("DIVERGED", "the features of a task are not finite");
  cholesky(m, d);
  solve(m, d, x);
  for (Index i = 0; i < d; ++i) head.at(task.theta[1], i) += static_cast<T>(x[i]);
  task.factor = m;
}

template <class T>
void ridge_reverse(Task<T>& task, T* v, T* adjoint, T* d_log_precision) {
  const Head<T> head(task);
  const Index n = head.n, d = n + 1;
  const T* log_precision = task.base[task.plan.model.log_precision];
  const T* labels = task.plan.batch.labels.data() + task.first;
  const T* w = task.theta[1];
  double* z = task.arena.template take<double>(d);
  for (Index i = 0; i < d; ++i) z[i] = static_cast<double>(head.get(v, i));
  solve(task.factor, d, z);
  for (Index s = 0; s < task.support; ++s) {
    double residual = static_cast<double>(labels[s]), az = 0;
    for (Index i = 0; i < d; ++i) {
      residual -= head.feature(s, i) * static_cast<double>(head.get(w, i));
      az += head.feature(s, i) * z[i];
    }
    for (Index i = 0; i < n; ++i)
      adjoint[s * n + i] = static_cast<T>(residual * z[i] - az * static_cast<double>(head.get(w, i)));
  }
  for (Index i = 0; i < d; ++i) {
    const double scaled = std::exp(static_cast<double>(log_precision[i])) * z[i];
    d_log_precision[i] -= static_cast<T>(scaled * static_cast<double>(head.get(w, i) - head.get(task.theta[0], i)));
    head.at(v, i) = static_cast<T>(scaled);
  }
}

#define INNERLOOP_INSTANTIATE(T)            \
  template void ridge_solve(Task<T>& task); \
  template void ridge_reverse(Task<T>& task, T*, T*, T*);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)

}  // namespace innerloop
