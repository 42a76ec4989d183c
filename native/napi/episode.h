// Episode programs from what lib/episode/program.ts writes.
#pragma once
#include "../episode/program.h"
#include "build.h"

namespace innerloop {

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

// The programs of an inner loop, which must be of its model.
template <class T>
void build_programs(const Model<T>& model, const Napi::Object& from, InnerLoop<T>& inner) {
  if (from.Get("episode").IsUndefined()) return;
  inner.episode = unwrap<Episode<T>>(from.Get("episode"));
  if (!from.Get("training").IsUndefined()) inner.training = unwrap<Episode<T>>(from.Get("training"));
  for (const auto& program : {inner.episode, inner.training}) {
    if (!program) continue;
    require(program->model.get() == &model, "the program belongs to another model");
    require(program->spec.starts.empty() == inner.episode->spec.starts.empty() &&
                program->spec.classes == inner.episode->spec.classes,
            "the programs of an inner loop must make the same");
    if (program->spec.starts.empty())
      for (const std::uint8_t fast : inner.fast) require(!fast, "an episode program adapts no parameters");
    for (const auto& start : program->spec.starts)
      require(inner.fast[start.tensor] != 0, "a start is of an adapted tensor");
  }
}

}  // namespace innerloop
