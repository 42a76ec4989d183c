// The LSTM meta-learner (Ravi & Larochelle 2017). The cell state of an LSTM is the learner's parameters, one cell a
// coordinate:
//
//   θ_t = f_t ∘ θ_{t−1} − i_t ∘ g_t,  g_t = ∇_θ L_S(θ_{t−1}, φ),  t = 1 … K
//   f_t = σ(w_f · [h_t, θ_{t−1}, f_{t−1}] + b_f),  i_t = σ(w_i · [h_t, θ_{t−1}, i_{t−1}] + b_i),  f_0 = i_0 = 0
//   h_t = a plain LSTM's output on x_t, the gradient's coordinate and the loss, each as two numbers (Andrychowicz et
//   al. 2016):
//         (log|x| / 10, sign x) where |x| ≥ e^−10, else (−1, e^10 x)
//
// All coordinates share the weights. As in the paper (section 3.2), g_t and the loss are held constant in the
// derivative, which is exact otherwise. Coordinates then depend on each other only through the given gradients: the way
// back runs over blocks of them, forward through all steps once more and back, so that only θ_t and g_t are kept. Rows
// of tables that no support row reaches stay at θ_0: a task that is served has no query rows to tell which they are.
#include <algorithm>
#include <cmath>

#include "../task/reverse.h"
#include "../task/support_passes.h"
#include "solver.h"

namespace innerloop {
namespace {

constexpr Index kBlock = 256;
constexpr double kLogScale = 10;

constexpr int kInputs = 4, kGates = 4;

template <class T>
void preprocess(T x, T* to) {
  const T size = std::abs(x);
  const bool large = size >= static_cast<T>(std::exp(-kLogScale));
  to[0] = large ? std::log(size) / static_cast<T>(kLogScale) : T(-1);
  to[1] = large ? (x > 0 ? T(1) : T(-1)) : static_cast<T>(std::exp(kLogScale)) * x;
}

// What one step computes for a block of B coordinates.
template <class T>
struct LstmStep {
  T *x, *gates, *c, *tanh_c, *h;  // [B, 4], [4, B, H], three of [B, H]
  T* cell;                        // f and i: [B, 2]
};

template <class T>
struct Lstm {
  explicit Lstm(const Task<T>& task) : task(task), kernels(task.plan.kernels) {
    using enum LstmTensor;
    const auto tensor = [&](LstmTensor which) { return task.plan.inner.lstm[static_cast<std::size_t>(which)]; };
    const auto base = [&](LstmTensor which) { return task.parameters.base[tensor(which)]; };
    H = task.plan.model.tensors[tensor(bias)].size / kGates;
    w_ih = base(weight_ih), w_hh = base(weight_hh), b = base(bias), w_f = base(forget_weight), w_i = base(input_weight);
    cell_bias[0] = base(forget_bias)[0], cell_bias[1] = base(input_bias)[0];
    w_ih_t = transposed(w_ih, kInputs), w_hh_t = transposed(w_hh, H);
    cell_weight = take(2 * H);
    for (Index i = 0; i < H; ++i) cell_weight[2 * i] = w_f[i], cell_weight[2 * i + 1] = w_i[i];
  }

  T* take(Index n) const { return task.arena.template take<T>(n); }
  LstmStep<T> take_step(Index B) const {
    return {.x = take(B * kInputs),
            .gates = take(kGates * B * H),
            .c = take(B * H),
            .tanh_c = take(B * H),
            .h = take(B * H),
            .cell = take(2 * B)};
  }
  // Gives the state before the first step, which is all zero.
  LstmStep<T> first_step(Index B) const {
    const auto zeros = [&](Index n) { return task.arena.template take_zeroed<T>(n); };
    return {
        .x = nullptr, .gates = nullptr, .c = zeros(B * H), .tanh_c = nullptr, .h = zeros(B * H), .cell = zeros(2 * B)};
  }

  // Computes `to` from the step before; to.h and to.c may be before's.
  void forward(Index B, const T* theta, const T* g, T loss, const LstmStep<T>& before, const LstmStep<T>& to) const {
    T of_loss[2];
    preprocess(loss, of_loss);
    for (Index i = 0; i < B; ++i) {
      preprocess(g[i], to.x + i * kInputs);
      to.x[i * kInputs + 2] = of_loss[0], to.x[i * kInputs + 3] = of_loss[1];
    }
    const Index n = B * H;
    for (int q = 0; q < kGates; ++q) {
      kernels.gemm_nn(B, H, kInputs, to.x, kInputs, w_ih_t + q * H, kGates * H, b + q * H, false, to.gates + q * n, H);
      kernels.gemm_nn(B, H, H, before.h, H, w_hh_t + q * H, kGates * H, nullptr, true, to.gates + q * n, H);
    }
    T *i = to.gates, *f = i + n, *c = f + n, *o = c + n;
    kernels.activation_forward(Activation::sigmoid, 2 * n, i, i);
    kernels.activation_forward(Activation::tanh, n, c, c);
    kernels.activation_forward(Activation::sigmoid, n, o, o);
    for (Index j = 0; j < n; ++j) to.c[j] = f[j] * before.c[j] + i[j] * c[j];
    kernels.activation_forward(Activation::tanh, n, to.c, to.tanh_c);
    for (Index j = 0; j < n; ++j) to.h[j] = o[j] * to.tanh_c[j];
    T* cell = to.cell;
    const T of_gate[2] = {w_f[H + 1], w_i[H + 1]}, of_theta[2] = {w_f[H], w_i[H]};
    for (Index j = 0; j < 2 * B; ++j)
      cell[j] = cell_bias[j % 2] + of_theta[j % 2] * theta[j / 2] + of_gate[j % 2] * before.cell[j];
    kernels.gemm_nn(B, 2, H, to.h, H, cell_weight, 2, nullptr, true, cell, 2);
    kernels.activation_forward(Activation::sigmoid, 2 * B, cell, cell);
  }

  // Sets θ_t from θ_{t−1}.
  static void update(Index B, const T* theta, const T* g, const T* cell, T* to) {
    for (Index j = 0; j < B; ++j) to[j] = cell[2 * j] * theta[j] - cell[2 * j + 1] * g[j];
  }

  // Gives a weight [4H, columns] as [columns, 4H].
  T* transposed(const T* from, Index columns) const {
    T* to = take(kGates * H * columns);
    for (Index r = 0; r < kGates * H; ++r)
      for (Index c = 0; c < columns; ++c) to[c * kGates * H + r] = from[r * columns + c];
    return to;
  }

  const Task<T>& task;
  const Kernels<T>& kernels;
  Index H;
  const T *w_ih, *w_hh, *b, *w_f, *w_i;
  T cell_bias[2];
  T *w_ih_t, *w_hh_t, *cell_weight;  // [4, 4H], [H, 4H], [H, 2]
};

// Coordinates [at, at + size) of the flat vectors, at most kBlock of them.
struct Coordinates {
  Index at, size;
};

// The coordinates that support rows reach. Of a table these are the first rows of the task's block.
template <class T>
std::vector<Coordinates> reached(const Task<T>& task) {
  std::vector<Coordinates> ranges;
  const Plan<T>& plan = task.plan;
  task.parameters.each_fast([&](int t, Index at, Index size) {
    const int input = plan.model.tensors[t].input;
    if (input >= 0) {
      const auto& in = plan.index->inputs[input];
      std::int32_t rows = 0;
      for (Index e = in.entry_begin[task.first]; e < in.entry_begin[task.first + task.support]; ++e)
        rows = std::max(rows, in.local[e] + 1);
      size = rows * plan.model.dim(t);
    }
    for (Index from = 0; from < size; from += kBlock)
      ranges.push_back({.at = at + from, .size = std::min(kBlock, size - from)});
  });
  return ranges;
}

template <class T>
struct LstmState : SolverState {
  explicit LstmState(Task<T>& task) : support(task) {}
  SupportPasses<T> support;
  T* losses = nullptr;  // support loss by step
};

template <class T>
const LstmState<T>& lstm_state(const Task<T>& task) {
  return *static_cast<const LstmState<T>*>(task.solver_state);
}

template <class T>
struct LstmSolver final : Solver<T> {
  void adapt(Task<T>& task, bool keep) const override {
    const Plan<T>& plan = task.plan;
    const int K = plan.inner.steps;
    const Index n = task.parameters.fast_size;
    Arena& arena = task.arena;
    auto& state = *new (arena.take<LstmState<T>>(1)) LstmState<T>(task);
    task.solver_state = &state;
    T **const theta = task.parameters.theta, **const gradient = state.support.gradient;
    if (state.support.is_empty()) {
      std::fill_n(theta + 1, K, theta[0]);
      return;
    }
    const Lstm<T> lstm(task);
    const std::vector<Coordinates> ranges = reached(task);
    const LstmStep<T> cells = lstm.first_step(n), work = lstm.take_step(std::min(n, kBlock));
    state.support.take_slots(0);
    state.losses = arena.take<T>(K);
    for (int k = 0; k < K; ++k) {
      state.support.slots[k] = state.support.slots[0];
      gradient[k] = keep || k == 0 ? arena.take<T>(n) : gradient[0];
      theta[k + 1] = keep || k == 0 ? arena.take<T>(n) : theta[k];
      std::fill_n(gradient[k], n, T(0));
      state.support.run(k);
      const T* outputs = state.support.slots[k].x[plan.model.output_slot];
      state.losses[k] =
          state.support.weight() * static_cast<T>(plan.loss.value(task.support, outputs, task.support_labels()));
      if (theta[k + 1] != theta[k]) std::copy_n(theta[k], n, theta[k + 1]);
      for (const auto [at, B] : ranges) {
        task.poll();
        const LstmStep<T> now{.x = work.x,
                              .gates = work.gates,
                              .c = cells.c + at * lstm.H,
                              .tanh_c = work.tanh_c,
                              .h = cells.h + at * lstm.H,
                              .cell = work.cell};
        const LstmStep<T> before{
            .x = nullptr, .gates = nullptr, .c = now.c, .tanh_c = nullptr, .h = now.h, .cell = cells.cell + 2 * at};
        lstm.forward(B, theta[k] + at, gradient[k] + at, state.losses[k], before, now);
        lstm.update(B, theta[k] + at, gradient[k] + at, now.cell, theta[k + 1] + at);
        std::copy_n(now.cell, 2 * B, cells.cell + 2 * at);
      }
    }
  }

  double meta_gradient(Reverse<T>& reverse, T weight) const override {
    Task<T>& task = reverse.task;
    const int K = task.plan.inner.steps;
    const double loss = reverse.query(K, weight);
    if (K == 0) return loss;
    const LstmState<T>& state = lstm_state(task);
    if (state.support.is_empty()) return loss;
    const Lstm<T> lstm(task);
    const Index B = std::min(task.parameters.fast_size, kBlock);
    std::vector<LstmStep<T>> steps{lstm.first_step(B)};
    for (int k = 0; k < K; ++k) steps.push_back(lstm.take_step(B));
    Back back(reverse, lstm, B);
    for (const auto [at, size] : reached(task)) {
      task.poll();
      for (int k = 0; k < K; ++k)
        lstm.forward(size, task.parameters.theta[k] + at, state.support.gradient[k] + at, state.losses[k], steps[k],
                     steps[k + 1]);
      back.block(at, size, steps);
    }
    back.finish();
    return loss;
  }

 private:
  struct Back {
    Back(Reverse<T>& reverse, const Lstm<T>& lstm, Index B)
        : reverse(reverse),
          lstm(lstm),
          kernels(lstm.kernels),
          H(lstm.H),
          d_cell(lstm.take(2 * B)),
          carry(lstm.take(2 * B)),
          dh(lstm.take(B * H)),
          dc(lstm.take(B * H)),
          d_gates(lstm.take(kGates * B * H)),
          scratch(lstm.take(2 * H)),
          d_weight(reverse.task.arena.template take_zeroed<T>(2 * H)) {}

    T* into(LstmTensor which) const { return reverse.into[reverse.plan.inner.lstm[static_cast<std::size_t>(which)]]; }

    // Takes v of the coordinates [at, at + B) back from θ_K to θ_0, and adds to the gradients of the weights.
    void block(Index at, Index B, const std::vector<LstmStep<T>>& steps) {
      const Task<T>& task = reverse.task;
      const Index n = B * H;
      T* v = reverse.v + at;
      std::fill_n(carry, 2 * B, T(0));
      std::fill_n(dh, n, T(0));
      std::fill_n(dc, n, T(0));
      for (int k = task.plan.inner.steps - 1; k >= 0; --k) {
        const LstmStep<T>&now = steps[k + 1], &before = steps[k];
        cell_back(B, task.parameters.theta[k] + at, lstm_state(task).support.gradient[k] + at, now, before, v);
        kernels.gemm_tn(H, 2, B, now.h, H, d_cell, 2, true, d_weight, 2);
        kernels.gemm_nt(B, H, 2, d_cell, 2, lstm.cell_weight, 2, true, dh, H, scratch);
        const T *i = now.gates, *f = i + n, *c = f + n, *o = c + n;
        T *di = d_gates, *df = di + n, *dg = df + n, *d_o = dg + n;
        for (Index j = 0; j < n; ++j) {
          const T t = now.tanh_c[j], d = dc[j] + dh[j] * o[j] * (1 - t * t);
          d_o[j] = dh[j] * t * o[j] * (1 - o[j]);
          di[j] = d * c[j] * i[j] * (1 - i[j]);
          df[j] = d * before.c[j] * f[j] * (1 - f[j]);
          dg[j] = d * i[j] * (1 - c[j] * c[j]);
          dc[j] = d * f[j];
        }
        for (int q = 0; q < kGates; ++q) {
          const T* dz = d_gates + q * n;
          kernels.gemm_tn(H, kInputs, B, dz, H, now.x, kInputs, true, into(LstmTensor::weight_ih) + q * H * kInputs,
                          kInputs);
          kernels.gemm_tn(H, H, B, dz, H, before.h, H, true, into(LstmTensor::weight_hh) + q * H * H, H);
          kernels.column_sums(B, H, dz, H, into(LstmTensor::bias) + q * H);
          kernels.gemm_nn(B, H, H, dz, H, lstm.w_hh + q * H * H, H, nullptr, q > 0, dh, H);
        }
      }
    }

    void finish() const {
      T *to_f = into(LstmTensor::forget_weight), *to_i = into(LstmTensor::input_weight);
      for (Index i = 0; i < H; ++i) to_f[i] += d_weight[2 * i], to_i[i] += d_weight[2 * i + 1];
    }

   private:
    // Sets d_cell from v, and then v to that of the step before.
    void cell_back(Index B, const T* theta, const T* g, const LstmStep<T>& now, const LstmStep<T>& before, T* v) {
      T *to_f = into(LstmTensor::forget_weight), *to_i = into(LstmTensor::input_weight),
        *b_f = into(LstmTensor::forget_bias), *b_i = into(LstmTensor::input_bias);
      for (Index j = 0; j < B; ++j) {
        const T f = now.cell[2 * j], i = now.cell[2 * j + 1];
        const T a = (v[j] * theta[j] + carry[2 * j]) * f * (1 - f), b = (carry[2 * j + 1] - v[j] * g[j]) * i * (1 - i);
        d_cell[2 * j] = a, d_cell[2 * j + 1] = b;
        v[j] = v[j] * f + a * lstm.w_f[H] + b * lstm.w_i[H];
        carry[2 * j] = a * lstm.w_f[H + 1], carry[2 * j + 1] = b * lstm.w_i[H + 1];
        to_f[H] += a * theta[j], to_i[H] += b * theta[j];
        to_f[H + 1] += a * before.cell[2 * j], to_i[H + 1] += b * before.cell[2 * j + 1];
        *b_f += a, *b_i += b;
      }
    }

    Reverse<T>& reverse;
    const Lstm<T>& lstm;
    const Kernels<T>& kernels;
    Index H;
    T *d_cell, *carry, *dh, *dc, *d_gates, *scratch, *d_weight;
  };
};

}  // namespace

template <class T>
const Solver<T>& lstm_solver() {
  static const LstmSolver<T> solver;
  return solver;
}

template const Solver<float>& lstm_solver();
template const Solver<double>& lstm_solver();

}  // namespace innerloop
