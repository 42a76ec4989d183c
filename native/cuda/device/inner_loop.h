// Tasks that adapt by gradient steps, each in one block, and the backward pass through the steps:
//
//   θ_{k+1} = θ_k − α ∘ g_k,  g_k = ∇_θ L_S(θ_k, φ)
//   v = ∇_θ L_Q(θ_K, φ),  u = ∇_φ L_Q(θ_K, φ)
//   order 2, k = K−1 … 0:  d = α ∘ v;  ∂α −= v ∘ g_k;  (Hθ, Hφ) = H_S(θ_k, φ)(d, 0);  v −= Hθ;  u −= Hφ
//
// Another rule of the step (update.h) and a proximal term have their part in g_k and d. With weights of losses,
// w_k ∇L_Q(θ_k) joins v before step k.
#pragma once
#include "gram.h"
#include "implicit.h"
#include "update.h"

namespace innerloop::device {

template <class T>
struct InnerLoop {
  IL_DEVICE InnerLoop(const Block& block, const TaskCall<T>& call, Index number)
      : task(block, call, number), block(block), call(call), program(call.program), m(task.m) {}

  IL_DEVICE void run() const {
    if (task.gram && task.adapts) Gram<T>(task).multiply_rows();
    for (int k = 0; k < call.steps; ++k) step(k);
    if (call.mode == Mode::adapt) return give_adapted();
    const Pass<T> query = task.query_pass(call.steps);
    if (task.gram) Gram<T>(task).query_forward(query.x_of(task.gram->out));
    task.run_forward(query);
    const T* o = query.x_of(program.output);
    if (call.mode == Mode::predict) {
      T* to = call.outputs + call.query_at[task.task] * program.outputs;
      block.each(task.Q * program.outputs, [&](Index i) { to[i] = o[i]; });
      return;
    }
    loss_value(block, task.query_labels(), o, m.terms, call.task_losses + task.task);
    if (call.reptile) return displacement();
    if (call.implicit) return implicit_meta_gradient(query);
    meta_gradient(query);
  }

 private:
  // Computes θ_{k+1} from θ_k, and keeps what the backward pass needs.
  IL_DEVICE void step(int k) const {
    const T* from = task.theta(k);
    T* to = task.theta(k + 1);
    if (!task.adapts) {
      if (call.keep) block.each(task.fast, [&](Index i) { to[i] = from[i]; });
      return;
    }
    Pass<T> p = task.support_pass(k);
    // Each tensor is read by one layer, so its gradient may overwrite the tensor.
    p.grad = call.folded ? to : task.gradient(k);
    p.from = call.folded ? from : nullptr;
    if (task.gram) Gram<T>(task).support_forward(k, p.x_of(task.gram->out));
    task.run_forward(p);
    task.run_backward(p, task.support_labels(), task.support_weight());
    if (task.gram) Gram<T>(task).step(k, p.dx_of(task.gram->out));
    if (call.folded) return;
    T* g = p.grad;
    if (m.start)
      task.each_fast([&](int, Index at, Index, Index) { g[at] += call.proximal * (from[at] - m.start[at]); });
    const Update<T> update(task, k);
    update.advance();
    task.each_fast(
        [&](int t, Index at, Index place, Index) { to[at] = from[at] - rate(t, k, place) * update.step(at); });
  }

  IL_DEVICE T rate(int t, int k, Index place) const {
    if (call.rate_kind == RateKind::scalar) return call.rate;
    return call.rate_kind == RateKind::per_parameter ? call.rates[place] : call.step_rates[t * call.steps + k];
  }

  IL_DEVICE T* accumulators() const { return call.acc + block.index * program.acc_size; }

  // Adds weight · ∇L_Q, whose values the pass has, to v and to the sums of the other parameters.
  IL_DEVICE void query_gradient(Pass<T>& query, T weight) const {
    query.grad = m.v, query.from = m.v;
    query.slow = accumulators();
    query.blocks = call.blocks;
    task.run_backward(query, task.query_labels(), weight);
  }
  // The part that L_Q(θ_{k+1}) has in a meta-loss of several steps: the pass has the values at the last of them.
  IL_DEVICE void weighted_gradient(Pass<T>& query, int k) const {
    double* const loss = call.task_losses + task.task;
    const double w = call.loss_weights[k];
    const bool is_last = k == call.steps - 1;
    if (!is_last && w == 0) return;
    if (!is_last) {
      query.theta = task.theta(k + 1);
      task.run_forward(query);
      loss_value(block, task.query_labels(), query.x_of(program.output), m.terms, m.number);
    }
    block.once([&] { *loss = is_last ? w * *loss : *loss + w * *m.number; });
    if (w != 0) query_gradient(query, static_cast<T>(w) * task.task_weight());
  }

  IL_DEVICE void implicit_meta_gradient(Pass<T> query) const {
    clear();
    query.boundary = Boundary::set;
    query_gradient(query, task.task_weight());
    if (task.adapts) Implicit<T>(task, task.support_pass(call.steps)).solve(accumulators(), call.blocks);
    give_gradient();
  }

  IL_DEVICE void meta_gradient(Pass<T> query) const {
    const bool exact = call.order == 2 && task.adapts, weighted = call.loss_weights != nullptr;
    clear();
    if (exact) begin_back();
    query.boundary = weighted ? Boundary::add : Boundary::set;
    if (!weighted) query_gradient(query, task.task_weight());
    const T* P = task.gram ? query.dx_of(task.gram->out) : nullptr;
    if (task.gram) Gram<T>(task).query_backward(P);
    if (task.gram && exact) Gram<T>(task).begin_products(P);
    for (int k = call.steps - 1; k >= 0; --k) {
      if (weighted) weighted_gradient(query, k);
      if (call.rate_kind != RateKind::scalar && task.adapts) rate_gradient(k);
      if (exact) curvature(k);
    }
    if (task.gram && exact) Gram<T>(task).finish(P);
    if (exact && m.d_start) task.each_fast([&](int, Index at, Index, Index) { m.v[at] += m.d_start[at]; });
    give_gradient();
  }
  IL_DEVICE void begin_back() const {
    Update<T>::clear(task);
    if (m.d_start) task.each_fast([&](int, Index at, Index, Index) { m.d_start[at] = 0; });
  }

  // Clears the arrays that the backward pass adds to.
  IL_DEVICE void clear() const {
    block.each(task.fast, [&](Index i) { m.v[i] = 0; });
    for (int s = 0; s < program.slot_count; ++s) {
      const SlotInfo<T>& slot = program.slots[s];
      if (slot.moves || !slot.dx) continue;
      T* dx = slot.dx + task.first * slot.width;
      block.each((task.S + task.Q) * slot.width, [&](Index i) { dx[i] = 0; });
    }
    clear_blocks(call.blocks);
    if (call.rate_kind == RateKind::per_parameter) clear_blocks(call.rate_blocks);
  }
  IL_DEVICE void clear_blocks(T* const* blocks) const {
    for (int t = 0; t < program.tensor_count; ++t) {
      const TensorInfo& info = program.tensors[t];
      if (info.input < 0 || !info.suffix || !blocks[t]) continue;
      T* to = table_block(blocks, t);
      block.each(task.block_rows(info) * info.width, [&](Index i) { to[i] = 0; });
    }
  }
  IL_DEVICE T* table_block(T* const* blocks, int t) const {
    const TensorInfo& info = program.tensors[t];
    return blocks[t] + program.rows.inputs[info.input].unique_begin[task.task] * info.width;
  }

  // (v, u) += H_S(θ_k, φ)(d, 0), where d has the minus sign of the formula above.
  IL_DEVICE void curvature(int k) const {
    T* d = m.v;  // if folded, −α is a factor of the loss, so the direction is v itself
    if (!call.folded) {
      d = m.d;
      task.each_fast([&](int t, Index at, Index place, Index) { d[at] = -rate(t, k, place) * m.v[at]; });
      Update<T>(task, k).back(d);
    }
    if (m.d_start)
      task.each_fast([&](int, Index at, Index, Index) {
        m.v[at] += call.proximal * d[at];
        m.d_start[at] -= call.proximal * d[at];
      });
    Pass<T> p = task.support_pass(k);
    p.boundary = Boundary::add;
    p.v = d;
    p.grad = m.v, p.from = m.v;
    p.slow = accumulators();
    p.blocks = call.blocks;
    if (task.gram) Gram<T>(task).tangent_forward(k, p.tx_of(task.gram->out));
    task.run_tangents(p);
    if (task.gram) Gram<T>(task).tangent_backward(k, p.dx_of(task.gram->out), p.tdx_of(task.gram->out));
  }

  // ∂α −= v ∘ s_k
  IL_DEVICE void rate_gradient(int k) const {
    const Update<T> update(task, k);
    if (call.rate_kind == RateKind::per_parameter) {
      T* dense = call.rate_acc + block.index * program.acc_size;
      for (int t = 0; t < program.tensor_count; ++t) {
        const TensorInfo& info = program.tensors[t];
        if (!info.fast) continue;
        const Index at = task.flat(t);
        T* to = info.input < 0 ? dense + info.acc_at : table_block(call.rate_blocks, t);
        task.each_element(t, [&](Index i, Index) { to[i] -= m.v[at + i] * update.step(at + i); });
      }
      return;
    }
    T* to = call.step_rate_acc + block.index * program.tensor_count * call.steps;
    for (int t = 0; t < program.tensor_count; ++t) {
      const TensorInfo& info = program.tensors[t];
      if (!info.fast) continue;
      const Index at = task.flat(t), size = task.elements(info);
      block.each(kParts, [&](Index part) {
        T sum = 0;
        for (Index i = part; i < size; i += kParts) sum += m.v[at + i] * update.step(at + i);
        m.scratch[part] = sum;
      });
      block.once([&] {
        T sum = 0;
        for (int part = 0; part < kParts; ++part) sum += m.scratch[part];
        to[t * call.steps + k] -= sum;
      });
    }
  }

  IL_DEVICE void give_gradient() const {
    T* acc = accumulators();
    for (int t = 0; t < program.tensor_count; ++t) {
      const TensorInfo& info = program.tensors[t];
      if (!info.fast) continue;
      const T* v = m.v + task.flat(t);
      if (info.input < 0) {
        block.each(info.size, [&](Index i) { acc[info.acc_at + i] += v[i]; });
      } else {
        T* to = table_block(call.blocks, t);
        block.each(task.block_rows(info) * info.width, [&](Index i) { to[i] = v[i]; });
      }
    }
  }

  // Reptile's direction, θ_0 − θ_K.
  IL_DEVICE void displacement() const {
    const T *last = task.theta(call.steps), weight = task.task_weight();
    clear_blocks(call.blocks);
    task.each_fast([&](int, Index at, Index place, Index) { m.v[at] = weight * (program.values[place] - last[at]); });
    if (task.gram) Gram<T>(task).displace(weight);
    give_gradient();
  }

  IL_DEVICE void give_adapted() const {
    const T* last = task.theta(call.steps);
    for (int t = 0; t < program.tensor_count; ++t) {
      const TensorInfo& info = program.tensors[t];
      if (!info.fast) continue;
      const T* from = last + task.flat(t);
      T* to = info.input < 0 ? call.adapted[t] + task.task * info.size : table_block(call.adapted, t);
      task.each_element(t, [&](Index i, Index) { to[i] = from[i]; });
    }
  }

  const Task<T> task;
  const Block& block;
  const TaskCall<T>& call;
  const Program<T>& program;
  const TaskMemory<T>& m;
};

// Tasks are divided among blocks: block b has tasks b, b + count, … and adds up their gradients in that order.
struct Tasks {
  template <class T>
  struct Arguments {
    const TaskCall<T>* call;
  };
  template <class T>
  IL_DEVICE static void run(const Block& block, const Arguments<T>& arguments) {
    const TaskCall<T>& call = *arguments.call;
    const Program<T>& program = call.program;
    if (call.mode == Mode::gradient) {
      const auto clear = [&](T* acc, Index size) {
        if (acc) block.each(size, [&](Index i) { acc[block.index * size + i] = 0; });
      };
      clear(call.acc, program.acc_size);
      clear(call.rate_acc, program.acc_size);
      clear(call.step_rate_acc, static_cast<Index>(program.tensor_count) * call.steps);
    }
    for (Index task = block.index; task < program.rows.tasks; task += block.count)
      InnerLoop<T>(block, call, task).run();
  }
};

}  // namespace innerloop::device
