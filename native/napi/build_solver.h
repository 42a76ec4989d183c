// What a solver needs beside the common inner loop; checked here, so that solvers/ may trust it.
#pragma once
#include "../layers/linear.h"
#include "arguments.h"

namespace innerloop {

template <class T>
int dense_tensor_number(const Model<T>& model, const Napi::Object& from, const char* name, Index size) {
  const int t = static_cast<int>(integer(from, name, 0, static_cast<double>(model.tensors.size()) - 1));
  require(model.tensors[t].input < 0 && model.tensors[t].size == size,
          "a tensor of the algorithm's own has another size");
  return t;
}

// ridge, laplace: the last layer in closed form.
template <class T>
void build_posterior(const Model<T>& model, const Napi::Object& from, InnerLoop<T>& inner) {
  const LossKind loss = inner.solver == SolverKind::ridge ? LossKind::mse : LossKind::bce;
  require(model.head != nullptr && model.spec.heads.size() == 1 && model.spec.heads[0].kind == loss,
          "the solver needs a linear last layer under mse (ridge) or bce (laplace)");
  const Index d = model.head->I + 1;
  require(model.head->O == 1, "the solver needs one output");
  inner.prior.log_precisions = dense_tensor_number(model, from, "prior", d);
  if (!from.Get("priorFactor").IsUndefined())
    inner.prior.factor = dense_tensor_number(model, from, "priorFactor", d * d);
  for (std::size_t t = 0; t < model.tensors.size(); ++t)
    require(
        (inner.fast[t] != 0) == (static_cast<int>(t) == model.head->weight || static_cast<int>(t) == model.head->bias),
        "the solver adapts the last layer");
  require(inner.steps == 1, "the solver takes one step");
}

// The tensors of solvers/lstm.cc.
template <class T>
void build_lstm(const Model<T>& model, const Napi::Object& from, InnerLoop<T>& inner) {
  const Napi::Array own = array(from.Get("own"), "own");
  require(own.Length() == 7, "the lstm solver has seven tensors");
  for (std::uint32_t i = 0; i < own.Length(); ++i) {
    const int t = static_cast<int>(
        integer(own.Get(i).ToNumber().DoubleValue(), 0, static_cast<double>(model.tensors.size()) - 1, "own"));
    require(model.tensors[t].input < 0 && !inner.fast[t], "the lstm solver's tensors are dense and not adapted");
    inner.lstm.push_back(t);
  }
  const auto size = [&](int i) { return model.tensors[inner.lstm[i]].size; };
  const Index H = size(2) / 4;
  require(H > 0 && size(0) == 16 * H && size(1) == 4 * H * H && size(2) == 4 * H && size(3) == H + 2 && size(4) == 1 &&
              size(5) == H + 2 && size(6) == 1,
          "the lstm solver's tensors do not fit each other");
}

template <class T>
void build_solver(const Model<T>& model, const Napi::Object& from, InnerLoop<T>& inner) {
  const auto given = [&](const char* name) { return !from.Get(name).IsUndefined(); };
  if (given("update")) {
    const Napi::Object update = object(from.Get("update"), "update");
    inner.update = {static_cast<UpdateKind>(integer(update, "kind", 0, 2)), static_cast<T>(number(update, "beta1")),
                    static_cast<T>(number(update, "beta2")), static_cast<T>(number(update, "epsilon"))};
    require(inner.update.beta1 >= 0 && inner.update.beta1 < 1 && inner.update.beta2 >= 0 && inner.update.beta2 < 1,
            "the update's decays must be from 0 to below 1");
    require(inner.update.kind != UpdateKind::adam || inner.update.epsilon > 0, "epsilon must be positive");
  }
  if (given("proximal")) inner.proximal = static_cast<T>(number(from, "proximal"));
  require(inner.proximal >= 0, "proximal must not be negative");
  if (given("lossWeights")) {
    inner.loss_weights = copy<T>(from.Get("lossWeights"), "lossWeights");
    require(inner.solver == SolverKind::gradient && inner.loss_weights.size() == static_cast<std::size_t>(inner.steps),
            "lossWeights must hold one value for each gradient step");
  }
  switch (inner.solver) {
    case SolverKind::ridge:
    case SolverKind::laplace:
      return build_posterior(model, from, inner);
    case SolverKind::lstm:
      return build_lstm(model, from, inner);
    case SolverKind::implicit:
      require(inner.proximal > 0, "the implicit solver needs a proximal term");
      inner.conjugate_gradients.steps = static_cast<int>(integer(from, "cgSteps", 1, 10000));
      inner.conjugate_gradients.tolerance = static_cast<T>(number(from, "cgTolerance"));
      require(inner.conjugate_gradients.tolerance >= 0, "cgTolerance must not be negative");
      return;
    case SolverKind::gradient:
      return;
  }
}

}  // namespace innerloop
