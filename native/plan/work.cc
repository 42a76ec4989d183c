#include "work.h"

#include <algorithm>
#include <numeric>

#include "../layers/layer.h"

namespace innerloop {
namespace {

// Newton steps that laplace usually takes.
constexpr double kNewtonSteps = 10;

// Mean length of the sequences of a row, over all inputs that are sequences: recurrent layers run once for each
// element.
template <class T>
double sequence_length(const Batch<T>& batch) {
  double length = 0;
  for (std::size_t i = 0; i < batch.model->spec.inputs.size(); ++i) {
    if (batch.model->spec.inputs[i].kind != InputKind::sequence) continue;
    const auto& column = batch.column(i);
    if (column.offsets.size() > 1)
      length += static_cast<double>(column.ids.size()) / static_cast<double>(column.offsets.size() - 1);
  }
  return length;
}

// Of a last layer in closed form, from S rows of d features.
double solving(double S, double d) { return S < d ? S * S * d + S * S * S : S * d * d + d * d * d; }

template <class T>
double lstm_work(const InnerLoop<T>& inner, const Model<T>& model) {
  const double gates = static_cast<double>(model.tensors[inner.lstm[static_cast<int>(LstmTensor::bias)]].size);
  double coordinates = 0;
  for (std::size_t t = 0; t < model.tensors.size(); ++t)
    if (inner.fast[t] && model.tensors[t].input < 0) coordinates += static_cast<double>(model.tensors[t].size);
  return coordinates * gates * (gates / 4 + 4);
}

}  // namespace

template <class T>
double work_of(const InnerLoop<T>& inner, const Batch<T>& batch, Wanted wanted) {
  const Model<T>& model = *batch.model;
  const double weights = static_cast<double>(model.dense_size);
  const double row = weights * (1 + sequence_length(batch));
  const double widths =
      static_cast<double>(std::accumulate(model.slot_width.begin(), model.slot_width.end(), Index{0}));
  const bool adapts = wanted != Wanted::outputs;
  const bool solves = inner.solves_last_layer();
  const double d = model.last_layer ? static_cast<double>(model.last_layer->I + 1) : 1;
  const double cells = inner.solver == SolverKind::lstm && adapts ? inner.steps * lstm_work(inner, model) : 0;
  double work = weights;
  for (Index t = 0; t < batch.tasks(); ++t) {
    const double S = static_cast<double>(batch.begin[2 * t + 1] - batch.begin[2 * t]);
    const double Q = static_cast<double>(batch.begin[2 * t + 2] - batch.begin[2 * t + 1]);
    work += (S + Q) * row;
    if (inner.graph) work += (S + Q) * (S + Q) * widths;
    if (!adapts) continue;
    if (solves)
      work += solving(S, d) * (inner.solver == SolverKind::laplace ? kNewtonSteps : 1);
    else
      work += 2 * S * row * (inner.steps + inner.conjugate_gradients.steps);
    work += cells;
  }
  return wanted == Wanted::gradients ? 4 * work : work;
}

template double work_of(const InnerLoop<float>&, const Batch<float>&, Wanted);
template double work_of(const InnerLoop<double>&, const Batch<double>&, Wanted);

}  // namespace innerloop
