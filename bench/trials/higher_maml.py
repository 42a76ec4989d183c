"""higher (Grefenstette et al. 2019): a differentiable SGD over a patched module."""
from trial import ORDER, RATE, STEPS, TASKS, run
from torch_common import Mlp, floats, tensors

import higher
import torch

parameters, (sx, sy, qx, qy) = tensors()
model = Mlp(parameters)
inner = torch.optim.SGD(model.parameters(), lr=RATE)
loss_of = torch.nn.functional.mse_loss


def meta_gradient():
    total, gradient = 0.0, None
    for t in range(TASKS):
        with higher.innerloop_ctx(model, inner, copy_initial_weights=False, track_higher_grads=ORDER == 2) as (net, steps):
            for _ in range(STEPS):
                steps.step(loss_of(net(sx[t]), sy[t]))
            loss = loss_of(net(qx[t]), qy[t])
            # At order 1 the gradient at the adapted weights; at order 2 it flows back to the module's own.
            at = list(model.parameters()) if ORDER == 2 else list(net.parameters())
            mine = torch.autograd.grad(loss, at)
        total += float(loss.detach())
        gradient = mine if gradient is None else [a + b for a, b in zip(gradient, mine)]
    return total / TASKS, [g / TASKS for g in gradient]


run(lambda: floats(*meta_gradient()), meta_gradient)
