// Layers that join slots without a nonlinearity: dot product, elementwise product, sum, concatenation.
#pragma once
#include <algorithm>

#include "layer.h"
#include "shapes.h"

namespace innerloop {

// z = ⟨a, b⟩ by row.
template <class T>
struct Dot final : Layer<T> {
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require_arity(spec, 2, 0);
    auto layer = std::make_unique<Dot>();
    layer->width = width_in(model, spec, 0);
    require(width_in(model, spec, 1) == layer->width && width_out(model, spec) == 1,
            "a dot product needs two equal widths and gives one number");
    return layer;
  }

  void forward(const Pass<T>& p) const override {
    const T *a = p.x[this->in[0]], *b = p.x[this->in[1]];
    p.kernels->row_dots(p.n, width, a, b, false, p.x[this->out]);
  }

  // da = dz b;  db = dz a
  void backward(const Pass<T>& p) const override {
    const T* dz = p.dx[this->out];
    for (int side = 0; side < 2; ++side) {
      T* da = p.dx[this->in[side]];
      const T* b = p.x[this->in[1 - side]];
      if (da) p.kernels->scale_rows(p.n, width, dz, b, false, da);
    }
  }

  // tz = ⟨ta, b⟩ + ⟨a, tb⟩
  void tangent_forward(const Pass<T>& p) const override {
    T* tz = p.tx[this->out];
    std::fill_n(tz, p.n, T(0));
    for (int side = 0; side < 2; ++side) {
      const T *ta = p.tx[this->in[side]], *b = p.x[this->in[1 - side]];
      if (ta) p.kernels->row_dots(p.n, width, ta, b, true, tz);
    }
  }

  // tda = tdz b + dz tb
  void tangent_backward(const Pass<T>& p) const override {
    const T *dz = p.dx[this->out], *tdz = p.tdx[this->out];
    for (int side = 0; side < 2; ++side) {
      T* tda = p.tdx[this->in[side]];
      const T *b = p.x[this->in[1 - side]], *tb = p.tx[this->in[1 - side]];
      if (!tda) continue;
      p.kernels->scale_rows(p.n, width, tdz, b, false, tda);
      if (tb) p.kernels->scale_rows(p.n, width, dz, tb, true, tda);
    }
  }

  Index width = 0;
};

// z = a ∘ b.
template <class T>
struct Product final : Layer<T> {
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require_arity(spec, 2, 0);
    auto layer = std::make_unique<Product>();
    layer->width = width_out(model, spec);
    require(width_in(model, spec, 0) == layer->width && width_in(model, spec, 1) == layer->width,
            "a product needs equal widths");
    return layer;
  }

  void forward(const Pass<T>& p) const override {
    multiply(p.n * width, p.x[this->in[0]], p.x[this->in[1]], p.x[this->out], false);
  }

  // da = dz ∘ b;  db = dz ∘ a
  void backward(const Pass<T>& p) const override {
    for (int side = 0; side < 2; ++side)
      if (T* da = p.dx[this->in[side]]) multiply(p.n * width, p.dx[this->out], p.x[this->in[1 - side]], da, false);
  }

  // tz = ta ∘ b + a ∘ tb
  void tangent_forward(const Pass<T>& p) const override {
    T* tz = p.tx[this->out];
    std::fill_n(tz, p.n * width, T(0));
    for (int side = 0; side < 2; ++side)
      if (const T* ta = p.tx[this->in[side]]) multiply(p.n * width, ta, p.x[this->in[1 - side]], tz, true);
  }

  // tda = tdz ∘ b + dz ∘ tb
  void tangent_backward(const Pass<T>& p) const override {
    for (int side = 0; side < 2; ++side) {
      T* tda = p.tdx[this->in[side]];
      if (!tda) continue;
      multiply(p.n * width, p.tdx[this->out], p.x[this->in[1 - side]], tda, false);
      if (const T* tb = p.tx[this->in[1 - side]]) multiply(p.n * width, p.dx[this->out], tb, tda, true);
    }
  }

  Index width = 0;

 private:
  static void multiply(Index n, const T* a, const T* b, T* z, bool accumulate) {
    if (accumulate)
      for (Index i = 0; i < n; ++i) z[i] += a[i] * b[i];
    else
      for (Index i = 0; i < n; ++i) z[i] = a[i] * b[i];
  }
};

// z = Σ slots + b.  Tensors: b [width], or none.
template <class T>
struct Sum final : Layer<T> {
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require(!spec.in.empty() && spec.tensors.size() == 1, "a sum needs slots, and a bias or none");
    auto layer = std::make_unique<Sum>();
    layer->width = width_out(model, spec);
    for (std::size_t i = 0; i < spec.in.size(); ++i)
      require(width_in(model, spec, i) == layer->width, "a sum needs equal widths");
    layer->bias = has_tensor(spec, 0) ? dense_tensor(model, spec, 0, {layer->width}) : -1;
    return layer;
  }

  void forward(const Pass<T>& p) const override { add(p, p.x, bias >= 0 ? p.theta[bias] : nullptr); }
  void tangent_forward(const Pass<T>& p) const override { add(p, p.tx, bias >= 0 ? p.direction[bias] : nullptr); }
  void backward(const Pass<T>& p) const override { spread(p, p.dx, p.grad); }
  void tangent_backward(const Pass<T>& p) const override { spread(p, p.tdx, p.hv); }

  Index width = 0;
  int bias = -1;

 private:
  void add(const Pass<T>& p, T* const* x, const T* b) const {
    T* z = x[this->out];
    if (!b)
      std::fill_n(z, p.n * width, T(0));
    else if (width == 1)
      std::fill_n(z, p.n, *b);
    else
      for (Index r = 0; r < p.n; ++r) std::copy_n(b, width, z + r * width);
    for (const int slot : this->in)
      if (x[slot]) p.kernels->axpy(p.n * width, T(1), x[slot], z);
  }

  void spread(const Pass<T>& p, T* const* dx, T* const* grad) const {
    for (const int slot : this->in)
      if (dx[slot]) std::copy_n(dx[this->out], p.n * width, dx[slot]);
    if (bias >= 0 && grad[bias]) p.kernels->column_sums(p.n, width, dx[this->out], width, grad[bias]);
  }
};

// z = [slots], side by side.
template <class T>
struct Concat final : Layer<T> {
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require(!spec.in.empty() && spec.tensors.empty(), "a concatenation needs slots");
    auto layer = std::make_unique<Concat>();
    for (std::size_t i = 0; i < spec.in.size(); ++i) {
      layer->widths.push_back(width_in(model, spec, i));
      layer->width += layer->widths.back();
    }
    require(layer->width == width_out(model, spec), "the slots do not fill their concatenation");
    return layer;
  }

  void forward(const Pass<T>& p) const override { join(p, p.x); }
  void tangent_forward(const Pass<T>& p) const override { join(p, p.tx); }
  void backward(const Pass<T>& p) const override { part(p, p.dx); }
  void tangent_backward(const Pass<T>& p) const override { part(p, p.tdx); }

  std::vector<Index> widths;
  Index width = 0;

 private:
  void join(const Pass<T>& p, T* const* x) const {
    Index at = 0;
    for (std::size_t i = 0; i < widths.size(); at += widths[i++]) {
      const T* from = x[this->in[i]];
      for (Index r = 0; r < p.n; ++r) {
        T* to = x[this->out] + r * width + at;
        if (from)
          std::copy_n(from + r * widths[i], widths[i], to);
        else
          std::fill_n(to, widths[i], T(0));
      }
    }
  }

  void part(const Pass<T>& p, T* const* dx) const {
    Index at = 0;
    for (std::size_t i = 0; i < widths.size(); at += widths[i++]) {
      T* to = dx[this->in[i]];
      if (!to) continue;
      for (Index r = 0; r < p.n; ++r) std::copy_n(dx[this->out] + r * width + at, widths[i], to + r * widths[i]);
    }
  }
};

}  // namespace innerloop
