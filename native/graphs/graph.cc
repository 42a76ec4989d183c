#include "graph.h"

#include <algorithm>

#include "../layers/layer.h"
#include "../runtime/errors.h"

namespace innerloop {
namespace {

constexpr Index kMaxWidth = Index{1} << 24, kMaxNodeElements = Index{1} << 28;

Index whole(const Node& node, std::size_t i, Index least, Index most) {
  require(i < node.options.size(), "a node lacks an option");
  const double value = node.options[i];
  require(value >= static_cast<double>(least) && value <= static_cast<double>(most) &&
              value == static_cast<double>(static_cast<Index>(value)),
          "an option of a node is out of range");
  return static_cast<Index>(value);
}

Index part(const Node& node) { return whole(node, 0, kQuery, kSupport); }

bool fits(Index dim, Index to) { return dim == to || dim == 1; }

template <class T>
int slot_of(const Model<T>& model, const Node& node) {
  const auto which = static_cast<ModelSlot>(
      whole(node, 1, static_cast<Index>(ModelSlot::inputs), static_cast<Index>(ModelSlot::outputs)));
  if (which == ModelSlot::outputs) return model.output_slot;
  if (which == ModelSlot::features) {
    require(model.last_layer != nullptr, "the model has no linear last layer");
    return model.last_layer->slot_in;
  }
  int found = -1;
  for (const auto& layer : model.layers) {
    if (!layer->in.empty()) continue;
    require(found < 0, "the model has several layers of inputs");
    found = layer->out;
  }
  return found;
}

template <class T>
const TensorInfo& dense(const Model<T>& model, const Node& node, std::size_t i) {
  require(i < node.tensors.size() && node.tensors[i] >= 0 && node.tensors[i] < static_cast<int>(model.tensors.size()),
          "no such tensor");
  const TensorInfo& tensor = model.tensors[node.tensors[i]];
  require(tensor.input < 0 && tensor.shape.size() <= 2, "a node reads a table or a tensor of more than two dimensions");
  return tensor;
}

void arity(const Node& node, std::size_t in, std::size_t tensors) {
  require(node.in.size() == in && node.tensors.size() == tensors, "a node has the wrong number of inputs or tensors");
}

// Gives the rows and columns of a node from those of its inputs.
template <class T>
void shape(const Model<T>& model, const std::vector<Node>& nodes, Node& node) {
  const auto in = [&](std::size_t i) -> const Node& { return nodes[node.in[i]]; };
  const auto as = [&](Index rows, Index columns) { node.rows = rows, node.columns = columns; };
  switch (node.op) {
    case Op::slot:
      arity(node, 0, 0);
      node.slot = slot_of(model, node);
      return as(part(node), model.slot_width[node.slot]);
    case Op::labels:
      return arity(node, 0, 0), as(part(node), 1);
    case Op::count:
      return arity(node, 0, 0), part(node), as(1, 1);
    case Op::noise:
      return arity(node, 0, 0), as(1, whole(node, 0, 1, kMaxWidth));
    case Op::constant:
      return arity(node, 0, 0), as(whole(node, 1, kQuery, kMaxWidth), whole(node, 2, kQuery, kMaxWidth));
    case Op::one_hot: {
      arity(node, 1, 0);
      require(in(0).columns == 1, "one-hot takes one column");
      const Index classes = whole(node, 0, 2, 65536);
      require(node.options.size() == 1 || static_cast<Index>(node.options.size()) == classes,
              "one-hot takes a boundary less than classes");
      require(std::is_sorted(node.options.begin() + 1, node.options.end()), "boundaries must ascend");
      return as(in(0).rows, classes);
    }
    case Op::parameter: {
      arity(node, 0, 1);
      const TensorInfo& tensor = dense(model, node, 0);
      // A vector is equal to its transpose, so that only matrices are refused.
      require(!tensor.transposed || tensor.shape[0] == 1, "a transposed tensor can only be a linear weight");
      return tensor.shape.size() == 2 ? as(tensor.shape[0], tensor.shape[1]) : as(1, tensor.size);
    }
    case Op::linear: {
      arity(node, 1, 2);
      const TensorInfo& weight = dense(model, node, 0);
      require(weight.shape.size() == 2 && weight.shape[1] == in(0).columns, "a weight does not fit what it multiplies");
      require(node.tensors[1] == -1 || dense(model, node, 1).shape == std::vector<Index>{weight.shape[0]},
              "a bias does not fit its weight");
      return as(in(0).rows, weight.shape[0]);
    }
    case Op::unary:
      arity(node, 1, 0);
      whole(node, 0, 0, static_cast<Index>(Unary::reciprocal));
      require(node.options.size() == 2, "an elementwise function takes two options");
      return as(in(0).rows, in(0).columns);
    case Op::affine:
      arity(node, 1, 0);
      require(node.options.size() == 2, "s x + t takes two options");
      return as(in(0).rows, in(0).columns);
    case Op::add:
    case Op::subtract:
    case Op::multiply:
      arity(node, 2, 0);
      require(fits(in(1).rows, in(0).rows) && fits(in(1).columns, in(0).columns), "shapes do not fit");
      return as(in(0).rows, in(0).columns);
    case Op::product: {
      arity(node, 2, 0);
      const auto kind = static_cast<ProductKind>(whole(node, 0, 0, static_cast<Index>(ProductKind::tn)));
      const bool a_transposed = kind == ProductKind::tn, b_transposed = kind == ProductKind::nt;
      const Node &a = in(0), &b = in(1);
      require((a_transposed ? a.rows : a.columns) == (b_transposed ? b.columns : b.rows), "shapes do not fit");
      return as(a_transposed ? a.columns : a.rows, b_transposed ? b.rows : b.columns);
    }
    case Op::softmax:
      return arity(node, 1, 0), as(in(0).rows, in(0).columns);
    case Op::distance:
    case Op::cosine:
      arity(node, 2, 0);
      require(in(0).columns == in(1).columns, "vectors of different widths");
      return as(in(0).rows, in(1).rows);
    case Op::sum_rows:
      return arity(node, 1, 0), as(1, in(0).columns);
    case Op::sum_columns:
      return arity(node, 1, 0), as(in(0).rows, 1);
    case Op::concat: {
      require(!node.in.empty() && node.tensors.empty(), "a node has the wrong number of inputs or tensors");
      Index width = 0;
      for (std::size_t i = 0; i < node.in.size(); ++i) {
        require(in(i).columns > 0 && fits(in(i).rows, in(0).rows), "shapes do not fit");
        width += in(i).columns;
      }
      return as(in(0).rows, width);
    }
    case Op::flatten:
      arity(node, 1, 0);
      require(in(0).rows > 0 && in(0).columns > 0, "only a node of fixed shape can be flattened");
      return as(1, in(0).rows * in(0).columns);
    case Op::columns: {
      arity(node, 1, 0);
      require(in(0).columns > 0, "columns of a node whose width is not fixed");
      const Index first = whole(node, 0, 0, in(0).columns - 1);
      return as(in(0).rows, whole(node, 1, 1, in(0).columns - first));
    }
  }
}

bool reads_query(const Node& node) {
  switch (node.op) {
    case Op::slot:
    case Op::labels:
    case Op::count:
      return part(node) == kQuery;
    default:
      return node.rows == kQuery || node.columns == kQuery;
  }
}

bool differs_by_task(const std::vector<Node>& nodes, const Node& node) {
  switch (node.op) {
    case Op::slot:
    case Op::labels:
    case Op::count:
    case Op::noise:
      return true;
    case Op::constant:
      return node.rows < 0 || node.columns < 0;
    default:
      return std::any_of(node.in.begin(), node.in.end(), [&](int i) { return nodes[i].by_task; });
  }
}

// Whether the rows of all tasks, one after the other, can be worked on as those of one.
bool works_by_row(const std::vector<Node>& nodes, const Node& node) {
  const auto in = [&](std::size_t i) -> const Node& { return nodes[node.in[i]]; };
  // An input has a row for each row of the node, or one for all tasks.
  const auto fits_rows = [&](const Node& n) { return n.by_task ? n.rows == node.rows && n.columns > 0 : n.rows == 1; };
  if (!node.by_task || node.columns <= 0) return false;
  switch (node.op) {
    case Op::slot:
    case Op::labels:
    case Op::count:
    case Op::noise:
    case Op::parameter:
    case Op::cosine:
    case Op::sum_rows:
      return false;
    case Op::constant:
      return true;
    case Op::one_hot:
    case Op::linear:
    case Op::unary:
    case Op::affine:
    case Op::softmax:
    case Op::sum_columns:
    case Op::columns:
    case Op::flatten:
      return in(0).columns > 0;
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::concat:
      return in(0).by_task && std::all_of(node.in.begin(), node.in.end(), [&](int i) { return fits_rows(nodes[i]); });
    case Op::product:
      return static_cast<ProductKind>(static_cast<int>(node.options[0])) != ProductKind::tn && in(0).by_task &&
             in(0).columns > 0 && !in(1).by_task;
    case Op::distance:
      return in(0).by_task && !in(1).by_task;
  }
  return false;
}

}  // namespace

template <class T>
Graph<T>::Graph(std::shared_ptr<const Model<T>> m, GraphSpec s) : model(std::move(m)), spec(std::move(s)) {
  require(model->spec.heads.size() == 1, "a graph works on one head");
  wanted.assign(model->slot_width.size(), 0);
  consumed.assign(model->slot_width.size(), 0);
  for (const NodeSpec& made : spec.nodes) {
    Node node{made};
    for (const int i : node.in)
      require(i >= 0 && i < static_cast<int>(nodes.size()), "a node reads one that is not there yet");
    shape(*model, nodes, node);
    require(node.rows != 0 && node.columns != 0 &&
                std::max<Index>(node.rows, 1) * std::max<Index>(node.columns, 1) <= kMaxNodeElements,
            "a node must have rows and columns, and not too many");
    node.on_query = innerloop::reads_query(node);
    node.learns = node.op == Op::slot ? model->slot_learns[node.slot] != 0 : !node.tensors.empty();
    for (const int i : node.in) {
      node.on_query = node.on_query || nodes[i].on_query;
      node.learns = node.learns || (nodes[i].learns && node.op != Op::one_hot);
    }
    node.by_task = differs_by_task(nodes, node);
    node.by_row = works_by_row(nodes, node);
    if (node.op == Op::slot) {
      wanted[node.slot] = 1;
      (part(node) == kQuery ? reads_query : reads_support) = true;
    }
    if (node.op == Op::labels && part(node) == kQuery) reads_query_labels = true;
    nodes.push_back(std::move(node));
  }
  const auto at = [&](int i) -> const Node& {
    require(i >= 0 && i < static_cast<int>(nodes.size()), "no such node");
    return nodes[i];
  };
  require(spec.output >= 0 || !spec.starts.empty(), "a graph must make outputs or starts");
  if (spec.output >= 0) {
    const Node& output = at(spec.output);
    require(spec.starts.empty(), "a graph makes outputs or starts, not both");
    require(output.rows == kQuery && output.columns == (spec.classes > 0 ? spec.classes : model->spec.outputs()) &&
                output.learns,
            "the outputs must be one row for each query row");
  }
  for (const auto& term : spec.auxiliary)
    require(spec.output >= 0 && at(term.node).rows == 1 && at(term.node).columns == 1,
            "an auxiliary loss is one number");
  if (spec.output < 0)
    for (const Node& node : nodes) require(!node.on_query, "starts are made before the query rows are known");
  for (const auto& start : spec.starts) {
    const Node& node = at(start.node);
    require(start.tensor >= 0 && start.tensor < static_cast<int>(model->tensors.size()), "no such tensor");
    const TensorInfo& tensor = model->tensors[start.tensor];
    require(node.rows == 1 && node.columns == (tensor.input < 0 ? tensor.size : tensor.width),
            "a start does not fit its tensor");
  }

  std::vector<std::uint8_t> read(nodes.size(), 0);
  for (const Node& node : nodes)
    for (const int i : node.in)
      if (node.on_query && !nodes[i].on_query && nodes[i].op != Op::parameter) read[i] = 1;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (read[i]) kept.push_back(static_cast<int>(i));

  // Only the layers below slots that nodes read have to run, in their order.
  std::vector<std::uint8_t> needed = wanted;
  std::vector<std::uint8_t> runs(model->layers.size(), 0);
  for (std::size_t l = model->layers.size(); l-- > 0;) {
    const Layer<T>& layer = *model->layers[l];
    if (!needed[layer.out]) continue;
    runs[l] = 1;
    for (const int in : layer.in) needed[in] = consumed[in] = 1;
  }
  for (std::size_t l = 0; l < runs.size(); ++l) {
    if (!runs[l]) continue;
    layers.push_back(model->layers[l].get());
    layer_slots.push_back(layers.back()->out);
    if (layers.back()->work_slot >= 0) layer_slots.push_back(layers.back()->work_slot);
  }
}

template struct Graph<float>;
template struct Graph<double>;

}  // namespace innerloop
