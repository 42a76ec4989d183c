// Operations that make models.
#include "../model/model.h"
#include "../layers/layer.h"

#include <algorithm>
#include <limits>

#include "../device/mirror.h"
#include "arguments.h"
#include "handle.h"
#include "operations.h"

namespace innerloop {
namespace {

template <class T>
std::shared_ptr<Model<T>> build_model(const Napi::Object& from) {
  ModelSpec spec;
  const Napi::Array inputs = array(from.Get("inputs"), "inputs"), tensors = array(from.Get("tensors"), "tensors"),
                    layers = array(from.Get("layers"), "layers");
  for (std::uint32_t i = 0; i < inputs.Length(); ++i) {
    const Napi::Object input = object(inputs.Get(i), "input");
    spec.inputs.push_back({.kind = enumerator<InputKind>(input, "kind"),
                           .size = integer(input, "size", 0, kMaxCount),
                           .cardinality = integer(input, "cardinality", 0, kMaxCount),
                           .pooling = enumerator<Pooling>(input, "pooling")});
    const InputSpec& last = spec.inputs.back();
    require(last.kind == InputKind::dense ? last.size > 0 : last.cardinality > 0,
            "an input needs a size or a cardinality");
  }
  require(!spec.inputs.empty(), "a model needs an input");
  for (std::uint32_t i = 0; i < tensors.Length(); ++i) {
    const Napi::Object tensor = object(tensors.Get(i), "tensor");
    spec.tensors.push_back({.name = tensor.Get("name").ToString().Utf8Value(),
                            .shape = numbers<Index>(tensor.Get("shape"), "shape", 1, kMaxCount),
                            .input = static_cast<int>(integer(tensor, "input", -1, kMaxCount)),
                            .transposed = integer(tensor, "transposed", 0, 1) == 1});
  }
  for (std::uint32_t i = 0; i < layers.Length(); ++i) {
    const Napi::Object layer = object(layers.Get(i), "layer");
    LayerSpec made{.kind = enumerator(layer_kinds(), layer.Get("kind"), "kind"),
                   .in = numbers<int>(layer.Get("in"), "in", 0, kMaxCount),
                   .out = static_cast<int>(integer(layer, "out", 0, kMaxCount)),
                   .tensors = numbers<int>(layer.Get("tensors"), "tensors", -1, kMaxCount),
                   .options = {}};
    const Napi::Array options = array(layer.Get("options"), "options");
    for (std::uint32_t o = 0; o < options.Length(); ++o)
      made.options.push_back(options.Get(o).ToNumber().DoubleValue());
    spec.layers.push_back(std::move(made));
  }
  spec.slots = numbers<Index>(from.Get("slots"), "slots", 1, kMaxCount);
  spec.output = static_cast<int>(integer(from, "output", 0, kMaxCount));
  const Napi::Array heads = array(from.Get("heads"), "heads");
  for (std::uint32_t i = 0; i < heads.Length(); ++i) {
    const Napi::Object head = object(heads.Get(i), "head");
    spec.heads.push_back({.kind = enumerator<LossKind>(head, "loss"),
                          .outputs = integer(head, "outputs", 1, kMaxCount),
                          .weight = number(head, "weight")});
    const HeadSpec& last = spec.heads.back();
    // mse may have several outputs, of which it reads the first: the outputs are then an embedding, which has no loss.
    require(last.kind == LossKind::softmax || last.kind == LossKind::mse || last.outputs == 1,
            "every loss but softmax has one output");
    require(last.weight >= 0, "a head's weight must not be negative");
    if (head.Get("classWeights").IsUndefined()) continue;
    std::vector<double> weights = copy<double>(head.Get("classWeights"), "classWeights");
    require(heads.Length() == 1 && (last.kind == LossKind::softmax || last.kind == LossKind::bce) &&
                static_cast<Index>(weights.size()) == std::max(last.outputs, Index{2}),
            "classWeights must hold one value for each class of the only head");
    for (const double w : weights)
      require(w >= 0 && w <= std::numeric_limits<T>::max(), "class weights must be finite and not negative");
    spec.heads.back().class_weights = std::move(weights);
  }
  require(!spec.heads.empty(), "a model needs a head");
  return std::make_shared<Model<T>>(std::move(spec));
}

template <class T>
Napi::Value create_model(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Object spec = object(info[0], "spec");
    const std::shared_ptr<Model<T>> model = build_model<T>(spec);
    if (!spec.Get("device").IsUndefined()) attach(*model, Plugin::load(spec.Get("device").ToString().Utf8Value()));
    return wrap(info.Env(), model);
  });
}

}  // namespace

template <class T>
void add_model_operations(const Operations& operations) {
  operations.add("createModel", create_model<T>);
}

INNERLOOP_OPERATIONS(add_model_operations)

}  // namespace innerloop
