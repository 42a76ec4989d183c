#include "support_passes.h"

#include <algorithm>

#include "gram.h"
#include "row_blocks.h"

namespace innerloop {

template <class T>
SupportPasses<T>::SupportPasses(Task<T>& task)
    : task(task),
      slots(task.arena.template take<Slots<T>>(task.plan.inner.steps + 1)),
      gradient(task.arena.template take_zeroed<T*>(task.plan.inner.steps + 1)) {}

template <class T>
void SupportPasses<T>::take_slots(int k) {
  slots[k] = task.take_slots(task.support, task.plan.suffix_slots, true);
  for (const int s : task.plan.boundary) slots[k].x[s] = task.prefix.x[s];
}

template <class T>
void SupportPasses<T>::run(int k) {
  if (is_empty()) return;
  task.poll();
  const Plan<T>& plan = task.plan;
  Gram<T>* const gram = task.gram;
  TaskParameters<T>& parameters = task.parameters;
  const int out = plan.model.output_slot;
  const std::size_t bottom = gram ? 1 : 0;
  Pass<T> pass = task.make_pass(task.support_rows(), task.support, parameters.at(k), slots[k],
                                parameters.fast_pointers(gradient[k]));
  if (plan.inner.is_folded()) pass.from = folded_from(k);
  if (gram) gram->support_forward(k, pass.x[plan.gram->slot_out]);
  const RowBlocks<T> blocks(task, pass);
  blocks.each([&](const Pass<T>& p) {
    for (std::size_t l = bottom; l < plan.suffix.size(); ++l) plan.suffix[l]->forward(p);
  });
  plan.loss.backward(task.support, pass.x[out], task.support_labels(), weight(), pass.dx[out]);
  blocks.add_gradients([&](const Pass<T>& p) {
    for (std::size_t l = plan.suffix.size(); l-- > bottom;) plan.suffix[l]->backward(p);
  });
  if (gram) gram->step(k, pass.dx[plan.gram->slot_out]);
}

template <class T>
const T* const* SupportPasses<T>::folded_from(int k) const {
  const TaskParameters<T>& parameters = task.parameters;
  const T** from = task.arena.template take_zeroed<const T*>(static_cast<Index>(task.plan.model.tensors.size()));
  for (const AffineMap* map : task.plan.folded)
    if (const Index at = parameters.fast_offset[map->weight]; at >= 0) from[map->weight] = parameters.theta[k] + at;
  return from;
}

template <class T>
void SupportPasses<T>::copy_step(int k) const {
  const TaskParameters<T>& parameters = task.parameters;
  const T* const theta = parameters.theta[k];
  T* const next = parameters.theta[k + 1];
  if (is_empty()) {
    std::copy_n(theta, parameters.fast_size, next);
    return;
  }
  const T* const* from = folded_from(k);
  parameters.each_fast([&](int t, Index at, Index size) {
    if (!from[t]) std::copy_n(theta + at, size, next + at);
  });
}

template <class T>
T SupportPasses<T>::weight() const {
  const InnerLoop<T>& inner = task.plan.inner;
  const T rows = static_cast<T>(task.support), share = task.support > 0 ? rows / (rows + inner.shrinkage) : T(1);
  return inner.is_folded() ? -inner.rate * share : share;
}

template struct SupportPasses<float>;
template struct SupportPasses<double>;

}  // namespace innerloop
