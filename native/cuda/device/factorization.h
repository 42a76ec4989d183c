// The layers of a factorization machine, `terms` and `pairs`, for one block. The features of a batch row are as in
// native/layers/factorization.h: a categorical id has the value 1, each of a bag's n ids 1/n or 1, each value of a
// dense input its own. Feature i has a row of k factors v_i, and for `terms` k is 1.
#pragma once
#include "pass.h"

namespace innerloop::device {

// Σ over the features of row r of f(x_i, u_ij, v_ij): u are the factors, or with `direction` their tangents, in which
// tensors without one count as 0.
template <class T, class F>
IL_DEVICE T feature_sum(const Pass<T>& p, const LayerInfo& layer, Index k, Index r, Index j, bool direction,
                        const F& f) {
  T sum = 0;
  for (int c = 0; c < layer.column_count; ++c) {
    const ColumnInfo& column = p.program->columns[layer.columns + c];
    const T* u = direction ? p.direction(column.tensor) : p.parameter(column.tensor);
    if (!u) continue;
    const T* v = p.parameter(column.tensor);
    const InputRows<T>& in = p.program->rows.inputs[column.input];
    if (column.kind == InputKind::dense) {
      const T* x = in.dense + static_cast<Index>(in.side[p.first + r]) * column.width;
      for (Index i = 0; i < column.width; ++i) sum += f(x[i], u[i * k + j], v[i * k + j]);
      continue;
    }
    const Index begin = in.entry_begin[p.first + r], end = in.entry_begin[p.first + r + 1];
    const T x = pool_weight<T>(column, end - begin);
    // A direction lies by the rows of the task, and so do the parameters of a task that adapts.
    const bool fast = p.program->tensors[column.tensor].fast;
    const std::int32_t *at = fast && (direction || p.theta) ? in.local : in.ids,
                       *v_at = fast && p.theta ? in.local : in.ids;
    for (Index e = begin; e < end; ++e)
      sum += f(x, u[static_cast<Index>(at[e]) * k + j], v[static_cast<Index>(v_at[e]) * k + j]);
  }
  return sum;
}

// Gradients of the factors: to_ij = from_ij + Σ_r x_ri g(r, j, x_ri, v_ij, tv_ij) over the rows r that have feature i.
// The gradient of a factor may overwrite it, or its tangent: no other factor is read with it.
template <class T, class G>
IL_DEVICE void feature_gradient(const Block& block, const Pass<T>& p, const LayerInfo& layer, Index k, bool tangent,
                                const G& g) {
  for (int c = 0; c < layer.column_count; ++c) {
    const ColumnInfo& column = p.program->columns[layer.columns + c];
    const Sink<T> to = sink(p, column.tensor);
    if (!to.to) continue;
    const TensorInfo& info = p.program->tensors[column.tensor];
    const InputRows<T>& in = p.program->rows.inputs[column.input];
    const T *v = p.parameter(column.tensor), *tv = tangent ? p.direction(column.tensor) : nullptr;
    if (column.kind == InputKind::dense) {
      block.each(column.width * k, [&](Index at) {
        const Index i = at / k, j = at % k;
        T sum = to.from ? to.from[at] : T(0);
        const T own = v[at], along = tv ? tv[at] : T(0);
        for (Index r = 0; r < p.n; ++r) {
          const T x = in.dense[static_cast<Index>(in.side[p.first + r]) * column.width + i];
          sum += x * g(r, j, x, own, along);
        }
        to.to[at] = sum;
      });
      continue;
    }
    const bool local = info.fast && p.theta;
    const Index u0 = in.unique_begin[p.task], rows = in.unique_begin[p.task + 1] - u0;
    block.each(rows * k, [&](Index at) {
      const Index u = u0 + at / k, j = at % k;
      T sum = to.from ? to.from[at] : T(0);
      const T own = v[local ? at : static_cast<Index>(in.unique[u]) * k + j], along = tv ? tv[at] : T(0);
      for (Index e = in.inverse_begin[2 * u + p.part]; e < in.inverse_begin[2 * u + p.part + 1]; ++e) {
        const Index r = in.inverse[e];
        const T x = pool_weight<T>(column, in.entry_begin[r + 1] - in.entry_begin[r]);
        sum += x * g(r - p.first, j, x, own, along);
      }
      to.to[at] = sum;
    });
  }
}

// z = Σ_i x_i w_i, or its tangent
template <class T>
IL_DEVICE void terms_forward(const Block& block, const Pass<T>& p, const LayerInfo& layer, bool tangent) {
  T* z = tangent ? p.tx_of(layer.out) : p.x_of(layer.out);
  block.each(p.n, [&](Index r) {
    z[r] = feature_sum(p, layer, Index{1}, r, Index{0}, tangent, [](T x, T u, T) { return x * u; });
  });
}

template <class T>
IL_DEVICE void terms_backward(const Block& block, const Pass<T>& p, const LayerInfo& layer, const T* dz) {
  feature_gradient(block, p, layer, Index{1}, false, [&](Index r, Index, T, T, T) { return dz[r]; });
}

// z = ½ Σ_j (s_j² − q_j) with s_j = Σ_i x_i v_ij and q_j = Σ_i x_i² v_ij², which the work slot keeps side by side. Its
// tangent is Σ_j (s_j ts_j − tq_j) with ts_j = Σ_i x_i tv_ij and tq_j = Σ_i x_i² v_ij tv_ij.
template <class T>
IL_DEVICE void pairs_forward(const Block& block, const Pass<T>& p, const LayerInfo& layer, bool tangent) {
  const Index width = p.slot(layer.work).width, k = width / 2;
  const T* s = p.x_of(layer.work);
  T* to = tangent ? p.tx_of(layer.work) : p.x_of(layer.work);
  T* z = tangent ? p.tx_of(layer.out) : p.x_of(layer.out);
  block.each(p.n * width, [&](Index i) {
    const Index r = i / width, j = i % width;
    to[i] = j < k ? feature_sum(p, layer, k, r, j, tangent, [](T x, T u, T) { return x * u; })
                  : feature_sum(p, layer, k, r, j - k, tangent, [](T x, T u, T v) { return x * x * u * v; });
  });
  block.each(p.n, [&](Index r) {
    T sum = 0;
    for (Index j = r * width; j < r * width + k; ++j) sum += s[j] * to[j] - to[j + k];
    z[r] = tangent ? sum : sum / 2;
  });
}

// dv_ij = dz x_i (s_j − x_i v_ij)
template <class T>
IL_DEVICE void pairs_backward(const Block& block, const Pass<T>& p, const LayerInfo& layer) {
  const Index width = p.slot(layer.work).width;
  const T *s = p.x_of(layer.work), *dz = p.dx_of(layer.out);
  feature_gradient(block, p, layer, width / 2, false,
                   [&](Index r, Index j, T x, T v, T) { return dz[r] * (s[r * width + j] - x * v); });
}

// tdv_ij = tdz x_i (s_j − x_i v_ij) + dz x_i (ts_j − x_i tv_ij)
template <class T>
IL_DEVICE void pairs_tangent_backward(const Block& block, const Pass<T>& p, const LayerInfo& layer) {
  const Index width = p.slot(layer.work).width;
  const T *s = p.x_of(layer.work), *ts = p.tx_of(layer.work), *dz = p.dx_of(layer.out), *tdz = p.tdx_of(layer.out);
  feature_gradient(block, p, layer, width / 2, true, [&](Index r, Index j, T x, T v, T tv) {
    return tdz[r] * (s[r * width + j] - x * v) + dz[r] * (ts[r * width + j] - x * tv);
  });
}

}  // namespace innerloop::device
