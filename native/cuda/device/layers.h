// The four functions of every layer for one block: forward, backward, and their tangents. Each tensor is read by one
// layer and each slot by at most one, so gradients and adjoints are set, not added to, unless the sink or the pass says
// otherwise.
#pragma once
#include "factorization.h"

namespace innerloop::device {

// ------------------------------------------------------------------------------------------------ inputs

// x[r] = [dense | E[id] | pool E[ids]]. With `direction` it computes the tangent: the direction's rows of the tables,
// and 0 for dense inputs.
template <class T>
IL_DEVICE void inputs_forward(const Block& block, const Pass<T>& p, const LayerInfo& layer, bool direction, T* to) {
  const int width = p.slot(layer.out).width;
  for (int c = 0; c < layer.column_count; ++c) {
    const ColumnInfo& column = p.program->columns[layer.columns + c];
    const InputRows<T>& in = p.program->rows.inputs[column.input];
    const int w = column.width;
    T* const out = to + column.begin;
    if (column.kind == InputKind::dense) {
      block.each(p.n * w, [&](Index i) {
        const Index r = i / w, j = i % w;
        out[r * width + j] = direction ? T(0) : in.dense[static_cast<Index>(in.side[p.first + r]) * w + j];
      });
      continue;
    }
    const TensorInfo& info = p.program->tensors[column.tensor];
    const bool local = info.fast && (direction || p.theta);
    const T* table = direction ? p.direction(column.tensor) : p.parameter(column.tensor);
    const std::int32_t* ids = local ? in.local : in.ids;
    block.each(p.n * w, [&](Index i) {
      const Index r = i / w, j = i % w, begin = in.entry_begin[p.first + r], end = in.entry_begin[p.first + r + 1];
      const T weight = pool_weight<T>(column, end - begin);
      T sum = 0;
      if (table)
        for (Index e = begin; e < end; ++e) sum += weight * table[static_cast<Index>(ids[e]) * w + j];
      out[r * width + j] = sum;
    });
  }
}

// Gradients of the distinct table rows of a task: each is the sum over the batch rows that hold it.
template <class T>
IL_DEVICE void inputs_backward(const Block& block, const Pass<T>& p, const LayerInfo& layer, const T* dx) {
  const int width = p.slot(layer.out).width;
  for (int c = 0; c < layer.column_count; ++c) {
    const ColumnInfo& column = p.program->columns[layer.columns + c];
    if (column.tensor < 0 || !dx) continue;
    const Sink<T> to = sink(p, column.tensor);
    if (!to.to) continue;
    const InputRows<T>& in = p.program->rows.inputs[column.input];
    const int w = column.width;
    const Index u0 = in.unique_begin[p.task], rows = in.unique_begin[p.task + 1] - u0;
    block.each(rows * w, [&](Index i) {
      const Index u = u0 + i / w, j = i % w;
      T sum = to.from ? to.from[i] : T(0);
      for (Index e = in.inverse_begin[2 * u + p.part]; e < in.inverse_begin[2 * u + p.part + 1]; ++e) {
        const Index r = in.inverse[e];
        sum += pool_weight<T>(column, in.entry_begin[r + 1] - in.entry_begin[r]) *
               dx[(r - p.first) * width + column.begin + j];
      }
      to.to[i] = sum;
    });
  }
}

// ------------------------------------------------------------------------------------------------ linear

// Elements of scratch that a layer [I, O] needs over n rows: for Wᵀ with padded rows, or for the parts of `dots`.
IL_BOTH inline Index linear_scratch(Index I, Index O, Index n) {
  const Index transposed = (I + 1) * O, parts = n * 17;
  return transposed > parts ? transposed : parts;
}

// z = x W + b with W [I, O]
template <class T>
IL_DEVICE void linear_forward(const Block& block, const Pass<T>& p, const LayerInfo& layer) {
  const int in = layer.in[0], I = p.slot(in).width, O = p.slot(layer.out).width;
  const T *x = p.x_of(in), *w = p.parameter(layer.weight), *b = p.parameter(layer.bias);
  T* z = p.x_of(layer.out);
  if (O == 1) return dots<T>(block, p.n, I, I, x, w, nullptr, nullptr, b, z, p.scratch);
  product(block, p.n, O, Factors<T>{x, I, 1, w, O, 1, I}, b, static_cast<const T*>(nullptr), z, O);
}

// tz = tx W + x vW + vb
template <class T>
IL_DEVICE void linear_tangent_forward(const Block& block, const Pass<T>& p, const LayerInfo& layer) {
  const int in = layer.in[0], I = p.slot(in).width, O = p.slot(layer.out).width;
  const T *x = p.x_of(in), *tx = p.tx_of(in), *w = p.parameter(layer.weight), *vw = p.direction(layer.weight),
          *vb = p.direction(layer.bias);
  T* tz = p.tx_of(layer.out);
  if (O == 1) return dots<T>(block, p.n, I, I, x, vw, tx, tx ? w : nullptr, vb, tz, p.scratch);
  Factors<T> f[2];
  int count = 0;
  if (vw) f[count++] = {x, I, 1, vw, O, 1, I};
  if (tx) f[count++] = {tx, I, 1, w, O, 1, I};
  product(block, p.n, O, f, count, vb, static_cast<const T*>(nullptr), tz, O);
}

// dx (+)= dz Wᵀ
template <class T>
IL_DEVICE void times_transposed(const Block& block, const Pass<T>& p, Index I, Index O, const T* dz, const T* w,
                                bool add, T* dx) {
  if (O == 1) {
    block.each(p.n * I, [&](Index i) { dx[i] = (add ? dx[i] : T(0)) + dz[i / I] * w[i % I]; });
    return;
  }
  transpose(block, I, O, w, p.scratch);
  product(block, p.n, I, Factors<T>{dz, O, 1, p.scratch, I + 1, 1, O}, static_cast<const T*>(nullptr),
          static_cast<const T*>(add ? dx : nullptr), dx, I);
}

// dW = xᵀ dz + yᵀ dy, where y may be null;  db = Σ dz
template <class T>
IL_DEVICE void linear_gradient(const Block& block, const Pass<T>& p, const LayerInfo& layer, Index I, Index O,
                               const T* x, const T* dz, const T* y, const T* dy) {
  const Sink<T> weight = sink(p, layer.weight), bias = sink(p, layer.bias);
  if (weight.to) {
    const Factors<T> f[2] = {{x, 1, I, dz, O, 1, p.n}, {y, 1, I, dy, O, 1, p.n}};
    product(block, I, O, f, y ? 2 : 1, static_cast<const T*>(nullptr), weight.from, weight.to, O);
  }
  if (bias.to)
    block.each(O, [&](Index j) {
      T sum = bias.from ? bias.from[j] : T(0);
      for (Index r = 0; r < p.n; ++r) sum += dz[r * O + j];
      bias.to[j] = sum;
    });
}

template <class T>
IL_DEVICE void linear_backward(const Block& block, const Pass<T>& p, const LayerInfo& layer) {
  const int in = layer.in[0];
  const Index I = p.slot(in).width, O = p.slot(layer.out).width;
  const T* dz = p.dx_of(layer.out);
  if (T* dx = p.dx_of(in)) times_transposed(block, p, I, O, dz, p.parameter(layer.weight), p.adds(in), dx);
  linear_gradient<T>(block, p, layer, I, O, p.x_of(in), dz, nullptr, nullptr);
}

// tdx = tdz Wᵀ + dz vWᵀ;  tdW = xᵀ tdz + txᵀ dz. The gradient may overwrite the direction, which is read before.
template <class T>
IL_DEVICE void linear_tangent_backward(const Block& block, const Pass<T>& p, const LayerInfo& layer) {
  const int in = layer.in[0];
  const Index I = p.slot(in).width, O = p.slot(layer.out).width;
  const T *dz = p.dx_of(layer.out), *tdz = p.tdx_of(layer.out), *tx = p.tx_of(in), *vw = p.direction(layer.weight);
  if (T* tdx = p.tdx_of(in)) {
    times_transposed(block, p, I, O, tdz, p.parameter(layer.weight), p.adds(in), tdx);
    if (vw) times_transposed(block, p, I, O, dz, vw, true, tdx);
  }
  linear_gradient<T>(block, p, layer, I, O, p.x_of(in), tdz, tx, dz);
}

// ------------------------------------------------------------------------------------------------ dropout

// splitmix64 (Steele, Lea & Flood 2014), which the masks are drawn with as in native/layers/dropout.h.
IL_DEVICE inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

template <class T>
IL_DEVICE void masked(const Block& block, const Pass<T>& p, const LayerInfo& layer, const T* from, T* to, bool add) {
  const std::uint64_t key = p.program->dropout, limit = static_cast<std::uint64_t>(layer.keep * 4294967296.0);
  const T scale = static_cast<T>(1 / layer.keep);
  const Index width = p.slot(layer.out).width;
  block.each(p.n * width, [&](Index i) {
    const Index r = i / width, j = i % width;
    T value = from[i];
    if (key != 0) {
      const std::uint64_t hash = mix(mix(mix(key ^ (layer.number << 32)) ^ static_cast<std::uint64_t>(p.first + r)) +
                                     static_cast<std::uint64_t>(j / 2));
      value = (j % 2 == 0 ? hash >> 32 : hash & 0xffffffffull) < limit ? scale * value : T(0);
    }
    to[i] = (add ? to[i] : T(0)) + value;
  });
}

// ------------------------------------------------------------------------------------------------ layers of several
// slots

// Forward of sum (z = Σ slots + b), concat, dot and product, or their tangents; a slot without a tangent counts as 0.
template <class T>
IL_DEVICE void join(const Block& block, const Pass<T>& p, const LayerInfo& layer, bool tangent) {
  const int width = p.slot(layer.out).width;
  T* z = tangent ? p.tx_of(layer.out) : p.x_of(layer.out);
  const auto from = [&](int i) -> const T* { return tangent ? p.tx_of(layer.in[i]) : p.x_of(layer.in[i]); };
  switch (layer.kind) {
    case LayerKind::sum: {
      const T* b = layer.bias < 0 ? nullptr : tangent ? p.direction(layer.bias) : p.parameter(layer.bias);
      block.each(p.n * width, [&](Index i) {
        T sum = b ? b[i % width] : T(0);
        for (int s = 0; s < layer.in_count; ++s)
          if (const T* x = from(s)) sum += x[i];
        z[i] = sum;
      });
      return;
    }
    case LayerKind::concat: {
      int at = 0;
      for (int s = 0; s < layer.in_count; ++s) {
        const T* x = from(s);
        const int w = p.slot(layer.in[s]).width;
        block.each(p.n * w, [&](Index i) { z[i / w * width + at + i % w] = x ? x[i] : T(0); });
        at += w;
      }
      return;
    }
    default: {  // dot and product: z = ⟨a, b⟩, z = a ∘ b
      const int w = p.slot(layer.in[0]).width;
      const T *a = p.x_of(layer.in[0]), *b = p.x_of(layer.in[1]);
      const T *ta = tangent ? p.tx_of(layer.in[0]) : nullptr, *tb = tangent ? p.tx_of(layer.in[1]) : nullptr;
      const auto value = [&](Index i) {
        return tangent ? (ta ? ta[i] * b[i] : T(0)) + (tb ? a[i] * tb[i] : T(0)) : a[i] * b[i];
      };
      if (layer.kind == LayerKind::product) {
        block.each(p.n * w, [&](Index i) { z[i] = value(i); });
        return;
      }
      block.each(p.n, [&](Index r) {
        T sum = 0;
        for (int j = 0; j < w; ++j) sum += value(r * w + j);
        z[r] = sum;
      });
    }
  }
}

// Backward of the same layers: the adjoints of their slots and the gradient of the bias, or the tangents of both.
template <class T>
IL_DEVICE void part(const Block& block, const Pass<T>& p, const LayerInfo& layer, bool tangent) {
  const int width = p.slot(layer.out).width;
  const T* dz = p.dx_of(layer.out);
  const T* tdz = tangent ? p.tdx_of(layer.out) : nullptr;
  const T* down = tangent ? tdz : dz;
  int at = 0;
  for (int s = 0; s < layer.in_count; ++s) {
    const int in = layer.in[s], w = p.slot(in).width, begin = at;
    at += w;
    T* to = tangent ? p.tdx_of(in) : p.dx_of(in);
    if (!to) continue;
    const bool add = p.adds(in);
    const auto put = [&](Index i, T value) { to[i] = (add ? to[i] : T(0)) + value; };
    if (layer.kind == LayerKind::sum) {
      block.each(p.n * w, [&](Index i) { put(i, down[i]); });
    } else if (layer.kind == LayerKind::concat) {
      block.each(p.n * w, [&](Index i) { put(i, down[i / w * width + begin + i % w]); });
    } else {
      const int other = layer.in[1 - s];
      const T *b = p.x_of(other), *tb = tangent ? p.tx_of(other) : nullptr;
      const bool dot = layer.kind == LayerKind::dot;
      block.each(p.n * w, [&](Index i) {
        const Index o = dot ? i / w : i;
        put(i, down[o] * b[i] + (tb ? dz[o] * tb[i] : T(0)));
      });
    }
  }
  if (layer.kind != LayerKind::sum || layer.bias < 0) return;
  const Sink<T> bias = sink(p, layer.bias);
  if (!bias.to) return;
  block.each(width, [&](Index j) {
    T sum = bias.from ? bias.from[j] : T(0);
    for (Index r = 0; r < p.n; ++r) sum += down[r * width + j];
    bias.to[j] = sum;
  });
}

// ------------------------------------------------------------------------------------------------ the four functions

// These are not inlined: they are large, and a call costs little beside the loops in them.

template <class T>
IL_DEVICE IL_NOINLINE void forward(const Block& block, const Pass<T>& p, const LayerInfo& layer) {
  switch (layer.kind) {
    case LayerKind::inputs:
      return inputs_forward(block, p, layer, false, p.x_of(layer.out));
    case LayerKind::linear:
      return linear_forward(block, p, layer);
    case LayerKind::activation: {
      const T* z = p.x_of(layer.in[0]);
      T* a = p.x_of(layer.out);
      block.each(p.n * p.slot(layer.out).width, [&](Index i) { a[i] = activate(layer.activation, z[i]); });
      return;
    }
    case LayerKind::dropout:
      return masked<T>(block, p, layer, p.x_of(layer.in[0]), p.x_of(layer.out), false);
    case LayerKind::terms:
      return terms_forward(block, p, layer, false);
    case LayerKind::pairs:
      return pairs_forward(block, p, layer, false);
    default:
      return join(block, p, layer, false);
  }
}

// dz = da f'(z)
template <class T>
IL_DEVICE IL_NOINLINE void backward(const Block& block, const Pass<T>& p, const LayerInfo& layer) {
  switch (layer.kind) {
    case LayerKind::inputs:
      return inputs_backward<T>(block, p, layer, p.dx_of(layer.out));
    case LayerKind::linear:
      return linear_backward(block, p, layer);
    case LayerKind::activation: {
      T* dz = p.dx_of(layer.in[0]);
      if (!dz) return;
      const T *z = p.x_of(layer.in[0]), *a = p.x_of(layer.out), *da = p.dx_of(layer.out);
      const bool add = p.adds(layer.in[0]);
      block.each(p.n * p.slot(layer.out).width, [&](Index i) {
        dz[i] = (add ? dz[i] : T(0)) + da[i] * first_derivative(layer.activation, z[i], a[i]);
      });
      return;
    }
    case LayerKind::dropout:
      if (T* dz = p.dx_of(layer.in[0])) masked<T>(block, p, layer, p.dx_of(layer.out), dz, p.adds(layer.in[0]));
      return;
    case LayerKind::terms:
      return terms_backward<T>(block, p, layer, p.dx_of(layer.out));
    case LayerKind::pairs:
      return pairs_backward(block, p, layer);
    default:
      return part(block, p, layer, false);
  }
}

// ta = tz f'(z)
template <class T>
IL_DEVICE IL_NOINLINE void tangent_forward(const Block& block, const Pass<T>& p, const LayerInfo& layer) {
  switch (layer.kind) {
    case LayerKind::inputs:
      return inputs_forward(block, p, layer, true, p.tx_of(layer.out));
    case LayerKind::linear:
      return linear_tangent_forward(block, p, layer);
    case LayerKind::activation: {
      const T *z = p.x_of(layer.in[0]), *a = p.x_of(layer.out), *tz = p.tx_of(layer.in[0]);
      T* ta = p.tx_of(layer.out);
      block.each(p.n * p.slot(layer.out).width,
                 [&](Index i) { ta[i] = tz[i] * first_derivative(layer.activation, z[i], a[i]); });
      return;
    }
    case LayerKind::dropout:
      return masked<T>(block, p, layer, p.tx_of(layer.in[0]), p.tx_of(layer.out), false);
    case LayerKind::terms:
      return terms_forward(block, p, layer, true);
    case LayerKind::pairs:
      return pairs_forward(block, p, layer, true);
    default:
      return join(block, p, layer, true);
  }
}

// tdz = tda f'(z) + da f''(z) tz
template <class T>
IL_DEVICE IL_NOINLINE void tangent_backward(const Block& block, const Pass<T>& p, const LayerInfo& layer) {
  switch (layer.kind) {
    case LayerKind::inputs:
      return inputs_backward<T>(block, p, layer, p.tdx_of(layer.out));
    case LayerKind::linear:
      return linear_tangent_backward(block, p, layer);
    case LayerKind::activation: {
      const T *z = p.x_of(layer.in[0]), *a = p.x_of(layer.out), *tz = p.tx_of(layer.in[0]), *da = p.dx_of(layer.out),
              *tda = p.tdx_of(layer.out);
      T* tdz = p.tdx_of(layer.in[0]);
      if (!tdz) return;
      const Activation f = layer.activation;
      block.each(p.n * p.slot(layer.out).width, [&](Index i) {
        tdz[i] = tda[i] * first_derivative(f, z[i], a[i]) + da[i] * second_derivative(f, z[i], a[i]) * tz[i];
      });
      return;
    }
    case LayerKind::dropout:
      if (T* tdz = p.tdx_of(layer.in[0])) masked<T>(block, p, layer, p.tdx_of(layer.out), tdz, p.adds(layer.in[0]));
      return;
    case LayerKind::terms:
      return terms_backward<T>(block, p, layer, p.tdx_of(layer.out));
    case LayerKind::pairs:
      return pairs_tangent_backward(block, p, layer);
    default:
      return part(block, p, layer, true);
  }
}

}  // namespace innerloop::device
