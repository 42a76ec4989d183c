#pragma once
#include <algorithm>

#include "../layers.h"
#include "../model.h"

namespace innerloop {

// x = the inputs of a row, concatenated: dense values, embedding rows, pooled embedding bags. Linear in the embeddings, so
// the tangent functions are the plain ones applied to v and to tdx.
template <class T>
struct Inputs final : Layer<T> {
  Inputs(int out_slot, const std::vector<InputSpec>& specs, const std::vector<int>& embedding) {
    this->out = out_slot;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      columns.push_back({specs[i].kind, embedding[i], width, specs[i].width, specs[i].pooling});
      width += specs[i].width;
      if (embedding[i] >= 0) this->tensors.push_back(embedding[i]);
    }
  }

  void forward(const Pass<T>& p) const override { gather(p, p.theta, true, p.x[this->out]); }
  void backward(const Pass<T>& p) const override { scatter(p, p.dx[this->out], p.grad); }
  void tangent_forward(const Pass<T>& p) const override { gather(p, p.v, false, p.tx[this->out]); }
  void tangent_backward(const Pass<T>& p) const override { scatter(p, p.tdx[this->out], p.hv); }

  struct Column {
    InputKind kind;
    int tensor;
    Index begin, width;
    Pooling pooling;
  };
  std::vector<Column> columns;
  Index width = 0;

 private:
  // x[r] = [dense | E[id] | pool E[ids]]; a null table gives zeros, as does dense input where `dense` is false.
  void gather(const Pass<T>& p, const T* const* tables, bool dense, T* x) const {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const Column& column = columns[c];
      const T* table = column.tensor >= 0 ? tables[column.tensor] : nullptr;
      for (Index r = 0; r < p.n; ++r) {
        T* to = x + r * width + column.begin;
        if (column.kind == InputKind::dense) {
          if (dense) std::copy_n(p.rows.dense(c, r), column.width, to);
          else std::fill_n(to, column.width, T(0));
          continue;
        }
        if (column.kind == InputKind::categorical && table) {
          std::copy_n(table + *p.rows.ids(c, r).begin() * column.width, column.width, to);
          continue;
        }
        std::fill_n(to, column.width, T(0));
        if (!table) continue;
        const auto ids = p.rows.ids(c, r);
        const T weight = pool_weight(column, ids.size());
        for (const std::int32_t id : ids) p.kernels->axpy(column.width, weight, table + id * column.width, to);
      }
    }
  }

  void scatter(const Pass<T>& p, const T* dx, T* const* tables) const {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const Column& column = columns[c];
      T* table = column.tensor >= 0 ? tables[column.tensor] : nullptr;
      if (!table) continue;
      for (Index r = 0; r < p.n; ++r) {
        const auto ids = p.rows.ids(c, r);
        const T weight = pool_weight(column, ids.size());
        for (const std::int32_t id : ids)
          p.kernels->axpy(column.width, weight, dx + r * width + column.begin, table + id * column.width);
      }
    }
  }

  static T pool_weight(const Column& column, std::size_t n) {
    return column.kind == InputKind::bag && column.pooling == Pooling::mean ? T(1) / static_cast<T>(n) : T(1);
  }
};

}  // namespace innerloop
