#include "task.h"

#include <algorithm>

#include "../graphs/run.h"
#include "../plan/blocks.h"
#include "gram.h"
#include "row_blocks.h"

namespace innerloop {
namespace {

// Points x[out] of a layer at values that lie in memory already, and gives whether there are any.
template <class T>
bool find(const Layer<T>& layer, const Pass<T>& pass, const Slots<T>& slots) {
  const T* found = layer.in_place(pass.rows, pass.n);
  // The pointer may lose its const, because no slot of values is written once its layer has run.
  if (found) slots.x[layer.out] = const_cast<T*>(found);
  return found != nullptr;
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
  forward_or_find(plan.prefix, pass, prefix);
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
  if (!gram) return forward_or_find(plan.model.layers, pass, slots);
  for (const auto& layer : plan.model.layers) {
    poll();
    if (layer->affine_map() == plan.gram)
      gram->query_forward(k, pass.x[plan.gram->slot_in], pass.x[plan.gram->slot_out]);
    else if (!find(*layer, pass, slots))
      layer->forward(pass);
  }
}

template <class T>
template <class Layers>
void Task<T>::forward_or_find(const Layers& layers, const Pass<T>& pass, const Slots<T>& slots) const {
  const RowBlocks<T> blocks(*this, pass);
  if (blocks.is_one()) {
    for (const auto& layer : layers)
      if (poll(), !find(*layer, pass, slots)) layer->forward(pass);
    return;
  }
  for (const auto& layer : layers) find(*layer, pass, slots);
  blocks.each([&](const Pass<T>& block) {
    for (const auto& layer : layers) {
      // The rows of a block may follow each other where those of the task do
      // not: it counts where the slot points.
      const T* const found = layer->in_place(block.rows, block.n);
      if (!found || found != block.x[layer->out]) layer->forward(block);
    }
  });
}

template <class T>
Index Task<T>::gradient_size() const {
  Index size = 0;
  for (std::size_t t = 0; t < plan.model.tensors.size(); ++t)
    // Without an index, no gradient of a table is wanted.
    if (plan.index || plan.model.tensors[t].input < 0) size += aligned(parameters.tensor_size(static_cast<int>(t)));
  return size;
}

template <class T>
Index Task<T>::blocks_of(Index n) const {
  // The Gram form has products over all rows.
  if (n < kLeastBlocks * kBlockRows || plan.gram) return 1;
  return block_count(n, (gradient_size() + aligned(plan.model.scratch_size)) * static_cast<Index>(sizeof(T)));
}

template <class T>
const BlockMemory<T>& Task<T>::block_memory() const {
  if (blocks.scratch) return blocks;
  const Index count = std::max(blocks_of(support), blocks_of(query));
  blocks.size = gradient_size();
  blocks.scratch = arena.take<T>(count * aligned(plan.model.scratch_size));
  blocks.slots = arena.take<T*>(count * 4 * static_cast<Index>(plan.model.slot_width.size()));
  blocks.sums = arena.take<T>(count * blocks.size);
  blocks.tensors = arena.take<T*>(count * static_cast<Index>(plan.model.tensors.size()));
  return blocks;
}

template struct Task<float>;
template struct Task<double>;

}  // namespace innerloop
