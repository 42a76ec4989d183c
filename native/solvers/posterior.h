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
// With fewer rows than weights the system is solved in its dual form, S × S (Woodbury), for G = diag(√s) A L⁻ᵀ:
//
//   M⁻¹ = L⁻ᵀ (I − Gᵀ (I + G Gᵀ)⁻¹ G) L⁻¹
//
// All of it is computed in double, whatever the scalar of the model, because the systems are small.
#pragma once
#include <algorithm>

#include "../task/reverse.h"
#include "solver.h"

namespace innerloop {

// What a closed-form solver leaves in the arena of its task.
struct PosteriorState : SolverState {
  double* cholesky = nullptr;    // as PosteriorFactor::cholesky
  double* G = nullptr;           // dual: [S, d]
  double* whitened = nullptr;    // dual, where Λ is full: A L⁻ᵀ [S, d]
  double* scratch = nullptr;     // of row_products
  double* work = nullptr;        // of cholesky
  double* scaled = nullptr;      // primal, where rows have weights: diag(s) A [S, d]
  const double* mode = nullptr;  // the adapted last layer [d]
};

// The factor L of the prior precision Λ = L Lᵀ.
struct PriorFactor {
  double* root;         // its diagonal [d]
  double* L = nullptr;  // [d, d], where Λ is full
  // Sets x to L⁻¹ x, and to L⁻ᵀ x.
  void solve(const Kernels<double>& kernels, Index d, double* x) const;
  void solve_transposed(const Kernels<double>& kernels, Index d, double* x) const;
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
  // Makes w the adapted last layer.
  void write(const double* w);
  // Replaces v of `reverse`, the gradient with respect to w, by that with respect to w̄, and adds the gradients of the
  // prior and of everything below.
  void back(Reverse<T>& reverse, const double* e, const double* s) const;

  double* take(Index n) const { return task.arena.template take<double>(n); }
  // Memory that one factorisation after the other takes for the same.
  double* take_once(double*& place, Index n) const { return place ? place : place = take(n); }
  bool is_dual() const { return S < d; }
  void factorise_primal(const double* s);
  void factorise_dual(const double* s);
  // Called once for each row of A that is read or written, of which there may be very many.
  void passed_row() const {
    if (--rows_to_poll > 0) return;
    rows_to_poll = rows_per_poll;
    task.poll();
  }

  // Calls f(first, rows) for all rows of A, as many at once as may pass between two polls.
  template <class F>
  void each_rows(const F& f) const {
    for (Index s = 0; s < S; s += rows_per_poll) {
      if (s > 0) task.poll();
      f(s, std::min(rows_per_poll, S - s));
    }
  }

  Task<T>& task;
  PosteriorState& state;
  Labels<T> labels;
  const Kernels<double>& kernels;
  Index n, d, S;  // features, features + 1, support rows
  const Index rows_per_poll;
  mutable Index rows_to_poll;
  double* A;     // [S, d]
  double* mean;  // w̄ [d]
  PriorFactor prior;
};

// Gives the factor that an earlier Posterior left in a task, if one did.
template <class T>
PosteriorFactor posterior_factor(const Task<T>& task);

// Gives the factor of an adapted task, which is empty where it was not kept.
template <class T>
PosteriorFactor posterior_of(const Adapted<T>& adapted) {
  if (!adapted.dual) return {.cholesky = adapted.factor.empty() ? nullptr : adapted.factor.data()};
  return {.cholesky = adapted.factor.data(), .G = adapted.dual->G.data(), .rows = adapted.dual->rows, .dual = true};
}

// Gives, in the arena, the L of the prior precision that these tensors of a model's parameters describe.
template <class T>
PriorFactor prior_factor(Arena& arena, const T* log_precisions, const T* factor, Index d);

// Gives aᵀ M⁻¹ a of rows of features [rows, features], with 1 appended to each. The dual form reads the prior's
// tensors.
template <class T>
void posterior_variance(const Task<T>& task, const Prior& prior, const PosteriorFactor& factor, Index rows, const T* a,
                        T* variance);

}  // namespace innerloop
