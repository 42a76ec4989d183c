#pragma once
#include <cstdint>

#include "layer.h"
#include "shapes.h"

namespace innerloop {

// a = z ∘ m, m = 0 with probability `rate`, else 1 / (1 − rate) (Srivastava et al. 2014).  Options: rate, number of the
// layer.
//
// The mask is a function of the pass's key, the row's place in the batch and the unit: the same at every inner step and
// in all four functions, so that the loss is one function of the parameters and its second order is exact; and the same
// for any number of threads. Key 0 means that the model is not being trained: nothing is dropped.
template <class T>
struct Dropout final : Layer<T> {
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require_arity(spec, 1, 0);
    require(spec.options.size() == 2 && spec.options[0] >= 0 && spec.options[0] < 1,
            "a dropout rate must be at least 0 and below 1");
    auto layer = std::make_unique<Dropout>();
    layer->width = width_out(model, spec);
    require(width_in(model, spec, 0) == layer->width, "dropout keeps the width");
    layer->keep = 1 - spec.options[0];
    layer->number = static_cast<std::uint64_t>(whole_option(spec, 1, 0, 1000));
    return layer;
  }

  void forward(const Pass<T>& p) const override { mask(p, p.x[this->in[0]], p.x[this->out]); }
  void tangent_forward(const Pass<T>& p) const override { mask(p, p.tx[this->in[0]], p.tx[this->out]); }
  void backward(const Pass<T>& p) const override {
    if (T* dz = p.dx[this->in[0]]) mask(p, p.dx[this->out], dz);
  }
  bool may_alias() const override { return true; }
  void tangent_backward(const Pass<T>& p) const override {
    if (T* tdz = p.tdx[this->in[0]]) mask(p, p.tdx[this->out], tdz);
  }

  Index width = 0;
  double keep = 1;
  std::uint64_t number = 0;

 private:
  // splitmix64 (Steele, Lea & Flood 2014): a bijection of 64 bits that passes BigCrush on counters.
  static std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
  }

  void mask(const Pass<T>& p, const T* from, T* to) const {
    const T scale = static_cast<T>(1 / keep);
    // The two halves of a hash serve two units.
    const std::uint64_t limit = static_cast<std::uint64_t>(keep * 4294967296.0);
    for (Index r = 0; r < p.n; ++r) {
      const std::uint64_t row = mix(mix(p.dropout ^ (number << 32)) ^ static_cast<std::uint64_t>(p.first_row + r));
      for (Index i = 0; i < width; ++i) {
        const std::uint64_t hash = mix(row + static_cast<std::uint64_t>(i / 2));
        const bool kept = p.dropout == 0 || (i % 2 == 0 ? hash >> 32 : hash & 0xffffffffull) < limit;
        to[r * width + i] = !kept ? T(0) : p.dropout == 0 ? from[r * width + i] : scale * from[r * width + i];
      }
    }
  }
};

}  // namespace innerloop
