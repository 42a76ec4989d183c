// Losses are means over rows. Three functions of the outputs o [n, outputs] and the labels [n]: the value, its gradient,
// and the gradient's directional derivative along to.
#pragma once
#include <algorithm>
#include <cmath>

#include "kernels.h"

namespace innerloop {

enum class LossKind : int { mse = 0, bce = 1, softmax = 2 };

template <class T>
struct Loss {
  LossKind kind;
  Index outputs;

  // mse: (o − y)²;  bce: log(1 + e^o) − y o;  softmax: log Σ e^o − o_y
  double value(Index n, const T* o, const T* labels) const {
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      const T* row = o + i * outputs;
      const double y = labels[i];
      switch (kind) {
        case LossKind::mse: sum += (row[0] - y) * (row[0] - y); break;
        case LossKind::bce: sum += std::max(double(row[0]), 0.0) - row[0] * y + std::log1p(std::exp(-std::abs(double(row[0])))); break;
        case LossKind::softmax: {
          const double top = *std::max_element(row, row + outputs);
          double total = 0;
          for (Index c = 0; c < outputs; ++c) total += std::exp(row[c] - top);
          sum += std::log(total) + top - row[static_cast<Index>(y)];
        }
      }
    }
    return n > 0 ? sum / static_cast<double>(n) : 0;
  }

  // d = scale · ∂(mean loss)/∂o
  void backward(Index n, const T* o, const T* labels, T scale, T* d) const {
    const T s = scale / static_cast<T>(n);
    for (Index i = 0; i < n; ++i) {
      const T* row = o + i * outputs;
      T* di = d + i * outputs;
      switch (kind) {
        case LossKind::mse: di[0] = 2 * s * (row[0] - labels[i]); break;
        case LossKind::bce: di[0] = s * (logistic(row[0]) - labels[i]); break;
        case LossKind::softmax:
          probabilities(row, di);
          di[static_cast<Index>(labels[i])] -= 1;
          for (Index c = 0; c < outputs; ++c) di[c] *= s;
      }
    }
  }

  // td = directional derivative of backward along to
  void tangent(Index n, const T* o, const T* to, T scale, T* td) const {
    const T s = scale / static_cast<T>(n);
    for (Index i = 0; i < n; ++i) {
      const T* row = o + i * outputs;
      const T* ti = to + i * outputs;
      T* di = td + i * outputs;
      switch (kind) {
        case LossKind::mse: di[0] = 2 * s * ti[0]; break;
        case LossKind::bce: di[0] = s * logistic(row[0]) * logistic(-row[0]) * ti[0]; break;
        case LossKind::softmax: {
          probabilities(row, di);
          T mean = 0;
          for (Index c = 0; c < outputs; ++c) mean += di[c] * ti[c];
          for (Index c = 0; c < outputs; ++c) di[c] *= s * (ti[c] - mean);
        }
      }
    }
  }

 private:
  static T logistic(T x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

  void probabilities(const T* o, T* p) const {
    const T top = *std::max_element(o, o + outputs);
    T total = 0;
    for (Index c = 0; c < outputs; ++c) total += p[c] = std::exp(o[c] - top);
    for (Index c = 0; c < outputs; ++c) p[c] /= total;
  }
};

}  // namespace innerloop
