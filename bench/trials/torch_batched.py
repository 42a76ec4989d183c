"""PyTorch with the tasks batched by hand: a weight per task [tasks, out, in] and batched matrix products."""
from trial import ORDER, RATE, STEPS, TASKS, run
from torch_common import floats, tensors

import torch

parameters, (sx, sy, qx, qy) = tensors()
for p in parameters:
    p.requires_grad_(True)


def losses(theta, x, y):
    """[tasks]"""
    for layer in range(0, len(theta), 2):
        x = torch.baddbmm(theta[layer + 1].unsqueeze(1), x, theta[layer].transpose(1, 2))
        if layer + 2 < len(theta):
            x = torch.relu(x)
    return ((x - y) ** 2).mean((1, 2))


def meta_gradient():
    theta = [p.unsqueeze(0).expand(TASKS, *p.shape) for p in parameters]
    for _ in range(STEPS):
        # Tasks do not mix, so the gradient of the sum is every task's own.
        gradient = torch.autograd.grad(losses(theta, sx, sy).sum(), theta, create_graph=ORDER == 2)
        theta = [p - RATE * g for p, g in zip(theta, gradient)]
    loss = losses(theta, qx, qy).mean()
    return loss, torch.autograd.grad(loss, parameters)


run(lambda: floats(*meta_gradient()), meta_gradient)
