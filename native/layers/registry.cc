// Every kind of layer by its name, as bodies give it: a new one is an entry here.
#include <iterator>
#include <string_view>

#include "../runtime/errors.h"
#include "activation.h"
#include "combine.h"
#include "dropout.h"
#include "factorization.h"
#include "gru.h"
#include "inputs.h"
#include "layer.h"
#include "linear.h"

namespace innerloop {

namespace {

template <class T>
struct Kind {
  std::string_view name;
  std::unique_ptr<Layer<T>> (*make)(const ModelSpec&, const LayerSpec&);
};
// The number of a kind is its position here. native/cuda/device/program.h repeats the numbers, so that a new kind goes
// to the end.
template <class T>
constexpr Kind<T> kKinds[] = {
    {"inputs", Inputs<T>::make}, {"linear", Linear<T>::make},   {"activation", ActivationLayer<T>::make},
    {"dot", Dot<T>::make},       {"product", Product<T>::make}, {"sum", Sum<T>::make},
    {"concat", Concat<T>::make}, {"terms", Terms<T>::make},     {"pairs", Pairs<T>::make},
    {"gru", Gru<T>::make},       {"dropout", Dropout<T>::make},
};

}  // namespace

const std::vector<Enumerator>& layer_kinds() {
  static const std::vector<Enumerator> kinds = [] {
    std::vector<Enumerator> all;
    for (const Kind<float>& kind : kKinds<float>) all.push_back({std::string(kind.name), static_cast<int>(all.size())});
    return all;
  }();
  return kinds;
}

template <class T>
std::unique_ptr<Layer<T>> make_layer(const ModelSpec& model, const LayerSpec& spec) {
  if (spec.kind < 0 || static_cast<std::size_t>(spec.kind) >= std::size(kKinds<T>))
    throw Error("INVALID_OPTION", "no such layer");
  std::unique_ptr<Layer<T>> layer = kKinds<T>[spec.kind].make(model, spec);
  layer->in = spec.in;
  layer->out = spec.out;
  for (const int t : spec.tensors)
    if (t >= 0) layer->tensors.push_back(t);
  return layer;
}

template std::unique_ptr<Layer<float>> make_layer(const ModelSpec&, const LayerSpec&);
template std::unique_ptr<Layer<double>> make_layer(const ModelSpec&, const LayerSpec&);

}  // namespace innerloop
