// What an inner loop is to do: θ_{k+1} = θ_k − α ∘ ∇_θ L_S(θ_k, φ),  k = 0 … K−1, or what a solver does instead.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "../runtime/aligned.h"
#include "../runtime/enumerators.h"

namespace innerloop {

template <class T>
struct Graph;

INNERLOOP_ENUM(RateKind, scalar, per_tensor_step, per_parameter)
INNERLOOP_ENUM(SolverKind, gradient, ridge, laplace, implicit, lstm)
// How the first fast linear layer runs (task/gram.h): in the form that takes fewer operations, or in a given one where
// both are possible.
INNERLOOP_ENUM(Form, cheaper, direct, gram)
INNERLOOP_ENUM(UpdateKind, sgd, momentum, adam)
// Tensors of the lstm solver; the gates of its own cell are i, f, g, o (solvers/lstm.cc).
INNERLOOP_ENUM(LstmTensor, weight_ih, weight_hh, bias, forget_weight, forget_bias, input_weight, input_bias)

// The rule that an inner step follows (solvers/update.h).
template <class T>
struct UpdateRule {
  UpdateKind kind = UpdateKind::sgd;
  T beta1 = 0, beta2 = 0, epsilon = 0;  // momentum takes beta1 as its factor
  T clip_norm = 0;                      // largest norm of g_k over all that a task adapts; 0: no limit
};

// The Gaussian prior of a last layer in closed form (solvers/posterior.h), by tensor.
struct Prior {
  int log_precisions = -1;
  int factor = -1;  // the triangular factor of the precision, where the precision is full
};

// How the implicit solver inverts its matrix (solvers/implicit.cc).
template <class T>
struct ConjugateGradients {
  int steps = 0;
  T tolerance = 0;
  T damping = 0;  // δ ≥ 0 of (I + H/λ + δ I)
};

template <class T>
struct InnerLoop {
  int steps = 0;
  int order = 2;
  SolverKind solver = SolverKind::gradient;
  T shrinkage = 0;  // L_S is a sum over n + shrinkage: a task with few rows moves less, as a posterior mean does
  std::vector<std::uint8_t> fast;  // by tensor: adapted or not
  RateKind rate_kind = RateKind::scalar;
  T rate = 0;
  std::vector<std::vector<T>> step_rates;             // per_tensor_step: [tensor][steps]
  std::shared_ptr<const Aligned<T>> parameter_rates;  // per_parameter: in the layout of the parameter arena
  Form form = Form::cheaper;
  std::uint64_t dropout = 0;  // key of the masks; 0 = none
  UpdateRule<T> update;
  T proximal = 0;                                  // λ of λ/2 ‖θ − θ_0‖² beside L_S
  std::vector<T> loss_weights;                     // of L_Q(θ_1) … L_Q(θ_K) in the meta-loss; empty: the last alone
  ConjugateGradients<T> conjugate_gradients;       // implicit
  Prior prior;                                     // ridge, laplace
  std::vector<int> lstm;                           // lstm: by LstmTensor
  std::shared_ptr<const Graph<T>> graph;           // instead of the inner loop, or to make its starts
  std::shared_ptr<const Graph<T>> training_graph;  // what is differentiated in its place, if it is another

  // Whether a step is nothing but θ − α g with one α. The steps are then those of the loss −α L_S,
  // θ_{k+1} = θ_k + ∇(−α L_S), and neither they nor their derivative ever multiply by α: the gradient adds up in the
  // copy of θ_k that becomes θ_{k+1}.
  bool is_folded() const {
    return solver == SolverKind::gradient && update.kind == UpdateKind::sgd && update.clip_norm == 0 && proximal == 0 &&
           rate_kind == RateKind::scalar;
  }
  // Whether that holds and the last query loss alone is differentiated.
  bool is_plain() const { return is_folded() && loss_weights.empty(); }
  // Whether the last layer is solved for in closed form, or by Newton's method, in place of steps.
  bool solves_last_layer() const { return solver == SolverKind::ridge || solver == SolverKind::laplace; }
  // Whether the meta-gradient looks at every step again, so that what they computed is kept.
  bool keeps_steps() const { return order == 2 || rate_kind != RateKind::scalar || !loss_weights.empty(); }
};

}  // namespace innerloop
