"""JAX: jit of the value and gradient of the mean over a vmapped inner loop."""
import os

from trial import ORDER, RATE, STEPS, THREADS, read, run

os.environ["JAX_PLATFORMS"] = "cpu"
if THREADS == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import numpy as np

parameters, data = read(lambda part, shape: jnp.asarray(np.array(part, dtype=np.float32).reshape(shape)))


def loss_of(theta, x, y):
    for layer in range(0, len(theta), 2):
        x = x @ theta[layer].T + theta[layer + 1]
        if layer + 2 < len(theta):
            x = jax.nn.relu(x)
    return jnp.mean((x - y) ** 2)


def task_loss(theta, sx, sy, qx, qy):
    for _ in range(STEPS):
        gradient = jax.grad(loss_of)(theta, sx, sy)
        if ORDER == 1:
            gradient = jax.lax.stop_gradient(gradient)
        theta = [p - RATE * g for p, g in zip(theta, gradient)]
    return loss_of(theta, qx, qy)


@jax.jit
@jax.value_and_grad
def meta_gradient(theta, *batch):
    return jnp.mean(jax.vmap(task_loss, in_axes=(None, 0, 0, 0, 0))(theta, *batch))


def floats():
    loss, gradient = meta_gradient(parameters, *data)
    return float(loss), [np.asarray(g, dtype=np.float64).reshape(-1).tolist() for g in gradient]


run(floats, lambda: jax.block_until_ready(meta_gradient(parameters, *data)))
