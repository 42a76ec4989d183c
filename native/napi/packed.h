// JavaScript holds adapted tasks as handles, or as bytes that it owns.
#pragma once
#include <cstring>

#include "../serving/packed_adapted.h"
#include "arguments.h"
#include "handle.h"

namespace innerloop {

inline Napi::Value bytes_to_array(Napi::Env env, const std::vector<std::byte>& bytes) {
  auto out = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(out.Data(), bytes.data(), bytes.size());
  return out;
}

// Reads `selection` of the options: the tensors that a learner adapts, and its graph.
template <class T>
InnerLoop<T> read_selection(const std::shared_ptr<const Model<T>>& model, const Napi::Object& options) {
  const Napi::Object from = object(options.Get("selection"), "selection");
  InnerLoop<T> inner;
  inner.fast = copy<std::uint8_t>(from.Get("fast"), "fast");
  require(inner.fast.size() == model->tensors.size(), "fast must hold one flag for each tensor");
  if (!from.Get("graph").IsUndefined()) {
    inner.graph = unwrap<Graph<T>>(from.Get("graph"));
    require(inner.graph->model == model, "the graph belongs to another model");
  }
  return inner;
}

// Reads `adapted` of the options: a handle, or an array of bytes by task.
template <class T>
std::vector<std::shared_ptr<const Adapted<T>>> read_adapted_tasks(const std::shared_ptr<const Model<T>>& model,
                                                                  const Napi::Object& options) {
  std::vector<std::shared_ptr<const Adapted<T>>> tasks;
  const Napi::Value adapted = options.Get("adapted");
  if (!adapted.IsArray()) {
    tasks.push_back(unwrap<Adapted<T>>(adapted));
    require(tasks[0]->model == model, "the adapted parameters belong to another model");
    return tasks;
  }
  const InnerLoop<T> inner = read_selection<T>(model, options);
  const Napi::Array each = adapted.As<Napi::Array>();
  for (std::uint32_t t = 0; t < each.Length(); ++t) {
    const auto bytes = copy<std::uint8_t>(each.Get(t), "adapted");
    tasks.push_back(std::make_shared<Adapted<T>>(
        unpack_adapted<T>(model, inner, {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()})));
  }
  return tasks;
}

}  // namespace innerloop
