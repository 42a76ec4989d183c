// Activations and losses with their derivatives, by the formulas of native/kernels/activations.inl and
// native/model/losses.h.
#pragma once
#include "program.h"

namespace innerloop::device {

using std::exp;
using std::log;
using std::log1p;
using std::pow;
using std::sqrt;
using std::tanh;

template <class T>
IL_DEVICE T logistic(T x) {
  return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}
template <class T>
IL_DEVICE T softplus(T x) {
  return (x > 0 ? x : T(0)) + log1p(exp(x > 0 ? -x : x));
}

template <class T>
IL_DEVICE T activate(Activation f, T z) {
  switch (f) {
    case Activation::relu:
      return z < 0 ? T(0) : z;  // NaN stays
    case Activation::tanh:
      return tanh(z);
    case Activation::sigmoid:
      return logistic(z);
    default:
      return softplus(z);
  }
}

// f'(z) and f''(z), given a = f(z). At z = 0 both are 0 for relu.
template <class T>
IL_DEVICE T first_derivative(Activation f, T z, T a) {
  switch (f) {
    case Activation::relu:
      return z > 0 ? T(1) : T(0);
    case Activation::tanh:
      return 1 - a * a;
    case Activation::sigmoid:
      return a - a * a;
    default:
      return logistic(z);
  }
}
template <class T>
IL_DEVICE T second_derivative(Activation f, T z, T a) {
  switch (f) {
    case Activation::relu:
      return 0;
    case Activation::tanh:
      return -2 * a * (1 - a * a);
    case Activation::sigmoid:
      return (a - a * a) * (1 - 2 * a);
    default: {
      const T s = logistic(z);
      return s - s * s;
    }
  }
}

// The support or query rows of a task with what the loss needs of them.
template <class T>
struct Labelled {
  LossKind kind;
  Index n, outputs;
  const T* labels;       // [n]
  const T* row_weights;  // [n] or null
  double count;          // Σ weights of the rows, or for ranking losses of the groups, that count

  IL_DEVICE bool ranks() const { return kind == LossKind::bpr || kind == LossKind::listwise; }
  IL_DEVICE T weight(Index i) const { return row_weights ? row_weights[i] : T(1); }
  // Rows of the group that begins with row i; 0 if none does. For ranking losses, a group is a positive row and the
  // negative rows after it; for other losses, every row is a group.
  IL_DEVICE Index group(Index i) const {
    if (!ranks()) return 1;
    if (!(labels[i] > T(0.5))) return 0;
    Index rows = 1;
    while (i + rows < n && labels[i + rows] <= T(0.5)) ++rows;
    return rows;
  }
};

template <class T>
IL_DEVICE double counted(const Labelled<T>& rows) {
  double count = 0;
  for (Index i = 0; i < rows.n; ++i)
    if (rows.group(i) > 0) count += static_cast<double>(rows.weight(i));
  return count;
}

template <class T>
IL_DEVICE T largest(const T* o, Index n, Index stride) {
  T top = o[0];
  for (Index c = 1; c < n; ++c) top = o[c * stride] > top ? o[c * stride] : top;
  return top;
}
template <class T>
IL_DEVICE double log_sum(const T* o, Index n, Index stride) {
  const double top = static_cast<double>(largest(o, n, stride));
  double total = 0;
  for (Index c = 0; c < n; ++c) total += exp(static_cast<double>(o[c * stride]) - top);
  return log(total) + top;
}
template <class T>
IL_DEVICE void probabilities(const T* o, Index n, Index stride, T* p) {
  const T top = largest(o, n, stride);
  T total = 0;
  for (Index c = 0; c < n; ++c) total += p[c * stride] = exp(o[c * stride] - top);
  for (Index c = 0; c < n; ++c) p[c * stride] /= total;
}

template <class T>
IL_DEVICE double loss_of_row(const Labelled<T>& rows, const T* o, double y, Index group) {
  const double o0 = static_cast<double>(o[0]);
  switch (rows.kind) {
    case LossKind::mse:
      return (o0 - y) * (o0 - y);
    case LossKind::bce:
      return softplus(o0) - o0 * y;
    case LossKind::softmax:
      return log_sum(o, rows.outputs, 1) - static_cast<double>(o[static_cast<Index>(y)]);
    case LossKind::bpr: {
      double sum = 0;
      for (Index j = 1; j < group; ++j) sum += softplus(static_cast<double>(o[j]) - o0);
      return group > 1 ? sum / static_cast<double>(group - 1) : 0;
    }
    default:
      return log_sum(o, group, 1) - o0;
  }
}

// *loss = Σ weighted losses / count. terms: [n], which one lane adds up in order.
template <class T>
IL_DEVICE IL_NOINLINE void loss_value(const Block& block, const Labelled<T>& rows, const T* o, double* terms,
                                      double* loss) {
  block.each(rows.n, [&](Index i) {
    const Index group = rows.group(i);
    terms[i] = group == 0 ? 0
                          : static_cast<double>(rows.weight(i)) *
                                loss_of_row(rows, o + i * rows.outputs, static_cast<double>(rows.labels[i]), group);
  });
  block.once([&] {
    double sum = 0;
    for (Index i = 0; i < rows.n; ++i) sum += terms[i];
    *loss = rows.count > 0 ? sum / rows.count : 0;
  });
}

template <class T>
IL_DEVICE void clear_unranked(const Block& block, const Labelled<T>& rows, T* d) {
  if (rows.ranks() || !(rows.count > 0)) block.each(rows.n * rows.outputs, [&](Index i) { d[i] = 0; });
}

// d = scale · ∂(loss)/∂o
template <class T>
IL_DEVICE IL_NOINLINE void loss_backward(const Block& block, const Labelled<T>& rows, const T* o, T scale, T* d) {
  clear_unranked(block, rows, d);
  if (!(rows.count > 0)) return;
  block.each(rows.n, [&](Index i) {
    const Index group = rows.group(i);
    if (group == 0) return;
    const T s = scale / static_cast<T>(rows.count) * rows.weight(i), y = rows.labels[i];
    const T* oi = o + i * rows.outputs;
    T* di = d + i * rows.outputs;
    switch (rows.kind) {
      case LossKind::mse:
        for (Index c = 1; c < rows.outputs; ++c) di[c] = 0;
        di[0] = 2 * s * (oi[0] - y);
        break;
      case LossKind::bce:
        di[0] = s * (logistic(oi[0]) - y);
        break;
      case LossKind::softmax:
        probabilities(oi, rows.outputs, 1, di);
        di[static_cast<Index>(y)] -= 1;
        for (Index c = 0; c < rows.outputs; ++c) di[c] *= s;
        break;
      case LossKind::bpr:
        for (Index j = 1; j < group; ++j) {
          const T p = s * logistic(oi[j] - oi[0]) / static_cast<T>(group - 1);
          di[j] = p;
          di[0] -= p;
        }
        break;
      default:
        probabilities(oi, group, 1, di);
        di[0] -= 1;
        for (Index j = 0; j < group; ++j) di[j] *= s;
    }
  });
}

// td = the directional derivative of loss_backward along the tangent `to` of the outputs.
template <class T>
IL_DEVICE IL_NOINLINE void loss_tangent(const Block& block, const Labelled<T>& rows, const T* o, const T* to, T scale,
                                        T* td) {
  clear_unranked(block, rows, td);
  if (!(rows.count > 0)) return;
  block.each(rows.n, [&](Index i) {
    const Index group = rows.group(i);
    if (group == 0) return;
    const T s = scale / static_cast<T>(rows.count) * rows.weight(i);
    const T *oi = o + i * rows.outputs, *ti = to + i * rows.outputs;
    T* di = td + i * rows.outputs;
    const auto curved = [&](Index n) {
      probabilities(oi, n, 1, di);
      T mean = 0;
      for (Index c = 0; c < n; ++c) mean += di[c] * ti[c];
      for (Index c = 0; c < n; ++c) di[c] *= s * (ti[c] - mean);
    };
    switch (rows.kind) {
      case LossKind::mse:
        for (Index c = 1; c < rows.outputs; ++c) di[c] = 0;
        di[0] = 2 * s * ti[0];
        break;
      case LossKind::bce:
        di[0] = s * logistic(oi[0]) * logistic(-oi[0]) * ti[0];
        break;
      case LossKind::softmax:
        curved(rows.outputs);
        break;
      case LossKind::bpr:
        for (Index j = 1; j < group; ++j) {
          const T u = oi[j] - oi[0];
          const T c = s * logistic(u) * logistic(-u) * (ti[j] - ti[0]) / static_cast<T>(group - 1);
          di[j] = c;
          di[0] -= c;
        }
        break;
      default:
        curved(group);
    }
  });
}

}  // namespace innerloop::device
