#pragma once
#include <algorithm>

#include "layer.h"
#include "shapes.h"

namespace innerloop {

// A gated recurrent unit (Cho et al. 2014) over a sequence input; the slot is its last state, 0 for an empty sequence.
//
//   r = σ(W_ir x + b_ir + W_hr h + b_hr)        z = σ(W_iz x + b_iz + W_hz h + b_hz)
//   n = tanh(W_in x + b_in + r ∘ m), m = W_hn h + b_hn        h' = (1 − z) ∘ n + z ∘ h
//
// Tensors: the input's table [ids, I], weight_ih [3H, I], weight_hh [3H, H], bias_ih, bias_hh [3H], gates in the order
// r, z, n. Options: the input, the longest sequence.
//
// Rows are aligned at their ends, so that all of them have their last state at the same step; a row that has not begun
// has state 0. What a step leaves is a block [n, I + 5H] of the work slot: x | r z n | m | h. In the work slot's
// adjoint the same places hold the adjoints of x | the gates' arguments | m | h'.
template <class T>
struct Gru final : Layer<T> {
  static std::unique_ptr<Layer<T>> make(const ModelSpec& model, const LayerSpec& spec) {
    require_arity(spec, 0, 5);
    auto layer = std::make_unique<Gru>();
    layer->input = static_cast<std::size_t>(whole_option(spec, 0, 0, static_cast<Index>(model.inputs.size()) - 1));
    layer->longest = whole_option(spec, 1, 1, 65536);
    require(model.inputs[layer->input].kind == InputKind::sequence, "a recurrent layer reads a sequence");
    const Index I = layer->I = table_width(model, spec, 0, static_cast<int>(layer->input));
    const Index H = layer->H = width_out(model, spec);
    layer->table = spec.tensors[0];
    layer->w_ih = dense_tensor(model, spec, 1, {3 * H, I}, true);
    layer->w_hh = dense_tensor(model, spec, 2, {3 * H, H}, true);
    layer->b_ih = dense_tensor(model, spec, 3, {3 * H});
    layer->b_hh = dense_tensor(model, spec, 4, {3 * H});
    layer->W = I + 5 * H;
    require(layer->longest * layer->W < (Index{1} << 24), "a recurrent layer's steps take too much memory");
    layer->work = layer->longest * layer->W;
    layer->scratch = 3 * H * std::max(I, H);
    return layer;
  }

  void forward(const Pass<T>& p) const override {
    const Index n = p.n, steps = length(p);
    const auto* k = p.kernels;
    T* const work = p.x[this->work_slot];
    for (Index t = 0; t < steps; ++t) {
      T* block = work + t * n * W;
      const T* before = t > 0 ? block - n * W + state() : nullptr;
      gather(p, t, steps, p.theta[table], block);
      k->gemm_nn(n, 3 * H, I, block, W, p.theta[w_ih], 3 * H, p.theta[b_ih], false, block + gates(), W);
      from_state(p, before, p.theta[w_hh], p.theta[b_hh], block);
      for (Index r = 0; r < n; ++r) {
        if (active(p, r, t, steps))
          activate(p, before ? before + r * W : nullptr, block + r * W);
        else
          std::fill_n(block + r * W, W, T(0));
      }
    }
    last(n, steps, work, p.x[this->out]);
  }

  void backward(const Pass<T>& p) const override {
    const Index n = p.n, steps = length(p);
    const T* const work = p.x[this->work_slot];
    T* const adjoint = p.dx[this->work_slot];
    each_step_back(p, steps, adjoint, p.dx[this->out], [&](Index t, T* d) {
      const T* x = work + t * n * W;
      for (Index r = 0; r < n; ++r) {
        T* row = d + r * W;
        if (active(p, r, t, steps))
          adjoint_of(x + r * W, t > 0 ? x + r * W - n * W + state() : nullptr, row);
        else
          std::fill_n(row, W, T(0));
      }
    });
    for (Index t = 0; t < steps; ++t) products(p, t, steps, work, adjoint, p.theta, p.grad, false);
  }

  void tangent_forward(const Pass<T>& p) const override {
    const Index n = p.n, steps = length(p);
    const auto* k = p.kernels;
    const T* const work = p.x[this->work_slot];
    T* const tangent = p.tx[this->work_slot];
    const T *vi = p.direction[w_ih], *vh = p.direction[w_hh], *vbi = p.direction[b_ih], *vbh = p.direction[b_hh];
    for (Index t = 0; t < steps; ++t) {
      const T* x = work + t * n * W;
      T* tx = tangent + t * n * W;
      const T *h = t > 0 ? x - n * W + state() : nullptr, *th = t > 0 ? tx - n * W + state() : nullptr;
      gather(p, t, steps, p.direction[table], tx);
      k->gemm_nn(n, 3 * H, I, tx, W, p.theta[w_ih], 3 * H, vbi, false, tx + gates(), W);
      if (vi) k->gemm_nn(n, 3 * H, I, x, W, vi, 3 * H, nullptr, true, tx + gates(), W);
      from_state(p, th, p.theta[w_hh], vbh, tx);
      if (h && vh) state_products(p, h, vh, tx);
      for (Index r = 0; r < n; ++r) {
        if (active(p, r, t, steps))
          tangent_of(x + r * W, h ? h + r * W : nullptr, th ? th + r * W : nullptr, tx + r * W);
        else
          std::fill_n(tx + r * W, W, T(0));
      }
    }
    last(n, steps, tangent, p.tx[this->out]);
  }

  void tangent_backward(const Pass<T>& p) const override {
    const Index n = p.n, steps = length(p);
    const T *const work = p.x[this->work_slot], *const adjoint = p.dx[this->work_slot],
                   *const tangent = p.tx[this->work_slot];
    T* const back = p.tdx[this->work_slot];
    each_step_back(
        p, steps, back, p.tdx[this->out],
        [&](Index t, T* td) {
          const Index at = t * n * W;
          for (Index r = 0; r < n; ++r) {
            T* row = td + r * W;
            if (!active(p, r, t, steps)) {
              std::fill_n(row, W, T(0));
              continue;
            }
            const Index i = at + r * W, before = i - n * W + state();
            tangent_adjoint_of(work + i, t > 0 ? work + before : nullptr, tangent + i,
                               t > 0 ? tangent + before : nullptr, adjoint + i, row);
          }
        },
        adjoint);
    for (Index t = 0; t < steps; ++t) {
      products(p, t, steps, work, back, p.theta, p.hv, false);
      products(p, t, steps, tangent, adjoint, p.direction, p.hv, true);
    }
  }

  std::size_t input = 0;
  Index longest = 0, I = 0, H = 0, W = 0;
  int table = -1, w_ih = -1, w_hh = -1, b_ih = -1, b_hh = -1;

 private:
  // Places within a row of a block.
  Index gates() const { return I; }
  Index hidden() const { return I + 3 * H; }
  Index state() const { return I + 4 * H; }

  Index length_of(const Pass<T>& p, Index r) const {
    return std::min<Index>(longest, static_cast<Index>(p.rows.ids(input, r).size()));
  }
  Index length(const Pass<T>& p) const {
    Index steps = 0;
    for (Index r = 0; r < p.n; ++r) steps = std::max(steps, length_of(p, r));
    return steps;
  }
  bool active(const Pass<T>& p, Index r, Index t, Index steps) const { return t >= steps - length_of(p, r); }
  // The id of row r at step t.
  std::int32_t id(const Pass<T>& p, Index r, Index t, Index steps) const {
    const auto ids = p.rows.ids(input, r);
    return ids[ids.size() - static_cast<std::size_t>(steps - t)];
  }

  void gather(const Pass<T>& p, Index t, Index steps, const T* rows, T* block) const {
    for (Index r = 0; r < p.n; ++r) {
      if (rows && active(p, r, t, steps))
        std::copy_n(rows + id(p, r, t, steps) * I, I, block + r * W);
      else
        std::fill_n(block + r * W, I, T(0));
    }
  }

  void last(Index n, Index steps, const T* work, T* out) const {
    for (Index r = 0; r < n; ++r) {
      if (steps > 0)
        std::copy_n(work + ((steps - 1) * n + r) * W + state(), H, out + r * H);
      else
        std::fill_n(out + r * H, H, T(0));
    }
  }

  // Adds W_hh h + b_hh, of which either may be missing, to the arguments of r and z, and sets m to its part of it.
  void from_state(const Pass<T>& p, const T* h, const T* w, const T* b, T* block) const {
    for (Index r = 0; r < p.n; ++r) {
      T* row = block + r * W;
      if (b) {
        p.kernels->axpy(2 * H, T(1), b, row + gates());
        std::copy_n(b + 2 * H, H, row + hidden());
      } else {
        std::fill_n(row + hidden(), H, T(0));
      }
    }
    if (h) state_products(p, h, w, block);
  }
  void state_products(const Pass<T>& p, const T* h, const T* w, T* block) const {
    p.kernels->gemm_nn(p.n, 2 * H, H, h, W, w, 3 * H, nullptr, true, block + gates(), W);
    p.kernels->gemm_nn(p.n, H, H, h, W, w + 2 * H, 3 * H, nullptr, true, block + hidden(), W);
  }

  // The gates and the new state of one row from the gates' arguments.
  void activate(const Pass<T>& p, const T* before, T* row) const {
    T *g = row + gates(), *m = row + hidden(), *h = row + state();
    p.kernels->activation_forward(Activation::sigmoid, 2 * H, g, g);
    for (Index i = 0; i < H; ++i) g[2 * H + i] += g[i] * m[i];
    p.kernels->activation_forward(Activation::tanh, H, g + 2 * H, g + 2 * H);
    for (Index i = 0; i < H; ++i) h[i] = (1 - g[H + i]) * g[2 * H + i] + g[H + i] * (before ? before[i] : T(0));
  }

  // From the adjoint of h', which lies in its place, computes those of the gates' arguments and of m.
  void adjoint_of(const T* row, const T* before, T* d) const {
    const T *g = row + gates(), *m = row + hidden(), *dh = d + state();
    T *dg = d + gates(), *dm = d + hidden();
    for (Index i = 0; i < H; ++i) {
      const T r = g[i], z = g[H + i], n = g[2 * H + i], h = before ? before[i] : T(0);
      const T an = dh[i] * (1 - z) * (1 - n * n);
      dg[2 * H + i] = an;
      dm[i] = an * r;
      dg[i] = an * m[i] * r * (1 - r);
      dg[H + i] = dh[i] * (h - n) * z * (1 - z);
    }
  }

  // From the tangents of the gates' arguments, which lie in their places, computes those of the gates, m and h'.
  void tangent_of(const T* row, const T* before, const T* t_before, T* t) const {
    const T *g = row + gates(), *m = row + hidden();
    T *tg = t + gates(), *tm = t + hidden(), *th = t + state();
    for (Index i = 0; i < H; ++i) {
      const T r = g[i], z = g[H + i], n = g[2 * H + i], h = before ? before[i] : T(0);
      tg[i] *= r * (1 - r);
      tg[H + i] *= z * (1 - z);
      tg[2 * H + i] = (1 - n * n) * (tg[2 * H + i] + tg[i] * m[i] + r * tm[i]);
      th[i] = (1 - z) * tg[2 * H + i] + tg[H + i] * (h - n) + z * (t_before ? t_before[i] : T(0));
    }
  }

  void tangent_adjoint_of(const T* row, const T* before, const T* t, const T* t_before, const T* d, T* td) const {
    const T *g = row + gates(), *m = row + hidden(), *tg = t + gates(), *tm = t + hidden(), *dh = d + state(),
            *dg = d + gates();
    const T* tdh = td + state();
    T *tdg = td + gates(), *tdm = td + hidden();
    for (Index i = 0; i < H; ++i) {
      const T r = g[i], z = g[H + i], n = g[2 * H + i], h = before ? before[i] : T(0);
      const T tr = tg[i], tz = tg[H + i], tn = tg[2 * H + i], th = t_before ? t_before[i] : T(0);
      const T an = dg[2 * H + i], dn = dh[i] * (1 - z), tdn = tdh[i] * (1 - z) - dh[i] * tz;
      const T tan = tdn * (1 - n * n) - 2 * dn * n * tn;
      const T dr = an * m[i], tdr = tan * m[i] + an * tm[i];
      const T dz = dh[i] * (h - n), tdz = tdh[i] * (h - n) + dh[i] * (th - tn);
      tdg[2 * H + i] = tan;
      tdm[i] = tan * r + an * tr;
      tdg[i] = tdr * r * (1 - r) + dr * (1 - 2 * r) * tr;
      tdg[H + i] = tdz * z * (1 - z) + dz * (1 - 2 * z) * tz;
    }
  }

  // Calls step(t, block) from the last step to the first, with the adjoint of h' in its place: what the next step sent,
  // and at the end the slot's adjoint. With `plain` (the adjoints themselves) d holds their directional derivatives,
  // and so does what a step sends on.
  template <class F>
  void each_step_back(const Pass<T>& p, Index steps, T* d, const T* dout, const F& step,
                      const T* plain = nullptr) const {
    const Index n = p.n;
    const auto* k = p.kernels;
    for (Index t = steps - 1; t >= 0; --t) {
      T* block = d + t * n * W;
      const T* next = block + n * W;
      if (t == steps - 1) {
        for (Index r = 0; r < n; ++r) std::copy_n(dout + r * H, H, block + r * W + state());
      } else {
        // dh = dh' ∘ z + [da_r, da_z, dm] W_hh
        const T* x = p.x[this->work_slot] + (t + 1) * n * W;
        const T* tx = plain ? p.tx[this->work_slot] + (t + 1) * n * W : nullptr;
        const T* d_next = plain ? plain + (t + 1) * n * W : nullptr;
        for (Index r = 0; r < n; ++r) {
          const Index at = r * W;
          T* dh = block + at + state();
          for (Index i = 0; i < H; ++i) {
            dh[i] = next[at + state() + i] * x[at + gates() + H + i];
            if (plain) dh[i] += d_next[at + state() + i] * tx[at + gates() + H + i];
          }
        }
        through_states(k, n, next, p.theta[w_hh], block, p.scratch);
        if (plain && p.direction[w_hh]) through_states(k, n, d_next, p.direction[w_hh], block, p.scratch);
      }
      step(t, block);
    }
  }

  // dh += [da_r, da_z] W[:, r z] + dm W[:, n]
  void through_states(const Kernels<T>* k, Index n, const T* from, const T* w, T* to, T* scratch) const {
    k->gemm_nt(n, H, 2 * H, from + gates(), W, w, 3 * H, true, to + state(), W, scratch);
    k->gemm_nt(n, H, H, from + hidden(), W, w + 2 * H, 3 * H, true, to + state(), W, scratch);
  }

  // Gradients of a step: dW_ih += xᵀ da, dW_hh += hᵀ [da_r, da_z, dm], biases, and dx W_ihᵀ into the table's rows.
  // `values` and `w` are of one side, plain or tangent, and `adjoints` of the other. The biases see no values, so the
  // second of two calls leaves them alone.
  void products(const Pass<T>& p, Index t, Index steps, const T* values, const T* adjoints, const T* const* w,
                T* const* grad, bool second) const {
    const Index n = p.n;
    const auto* k = p.kernels;
    const T *x = values + t * n * W, *d = adjoints + t * n * W;
    const T* h = t > 0 ? x - n * W + state() : nullptr;
    if (grad[w_ih]) k->gemm_tn(I, 3 * H, n, x, W, d + gates(), W, true, grad[w_ih], 3 * H);
    if (grad[w_hh] && h) {
      k->gemm_tn(H, 2 * H, n, h, W, d + gates(), W, true, grad[w_hh], 3 * H);
      k->gemm_tn(H, H, n, h, W, d + hidden(), W, true, grad[w_hh] + 2 * H, 3 * H);
    }
    if (!second) {
      if (grad[b_ih]) k->column_sums(n, 3 * H, d + gates(), W, grad[b_ih]);
      if (grad[b_hh]) {
        k->column_sums(n, 2 * H, d + gates(), W, grad[b_hh]);
        k->column_sums(n, H, d + hidden(), W, grad[b_hh] + 2 * H);
      }
    }
    if (!grad[table] || !w[w_ih]) return;
    for (Index r = 0; r < n; ++r) {
      if (!active(p, r, t, steps)) continue;
      T* to = grad[table] + id(p, r, t, steps) * I;
      for (Index i = 0; i < I; ++i) to[i] += k->dot(3 * H, d + r * W + gates(), w[w_ih] + i * 3 * H);
    }
  }
};

}  // namespace innerloop
