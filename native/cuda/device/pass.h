// One pass of a block over rows: it says where layers find parameters, and values, adjoints and tangents of slots.
//
// The notation is that of native/layers/layer.h: x is a value, dx the gradient of the loss with respect to it, tx the
// derivative of x along the direction v of the fast parameters, and tdx that of dx.
#pragma once
#include "elementary.h"
#include "product.h"

namespace innerloop::device {

enum class Boundary : int { none, set, add };  // whether adjoints of prefix slots are dropped, set, or added to

template <class T>
struct Pass {
  const Program<T>* program;
  const Index* table_at;  // by tensor: the place of a fast table in the task's flat vectors
  Index task, first, n;   // the pass is over rows [first, first + n) of the batch
  int part;               // 0 for support rows of the task, 1 for query rows
  T *x, *dx, *tx, *tdx;   // memory of the suffix slots, see SlotInfo::at
  Boundary boundary;
  const T *theta, *v;  // flat vectors of the fast parameters and of a direction; theta null: the shared parameters
  const T* from;       // grad = from + the gradient; null: 0
  T* grad;             // flat vector of the gradient of the fast parameters
  T* slow;             // gradients of other dense tensors are added here at acc_at; null: they are not needed
  T* const* blocks;    // gradients of other tables are added here, by tensor; null: they are not needed
  T* scratch;

  IL_DEVICE const SlotInfo<T>& slot(int s) const { return program->slots[s]; }
  IL_DEVICE T* x_of(int s) const {
    const SlotInfo<T>& info = slot(s);
    return info.moves ? x + n * info.at : info.x + first * info.width;
  }
  IL_DEVICE T* dx_of(int s) const {
    const SlotInfo<T>& info = slot(s);
    if (!info.learns) return nullptr;
    if (info.moves) return dx + n * info.at;
    return boundary == Boundary::none || !info.dx ? nullptr : info.dx + first * info.width;
  }
  // Null if the tangent is zero.
  IL_DEVICE T* tx_of(int s) const { return slot(s).moves ? tx + n * slot(s).at : nullptr; }
  IL_DEVICE T* tdx_of(int s) const {
    const SlotInfo<T>& info = slot(s);
    if (!info.learns) return nullptr;
    if (info.moves) return tdx + n * info.at;
    return info.dx ? info.dx + first * info.width : nullptr;
  }
  // Whether a layer adds to the adjoint of a slot instead of setting it.
  IL_DEVICE bool adds(int s) const { return !slot(s).moves && boundary == Boundary::add; }

  IL_DEVICE Index flat(int t) const {
    const TensorInfo& info = program->tensors[t];
    return info.input < 0 ? info.fast_at : table_at[t];
  }
  IL_DEVICE const T* parameter(int t) const {
    const TensorInfo& info = program->tensors[t];
    return info.fast && theta ? theta + flat(t) : program->values + info.offset;
  }
  IL_DEVICE const T* direction(int t) const { return program->tensors[t].fast ? v + flat(t) : nullptr; }
};

// The place of the gradient of a tensor: to = from + gradient; `to` null: it is not needed.
template <class T>
struct Sink {
  T* to;
  const T* from;
};
template <class T>
IL_DEVICE Sink<T> sink(const Pass<T>& p, int t) {
  const TensorInfo& info = p.program->tensors[t];
  if (info.fast) {
    const Index at = p.flat(t);
    return {p.grad + at, p.from ? p.from + at : nullptr};
  }
  T* to = nullptr;
  if (info.input < 0)
    to = p.slow && info.acc_at >= 0 ? p.slow + info.acc_at : nullptr;
  else if (p.blocks && info.suffix && p.blocks[t])
    to = p.blocks[t] + p.program->rows.inputs[info.input].unique_begin[p.task] * info.width;
  return {to, to};
}

// The weight of an id of a row that has so many: a bag's embeddings are averaged or summed.
template <class T>
IL_DEVICE T pool_weight(const ColumnInfo& column, Index ids) {
  return column.kind == InputKind::bag && !column.sums ? T(1) / static_cast<T>(ids) : T(1);
}

}  // namespace innerloop::device
