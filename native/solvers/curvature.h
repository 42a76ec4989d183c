// Products with the Hessian of a task's mean support loss, each by one tangent pass over what SupportPasses left
// (Pearlmutter 1994).
#pragma once
#include "../task/gram.h"
#include "../task/reverse.h"
#include "../task/row_blocks.h"
#include "../task/support_passes.h"

namespace innerloop {

template <class T>
struct Curvature {
  // adjoint: of the support rows' boundary slots, by slot, null where not wanted; every product is added to it.
  Curvature(const Reverse<T>& reverse, SupportPasses<T>& support, T** adjoint)
      : task(reverse.task),
        support(support),
        adjoint(adjoint),
        one_step(reverse.take_adjoints()),
        tangent(task.take_slots(task.support, task.plan.suffix_slots, true)) {
    for (const int s : task.plan.boundary) tangent.dx[s] = adjoint[s] ? one_step[s] : nullptr;
  }

  // hv += H_S(θ_k, φ)(d, 0), by tensor, null where not wanted.
  void product(int k, T* d, T* const* hv) {
    task.poll();
    const Plan<T>& plan = task.plan;
    Gram<T>* const gram = task.gram;
    const bool gram_learns = gram && adjoint[plan.gram->slot_in];
    const std::size_t bottom = gram ? 1 : 0;
    const int out = plan.model.output_slot;
    Pass<T> pass =
        task.make_pass(task.support_rows(), task.support, task.parameters.at(k), support.slots[k], task.no_targets);
    pass.direction = task.parameters.fast_pointers(d), pass.hv = hv, pass.tx = tangent.x, pass.tdx = tangent.dx;
    if (gram) gram->tangent_forward(pass.tx[plan.gram->slot_out]);
    const RowBlocks<T> blocks(task, pass);
    blocks.each([&](const Pass<T>& p) {
      for (std::size_t l = bottom; l < plan.suffix.size(); ++l) plan.suffix[l]->tangent_forward(p);
    });
    plan.loss.tangent(task.support, pass.x[out], task.support_labels(), pass.tx[out], support.weight(), pass.tdx[out]);
    blocks.add_products([&](const Pass<T>& p) {
      for (std::size_t l = plan.suffix.size(); l-- > bottom;) plan.suffix[l]->tangent_backward(p);
    });
    if (gram) gram->tangent_backward(k, pass.dx[plan.gram->slot_out], pass.tdx[plan.gram->slot_out], gram_learns);
    for (const int s : plan.boundary)
      if (adjoint[s] && !(gram && s == plan.gram->slot_in))
        plan.kernels.axpy(task.support * plan.model.slot_width[s], T(1), one_step[s], adjoint[s]);
  }

  Task<T>& task;
  SupportPasses<T>& support;
  T** adjoint;
  T** one_step;
  Slots<T> tangent;
};

}  // namespace innerloop
