// Episode programs from what lib/meta/graphs/graph.ts writes.
#include "../episode/program.h"

#include "arguments.h"
#include "handle.h"
#include "operations.h"

namespace innerloop {
namespace {

template <class T>
std::shared_ptr<Episode<T>> build_episode(std::shared_ptr<const Model<T>> model, const Napi::Object& from) {
  EpisodeSpec spec;
  const Napi::Array nodes = array(from.Get("nodes"), "nodes"), terms = array(from.Get("auxiliary"), "auxiliary"),
                    starts = array(from.Get("starts"), "starts");
  for (std::uint32_t i = 0; i < nodes.Length(); ++i) {
    const Napi::Object node = object(nodes.Get(i), "node");
    NodeSpec made{static_cast<Op>(integer(node, "op", 0, kOps - 1)),
                  numbers<int>(node.Get("in"), "in", 0, kMaxCount),
                  numbers<int>(node.Get("tensors"), "tensors", -1, kMaxCount),
                  {}};
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
    spec.auxiliary.push_back({static_cast<int>(integer(term, "node", 0, kMaxCount)), number(term, "weight")});
  }
  for (std::uint32_t i = 0; i < starts.Length(); ++i) {
    const Napi::Object start = object(starts.Get(i), "start");
    spec.starts.push_back({static_cast<int>(integer(start, "tensor", 0, kMaxCount)),
                           static_cast<int>(integer(start, "node", 0, kMaxCount))});
  }
  return std::make_shared<Episode<T>>(std::move(model), std::move(spec));
}

template <class T>
Napi::Value create_episode(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return wrap(info.Env(), build_episode<T>(unwrap<Model<T>>(info[0]), object(info[1], "program")));
  });
}

}  // namespace

template <class T>
void add_episode_operations(const Operations& operations) {
  operations.add("createEpisode", create_episode<T>);
}

INNERLOOP_OPERATIONS(add_episode_operations)

}  // namespace innerloop
