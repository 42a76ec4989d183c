// The last layer as a vector of weights with a Gaussian prior: what the closed-form solvers share. With A [S, d] the
// support features and a column of ones, w̄ the shared last layer (the bias last) and δ = w − w̄:
//
//   prior      w ~ N(w̄, Λ⁻¹),  Λ = L Lᵀ,  L = diag(exp ℓ/2) + the strictly lower triangle of F
//   posterior  M = Aᵀ diag(s) A + Λ, the curvature of the log posterior at its mode, where  Aᵀ e = Λ δ
//
// F is 0 where the prior is diagonal. s and e are those of the likelihood: 1 and y − A w for unit noise, p (1−p) and
// y − p for the logistic, both times the row's weight where rows have any. By the implicit function theorem, for
// g = ∂L_Q/∂w and z = M⁻¹ g:
//
//   ∂w̄ = Λ z,   ∂Λ = −z δᵀ (so ∂L = −z (Lᵀδ)ᵀ − δ (Lᵀz)ᵀ),   ∂A = e zᵀ − (s ∘ A z) wᵀ
//
// With fewer rows than weights and a diagonal Λ the system is solved in its dual form, S × S (Woodbury), for
// G = diag(√s) A Λ^−½:
//
//   M⁻¹ = Λ^−½ (I − Gᵀ (I + G Gᵀ)⁻¹ G) Λ^−½
//
// All of it is in double, whatever the scalar: the systems are small.
#pragma once
#include "../task/reverse.h"
#include "solver.h"

namespace innerloop {

// What a closed-form solver leaves in the arena of its task.
struct PosteriorState : SolverState {
  double* factor = nullptr;                             // Cholesky factor of M [d, d], where it was formed
  double *dual_factor = nullptr, *dual_rows = nullptr;  // of I + G Gᵀ [S, S], and G [S, d], in the dual form
  const double* mode = nullptr;                         // the adapted last layer [d]
};

template <class T>
struct Posterior {
  // The state is the one that an earlier Posterior of this task left, or a new one.
  explicit Posterior(Task<T>& task);

  double label(Index row) const { return static_cast<double>(labels.values[row]); }
  double weight(Index row) const { return static_cast<double>(labels.weight(row)); }
  void outputs(const double* w, double* o) const;         // o = A w
  void add_transposed(const double* e, double* x) const;  // x += Aᵀ e
  void precision(const double* x, double* y) const;       // y = Λ x
  double prior_energy(const double* w) const;             // δᵀ Λ δ / 2
  // Prepares `solve` for s [S], null for ones.
  void factorise(const double* s);
  // Sets x to M⁻¹ x.
  void solve(double* x) const;
  // Forms state.factor where the dual form did without.
  void keep_factor(const double* s);
  // Makes w the adapted last layer.
  void write(const double* w);
  // Turns v of `reverse` from the gradient with respect to w into that with respect to w̄, and adds those of the prior
  // and of everything below.
  void back(Reverse<T>& reverse, const double* e, const double* s) const;

  double* take(Index n) const { return task.arena.template take<double>(n); }
  bool is_dual() const { return !L && S < d; }
  void factorise_primal(const double* s);

  Task<T>& task;
  PosteriorState& state;
  Labels<T> labels;
  const Kernels<double>& kernels;
  Index n, d, S;        // features, features + 1, support rows
  double* A;            // [S, d]
  double* mean;         // w̄ [d]
  double* root;         // diagonal of L [d]
  double* L = nullptr;  // [d, d], where Λ is full
};

// The factor that an earlier Posterior left in a task, or null.
template <class T>
const double* posterior_factor(const Task<T>& task);

// aᵀ M⁻¹ a of rows of features [rows, features] with 1 appended, from the Cholesky factor of M [features + 1, features
// + 1].
template <class T>
void posterior_variance(const double* factor, Index features, Index rows, const T* a, T* variance);

}  // namespace innerloop
