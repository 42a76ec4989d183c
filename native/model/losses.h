// Losses are weighted means over rows, summed over heads. Each has three functions of the outputs o [n, outputs] and
// the labels: the value, its gradient, and the directional derivative of the gradient along a tangent to of o.
//
//   mse       (o − y)²
//   bce       log(1 + e^o) − y o
//   softmax   log Σ e^o − o_y
//   bpr       mean over the negatives j of log(1 + e^(o_j − o_i))      (Rendle et al. 2009)
//   listwise  log Σ_{j in group} e^(o_j) − o_i                          (a sampled softmax)
//
// The last two rank: a row with label 1 opens a group, the rows with label 0 after it are its negatives, and the mean
// is over the groups. With several heads a label that is NaN is missing: the row does not count for that head.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "../kernels/kernels.h"

namespace innerloop {

INNERLOOP_ENUM(LossKind, mse, bce, softmax, bpr, listwise)

struct HeadSpec {
  LossKind kind;
  Index outputs;  // how many of the row's outputs are its own, after those of the heads before it
  double weight;  // in the sum
  // What a row counts by its label; empty: 1. A batch holds the product with the weight of the row (napi/batch.cc).
  std::vector<double> class_weights{};

  // The weight of a label between 0 and 1, which bce allows, lies between the weights of the two.
  double class_weight(double y) const {
    if (kind == LossKind::softmax) return class_weights[static_cast<std::size_t>(y)];
    const double share = y > 0 ? std::min(y, 1.0) : 0;
    return class_weights[0] + share * (class_weights[1] - class_weights[0]);
  }
};

// Whether a label is the number of a class.
template <class T>
bool is_class(T y, Index classes) {
  return y >= 0 && y < static_cast<T>(classes) && y == static_cast<T>(static_cast<Index>(y));
}

// The labels of n rows of a batch.
template <class T>
struct Labels {
  const T* values;   // [n, heads]
  const T* weights;  // [n], or null: all 1
  T weight(Index row) const { return weights ? weights[row] : T(1); }
};

template <class T>
struct Loss {
  explicit Loss(const std::vector<HeadSpec>& heads) : heads(heads) {
    for (const HeadSpec& head : heads) outputs += head.outputs;
  }

  double value(Index n, const T* o, const Labels<T>& labels) const {
    double total = 0;
    each_head(n, labels, [&](const HeadSpec& head, Index h, Index at, double count) {
      double sum = 0;
      each_row(head, n, labels, h, [&](Index i, Index group, T y) {
        sum += labels.weight(i) * value_of(head, o + i * outputs + at, y, group);
      });
      total += head.weight * sum / count;
    });
    return total;
  }

  // Sets d = scale · ∂(loss)/∂o.
  void backward(Index n, const T* o, const Labels<T>& labels, T scale, T* d) const {
    if (needs_clearing(labels)) std::fill_n(d, n * outputs, T(0));
    each_head(n, labels, [&](const HeadSpec& head, Index h, Index at, double count) {
      const T s = static_cast<T>(head.weight) * scale / static_cast<T>(count);
      each_row(head, n, labels, h, [&](Index i, Index group, T y) {
        backward_of(head, o + i * outputs + at, y, group, labels.weights ? s * labels.weights[i] : s,
                    d + i * outputs + at);
      });
    });
  }

  // Sets td to the directional derivative of `backward` along to.
  void tangent(Index n, const T* o, const Labels<T>& labels, const T* to, T scale, T* td) const {
    if (needs_clearing(labels)) std::fill_n(td, n * outputs, T(0));
    each_head(n, labels, [&](const HeadSpec& head, Index h, Index at, double count) {
      const T s = static_cast<T>(head.weight) * scale / static_cast<T>(count);
      each_row(head, n, labels, h, [&](Index i, Index group, T) {
        const Index first = i * outputs + at;
        tangent_of(head, o + first, to + first, group, labels.weights ? s * labels.weights[i] : s, td + first);
      });
    });
  }

  std::vector<HeadSpec> heads;
  Index outputs = 0;

 private:
  static bool ranks(const HeadSpec& head) { return head.kind == LossKind::bpr || head.kind == LossKind::listwise; }

  // Gradients are written for the rows that count; where others may be among them, all have to be cleared first.
  bool needs_clearing(const Labels<T>& labels) const { return heads.size() > 1 || ranks(heads[0]) || labels.weights; }

  // Calls f(row, rows of its group, label) for each row, or each group of a ranking loss, that has a label.
  template <class F>
  void each_row(const HeadSpec& head, Index n, const Labels<T>& labels, Index h, const F& f) const {
    const Index columns = static_cast<Index>(heads.size());
    for (Index i = 0; i < n; ++i) {
      const T y = labels.values[i * columns + h];
      if (!ranks(head)) {
        if (y == y || columns == 1) f(i, Index{1}, y);
        continue;
      }
      if (!(y > T(0.5))) continue;
      Index group = 1;
      while (i + group < n && labels.values[(i + group) * columns + h] <= T(0.5)) ++group;
      f(i, group, y);
    }
  }

  template <class F>
  void each_head(Index n, const Labels<T>& labels, const F& f) const {
    Index at = 0;
    for (std::size_t h = 0; h < heads.size(); ++h) {
      double count = 0;
      if (!labels.weights && heads.size() == 1 && !ranks(heads[h]))
        count = static_cast<double>(n);
      else
        each_row(heads[h], n, labels, static_cast<Index>(h),
                 [&](Index i, Index, T) { count += static_cast<double>(labels.weight(i)); });
      if (count > 0) f(heads[h], static_cast<Index>(h), at, count);
      at += heads[h].outputs;
    }
  }

  double value_of(const HeadSpec& head, const T* o, double y, Index group) const {
    switch (head.kind) {
      case LossKind::mse:
        return (o[0] - y) * (o[0] - y);
      case LossKind::bce:
        return softplus(o[0]) - o[0] * y;
      case LossKind::softmax:
        return log_sum(o, head.outputs, 1) - o[static_cast<Index>(y)];
      case LossKind::bpr: {
        double sum = 0;
        for (Index j = 1; j < group; ++j) sum += softplus(double(o[j * outputs]) - o[0]);
        return group > 1 ? sum / static_cast<double>(group - 1) : 0;
      }
      case LossKind::listwise:
        return log_sum(o, group, outputs) - o[0];
    }
    return 0;
  }

  void backward_of(const HeadSpec& head, const T* o, T y, Index group, T s, T* d) const {
    switch (head.kind) {
      case LossKind::mse:
        d[0] = 2 * s * (o[0] - y);
        break;
      case LossKind::bce:
        d[0] = s * (logistic(o[0]) - y);
        break;
      case LossKind::softmax:
        probabilities(o, head.outputs, 1, d);
        d[static_cast<Index>(y)] -= 1;
        for (Index c = 0; c < head.outputs; ++c) d[c] *= s;
        break;
      case LossKind::bpr:
        for (Index j = 1; j < group; ++j) {
          const T p = s * logistic(o[j * outputs] - o[0]) / static_cast<T>(group - 1);
          d[j * outputs] = p;
          d[0] -= p;
        }
        break;
      case LossKind::listwise:
        probabilities(o, group, outputs, d);
        d[0] -= 1;
        for (Index j = 0; j < group; ++j) d[j * outputs] *= s;
    }
  }

  void tangent_of(const HeadSpec& head, const T* o, const T* t, Index group, T s, T* td) const {
    const auto curved = [&](Index n, Index stride) {
      probabilities(o, n, stride, td);
      T mean = 0;
      for (Index c = 0; c < n; ++c) mean += td[c * stride] * t[c * stride];
      for (Index c = 0; c < n; ++c) td[c * stride] *= s * (t[c * stride] - mean);
    };
    switch (head.kind) {
      case LossKind::mse:
        td[0] = 2 * s * t[0];
        break;
      case LossKind::bce:
        td[0] = s * logistic(o[0]) * logistic(-o[0]) * t[0];
        break;
      case LossKind::softmax:
        curved(head.outputs, 1);
        break;
      case LossKind::bpr:
        for (Index j = 1; j < group; ++j) {
          const T u = o[j * outputs] - o[0];
          const T c = s * logistic(u) * logistic(-u) * (t[j * outputs] - t[0]) / static_cast<T>(group - 1);
          td[j * outputs] = c;
          td[0] -= c;
        }
        break;
      case LossKind::listwise:
        curved(group, outputs);
    }
  }

  static T logistic(T x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
  static double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

  static T largest(const T* o, Index n, Index stride) {
    T top = o[0];
    for (Index c = 1; c < n; ++c) top = std::max(top, o[c * stride]);
    return top;
  }
  static double log_sum(const T* o, Index n, Index stride) {
    const double top = largest(o, n, stride);
    double total = 0;
    for (Index c = 0; c < n; ++c) total += std::exp(o[c * stride] - top);
    return std::log(total) + top;
  }
  static void probabilities(const T* o, Index n, Index stride, T* p) {
    const T top = largest(o, n, stride);
    T total = 0;
    for (Index c = 0; c < n; ++c) total += p[c * stride] = std::exp(o[c * stride] - top);
    for (Index c = 0; c < n; ++c) p[c * stride] /= total;
  }
};

}  // namespace innerloop
