// Every layer by its number, which lib/layers.ts repeats: adding one is a line here.
#include "../runtime/errors.h"
#include "activation.h"
#include "combine.h"
#include "dropout.h"
#include "factorization.h"
#include "gru.h"
#include "inputs.h"
#include "linear.h"

namespace innerloop {

template <class T>
std::unique_ptr<Layer<T>> make_layer(const ModelSpec& model, const LayerSpec& spec) {
  using Make = std::unique_ptr<Layer<T>> (*)(const ModelSpec&, const LayerSpec&);
  static constexpr Make kinds[] = {
      Inputs<T>::make, Linear<T>::make, ActivationLayer<T>::make, Dot<T>::make, Product<T>::make, Sum<T>::make,
      Concat<T>::make, Terms<T>::make,  Pairs<T>::make,           Gru<T>::make, Dropout<T>::make,
  };
  require(spec.kind >= 0 && spec.kind < static_cast<int>(std::size(kinds)), "no such layer");
  std::unique_ptr<Layer<T>> layer = kinds[spec.kind](model, spec);
  layer->in = spec.in;
  layer->out = spec.out;
  for (const int t : spec.tensors)
    if (t >= 0) layer->tensors.push_back(t);
  return layer;
}

template std::unique_ptr<Layer<float>> make_layer(const ModelSpec&, const LayerSpec&);
template std::unique_ptr<Layer<double>> make_layer(const ModelSpec&, const LayerSpec&);

}  // namespace innerloop
