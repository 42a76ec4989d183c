"""PyTorch function transforms (torch.func, or functorch before 2.0): vmap over tasks, grad inside grad."""
from trial import ORDER, RATE, STEPS, run
from torch_common import floats, loss_of, tensors

try:
    from torch.func import grad, grad_and_value, vmap
except ImportError:
    from functorch import grad, grad_and_value, vmap

parameters, data = tensors()
parameters = tuple(parameters)


def adapt(theta, sx, sy):
    for _ in range(STEPS):
        gradient = grad(loss_of)(theta, sx, sy)
        theta = tuple(p - RATE * g for p, g in zip(theta, gradient))
    return theta


def mean_loss(theta, sx, sy, qx, qy):
    def task_loss(sx, sy, qx, qy):
        return loss_of(adapt(theta, sx, sy), qx, qy)

    return vmap(task_loss)(sx, sy, qx, qy).mean()


def first_order(theta, sx, sy, qx, qy):
    """Adapt without an outer gradient; the query gradient at the end of the path is FOMAML's."""

    def task(sx, sy, qx, qy):
        return grad_and_value(loss_of)(adapt(theta, sx, sy), qx, qy)

    gradient, loss = vmap(task)(sx, sy, qx, qy)
    return tuple(g.mean(0) for g in gradient), loss.mean()


def meta_gradient():
    gradient, loss = first_order(parameters, *data) if ORDER == 1 else grad_and_value(mean_loss)(parameters, *data)
    return loss, gradient


run(lambda: floats(*meta_gradient()), meta_gradient)
