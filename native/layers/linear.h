#pragma once
#include <algorithm>

#include "../layers.h"
#include "shapes.h"

namespace innerloop {

// z = x W + b with W [in, out] in the arena.  Tensors: weight, bias.
template <class T>
struct Linear final : Layer<T> {
  Linear(int weight, int bias, Index in_width, Index out_width) : weight(weight), bias(bias), I(in_width), O(out_width) {
    this->scratch = I * O;
  }
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require_arity(spec, 1, 2);
    const Index I = width_in(model, spec, 0), O = width_out(model, spec);
    return std::make_unique<Linear>(dense_tensor(model, spec, 0, {O, I}, true), dense_tensor(model, spec, 1, {O}), I, O);
  }

  void forward(const Pass<T>& p) const override {
    p.kernels->gemm_nn(p.n, O, I, p.x[this->in[0]], I, p.theta[weight], O, p.theta[bias], false, p.x[this->out], O);
  }

  // dW = xᵀ dz;  db = Σ dz;  dx = dz Wᵀ
  void backward(const Pass<T>& p) const override {
    const T* dz = p.dx[this->out];
    if (p.grad[weight]) p.kernels->gemm_tn(I, O, p.n, p.x[this->in[0]], I, dz, O, true, p.grad[weight], O);
    if (p.grad[bias]) p.kernels->column_sums(p.n, O, dz, O, p.grad[bias]);
    if (T* dx = p.dx[this->in[0]]) p.kernels->gemm_nt(p.n, I, O, dz, O, p.theta[weight], O, false, dx, I, p.scratch);
  }

  // tz = tx W + x vW + vb
  void tangent_forward(const Pass<T>& p) const override {
    T* tz = p.tx[this->out];
    const T *tx = p.tx[this->in[0]], *vw = p.v[weight], *vb = p.v[bias];
    if (vw) {
      p.kernels->gemm_nn(p.n, O, I, p.x[this->in[0]], I, vw, O, vb, false, tz, O);
    } else {
      for (Index r = 0; r < p.n; ++r) {
        if (vb) std::copy_n(vb, O, tz + r * O);
        else std::fill_n(tz + r * O, O, T(0));
      }
    }
    if (tx) p.kernels->gemm_nn(p.n, O, I, tx, I, p.theta[weight], O, nullptr, true, tz, O);
  }

  // tdW = xᵀ tdz + txᵀ dz;  tdb = Σ tdz;  tdx = tdz Wᵀ + dz vWᵀ
  void tangent_backward(const Pass<T>& p) const override {
    const T *tdz = p.tdx[this->out], *dz = p.dx[this->out], *tx = p.tx[this->in[0]], *vw = p.v[weight];
    if (p.hv[weight]) {
      p.kernels->gemm_tn(I, O, p.n, p.x[this->in[0]], I, tdz, O, true, p.hv[weight], O);
      if (tx) p.kernels->gemm_tn(I, O, p.n, tx, I, dz, O, true, p.hv[weight], O);
    }
    if (p.hv[bias]) p.kernels->column_sums(p.n, O, tdz, O, p.hv[bias]);
    if (T* tdx = p.tdx[this->in[0]]) {
      p.kernels->gemm_nt(p.n, I, O, tdz, O, p.theta[weight], O, false, tdx, I, p.scratch);
      if (vw) p.kernels->gemm_nt(p.n, I, O, dz, O, vw, O, true, tdx, I, p.scratch);
    }
  }

  int weight, bias;
  Index I, O;
};

}  // namespace innerloop
