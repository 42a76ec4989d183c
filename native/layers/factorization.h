// Factorization machines (Rendle 2010). A row has features i with values x_i: a categorical id is a feature of value 1,
// each of a bag's n ids one of value 1/n (mean) or 1 (sum), a dense input one feature a value.
#pragma once
#include <algorithm>

#include "layer.h"
#include "shapes.h"

namespace innerloop {

// Enumerates the features of rows as rows of tables.  Options: the inputs.  Tensors: their tables, [cardinality, width]
// or, for a dense input, [values, width].
struct FeatureColumns {
  struct Column {
    InputKind kind;
    std::size_t input;
    int tensor;
    Index size;
    Pooling pooling;
  };

  FeatureColumns(const ModelSpec& model, const LayerSpec& spec, Index width) : width(width) {
    require_arity(spec, 0, spec.options.size());
    require(!spec.options.empty(), "a factorization needs inputs");
    for (std::size_t i = 0; i < spec.options.size(); ++i) {
      const int at = static_cast<int>(whole_option(spec, i, 0, static_cast<Index>(model.inputs.size()) - 1));
      const InputSpec& input = model.inputs[at];
      if (input.kind == InputKind::dense)
        dense_tensor(model, spec, i, {input.size, width});
      else
        require(table_width(model, spec, i, at) == width, "the tables of a factorization must have one width");
      columns.push_back({.kind = input.kind,
                         .input = static_cast<std::size_t>(at),
                         .tensor = spec.tensors[i],
                         .size = input.size,
                         .pooling = input.pooling});
    }
  }

  // Calls f(tensor, offset of the feature's row in it, value) for every feature of row r whose value is not 0.
  template <class T, class F>
  void each(const Pass<T>& p, Index r, const F& f) const {
    for (const Column& column : columns) {
      if (column.kind == InputKind::dense) {
        const T* x = p.rows.dense(column.input, r);
        for (Index i = 0; i < column.size; ++i)
          if (x[i] != T(0)) f(column.tensor, i * width, x[i]);
        continue;
      }
      const auto ids = p.rows.ids(column.input, r);
      const T x = column.kind != InputKind::categorical && column.pooling == Pooling::mean
                      ? T(1) / static_cast<T>(ids.size())
                      : T(1);
      for (const std::int32_t id : ids) f(column.tensor, id * width, x);
    }
  }

  std::vector<Column> columns;
  Index width;
};

// z = Σ_i x_i w_i.
template <class T>
struct Terms final : Layer<T> {
  explicit Terms(FeatureColumns features) : features(std::move(features)) {}
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require(width_out(model, spec) == 1, "the terms of a factorization are one number");
    return std::make_unique<Terms>(FeatureColumns(model, spec, 1));
  }

  void forward(const Pass<T>& p) const override { sum(p, p.theta, p.x[this->out]); }
  void tangent_forward(const Pass<T>& p) const override { sum(p, p.direction, p.tx[this->out]); }
  void backward(const Pass<T>& p) const override { spread(p, p.dx[this->out], p.grad); }
  void tangent_backward(const Pass<T>& p) const override { spread(p, p.tdx[this->out], p.hv); }

  FeatureColumns features;

 private:
  void sum(const Pass<T>& p, const T* const* w, T* z) const {
    for (Index r = 0; r < p.n; ++r) {
      T total = 0;
      features.each(p, r, [&](int t, Index at, T x) { total += w[t] ? x * w[t][at] : T(0); });
      z[r] = total;
    }
  }
  void spread(const Pass<T>& p, const T* dz, T* const* grad) const {
    for (Index r = 0; r < p.n; ++r)
      features.each(p, r, [&](int t, Index at, T x) {
        if (grad[t]) grad[t][at] += x * dz[r];
      });
  }
};

// z = Σ_{i<j} x_i x_j ⟨v_i, v_j⟩ = ½ (‖s‖² − Σ_i x_i² ‖v_i‖²),  s = Σ_i x_i v_i.
template <class T>
struct Pairs final : Layer<T> {
  explicit Pairs(FeatureColumns columns) : features(std::move(columns)) { this->scratch = 2 * features.width; }
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require(width_out(model, spec) == 1 && !spec.tensors.empty() && has_tensor(spec, 0),
            "the pairs of a factorization are one number");
    const std::vector<Index>& shape = model.tensors[spec.tensors[0]].shape;
    require(shape.size() == 2, "the factors of a feature are a row of a table");
    return std::make_unique<Pairs>(FeatureColumns(model, spec, shape[1]));
  }

  void forward(const Pass<T>& p) const override {
    const Index k = features.width;
    for (Index r = 0; r < p.n; ++r) {
      T squares = 0;
      gather(p, r, p.theta, p.scratch);
      features.each(
          p, r, [&](int t, Index at, T x) { squares += x * x * p.kernels->dot(k, p.theta[t] + at, p.theta[t] + at); });
      p.x[this->out][r] = (p.kernels->dot(k, p.scratch, p.scratch) - squares) / 2;
    }
  }

  // dv_i = dz x_i (s − x_i v_i)
  void backward(const Pass<T>& p) const override {
    const Index k = features.width;
    for (Index r = 0; r < p.n; ++r) {
      gather(p, r, p.theta, p.scratch);
      features.each(p, r, [&](int t, Index at, T x) {
        if (p.grad[t]) add(p, k, p.dx[this->out][r] * x, p.scratch, x, p.theta[t] + at, p.grad[t] + at);
      });
    }
  }

  // tz = ⟨s, ts⟩ − Σ_i x_i² ⟨v_i, tv_i⟩
  void tangent_forward(const Pass<T>& p) const override {
    const Index k = features.width;
    T *s = p.scratch, *ts = p.scratch + k;
    for (Index r = 0; r < p.n; ++r) {
      gather(p, r, p.theta, s);
      gather(p, r, p.direction, ts);
      T squares = 0;
      features.each(p, r, [&](int t, Index at, T x) {
        if (p.direction[t]) squares += x * x * p.kernels->dot(k, p.theta[t] + at, p.direction[t] + at);
      });
      p.tx[this->out][r] = p.kernels->dot(k, s, ts) - squares;
    }
  }

  // tdv_i = tdz x_i (s − x_i v_i) + dz x_i (ts − x_i tv_i)
  void tangent_backward(const Pass<T>& p) const override {
    const Index k = features.width;
    T *s = p.scratch, *ts = p.scratch + k;
    for (Index r = 0; r < p.n; ++r) {
      gather(p, r, p.theta, s);
      gather(p, r, p.direction, ts);
      features.each(p, r, [&](int t, Index at, T x) {
        if (!p.hv[t]) return;
        add(p, k, p.tdx[this->out][r] * x, s, x, p.theta[t] + at, p.hv[t] + at);
        add(p, k, p.dx[this->out][r] * x, ts, x, p.direction[t] ? p.direction[t] + at : nullptr, p.hv[t] + at);
      });
    }
  }

  FeatureColumns features;

 private:
  // s = Σ_i x_i v_i of row r.
  void gather(const Pass<T>& p, Index r, const T* const* v, T* s) const {
    std::fill_n(s, features.width, T(0));
    features.each(p, r, [&](int t, Index at, T x) {
      if (v[t]) p.kernels->axpy(features.width, x, v[t] + at, s);
    });
  }
  // y += a (s − x v)
  static void add(const Pass<T>& p, Index k, T a, const T* s, T x, const T* v, T* y) {
    p.kernels->axpy(k, a, s, y);
    if (v) p.kernels->axpy(k, -a * x, v, y);
  }
};

}  // namespace innerloop
