#include "reverse.h"

#include "gram.h"
#include "row_blocks.h"

namespace innerloop {

template <class T>
Reverse<T>::Reverse(Task<T>& task, const Targets<T>& targets)
    : task(task),
      v(task.arena.template take_zeroed<T>(task.parameters.fast_size)),
      into(task.parameters.fast_pointers(v)) {
  // The Gram layer's gradient goes straight to the targets, as that of a slow tensor does.
  for (std::size_t t = 0; t < model.tensors.size(); ++t)
    if (!into[t]) into[t] = targets.at(model, t);
}

template <class T>
double Reverse<T>::query(int k, T weight) {
  const Slots<T> s = task.take_slots(task.query, plan.all_slots, true);
  const int out = model.output_slot;
  const Pass<T> pass = task.make_pass(task.query_rows(), task.query, task.parameters.at(k), s, into);
  task.query_forward(k, pass, s);
  const double loss = plan.loss.value(task.query, s.x[out], task.query_labels());
  plan.loss.backward(task.query, s.x[out], task.query_labels(), weight, s.dx[out]);
  RowBlocks<T>(task, pass).add_gradients([&](const Pass<T>& p) {
    for (auto layer = model.layers.rbegin(); layer != model.layers.rend(); ++layer) {
      if (!s.dx[(*layer)->out]) continue;
      task.poll();
      if (task.gram && (*layer)->affine_map() == plan.gram)
        task.gram->query_backward(k, s.x[plan.gram->slot_in], s.dx[plan.gram->slot_out], s.dx[plan.gram->slot_in]);
      else
        (*layer)->backward(p);
    }
  });
  return loss;
}

template <class T>
T** Reverse<T>::take_adjoints() const {
  T** adjoint = task.arena.template take_zeroed<T*>(static_cast<Index>(model.slot_width.size()));
  for (const int s : plan.boundary)
    if (model.slot_learns[s]) adjoint[s] = task.arena.template take_zeroed<T>(task.support * model.slot_width[s]);
  return adjoint;
}

template <class T>
void Reverse<T>::prefix_backward(T* const* adjoint) {
  Slots<T> s = task.take_slots(task.support, plan.prefix_slots, true);
  s.x = task.prefix.x;
  for (const int slot : plan.boundary) s.dx[slot] = adjoint[slot];
  const Pass<T> pass = task.make_pass(task.support_rows(), task.support, task.parameters.at(0), s, into);
  RowBlocks<T>(task, pass).add_gradients([&](const Pass<T>& p) {
    for (auto layer = plan.prefix.rbegin(); layer != plan.prefix.rend(); ++layer)
      if (s.dx[(*layer)->out]) (*layer)->backward(p);
  });
}

template struct Reverse<float>;
template struct Reverse<double>;

}  // namespace innerloop
