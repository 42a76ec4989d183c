// The operations of a graph, each forward beside its reverse. y [m, n] is the node's value, dy its adjoint;
// reverses add to the adjoints of their inputs.
#include <algorithm>
#include <cmath>

#include "noise.h"
#include "run.h"

namespace innerloop {
namespace {

// A zero vector has no direction: its cosine is 0 and it gets no gradient.
constexpr double kZeroNorm = 1e-12;

// Sets unit [n, k] to the rows of a over their lengths, and inverse [n] to 1 / length.
template <class T>
void normalise(const Kernels<T>& kernels, Index n, Index k, const T* a, T* unit, T* inverse) {
  for (Index i = 0; i < n; ++i) {
    const T length = std::sqrt(kernels.dot(k, a + i * k, a + i * k));
    inverse[i] = length > static_cast<T>(kZeroNorm) ? 1 / length : T(0);
    kernels.scale(k, inverse[i], a + i * k, unit + i * k);
  }
}

// Adds da += (I − u uᵀ) du / ‖a‖, row by row.
template <class T>
void normalise_backward(const Kernels<T>& kernels, Index n, Index k, const T* unit, const T* inverse, const T* du,
                        T* da) {
  for (Index i = 0; i < n; ++i) {
    const T along = kernels.dot(k, du + i * k, unit + i * k);
    kernels.axpy(k, inverse[i], du + i * k, da + i * k);
    kernels.axpy(k, -inverse[i] * along, unit + i * k, da + i * k);
  }
}

ProductKind product_kind(const Node& node) { return static_cast<ProductKind>(static_cast<int>(node.options[0])); }

template <class T>
int class_of(const Node& node, T label) {
  const std::size_t classes = static_cast<std::size_t>(node.options[0]);
  if (node.options.size() > 1)
    return static_cast<int>(std::upper_bound(node.options.begin() + 1, node.options.end(), static_cast<double>(label)) -
                            node.options.begin() - 1);
  return label >= 0 && label < static_cast<T>(classes) ? static_cast<int>(label) : -1;
}

}  // namespace

template <class T>
void GraphRun<T>::forward(int i) {
  const Node& node = graph.nodes[i];
  if (node.op == Op::slot) return;
  if (node.op == Op::parameter) {
    x[i] = first().parameters.base[node.tensors[0]];
    return;
  }
  x[i] = arena.template take<T>(total(i));
  if (node.op == Op::cosine) remembered[i] = arena.template take<T*>(count);
  each_view(node, [&](const View& view) { forward(i, view); });
}

template <class T>
void GraphRun<T>::backward(int i) {
  each_view(graph.nodes[i], [&](const View& view) { backward(i, view); });
}

template <class T>
void GraphRun<T>::forward(int i, const View& view) {
  const Node& node = graph.nodes[i];
  const Task<T>& task = *tasks[view.task];
  const auto& options = node.options;
  const auto in = [&](std::size_t j) { return value(node.in[j], view.task); };
  const auto rows_in = [&](std::size_t j) { return rows(node.in[j], view); };
  const auto columns_in = [&](std::size_t j) { return columns(node.in[j], view); };
  const Index m = rows(i, view), n = columns(i, view);
  const Index k = node.in.empty() ? 0 : columns_in(0);
  // The values of this run are its own until they are all there.
  T* const y = const_cast<T*>(value(i, view.task));
  switch (node.op) {
    case Op::slot:
    case Op::parameter:
      break;
    case Op::labels:
      std::copy_n(task.plan.batch.labels_from(node.on_query ? task.first + task.support : task.first).values, m, y);
      break;
    case Op::count:
      y[0] = static_cast<T>(node.on_query ? query[view.task] : support[view.task]);
      break;
    case Op::constant:
      std::fill_n(y, m * n, static_cast<T>(options[0]));
      break;
    case Op::noise:
      normal<T>(n, task.plan.inner.dropout, task.plan.first_task() + task.number, i, y);
      break;
    case Op::one_hot:
      std::fill_n(y, m * n, T(0));
      for (Index r = 0; r < m; ++r) {
        const int c = class_of(node, in(0)[r]);
        if (c >= 0) y[r * n + c] = 1;
      }
      break;
    case Op::linear: {
      const TensorInfo& w = task.plan.model.tensors[node.tensors[0]];
      const T *weight = task.parameters.base[node.tensors[0]],
              *bias = node.tensors[1] >= 0 ? task.parameters.base[node.tensors[1]] : nullptr;
      if (w.transposed) {
        kernels.gemm_nn(m, n, k, in(0), k, weight, n, bias, false, y, n);
        break;
      }
      for (Index r = 0; bias && r < m; ++r) std::copy_n(bias, n, y + r * n);
      kernels.gemm_nt(m, n, k, in(0), k, weight, k, bias != nullptr, y, n, arena.template take<T>(n * k));
      break;
    }
    case Op::unary:
      switch (static_cast<Unary>(static_cast<int>(options[0]))) {
        case Unary::exp:
          for (Index j = 0; j < m * n; ++j) y[j] = std::exp(in(0)[j]);
          break;
        case Unary::log:
          for (Index j = 0; j < m * n; ++j) y[j] = std::log(in(0)[j] + static_cast<T>(options[1]));
          break;
        case Unary::reciprocal:
          for (Index j = 0; j < m * n; ++j) y[j] = 1 / in(0)[j];
          break;
        default:
          kernels.activation_forward(static_cast<Activation>(static_cast<int>(options[0])), m * n, in(0), y);
      }
      break;
    case Op::affine:
      for (Index j = 0; j < m * n; ++j) y[j] = static_cast<T>(options[0]) * in(0)[j] + static_cast<T>(options[1]);
      break;
    case Op::add:
    case Op::subtract:
    case Op::multiply: {
      const Index down = rows_in(1) == 1 ? 0 : columns_in(1), right = columns_in(1) == 1 ? 0 : 1;
      for (Index r = 0; r < m; ++r) {
        const T *a = in(0) + r * n, *b = in(1) + r * down;
        T* to = y + r * n;
        if (node.op == Op::add)
          for (Index c = 0; c < n; ++c) to[c] = a[c] + b[c * right];
        else if (node.op == Op::subtract)
          for (Index c = 0; c < n; ++c) to[c] = a[c] - b[c * right];
        else
          for (Index c = 0; c < n; ++c) to[c] = a[c] * b[c * right];
      }
      break;
    }
    case Op::product:
      if (product_kind(node) == ProductKind::nn)
        kernels.gemm_nn(m, n, k, in(0), k, in(1), n, nullptr, false, y, n);
      else if (product_kind(node) == ProductKind::nt)
        kernels.gemm_nt(m, n, k, in(0), k, in(1), k, false, y, n, arena.template take<T>(n * k));
      else
        kernels.gemm_tn(m, n, rows_in(0), in(0), m, in(1), n, false, y, n);
      break;
    case Op::softmax:
      for (Index r = 0; r < m && n > 0; ++r) {
        const T *a = in(0) + r * n, top = *std::max_element(a, a + n);
        T* to = y + r * n;
        T total = 0;
        for (Index c = 0; c < n; ++c) total += to[c] = std::exp(a[c] - top);
        kernels.scale(n, 1 / total, to, to);
      }
      break;
    case Op::distance: {
      T* difference = arena.template take<T>(k);
      for (Index r = 0; r < m; ++r)
        for (Index c = 0; c < n; ++c) {
          kernels.add_scaled(k, in(0) + r * k, T(-1), in(1) + c * k, difference);
          y[r * n + c] = -kernels.dot(k, difference, difference);
        }
      break;
    }
    case Op::cosine: {
      T* a = remembered[i][view.task] = arena.template take<T>((m + n) * (k + 1));
      T *b = a + m * k, *inverse = b + n * k;
      normalise(kernels, m, k, in(0), a, inverse);
      normalise(kernels, n, k, in(1), b, inverse + m);
      kernels.gemm_nt(m, n, k, a, k, b, k, false, y, n, arena.template take<T>(n * k));
      break;
    }
    case Op::sum_rows:
      std::fill_n(y, n, T(0));
      kernels.column_sums(rows_in(0), n, in(0), n, y);
      break;
    case Op::sum_columns:
      for (Index r = 0; r < m; ++r) {
        y[r] = 0;
        for (Index c = 0; c < k; ++c) y[r] += in(0)[r * k + c];
      }
      break;
    case Op::concat: {
      Index at = 0;
      for (std::size_t j = 0; j < node.in.size(); ++j) {
        const Index width = columns_in(j), down = rows_in(j) == 1 ? 0 : width;
        for (Index r = 0; r < m; ++r) std::copy_n(in(j) + r * down, width, y + r * n + at);
        at += width;
      }
      break;
    }
    case Op::columns:
      for (Index r = 0; r < m; ++r) std::copy_n(in(0) + r * k + static_cast<Index>(options[0]), n, y + r * n);
      break;
    case Op::flatten:
      std::copy_n(in(0), m * n, y);
  }
}

template <class T>
void GraphRun<T>::backward(int i, const View& view) {
  const Node& node = graph.nodes[i];
  const Task<T>& task = *tasks[view.task];
  const auto& options = node.options;
  const auto in = [&](std::size_t j) { return value(node.in[j], view.task); };
  const auto to = [&](std::size_t j) { return adjoint(node.in[j], view.task); };
  const auto rows_in = [&](std::size_t j) { return rows(node.in[j], view); };
  const auto columns_in = [&](std::size_t j) { return columns(node.in[j], view); };
  T* const* const targets = into[view.task];
  const Index m = rows(i, view), n = columns(i, view);
  const Index k = node.in.empty() ? 0 : columns_in(0);
  const T *const y = value(i, view.task), *const dy = adjoint(i, view.task);
  const auto scratch = [&](Index size) { return arena.template take<T>(size); };
  switch (node.op) {
    case Op::slot:
    case Op::parameter:
    case Op::labels:
    case Op::count:
    case Op::constant:
    case Op::noise:
    case Op::one_hot:
      return;
    case Op::linear: {
      const int weight = node.tensors[0], bias = node.tensors[1];
      const bool transposed = task.plan.model.tensors[weight].transposed;
      if (T* dw = targets[weight]) {
        if (transposed)
          kernels.gemm_tn(k, n, m, in(0), k, dy, n, true, dw, n);
        else
          kernels.gemm_tn(n, k, m, dy, n, in(0), k, true, dw, k);
      }
      if (bias >= 0 && targets[bias]) kernels.column_sums(m, n, dy, n, targets[bias]);
      if (!to(0)) return;
      if (transposed)
        kernels.gemm_nt(m, k, n, dy, n, task.parameters.base[weight], n, true, to(0), k, scratch(n * k));
      else
        kernels.gemm_nn(m, k, n, dy, n, task.parameters.base[weight], k, nullptr, true, to(0), k);
      return;
    }
    case Op::unary: {
      if (!to(0)) return;
      switch (static_cast<Unary>(static_cast<int>(options[0]))) {
        case Unary::exp:
          for (Index j = 0; j < m * n; ++j) to(0)[j] += dy[j] * y[j];
          return;
        case Unary::log:
          for (Index j = 0; j < m * n; ++j) to(0)[j] += dy[j] / (in(0)[j] + static_cast<T>(options[1]));
          return;
        case Unary::reciprocal:
          for (Index j = 0; j < m * n; ++j) to(0)[j] -= dy[j] * y[j] * y[j];
          return;
        default: {
          T* d = scratch(m * n);
          kernels.activation_backward(static_cast<Activation>(static_cast<int>(options[0])), m * n, in(0), y, dy, d);
          return kernels.axpy(m * n, T(1), d, to(0));
        }
      }
    }
    case Op::affine:
      if (to(0)) kernels.axpy(m * n, static_cast<T>(options[0]), dy, to(0));
      return;
    case Op::add:
    case Op::subtract:
    case Op::multiply: {
      const bool times = node.op == Op::multiply;
      const T sign = node.op == Op::subtract ? T(-1) : T(1);
      const Index down = rows_in(1) == 1 ? 0 : columns_in(1), right = columns_in(1) == 1 ? 0 : 1;
      for (Index r = 0; r < m; ++r) {
        const T *d = dy + r * n, *a = in(0) + r * n, *b = in(1) + r * down;
        if (T* da = to(0))
          for (Index c = 0; c < n; ++c) da[r * n + c] += times ? d[c] * b[c * right] : d[c];
        if (T* db = to(1))
          for (Index c = 0; c < n; ++c) db[r * down + c * right] += times ? d[c] * a[c] : sign * d[c];
      }
      return;
    }
    case Op::product: {
      T *const da = to(0), *const db = to(1);
      if (product_kind(node) == ProductKind::nn) {
        if (da) kernels.gemm_nt(m, k, n, dy, n, in(1), n, true, da, k, scratch(n * k));
        if (db) kernels.gemm_tn(k, n, m, in(0), k, dy, n, true, db, n);
      } else if (product_kind(node) == ProductKind::nt) {
        if (da) kernels.gemm_nn(m, k, n, dy, n, in(1), k, nullptr, true, da, k);
        if (db) kernels.gemm_tn(n, k, m, dy, n, in(0), k, true, db, k);
      } else {
        const Index inner = rows_in(0);
        if (da) kernels.gemm_nt(inner, m, n, in(1), n, dy, n, true, da, m, scratch(n * m));
        if (db) kernels.gemm_nn(inner, n, m, in(0), m, dy, n, nullptr, true, db, n);
      }
      return;
    }
    case Op::softmax:
      if (!to(0)) return;
      for (Index r = 0; r < m; ++r) {
        const T *p = y + r * n, *d = dy + r * n, mean = kernels.dot(n, p, d);
        for (Index c = 0; c < n; ++c) to(0)[r * n + c] += p[c] * (d[c] - mean);
      }
      return;
    case Op::distance: {
      T* difference = scratch(k);
      for (Index r = 0; r < m; ++r)
        for (Index c = 0; c < n; ++c) {
          kernels.add_scaled(k, in(0) + r * k, T(-1), in(1) + c * k, difference);
          if (to(0)) kernels.axpy(k, -2 * dy[r * n + c], difference, to(0) + r * k);
          if (to(1)) kernels.axpy(k, 2 * dy[r * n + c], difference, to(1) + c * k);
        }
      return;
    }
    case Op::cosine: {
      const T *a = remembered[i][view.task], *b = a + m * k, *inverse = b + n * k;
      T* du = scratch(std::max(m, n) * k);
      if (to(0)) {
        kernels.gemm_nn(m, k, n, dy, n, b, k, nullptr, false, du, k);
        normalise_backward(kernels, m, k, a, inverse, du, to(0));
      }
      if (to(1)) {
        kernels.gemm_tn(n, k, m, dy, n, a, k, false, du, k);
        normalise_backward(kernels, n, k, b, inverse + m, du, to(1));
      }
      return;
    }
    case Op::sum_rows:
      if (!to(0)) return;
      for (Index r = 0; r < rows_in(0); ++r) kernels.axpy(n, T(1), dy, to(0) + r * n);
      return;
    case Op::sum_columns:
      if (!to(0)) return;
      for (Index r = 0; r < m; ++r)
        for (Index c = 0; c < k; ++c) to(0)[r * k + c] += dy[r];
      return;
    case Op::concat: {
      Index at = 0;
      for (std::size_t j = 0; j < node.in.size(); ++j) {
        const Index width = columns_in(j), down = rows_in(j) == 1 ? 0 : width;
        for (Index r = 0; to(j) && r < m; ++r) kernels.axpy(width, T(1), dy + r * n + at, to(j) + r * down);
        at += width;
      }
      return;
    }
    case Op::columns:
      if (!to(0)) return;
      for (Index r = 0; r < m; ++r) kernels.axpy(n, T(1), dy + r * n, to(0) + r * k + static_cast<Index>(options[0]));
      return;
    case Op::flatten:
      if (to(0)) kernels.axpy(m * n, T(1), dy, to(0));
  }
}

#define INNERLOOP_INSTANTIATE(T)                        \
  template void GraphRun<T>::forward(int);              \
  template void GraphRun<T>::backward(int);             \
  template void GraphRun<T>::forward(int, const View&); \
  template void GraphRun<T>::backward(int, const View&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
