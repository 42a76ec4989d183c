// The arithmetic of the core: one table of functions per instruction set, chosen once at run time.
//
// Every kernel is one thread's work on one task; none allocates, none depends on how many threads run. The sets agree
// to rounding, not to the bit; within one set the order of every sum is fixed, so results repeat exactly.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "../runtime/enumerators.h"
#include "../runtime/index.h"

namespace innerloop {

INNERLOOP_ENUM(Activation, relu, tanh, sigmoid, softplus)

// A product A[M,K] B[K,N], with element (i, k) of A at A[i*row_stride + k*k_stride]: {A, lda, 1} is A, {A, 1, lda} its
// transpose.
template <class T>
struct Factors {
  const T* A;
  Index row_stride, k_stride;
  const T* B;
  Index ldb;
  Index K;
};

// Matrices are row-major with a leading dimension in elements.
template <class T>
struct Kernels {
  const char* name;

  // C[M,N] = A[M,K] B[K,N] + bias[N] (bias may be null); with accumulate, C += A B and bias is ignored.
  void (*gemm_nn)(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, const T* bias,
                  bool accumulate, T* C, Index ldc);
  // C[M,N] (+)= A[K,M]^T B[K,N].
  void (*gemm_tn)(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C,
                  Index ldc);
  // C[M,N] (+)= A[M,K] B[N,K]^T; scratch holds N*K elements.
  void (*gemm_nt)(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C,
                  Index ldc, T* scratch);
  // C[M,N] = init[M,N] + A B of each of `count` factors, in one pass over C. init has C's layout and may be C; without
  // it the rows start from bias[N], or from 0.
  void (*gemm)(Index M, Index N, const Factors<T>* factors, int count, const T* bias, const T* init, T* C, Index ldc);
  // B[N,M] = A[M,N]^T.
  void (*transpose)(Index M, Index N, const T* A, Index lda, T* B, Index ldb);

  // y[N] += sum of the rows of A[M,N].
  void (*column_sums)(Index M, Index N, const T* A, Index lda, T* y);
  // y[n] += a x[n].
  void (*axpy)(Index n, T a, const T* x, T* y);
  // y[n] = a x[n].
  void (*scale)(Index n, T a, const T* x, T* y);
  // z[n] = x[n] + a y[n].
  void (*add_scaled)(Index n, const T* x, T a, const T* y, T* z);
  // z[n] = x[n] - a[n] y[n]   and   z[n] = -a[n] x[n]: the inner step with a rate per parameter, and its tangent.
  void (*sub_product)(Index n, const T* x, const T* a, const T* y, T* z);
  void (*negative_product)(Index n, const T* a, const T* x, T* z);
  // z[n] -= x[n] y[n].
  void (*sub_product_into)(Index n, const T* x, const T* y, T* z);
  T (*dot)(Index n, const T* x, const T* y);

  // Rows of a table [·, n] by their numbers: to[r] = table[at[r]], the rows of `to` ld apart; and back, one after the
  // other, table[at[r]] += from[r].
  void (*gather_rows)(Index rows, Index n, const T* table, const std::int32_t* at, T* to, Index ld);
  void (*scatter_rows)(Index rows, Index n, const T* from, Index ld, const std::int32_t* at, T* table);
  // Row by row of [rows, n]: z[r] (+)= <a_r, b_r>   and   y_r (+)= s[r] x_r.
  void (*row_dots)(Index rows, Index n, const T* a, const T* b, bool accumulate, T* z);
  void (*scale_rows)(Index rows, Index n, const T* s, const T* x, bool accumulate, T* y);

  // The pairs of a factorization's features, `count` of them with values a and vectors [n]: s (+)= sum of a_j v_j over
  // those whose v_j is not null; returns the sum of a_j^2 <v_j, u_j>. With values x it is spread to the features by
  // y_j += a x_j (s - x_j v_j) + b x_j (t - x_j w_j) where y_j is not null; t may be null, and each w_j: zero.
  T (*weighted_sum)(Index n, Index count, const T* const* v, const T* const* u, const T* a, bool accumulate, T* s);
  void (*spread_pairs)(Index n, Index count, const T* x, T a, const T* s, const T* const* v, T b, const T* t,
                       const T* const* w, T* const* y);
  // The same for rows whose features are one row of each of `count` tables, all of value 1: feature j of row r is row
  // at[j][r] of table j. Sets s_r to the sum of the v_j that are not null, and z[r] = <with_r, s_r> less the sum of
  // their <v_j, u_j>, where `with` may be s; and adds a[r] (s_r - v_j) + b[r] (t_r - w_j) to every y_j that is not
  // null.
  void (*row_pairs)(Index rows, Index n, Index count, const std::int32_t* const* at, const T* const* v,
                    const T* const* u, const T* with, T* s, T* z);
  void (*spread_row_pairs)(Index rows, Index n, Index count, const std::int32_t* const* at, const T* a, const T* s,
                           const T* const* v, const T* b, const T* t, const T* const* w, T* const* y);

  // Factorises a symmetric positive definite M = L L^T of few rows, ld apart: L takes the place of the lower triangle,
  // the upper one is neither read nor written. False if M is not positive definite, or not finite. scratch is of
  // d * (d + 15) elements.
  bool (*cholesky_block)(Index d, T* m, Index ld, T* scratch);

  // See recurrent.inl.
  void (*gru_candidate)(Index H, T* g);
  void (*gru_state)(Index H, const T* before, T* g);
  void (*gru_adjoint)(Index H, const T* g, const T* before, T* d);
  void (*gru_tangent)(Index H, const T* g, const T* before, const T* t_before, T* t);
  void (*gru_tangent_adjoint)(Index H, const T* g, const T* before, const T* t, const T* t_before, const T* d, T* td);
  void (*gru_carry)(Index H, const T* g, const T* next, const T* t, const T* plain, T* dh);

  // The four functions of an activation a = f(z):
  //   a = f(z);  dz = da f'(z);  ta = tz f'(z);  tdz = tda f'(z) + da f''(z) tz   (tz may be null: zero).
  void (*activation_forward)(Activation f, Index n, const T* z, T* a);
  void (*activation_backward)(Activation f, Index n, const T* z, const T* a, const T* da, T* dz);
  void (*activation_tangent_forward)(Activation f, Index n, const T* z, const T* a, const T* tz, T* ta);
  void (*activation_tangent_backward)(Activation f, Index n, const T* z, const T* a, const T* tz, const T* da,
                                      const T* tda, T* tdz);

  // Adam (Kingma & Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov & Hutter 2019) on n parameters:
  //   m = b1 m + (1-b1) g;  q = b2 q + (1-b2) g^2;  p -= step m / (sqrt(q) correction + epsilon) + decay p
  // where step = rate / (1 - b1^t), correction = 1 / sqrt(1 - b2^t), decay = rate * weight_decay, g scaled by
  // `gradient_scale`.
  void (*adam)(Index n, T* p, T* m, T* q, const T* g, T gradient_scale, T b1, T b2, T step, T correction, T epsilon,
               T decay);

  // n rounds of independent fused multiply-adds in registers, for measuring the machine's peak; returns the operations
  // done (a multiply-add is two).
  double (*multiply_adds)(Index n);
};

// Gives the plain form, which every machine runs and against which the others are tested.
template <class T>
const Kernels<T>& reference_kernels();

// Instruction sets this machine can run, best first; `reference` is always the last.
const std::vector<std::string>& available_isas();
// The chosen set: INNERLOOP_ISA if set, else the best. Throws std::invalid_argument when the variable names another.
const std::string& active_isa();
template <class T>
const Kernels<T>& kernels();
// Gives the kernels of one of the available sets.
template <class T>
const Kernels<T>& kernels_of(const std::string& isa);

}  // namespace innerloop
