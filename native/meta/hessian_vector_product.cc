#include "hessian_vector_product.h"

#include "../task/row_blocks.h"
#include "sums.h"

namespace innerloop {

template <class T>
HessianVectorProduct<T> hessian_vector_product(const Plan<T>& plan, const T* parameters, const T* vector,
                                               const std::function<void()>& poll) {
  const Model<T>& model = plan.model;
  const int n = static_cast<int>(model.tensors.size()), out = model.output_slot;
  const SharedParameters<T> shared(plan, parameters, Passes::meta_gradient);
  Arena& arena = Arena::of_this_thread();
  arena.reset();
  Task<T> task(plan, 0, shared, arena, poll);
  TableSums<T> gradient_tables(model, *plan.index, true), product_tables(model, *plan.index, true);
  HessianVectorProduct<T> result{};
  result.gradient.dense.assign(model.dense_size, T(0));
  result.product.dense.assign(model.dense_size, T(0));

  std::vector<T*> grad = gradient_tables.of_task(model, *plan.index, 0),
                  hv = product_tables.of_task(model, *plan.index, 0);
  std::vector<const T*> v(n);
  for (int t = 0; t < n; ++t) {
    const TensorInfo& info = model.tensors[t];
    v[t] = info.input < 0 ? vector + info.offset : task.parameters.gather(vector, t);
    if (info.input >= 0) continue;
    grad[t] = result.gradient.dense.data() + info.offset;
    hv[t] = result.product.dense.data() + info.offset;
  }
  const Slots<T> s = task.take_slots(task.query, plan.all_slots, true),
                 tangent = task.take_slots(task.query, plan.all_slots, true);
  Pass<T> pass = task.make_pass(task.query_rows(), task.query, task.parameters.at(0), s, grad.data());
  pass.direction = v.data(), pass.hv = hv.data(), pass.tx = tangent.x, pass.tdx = tangent.dx;
  const Labels<T> labels = task.query_labels();
  const auto learns = [&](const Layer<T>& layer) { return s.dx[layer.out] != nullptr; };
  const RowBlocks<T> blocks(task, pass);
  blocks.each([&](const Pass<T>& p) {
    for (const auto& layer : model.layers) poll(), layer->forward(p);
  });
  result.loss = plan.loss.value(task.query, s.x[out], labels);
  plan.loss.backward(task.query, s.x[out], labels, T(1), s.dx[out]);
  blocks.add_gradients([&](const Pass<T>& p) {
    for (auto layer = model.layers.rbegin(); layer != model.layers.rend(); ++layer)
      if (learns(**layer)) poll(), (*layer)->backward(p);
  });
  blocks.each([&](const Pass<T>& p) {
    for (const auto& layer : model.layers) poll(), layer->tangent_forward(p);
  });
  plan.loss.tangent(task.query, s.x[out], labels, tangent.x[out], T(1), tangent.dx[out]);
  blocks.add_products([&](const Pass<T>& p) {
    for (auto layer = model.layers.rbegin(); layer != model.layers.rend(); ++layer)
      if (learns(**layer)) poll(), (*layer)->tangent_backward(p);
  });
  gradient_tables.reduce(model, *plan.index, 1, result.gradient);
  product_tables.reduce(model, *plan.index, 1, result.product);
  return result;
}

template HessianVectorProduct<float> hessian_vector_product(const Plan<float>&, const float*, const float*,
                                                            const std::function<void()>&);
template HessianVectorProduct<double> hessian_vector_product(const Plan<double>&, const double*, const double*,
                                                             const std::function<void()>&);

}  // namespace innerloop
