// The Gram form of the first fast layer; native/task/gram.h derives the formulas. With A the support rows, X the query
// rows, Δ_k the adjoints of Z_k times −α, and R_k = Σ_{j<k} Δ_j, the weights are W_k = W_0 + Aᵀ R_k and never formed.
//
//   Z_k = A W_0 + b_0 + (A Aᵀ + 1) R_k          tZ_k = (A Xᵀ + 1) P + (A Aᵀ + 1) U;   U += tΔ_k
//   Z_Q = X W_0 + b_0 + (X Aᵀ + 1) R_K          ∂X   = P W_0ᵀ + (P R_Kᵀ) A
//   ∂A  = U W_0ᵀ + [Σ_k tΔ_k R_kᵀ + Δ_k Uᵀ] A + (R_K Pᵀ) X
//
// The products with W_0 are computed over the rows of all tasks at once, before and after the tasks; this file has the
// other products. P and U are written to one matrix of adjoints [rows, H], whose product with the rows is the gradient
// of W_0.
#pragma once
#include "task.h"

namespace innerloop::device {

template <class T>
struct Gram {
  using F = Factors<T>;

  IL_DEVICE explicit Gram(const Task<T>& task)
      : task(task),
        block(task.block),
        m(task.m),
        S(task.S),
        Q(task.Q),
        D(task.width(task.gram->in[0])),
        H(task.call.gram_width),
        in(task.program.slots[task.gram->in[0]]),
        A(in.x + task.first * D),
        X(A + S * D) {}

  // Computes A Aᵀ + 1 and X Aᵀ + 1, kStage columns of A and X at a time.
  IL_DEVICE void multiply_rows() const {
    if (m.gram) block.each(S * S, [&](Index i) { m.gram[i] = 1; });
    block.each(Q * S, [&](Index i) { m.cross[i] = 1; });
    for (Index from = 0; from < D; from += kStage) {
      const Index some = D - from < kStage ? D - from : kStage, ld = kStage + 1;
      T* staged = m.scratch;
      block.each((S + Q) * some,
                 [&](Index i) { staged[i / some * ld + i % some] = A[i / some * D + from + i % some]; });
      if (m.gram) add(S, S, F{staged, ld, 1, staged, 1, ld, some}, m.gram);
      add(Q, S, F{staged + S * ld, ld, 1, staged, 1, ld, some}, m.cross);
    }
  }

  IL_DEVICE void support_forward(int k, T* z) const {
    const T* z0 = task.call.gram_z + task.first * H;
    if (k == 0)
      block.each(S * H, [&](Index i) { z[i] = z0[i]; });
    else
      set(S, H, F{m.gram, S, 1, task.R(k), H, 1, S}, z0, z);
  }
  // Computes R_{k+1} = R_k + Δ_k.
  IL_DEVICE void step(int k, const T* dz) const {
    const T* before = k > 0 ? task.R(k) : nullptr;
    T* to = task.R(k + 1);
    block.each(S * H, [&](Index i) { to[i] = (before ? before[i] : T(0)) + dz[i]; });
  }
  IL_DEVICE void query_forward(T* z) const {
    const T* z0 = task.call.gram_z + (task.first + S) * H;
    if (!task.adapts)
      block.each(Q * H, [&](Index i) { z[i] = z0[i]; });
    else
      set(Q, H, F{m.cross, S, 1, task.R(task.call.steps), H, 1, S}, z0, z);
  }

  // Writes P to the matrix of adjoints, sets U to 0, and adds (P R_Kᵀ) A to ∂X.
  IL_DEVICE void query_backward(const T* P) const {
    T *out = task.call.gram_adjoint + task.first * H, *p_out = out + S * H;
    block.each(S * H, [&](Index i) {
      out[i] = 0;
      if (m.U) m.U[i] = 0;
    });
    block.each(Q * H, [&](Index i) { p_out[i] = P[i]; });
    if (!in.dx) return;
    T* dA = in.dx + task.first * D;
    block.each((S + Q) * D, [&](Index i) { dA[i] = 0; });
    if (m.mix) block.each(S * S, [&](Index i) { m.mix[i] = 0; });
    if (!task.adapts) return;
    set(Q, S, F{P, H, 1, task.R(task.call.steps), 1, H, H}, nullptr, m.paired);
    set(Q, D, F{m.paired, S, 1, A, D, 1, S}, nullptr, dA + S * D);
  }

  // Computes (A Xᵀ + 1) P, which is the same in every step.
  IL_DEVICE void begin_products(const T* P) const { set(S, H, F{m.cross, 1, S, P, H, 1, Q}, nullptr, m.cross_p); }
  IL_DEVICE void tangent_forward(int k, T* tz) const {
    if (k == task.call.steps - 1)  // U is still 0
      block.each(S * H, [&](Index i) { tz[i] = m.cross_p[i]; });
    else
      set(S, H, F{m.gram, S, 1, m.U, H, 1, S}, m.cross_p, tz);
  }
  IL_DEVICE void tangent_backward(int k, const T* dz, const T* tdz) const {
    if (m.mix) {
      if (k > 0) add(S, S, F{tdz, H, 1, task.R(k), 1, H, H}, m.mix);
      add(S, S, F{dz, H, 1, m.U, 1, H, H}, m.mix);
    }
    block.each(S * H, [&](Index i) { m.U[i] += tdz[i]; });
  }
  // Writes U to the matrix of adjoints, and computes the parts of ∂A without W_0.
  IL_DEVICE void finish(const T* P) const {
    T* out = task.call.gram_adjoint + task.first * H;
    block.each(S * H, [&](Index i) { out[i] = m.U[i]; });
    if (!in.dx) return;
    T* dA = in.dx + task.first * D;
    set(S, Q, F{task.R(task.call.steps), H, 1, P, 1, H, H}, nullptr, m.paired);
    const F f[2] = {{m.paired, Q, 1, X, D, 1, Q}, {m.mix, S, 1, A, D, 1, S}};
    product(block, S, D, f, 2, static_cast<const T*>(nullptr), static_cast<const T*>(nullptr), dA, D);
  }
  // Reptile's direction: θ_0 − θ_K = −Aᵀ R_K.
  IL_DEVICE void displace(T weight) const {
    T* out = task.call.gram_adjoint + task.first * H;
    const T* R = task.adapts ? task.R(task.call.steps) : nullptr;
    block.each((S + Q) * H, [&](Index i) { out[i] = R && i < S * H ? -weight * R[i] : T(0); });
  }

 private:
  IL_DEVICE void set(Index M, Index N, const F& f, const T* init, T* C) const {
    product(block, M, N, f, static_cast<const T*>(nullptr), init, C, N);
  }
  IL_DEVICE void add(Index M, Index N, const F& f, T* C) const { set(M, N, f, C, C); }

  const Task<T>& task;
  const Block& block;
  const TaskMemory<T>& m;
  const Index S, Q, D, H;
  const SlotInfo<T>& in;
  const T *A, *X;
};

}  // namespace innerloop::device
