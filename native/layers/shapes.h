// Checks that layers make of their specification.
#pragma once
#include "../model/model.h"
#include "../runtime/errors.h"

namespace innerloop {

inline void require_arity(const LayerSpec& layer, std::size_t slots, std::size_t tensors) {
  require(layer.in.size() == slots && layer.tensors.size() == tensors,
          "a layer has the wrong number of slots or tensors");
}

inline bool has_tensor(const LayerSpec& layer, std::size_t i) { return layer.tensors[i] >= 0; }

// Gives the tensor at a position of the layer's list, which must have this shape and not be a table.
inline int dense_tensor(const ModelSpec& model, const LayerSpec& layer, std::size_t i, const std::vector<Index>& shape,
                        bool transposed = false) {
  require(has_tensor(layer, i), "a layer lacks a tensor");
  const TensorSpec& tensor = model.tensors[layer.tensors[i]];
  require(tensor.input < 0 && tensor.shape == shape && tensor.transposed == transposed,
          "a tensor does not fit its layer");
  return layer.tensors[i];
}

// Checks the same of a table of an input, and gives its width.
inline Index table_width(const ModelSpec& model, const LayerSpec& layer, std::size_t i, int input) {
  require(has_tensor(layer, i), "a layer lacks a tensor");
  const TensorSpec& tensor = model.tensors[layer.tensors[i]];
  require(tensor.input == input, "a table belongs to another input");
  return tensor.shape[1];
}

inline Index width_in(const ModelSpec& model, const LayerSpec& layer, std::size_t i) {
  return model.slots[layer.in[i]];
}
inline Index width_out(const ModelSpec& model, const LayerSpec& layer) { return model.slots[layer.out]; }

// Gives an option that must be a whole number in a range.
inline Index whole_option(const LayerSpec& layer, std::size_t i, Index least, Index most) {
  require(i < layer.options.size(), "a layer lacks an option");
  const double value = layer.options[i];
  require(value >= static_cast<double>(least) && value <= static_cast<double>(most) &&
              value == static_cast<double>(static_cast<Index>(value)),
          "an option of a layer is out of range");
  return static_cast<Index>(value);
}

}  // namespace innerloop
