/** What dropout keeps, and that derivatives through it are exact. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { packTasks } from '../../lib/batch/batch.js';
import type { InnerLoop, ModelSpec } from '../../lib/foundation/contract.js';
import { random } from '../../lib/foundation/random.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { combine, derivative, direction, dot, identical, norm, vector } from '../fixtures/random-model.js';

const NO_STEPS: InnerLoop = { steps: 0, learningRate: 0, adapt: 'all', order: 1 };
const list = <R>(n: number, f: (i: number) => R): R[] => Array.from({ length: n }, (_, i) => f(i));
const tensor = (shape: number[], ...data: number[]) => ({ shape, data: Float64Array.from(data) });

const wide = (rate: number): ModelSpec => ({
  inputs: [{ name: 'x', kind: 'dense', size: 1 }],
  body: { kind: 'mlp', hidden: [400], activation: 'identity', dropout: rate },
  head: { loss: 'mse' },
});

/** Output of each row's task, when every hidden unit is 1: the share of units kept, scaled. */
async function kept(rate: number, dropout: number, tasks: number, threads = 1): Promise<number[]> {
  const model = defineModel(wide(rate), { precision: 'float64', threads });
  const params = {
    'mlp.0.weight': tensor([400, 1], ...list(400, () => 1)),
    'mlp.0.bias': tensor([400], ...list(400, () => 0)),
    'mlp.1.weight': tensor([1, 400], ...list(400, () => 1 / 400)),
    'mlp.1.bias': tensor([1], 0),
  };
  const batch = packTasks(
    model,
    list(tasks, () => ({ support: { inputs: { x: [] }, labels: [] }, query: { inputs: { x: [[1]] }, labels: [0] } })),
  );
  const { taskLosses } = await metaGradient(model, params, batch, { ...NO_STEPS, dropout });
  return Array.from(taskLosses, Math.sqrt);
}

test('dropout keeps the share that it says, anew for each row and key, the same on any number of threads', async () => {
  for (const rate of [0.1, 0.5, 0.8]) {
    const outputs = await kept(rate, 7, 200);
    const mean = outputs.reduce((a, b) => a + b, 0) / 200;
    // 80,000 units: four standard errors of the mean.
    assert.ok(Math.abs(mean - 1) < 4 * Math.sqrt(rate / (1 - rate) / 80_000), `rate ${rate}: ${mean}`);
    assert.ok(new Set(outputs).size > 20, 'rows share their masks');
    assert.deepEqual(await kept(rate, 7, 200, 4), outputs);
    assert.notDeepEqual(await kept(rate, 8, 200), outputs);
    assert.ok(
      (await kept(rate, 0, 3)).every((x) => Math.abs(x - 1) < 1e-12),
      'key 0 drops',
    );
  }
});

test('dropout is exact at second order', async () => {
  const spec: ModelSpec = {
    inputs: [{ name: 'x', kind: 'dense', size: 3 }],
    body: { kind: 'mlp', hidden: [7, 6], activation: 'tanh', dropout: 0.4 },
    head: { loss: 'mse' },
  };
  const stream = random(8, 'dropout');
  const model = defineModel(spec, { precision: 'float64' });
  const params = vector(model, stream);
  const rows = (n: number) => ({
    inputs: { x: list(n, () => list(3, () => stream.normal())) },
    labels: list(n, () => stream.normal()),
  });
  const batch = packTasks(
    model,
    list(3, () => ({ support: rows(5), query: rows(4) })),
  );
  const inner: InnerLoop = { steps: 3, learningRate: 0.2, adapt: 'all', order: 2, dropout: 99 };
  const { gradient, loss } = await metaGradient(model, params, batch, inner);
  assert.notEqual(loss, (await metaGradient(model, params, batch, { ...inner, dropout: 0 })).loss);
  for (let i = 0; i < 5; i++) {
    const u = direction(params, stream);
    const { slope } = await derivative(
      async (x) => (await metaGradient(model, combine(params, 1, u, x), batch, inner)).loss,
      2e-4,
    );
    assert.ok(Math.abs(slope - dot(gradient, u)) <= 1e-7 * norm(gradient), `${slope} is not ${dot(gradient, u)}`);
  }
  identical((await metaGradient(model, params, batch, inner)).gradient, gradient, 'again');
});
