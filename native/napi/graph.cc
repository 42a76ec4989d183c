// Makes operation graphs from what lib/meta/graphs/graph.ts writes.
#include "../graphs/graph.h"

#include "arguments.h"
#include "handle.h"
#include "operations.h"

namespace innerloop {
namespace {

template <class T>
std::shared_ptr<Graph<T>> build_graph(std::shared_ptr<const Model<T>> model, const Napi::Object& from) {
  GraphSpec spec;
  const Napi::Array nodes = array(from.Get("nodes"), "nodes"), terms = array(from.Get("auxiliary"), "auxiliary"),
                    starts = array(from.Get("starts"), "starts");
  for (std::uint32_t i = 0; i < nodes.Length(); ++i) {
    const Napi::Object node = object(nodes.Get(i), "node");
    NodeSpec made{.op = enumerator<Op>(node, "op"),
                  .in = numbers<int>(node.Get("in"), "in", 0, kMaxCount),
                  .tensors = numbers<int>(node.Get("tensors"), "tensors", -1, kMaxCount),
                  .options = {}};
    const Napi::Array options = array(node.Get("options"), "options");
    for (std::uint32_t o = 0; o < options.Length(); ++o)
      made.options.push_back(options.Get(o).ToNumber().DoubleValue());
    spec.nodes.push_back(std::move(made));
  }
  spec.output = static_cast<int>(integer(from, "output", -1, kMaxCount));
  spec.cold = number(from, "cold");
  require(spec.cold >= 0 && spec.cold < 1, "cold must be at least 0 and below 1");
  spec.classes = integer(from, "classes", 0, 65536);
  for (std::uint32_t i = 0; i < terms.Length(); ++i) {
    const Napi::Object term = object(terms.Get(i), "term");
    spec.auxiliary.push_back(
        {.node = static_cast<int>(integer(term, "node", 0, kMaxCount)), .weight = number(term, "weight")});
  }
  for (std::uint32_t i = 0; i < starts.Length(); ++i) {
    const Napi::Object start = object(starts.Get(i), "start");
    spec.starts.push_back({.tensor = static_cast<int>(integer(start, "tensor", 0, kMaxCount)),
                           .node = static_cast<int>(integer(start, "node", 0, kMaxCount))});
  }
  return std::make_shared<Graph<T>>(std::move(model), std::move(spec));
}

template <class T>
Napi::Value create_graph(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return wrap(info.Env(), build_graph<T>(unwrap<Model<T>>(info[0]), object(info[1], "graph"))); });
}

}  // namespace

template <class T>
void add_graph_operations(const Operations& operations) {
  operations.add("createGraph", create_graph<T>);
}

INNERLOOP_OPERATIONS(add_graph_operations)

}  // namespace innerloop
