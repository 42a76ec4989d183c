#include "model.h"

#include <algorithm>

#include "../layers/layer.h"
#include "../runtime/errors.h"

namespace innerloop {
namespace {

constexpr Index kMaxElements = Index{1} << 31;

Index product(const std::vector<Index>& shape) {
  Index size = 1;
  for (const Index n : shape) {
    require(n > 0 && n < kMaxElements && size < kMaxElements / n, "a tensor must have between 1 and 2^31 elements");
    size *= n;
  }
  return size;
}

bool within(int i, std::size_t n) { return i >= 0 && i < static_cast<int>(n); }

// Every slot is written by one layer before it is read, and read by at most one.
void check_slots(const ModelSpec& spec) {
  std::vector<int> written(spec.slots.size(), 0), read(spec.slots.size(), 0);
  for (const Index width : spec.slots) require(width > 0 && width < kMaxElements, "a slot must have a width");
  for (const LayerSpec& layer : spec.layers) {
    for (const int s : layer.in)
      require(within(s, spec.slots.size()) && written[s] == 1 && ++read[s] == 1,
              "a slot is read before it is written, or twice");
    require(within(layer.out, spec.slots.size()) && ++written[layer.out] == 1, "a slot is written twice");
    for (const int t : layer.tensors) require(t == -1 || within(t, spec.tensors.size()), "no such tensor");
  }
  require(within(spec.output, spec.slots.size()) && written[spec.output] == 1 && read[spec.output] == 0 &&
              spec.slots[spec.output] == spec.outputs(),
          "the outputs are not what the last layer writes");
}

}  // namespace

template <class T>
Model<T>::Model(ModelSpec s) : spec(std::move(s)) {
  for (const TensorSpec& t : spec.tensors) {
    require(!t.transposed || t.shape.size() == 2, "only a matrix can be transposed");
    if (t.input >= 0) {
      require(within(t.input, spec.inputs.size()) && spec.inputs[t.input].kind != InputKind::dense &&
                  t.shape.size() == 2 && t.shape[0] == spec.inputs[t.input].cardinality && !t.transposed,
              "a table must have a row for each id of its input");
    }
    TensorInfo& made = tensors.emplace_back(TensorInfo{t});
    made.size = product(t.shape);
    made.width = t.input >= 0 ? t.shape[1] : 0;
  }
  check_slots(spec);
  slot_width = spec.slots;
  slot_learns.assign(slot_width.size(), 0);
  output_slot = spec.output;
  for (const LayerSpec& layer : spec.layers) {
    layers.push_back(make_layer<T>(spec, layer));
    Layer<T>& made = *layers.back();
    scratch_size = std::max(scratch_size, made.scratch);
    slot_learns[made.out] = !made.tensors.empty() || std::any_of(made.in.begin(), made.in.end(),
                                                                 [&](int slot) { return slot_learns[slot] != 0; });
    if (made.work > 0) {
      made.work_slot = static_cast<int>(slot_width.size());
      slot_width.push_back(made.work);
      slot_learns.push_back(slot_learns[made.out]);
    }
    if (made.out == output_slot) last_layer = made.affine_map();
  }
  require(slot_learns[output_slot] != 0, "a model needs parameters");

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
