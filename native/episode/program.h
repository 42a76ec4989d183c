// An episode program: what a metric or amortised learner computes on the support and query rows of one task instead of
// gradient steps. A list of nodes, each a matrix that one operation makes of earlier ones; the reverse runs the list
// backwards.
//
// Programs are written by lib/episode/program.ts. Here every shape is checked once, so that a run may trust what it
// reads.
#pragma once
#include <memory>
#include <vector>

#include "../model/model.h"

namespace innerloop {

template <class T>
struct Layer;

// Rows or columns of a node: a number, or as many as the task has rows.
constexpr Index kSupport = -1, kQuery = -2;

enum class Op : int {
  slot,  // a slot of the model on a part's rows [part, width].  Options: part, slot (−1 outputs, −2 input of the last
         // layer, −3 inputs)
  labels,     // [part, 1].  Options: part
  one_hot,    // of labels [n, 1] → [n, classes].  Options: classes, then classes − 1 ascending boundaries, or none:
              // labels are classes
  parameter,  // a tensor: [rows, columns], or [1, n] of a vector
  constant,   // Options: value, rows, columns
  count,      // rows of a part [1, 1].  Options: part
  noise,      // standard normal numbers [1, n].  Options: n
  linear,     // x Wᵀ + b.  Tensors: W [out, in], b or −1
  unary,      // elementwise.  Options: function, ε of the logarithm
  affine,     // s x + t.  Options: s, t
  add,        // a + b, a − b, a ∘ b; b's rows or columns may be 1
  subtract,
  multiply,
  product,      // Options: 0 A B, 1 A Bᵀ, 2 Aᵀ B
  softmax,      // of every row
  distance,     // −‖a_i − b_j‖²
  cosine,       // a_i · b_j / (‖a_i‖ ‖b_j‖); 0 with a zero vector
  sum_rows,     // [1, n]
  sum_columns,  // [m, 1]
  concat,       // columns side by side; all but the first may have one row
  columns,      // Options: first, count
  flatten,      // [1, m n], row by row
};
constexpr int kOps = static_cast<int>(Op::flatten) + 1;

// The activations by their numbers, then:
enum class Unary : int { exp = 4, log = 5, reciprocal = 6 };

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
};

struct EpisodeSpec {
  std::vector<NodeSpec> nodes;
  int output = -1;    // [query, outputs], −1 where the program makes starts only
  Index classes = 0;  // of a softmax loss on the outputs; 0: the model's own loss
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
struct Episode {
  Episode(std::shared_ptr<const Model<T>> model, EpisodeSpec spec);

  std::shared_ptr<const Model<T>> model;
  EpisodeSpec spec;
  std::vector<Node> nodes;
  std::vector<int> kept;  // nodes below the query rows that nodes on them read: what a personal model is made of

  // What of the model runs, on which parts.
  std::vector<const Layer<T>*> layers;
  std::vector<int> layer_slots;
  std::vector<std::uint8_t> wanted, consumed;  // by slot: read by a node; read by a layer that runs
  bool reads_support = false, reads_query = false;
  bool reads_query_labels = false;
};

extern template struct Episode<float>;
extern template struct Episode<double>;

}  // namespace innerloop
