// The Gram form of the inner loop for the first fast linear layer, whose support inputs A [S, D] do not change from
// step to step. With Δ_k = ∂(−α L_S)/∂Z_k (InnerLoop::is_folded) and R_k = Σ_{j<k} Δ_j, the adapted weights
// W_k = W_0 + Aᵀ R_k are never formed:
//
//   support   Z_k = A W_0 + b_0 + (A Aᵀ + 1) R_k                 (1: the bias, a matrix of ones)
//   query     Z_Q = X W_0 + b_0 + (X Aᵀ + 1) R_K
//   backward  ∂X = P W_0ᵀ + (P R_Kᵀ) A                            P = ∂L_Q/∂Z_Q
//
// so a step costs S² H instead of S D H. These are the same sums in another order, equal to the direct form to
// rounding. In reverse the adjoint of W stays in the span of the rows, v = Xᵀ P + Aᵀ U, with U = 0 at the end of the
// loop:
//
//   tangent   tZ_k = (A Xᵀ + 1) P + (A Aᵀ + 1) U;   U += tΔ_k
//   ∂A        = U W_0ᵀ + [Σ_k tΔ_k R_kᵀ + Δ_k Uᵀ] A + (R_K Pᵀ) X
//
// Columns a_s that are the same in all rows (Segments) are a part of the bias: b_0 + a_s W_s takes the place of b_0 and
// 1 + ‖a_s‖² that of 1, and their gradient is a_s times a sum over rows.
#pragma once
#include <vector>

#include "task.h"

namespace innerloop {

template <class T>
struct Gram {
  // Multiplies the support rows, on which the prefix must have run, by the shared weights.
  explicit Gram(Task<T>& task);

  void support_forward(int k, T* z);
  // Makes R_{k+1} from Δ_k.
  void step(int k, const T* dz);
  void query_forward(int k, const T* X, T* z);
  // Adds a (W_K − W_0) to w, and to b alike.
  void displace(T a, T* w, T* b);

  // Makes P part of the adjoint, and sets dX [query, D] where it is not null.
  void query_backward(int k, const T* X, const T* P, T* dX);
  // Sets tZ of a step; tangent_backward takes tΔ, which comes back for it, and Δ.
  void tangent_forward(T* tz);
  void tangent_backward(int k, const T* dz, const T* tdz, bool adjoint);
  // Sets ∂A [support, D] of the whole loop.
  void support_adjoint(T* dA);
  // Gives the gradient of the weights, dW = Xᵀ P + Aᵀ U, as products over all D columns, of which only the varying
  // ones are wanted: they read the rows where these lie, and copies of P and U in `keep`. What belongs to columns that
  // are the same in all rows is added to dW here, and db += 1ᵀ P + 1ᵀ U. True where the products outlast the task,
  // because the rows lie in the batch itself.
  bool finish(Arena& keep, std::vector<Factors<T>>& products, T* dW, T* db);

 private:
  const T* support_products();
  // C [n, S] = B Aᵀ + 1.
  void products_with_support(Index n, const T* B, T* C);
  // to [n, H] = b + rows W_0, plus the product `more` where it is not null.
  void rows_by_weights(Index n, const T* rows, const Factors<T>* more, T* to);
  // dX [n, D] = P W_0ᵀ + Σ M_i rows_i, where rows_i is A or X.
  void back_to_rows(Index n, const T* P, const Factors<T>* more, int count, T* dX);

  Task<T>& task;
  const AffineMap& layer;
  const Kernels<T>& kernels;
  Index S, Q, D, H;
  const Segments& segments;
  const T *A, *W, *W_transposed, *b;  // b is the bias, with what shared columns add to it
  T one = 1;                          // 1 + ‖a_s‖²
  T *z0, *gram = nullptr;             // [S, H], [S, S]
  T** R;                              // by step: [S, H]
  const T *X = nullptr, *P = nullptr;
  int last = 0;
  bool second_order = false;       // whether U has become anything but 0
  T* cross = nullptr;              // X Aᵀ + 1: [Q, S]
  T* cross_p = nullptr;            // (A Xᵀ + 1) P: [S, H]
  T *U = nullptr, *mix = nullptr;  // [S, H], [S, S]
  T* scratch;                      // holds transposes
};

}  // namespace innerloop
