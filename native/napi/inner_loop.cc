#include "inner_loop.h"

#include "../device/calls.h"
#include "../graphs/graph.h"
#include "../layers/layer.h"
#include "../meta/meta_gradient.h"
#include "../plan/memory.h"
#include "operations.h"

namespace innerloop {
namespace {

template <class T>
int dense_tensor_number(const Model<T>& model, const Napi::Object& from, const char* name, Index size) {
  const int t = static_cast<int>(integer(from, name, 0, static_cast<double>(model.tensors.size()) - 1));
  require(model.tensors[t].input < 0 && model.tensors[t].size == size,
          "a tensor of the algorithm's own has another size");
  return t;
}

// Checks the last layer and the prior of the solvers in closed form, ridge and laplace.
template <class T>
void build_posterior(const Model<T>& model, const Napi::Object& from, InnerLoop<T>& inner) {
  const LossKind loss = inner.solver == SolverKind::ridge ? LossKind::mse : LossKind::bce;
  require(model.last_layer != nullptr && model.spec.heads.size() == 1 && model.spec.heads[0].kind == loss,
          "the solver needs a linear last layer under mse (ridge) or bce (laplace)");
  const Index d = model.last_layer->I + 1;
  require(model.last_layer->O == 1, "the solver needs one output");
  inner.prior.log_precisions = dense_tensor_number(model, from, "prior", d);
  if (!from.Get("priorFactor").IsUndefined())
    inner.prior.factor = dense_tensor_number(model, from, "priorFactor", d * d);
  for (std::size_t t = 0; t < model.tensors.size(); ++t)
    require((inner.fast[t] != 0) ==
                (static_cast<int>(t) == model.last_layer->weight || static_cast<int>(t) == model.last_layer->bias),
            "the solver adapts the last layer");
  require(inner.steps == 1, "the solver takes one step");
}

// Reads the tensors of the lstm solver, in the order of LstmTensor.
template <class T>
void build_lstm(const Model<T>& model, const Napi::Object& from, InnerLoop<T>& inner) {
  const Napi::Array tensors = array(from.Get("lstmTensors"), "lstmTensors");
  require(tensors.Length() == enumerators<LstmTensor>().size(), "the lstm solver has one tensor for each of its names");
  for (std::uint32_t i = 0; i < tensors.Length(); ++i) {
    const int t = static_cast<int>(integer(tensors.Get(i).ToNumber().DoubleValue(), 0,
                                           static_cast<double>(model.tensors.size()) - 1, "lstmTensors"));
    require(model.tensors[t].input < 0 && !inner.fast[t], "the lstm solver's tensors are dense and not adapted");
    inner.lstm.push_back(t);
  }
  using enum LstmTensor;
  const auto size = [&](LstmTensor which) { return model.tensors[inner.lstm[static_cast<std::size_t>(which)]].size; };
  const Index H = size(bias) / 4;
  require(H > 0 && size(weight_ih) == 16 * H && size(weight_hh) == 4 * H * H && size(bias) == 4 * H &&
              size(forget_weight) == H + 2 && size(forget_bias) == 1 && size(input_weight) == H + 2 &&
              size(input_bias) == 1,
          "the lstm solver's tensors do not fit each other");
}

template <class T>
void build_solver(const Model<T>& model, const Napi::Object& from, InnerLoop<T>& inner) {
  const auto given = [&](const char* name) { return !from.Get(name).IsUndefined(); };
  if (given("update")) {
    const Napi::Object update = object(from.Get("update"), "update");
    inner.update = {
        .kind = enumerator<UpdateKind>(update, "kind"),
        .beta1 = static_cast<T>(number(update, "beta1")),
        .beta2 = static_cast<T>(number(update, "beta2")),
        .epsilon = static_cast<T>(number(update, "epsilon")),
        .clip_norm = update.Get("clipNorm").IsUndefined() ? T(0) : static_cast<T>(number(update, "clipNorm"))};
    require(inner.update.clip_norm >= 0, "clipNorm must not be negative");
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
      if (given("cgDamping")) inner.conjugate_gradients.damping = static_cast<T>(number(from, "cgDamping"));
      require(inner.conjugate_gradients.damping >= 0, "cgDamping must not be negative");
      return;
    case SolverKind::gradient:
      return;
  }
}

template <class T>
InnerLoop<T> build_inner_loop(const Model<T>& model, const Napi::Object& from) {
  InnerLoop<T> inner;
  inner.steps = static_cast<int>(integer(from, "steps", 0, 10000));
  inner.order = static_cast<int>(integer(from, "order", 1, 2));
  inner.shrinkage = static_cast<T>(number(from, "shrinkage"));
  require(inner.shrinkage >= 0, "shrinkage must not be negative");
  if (!from.Get("form").IsUndefined()) inner.form = enumerator<Form>(from, "form");
  if (!from.Get("dropout").IsUndefined())
    inner.dropout = static_cast<std::uint64_t>(integer(from, "dropout", 0, 9007199254740991.0));
  inner.fast = copy<std::uint8_t>(from.Get("fast"), "fast");
  require(inner.fast.size() == model.tensors.size(), "fast must hold one flag for each tensor");
  inner.solver = enumerator<SolverKind>(from, "solver");
  build_solver(model, from, inner);
  inner.rate_kind = enumerator<RateKind>(from, "rateKind");
  switch (inner.rate_kind) {
    case RateKind::scalar:
      inner.rate = static_cast<T>(number(from, "rate"));
      break;
    case RateKind::per_tensor_step: {
      const Napi::Array rates = array(from.Get("rates"), "rates");
      require(rates.Length() == model.tensors.size(), "rates must hold one entry for each tensor");
      inner.step_rates.resize(model.tensors.size());
      for (std::size_t t = 0; t < model.tensors.size(); ++t) {
        if (!inner.fast[t]) continue;
        inner.step_rates[t] = copy<T>(rates.Get(static_cast<std::uint32_t>(t)), "rates");
        require(inner.step_rates[t].size() == static_cast<std::size_t>(inner.steps),
                "rates must hold one value for each step");
      }
      break;
    }
    case RateKind::per_parameter: {
      const auto store = unwrap<Store<T>>(from.Get("rates"));
      require(store->model->arena_size == model.arena_size, "the rates belong to another model");
      inner.parameter_rates = store->values;
    }
  }
  return inner;
}

// Reads the graphs of an inner loop, which must be of its model.
template <class T>
void build_graphs(const Model<T>& model, const Napi::Object& from, InnerLoop<T>& inner) {
  if (from.Get("graph").IsUndefined()) return;
  inner.graph = unwrap<Graph<T>>(from.Get("graph"));
  if (!from.Get("trainingGraph").IsUndefined()) inner.training_graph = unwrap<Graph<T>>(from.Get("trainingGraph"));
  for (const auto& graph : {inner.graph, inner.training_graph}) {
    if (!graph) continue;
    require(graph->model.get() == &model, "the graph belongs to another model");
    require(graph->spec.starts.empty() == inner.graph->spec.starts.empty() &&
                graph->spec.classes == inner.graph->spec.classes,
            "the graphs of an inner loop must make the same");
    if (graph->spec.starts.empty())
      for (const std::uint8_t fast : inner.fast) require(!fast, "a graph in place of the inner loop adapts nothing");
    for (const auto& start : graph->spec.starts)
      require(inner.fast[start.tensor] != 0, "a start is of an adapted tensor");
  }
}

}  // namespace

template <class T>
PreparedInnerLoop<T> prepare(std::shared_ptr<const Model<T>> model, const Napi::Object& from) {
  PreparedInnerLoop<T> loop{std::move(model), {}, nullptr};
  loop.inner = build_inner_loop<T>(*loop.model, from);
  build_graphs(*loop.model, from, loop.inner);
  if (loop.inner.rate_kind == RateKind::per_parameter) loop.rates = unwrap<Store<T>>(from.Get("rates"));
  require(!loop.model->device || !loop.rates || loop.rates->model == loop.model, "the rates belong to another model");
  check_loop(*loop.model, loop.inner);
  return loop;
}

namespace {

template <class T>
Napi::Value create_inner_loop(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return wrap(info.Env(), std::make_shared<PreparedInnerLoop<T>>(
                                prepare<T>(unwrap<Model<T>>(info[0]), object(info[1], "inner"))));
  });
}

// (model, inner, { direction, support, query, rows }): bytes of one task at work.
template <class T>
Napi::Value task_memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto model = unwrap<Model<T>>(info[0]);
    const PreparedInnerLoop<T> loop = prepare<T>(model, object(info[1], "inner"));
    const Napi::Object from = object(info[2], "sizes");
    TaskSizes sizes{integer(from, "support", 0, kMaxCount), integer(from, "query", 0, kMaxCount), {}};
    for (const double rows : copy<double>(from.Get("rows"), "rows"))
      sizes.rows.push_back(integer(rows, 0, kMaxCount, "rows"));
    require(sizes.rows.size() == model->tensors.size(), "rows must hold one number for each tensor");
    const bool reptile = enumerator<Direction>(from, "direction") == Direction::reptile;
    return Napi::Number::New(info.Env(), task_bytes(*model, loop.inner, reptile, sizes));
  });
}

}  // namespace

template <class T>
void add_inner_loop_operations(const Operations& operations) {
  operations.add("createInnerLoop", create_inner_loop<T>);
  operations.add("taskBytes", task_memory<T>);
}

INNERLOOP_OPERATIONS(add_inner_loop_operations)

template PreparedInnerLoop<float> prepare(std::shared_ptr<const Model<float>>, const Napi::Object&);
template PreparedInnerLoop<double> prepare(std::shared_ptr<const Model<double>>, const Napi::Object&);

}  // namespace innerloop
