#pragma once
#include "layer.h"
#include "shapes.h"

namespace innerloop {

// Sets a = f(z), elementwise.  Options: f.
template <class T>
struct ActivationLayer final : Layer<T> {
  ActivationLayer(Activation f, Index width) : f(f), width(width) {}
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require_arity(spec, 1, 0);
    const Index width = width_out(model, spec);
    require(width_in(model, spec, 0) == width, "an activation keeps the width");
    return std::make_unique<ActivationLayer>(static_cast<Activation>(whole_option(spec, 0, 0, 3)), width);
  }

  void forward(const Pass<T>& p) const override {
    p.kernels->activation_forward(f, p.n * width, p.x[this->in[0]], p.x[this->out]);
  }

  // dz = da f'(z)
  void backward(const Pass<T>& p) const override {
    if (T* dz = p.dx[this->in[0]])
      p.kernels->activation_backward(f, p.n * width, p.x[this->in[0]], p.x[this->out], p.dx[this->out], dz);
  }

  // ta = tz f'(z)
  void tangent_forward(const Pass<T>& p) const override {
    p.kernels->activation_tangent_forward(f, p.n * width, p.x[this->in[0]], p.x[this->out], p.tx[this->in[0]],
                                          p.tx[this->out]);
  }

  // tdz = tda f'(z) + da f''(z) tz
  bool may_alias() const override { return true; }
  void tangent_backward(const Pass<T>& p) const override {
    if (T* tdz = p.tdx[this->in[0]])
      p.kernels->activation_tangent_backward(f, p.n * width, p.x[this->in[0]], p.x[this->out], p.tx[this->in[0]],
                                             p.dx[this->out], p.tdx[this->out], tdz);
  }

  Activation f;
  Index width;
};

}  // namespace innerloop
