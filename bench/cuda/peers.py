"""The same case in PyTorch (batched by torch.func, in a CUDA graph) and JAX (jit of vmap), float32 with TF32 off: one JSON line a case."""
import json
import sys
import time

STEPS, TASKS, RATE, SECONDS = (1, 5), (32, 1024, 8192), 0.01, 3.0
WIDTHS = (256, 64, 64, 1)


def report(name, steps, tasks, call):
    for _ in range(3):
        call()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        call()
        calls += 1
    rate = calls * tasks / (time.perf_counter() - start)
    print(json.dumps({"name": name, "steps": steps, "tasks": tasks, "tasksPerSecond": rate}), flush=True)


def with_torch():
    import torch
    from torch.func import grad, grad_and_value, vmap

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(1)
    device = "cuda"

    def loss(p, x, y):
        for layer in range(3):
            x = x @ p[2 * layer].T + p[2 * layer + 1]
            x = torch.relu(x) if layer < 2 else x
        return ((x[..., 0] - y) ** 2).mean()

    def task(p, sx, sy, qx, qy, steps):
        for _ in range(steps):
            p = tuple(a - RATE * b for a, b in zip(p, grad(loss)(p, sx, sy)))
        return loss(p, qx, qy)

    for steps in STEPS:
        for tasks in TASKS:
            p = []
            for i, o in zip(WIDTHS, WIDTHS[1:]):
                p += [torch.randn(o, i, device=device) / i**0.5, torch.zeros(o, device=device)]
            p = tuple(p)
            data = [torch.randn(*s, device=device) for s in ((tasks, 20, 256), (tasks, 20), (tasks, 10, 256), (tasks, 10))]

            def mean(p):
                return vmap(lambda *d: task(p, *d, steps))(*data).mean()

            side = torch.cuda.Stream()
            with torch.cuda.stream(side):
                for _ in range(3):
                    grad_and_value(mean)(p)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                grad_and_value(mean)(p)

            def call():
                graph.replay()
                torch.cuda.synchronize()

            report(f"PyTorch {torch.__version__}, batched, CUDA graph", steps, tasks, call)


def with_jax():
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "highest")

    def loss(p, x, y):
        for layer in range(3):
            x = x @ p[2 * layer].T + p[2 * layer + 1]
            x = jax.nn.relu(x) if layer < 2 else x
        return ((x[..., 0] - y) ** 2).mean()

    def task(p, sx, sy, qx, qy, steps):
        for _ in range(steps):
            p = [a - RATE * b for a, b in zip(p, jax.grad(loss)(p, sx, sy))]
        return loss(p, qx, qy)

    for steps in STEPS:
        for tasks in TASKS:
            key = jax.random.PRNGKey(1)
            p = []
            for i, o in zip(WIDTHS, WIDTHS[1:]):
                p += [jax.random.normal(key, (o, i)) / i**0.5, jnp.zeros(o)]
            data = [jax.random.normal(key, s) for s in ((tasks, 20, 256), (tasks, 20), (tasks, 10, 256), (tasks, 10))]
            mean = lambda p, *d: jax.vmap(lambda *e: task(p, *e, steps))(*d).mean()
            run = jax.jit(jax.value_and_grad(mean))
            report(f"JAX {jax.__version__}, jit of vmap", steps, tasks, lambda: jax.block_until_ready(run(p, *data)))


{"torch": with_torch, "jax": with_jax}[sys.argv[1]]()
