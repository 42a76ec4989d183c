#include "memory.h"

#include <algorithm>
#include <cmath>

#include "../graphs/graph.h"
#include "../layers/layer.h"
#include "blocks.h"
#include "plan.h"

namespace innerloop {
namespace {

// Coordinates that the lstm solver works on at once, and arrays of a hidden width that it keeps of each.
constexpr double kLstmBlock = 256, kLstmArrays = 9;

template <class T>
struct TaskMemory {
  TaskMemory(const Model<T>& model, const InnerLoop<T>& inner, bool reptile, const TaskSizes& sizes)
      : model(model),
        inner(inner),
        reptile(reptile),
        S(static_cast<double>(sizes.support)),
        Q(static_cast<double>(sizes.query)),
        K(inner.steps) {
    divide_layers();
    for (std::size_t t = 0; t < model.tensors.size(); ++t) {
      const TensorInfo& info = model.tensors[t];
      const double size = static_cast<double>(info.input < 0 ? info.size : sizes.rows[t] * info.width);
      if (info.input >= 0) tables += size;
      if (inner.fast[t] && !(gram && (static_cast<int>(t) == gram->weight || static_cast<int>(t) == gram->bias)))
        fast += size;
    }
  }

  // Numbers of type T.
  double total() const {
    const Graph<T>* const graph = inner.training_graph ? inner.training_graph.get() : inner.graph.get();
    // Gathered rows, the first and the last parameters' gradient, scratch.
    double n = tables + 2 * fast + static_cast<double>(model.scratch_size);
    if (graph) n += of_graph(*graph);
    if (graph && graph->spec.starts.empty()) return n;
    const double queries = inner.loss_weights.empty() ? 1 : K;
    n += queries * 2 * Q * all;
    if (!gram) n += of_blocks();
    if (K == 0) return n;
    n += S * prefix * (reptile ? 1 : 3);
    if (inner.solves_last_layer()) return n + of_posterior();
    return n + of_steps() + (gram ? of_gram() : 0);
  }

 private:
  // As a plan does: what moves with the fast parameters, and which layer is never formed.
  void divide_layers() {
    std::vector<std::uint8_t> moves(model.slot_width.size(), 0);
    const Layer<T>* first = nullptr;
    for (const auto& layer : model.layers) {
      const bool moving =
          std::any_of(layer->tensors.begin(), layer->tensors.end(), [&](int t) { return inner.fast[t] != 0; }) ||
          std::any_of(layer->in.begin(), layer->in.end(), [&](int s) { return moves[s] != 0; });
      moves[layer->out] = moving;
      double width = static_cast<double>(model.slot_width[layer->out]);
      if (layer->work_slot >= 0) width += static_cast<double>(model.slot_width[layer->work_slot]);
      all += width;
      (moving ? suffix : prefix) += width;
      if (!moving) continue;
      if (!first) first = layer.get();
      for (const int s : layer->in)
        if (!moves[s]) boundary += static_cast<double>(model.slot_width[s]);
      const AffineMap* map = layer->affine_map();
      if (map && !map->is_column() && moves[map->slot_in] && inner.fast[map->weight])
        transposed += static_cast<double>(map->I * map->O);
    }
    const AffineMap* map = first ? first->affine_map() : nullptr;
    if (!map || moves[map->slot_in] || !inner.is_plain() || inner.graph) return;
    if (takes_gram_form(*map, inner, S, Q, model.slot_learns[map->slot_in] != 0)) gram = map;
  }

  double of_steps() const {
    const bool is_lstm = inner.solver == SolverKind::lstm, implicit = inner.solver == SolverKind::implicit;
    const bool exact = inner.order == 2 && !implicit && !is_lstm && !reptile;
    const bool keep = !reptile && !implicit && (is_lstm || inner.keeps_steps());
    const double kept = keep ? K : 1;
    double n = kept * (transposed + fast) + fast;
    n += (keep && !is_lstm ? K : 1) * 2 * S * suffix;
    if (!inner.is_folded()) n += keep ? K * fast : fast;
    if (inner.update.kind == UpdateKind::momentum) n += (kept + 2) * fast;
    if (inner.update.kind == UpdateKind::adam) n += (2 * kept + 4) * fast;
    if (inner.rate_kind == RateKind::per_parameter) n += tables;
    // The tangent pass, adjoints of the boundary, the direction.
    if (exact) n += 2 * S * suffix + 2 * S * boundary + fast;
    // One more support pass, two tangent passes, and four vectors of conjugate gradients.
    if (implicit) n += 6 * S * suffix + 3 * S * boundary + 6 * fast;
    if (is_lstm) {
      const double H = static_cast<double>(model.tensors[inner.lstm[static_cast<int>(LstmTensor::bias)]].size) / 4;
      n += fast * (2 * H + 2) + 2 * S * boundary + (K + 2) * std::min(fast, kLstmBlock) * kLstmArrays * H;
    }
    return n;
  }

  // Of large tasks, whose rows are divided among threads.
  double of_blocks() const {
    const double block = tables + static_cast<double>(model.dense_size + model.scratch_size);
    const Index bytes = static_cast<Index>(block * static_cast<double>(sizeof(T)));
    const Index count = block_count(static_cast<Index>(std::max(S, Q)), bytes);
    return count > 1 ? static_cast<double>(count) * block : 0;
  }

  double of_gram() const {
    const double D = static_cast<double>(gram->I), H = static_cast<double>(gram->O);
    const bool second = inner.order == 2 && !reptile;
    double n = std::max(std::max(S, Q) * std::max(D, H), std::max(D * H, S * std::max(S, Q)));  // scratch
    n += S * H * (K + 2) + (K > 1 ? S * S : 0) + 2 * Q * S;
    if (reptile) return n + S * H;
    // U, P Aᵀ, the mix, and what outlasts the task in its chunk's arena.
    return n + S * H + Q * S + (second ? S * H + S * S : 0) + (Q + (second ? S : 0)) * H;
  }

  // Of numbers of type double.
  double of_posterior() const {
    const double d = static_cast<double>(model.last_layer ? model.last_layer->I + 1 : 1);
    const bool full = inner.prior.factor >= 0, dual = S < d, laplace = inner.solver == SolverKind::laplace;
    double n = 2 * (S * d + (full ? d * d : 0));  // before and on the way back
    n += dual ? S * d * (full ? 2 : 1) + S * S + 64 * d : d * d + (full ? 64 * d : 0);
    if (!dual && laplace) n += S * d;
    return n * static_cast<double>(sizeof(double)) / static_cast<double>(sizeof(T)) + 2 * S * boundary;
  }

  double of_graph(const Graph<T>& graph) const {
    const auto extent = [&](Index dim) { return dim == kSupport ? S : dim == kQuery ? Q : static_cast<double>(dim); };
    double n = 0;
    for (const Node& node : graph.nodes) {
      const double size = extent(node.rows) * extent(node.columns);
      if (node.op == Op::slot || node.op == Op::parameter) continue;  // where they lie
      n += size * (node.learns ? 2 : 1);
      // Transposes of what is read, and the distances' rows with their lengths, on both ways.
      for (const int in : node.in)
        if (node.op == Op::product || node.op == Op::distance || node.op == Op::cosine)
          n += 2 * extent(graph.nodes[in].rows) * extent(graph.nodes[in].columns);
      if (node.op == Op::linear) n += 2 * static_cast<double>(model.tensors[node.tensors[0]].size);
    }
    const bool joins = graph.reads_support && graph.reads_query && graph.spec.starts.empty();
    const double rows = (graph.reads_support ? S : 0) + (graph.reads_query ? Q : 0);
    for (const int slot : graph.layer_slots) n += 2 * rows * static_cast<double>(model.slot_width[slot]);
    for (std::size_t s = 0; s < graph.wanted.size(); ++s)
      if (graph.wanted[s]) n += rows * static_cast<double>(model.slot_width[s]);
    // Tasks that run at once.
    return joins ? n * std::max(1.0, std::floor(static_cast<double>(kGraphRows) / std::max(1.0, S + Q))) : n;
  }

  const Model<T>& model;
  const InnerLoop<T>& inner;
  const bool reptile;
  const double S, Q, K;
  double tables = 0, fast = 0;                           // rows that the task reads, what it adapts
  double all = 0, prefix = 0, suffix = 0, boundary = 0;  // widths of slots
  double transposed = 0;                                 // weights whose transposes every step makes
  const AffineMap* gram = nullptr;
};

}  // namespace

template <class T>
double task_bytes(const Model<T>& model, const InnerLoop<T>& inner, bool reptile, const TaskSizes& sizes) {
  return TaskMemory<T>(model, inner, reptile, sizes).total() * static_cast<double>(sizeof(T));
}

template double task_bytes(const Model<float>&, const InnerLoop<float>&, bool, const TaskSizes&);
template double task_bytes(const Model<double>&, const InnerLoop<double>&, bool, const TaskSizes&);

}  // namespace innerloop
