"""learn2learn (Arnold et al. 2020): clone, adapt, backward."""
from trial import ORDER, RATE, STEPS, TASKS, run
from torch_common import Mlp, floats, tensors

import learn2learn
import torch

parameters, (sx, sy, qx, qy) = tensors()
maml = learn2learn.algorithms.MAML(Mlp(parameters), lr=RATE, first_order=ORDER == 1)
weights = list(maml.parameters())
loss_of = torch.nn.functional.mse_loss


def meta_gradient():
    total = 0
    for t in range(TASKS):
        learner = maml.clone()
        for _ in range(STEPS):
            learner.adapt(loss_of(learner(sx[t]), sy[t]))
        total = total + loss_of(learner(qx[t]), qy[t])
    loss = total / TASKS
    return loss, torch.autograd.grad(loss, weights)


run(lambda: floats(*meta_gradient()), meta_gradient)
