/** The ridge solver in its own right: its solution is that of the normal equations, its meta-gradient that of finite differences. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { NativeInnerLoop } from '../../lib/foundation/addon.js';
import { ridge } from '../../lib/algorithms/ridge.js';
import type { ModelSpec, Parameters, TaskExample } from '../../lib/foundation/contract.js';
import { selectTensors } from '../../lib/meta/inner-loop.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { packTasks } from '../../lib/batch/batch.js';
import { random } from '../../lib/foundation/random.js';
import { list, rowsOf, normals, EMBEDDED } from '../fixtures/normal-rows.js';

const RIDGE: ModelSpec = { ...EMBEDDED, body: { kind: 'mlp', hidden: [6], activation: 'tanh' }, head: { loss: 'mse' } };

/** The model with what `ridge` adds to it. */
const ridgeModel = (spec: ModelSpec) => {
  const model = defineModel(spec, { precision: 'float64' });
  return model.extend(ridge().extend!(model).tensors);
};

async function ridgeGradient(model: Model, params: Parameters, tasks: TaskExample[]) {
  const fast = selectTensors(model, ['mlp.1.*'], 'adapt');
  const inner: NativeInnerLoop = {
    steps: 1,
    order: 2,
    solver: 'ridge',
    prior: model.tensors.findIndex(({ name }) => name === 'prior.logPrecision'),
    fast,
    shrinkage: 0,
    rateKind: 'scalar',
    rate: 0,
  };
  const call = {
    store: model.store(params),
    batch: packTasks(model, tasks).native,
    inner,
    threads: 2,
    direction: 'metaGradient' as const,
  };
  const { loss, gradient } = await model.ops.metaGradient(call);
  return { loss, gradient: model.named(gradient) };
}

test('ridge: the meta-gradient is that of finite differences, prior mean and precision included', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const stream = random(seed, 'ridge');
    const model = ridgeModel(RIDGE);
    const params = normals(model, 0.4, stream);
    const tasks = list(3, (t) => ({
      support: rowsOf(RIDGE, [0, 1, 4 + stream.below(12)][t], stream),
      query: rowsOf(RIDGE, 1 + stream.below(6), stream),
    }));
    const { gradient } = await ridgeGradient(model, params, tasks);
    for (const { name } of model.tensors) {
      // Along a random direction in one tensor.
      const direction = normals(model, 1, stream)[name].data;
      const along = Float64Array.from(gradient[name].data).reduce((sum, g, i) => sum + g * direction[i], 0);
      const at = async (h: number) => {
        const data = Float64Array.from(params[name].data, (x, i) => x + h * direction[i]);
        return (await ridgeGradient(model, { ...params, [name]: { ...params[name], data } }, tasks)).loss;
      };
      const h = 1e-4;
      const slope = (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
      assert.ok(
        Math.abs(slope - along) <= 1e-7 * Math.max(1, Math.abs(slope)),
        `seed ${seed}, ${name}: ${along} is not ${slope}`,
      );
    }
  }
});

test('ridge: the solution is that of the normal equations', async () => {
  // One feature and a bias, by hand: features are the dense input itself under a fixed linear layer.
  const spec: ModelSpec = {
    inputs: [{ name: 'x', kind: 'dense', size: 1 }],
    body: { kind: 'mlp', hidden: [1], activation: 'identity' },
    head: { loss: 'mse' },
  };
  const model = ridgeModel(spec);
  const tensor = (shape: number[], ...data: number[]) => ({ shape, data: Float64Array.from(data) });
  const [w0, b0, lw, lb] = [0.5, -1, Math.log(2), Math.log(3)];
  const params = {
    'mlp.0.weight': tensor([1, 1], 1),
    'mlp.0.bias': tensor([1], 0),
    'mlp.1.weight': tensor([1, 1], w0),
    'mlp.1.bias': tensor([1], b0),
    'prior.logPrecision': tensor([2], lw, lb),
  };
  const x = [1, 2, -1];
  const y = [2, 3, 0];
  // M = [Σx² + 2, Σx; Σx, n + 3], r = y − x w0 − b0
  const r = y.map((value, i) => value - x[i] * w0 - b0);
  const [a, b, d] = [6 + 2, 2, 3 + 3];
  const [p, q] = [r.reduce((s, v, i) => s + v * x[i], 0), r.reduce((s, v) => s + v, 0)];
  const w = w0 + (d * p - b * q) / (a * d - b * b);
  const bias = b0 + (a * q - b * p) / (a * d - b * b);
  const task = {
    support: { inputs: { x: x.map((v) => [v]) }, labels: y },
    query: { inputs: { x: [[4]] }, labels: [1] },
  };
  const { loss } = await ridgeGradient(model, params, [task]);
  assert.ok(Math.abs(loss - (4 * w + bias - 1) ** 2) < 1e-12);
});
