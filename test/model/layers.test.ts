/** What the derivative properties cannot see: what the layers and losses of models compute. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { packTasks } from '../../lib/batch/batch.js';
import type { HeadSpec, InnerLoop, LabelledRows, ModelSpec } from '../../lib/foundation/contract.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { predict } from '../../lib/meta/inner-loop.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { random } from '../../lib/foundation/random.js';
import { identical, vector } from '../fixtures/random-model.js';

const NO_STEPS: InnerLoop = { steps: 0, learningRate: 0, adapt: 'all', order: 1 };
const NONE = { inputs: {}, labels: [] };
const double = (spec: ModelSpec): Model => defineModel(spec, { precision: 'float64' });
const list = <R>(n: number, f: (i: number) => R): R[] => Array.from({ length: n }, (_, i) => f(i));
const tensor = (shape: number[], ...data: number[]) => ({ shape, data: Float64Array.from(data) });
const close = (a: number, b: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `${a} is not ${b}`);

/** The loss of some rows. @param given one dense input x, whose single number is the output */
async function lossOf(head: HeadSpec, outputs: number[][], given: Omit<LabelledRows, 'inputs'>) {
  const width = outputs[0].length;
  const model = double({
    inputs: [{ name: 'x', kind: 'dense', size: width }],
    body: { kind: 'mlp', hidden: [] },
    head,
  });
  const eye = list(width * width, (i) => Number(i % (width + 1) === 0));
  const params = {
    'mlp.0.weight': tensor([width, width], ...eye),
    'mlp.0.bias': tensor([width], ...list(width, () => 0)),
  };
  const empty = { inputs: { x: [] }, labels: [], ...(given.also && { also: { second: [] } }) };
  const batch = packTasks(model, [{ support: empty, query: { inputs: { x: outputs }, ...given } }]);
  const { loss, gradient } = await metaGradient(model, params, batch, NO_STEPS);
  return { loss, bias: gradient['mlp.0.bias'].data };
}

const softplus = (x: number) => Math.log1p(Math.exp(x));
const logSum = (...x: number[]) => Math.log(x.reduce((sum, v) => sum + Math.exp(v), 0));

// ------------------------------------------------------------------------------------------ losses

test('ranking losses are those of their groups', async () => {
  const o = [0.3, -1, 2, 0.5, 1.5, -0.2];
  // A row before the first positive belongs to no group; a positive without negatives has nothing to rank.
  const labels = [0, 1, 0, 0, 1, 0];
  const rows = o.map((x) => [x]);
  const bpr = ((softplus(o[2] - o[1]) + softplus(o[3] - o[1])) / 2 + softplus(o[5] - o[4])) / 2;
  close((await lossOf({ loss: 'bpr' }, rows, { labels })).loss, bpr);
  const listwise = (logSum(o[1], o[2], o[3]) - o[1] + logSum(o[4], o[5]) - o[4]) / 2;
  close((await lossOf({ loss: 'listwise' }, rows, { labels })).loss, listwise);
  assert.equal((await lossOf({ loss: 'bpr' }, rows, { labels: [0, 0, 0, 0, 0, 0] })).loss, 0, 'no positives');
  close((await lossOf({ loss: 'bpr' }, rows, { labels: [1, 1, 1, 1, 1, 0] })).loss, softplus(o[5] - o[4]) / 5);
  // A shift of all scores changes no ranking.
  for (const loss of ['bpr', 'listwise'] as const) close((await lossOf({ loss }, rows, { labels })).bias[0], 0);
});

test('a row of weight 2 counts as two rows, one of weight 0 not at all', async () => {
  const rows = [[0.3], [-1], [2]];
  for (const head of [{ loss: 'mse' }, { loss: 'bce' }] as HeadSpec[]) {
    const weighted = await lossOf(head, rows, { labels: [1, 0, 0.5], weights: [2, 0, 1] });
    const repeated = await lossOf(head, [[0.3], [0.3], [2]], { labels: [1, 1, 0.5] });
    close(weighted.loss, repeated.loss);
    close(weighted.bias[0], repeated.bias[0]);
  }
  const all = await lossOf({ loss: 'bpr' }, [...rows, [0.7], [0.1]], {
    labels: [1, 0, 0, 1, 0],
    weights: [0, 1, 1, 3, 9],
  });
  close(all.loss, softplus(0.1 - 0.7));
  assert.equal(
    (await lossOf({ loss: 'mse' }, rows, { labels: [1, 2, 3], weights: [0, 0, 0] })).loss,
    0,
    'no weight at all',
  );
});

test('heads add up, and rows without a label do not count for theirs', async () => {
  const rows = [
    [0.3, 1],
    [-1, -2],
    [2, 0.5],
  ];
  const head: HeadSpec = { loss: 'mse', also: [{ name: 'second', loss: 'bce', weight: 0.25 }] };
  const { loss, bias } = await lossOf(head, rows, { labels: [1, 2, 3], also: { second: [1, NaN, 0] } });
  const first = (0.7 ** 2 + 9 + 1) / 3;
  close(loss, first + (0.25 * (softplus(1) - 1 + softplus(0.5))) / 2);
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  close(bias[0], (2 * (-0.7 - 3 - 1)) / 3);
  close(bias[1], (0.25 * (sigmoid(1) - 1 + sigmoid(0.5))) / 2);
  close((await lossOf(head, rows, { labels: [1, 2, 3], also: { second: [NaN, NaN, NaN] } })).loss, first);
});

test('labels and weights of rows are checked', async () => {
  const model = double({
    inputs: [{ name: 'x', kind: 'dense', size: 1 }],
    body: { kind: 'mlp', hidden: [] },
    head: { loss: 'mse', also: [{ name: 'click', loss: 'bce' }] },
  });
  const task = (query: Omit<LabelledRows, 'inputs'>) => () =>
    packTasks(model, [
      {
        support: { inputs: { x: [] }, labels: [], also: { click: [] } },
        query: { inputs: { x: [[1], [2]] }, ...query },
      },
    ]);
  const bads: [query: Omit<LabelledRows, 'inputs'>, field: string][] = [
    [{ labels: [1, 2] }, 'tasks[0].query.also.click'],
    [{ labels: [1, NaN], also: { click: [0, 1] } }, 'tasks[0].query.labels[1]'],
    [{ labels: [1, 2], also: { click: [0] } }, 'tasks[0].query.also.click'],
    [{ labels: [1, 2], also: { click: [0, 2] } }, 'tasks[0].query.also.click[1]'],
    [{ labels: [1, 2], also: { click: [0, 1] }, weights: [1] }, 'tasks[0].query.weights'],
    [{ labels: [1, 2], also: { click: [0, 1] }, weights: [1, -1] }, 'tasks[0].query.weights[1]'],
    [{ labels: [1, 2], also: { click: [0, 1] }, weights: [1, Infinity] }, 'tasks[0].query.weights[1]'],
  ];
  for (const [query, field] of bads)
    assert.throws(task(query), (error: unknown) => error instanceof InnerloopError && error.field === field, field);
  task({ labels: [1, 2], also: { click: [0, NaN] }, weights: [0, 3] })();
});

// ------------------------------------------------------------------------------------------ layers

const HISTORY: ModelSpec = {
  inputs: [{ name: 'history', kind: 'sequence', cardinality: 6, dim: 3, maxLength: 4 }],
  body: { kind: 'gru', gruHidden: 5, hidden: [] },
  head: { loss: 'mse' },
};

test('a gru reads the order, the newest ids alone, and each row for itself', async () => {
  for (const precision of ['float32', 'float64'] as const) {
    const model = defineModel(HISTORY, { precision });
    const params = vector(model, random(3, 'gru'));
    const outputs = async (history: number[][]) => [...(await predict(model, params, { inputs: { history } })).data];
    const [forth, back, empty] = await outputs([[1, 2, 3], [3, 2, 1], []]);
    assert.ok(Math.abs(forth - back) > 1e-3, 'the order does not matter');
    close(empty, params['mlp.0.bias'].data[0], 1e-6);
    assert.deepEqual(await outputs([[1, 2, 3]]), [forth], 'a row depends on the others');
    // Of longer sequences the last four count.
    const [long, last, other] = await outputs([
      [5, 0, 1, 2, 3],
      [0, 1, 2, 3],
      [4, 1, 2, 3],
    ]);
    assert.equal(long, last);
    assert.notEqual(last, other);
  }
});

test('of a sequence that is too long the newest ids count, for every body that reads it', async () => {
  const inputs = [
    { name: 'history', kind: 'sequence' as const, cardinality: 6, dim: 3, maxLength: 2 },
    { name: 'item', kind: 'categorical' as const, cardinality: 4, dim: 3 },
  ];
  const bodies = [
    { kind: 'mlp' as const, hidden: [3] },
    { kind: 'fm' as const },
    { kind: 'twoTower' as const, user: ['history'], item: ['item'], hidden: [], width: 2 },
    { kind: 'gru' as const, gruHidden: 3, hidden: [] },
  ];
  for (const body of bodies) {
    const model = defineModel({ inputs, body, head: { loss: 'mse' } }, { precision: 'float64' });
    const rows = (history: number[][]) => ({ inputs: { history, item: history.map(() => 1) } });
    const parameters = model.initialize(3);
    const whole = await predict(
      model,
      parameters,
      rows([
        [1, 2, 3, 4, 5],
        [2, 5, 3],
      ]),
    );
    const newest = await predict(
      model,
      parameters,
      rows([
        [4, 5],
        [5, 3],
      ]),
    );
    const oldest = await predict(
      model,
      parameters,
      rows([
        [1, 2],
        [2, 5],
      ]),
    );
    assert.deepEqual(whole.data, newest.data, body.kind);
    assert.notDeepEqual(whole.data, oldest.data, body.kind);
    await assert.rejects(
      predict(
        model,
        parameters,
        rows([
          [9, 4, 5],
          [5, 3],
        ]),
      ),
      /history\[0\]\[0\]/,
      'checked although not read',
    );
  }
});

test('an mlp reads a sequence as a bag', async () => {
  const model = double({ ...HISTORY, body: { kind: 'mlp', hidden: [4], activation: 'tanh' } });
  const { data } = await predict(model, vector(model, random(4, 'bag')), {
    inputs: {
      history: [
        [1, 2, 3],
        [3, 2, 1],
        [1, 2, 4],
      ],
    },
  });
  close(data[0], data[1]);
  assert.ok(Math.abs(data[0] - data[2]) > 1e-3);
});

test('two towers, factors beside a perceptron: what they are made of', async () => {
  const inputs: ModelSpec['inputs'] = [
    { name: 'u', kind: 'categorical', cardinality: 3, dim: 2 },
    { name: 'i', kind: 'categorical', cardinality: 4, dim: 2 },
  ];
  const towers = double({
    inputs,
    body: { kind: 'twoTower', user: ['u'], item: ['i'], hidden: [], width: 3 },
    head: { loss: 'mse' },
  });
  const p = vector(towers, random(5, 'towers'));
  const row = (name: string, id: number) => p[`embedding.${name}.weight`].data.subarray(2 * id, 2 * id + 2);
  const tower = (side: string, x: ArrayLike<number>) =>
    list(
      3,
      (o) =>
        p[`${side}.0.bias`].data[o] +
        p[`${side}.0.weight`].data[2 * o] * x[0] +
        p[`${side}.0.weight`].data[2 * o + 1] * x[1],
    );
  const [a, b] = [tower('user', row('u', 2)), tower('item', row('i', 1))];
  const { data } = await predict(towers, p, { inputs: { u: [2], i: [1] } });
  close(data[0], p['bias.global'].data[0] + a.reduce((sum, x, k) => sum + x * b[k], 0));

  const neumf = double({
    inputs,
    body: { kind: 'neumf', user: 'u', item: 'i', factors: 2, hidden: [] },
    head: { loss: 'mse' },
  });
  const q = vector(neumf, random(6, 'neumf'));
  const factor = (name: string, id: number, k: number) => q[`factors.${name}.weight`].data[2 * id + k];
  const features = [0, 1].map((k) => factor('u', 2, k) * factor('i', 1, k));
  for (const [name, id] of [
    ['u', 2],
    ['i', 1],
  ] as const)
    features.push(...q[`embedding.${name}.weight`].data.subarray(2 * id, 2 * id + 2));
  const expected = features.reduce((sum, x, k) => sum + x * q['mlp.0.weight'].data[k], q['mlp.0.bias'].data[0]);
  close((await predict(neumf, q, { inputs: { u: [2], i: [1] } })).data[0], expected);
});

test('bodies refuse what they cannot be', async () => {
  const u = { name: 'u', kind: 'categorical', cardinality: 3, dim: 2 } as const;
  const i = { name: 'i', kind: 'categorical', cardinality: 3, dim: 2 } as const;
  const x = { name: 'x', kind: 'dense', size: 1 } as const;
  const mse: HeadSpec = { loss: 'mse' };
  const bads: [spec: object, field: string][] = [
    [{ inputs: [u, i], body: { kind: 'mf', user: 'u', item: 'j' }, head: mse }, 'model.body.item'],
    [{ inputs: [u, i], body: { kind: 'mf', user: 'u', item: 'u' }, head: mse }, 'model.body.item'],
    [{ inputs: [u, i, x], body: { kind: 'mf', user: 'u', item: 'i' }, head: mse }, 'model.inputs'],
    [{ inputs: [u, { ...i, dim: 3 }], body: { kind: 'mf', user: 'u', item: 'i' }, head: mse }, 'model.body.item'],
    [
      { inputs: [u, i], body: { kind: 'mf', user: 'u', item: 'i' }, head: { loss: 'softmax', classes: 3 } },
      'model.head',
    ],
    [{ inputs: [u, x], body: { kind: 'fm' }, head: mse }, 'model.inputs[1].dim'],
    [{ inputs: [u, { ...x, dim: 3 }], body: { kind: 'fm' }, head: mse }, 'model.inputs[1].dim'],
    [
      { inputs: [u, i], body: { kind: 'twoTower', user: ['u'], item: [], hidden: [], width: 2 }, head: mse },
      'model.body.item',
    ],
    [
      { inputs: [u, i], body: { kind: 'twoTower', user: ['u'], item: ['u'], hidden: [], width: 2 }, head: mse },
      'model.body.item[0]',
    ],
    [
      { inputs: [u, i, x], body: { kind: 'twoTower', user: ['u'], item: ['i'], hidden: [], width: 2 }, head: mse },
      'model.body',
    ],
    [{ inputs: [u], body: { kind: 'gru', gruHidden: 2, hidden: [] }, head: mse }, 'model.inputs'],
    [{ ...HISTORY, body: { kind: 'gru', gruHidden: 0, hidden: [] } }, 'model.body.gruHidden'],
    [{ ...HISTORY, inputs: [{ ...HISTORY.inputs[0], maxLength: 0 }] }, 'model.inputs[0].maxLength'],
    [{ inputs: [x], body: { kind: 'mlp', hidden: [3], dropout: 1 }, head: mse }, 'model.body.dropout'],
    [
      { inputs: [x], body: { kind: 'mlp', hidden: [] }, head: { loss: 'mse', also: [{ name: 'y', loss: 'mae' }] } },
      'model.head.also[0].loss',
    ],
    [
      {
        inputs: [x],
        body: { kind: 'mlp', hidden: [] },
        head: { loss: 'mse', also: [{ name: 'y', loss: 'bce', weight: -1 }] },
      },
      'model.head.also[0].weight',
    ],
  ];
  for (const [spec, field] of bads)
    assert.throws(
      () => defineModel(spec as ModelSpec),
      (error: unknown) => error instanceof InnerloopError && error.field === field,
      field,
    );
});

test('an empty support set is of no consequence to any body', async () => {
  const model = double(HISTORY);
  const batch = packTasks(model, [
    { support: { ...NONE, inputs: { history: [] } }, query: { inputs: { history: [[1], []] }, labels: [1, 2] } },
  ]);
  const params = vector(model, random(9, 'empty'));
  const [first, second] = await Promise.all(
    [1, 2].map((order) =>
      metaGradient(model, params, batch, { steps: 3, learningRate: 0.1, adapt: 'all', order: order as 1 | 2 }),
    ),
  );
  identical(first.gradient, second.gradient, 'orders');
});
