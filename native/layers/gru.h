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
// has state 0. What a step leaves is a block [n, I + 5H] of the work slot: x | r z m n | h. In the work slot's adjoint
// the same places hold the adjoints of x | the arguments of r and z, m, the argument of n | h'. What needs no state is
// done for all steps in one product.
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
    layer->scratch = 6 * H * std::max(I, H) + H;
    return layer;
  }

  void forward(const Pass<T>& p) const override {
    const Index n = p.n, steps = length(p);
    T* const work = p.x[this->work_slot];
    gather(p, steps, p.theta[table], work);
    const Side<T> side{.x = work, .w = p.theta[w_ih]};
    from_inputs(p, n * steps, &side, 1, p.theta[b_ih], p.theta[b_hh], work);
    const T* const zeros = no_state(p);
    for (Index t = 0; t < steps; ++t) {
      T* block = work + t * n * W;
      const T* before = t > 0 ? block - n * W + state() : nullptr;
      const Side<T> states{.x = before, .w = p.theta[w_hh]};
      if (before) from_states(p, &states, 1, block);
      each_row(p, t, steps, block, [&](Index r, T* row) {
        p.kernels->activation_forward(Activation::sigmoid, 2 * H, row, row);
        p.kernels->gru_candidate(H, row);
        p.kernels->activation_forward(Activation::tanh, H, row + 3 * H, row + 3 * H);
        p.kernels->gru_state(H, before ? before + r * W : zeros, row);
      });
    }
    last(n, steps, work, p.x[this->out]);
  }

  void backward(const Pass<T>& p) const override {
    const Index n = p.n, steps = length(p);
    const T* const work = p.x[this->work_slot];
    T* const adjoint = p.dx[this->work_slot];
    const T* const zeros = no_state(p);
    const Back<T> back{.d = adjoint, .w = transposed(p, p.theta[w_hh], H, p.scratch)};
    each_step_back(p, steps, adjoint, p.dx[this->out], &back, 1, [&](Index t, T* block) {
      each_row(p, t, steps, block, [&](Index r, T* row) {
        const T* x = work + (t * n + r) * W;
        p.kernels->gru_adjoint(H, x + I, t > 0 ? x - n * W + state() : zeros, row);
      });
    });
    const Values<T> values{.x = work, .d = adjoint, .w = p.theta[w_ih]};
    gradients(p, steps, &values, 1, adjoint, p.grad);
  }

  void tangent_forward(const Pass<T>& p) const override {
    const Index n = p.n, steps = length(p);
    const T* const work = p.x[this->work_slot];
    T* const tangent = p.tx[this->work_slot];
    const T *vi = p.direction[w_ih], *vh = p.direction[w_hh];
    Side<T> sides[2];
    int count = 0;
    if (p.direction[table]) {
      gather(p, steps, p.direction[table], tangent);
      sides[count++] = {.x = tangent, .w = p.theta[w_ih]};
    }
    if (vi) sides[count++] = {.x = work, .w = vi};
    from_inputs(p, n * steps, sides, count, p.direction[b_ih], p.direction[b_hh], tangent);
    const T* const zeros = no_state(p);
    for (Index t = 0; t < steps; ++t) {
      const T* x = work + t * n * W;
      T* tx = tangent + t * n * W;
      const T *h = t > 0 ? x - n * W + state() : nullptr, *th = t > 0 ? tx - n * W + state() : nullptr;
      if (h) {
        const Side<T> states[2] = {{.x = th, .w = p.theta[w_hh]}, {.x = h, .w = vh}};
        from_states(p, states, vh ? 2 : 1, tx);
      }
      each_row(p, t, steps, tx, [&](Index r, T* row) {
        p.kernels->gru_tangent(H, x + r * W + I, h ? h + r * W : zeros, th ? th + r * W : zeros, row);
      });
    }
    last(n, steps, tangent, p.tx[this->out]);
  }

  void tangent_backward(const Pass<T>& p) const override {
    const Index n = p.n, steps = length(p);
    const T *const work = p.x[this->work_slot], *const adjoint = p.dx[this->work_slot],
                   *const tangent = p.tx[this->work_slot];
    T* const td = p.tdx[this->work_slot];
    const T *vi = p.direction[w_ih], *vh = p.direction[w_hh];
    const T* const zeros = no_state(p);
    const Back<T> backs[2] = {{.d = td, .w = transposed(p, p.theta[w_hh], H, p.scratch)},
                              {.d = adjoint, .w = vh ? transposed(p, vh, H, p.scratch + 3 * H * H) : nullptr}};
    each_step_back(
        p, steps, td, p.tdx[this->out], backs, vh ? 2 : 1,
        [&](Index t, T* block) {
          each_row(p, t, steps, block, [&](Index r, T* row) {
            const Index at = (t * n + r) * W + I, before = at - I - n * W + state();
            p.kernels->gru_tangent_adjoint(H, work + at, t > 0 ? work + before : zeros, tangent + at,
                                           t > 0 ? tangent + before : zeros, adjoint + at, row);
          });
        },
        adjoint);
    const Values<T> values[2] = {{.x = work, .d = td, .w = p.theta[w_ih]},
                                 {.x = tangent, .d = adjoint, .w = vi, .no_inputs = p.direction[table] == nullptr}};
    gradients(p, steps, values, 2, td, p.hv);
  }

  std::size_t input = 0;
  Index longest = 0, I = 0, H = 0, W = 0;
  int table = -1, w_ih = -1, w_hh = -1, b_ih = -1, b_hh = -1;

 private:
  // A factor of a product: values and weights, adjoints and transposed weights.
  template <class S>
  struct Side {
    const S *x, *w;
  };
  template <class S>
  struct Back {
    const S *d, *w;
  };
  // The sides of a gradient: values, or their tangents, with adjoints of the other kind, and the weights that the
  // latter are passed on through, null for zero. Where no_inputs, the values of the inputs are zero and not there.
  template <class S>
  struct Values {
    const S *x, *d, *w;
    bool no_inputs = false;
  };

  // Places within a row of a block: I r z m n, and the state.
  Index state() const { return I + 4 * H; }
  Index candidate() const { return I + 3 * H; }

  Index length_of(const RowIds& ids, Index r) const {
    return std::min<Index>(longest, static_cast<Index>(ids(r).size()));
  }
  Index length(const Pass<T>& p) const {
    const RowIds ids = p.rows.ids(input);
    Index steps = 0;
    for (Index r = 0; r < p.n; ++r) steps = std::max(steps, length_of(ids, r));
    return steps;
  }
  // What stands for the state before the first one.
  const T* no_state(const Pass<T>& p) const {
    T* const zeros = p.scratch + 6 * H * std::max(I, H);
    std::fill_n(zeros, H, T(0));
    return zeros;
  }

  // Calls f(row, its values from r on) for the rows that have begun at step t, and clears the others of the block.
  template <class F>
  void each_row(const Pass<T>& p, Index t, Index steps, T* block, const F& f) const {
    const RowIds ids = p.rows.ids(input);
    for (Index r = 0; r < p.n; ++r) {
      if (t >= steps - length_of(ids, r))
        f(r, block + r * W + I);
      else
        std::fill_n(block + r * W, W, T(0));
    }
  }

  // Calls f(row, its ids, how many, where the first of them stands in a slot's blocks) for every row: the next one
  // stands n · W further.
  template <class F>
  void each_sequence(const Pass<T>& p, Index steps, const F& f) const {
    const RowIds ids_of = p.rows.ids(input);
    for (Index r = 0; r < p.n; ++r) {
      const auto ids = ids_of(r);
      const Index count = length_of(ids_of, r);
      f(r, ids.data() + (static_cast<Index>(ids.size()) - count), count, ((steps - count) * p.n + r) * W);
    }
  }

  void gather(const Pass<T>& p, Index steps, const T* rows, T* blocks) const {
    each_sequence(p, steps, [&](Index r, const std::int32_t* ids, Index count, Index at) {
      for (Index t = 0; t < steps - count; ++t) std::fill_n(blocks + (t * p.n + r) * W, I, T(0));
      p.kernels->gather_rows(count, I, rows, ids, blocks + at, p.n * W);
    });
  }

  void last(Index n, Index steps, const T* work, T* out) const {
    for (Index r = 0; r < n; ++r) {
      if (steps > 0)
        std::copy_n(work + ((steps - 1) * n + r) * W + state(), H, out + r * H);
      else
        std::fill_n(out + r * H, H, T(0));
    }
  }

  // What the inputs of all steps, `rows` of them, give the arguments of r, z and n, with the biases, which may be null;
  // m begins as its bias.
  void from_inputs(const Pass<T>& p, Index rows, const Side<T>* sides, int count, const T* bi, const T* bh,
                   T* to) const {
    T* const both = p.scratch;  // of r and z
    std::fill_n(both, 2 * H, T(0));
    if (bi) p.kernels->axpy(2 * H, T(1), bi, both);
    if (bh) p.kernels->axpy(2 * H, T(1), bh, both);
    Factors<T> f[2], g[2];
    for (int i = 0; i < count; ++i) {
      f[i] = {.A = sides[i].x, .row_stride = W, .k_stride = 1, .B = sides[i].w, .ldb = 3 * H, .K = I};
      g[i] = f[i], g[i].B += 2 * H;
    }
    p.kernels->gemm(rows, 2 * H, f, count, both, nullptr, to + I, W);
    p.kernels->gemm(rows, H, g, count, bi ? bi + 2 * H : nullptr, nullptr, to + candidate(), W);
    p.kernels->gemm(rows, H, g, 0, bh ? bh + 2 * H : nullptr, nullptr, to + I + 2 * H, W);
  }
  // Adds what the states before a step give to the arguments of r and z and to m.
  void from_states(const Pass<T>& p, const Side<T>* sides, int count, T* block) const {
    Factors<T> f[2];
    for (int i = 0; i < count; ++i)
      f[i] = {.A = sides[i].x, .row_stride = W, .k_stride = 1, .B = sides[i].w, .ldb = 3 * H, .K = H};
    p.kernels->gemm(p.n, 3 * H, f, count, nullptr, block + I, block + I, W);
  }

  // Wᵀ [3H, rows] of W [rows, 3H].
  const T* transposed(const Pass<T>& p, const T* w, Index rows, T* to) const {
    p.kernels->transpose(rows, 3 * H, w, 3 * H, to, rows);
    return to;
  }

  // Calls step(t, block) from the last step to the first, with the adjoint of h' in its place: what the next step sent
  // through `backs`, and at the end the slot's adjoint. With `plain` (the adjoints themselves) d holds their
  // directional derivatives, and so does what a step sends on.
  template <class F>
  void each_step_back(const Pass<T>& p, Index steps, T* d, const T* dout, const Back<T>* backs, int count,
                      const F& step, const T* plain = nullptr) const {
    const Index n = p.n, size = n * W;
    for (Index t = steps - 1; t >= 0; --t) {
      T* block = d + t * size;
      if (t == steps - 1) {
        for (Index r = 0; r < n; ++r) std::copy_n(dout + r * H, H, block + r * W + state());
      } else {
        // dh = dh' ∘ z + [da_r, da_z, dm] W_hhᵀ
        const Index next = (t + 1) * size;
        const T* x = p.x[this->work_slot] + next;
        const T* tx = plain ? p.tx[this->work_slot] + next : nullptr;
        for (Index r = 0; r < n; ++r) {
          const Index at = r * W + I;
          p.kernels->gru_carry(H, x + at, d + next + at, tx ? tx + at : nullptr, plain ? plain + next + at : nullptr,
                               block + r * W + state());
        }
        Factors<T> f[2];
        for (int i = 0; i < count; ++i)
          f[i] = {.A = backs[i].d + next + I, .row_stride = W, .k_stride = 1, .B = backs[i].w, .ldb = H, .K = 3 * H};
        p.kernels->gemm(n, H, f, count, nullptr, block + state(), block + state(), W);
      }
      step(t, block);
    }
  }

  // Gradients over all steps: dW_ih += xᵀ [da_r, da_z, da_n], dW_hh += hᵀ [da_r, da_z, dm], the biases, which see no
  // values and so only the first adjoints, and dx = da W_ihᵀ, which goes into its place in `blocks` and from there into
  // the table's rows.
  void gradients(const Pass<T>& p, Index steps, const Values<T>* values, int count, T* blocks, T* const* grad) const {
    const Index n = p.n, rows = steps * n, size = n * W;
    if (rows == 0) return;
    const auto* k = p.kernels;
    const auto add = [&](Index from_x, Index width, Index from_d, Index columns, bool shifted, T* to) {
      Factors<T> f[2];
      int used = 0;
      for (int i = 0; i < count; ++i)
        if (shifted || !values[i].no_inputs)
          f[used++] = {.A = values[i].x + from_x,
                       .row_stride = 1,
                       .k_stride = W,
                       .B = values[i].d + (shifted ? size : 0) + from_d,
                       .ldb = W,
                       .K = shifted ? rows - n : rows};
      k->gemm(width, columns, f, used, nullptr, to, to, 3 * H);
    };
    if (grad[w_ih]) {
      add(0, I, I, 2 * H, false, grad[w_ih]);
      add(0, I, candidate(), H, false, grad[w_ih] + 2 * H);
    }
    if (grad[w_hh]) add(state(), H, I, 3 * H, true, grad[w_hh]);
    const T* d = values[0].d;
    if (grad[b_ih]) {
      k->column_sums(rows, 2 * H, d + I, W, grad[b_ih]);
      k->column_sums(rows, H, d + candidate(), W, grad[b_ih] + 2 * H);
    }
    if (grad[b_hh]) k->column_sums(rows, 3 * H, d + I, W, grad[b_hh]);
    if (!grad[table]) return;
    Factors<T> f[4];
    int used = 0;
    for (int i = 0; i < count; ++i) {
      if (!values[i].w) continue;
      const T* w = transposed(p, values[i].w, I, p.scratch + i * 3 * H * I);
      f[used++] = {.A = values[i].d + I, .row_stride = W, .k_stride = 1, .B = w, .ldb = I, .K = 2 * H};
      f[used++] = {
          .A = values[i].d + candidate(), .row_stride = W, .k_stride = 1, .B = w + 2 * H * I, .ldb = I, .K = H};
    }
    k->gemm(rows, I, f, used, nullptr, nullptr, blocks, W);
    each_sequence(p, steps, [&](Index, const std::int32_t* ids, Index length, Index at) {
      k->scatter_rows(length, I, blocks + at, size, ids, grad[table]);
    });
  }
};

}  // namespace innerloop
