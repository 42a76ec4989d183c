// The contract of a layer: four functions, and nothing else is needed for exact second order (Pearlmutter 1994).
//
// Notation in every layer: x a value, dx the gradient of the loss with respect to it, tx its directional derivative
// along a direction in parameter space, tdx the directional derivative of dx. A Hessian-vector product is one
// tangent_forward and one tangent_backward over what forward and backward left.
//
// A slot is read by at most one layer, so dx[in] is set, not added to; grad and hv are added to.
#pragma once
#include <vector>

#include "../batch/batch.h"
#include "../kernels/kernels.h"

namespace innerloop {

// Columns of a slot of concatenated inputs: those that differ from row to row of a task, and those that do not, such as
// what is known of the user whose task it is. The latter are held in the first row alone: work on them is done once for
// all rows, and row 0 of their adjoint is the sum over the rows.
struct Segments {
  struct Range {
    Index begin, end;
    Index width() const { return end - begin; }
  };
  static constexpr std::size_t kMost = 8;  // varying ranges
  std::vector<Range> varying, same;
  std::vector<std::uint8_t> is_same;  // by input of the layer that writes the slot
};

// A layer that is an affine map of one slot, z = x W + b with W [I, O] in the arena, as plans see it.
struct AffineMap {
  int slot_in, slot_out;
  int weight, bias;  // tensors
  Index I, O;
  Segments whole;  // all columns varying
  // A weight of a single column has the same elements in the same order as its transpose, and its products are dot
  // products.
  bool is_column() const { return O == 1; }
};

// The columns of one input in a slot of concatenated inputs.
struct InputColumns {
  std::size_t input;
  Index begin, width;
};

// One pass of one task over n rows. Slots are [n, width]; parameters are by tensor index, tables as gathered rows.
template <class T>
struct Pass {
  const Kernels<T>* kernels;
  RowsView<T> rows;
  Index n;
  const T* const* theta;            // parameters
  const T* const* transposed;       // by tensor: a matrix of theta transposed; null entry = not at hand
  const T* const* direction;        // null entry = zero
  T* const* grad;                   // += gradient; null entry = not wanted
  const T* const* from;             // by tensor, of linear weights: grad = from + gradient; null entry = grad itself
  T* const* hv;                     // += Hessian-vector product; null entry = not wanted
  T* const* x;                      // by slot
  T* const* dx;                     // by slot; null entry = not wanted
  T* const* tx;                     // by slot; null entry = zero
  T* const* tdx;                    // by slot; null entry = not wanted
  T* scratch;                       // Model::scratch_size elements
  const Segments* const* segments;  // by slot; null entry = all columns differ
  std::uint64_t dropout;            // key of the masks; 0 = none
  Index first_row;                  // number of the first row in the whole batch, for the masks
};

template <class T>
struct Layer {
  virtual ~Layer() = default;
  virtual void forward(const Pass<T>&) const = 0;  // x[out] from x[in]
  // Gives where x[out] of n rows lies in memory already, or null where it has to be computed.
  virtual const T* in_place(const RowsView<T>&, Index) const { return nullptr; }
  virtual void backward(const Pass<T>&) const = 0;          // dx[in], grad from dx[out]
  virtual void tangent_forward(const Pass<T>&) const = 0;   // tx[out] from tx[in], direction
  virtual void tangent_backward(const Pass<T>&) const = 0;  // tdx[in], hv from tdx[out], dx[out], tx[in], direction
  // Whether hv may lie where the direction does: tangent_backward reads no direction after it has added to it.
  virtual bool may_alias() const { return false; }
  // Gives the map, where the layer is one, else null.
  virtual const AffineMap* affine_map() const { return nullptr; }
  // Gives the inputs that the slot holds side by side, in order, or none where it holds something else.
  virtual std::vector<InputColumns> input_columns() const { return {}; }

  std::vector<int> in;       // slots read; none: the rows themselves
  int out = 0;               // slot written
  std::vector<int> tensors;  // parameters read
  Index scratch = 0;         // elements of Pass::scratch it needs
  Index work = 0;            // elements a row it keeps between its functions, in a slot of its own:
  int work_slot = -1;        // with values, adjoints and tangents as any other
};

// The kinds of layers by name, each with its number (registry.cc).
const std::vector<Enumerator>& layer_kinds();

// Makes a layer after checking that its slots, tensors and options fit each other.
template <class T>
std::unique_ptr<Layer<T>> make_layer(const ModelSpec& model, const LayerSpec& spec);

}  // namespace innerloop
