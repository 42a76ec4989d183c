// An operation graph is what a metric or amortised learner computes on the support and query rows of one task instead
// of gradient steps, or before them. Its nodes are matrices, each made of earlier ones by one operation; the reverse
// runs them backwards.
//
// Graphs are written by lib/meta/graphs/graph.ts. Here every shape is checked once, so that a run may trust what it
// reads.
#pragma once
#include <memory>
#include <vector>

#include "../model/model.h"

namespace innerloop {

template <class T>
struct Layer;

INNERLOOP_ENUM(Op,
               slot,    // a slot of the model on a part's rows [part, width].  Options: Part,
                        // ModelSlot
               labels,  // [part, 1].  Options: Part
               one_hot,  // of labels [n, 1] → [n, classes].  Options: classes, then classes − 1 ascending boundaries,
                         // or none: labels are classes
               parameter,  // a tensor: [rows, columns], or [1, n] of a vector
               constant,   // Options: value, rows, columns
               count,      // rows of a part [1, 1].  Options: Part
               noise,      // standard normal numbers [1, n].  Options: n
               linear,     // x Wᵀ + b.  Tensors: W [out, in], b or −1
               unary,      // elementwise.  Options: Unary, ε of the logarithm
               affine,     // s x + t.  Options: s, t
               add,        // a + b, a − b, a ∘ b; b's rows or columns may be 1
               subtract, multiply,
               product,      // Options: ProductKind
               softmax,      // of every row
               distance,     // −‖a_i − b_j‖²
               cosine,       // a_i · b_j / (‖a_i‖ ‖b_j‖); 0 with a zero vector
               sum_rows,     // [1, n]
               sum_columns,  // [m, 1]
               concat,       // columns side by side; all but the first may have one row
               columns,      // Options: first, count
               flatten       // [1, m n], row by row
)

// Elementwise functions: the activations by their numbers, then others.
INNERLOOP_ENUM(Unary, relu, tanh, sigmoid, softplus, exp, log, reciprocal)
static_assert(static_cast<int>(Unary::relu) == static_cast<int>(Activation::relu) &&
              static_cast<int>(Unary::softplus) == static_cast<int>(Activation::softplus));
// Which factor of a product is transposed: A B, A Bᵀ, Aᵀ B.
INNERLOOP_ENUM(ProductKind, nn, nt, tn)
// Slots of a model that a node may read: its outputs, what its last layer reads, and its inputs side by side.
INNERLOOP_ENUM(ModelSlot, outputs = -1, features = -2, inputs = -3)
// The parts of a task, and as rows or columns of a node as many as the task has rows of that part.
INNERLOOP_ENUM(Part, support = -1, query = -2)
constexpr Index kSupport = static_cast<Index>(Part::support), kQuery = static_cast<Index>(Part::query);

struct NodeSpec {
  Op op;
  std::vector<int> in;       // earlier nodes
  std::vector<int> tensors;  // parameters read
  std::vector<double> options;
};

struct Node : NodeSpec {
  Index rows = 0, columns = 0;
  int slot = -1;
  bool on_query = false;  // whether it depends on the query rows
  bool learns = false;    // whether any parameter lies below it
  bool by_task = false;   // whether it differs from task to task
  bool by_row = false;    // whether it differs, and each of its rows is made of one row of each of its inputs
};

// Several tasks run through a graph at once, so that its products are larger: as many as have so many rows together,
// one at least.
constexpr Index kGraphRows = 128;

struct GraphSpec {
  std::vector<NodeSpec> nodes;
  int output = -1;    // [query, outputs], −1 where the graph makes starts only
  Index classes = 0;  // classes of a softmax loss on the outputs; 0: the loss of the model
  struct Term {
    int node;
    double weight;
  };
  std::vector<Term> auxiliary;  // [1, 1] nodes added to a task's loss
  struct Start {
    int tensor, node;
  };
  std::vector<Start>
      starts;       // θ_0 of a fast tensor = shared value + [1, size]; of a table, every row of the task + [1, dim]
  double cold = 0;  // with starts: the meta-loss is (1 − cold) L_Q(θ_K) + cold L_Q(θ_0)
};

template <class T>
struct Graph {
  Graph(std::shared_ptr<const Model<T>> model, GraphSpec spec);

  std::shared_ptr<const Model<T>> model;
  GraphSpec spec;
  std::vector<Node> nodes;
  std::vector<int> kept;  // nodes below the query rows that nodes on them read: what a personal model is made of

  // The layers of the model that run, and on which parts.
  std::vector<const Layer<T>*> layers;
  std::vector<int> layer_slots;
  std::vector<std::uint8_t> wanted, consumed;  // by slot: read by a node; read by a layer that runs
  bool reads_support = false, reads_query = false;
  bool reads_query_labels = false;
};

extern template struct Graph<float>;
extern template struct Graph<double>;

}  // namespace innerloop
