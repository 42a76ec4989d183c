#pragma once
#include <algorithm>

#include "../layers.h"
#include "shapes.h"

namespace innerloop {

// z = x W + b with W [in, out] in the arena.  Tensors: weight, bias.
template <class T>
struct Linear final : Layer<T> {
  Linear(int weight, int bias, Index in_width, Index out_width) : weight(weight), bias(bias), I(in_width), O(out_width) {
    this->scratch = 2 * I * O;
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
    if (T* dx = p.dx[this->in[0]]) {
      const Factors<T> f{dz, O, 1, transposed(p), I, O};
      p.kernels->gemm(p.n, I, &f, 1, nullptr, nullptr, dx, I);
    }
  }

  // tz = tx W + x vW + vb
  void tangent_forward(const Pass<T>& p) const override {
    T* tz = p.tx[this->out];
    const T* x = p.x[this->in[0]];
    const T *tx = p.tx[this->in[0]], *vw = p.v[weight], *vb = p.v[bias];
    // Dot products, where gemm has but one lane to fill.
    if (O == 1) {
      if (vw) p.kernels->gemm_nn(p.n, O, I, x, I, vw, O, vb, false, tz, O);
      else std::fill_n(tz, p.n, vb ? *vb : T(0));
      if (tx) p.kernels->gemm_nn(p.n, O, I, tx, I, p.theta[weight], O, nullptr, true, tz, O);
      return;
    }
    Factors<T> f[2];
    int count = 0;
    if (vw) f[count++] = {x, I, 1, vw, O, I};
    if (tx) f[count++] = {tx, I, 1, p.theta[weight], O, I};
    p.kernels->gemm(p.n, O, f, count, vb, nullptr, tz, O);
  }

  // tdW = xᵀ tdz + txᵀ dz;  tdb = Σ tdz;  tdx = tdz Wᵀ + dz vWᵀ
  void tangent_backward(const Pass<T>& p) const override {
    const T *tdz = p.tdx[this->out], *dz = p.dx[this->out], *tx = p.tx[this->in[0]], *vw = p.v[weight];
    if (T* hv = p.hv[weight]) {
      if (O == 1) {
        p.kernels->gemm_tn(I, O, p.n, p.x[this->in[0]], I, tdz, O, true, hv, O);
        if (tx) p.kernels->gemm_tn(I, O, p.n, tx, I, dz, O, true, hv, O);
      } else {
        const Factors<T> f[2] = {{p.x[this->in[0]], 1, I, tdz, O, p.n}, {tx, 1, I, dz, O, p.n}};
        p.kernels->gemm(I, O, f, tx ? 2 : 1, nullptr, hv, hv, O);
      }
    }
    if (p.hv[bias]) p.kernels->column_sums(p.n, O, tdz, O, p.hv[bias]);
    if (T* tdx = p.tdx[this->in[0]]) {
      const T* w = transposed(p);
      if (vw && O > 1) {
        // p.scratch may hold wᵀ.
        T* const to = w == p.scratch ? p.scratch + I * O : p.scratch;
        p.kernels->transpose(I, O, vw, O, to, I);
        vw = to;
      }
      const Factors<T> f[2] = {{tdz, O, 1, w, I, O}, {dz, O, 1, vw, I, O}};
      p.kernels->gemm(p.n, I, f, vw ? 2 : 1, nullptr, nullptr, tdx, I);
    }
  }

  int weight, bias;
  Index I, O;

 private:
  // Wᵀ [O, I]: a single column is its own transpose.
  const T* transposed(const Pass<T>& p) const {
    if (O == 1) return p.theta[weight];
    if (const T* at_hand = p.transposed[weight]) return at_hand;
    p.kernels->transpose(I, O, p.theta[weight], O, p.scratch, I);
    return p.scratch;
  }
};

}  // namespace innerloop
