// One pass of a block over rows: where layers find the values, adjoints and tangents of slots, and parameters.
//
// Notation of native/layers/layer.h: x a value, dx the gradient of the loss with respect to it, tx its derivative along
// the direction v of the fast parameters, tdx that of dx.
#pragma once
#include "elementary.h"
#include "product.h"

namespace innerloop::device {

enum class Boundary : int { none, set, add };  // what becomes of the adjoints of prefix slots

template <class T>
struct Pass {
  const Program<T>* program;
  const Index* table_at;  // by tensor: fast tables of this task in the flat vectors
  Index task, first, n;   // rows [first, first + n) of the batch
  int part;               // of the task: 0 support, 1 query
  T *x, *dx, *tx, *tdx;   // suffix slots, see SlotInfo::at
  Boundary boundary;
  const T *theta, *v;  // flat fast parameters, and a direction
  const T* from;       // gradient = from + …; null: 0
  T* grad;             // flat
  T* slow;             // += gradients of slow dense tensors, by acc_at; null: not wanted
  T* const* blocks;    // += those of slow tables, by tensor; null: not wanted
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
  // Null: zero.
  IL_DEVICE T* tx_of(int s) const { return slot(s).moves ? tx + n * slot(s).at : nullptr; }
  IL_DEVICE T* tdx_of(int s) const {
    const SlotInfo<T>& info = slot(s);
    if (!info.learns) return nullptr;
    if (info.moves) return tdx + n * info.at;
    return info.dx ? info.dx + first * info.width : nullptr;
  }
  // Whether what a layer passes on to a slot is added to what is there.
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

// Where the gradient of a tensor goes: to = from + gradient.
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

}  // namespace innerloop::device
