/**
 * Tasks of so many rows that these are divided among threads: a task that holds each of its rows many times has the mean losses, and so
 * the gradients, of one that holds them once, which is not divided.
 */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { packTasks } from '../../lib/batch/batch.js';
import type {
  InnerLoop,
  InputValues,
  LabelledRows,
  ModelSpec,
  Parameters,
  TaskExample,
} from '../../lib/foundation/contract.js';
import { random } from '../../lib/foundation/random.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { distance, identical, norm, rows, vector } from '../fixtures/random-model.js';

const id = (name: string, cardinality: number, dim = 3) => ({ name, kind: 'categorical', cardinality, dim }) as const;
const user = id('user', 9);
const item = id('item', 30);
const SPECS: Record<string, { model: ModelSpec; adapt: 'all' | string[]; inner?: Partial<InnerLoop> }> = {
  'an mlp over inputs of every kind': {
    model: {
      inputs: [
        { name: 'x', kind: 'dense', size: 5 },
        user,
        item,
        { name: 'tags', kind: 'bag', cardinality: 7, dim: 2 },
      ],
      body: { kind: 'mlp', hidden: [6, 5], activation: 'tanh' },
      head: { loss: 'mse' },
    },
    adapt: 'all',
  },
  'layers above embeddings that do not adapt': {
    model: { inputs: [user, item], body: { kind: 'mlp', hidden: [6], activation: 'tanh' }, head: { loss: 'bce' } },
    adapt: ['mlp.*'],
    inner: { inner: { kind: 'adam', clipNorm: 0.5 }, lossWeights: [0.3, 0.7] },
  },
  'a dense input alone': {
    model: {
      inputs: [{ name: 'x', kind: 'dense', size: 8 }],
      body: { kind: 'mlp', hidden: [5, 4], activation: 'tanh' },
      head: { loss: 'softmax', classes: 3 },
    },
    adapt: 'all',
  },
  'matrix factorization': {
    model: { inputs: [user, item], body: { kind: 'mf', user: 'user', item: 'item' }, head: { loss: 'mse' } },
    adapt: 'all',
  },
  'a factorization machine': {
    model: { inputs: [user, item, id('other', 6)], body: { kind: 'fm' }, head: { loss: 'mse' } },
    adapt: 'all',
  },
  'a factorization machine with bags and dense inputs': {
    model: {
      inputs: [
        user,
        { name: 'tags', kind: 'bag', cardinality: 7, dim: 3 },
        { name: 'x', kind: 'dense', size: 2, dim: 3 },
      ],
      body: { kind: 'fm' },
      head: { loss: 'mse' },
    },
    adapt: 'all',
  },
  'a GRU': {
    model: {
      inputs: [{ name: 'history', kind: 'sequence', cardinality: 9, dim: 3, maxLength: 4 }, item],
      body: { kind: 'gru', gruHidden: 4, hidden: [3] },
      head: { loss: 'mse' },
    },
    adapt: 'all',
  },
};
const ROWS = 150;
const SUPPORT_TIMES = 60;
const QUERY_TIMES = 56;

/** Rows of one user, weighted and then all of them so many times. */
function task(spec: ModelSpec, supportTimes: number, queryTimes: number): TaskExample {
  const times = (made: LabelledRows, count: number): LabelledRows => {
    const repeat = <V>(values: ArrayLike<V>) => Array.from({ length: count }, () => Array.from(values)).flat();
    const inputs = Object.fromEntries(
      Object.entries(made.inputs).map(([name, values]) => [
        name,
        (name === 'user' ? new Int32Array(count * ROWS).fill(4) : repeat(values as ArrayLike<unknown>)) as InputValues,
      ]),
    );
    return { inputs, labels: repeat(made.labels), weights: repeat(made.weights!) };
  };
  return {
    support: times(rows(spec, ROWS, random(3, 'support'), true), supportTimes),
    query: times(rows(spec, ROWS, random(3, 'query'), true), queryTimes),
  };
}

async function everything(model: Model, example: TaskExample, inner: InnerLoop) {
  const parameters = vector(model, random(3, 'parameters'));
  const batch = packTasks(model, [example]);
  const second = await metaGradient(model, parameters, batch, inner);
  const product = await hessianVectorProduct(model, parameters, example.query, vector(model, random(3, 'along')));
  return {
    loss: second.loss,
    gradients: {
      'order 2': second.gradient,
      'order 1': (await metaGradient(model, parameters, batch, { ...inner, order: 1 })).gradient,
      reptile: (await metaGradient(model, parameters, batch, inner, { direction: 'reptile' })).gradient,
      adapted: (await adapt(model, parameters, batch, inner))[0],
      'of a loss': product.gradient,
      'Hessian-vector product': product.product,
    } satisfies Record<string, Parameters>,
    outputs: (await predict(model, parameters, { inputs: example.query.inputs })).data,
  };
}

for (const [name, { model: spec, adapt: adapted, inner: more }] of Object.entries(SPECS)) {
  test(`${name}: many rows have the derivatives of few, to the same bits on any number of threads`, async () => {
    const inner: InnerLoop = { steps: 2, learningRate: 0.1, adapt: adapted, order: 2, ...more };
    const large = task(spec, SUPPORT_TIMES, QUERY_TIMES);
    const on = (threads: number, precision: 'float32' | 'float64') => defineModel(spec, { precision, threads });
    const few = await everything(on(2, 'float64'), task(spec, 1, 1), inner);
    const many = await everything(on(2, 'float64'), large, inner);
    assert.ok(Math.abs(many.loss - few.loss) < 1e-12 * Math.abs(few.loss), 'the loss');
    for (const [what, gradient] of Object.entries(few.gradients)) {
      const found = many.gradients[what as keyof typeof few.gradients];
      assert.ok(norm(gradient) > 1e-6, `${what} is not 0`);
      assert.ok(distance(found, gradient) < 1e-10, `${what}: ${distance(found, gradient)}`);
    }
    assert.deepEqual(many.outputs.slice(0, few.outputs.length), few.outputs);

    const single = await everything(on(1, 'float32'), large, inner);
    for (const threads of [2, 5]) {
      const other = await everything(on(threads, 'float32'), large, inner);
      assert.equal(other.loss, single.loss);
      assert.deepEqual(other.outputs, single.outputs);
      for (const [what, gradient] of Object.entries(other.gradients))
        identical(gradient, single.gradients[what as keyof typeof single.gradients], `${what} on ${threads} threads`);
    }
  });
}

test('masks of dropout belong to the rows of the batch, not to those of a block', async () => {
  const spec: ModelSpec = {
    inputs: [{ name: 'x', kind: 'dense', size: 4 }],
    body: { kind: 'mlp', hidden: [6], activation: 'tanh', dropout: 0.4 },
    head: { loss: 'mse' },
  };
  const model = defineModel(spec, { precision: 'float64', threads: 2 });
  const parameters = vector(model, random(3, 'parameters'));
  const { inputs, labels } = rows(spec, 8400, random(3, 'query'));
  const x = inputs.x as number[][];
  const none = { inputs: { x: [] }, labels: [] };
  const part = (from: number, to: number): TaskExample => ({
    support: none,
    query: { inputs: { x: x.slice(from, to) }, labels: Array.from(labels).slice(from, to) },
  });
  const inner: InnerLoop = { steps: 0, learningRate: 0.1, adapt: 'all', order: 2, dropout: 11 };
  const gradient = async (tasks: TaskExample[]) =>
    (await metaGradient(model, parameters, packTasks(model, tasks), inner)).gradient;
  // Two halves have as many rows, and are too small to be divided.
  const found = await gradient([part(0, 8400)]);
  const halves = await gradient([part(0, 4200), part(4200, 8400)]);
  assert.ok(distance(found, halves) < 1e-12, String(distance(found, halves)));
});
