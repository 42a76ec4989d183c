#pragma once
#include <algorithm>

#include "../model/model.h"
#include "layer.h"
#include "shapes.h"

namespace innerloop {

// Sets x to the inputs of a row, concatenated: dense values, embedding rows, pooled embedding bags. It is linear in the
// embeddings, so that the tangent functions are the plain ones, applied to the direction and to tdx.
//
// Options: the inputs, in order.  Tensors: the table of each, −1 for a dense one.
template <class T>
struct Inputs final : Layer<T> {
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require_arity(spec, 0, spec.options.size());
    auto layer = std::make_unique<Inputs>();
    for (std::size_t i = 0; i < spec.options.size(); ++i) {
      const int at = static_cast<int>(whole_option(spec, i, 0, static_cast<Index>(model.inputs.size()) - 1));
      const InputSpec& input = model.inputs[at];
      require((input.kind == InputKind::dense) == !has_tensor(spec, i),
              "a dense input has no table, any other has one");
      const Index width = input.kind == InputKind::dense ? input.size : table_width(model, spec, i, at);
      layer->columns.push_back({.kind = input.kind,
                                .input = static_cast<std::size_t>(at),
                                .tensor = spec.tensors[i],
                                .begin = layer->width,
                                .width = width,
                                .pooling = input.pooling});
      layer->width += width;
    }
    require(layer->width == width_out(model, spec), "the inputs do not fill their slot");
    return layer;
  }

  // The slot is there already where it is one dense column whose rows follow each other.
  const T* in_place(const RowsView<T>& rows, Index n) const override {
    if (columns.size() != 1 || columns[0].kind != InputKind::dense || n == 0) return nullptr;
    const T* first = rows.dense(columns[0].input, 0);
    for (Index r = 1; r < n; ++r)
      if (rows.dense(columns[0].input, r) != first + r * width) return nullptr;
    return first;
  }

  std::vector<InputColumns> input_columns() const override {
    std::vector<InputColumns> all;
    for (const Column& column : columns)
      all.push_back({.input = column.input, .begin = column.begin, .width = column.width});
    return all;
  }

  void forward(const Pass<T>& p) const override { gather(p, p.theta, true, p.x[this->out]); }
  void backward(const Pass<T>& p) const override { scatter(p, p.dx[this->out], p.grad); }
  void tangent_forward(const Pass<T>& p) const override { gather(p, p.direction, false, p.tx[this->out]); }
  bool may_alias() const override { return true; }
  void tangent_backward(const Pass<T>& p) const override { scatter(p, p.tdx[this->out], p.hv); }

  struct Column {
    InputKind kind;
    std::size_t input;
    int tensor;
    Index begin, width;
    Pooling pooling;
  };
  std::vector<Column> columns;
  Index width = 0;

 private:
  // Columns that are the same in all rows are held once.
  Index rows(const Pass<T>& p, const Column& column) const {
    const Segments* segments = p.segments[this->out];
    return segments && segments->is_same[&column - columns.data()] ? std::min<Index>(p.n, 1) : p.n;
  }

  // x[r] = [dense | E[id] | pool E[ids]]; a null table gives zeros, as does dense input where `dense` is false.
  void gather(const Pass<T>& p, const T* const* tables, bool dense, T* x) const {
    for (const Column& column : columns) {
      const T* table = column.tensor >= 0 ? tables[column.tensor] : nullptr;
      const Index n = rows(p, column), w = column.width;
      T* to = x + column.begin;
      if (column.kind == InputKind::dense ? !dense : !table) {
        for (Index r = 0; r < n; ++r, to += width) std::fill_n(to, w, T(0));
        continue;
      }
      if (column.kind == InputKind::dense) {
        for (Index r = 0; r < n; ++r, to += width) std::copy_n(p.rows.dense(column.input, r), w, to);
        continue;
      }
      const RowIds ids_of = p.rows.ids(column.input);
      if (column.kind == InputKind::categorical) {
        ids_of.each_block(n, [&](Index first, Index count, const std::int32_t* ids) {
          p.kernels->gather_rows(count, w, table, ids, to + first * width, width);
        });
        continue;
      }
      for (Index r = 0; r < n; ++r, to += width) {
        const auto ids = ids_of(r);
        if (ids.empty())
          std::fill_n(to, w, T(0));
        else if (ids.size() == 1)
          std::copy_n(table + ids[0] * w, w, to);
        else {
          const T weight = pool_weight(column, ids.size());
          p.kernels->scale(w, weight, table + ids[0] * w, to);
          for (const std::int32_t id : ids.subspan(1)) p.kernels->axpy(w, weight, table + id * w, to);
        }
      }
    }
  }

  void scatter(const Pass<T>& p, const T* dx, T* const* tables) const {
    for (const Column& column : columns) {
      T* table = column.tensor >= 0 ? tables[column.tensor] : nullptr;
      if (!table) continue;
      const RowIds ids_of = p.rows.ids(column.input);
      if (column.kind == InputKind::categorical) {
        ids_of.each_block(rows(p, column), [&](Index first, Index count, const std::int32_t* ids) {
          p.kernels->scatter_rows(count, column.width, dx + first * width + column.begin, width, ids, table);
        });
        continue;
      }
      for (Index r = 0; r < rows(p, column); ++r) {
        const auto ids = ids_of(r);
        const T weight = pool_weight(column, ids.size());
        for (const std::int32_t id : ids)
          p.kernels->axpy(column.width, weight, dx + r * width + column.begin, table + id * column.width);
      }
    }
  }

  static T pool_weight(const Column& column, std::size_t n) {
    return column.kind != InputKind::categorical && column.pooling == Pooling::mean ? T(1) / static_cast<T>(n) : T(1);
  }
};

}  // namespace innerloop
