#pragma once
#include "../layers.h"

namespace innerloop {

// a = f(z), elementwise.
template <class T>
struct ActivationLayer final : Layer<T> {
  ActivationLayer(int in_slot, int out_slot, Activation f, Index width) : f(f), width(width) {
    this->in = in_slot;
    this->out = out_slot;
  }

  void forward(const Pass<T>& p) const override {
    p.kernels->activation_forward(f, p.n * width, p.x[this->in], p.x[this->out]);
  }

  // dz = da f'(z)
  void backward(const Pass<T>& p) const override {
    if (T* dz = p.dx[this->in])
      p.kernels->activation_backward(f, p.n * width, p.x[this->in], p.x[this->out], p.dx[this->out], dz);
  }

  // ta = tz f'(z)
  void tangent_forward(const Pass<T>& p) const override {
    p.kernels->activation_tangent_forward(f, p.n * width, p.x[this->in], p.x[this->out], p.tx[this->in], p.tx[this->out]);
  }

  // tdz = tda f'(z) + da f''(z) tz
  void tangent_backward(const Pass<T>& p) const override {
    if (T* tdz = p.tdx[this->in])
      p.kernels->activation_tangent_backward(f, p.n * width, p.x[this->in], p.x[this->out], p.tx[this->in],
                                             p.dx[this->out], p.tdx[this->out], tdz);
  }

  Activation f;
  Index width;
};

}  // namespace innerloop
