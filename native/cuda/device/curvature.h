// The product of a vector with the Hessian of one task's query loss in all parameters (Pearlmutter 1994). Tests use it
// to check the tangents that second-order meta-gradients are made of. All layers are in the suffix.
#pragma once
#include "task.h"

namespace innerloop::device {

template <class T>
struct ProductCall {
  TaskCall<T> task;  // without steps, and with every tensor fast
  const T* vector;   // in the arena's layout
  double* loss;
  T *gradient, *product;  // [dense_size]
  T *const *gradient_blocks, *const *product_blocks;
  T* work;  // 3 fast + 4 Q suffix_width elements, where `fast` is the size of the task's flat vectors
};

struct HessianProduct {
  template <class T>
  struct Arguments {
    const ProductCall<T>* call;
  };
  template <class T>
  IL_DEVICE static void run(const Block& block, const Arguments<T>& arguments) {
    const ProductCall<T>& c = *arguments.call;
    const Task<T> task(block, c.task, 0);
    const Program<T>& program = c.task.program;
    const Index width = task.Q * program.suffix_width;
    T *v = c.work, *g = v + task.fast, *h = g + task.fast;
    block.each(task.fast, [&](Index i) { h[i] = 0; });
    task.each_fast([&](int, Index at, Index place, Index) { v[at] = c.vector[place]; });
    Pass<T> p = task.query_pass(0);
    p.theta = nullptr;  // the shared parameters
    p.x = h + task.fast, p.dx = p.x + width, p.tx = p.dx + width, p.tdx = p.tx + width;
    p.v = v;
    p.grad = g;
    const int out = program.output;
    const Labelled<T> labels = task.query_labels();
    for (int l = 0; l < program.layer_count; ++l) forward(block, p, program.layers[l]);
    loss_value(block, labels, p.x_of(out), task.m.terms, c.loss);
    loss_backward(block, labels, p.x_of(out), T(1), p.dx_of(out));
    for (int l = program.layer_count; l-- > 0;) backward(block, p, program.layers[l]);
    for (int l = 0; l < program.layer_count; ++l) tangent_forward(block, p, program.layers[l]);
    loss_tangent(block, labels, p.x_of(out), p.tx_of(out), T(1), p.tdx_of(out));
    p.grad = h;
    for (int l = program.layer_count; l-- > 0;) tangent_backward(block, p, program.layers[l]);
    for (int t = 0; t < program.tensor_count; ++t) {
      const TensorInfo& info = program.tensors[t];
      if (!info.fast) continue;
      const Index at = task.flat(t);
      T* to_g = info.input < 0 ? c.gradient + info.offset : c.gradient_blocks[t];
      T* to_h = info.input < 0 ? c.product + info.offset : c.product_blocks[t];
      task.each_element(t, [&](Index i, Index) {
        to_g[i] = g[at + i];
        to_h[i] = h[at + i];
      });
    }
  }
};

}  // namespace innerloop::device
