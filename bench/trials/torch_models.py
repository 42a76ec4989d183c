"""PyTorch on a case of models.ts, in its best form: the tasks batched by hand, parameters that adapt as one tensor a task, tables as
the rows that a task reads. The gradient of a table is left as those rows, and is only put together to be compared.

The file of the case is written by trials/models-file.ts.
"""
import json
import math

from trial import REQUEST, run
from torch_common import torch

functional = torch.nn.functional
with open(REQUEST["data"]) as file:
    CASE = json.load(file)
TASKS = len(CASE["tasks"])
INPUTS = CASE["model"]["inputs"]
BODY = CASE["model"]["body"]
ALGORITHM = CASE["algorithm"]["name"]
STEPS, RATE = REQUEST["steps"], REQUEST["learningRate"]
NAMES = list(CASE["parameters"])
VALUES = {
    name: torch.tensor(tensor["data"], dtype=torch.float32).reshape(tensor["shape"])
    for name, tensor in CASE["parameters"].items()
}
KINDS = {spec["name"]: spec["kind"] for spec in INPUTS}


def part(which):
    """Rows [tasks, most rows, …] by input, labels and 1 where there is a row."""
    parts = [task[which] for task in CASE["tasks"]]
    most = max(len(rows["labels"]) for rows in parts)
    padded = lambda rows: rows + [rows[-1]] * (most - len(rows))
    return {
        "labels": torch.tensor([padded(rows["labels"]) for rows in parts], dtype=torch.float32),
        "mask": torch.tensor([[float(r < len(rows["labels"])) for r in range(most)] for rows in parts]),
        **{
            name: torch.tensor(
                [padded(rows["inputs"][name]) for rows in parts],
                dtype=torch.float32 if kind == "dense" else torch.long,
            )
            for name, kind in KINDS.items()
        },
    }


SUPPORT, QUERY = part("support"), part("query")

# Ids as places in the distinct ids of their task, padded: [tasks, most ids].
UNIQUE = {}
for name, kind in KINDS.items():
    if kind == "dense":
        continue
    distinct = [sorted(set(SUPPORT[name][t].flatten().tolist() + QUERY[name][t].flatten().tolist())) for t in range(TASKS)]
    most = max(map(len, distinct))
    for rows in (SUPPORT, QUERY):
        rows[name] = torch.stack(
            [torch.searchsorted(torch.tensor(ids), rows[name][t]) for t, ids in enumerate(distinct)]
        )
    UNIQUE[name] = torch.tensor([ids + [ids[0]] * (most - len(ids)) for ids in distinct])


def table_of(name):
    """The input whose table a parameter is, if it is one."""
    kind, *rest = name.split(".")
    return rest[0] if kind in ("embedding", "bias", "linear") and rest and rest[0] in UNIQUE else None


LEAVES = {
    name: (VALUES[name][UNIQUE[table_of(name)]] if table_of(name) else VALUES[name]).clone().requires_grad_(True)
    for name in NAMES
}


def look_up(theta, name, ids):
    """Rows [tasks, …, width] of a table's block [tasks, ids, width]."""
    block = theta[name]
    flat = ids.reshape(TASKS, -1, 1).expand(-1, -1, block.shape[-1])
    return block.gather(1, flat).reshape(*ids.shape, block.shape[-1])


def linear(theta, name, x, bias=True):
    """A weight is [out, in], or [tasks, out, in] where it adapts."""
    weight, b = theta[f"{name}.weight"], theta.get(f"{name}.bias") if bias else None
    if weight.dim() == 2:
        return functional.linear(x, weight, b)
    return torch.baddbmm(b.unsqueeze(1), x, weight.transpose(1, 2))


def perceptron(theta, name, x, layers, activate=torch.relu):
    for layer in range(layers):
        x = linear(theta, f"{name}.{layer}", x)
        if layer + 1 < layers:
            x = activate(x)
    return x


def embedded(theta, rows, names):
    return torch.cat(
        [rows[n] if KINDS[n] == "dense" else look_up(theta, f"embedding.{n}.weight", rows[n]) for n in names], -1
    )


def gru(theta, name, ids, width):
    x = look_up(theta, f"embedding.{name}.weight", ids)  # [tasks, rows, steps, dim]

    def matrix(key):
        w = theta[f"gru.{key}"]
        return w.transpose(-1, -2) if w.dim() == 3 else w.t()

    def vector(key):
        b = theta[f"gru.{key}"]
        return b.unsqueeze(1) if b.dim() == 2 else b

    inputs = x.reshape(TASKS, -1, x.shape[-1]) @ matrix("weight_ih_l0") + vector("bias_ih_l0")
    inputs = inputs.reshape(*x.shape[:3], 3 * width)
    h = x.new_zeros(*x.shape[:2], width)
    for step in range(x.shape[2]):
        from_state = h @ matrix("weight_hh_l0") + vector("bias_hh_l0")
        ir, iz, new = inputs[:, :, step].split(width, -1)
        hr, hz, hn = from_state.split(width, -1)
        r, z = torch.sigmoid(ir + hr), torch.sigmoid(iz + hz)
        n = torch.tanh(new + r * hn)
        h = (1 - z) * n + z * h
    return h


def scalar(theta, name):
    value = theta[name]
    return value.reshape(-1, 1) if value.numel() == TASKS and value.dim() > 1 else value.reshape(-1)


def outputs(theta, rows):
    """[tasks, rows]"""
    kind, names = BODY["kind"], list(KINDS)
    if kind == "mlp":
        activate = torch.relu if BODY.get("activation", "relu") == "relu" else (lambda x: x)
        x = embedded(theta, rows, names)
        return perceptron(theta, "mlp", x, len(BODY["hidden"]) + 1, activate).squeeze(-1)
    if kind == "mf":
        user, item = BODY["user"], BODY["item"]
        factors = [look_up(theta, f"embedding.{n}.weight", rows[n]) for n in (user, item)]
        biases = [look_up(theta, f"bias.{n}.weight", rows[n]).squeeze(-1) for n in (user, item)]
        return (factors[0] * factors[1]).sum(-1) + biases[0] + biases[1] + scalar(theta, "bias.global")
    if kind == "fm":
        v = torch.stack([look_up(theta, f"embedding.{n}.weight", rows[n]) for n in names], 2)
        terms = sum(look_up(theta, f"linear.{n}.weight", rows[n]).squeeze(-1) for n in names)
        pairs = (v.sum(2).square() - v.square().sum(2)).sum(-1) / 2
        return terms + pairs + scalar(theta, "linear.bias")
    if kind == "gru":
        parts = [
            gru(theta, n, rows[n], BODY["gruHidden"]) if KINDS[n] == "sequence" else embedded(theta, rows, [n])
            for n in names
        ]
        return perceptron(theta, "mlp", torch.cat(parts, -1), len(BODY["hidden"]) + 1).squeeze(-1)
    layers = len(BODY["hidden"]) + 1
    sides = [perceptron(theta, side, embedded(theta, rows, BODY[side]), layers) for side in ("user", "item")]
    return (sides[0] * sides[1]).sum(-1) + scalar(theta, "bias.global")


def mean_loss(prediction, rows):
    """[tasks], squared error"""
    return ((prediction - rows["labels"]).square() * rows["mask"]).sum(1) / rows["mask"].sum(1)


def adapted():
    """All parameters after the inner loop."""
    fast = CASE["fast"]
    theta = dict(LEAVES)
    for name in fast:
        if not table_of(name):
            theta[name] = theta[name].unsqueeze(0).expand(TASKS, *theta[name].shape)
    for _ in range(STEPS):
        # Tasks do not mix, so the gradient of the sum is every task's own.
        loss = mean_loss(outputs(theta, SUPPORT), SUPPORT).sum()
        gradient = torch.autograd.grad(loss, [theta[name] for name in fast], create_graph=True)
        theta = {**theta, **{name: theta[name] - RATE * g for name, g in zip(fast, gradient)}}
    return theta


def features(rows, layers):
    return torch.relu(perceptron(LEAVES, "mlp", embedded(LEAVES, rows, list(KINDS)), layers))


def ridge_loss():
    layers = len(BODY["hidden"])
    with_one = lambda e: torch.cat([e, e.new_ones(*e.shape[:2], 1)], -1)
    a, q = with_one(features(SUPPORT, layers)), with_one(features(QUERY, layers))
    mean = torch.cat([LEAVES[f"mlp.{layers}.weight"].reshape(-1), LEAVES[f"mlp.{layers}.bias"]])
    a = a * SUPPORT["mask"].unsqueeze(-1)
    error = SUPPORT["labels"] * SUPPORT["mask"] - a @ mean
    precision = a.transpose(1, 2) @ a + torch.diag(LEAVES["prior.logPrecision"].exp())
    right = a.transpose(1, 2) @ error.unsqueeze(-1)
    w = mean + torch.cholesky_solve(right, torch.linalg.cholesky(precision)).squeeze(-1)
    return mean_loss((q @ w.unsqueeze(-1)).squeeze(-1), QUERY).mean()


def prototype_loss():
    layers = len(BODY["hidden"])
    e, q = features(SUPPORT, layers), features(QUERY, layers)
    kappa = LEAVES["prototypes.logRows"].reshape(()).exp()
    classes = functional.one_hot(SUPPORT["labels"].long(), 2).to(e) * SUPPORT["mask"].unsqueeze(-1)
    sums = classes.transpose(1, 2) @ e + kappa * LEAVES["prototypes.mean"]
    centres = sums / (classes.sum(1).unsqueeze(-1) + kappa)
    logits = -(q.unsqueeze(2) - centres.unsqueeze(1)).square().sum(-1)
    return functional.cross_entropy(logits.reshape(-1, 2), QUERY["labels"].long().reshape(-1))


def meta_gradient():
    if ALGORITHM == "ridge":
        loss = ridge_loss()
    elif ALGORITHM == "protoNets":
        loss = prototype_loss()
    else:
        loss = mean_loss(outputs(adapted(), QUERY), QUERY).mean()
    return loss, torch.autograd.grad(loss, list(LEAVES.values()), allow_unused=True)


def check():
    loss, gradient = meta_gradient()
    whole = []
    for name, g in zip(NAMES, gradient):
        full = torch.zeros_like(VALUES[name])
        if g is not None and table_of(name):
            full.index_add_(0, UNIQUE[table_of(name)].reshape(-1), g.reshape(-1, g.shape[-1]))
        elif g is not None:
            full = g
        whole.append(full.double().reshape(-1).tolist())
    assert math.isfinite(float(loss))
    return float(loss), whole


run(check, meta_gradient)
