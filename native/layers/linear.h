#pragma once
#include <algorithm>

#include "few_rows.h"
#include "layer.h"
#include "shapes.h"

namespace innerloop {

// z = x W + b with W [in, out] in the arena.  Tensors: weight, bias.
//
// Over concatenated inputs some columns may be the same in every row (Segments): x_s, the first row's. With s = 1ᵀ dz,
//
//   z = x_v W_v + (b + x_s W_s);   dW_s = x_sᵀ s,   dx_s = s W_sᵀ
template <class T>
struct Linear final : Layer<T>, AffineMap {
  explicit Linear(AffineMap map) : AffineMap(std::move(map)) {
    whole.varying = {{0, I}};
    this->scratch = 2 * I * O + 2 * O;
  }
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require_arity(spec, 1, 2);
    const Index I = width_in(model, spec, 0), O = width_out(model, spec);
    return std::make_unique<Linear>(AffineMap{.slot_in = spec.in[0],
                                              .slot_out = spec.out,
                                              .weight = dense_tensor(model, spec, 0, {O, I}, true),
                                              .bias = dense_tensor(model, spec, 1, {O}),
                                              .I = I,
                                              .O = O,
                                              .whole = {}});
  }

  const AffineMap* affine_map() const override { return this; }

  void forward(const Pass<T>& p) const override {
    if (p.n == 0) return;  // there is no first row to read
    const T *x = p.x[this->in[0]], *w = p.theta[weight], *b = p.theta[bias];
    T* z = p.x[this->out];
    // gemm would fill but one lane; gemm_nn takes dot products.
    if (is_column()) return p.kernels->gemm_nn(p.n, O, I, x, I, w, O, b, false, z, O);
    const Segments& segments = segments_of(p);
    Factors<T> f[Segments::kMost];
    p.kernels->gemm(p.n, O, f, add_varying(segments, x, w, f), add_same(p, segments, x, w, b, p.scratch), nullptr, z,
                    O);
  }

  // dW = xᵀ dz;  db = Σ dz;  dx = dz Wᵀ
  void backward(const Pass<T>& p) const override {
    if (p.n == 0) return;
    const T *x = p.x[this->in[0]], *dz = p.dx[this->out];
    T *dw = p.grad[weight], *dx = p.dx[this->in[0]];
    if (is_column()) {
      if (dw) p.kernels->gemm_tn(I, O, p.n, x, I, dz, O, true, dw, O);
      if (p.grad[bias]) p.kernels->column_sums(p.n, O, dz, O, p.grad[bias]);
      if (dx) pass_on(p, whole, dz, nullptr, p.theta[weight], nullptr, nullptr, nullptr, dx);
      return;
    }
    const Segments& segments = segments_of(p);
    T* const sums = p.scratch + 2 * I * O;
    if (p.grad[bias] || !segments.same.empty()) sum_rows(p, dz, sums);
    if (p.grad[bias]) p.kernels->axpy(O, T(1), sums, p.grad[bias]);
    if (dw) add_gradient(p, segments, x, dz, nullptr, nullptr, sums, nullptr, p.from[weight] ? p.from[weight] : dw, dw);
    if (!dx) return;
    if (has_few_rows(p))
      pass_few_on(p, segments, dz, nullptr, nullptr, sums, nullptr, dx);
    else
      pass_on(p, segments, dz, nullptr, transposed(p), nullptr, sums, nullptr, dx);
  }

  // tz = tx W + x vW + vb
  void tangent_forward(const Pass<T>& p) const override {
    if (p.n == 0) return;
    T* tz = p.tx[this->out];
    const T *x = p.x[this->in[0]], *tx = p.tx[this->in[0]], *vw = p.direction[weight], *vb = p.direction[bias];
    if (is_column()) {
      if (vw)
        p.kernels->gemm_nn(p.n, O, I, x, I, vw, O, vb, false, tz, O);
      else
        std::fill_n(tz, p.n, vb ? *vb : T(0));
      if (tx) p.kernels->gemm_nn(p.n, O, I, tx, I, p.theta[weight], O, nullptr, true, tz, O);
      return;
    }
    const Segments& segments = segments_of(p);
    Factors<T> f[2 * Segments::kMost];
    int count = 0;
    if (vw) {
      count += add_varying(segments, x, vw, f);
      vb = add_same(p, segments, x, vw, vb, p.scratch);
    }
    if (tx) {
      count += add_varying(segments, tx, p.theta[weight], f + count);
      vb = add_same(p, segments, tx, p.theta[weight], vb, p.scratch);
    }
    p.kernels->gemm(p.n, O, f, count, vb, nullptr, tz, O);
  }

  // tdW = xᵀ tdz + txᵀ dz;  tdb = Σ tdz;  tdx = tdz Wᵀ + dz vWᵀ
  void tangent_backward(const Pass<T>& p) const override {
    if (p.n == 0) return;
    const T *x = p.x[this->in[0]], *tdz = p.tdx[this->out], *dz = p.dx[this->out], *tx = p.tx[this->in[0]],
            *vw = p.direction[weight];
    T *hv = p.hv[weight], *tdx = p.tdx[this->in[0]];
    if (is_column()) {
      if (tdx) pass_on(p, whole, tdz, dz, p.theta[weight], vw, nullptr, nullptr, tdx);
      if (hv) p.kernels->gemm_tn(I, O, p.n, x, I, tdz, O, true, hv, O);
      if (hv && tx) p.kernels->gemm_tn(I, O, p.n, tx, I, dz, O, true, hv, O);
      if (p.hv[bias]) p.kernels->column_sums(p.n, O, tdz, O, p.hv[bias]);
      return;
    }
    const Segments& segments = segments_of(p);
    T *const t_sums = p.scratch + 2 * I * O, *const sums = t_sums + O;
    if (p.hv[bias] || !segments.same.empty()) sum_rows(p, tdz, t_sums);
    if (!segments.same.empty()) sum_rows(p, dz, sums);
    if (p.hv[bias]) p.kernels->axpy(O, T(1), t_sums, p.hv[bias]);
    if (tdx && has_few_rows(p)) {
      pass_few_on(p, segments, tdz, dz, vw, t_sums, sums, tdx);
    } else if (tdx) {
      const T* w = transposed(p);
      if (vw) {
        // p.scratch may hold Wᵀ.
        T* const to = w == p.scratch ? p.scratch + I * O : p.scratch;
        p.kernels->transpose(I, O, vw, O, to, I);
        vw = to;
      }
      pass_on(p, segments, tdz, dz, w, vw, t_sums, sums, tdx);
    }
    if (hv) add_gradient(p, segments, x, tdz, tx, dz, t_sums, sums, hv, hv);
  }
  bool may_alias() const override { return true; }

 private:
  const Segments& segments_of(const Pass<T>& p) const {
    const Segments* segments = p.segments[this->in[0]];
    return segments ? *segments : whole;
  }

  bool has_few_rows(const Pass<T>& p) const { return p.n <= kFewRows && !p.transposed[weight]; }

  // Wᵀ [O, I].
  const T* transposed(const Pass<T>& p) const {
    if (const T* at_hand = p.transposed[weight]) return at_hand;
    p.kernels->transpose(I, O, p.theta[weight], O, p.scratch, I);
    return p.scratch;
  }

  int add_varying(const Segments& segments, const T* x, const T* w, Factors<T>* f) const {
    int count = 0;
    for (const auto& range : segments.varying)
      f[count++] = {
          .A = x + range.begin, .row_stride = I, .k_stride = 1, .B = w + range.begin * O, .ldb = O, .K = range.width()};
    return count;
  }

  // Gives b + x_s W_s: b itself where no column is the same in every row, else in `to`, which may be b.
  const T* add_same(const Pass<T>& p, const Segments& segments, const T* x, const T* w, const T* b, T* to) const {
    for (const auto& range : segments.same) {
      const Factors<T> f{
          .A = x + range.begin, .row_stride = I, .k_stride = 1, .B = w + range.begin * O, .ldb = O, .K = range.width()};
      p.kernels->gemm(1, O, &f, 1, nullptr, b, to, O);
      b = to;
    }
    return b;
  }

  void sum_rows(const Pass<T>& p, const T* dz, T* to) const {
    std::fill_n(to, O, T(0));
    p.kernels->column_sums(p.n, O, dz, O, to);
  }

  // dw = from + xᵀ dz + yᵀ dy, where y may be null and `from` may be dw; s and t are the sums of the rows of dz and dy.
  void add_gradient(const Pass<T>& p, const Segments& segments, const T* x, const T* dz, const T* y, const T* dy,
                    const T* s, const T* t, const T* from, T* dw) const {
    for (const auto& [begin, end] : segments.varying) {
      const Factors<T> f[2] = {
          {.A = x + begin, .row_stride = 1, .k_stride = I, .B = dz, .ldb = O, .K = p.n},
          {.A = y ? y + begin : nullptr, .row_stride = 1, .k_stride = I, .B = dy, .ldb = O, .K = p.n}};
      p.kernels->gemm(end - begin, O, f, y ? 2 : 1, nullptr, from + begin * O, dw + begin * O, O);
    }
    for (const auto& [begin, end] : segments.same) {
      const Factors<T> f[2] = {
          {.A = x + begin, .row_stride = 1, .k_stride = I, .B = s, .ldb = O, .K = 1},
          {.A = y ? y + begin : nullptr, .row_stride = 1, .k_stride = I, .B = t, .ldb = O, .K = 1}};
      p.kernels->gemm(end - begin, O, f, y ? 2 : 1, nullptr, from + begin * O, dw + begin * O, O);
    }
  }

  // dx = dz Wᵀ + dy vᵀ, with v as W is, null for none; s and t as above.
  void pass_few_on(const Pass<T>& p, const Segments& segments, const T* dz, const T* dy, const T* v, const T* s,
                   const T* t, T* dx) const {
    const T* const w = p.theta[weight];
    const auto multiply = [&](Index rows, const Segments::Range& range, const T* a, const T* b) {
      const auto [begin, end] = range;
      p.kernels->gemm_nt(rows, end - begin, O, a, O, w + begin * O, O, false, dx + begin, I, p.scratch);
      if (v) p.kernels->gemm_nt(rows, end - begin, O, b, O, v + begin * O, O, true, dx + begin, I, p.scratch);
    };
    for (const auto& range : segments.varying) multiply(p.n, range, dz, dy);
    for (const auto& range : segments.same) multiply(1, range, s, t);
  }

  // dx = dz wᵀ + dy vᵀ, with w and v transposed, where v may be null; s and t as above.
  void pass_on(const Pass<T>& p, const Segments& segments, const T* dz, const T* dy, const T* w, const T* v, const T* s,
               const T* t, T* dx) const {
    for (const auto& [begin, end] : segments.varying) {
      const Factors<T> f[2] = {
          {.A = dz, .row_stride = O, .k_stride = 1, .B = w + begin, .ldb = I, .K = O},
          {.A = dy, .row_stride = O, .k_stride = 1, .B = v ? v + begin : nullptr, .ldb = I, .K = O}};
      p.kernels->gemm(p.n, end - begin, f, v ? 2 : 1, nullptr, nullptr, dx + begin, I);
    }
    for (const auto& [begin, end] : segments.same) {
      const Factors<T> f[2] = {
          {.A = s, .row_stride = O, .k_stride = 1, .B = w + begin, .ldb = I, .K = O},
          {.A = t, .row_stride = O, .k_stride = 1, .B = v ? v + begin : nullptr, .ldb = I, .K = O}};
      p.kernels->gemm(1, end - begin, f, v ? 2 : 1, nullptr, nullptr, dx + begin, I);
    }
  }
};

}  // namespace innerloop
