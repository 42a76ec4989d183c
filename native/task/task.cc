#include "task.h"

#include <algorithm>

#include "../graphs/run.h"
#include "gram.h"

namespace innerloop {
namespace {

// Fills x[out] of a layer that no fast parameter reaches: by running it, or by pointing at values that lie there
// already.
template <class T>
void forward_or_find(const Layer<T>& layer, const Pass<T>& pass, const Slots<T>& slots) {
  // The pointer may lose its const, because no slot of values is written once its layer has run.
  if (const T* found = layer.in_place(pass.rows, pass.n))
    slots.x[layer.out] = const_cast<T*>(found);
  else
    layer.forward(pass);
}

template <class T>
GraphRun<T>* new_run(const Task<T>& task, Index support) {
  return new (task.arena.template take<GraphRun<T>>(1)) GraphRun<T>(task, *task.plan.graph, support);
}

}  // namespace

template <class T>
Task<T>::Task(const Plan<T>& plan, Index number, const SharedParameters<T>& shared, Arena& arena,
              const std::function<void()>& poll)
    : plan(plan),
      arena(arena),
      poll(poll),
      number(number),
      first(plan.batch.begin[2 * number]),
      support(plan.batch.begin[2 * number + 1] - first),
      query(plan.batch.begin[2 * number + 2] - first - support),
      parameters(plan, number, shared, arena),
      no_targets(arena.take_zeroed<T*>(static_cast<Index>(plan.model.tensors.size()))),
      scratch(arena.take<T>(plan.model.scratch_size)) {
  if (plan.starts) run = generate_starts(*this, *plan.starts);
}

template <class T>
Slots<T> Task<T>::take_slots(Index n, const std::vector<int>& slots, bool with_gradient) const {
  const int count = static_cast<int>(plan.model.slot_width.size());
  Slots<T> s{.x = arena.take_zeroed<T*>(count), .dx = arena.take_zeroed<T*>(count)};
  for (const int i : slots) {
    s.x[i] = arena.take<T>(n * plan.model.slot_width[i]);
    if (with_gradient && plan.model.slot_learns[i]) s.dx[i] = arena.take<T>(n * plan.model.slot_width[i]);
  }
  return s;
}

template <class T>
Pass<T> Task<T>::make_pass(const RowsView<T>& rows, Index n, const ParameterView<T>& view, const Slots<T>& slots,
                           T* const* grad) const {
  return {.kernels = &plan.kernels,
          .rows = rows,
          .n = n,
          .theta = view.theta,
          .transposed = view.transposed,
          .direction = no_targets,
          .grad = grad,
          .from = no_targets,
          .hv = no_targets,
          .x = slots.x,
          .dx = slots.dx,
          .tx = nullptr,
          .tdx = nullptr,
          .scratch = scratch,
          .segments = plan.segments.data(),
          .dropout = plan.inner.dropout,
          .first_row = plan.first_row() + rows.first};
}

template <class T>
void Task<T>::adapt(bool keep) {
  if (plan.graph) {
    run = new_run(*this, support);
    return run->forward_support();
  }
  if (plan.inner.steps == 0) return;
  support_prefix();
  plan.solver.adapt(*this, keep);
}

template <class T>
void Task<T>::support_prefix() {
  prefix = take_slots(support, plan.prefix_slots, false);
  const Pass<T> pass = make_pass(support_rows(), support, parameters.at(0), prefix, no_targets);
  for (const Layer<T>* layer : plan.prefix) poll(), forward_or_find(*layer, pass, prefix);
}

template <class T>
void Task<T>::start_from(const Adapted<T>& adapted) {
  if (!plan.graph || adapted.graph.get() != plan.graph) return parameters.start_from(adapted);
  run = new_run(*this, adapted.support);
  run->restore(adapted);
}

template <class T>
const T* Task<T>::predict_query(int k, const T** features) {
  if (plan.graph) return run ? run->outputs() : GraphRun<T>::of_unknown(*this, *plan.graph);
  const Slots<T> s = take_slots(query, plan.all_slots, false);
  const Pass<T> pass =
      make_pass(query_rows(), query, {.theta = parameters.pointers(k), .transposed = no_targets}, s, no_targets);
  query_forward(k, pass, s);
  if (features) *features = s.x[plan.model.last_layer->slot_in];
  return s.x[plan.model.output_slot];
}

template <class T>
void Task<T>::query_forward(int k, const Pass<T>& pass, const Slots<T>& slots) {
  for (const auto& layer : plan.model.layers) {
    poll();
    if (gram && layer->affine_map() == plan.gram)
      gram->query_forward(k, pass.x[plan.gram->slot_in], pass.x[plan.gram->slot_out]);
    else
      forward_or_find(*layer, pass, slots);
  }
}

template struct Task<float>;
template struct Task<double>;

}  // namespace innerloop
