// A model: named tensors in one flat arena, and a program of layers over activation slots.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "kernels.h"
#include "losses.h"

namespace innerloop {

template <class T>
struct Layer;

enum class InputKind : int { dense = 0, categorical = 1, bag = 2 };
enum class Pooling : int { mean = 0, sum = 1 };

struct InputSpec {
  std::string name;
  InputKind kind;
  Index width;        // dense: values per row; else embedding width
  Index cardinality;  // categorical, bag
  Pooling pooling;
};

struct ModelSpec {
  std::vector<InputSpec> inputs;
  std::vector<Index> hidden;
  Activation activation;
  bool linear;  // no activation between the layers: a factorised linear model
  LossKind loss;
  Index outputs;
  bool prior;  // a learned Gaussian prior over the last layer: the tensor prior.logPrecision
};

struct TensorInfo {
  std::string name;
  std::vector<Index> shape;  // as JavaScript sees it
  Index size;
  Index offset;     // in the parameter arena
  int input;        // embedding of this input, or −1
  bool transposed;  // a linear weight: [out, in] outside, [in, out] in the arena, so that forward needs no transpose
};

template <class T>
struct Model {
  explicit Model(ModelSpec spec);
  ~Model();

  ModelSpec spec;
  std::vector<TensorInfo> tensors;
  Index dense_size = 0;  // dense tensors fill [0, dense_size) of the arena, embedding tables the rest
  Index arena_size = 0;

  std::vector<std::unique_ptr<Layer<T>>> layers;
  std::vector<Index> slot_width;  // slot s is [rows, slot_width[s]]
  Index scratch_size = 0;         // elements a layer may use as scratch
  int output_slot = 0;
  int head_weight = -1, head_bias = -1;  // tensors of the last linear layer
  int log_precision = -1;                // tensor [features + 1], the bias last; −1 without a prior
  std::vector<int> embedding_of_input;  // tensor index, −1 for dense inputs

  // Row width of a tensor of input kind; only for embeddings.
  Index dim(int tensor) const { return spec.inputs[tensors[tensor].input].width; }
};

extern template struct Model<float>;
extern template struct Model<double>;

}  // namespace innerloop
