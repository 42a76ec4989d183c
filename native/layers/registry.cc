// Every kind of layer: adding one is a name in LayerKind (model/model.h) and a case here.
#include "layer.h"

#include "../runtime/errors.h"
#include "activation.h"
#include "combine.h"
#include "dropout.h"
#include "factorization.h"
#include "gru.h"
#include "inputs.h"
#include "linear.h"

namespace innerloop {

namespace {

template <class T>
std::unique_ptr<Layer<T>> make_kind(const ModelSpec& model, const LayerSpec& spec) {
  switch (spec.kind) {
    case LayerKind::inputs:
      return Inputs<T>::make(model, spec);
    case LayerKind::linear:
      return Linear<T>::make(model, spec);
    case LayerKind::activation:
      return ActivationLayer<T>::make(model, spec);
    case LayerKind::dot:
      return Dot<T>::make(model, spec);
    case LayerKind::product:
      return Product<T>::make(model, spec);
    case LayerKind::sum:
      return Sum<T>::make(model, spec);
    case LayerKind::concat:
      return Concat<T>::make(model, spec);
    case LayerKind::terms:
      return Terms<T>::make(model, spec);
    case LayerKind::pairs:
      return Pairs<T>::make(model, spec);
    case LayerKind::gru:
      return Gru<T>::make(model, spec);
    case LayerKind::dropout:
      return Dropout<T>::make(model, spec);
  }
  throw Error("INVALID_OPTION", "no such layer");
}

}  // namespace

template <class T>
std::unique_ptr<Layer<T>> make_layer(const ModelSpec& model, const LayerSpec& spec) {
  std::unique_ptr<Layer<T>> layer = make_kind<T>(model, spec);
  layer->in = spec.in;
  layer->out = spec.out;
  for (const int t : spec.tensors)
    if (t >= 0) layer->tensors.push_back(t);
  return layer;
}

template std::unique_ptr<Layer<float>> make_layer(const ModelSpec&, const LayerSpec&);
template std::unique_ptr<Layer<double>> make_layer(const ModelSpec&, const LayerSpec&);

}  // namespace innerloop
