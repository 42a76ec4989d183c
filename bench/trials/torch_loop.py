"""PyTorch as tutorials write it: a loop over tasks, torch.autograd.grad with create_graph."""
from trial import ORDER, RATE, STEPS, TASKS, run
from torch_common import floats, loss_of, tensors

import torch

parameters, (sx, sy, qx, qy) = tensors()
for p in parameters:
    p.requires_grad_(True)


def meta_gradient():
    total = 0
    for t in range(TASKS):
        theta = parameters
        for _ in range(STEPS):
            gradient = torch.autograd.grad(loss_of(theta, sx[t], sy[t]), theta, create_graph=ORDER == 2)
            theta = [p - RATE * g for p, g in zip(theta, gradient)]
        total = total + loss_of(theta, qx[t], qy[t])
    loss = total / TASKS
    return loss, torch.autograd.grad(loss, parameters)


run(lambda: floats(*meta_gradient()), meta_gradient)
