#!/usr/bin/env python3
"""Computes the `expected` part of the reference vectors beside it, in float64 by PyTorch's automatic differentiation.

    python3 test/golden/make.py                    rewrites `expected` in every file of the folder
    python3 test/golden/make.py --check [folder]   compares instead: fails where a tensor is off by more than 1e-9 of its largest entry

Models, parameters, tasks and the vector of the Hessian-vector product are inputs: they stay as they are in the files. README.md beside
it says what each field means. Needs PyTorch only (Debian: python3-torch).
"""
import json
import pathlib
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
TOLERANCE = 1e-9
ACTIVATIONS = {'relu': torch.relu, 'tanh': torch.tanh, 'sigmoid': torch.sigmoid, 'softplus': F.softplus, 'identity': lambda x: x}


def tensors(plain):
    return {name: torch.tensor(t['data']).reshape(t['shape']) for name, t in plain.items()}


def plain(named):
    return {name: {'shape': list(t.shape), 'data': t.detach().reshape(-1).tolist()} for name, t in named.items()}


# ------------------------------------------------------------------------------------------------------------- models


def bag_weights(spec, bags):
    """[rows, cardinality]: how much of each id a row holds. An empty bag holds nothing."""
    weights = torch.zeros(len(bags), spec['cardinality'])
    for row, ids in enumerate(bags):
        for i in ids:
            weights[row, i] += 1 / len(ids) if spec.get('pooling', 'mean') == 'mean' else 1
    return weights


def pooled(spec, params, values):
    """[rows, dim] of a categorical or a bag input."""
    table = params[f"embedding.{spec['name']}.weight"]
    if spec['kind'] == 'categorical':
        return table[torch.tensor(values)]
    return bag_weights(spec, values) @ table


def gru_state(params, table, hidden, history):
    """The last state over a history, oldest first, from zero; gates in the order r, z, n."""
    state = torch.zeros(hidden)
    for i in history:
        gates_x = params['gru.weight_ih_l0'] @ table[i] + params['gru.bias_ih_l0']
        gates_h = params['gru.weight_hh_l0'] @ state + params['gru.bias_hh_l0']
        (rx, zx, nx), (rh, zh, nh) = gates_x.split(hidden), gates_h.split(hidden)
        r, z = torch.sigmoid(rx + rh), torch.sigmoid(zx + zh)
        n = torch.tanh(nx + r * nh)
        state = (1 - z) * n + z * state
    return state


def features(model, params, inputs):
    """Inputs side by side, in the order of the model."""
    parts = []
    for spec in model['inputs']:
        values = inputs[spec['name']]
        if spec['kind'] == 'dense':
            parts.append(torch.tensor(values))
        elif spec['kind'] == 'sequence':
            table, hidden = params[f"embedding.{spec['name']}.weight"], model['body']['gruHidden']
            parts.append(torch.stack([gru_state(params, table, hidden, history) for history in values]))
        else:
            parts.append(pooled(spec, params, values))
    return torch.cat(parts, 1)


def perceptron(model, params, x):
    layers = len(model['body'].get('hidden', [])) + 1
    activation = ACTIVATIONS[model['body'].get('activation', 'relu')]
    for i in range(layers):
        x = x @ params[f'mlp.{i}.weight'].T + params[f'mlp.{i}.bias']
        if i < layers - 1:
            x = activation(x)
    return x


def matrix_factorization(model, params, inputs):
    user, item = model['body']['user'], model['body']['item']
    u, i = torch.tensor(inputs[user]), torch.tensor(inputs[item])
    dot = (params[f'embedding.{user}.weight'][u] * params[f'embedding.{item}.weight'][i]).sum(1, keepdim=True)
    return dot + params[f'bias.{user}.weight'][u] + params[f'bias.{item}.weight'][i] + params['bias.global']


def factorization_machine(model, params, inputs):
    """Rendle 2010: every pair of active features once, by the square of the sum less the sum of the squares."""
    values, factors, weights = [], [], []
    for spec in model['inputs']:
        given = inputs[spec['name']]
        if spec['kind'] == 'categorical':
            values.append(F.one_hot(torch.tensor(given), spec['cardinality']).double())
        elif spec['kind'] == 'bag':
            values.append(bag_weights(spec, given))
        else:
            values.append(torch.tensor(given))
        factors.append(params[f"embedding.{spec['name']}.weight"])
        weights.append(params[f"linear.{spec['name']}.weight"])
    x, v, w = torch.cat(values, 1), torch.cat(factors), torch.cat(weights)
    pairs = ((x @ v) ** 2 - (x ** 2) @ (v ** 2)).sum(1, keepdim=True) / 2
    return params['linear.bias'] + x @ w + pairs


def outputs_of(model, params, inputs):
    kind = model['body']['kind']
    if kind == 'mf':
        return matrix_factorization(model, params, inputs)
    if kind == 'fm':
        return factorization_machine(model, params, inputs)
    return perceptron(model, params, features(model, params, inputs))


def loss_of(model, params, rows):
    """Mean over the rows, and the outputs."""
    outputs = outputs_of(model, params, rows['inputs'])
    loss = model['head']['loss']
    if loss == 'softmax':
        return F.cross_entropy(outputs, torch.tensor(rows['labels']).long()), outputs
    labels = torch.tensor(rows['labels']).double()
    if loss == 'bce':
        return F.binary_cross_entropy_with_logits(outputs[:, 0], labels), outputs
    return ((outputs[:, 0] - labels) ** 2).mean(), outputs


# ------------------------------------------------------------------------------------------------------- meta-learning


def gradients(value, named, create_graph=False):
    """By name; what the value does not depend on has gradient 0."""
    found = torch.autograd.grad(value, list(named.values()), create_graph=create_graph, allow_unused=True)
    return {name: torch.zeros_like(t) if g is None else g for (name, t), g in zip(named.items(), found)}


def adapts(pattern, name):
    if pattern == 'all':
        return True
    return any(name.startswith(p[:-1]) if p.endswith('*') else name == p for p in pattern)


def clipped(slope, limit):
    """Scaled down to a norm over all tensors, where it is longer."""
    norm = torch.sqrt(sum((g ** 2).sum() for g in slope.values()))
    return {name: g * (limit / norm) for name, g in slope.items()} if norm > limit else slope


def moved(rule, moments, slope, step):
    """What a step takes of the rate times: the gradient, heavy-ball momentum (Polyak 1964), or Adam's (Kingma & Ba 2015)."""
    if rule['kind'] == 'sgd':
        return slope
    b1 = rule['momentum'] if rule['kind'] == 'momentum' else rule['beta1']
    first, second = moments
    for name, g in slope.items():
        first[name] = b1 * first.get(name, 0) + (g if rule['kind'] == 'momentum' else (1 - b1) * g)
    if rule['kind'] == 'momentum':
        return dict(first)
    b2 = rule['beta2']
    for name, g in slope.items():
        second[name] = b2 * second.get(name, 0) + (1 - b2) * g ** 2
    unbiased = {name: (first[name] / (1 - b1 ** (step + 1)), second[name] / (1 - b2 ** (step + 1))) for name in slope}
    return {name: m / (torch.sqrt(q) + rule['epsilon']) for name, (m, q) in unbiased.items()}


def adapted_to(case, params, rates, task, second):
    """The fast parameters after the inner loop, and all parameters with these in their place."""
    names = [name for name in params if adapts(case['adapt'], name)]
    rate, fast = case['innerLoop']['learningRate'], {name: params[name] for name in names}
    rule, moments = case['innerLoop'].get('inner', {'kind': 'sgd'}), ({}, {})
    for step in range(case['innerLoop']['steps']):
        loss, _ = loss_of(case['model'], {**params, **fast}, task['support'])
        slope = gradients(loss, fast, create_graph=second)
        if not second:
            slope = {name: g.detach() for name, g in slope.items()}
        if 'clipNorm' in rule:
            slope = clipped(slope, rule['clipNorm'])
        slope = moved(rule, moments, slope, step)
        for name in names:
            a = rates[name][step] if rate == 'perParameterPerStep' else rates[name] if rate == 'perParameter' else rate
            fast[name] = fast[name] - a * slope[name]
    return fast, {**params, **fast}


def gradient_case(case):
    params = {name: t.requires_grad_() for name, t in tensors(case['params']).items()}
    rates = {name: t.requires_grad_() for name, t in tensors(case.get('learningRates', {})).items()}
    expected = {}
    for order in ('secondOrder', 'firstOrder'):
        losses, adapted, outputs = [], [], []
        for task in case['tasks']:
            fast, whole = adapted_to(case, params, rates, task, order == 'secondOrder')
            loss, out = loss_of(case['model'], whole, task['query'])
            losses.append(loss)
            adapted.append(fast)
            outputs.append(out.detach().tolist())
        mean = sum(losses) / len(losses)
        both = gradients(mean, {**params, **{f'rate {name}': t for name, t in rates.items()}})
        expected[order] = plain({name: both[name] for name in params})
        if rates:
            field = 'learningRateGradient' + ('' if order == 'secondOrder' else 'FirstOrder')
            expected[field] = plain({name: both[f'rate {name}'] for name in rates})
    expected['loss'], expected['taskLosses'] = mean.item(), [loss.item() for loss in losses]
    expected['adapted'], expected['queryOutputs'] = [plain(fast) for fast in adapted], outputs
    if 'reptileDirection' in case['expected']:
        expected['reptileDirection'] = plain(
            {name: sum(params[name] - fast[name] for fast in adapted) / len(adapted) for name in adapted[0]}
        )
    loss, _ = loss_of(case['model'], params, case['tasks'][0]['support'])
    slope = gradients(loss, params, create_graph=True)
    vector = tensors(case['expected']['hvpTask0']['vector'])
    product = gradients(sum((slope[name] * vector[name]).sum() for name in params), params)
    expected['supportLossTask0'] = loss.item()
    expected['supportGradientTask0'] = plain(slope)
    expected['hvpTask0'] = {'vector': case['expected']['hvpTask0']['vector'], 'product': plain(product)}
    return expected


def metric_case(case):
    """Prototypical networks (Snell et al. 2017) and matching networks (Vinyals et al. 2016)."""
    params = {name: t.requires_grad_() for name, t in tensors(case['params']).items()}
    classes = case['model']['episode']['classes']
    losses, probabilities = [], []
    for task in case['tasks']:
        support = outputs_of(case['model'], params, task['support']['inputs'])
        query = outputs_of(case['model'], params, task['query']['inputs'])
        members = F.one_hot(torch.tensor(task['support']['labels']).long(), classes).double()
        labels = torch.tensor(task['query']['labels']).long()
        if case['method'] == 'prototypical':
            means = members.T @ support / members.sum(0)[:, None]
            logits = -((query[:, None] - means[None]) ** 2).sum(2)
            p = torch.softmax(logits, 1)
            losses.append(F.cross_entropy(logits, labels))
        else:
            cosine = F.normalize(query, dim=1) @ F.normalize(support, dim=1).T
            p = torch.softmax(cosine, 1) @ members
            losses.append(-torch.log(p[torch.arange(len(labels)), labels] + 1e-12).mean())
        probabilities.append(p.detach().tolist())
    mean = sum(losses) / len(losses)
    return {
        'loss': mean.item(),
        'taskLosses': [loss.item() for loss in losses],
        'probabilities': probabilities,
        'gradient': plain(gradients(mean, params)),
    }


# ----------------------------------------------------------------------------------------------------------- comparison


def flat(value):
    return [x for part in value for x in flat(part)] if isinstance(value, list) else [value]


def arrays(value, path=''):
    """The smallest parts that are compared: a tensor, a list of numbers (nested ones flat), a number."""
    if isinstance(value, dict) and 'data' in value:
        yield path, value['data']
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from arrays(part, f'{path}.{name}')
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for i, part in enumerate(value):
            yield from arrays(part, f'{path}[{i}]')
    else:
        yield path, flat(value)


def largest_error(computed, given):
    """Relative to the largest entry of each array. Gradients that are 0 but for rounding count by the whole file's scale."""
    computed, given = dict(arrays(computed)), dict(arrays(given))
    if computed.keys() != given.keys():
        raise SystemExit(f'other fields: {sorted(computed.keys() ^ given.keys())}')
    everything, worst = max(abs(x) for data in given.values() for x in data), 0
    for path, data in given.items():
        if len(data) != len(computed[path]):
            raise SystemExit(f'{path}: another length')
        scale = max(map(abs, data), default=0)
        if scale < 1e-15 * everything:
            scale = everything
        worst = max([worst, *(abs(a - b) / scale for a, b in zip(computed[path], data))])
    return worst


def main():
    check = '--check' in sys.argv
    folders = [a for a in sys.argv[1:] if not a.startswith('--')]
    folder = pathlib.Path(folders[0]) if folders else pathlib.Path(__file__).parent
    files = sorted(folder.glob('*.json'))
    if not files:
        raise SystemExit(f'no files in {folder}')
    failed = 0
    for file in files:
        case = json.loads(file.read_text())
        expected = metric_case(case) if 'method' in case else gradient_case(case)
        error = largest_error(expected, case['expected'])
        failed += not error <= TOLERANCE
        print(f'{file.name}: off by {error:.1e} of the largest entry')
        if not check:
            file.write_text(json.dumps({**case, 'expected': expected}) + '\n')
    if check:
        print(f'{len(files) - failed} of {len(files)} files agree to {TOLERANCE}')
        sys.exit(failed > 0)


main()
