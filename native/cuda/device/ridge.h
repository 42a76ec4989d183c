// Tasks whose last layer is solved for (native/solvers/ridge.cc, laplace.cc and posterior.h): with A [S, d] the support
// features and a column of ones, w̄ the shared last layer and Λ = L Lᵀ the prior's precision,
//
//   w = w̄ + M⁻¹ Aᵀ S (y − A w̄),   M = Aᵀ S A + Λ,   S the rows' weights
//
// or, where labels are 0 or 1, the mode of the logistic posterior by Newton's method, with e and S at the mode. Then,
// for g = ∂L_Q/∂w, z = M⁻¹ g, δ = w − w̄, and e = S (y − A w), or the rows' weights times y − p with S those times p (1
// − p):
//
//   ∂w̄ = Λ z,   ∂Λ = −z δᵀ,   ∂A = e zᵀ − (S A z) wᵀ
//
// It computes in double, whatever the scalar is. The features come from the prefix, which runs over the rows of all
// tasks at once. Each block factorises the M of its task, or, if there are fewer rows than weights and Λ is diagonal,
// the dual system I + G Gᵀ with G = √S A Λ^−½.
#pragma once
#include "cholesky.h"
#include "laplace.h"
#include "task.h"

namespace innerloop::device {

template <class T>
struct RidgeCall {
  Program<T> program;  // the suffix is the last layer alone, and no tensor is fast
  Mode mode;
  int logistic;             // whether the likelihood is logistic, not Gaussian
  int features;             // the slot of A
  int weight, bias;         // numbers of tensors
  int prior, prior_factor;  // numbers of the tensors of log precisions and of L; −1 for none
  double* task_losses;
  T* acc;
  T* outputs;
  T* variance;
  const Index* query_at;
  T* const* adapted;
  double* factors;  // of adaptations: Cholesky factors of M [tasks, d, d]; null if they are not needed
  double* modes;    // and the weights w [tasks, d]
  int solves;       // whether variances are those of the task's own system instead of its start's factor
  Starts<T> starts;
  int* failed;       // by task: 1 if M is not finite and positive
  int shared_steps;  // whether support rows are used
  char* slab;
  std::size_t slab_bytes;
};

template <class T>
struct RidgeMemory {
  IL_BOTH RidgeMemory(Space& space, Index S, Index Q, Index d, bool full, bool gradient, bool logistic) {
    const bool dual = !full && S < d;
    const Index most = S > Q ? S : Q;
    numbers = space.take<double>(2);
    terms = space.take<double>(most);
    mean = space.take<double>(d), root = space.take<double>(d), w = space.take<double>(d);
    x = space.take<double>(d), u = space.take<double>(most > d ? most : d), r = space.take<double>(most);
    z = space.take<double>(d), delta = space.take<double>(d), s = space.take<double>(S);
    next = logistic ? space.take<double>(d) : nullptr;
    o = space.take<T>(Q), dO = space.take<T>(Q);
    system = space.take<double>(dual ? S * S : d * d);
    L = full ? space.take<double>(d * d) : nullptr;
    lz = full && gradient ? space.take<double>(2 * d) : nullptr;
  }
  double *numbers, *terms, *mean, *root, *w, *x, *u, *r, *z, *delta, *s, *next, *system, *L, *lz;
  T *o, *dO;
};

template <class T>
struct RidgeTask {
  IL_DEVICE RidgeTask(const Block& block, const RidgeCall<T>& call, Index task)
      : block(block),
        call(call),
        program(call.program),
        task(task),
        first(program.rows.begin[2 * task]),
        S(call.shared_steps ? program.rows.begin[2 * task + 1] - first : 0),
        skipped(program.rows.begin[2 * task + 1] - first - S),
        Q(program.rows.begin[2 * task + 2] - first - skipped - S),
        n(program.slots[call.features].width),
        d(n + 1),
        full(call.prior_factor >= 0),
        dual(!full && S < d),
        space{block.shared, block.shared_bytes, call.slab + block.index * call.slab_bytes},
        m(space, S, Q, d, full, call.mode == Mode::gradient, call.logistic),
        A(program.slots[call.features].x + first * n),
        X(A + (skipped + S) * n) {}

  IL_DEVICE void run() const {
    begin();
    if (S > 0 || call.mode == Mode::adapt) {
      if (call.logistic) {
        Newton<T>(*this).run();
      } else {
        block.each(S, [&](Index s) { m.s[s] = row_weight(s); });
        factorise();
        solve_mean();
      }
    }
    if (call.mode == Mode::adapt) return give_adapted();
    block.each(Q, [&](Index q) { m.o[q] = static_cast<T>(row_times(X, q, m.w)); });
    if (call.mode == Mode::predict) {
      T* to = call.outputs + call.query_at[task];
      block.each(Q, [&](Index q) { to[q] = m.o[q]; });
      if (call.variance) variances();
      return;
    }
    gradient();
  }

 private:
  friend struct Newton<T>;
  IL_DEVICE const T* parameter(int t) const {
    const Start<T> start = call.starts.of(task);
    const T* own = start.values ? start.values[t] : nullptr;
    return own ? own : program.values + program.tensors[t].offset;
  }
  IL_DEVICE static double at(const T* rows, Index r, Index i, Index n) {
    return i < n ? static_cast<double>(rows[r * n + i]) : 1.0;
  }
  IL_DEVICE double row_times(const T* rows, Index r, const double* w) const {
    double sum = 0;
    for (Index i = 0; i < d; ++i) sum += at(rows, r, i, n) * w[i];
    return sum;
  }
  IL_DEVICE double row_weight(Index s) const {
    const T* weights = program.rows.row_weights;
    return weights ? static_cast<double>(weights[first + s]) : 1.0;
  }
  IL_DEVICE double label(Index s) const { return static_cast<double>(program.rows.labels[first + s]); }

  IL_DEVICE void begin() const {
    const T *weight = parameter(call.weight), *bias = parameter(call.bias),
            *log_precision = call.prior < 0 ? nullptr : program.values + program.tensors[call.prior].offset;
    const T* factor = full ? program.values + program.tensors[call.prior_factor].offset : nullptr;
    block.each(d, [&](Index i) {
      m.mean[i] = static_cast<double>(i < n ? weight[i] : bias[0]);
      m.w[i] = m.mean[i];
      m.root[i] = log_precision ? exp(static_cast<double>(log_precision[i]) / 2) : 1.0;
    });
    if (full)
      block.each(d * d, [&](Index i) {
        const Index row = i / d, column = i % d;
        m.L[i] = column < row ? static_cast<double>(factor[i]) : column == row ? m.root[row] : 0.0;
      });
  }

  // Computes the system and replaces it by its Cholesky factor, column by column.
  IL_DEVICE void factorise() const {
    const Index N = dual ? S : d;
    double* k = m.system;
    if (dual)
      block.each(N * N, [&](Index i) {
        const Index a = i / N, b = i % N;
        double sum = a == b ? 1 : 0;
        for (Index j = 0; j < d; ++j) sum += at(A, a, j, n) * at(A, b, j, n) / (m.root[j] * m.root[j]) * scale(a, b);
        k[i] = sum;
      });
    else
      primal(k);
    cholesky(block, k, N, call.failed + task);
  }
  IL_DEVICE bool is_weighted() const { return call.logistic || program.rows.row_weights; }
  IL_DEVICE double scale(Index a, Index b) const { return is_weighted() ? sqrt(m.s[a]) * sqrt(m.s[b]) : 1.0; }
  IL_DEVICE void primal(double* k) const {
    block.each(d * d, [&](Index i) {
      const Index a = i / d, b = i % d;
      double sum = 0;
      if (full)
        for (Index j = 0; j <= (a < b ? a : b); ++j) sum += m.L[a * d + j] * m.L[b * d + j];
      else if (a == b)
        sum = m.root[a] * m.root[a];
      for (Index s = 0; s < S; ++s) sum += m.s[s] * at(A, s, a, n) * at(A, s, b, n);
      k[i] = sum;
    });
  }
  // x = M⁻¹ x; it overwrites u.
  IL_DEVICE void solve(double* x) const {
    if (!dual) {
      block.once([&] { solve_system(m.system, d, x); });
      return;
    }
    block.each(d, [&](Index i) { x[i] /= m.root[i]; });
    const auto g = [&](Index s, Index i) { return root_weight(s) * at(A, s, i, n) / m.root[i]; };
    block.each(S, [&](Index s) {
      double sum = 0;
      for (Index i = 0; i < d; ++i) sum += g(s, i) * x[i];
      m.u[s] = sum;
    });
    block.once([&] { solve_system(m.system, S, m.u); });
    block.each(d, [&](Index i) {
      double sum = x[i];
      for (Index s = 0; s < S; ++s) sum -= m.u[s] * g(s, i);
      x[i] = sum / m.root[i];
    });
  }
  IL_DEVICE double root_weight(Index s) const { return is_weighted() ? sqrt(m.s[s]) : 1.0; }

  // r = e at w, and of a logistic likelihood s at w.
  IL_DEVICE void residuals(const double* w) const {
    if (call.logistic) {
      block.each(S, [&](Index s) {
        const double o = row_times(A, s, w), small = exp(o < 0 ? o : -o),
                     probability = (o >= 0 ? 1 : small) / (1 + small);
        m.r[s] = row_weight(s) * (label(s) - probability);
        m.s[s] = row_weight(s) * small / ((1 + small) * (1 + small));
      });
      return;
    }
    block.each(S, [&](Index s) { m.r[s] = row_weight(s) * (label(s) - row_times(A, s, w)); });
  }
  IL_DEVICE void solve_mean() const {
    residuals(m.mean);
    block.each(d, [&](Index i) {
      double sum = 0;
      for (Index s = 0; s < S; ++s) sum += m.r[s] * at(A, s, i, n);
      m.x[i] = sum;
    });
    solve(m.x);
    block.each(d, [&](Index i) { m.w[i] = m.mean[i] + m.x[i]; });
  }
  // y = Λ x; it overwrites u.
  IL_DEVICE void precision(const double* x, double* y) const {
    if (!full) {
      block.each(d, [&](Index i) { y[i] = m.root[i] * m.root[i] * x[i]; });
      return;
    }
    times_factor_transposed(x, m.u);
    block.each(d, [&](Index i) {
      double sum = 0;
      for (Index j = 0; j <= i; ++j) sum += m.L[i * d + j] * m.u[j];
      y[i] = sum;
    });
  }
  // y = Lᵀ x
  IL_DEVICE void times_factor_transposed(const double* x, double* y) const {
    block.each(d, [&](Index j) {
      double sum = 0;
      for (Index i = j; i < d; ++i) sum += m.L[i * d + j] * x[i];
      y[j] = sum;
    });
  }

  IL_DEVICE void give_adapted() const {
    block.each(d, [&](Index i) {
      if (i < n)
        call.adapted[call.weight][task * n + i] = static_cast<T>(m.w[i]);
      else
        call.adapted[call.bias][task] = static_cast<T>(m.w[i]);
    });
    if (!call.factors) return;
    block.each(d, [&](Index i) { call.modes[task * d + i] = m.w[i]; });
    double* to = call.factors + task * d * d;
    primal(to);
    cholesky(block, to, d, call.failed + task);
  }

  // The variances aᵀ M⁻¹ a of the query rows.
  IL_DEVICE void variances() const {
    T* to = call.variance + call.query_at[task];
    const double* factor = call.solves ? nullptr : call.starts.of(task).factor;
    for (Index q = 0; q < Q; ++q) {
      block.each(d, [&](Index i) { m.x[i] = at(X, q, i, n); });
      if (factor)
        block.once([&] { solve_system(factor, d, m.x); });
      else if (S > 0)
        solve(m.x);
      else
        prior_variance();
      block.once([&] { to[q] = static_cast<T>(row_times(X, q, m.x)); });
    }
  }
  IL_DEVICE void prior_variance() const {
    if (!full) {
      block.each(d, [&](Index i) { m.x[i] /= m.root[i] * m.root[i]; });
      return;
    }
    block.once([&] { solve_system(m.L, d, m.x); });
  }

  IL_DEVICE void gradient() const {
    const Rows<T>& rows = program.rows;
    const Index from = first + S;
    Labelled<T> labels{program.loss, Q, 1, rows.labels + from, rows.row_weights ? rows.row_weights + from : nullptr, 0};
    block.once([&] { m.numbers[0] = counted(labels); });
    labels.count = m.numbers[0];
    loss_value(block, labels, m.o, m.terms, call.task_losses + task);
    const T weight = static_cast<T>(rows.weights ? rows.weights[task] : 1.0 / static_cast<double>(rows.tasks));
    loss_backward(block, labels, m.o, weight, m.dO);
    // g = ∂L_Q/∂w; below, the adjoints of the features of query and support rows.
    block.each(d, [&](Index i) {
      double sum = 0;
      for (Index q = 0; q < Q; ++q) sum += static_cast<double>(m.dO[q]) * at(X, q, i, n);
      m.z[i] = sum;
    });
    T* down = program.slots[call.features].dx;
    if (down) {
      T *to_support = down + first * n, *to_query = to_support + S * n;
      block.each(Q * n, [&](Index i) { to_query[i] = static_cast<T>(static_cast<double>(m.dO[i / n]) * m.w[i % n]); });
      if (S == 0) return give(m.z);
      back();
      block.each(S, [&](Index s) { m.u[s] = m.s[s] * row_times(A, s, m.z); });
      block.each(S * n,
                 [&](Index i) { to_support[i] = static_cast<T>(m.r[i / n] * m.z[i % n] - m.u[i / n] * m.w[i % n]); });
      return;
    }
    if (S == 0) return give(m.z);
    back();
  }

  // Computes z = M⁻¹ g and the gradients of the prior and of w̄; leaves the residuals at w in r.
  IL_DEVICE void back() const {
    T* acc = call.acc + block.index * program.acc_size;
    solve(m.z);
    precision(m.z, m.x);
    block.each(d, [&](Index i) { m.delta[i] = m.w[i] - m.mean[i]; });
    T* d_log = acc + program.tensors[call.prior].acc_at;
    if (!full) {
      block.each(d, [&](Index i) { d_log[i] -= static_cast<T>(m.x[i] * m.delta[i]); });
    } else {
      T* d_factor = acc + program.tensors[call.prior_factor].acc_at;
      double *lz = m.lz, *ld = m.lz + d;
      times_factor_transposed(m.z, lz);
      times_factor_transposed(m.delta, ld);
      block.each(d * d, [&](Index i) {
        const Index a = i / d, b = i % d;
        const double value = m.z[a] * ld[b] + m.delta[a] * lz[b];
        if (b < a) d_factor[i] -= static_cast<T>(value);
        if (b == a) d_log[a] -= static_cast<T>(value * m.root[a] / 2);
      });
    }
    give(m.x);
    residuals(m.w);
  }
  IL_DEVICE void give(const double* gradient) const {
    T* acc = call.acc + block.index * program.acc_size;
    T *weight = acc + program.tensors[call.weight].acc_at, *bias = acc + program.tensors[call.bias].acc_at;
    block.each(d, [&](Index i) {
      if (i < n)
        weight[i] += static_cast<T>(gradient[i]);
      else
        bias[0] += static_cast<T>(gradient[i]);
    });
  }

  const Block& block;
  const RidgeCall<T>& call;
  const Program<T>& program;
  const Index task, first, S, skipped, Q, n, d;
  const bool full, dual;
  Space space;
  const RidgeMemory<T> m;
  const T *A, *X;
};

struct Ridge {
  template <class T>
  struct Arguments {
    const RidgeCall<T>* call;
  };
  template <class T>
  IL_DEVICE static void run(const Block& block, const Arguments<T>& arguments) {
    const RidgeCall<T>& call = *arguments.call;
    const Program<T>& program = call.program;
    if (call.mode == Mode::gradient)
      block.each(program.acc_size, [&](Index i) { call.acc[block.index * program.acc_size + i] = 0; });
    for (Index task = block.index; task < program.rows.tasks; task += block.count)
      RidgeTask<T>(block, call, task).run();
  }
};

}  // namespace innerloop::device
