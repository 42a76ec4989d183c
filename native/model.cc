#include "model.h"

#include <algorithm>

#include "errors.h"
#include "layers/activation.h"
#include "layers/inputs.h"
#include "layers/linear.h"

namespace innerloop {
namespace {

// Offsets are multiples of a cache line of floats, so tensors never share one.
constexpr Index aligned(Index n) { return (n + 15) / 16 * 16; }

constexpr Index kMaxElements = Index{1} << 31;

Index product(const std::vector<Index>& shape) {
  Index size = 1;
  for (const Index n : shape) {
    require(n > 0 && n < kMaxElements && size < kMaxElements / n, "a tensor must have between 1 and 2^31 elements");
    size *= n;
  }
  return size;
}

}  // namespace

template <class T>
Model<T>::Model(ModelSpec s) : spec(std::move(s)) {
  const auto add = [&](std::string name, std::vector<Index> shape, int input, bool transposed) {
    tensors.push_back({std::move(name), shape, product(shape), 0, input, transposed});
    return static_cast<int>(tensors.size()) - 1;
  };

  Index width = 0;
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    const InputSpec& input = spec.inputs[i];
    width += input.width;
    embedding_of_input.push_back(
        input.kind == InputKind::dense
            ? -1
            : add("embedding." + input.name + ".weight", {input.cardinality, input.width}, static_cast<int>(i), false));
  }
  layers.push_back(std::make_unique<Inputs<T>>(0, spec.inputs, embedding_of_input));
  slot_width.push_back(width);

  for (std::size_t i = 0; i <= spec.hidden.size(); ++i) {
    const bool last = i == spec.hidden.size();
    const Index out = last ? spec.outputs : spec.hidden[i];
    const std::string name = "mlp." + std::to_string(i);
    const int weight = add(name + ".weight", {out, width}, -1, true);
    const int bias = add(name + ".bias", {out}, -1, false);
    const int from = static_cast<int>(slot_width.size()) - 1;
    layers.push_back(std::make_unique<Linear<T>>(from, from + 1, weight, bias, width, out));
    slot_width.push_back(out);
    scratch_size = std::max(scratch_size, width * out);
    if (!last && !spec.linear) {
      layers.push_back(std::make_unique<ActivationLayer<T>>(from + 1, from + 2, spec.activation, out));
      slot_width.push_back(out);
    }
    if (last) {
      head_weight = weight, head_bias = bias;
      if (spec.prior) log_precision = add("prior.logPrecision", {width + 1}, -1, false);
    }
    width = out;
  }
  output_slot = static_cast<int>(slot_width.size()) - 1;

  for (TensorInfo& t : tensors) {
    if (t.input >= 0) continue;
    t.offset = dense_size;
    dense_size += aligned(t.size);
  }
  arena_size = dense_size;
  for (TensorInfo& t : tensors) {
    if (t.input < 0) continue;
    t.offset = arena_size;
    arena_size += aligned(t.size);
  }
  require(arena_size < kMaxElements, "a model must have fewer than 2^31 parameters");
}

template <class T>
Model<T>::~Model() = default;

template struct Model<float>;
template struct Model<double>;

}  // namespace innerloop
