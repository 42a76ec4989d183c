// A model is named tensors in one flat arena, and layers over activation slots in the order in which they run. The
// caller decides what they compute (lib/model/bodies/); here every shape is checked once, so that a layer may trust
// what it reads.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "../runtime/aligned.h"
#include "losses.h"

namespace innerloop {

struct DeviceModel;
template <class T>
struct Layer;
struct AffineMap;

// A sequence is a bag whose order matters, oldest id first.
INNERLOOP_ENUM(InputKind, dense, categorical, bag, sequence)
INNERLOOP_ENUM(Pooling, mean, sum)

struct InputSpec {
  InputKind kind;
  Index size;         // dense: values per row
  Index cardinality;  // of ids
  Pooling pooling;
};

struct TensorSpec {
  std::string name;
  std::vector<Index> shape;  // the shape that JavaScript sees
  int input;                 // a table of rows by the ids of this input: [cardinality, width]; −1 if not
  bool transposed;  // a linear weight: [out, in] outside, [in, out] in the arena, so that forward needs no transpose
};

struct LayerSpec {
  int kind;                     // number among layer_kinds() (layers/registry.cc)
  std::vector<int> in;          // slots read; none: the rows themselves
  int out;                      // slot written
  std::vector<int> tensors;     // parameters read, −1 where an optional one is missing
  std::vector<double> options;  // what they mean depends on the kind
};

struct ModelSpec {
  std::vector<InputSpec> inputs;
  std::vector<TensorSpec> tensors;
  std::vector<LayerSpec> layers;  // in the order they run
  std::vector<Index> slots;       // slot s is [rows, slots[s]]; written by one layer and read by at most one
  int output;                     // slot of the outputs
  std::vector<HeadSpec> heads;    // of the outputs, side by side
  Index outputs() const {
    Index n = 0;
    for (const HeadSpec& head : heads) n += head.outputs;
    return n;
  }
};

struct TensorInfo : TensorSpec {
  Index size = 0;
  Index width = 0;   // of a table's rows
  Index offset = 0;  // in the parameter arena
};

template <class T>
struct Model {
  explicit Model(ModelSpec spec);
  ~Model();

  ModelSpec spec;
  std::vector<TensorInfo> tensors;
  Index dense_size = 0;  // dense tensors fill [0, dense_size) of the arena, tables the rest
  Index arena_size = 0;

  std::vector<std::unique_ptr<Layer<T>>> layers;
  std::vector<Index> slot_width;
  std::vector<std::uint8_t> slot_learns;  // by slot: whether any parameter lies below it, so that its adjoint is of use
  Index scratch_size = 0;                 // elements a layer may use as scratch
  int output_slot = 0;
  const AffineMap* last_layer = nullptr;  // the layer that writes the outputs, if it is an affine map
  std::shared_ptr<DeviceModel> device;    // the model on a device, where calls run there (device/mirror.h)

  Index dim(int tensor) const { return tensors[tensor].width; }
};

extern template struct Model<float>;
extern template struct Model<double>;

}  // namespace innerloop
