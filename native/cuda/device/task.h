// One task in the memory of its block: its arrays, its starting parameters, and the passes over its rows.
#pragma once
#include "layers.h"

namespace innerloop::device {

enum class Mode : int { gradient, predict, adapt };

// Parameters that a task starts from in place of the shared ones, by tensor; null for tensors that start as shared.
template <class T>
struct Start {
  const T* const* values;           // dense [size], table [counts, width]
  const std::int32_t* const* rows;  // of a table: the rows that it has values for, ascending
  const Index* counts;              // of a table: how many
  const double* factor;             // ridge: [d, d], or null
};

// Starting parameters of the tasks of a call: none, one for all tasks, or one for each.
template <class T>
struct Starts {
  const Start<T>* all;
  Index count;
  IL_DEVICE Start<T> of(Index task) const { return count == 0 ? Start<T>{} : all[count == 1 ? 0 : task]; }
};

// The arguments of a gradient call, prediction or adaptation by gradient steps.
template <class T>
struct TaskCall {
  Program<T> program;
  Mode mode;
  int steps, order, reptile;
  RateKind rate_kind;
  UpdateKind update;
  // Whether steps are θ − α g with a single rate α: then −α is a factor of the support loss, and a step adds the
  // gradient.
  int folded;
  int keep;            // whether values and parameters of all steps are kept for the backward pass
  int keep_gradients;  // whether the gradients of all steps are kept
  T rate, shrinkage;
  T proximal;   // λ of λ/2 ‖θ − θ_0‖² beside the support loss
  T clip_norm;  // the longest gradient of a step; 0: no limit
  T beta1, beta2, epsilon;
  const double* loss_weights;  // [steps]: of L_Q(θ_1) … L_Q(θ_K) in the meta-loss; null: the last alone
  int implicit;                // whether the minimum is differentiated in place of the steps (implicit.h)
  int cg_steps;
  double cg_tolerance;
  T cg_damping;
  const T* step_rates;  // [tensors, steps]
  const T* rates;       // a rate for each parameter, in the arena's layout
  Starts<T> starts;
  Index gram_width;  // H of the Gram layer; 0 if there is none
  int gram_learns;   // whether its input depends on a parameter
  const T* gram_z;   // [rows, H]: X W_0 + b_0 of all rows
  T* gram_adjoint;   // [rows, H]: P of query rows and U of support rows
  double* task_losses;
  T* acc;                 // [blocks, acc_size]
  T* const* blocks;       // gradients of suffix tables, by tensor
  T* rate_acc;            // gradients of rates per parameter: [blocks, acc_size]
  T* const* rate_blocks;  // and those of tables, by tensor
  T* step_rate_acc;       // gradients of rates per tensor and step: [blocks, tensors, steps]
  T* outputs;             // of predictions: [query rows of all tasks, outputs]
  const Index* query_at;  // by task: its first query row among the query rows of all tasks
  T* const* adapted;      // of adaptations: the adapted parameters of all tasks, by tensor
  char* slab;             // [blocks, slab_bytes]
  std::size_t slab_bytes;
};

struct TaskSize {
  Index S, Q, fast;  // support rows, query rows, and elements of the flat vectors of fast parameters
};

// Columns that are staged in scratch at a time for products of rows with rows.
constexpr int kStage = 32;

template <class T>
struct TaskMemory {
  IL_BOTH TaskMemory(Space& space, const TaskCall<T>& call, const TaskSize& size) {
    const Program<T>& program = call.program;
    const Index S = size.S, Q = size.Q, fast = size.fast;
    const Index K = call.steps, W = program.suffix_width, H = call.gram_width, most = S > Q ? S : Q;
    const bool back = call.mode == Mode::gradient && !call.reptile,
               exact = back && call.order == 2 && K > 0 && !call.implicit, curved = exact || (back && call.implicit);
    const Index staged = (S + Q) * (kStage + 1), fixed = program.scratch_fixed;
    table_at = space.take<Index>(program.tensor_count);
    numbers = space.take<double>(2);
    number = space.take<double>(1);
    terms = space.take<double>(most);
    scratch = space.take<T>(fixed > staged ? fixed : staged);
    if (H > 0 && K > 0) {
      R = space.take<T>((call.keep ? K : 1) * S * H);  // R_1 … R_K; R_0 is 0
      cross = space.take<T>(Q * S);
      gram = K > 1 ? space.take<T>(S * S) : nullptr;
      cross_p = exact ? space.take<T>(S * H) : nullptr;
      U = exact ? space.take<T>(S * H) : nullptr;
      mix = exact && call.gram_learns ? space.take<T>(S * S) : nullptr;
      paired = back && call.gram_learns ? space.take<T>(Q * S) : nullptr;
    }
    x = space.take<T>((call.keep ? K : 1) * S * W);
    dx = space.take<T>((call.keep ? K : 1) * S * W);
    query_x = space.take<T>(Q * W);
    query_dx = back ? space.take<T>(Q * W) : nullptr;
    tx = curved ? space.take<T>(S * W) : nullptr;
    tdx = curved ? space.take<T>(S * W) : nullptr;
    v = call.mode == Mode::gradient ? space.take<T>(fast) : nullptr;
    theta = space.take<T>((call.keep ? K + 1 : 1) * fast);
    gradient = call.folded ? nullptr : space.take<T>((call.keep_gradients ? K : 1) * fast);
    d = exact && !call.folded ? space.take<T>(fast) : nullptr;
    if (K == 0) return;
    start = call.proximal != 0 ? space.take<T>(fast) : nullptr;
    d_start = exact && call.proximal != 0 ? space.take<T>(fast) : nullptr;
    const bool solves = curved && !exact;
    parts = call.clip_norm > 0 || solves ? space.take<double>(kParts) : nullptr;
    shares = call.clip_norm > 0 ? space.take<T>(K) : nullptr;
    residual = solves ? space.take<T>(fast) : nullptr;
    conjugate = solves ? space.take<T>(fast) : nullptr;
    product = solves ? space.take<T>(fast) : nullptr;
    solution = solves ? space.take<T>(fast) : nullptr;
    const Index moments = (call.keep_gradients ? K : 1) * fast;
    const bool adam = call.update == UpdateKind::adam, has_moments = call.update != UpdateKind::sgd;
    first = has_moments ? space.take<T>(moments) : nullptr;
    second = adam ? space.take<T>(moments) : nullptr;
    d_first = exact && has_moments ? space.take<T>(fast) : nullptr;
    d_second = exact && adam ? space.take<T>(fast) : nullptr;
  }

  Index* table_at;
  double* numbers;  // Labelled::count of the support rows and of the query rows
  double* number;   // a sum that all lanes read
  double* terms;
  T *scratch, *R = nullptr, *cross = nullptr, *gram = nullptr, *cross_p = nullptr, *U = nullptr, *mix = nullptr,
              *paired = nullptr;
  T *x, *dx, *query_x, *query_dx, *tx, *tdx, *v, *theta, *gradient, *d;
  T *start = nullptr, *d_start = nullptr;  // of a proximal term: θ_0, and its part of the gradient with respect to it
  double* parts = nullptr;                 // [kParts]
  T* shares = nullptr;                     // [steps]: R / ‖g_k‖ where g_k was cut to the norm R, else 1
  T *first = nullptr, *second = nullptr;   // moments after each step that is kept
  T *d_first = nullptr, *d_second = nullptr;
  T *residual = nullptr, *conjugate = nullptr, *product = nullptr, *solution = nullptr;  // of conjugate gradients
};

template <class T>
struct Task {
  IL_DEVICE Task(const Block& block, const TaskCall<T>& call, Index task)
      : block(block),
        call(call),
        program(call.program),
        task(task),
        first(program.rows.begin[2 * task]),
        S(program.rows.begin[2 * task + 1] - first),
        Q(program.rows.begin[2 * task + 2] - first - S),
        fast(fast_size()),
        gram(program.gram >= 0 ? &program.layers[program.gram] : nullptr),
        space{block.shared, block.shared_bytes, call.slab + block.index * call.slab_bytes},
        m(space, call, {S, Q, fast}),
        adapts(S > 0 && call.steps > 0) {
    block.once([&] {
      Index at = program.fast_dense;
      for (int t = 0; t < program.tensor_count; ++t) {
        const TensorInfo& info = program.tensors[t];
        if (!info.fast || info.input < 0) continue;
        m.table_at[t] = at;
        at += elements(info);
      }
      if (!program.rows.labels) return;
      m.numbers[0] = counted(labelled(first, S, 0));
      m.numbers[1] = counted(labelled(first + S, Q, 0));
    });
    for (int t = 0; t < program.tensor_count; ++t)
      if (program.tensors[t].fast) start_from(t);
    if (m.start) each_fast([&](int, Index at, Index, Index) { m.start[at] = m.theta[at]; });
  }

  IL_DEVICE Index block_rows(const TensorInfo& info) const {
    const Index* begin = program.rows.inputs[info.input].unique_begin;
    return begin[task + 1] - begin[task];
  }
  IL_DEVICE Index fast_size() const {
    Index size = program.fast_dense;
    for (int t = 0; t < program.tensor_count; ++t) {
      const TensorInfo& info = program.tensors[t];
      if (info.fast && info.input >= 0) size += elements(info);
    }
    return size;
  }
  IL_DEVICE Index width(int slot) const { return program.slots[slot].width; }
  IL_DEVICE Index flat(int t) const {
    return program.tensors[t].input < 0 ? program.tensors[t].fast_at : m.table_at[t];
  }

  // Calls f(i, place in the arena) for each element of a fast tensor; of a table, for the task's distinct rows only.
  template <class F>
  IL_DEVICE void each_element(int t, const F& f) const {
    const TensorInfo& info = program.tensors[t];
    if (info.input < 0) {
      block.each(info.size, [&](Index i) { f(i, info.offset + i); });
      return;
    }
    const InputRows<T>& in = program.rows.inputs[info.input];
    const std::int32_t* unique = in.unique + in.unique_begin[task];
    block.each(block_rows(info) * info.width, [&](Index i) {
      f(i, info.offset + static_cast<Index>(unique[i / info.width]) * info.width + i % info.width);
    });
  }
  // How many elements of a fast tensor the task has.
  IL_DEVICE Index elements(const TensorInfo& info) const {
    return info.input < 0 ? info.size : block_rows(info) * info.width;
  }
  template <class F>
  IL_DEVICE void each_fast(const F& f) const {
    for (int t = 0; t < program.tensor_count; ++t) {
      if (!program.tensors[t].fast) continue;
      const Index at = flat(t);
      each_element(t, [&](Index i, Index place) { f(t, at + i, place, i); });
    }
  }

  IL_DEVICE void start_from(int t) const {
    T* to = m.theta + flat(t);
    const TensorInfo& info = program.tensors[t];
    const Start<T> start = call.starts.of(task);
    const T* own = start.values ? start.values[t] : nullptr;
    const Index count = own && info.input >= 0 ? start.counts[t] : 0;
    const std::int32_t* rows = count > 0 ? start.rows[t] : nullptr;
    each_element(t, [&](Index i, Index place) {
      if (own && info.input < 0) {
        to[i] = own[i];
        return;
      }
      to[i] = program.values[place];
      if (count == 0) return;
      // Table rows that are not among the starting parameters keep their shared values.
      const std::int32_t row = static_cast<std::int32_t>((place - info.offset) / info.width);
      Index low = 0, high = count;
      while (low < high) {
        const Index middle = (low + high) / 2;
        if (rows[middle] < row)
          low = middle + 1;
        else
          high = middle;
      }
      if (low < count && rows[low] == row) to[i] = own[low * info.width + i % info.width];
    });
  }

  IL_DEVICE Labelled<T> labelled(Index from, Index n, double count) const {
    const Rows<T>& rows = program.rows;
    return {program.loss, n, program.outputs, rows.labels + from, rows.row_weights ? rows.row_weights + from : nullptr,
            count};
  }
  IL_DEVICE Labelled<T> support_labels() const { return labelled(first, S, m.numbers[0]); }
  IL_DEVICE Labelled<T> query_labels() const { return labelled(first + S, Q, m.numbers[1]); }

  IL_DEVICE T* theta(int k) const { return m.theta + (call.keep ? k : 0) * fast; }
  IL_DEVICE T* gradient(int k) const { return m.gradient + (call.keep_gradients ? k : 0) * fast; }
  // R_k of the Gram form, for k > 0.
  IL_DEVICE T* R(int k) const { return m.R + (call.keep ? k - 1 : 0) * S * width(gram->out); }
  IL_DEVICE T support_weight() const {
    const T weight = static_cast<T>(S) / (static_cast<T>(S) + call.shrinkage);
    return call.folded ? -call.rate * weight : weight;
  }
  IL_DEVICE T task_weight() const {
    const Rows<T>& rows = program.rows;
    return static_cast<T>(rows.weights ? rows.weights[task] : 1.0 / static_cast<double>(rows.tasks));
  }

  IL_DEVICE Pass<T> support_pass(int k) const {
    const Index kept = call.keep ? k * S * program.suffix_width : 0;
    Pass<T> p{};
    p.program = &program;
    p.table_at = m.table_at;
    p.task = task, p.first = first, p.n = S, p.part = 0;
    p.x = m.x + kept, p.dx = m.dx + kept, p.tx = m.tx, p.tdx = m.tdx;
    p.boundary = Boundary::none;
    p.theta = theta(k);
    p.scratch = m.scratch;
    return p;
  }
  IL_DEVICE Pass<T> query_pass(int k) const {
    Pass<T> p = support_pass(0);
    p.first = first + S, p.n = Q, p.part = 1;
    p.x = m.query_x, p.dx = m.query_dx;
    p.theta = theta(k);
    return p;
  }

  // *m.number = ⟨a, b⟩ over the fast parameters: by tensor, since what lies between them belongs to nobody.
  IL_DEVICE void dot(const T* a, const T* b) const {
    block.each(kParts, [&](Index part) {
      double sum = 0;
      for (int t = 0; t < program.tensor_count; ++t) {
        const TensorInfo& info = program.tensors[t];
        if (!info.fast) continue;
        const Index at = flat(t), size = elements(info);
        for (Index i = part; i < size; i += kParts)
          sum += static_cast<double>(a[at + i]) * static_cast<double>(b[at + i]);
      }
      m.parts[part] = sum;
    });
    block.once([&] {
      double sum = 0;
      for (int part = 0; part < kParts; ++part) sum += m.parts[part];
      *m.number = sum;
    });
  }

  // The first layer of the suffix that is not in the Gram form. The passes below go over it and those above.
  IL_DEVICE int bottom() const { return program.suffix_begin + (gram ? 1 : 0); }
  IL_DEVICE void run_forward(const Pass<T>& p) const {
    for (int l = bottom(); l < program.layer_count; ++l) forward(block, p, program.layers[l]);
  }
  // The gradient of scale · loss, after `run_forward`.
  IL_DEVICE void run_backward(const Pass<T>& p, const Labelled<T>& labels, T scale) const {
    loss_backward(block, labels, p.x_of(program.output), scale, p.dx_of(program.output));
    for (int l = program.layer_count; l-- > bottom();) backward(block, p, program.layers[l]);
  }
  // The tangents of both along p.v, over the support rows, after both.
  IL_DEVICE void run_tangents(const Pass<T>& p) const {
    const int out = program.output;
    for (int l = bottom(); l < program.layer_count; ++l) tangent_forward(block, p, program.layers[l]);
    loss_tangent(block, support_labels(), p.x_of(out), p.tx_of(out), support_weight(), p.tdx_of(out));
    for (int l = program.layer_count; l-- > bottom();) tangent_backward(block, p, program.layers[l]);
  }

  const Block& block;
  const TaskCall<T>& call;
  const Program<T>& program;
  const Index task, first, S, Q, fast;
  const LayerInfo* const gram;
  Space space;
  const TaskMemory<T> m;
  const bool adapts;
};

}  // namespace innerloop::device
