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
    for (const Column& column : columns) each_of(p, column, r, f);
  }
  template <class T, class F>
  void each_of(const Pass<T>& p, const Column& column, Index r, const F& f) const {
    if (column.kind == InputKind::dense) {
      const T* x = p.rows.dense(column.input, r);
      for (Index i = 0; i < column.size; ++i)
        if (x[i] != T(0)) f(column.tensor, i * width, x[i]);
      return;
    }
    const auto ids = p.rows.ids(column.input, r);
    const T x = column.kind != InputKind::categorical && column.pooling == Pooling::mean
                    ? T(1) / static_cast<T>(ids.size())
                    : T(1);
    for (const std::int32_t id : ids) f(column.tensor, id * width, x);
  }

  // Some features of a row: their values, and the places of their rows in tensors.
  template <class T>
  struct Block {
    static constexpr Index kMost = 32;
    Index count = 0;
    T x[kMost];
    int tensor[kMost];
    Index at[kMost];
    // Gives where the features' rows lie in tensors, null in one that is.
    template <class P>
    void find(P* const* tensors, P** rows) const {
      for (Index j = 0; j < count; ++j) rows[j] = tensors[tensor[j]] ? tensors[tensor[j]] + at[j] : nullptr;
    }
  };
  // Calls f(block) for the features of row r, as many at once as a block holds: once at least.
  template <class T, class F>
  void each_block(const Pass<T>& p, Index r, const F& f) const {
    Block<T> block;
    each(p, r, [&](int t, Index at, T x) {
      if (block.count == Block<T>::kMost) f(block), block.count = 0;
      block.x[block.count] = x, block.tensor[block.count] = t, block.at[block.count++] = at;
    });
    f(block);
  }

  // Whether every row has one feature of value 1 of each input, few enough to be held side by side.
  bool is_one_each() const {
    const auto has_one = [](const Column& column) { return column.kind == InputKind::categorical; };
    return static_cast<Index>(columns.size()) <= kMostTables && std::all_of(columns.begin(), columns.end(), has_one);
  }
  // Where that is so, calls f(first row, rows, at) for blocks of rows: at[j][r] is the row of table j that row r reads.
  template <class T, class F>
  void each_rows(const Pass<T>& p, const F& f) const {
    constexpr Index kRows = 64;
    std::int32_t storage[kMostTables][kRows];
    const std::int32_t* at[kMostTables];
    const Index count = static_cast<Index>(columns.size());
    for (Index first = 0; first < p.n; first += kRows) {
      const Index rows = std::min(kRows, p.n - first);
      for (Index j = 0; j < count; ++j) at[j] = p.rows.ids(columns[j].input).single(first, rows, storage[j]);
      f(first, rows, at);
    }
  }
  // The tables' places in tensors, in the order of the inputs.
  template <class P>
  void find(P* const* tensors, P** tables) const {
    for (std::size_t j = 0; j < columns.size(); ++j) tables[j] = tensors[columns[j].tensor];
  }

  static constexpr Index kMostTables = 32;
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
  // By columns, so that each table and its ids are looked up once; a row's terms are added in the same order.
  void sum(const Pass<T>& p, const T* const* w, T* z) const {
    std::fill_n(z, p.n, T(0));
    for (const auto& column : features.columns) {
      const T* from = w[column.tensor];
      if (!from) continue;
      if (column.kind == InputKind::categorical)
        p.rows.ids(column.input).each_block(p.n, [&](Index first, Index count, const std::int32_t* ids) {
          for (Index i = 0; i < count; ++i) z[first + i] += from[ids[i]];
        });
      else
        for (Index r = 0; r < p.n; ++r)
          features.each_of(p, column, r, [&](int, Index at, T x) { z[r] += x * from[at]; });
    }
  }
  void spread(const Pass<T>& p, const T* dz, T* const* grad) const {
    for (const auto& column : features.columns) {
      T* to = grad[column.tensor];
      if (!to) continue;
      if (column.kind == InputKind::categorical)
        p.rows.ids(column.input).each_block(p.n, [&](Index first, Index count, const std::int32_t* ids) {
          for (Index i = 0; i < count; ++i) to[ids[i]] += dz[first + i];
        });
      else
        for (Index r = 0; r < p.n; ++r)
          features.each_of(p, column, r, [&](int, Index at, T x) { to[at] += x * dz[r]; });
    }
  }
};

// z = Σ_{i<j} x_i x_j ⟨v_i, v_j⟩ = ½ (‖s‖² − Σ_i x_i² ‖v_i‖²),  s = Σ_i x_i v_i.
//
// The work slot keeps s, and as its tangent ts.
template <class T>
struct Pairs final : Layer<T> {
  using Block = FeatureColumns::Block<T>;

  explicit Pairs(FeatureColumns columns) : features(std::move(columns)), one_each(features.is_one_each()) {
    this->work = features.width;
  }
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require(width_out(model, spec) == 1 && !spec.tensors.empty() && has_tensor(spec, 0),
            "the pairs of a factorization are one number");
    const std::vector<Index>& shape = model.tensors[spec.tensors[0]].shape;
    require(shape.size() == 2, "the factors of a feature are a row of a table");
    return std::make_unique<Pairs>(FeatureColumns(model, spec, shape[1]));
  }

  void forward(const Pass<T>& p) const override {
    const Index k = features.width;
    if (one_each) {
      T *const s = p.x[this->work_slot], *const z = p.x[this->out];
      sum_rows(p, p.theta, s, s, z);
      for (Index r = 0; r < p.n; ++r) z[r] /= 2;
      return;
    }
    for (Index r = 0; r < p.n; ++r) {
      T* const s = p.x[this->work_slot] + r * k;
      const T squares = sums(p, r, p.theta, s);
      p.x[this->out][r] = (p.kernels->dot(k, s, s) - squares) / 2;
    }
  }

  // dv_i = dz x_i (s − x_i v_i)
  void backward(const Pass<T>& p) const override {
    const Index k = features.width;
    if (one_each) return spread_rows(p, p.dx[this->out], nullptr, p.grad);
    const T* v[Block::kMost];
    T* to[Block::kMost];
    for (Index r = 0; r < p.n; ++r)
      features.each_block(p, r, [&](const Block& block) {
        block.find(p.theta, v), block.find(p.grad, to);
        p.kernels->spread_pairs(k, block.count, block.x, p.dx[this->out][r], p.x[this->work_slot] + r * k, v, T(0),
                                nullptr, nullptr, to);
      });
  }

  // tz = ⟨s, ts⟩ − Σ_i x_i² ⟨v_i, tv_i⟩
  void tangent_forward(const Pass<T>& p) const override {
    const Index k = features.width;
    if (one_each) return sum_rows(p, p.direction, p.x[this->work_slot], p.tx[this->work_slot], p.tx[this->out]);
    for (Index r = 0; r < p.n; ++r) {
      T* const ts = p.tx[this->work_slot] + r * k;
      const T squares = sums(p, r, p.direction, ts);
      p.tx[this->out][r] = p.kernels->dot(k, p.x[this->work_slot] + r * k, ts) - squares;
    }
  }

  // tdv_i = tdz x_i (s − x_i v_i) + dz x_i (ts − x_i tv_i)
  void tangent_backward(const Pass<T>& p) const override {
    const Index k = features.width;
    if (one_each) return spread_rows(p, p.tdx[this->out], p.dx[this->out], p.hv);
    const T *v[Block::kMost], *tv[Block::kMost];
    T* to[Block::kMost];
    for (Index r = 0; r < p.n; ++r)
      features.each_block(p, r, [&](const Block& block) {
        block.find(p.theta, v), block.find(p.direction, tv), block.find(p.hv, to);
        p.kernels->spread_pairs(k, block.count, block.x, p.tdx[this->out][r], p.x[this->work_slot] + r * k, v,
                                p.dx[this->out][r], p.tx[this->work_slot] + r * k, tv, to);
      });
  }

  FeatureColumns features;
  const bool one_each;  // see FeatureColumns::is_one_each

 private:
  // s_r = Σ_i u_i and z_r = ⟨with_r, s_r⟩ − Σ_i ⟨u_i, v_i⟩ of all rows.
  void sum_rows(const Pass<T>& p, const T* const* u, const T* with, T* s, T* z) const {
    const Index k = features.width;
    const T *from[FeatureColumns::kMostTables], *v[FeatureColumns::kMostTables];
    features.find(u, from), features.find(p.theta, v);
    features.each_rows(p, [&](Index first, Index rows, const std::int32_t* const* at) {
      p.kernels->row_pairs(rows, k, static_cast<Index>(features.columns.size()), at, from, v, with + first * k,
                           s + first * k, z + first);
    });
  }
  // The same in reverse: adds a_r (s_r − v_i), and where b is not null b_r (ts_r − tv_i), to the rows of `into`.
  void spread_rows(const Pass<T>& p, const T* a, const T* b, T* const* into) const {
    const Index k = features.width;
    const T *v[FeatureColumns::kMostTables], *tv[FeatureColumns::kMostTables];
    T* to[FeatureColumns::kMostTables];
    features.find(p.theta, v), features.find(p.direction, tv), features.find(into, to);
    features.each_rows(p, [&](Index first, Index rows, const std::int32_t* const* at) {
      p.kernels->spread_row_pairs(rows, k, static_cast<Index>(features.columns.size()), at, a + first,
                                  p.x[this->work_slot] + first * k, v, b ? b + first : nullptr,
                                  b ? p.tx[this->work_slot] + first * k : nullptr, tv, to);
    });
  }

  // s = Σ_i x_i u_i of row r, where u is a null entry = zero; gives Σ_i x_i² ⟨u_i, v_i⟩ with the parameters v.
  T sums(const Pass<T>& p, Index r, const T* const* u, T* s) const {
    const T *from[Block::kMost], *v[Block::kMost];
    T squares = 0;
    bool accumulate = false;
    features.each_block(p, r, [&](const Block& block) {
      block.find(u, from), block.find(p.theta, v);
      squares += p.kernels->weighted_sum(features.width, block.count, from, v, block.x, accumulate, s);
      accumulate = true;
    });
    return squares;
  }
};

}  // namespace innerloop
