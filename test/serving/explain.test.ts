/** Explanations: influence by gradients against weights that are really moved, and against adapting again without a row. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import '../../lib/serving/adapt.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import { anil, maml, reptile, ridge } from '../../lib/algorithms/registry.js';
import type { Algorithm } from '../../lib/meta/algorithm.js';
import type { Dataset, HeadSpec, Precision } from '../../lib/foundation/contract.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import type { Explanation } from '../../lib/serving/explain.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns, openDataset } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { adam } from '../../lib/meta/outer-update.js';
import type { PersonalModel } from '../../lib/serving/personal-model.js';
import type { RowOptions } from '../../lib/batch/row-rules.js';
import { splitTasks, buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';

const ITEMS = 24;
type Loss = 'mse' | 'bce' | 'softmax';
type Head = Extract<HeadSpec, { loss: Loss }>;
const label: Record<Loss, (u: number, i: number) => number> = {
  mse: (u, i) => 3 + Math.sin(u + i),
  bce: (u, i) => Number(Math.sin(u + i) > 0),
  softmax: (u, i) => (u * i) % 3,
};

function ratings(loss: Loss): Dataset {
  const [user, item, labels]: number[][] = [[], [], []];
  for (let u = 0; u < 12; u++)
    for (let i = u % 2; i < ITEMS; i += 2) (user.push(u), item.push(i), labels.push(label[loss](u, i)));
  const ids = Array.from({ length: ITEMS }, (_, i) => i);
  return datasetFromColumns({
    user,
    item,
    label: labels,
    itemFeatures: {
      id: ids,
      features: {
        size: { kind: 'dense', values: ids.map((i) => [Math.sin(3 * i), Math.cos(5 * i)]) },
        genres: { kind: 'bag', values: ids.map((i) => [`g${i % 3}`, `g${i % 5}`]) },
      },
    },
  });
}

interface Setup {
  algorithm: Algorithm;
  head?: Head;
  hidden?: number[];
  precision?: Precision;
  epochs?: number;
  rows?: RowOptions;
}
async function learnerOf({
  algorithm,
  head = { loss: 'mse' },
  hidden = [7],
  precision = 'float64',
  epochs = 1,
  rows: rules,
}: Setup): Promise<Learner> {
  const dataset = ratings(head.loss);
  const tasks = buildTasks(dataset, { query: 4 });
  const rows = Int32Array.from({ length: dataset.size }, (_, row) => row);
  const inputs = describeInputs(
    dataset,
    [{ name: 'size' }, { name: 'genres', dim: 3 }, { name: 'item', dim: 2 }],
    rows,
  );
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden, activation: 'tanh' }, head }, { precision });
  const learner = createLearner({ model, algorithm, seed: 3, ...(rules && { rows: rules }) });
  for await (const _ of train(learner, tasks, { epochs })) void _;
  return learner;
}

const items = [1, 4, 9, 10, 17, 20];
const support = (loss: Loss) => ({ items, labels: items.map((i) => label[loss](i, 7)) });
/** Influence by support position. */
const byRow = (found: Explanation[]) => items.map((i) => found.find(({ item }) => item === String(i))!.influence);
const relative = (a: number[], b: number[]) =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]))) / Math.max(...b.map(Math.abs));

const HEADS: Head[] = [{ loss: 'mse' }, { loss: 'bce' }, { loss: 'softmax', classes: 3 }];

test('leave-one-out is what adapting without the row gives', async () => {
  for (const head of HEADS) {
    const learner = await learnerOf({ algorithm: maml({ steps: 3, learningRate: 0.2 }), head });
    const all = support(head.loss);
    const me = await learner.adapt(all);
    const [score] = await me.predict([13]);
    const found = await me.explain(13, { method: 'leaveOneOut' });
    assert.deepEqual(
      found.map(({ influence }) => Math.abs(influence)),
      found.map(({ influence }) => Math.abs(influence)).sort((a, b) => b - a),
      'strongest first',
    );
    for (const { item, label: y, influence } of found) {
      const row = items.indexOf(Number(item));
      assert.equal(y, all.labels[row]);
      const other = await learner.adapt({
        items: items.filter((_, i) => i !== row),
        labels: all.labels.filter((_, i) => i !== row),
      });
      assert.ok(Math.abs(score - (await other.predict([13]))[0] - influence) < 1e-12);
    }
  }
});

const WAYS: [string, Algorithm][] = [
  ['all parameters', maml({ steps: 3, learningRate: 0.004 })],
  ['the last layer', anil({ steps: 4, learningRate: 0.004 })],
  ['shrinkage', maml({ steps: 2, learningRate: 0.004, shrinkage: 3 })],
  ['rates by tensor and step', maml({ steps: 3, learningRate: 0.004, rates: 'perStep' })],
  ['rates by parameter', maml({ steps: 2, learningRate: 0.004, rates: 'perParameter' })],
  ['reptile', reptile({ steps: 3, learningRate: 0.004 })],
];
for (const [name, algorithm] of WAYS) {
  test(`the gradient form is the first order of leave-one-out: ${name}`, async () => {
    for (const head of HEADS) {
      const learner = await learnerOf({ algorithm, head });
      const me = await learner.adapt(support(head.loss));
      const [gradient, exact] = [byRow(await me.explain(13)), byRow(await me.explain(13, { method: 'leaveOneOut' }))];
      assert.ok(Math.max(...exact.map(Math.abs)) > 1e-5, 'the rows matter');
      // What is left out is second order in the rate: a few hundredths here, and a tenth of that at a tenth of the rate.
      const error = relative(gradient, exact);
      assert.ok(error < 0.05, `${head.loss}: ${error}`);
    }
  });
}

test('the error of the gradient form falls with the rate, as a first order must', async () => {
  for (const head of HEADS) {
    const errors: number[] = [];
    for (const learningRate of [0.1, 0.01, 0.001]) {
      // Not trained: the same parameters at every rate.
      const learner = await learnerOf({ algorithm: maml({ steps: 3, learningRate }), head, epochs: 1 });
      learner.store = learner.model.store(learner.model.initialize(5));
      const me = await learner.adapt(support(head.loss));
      errors.push(relative(byRow(await me.explain(13)), byRow(await me.explain(13, { method: 'leaveOneOut' }))));
    }
    assert.ok(errors[1] < errors[0] / 5 && errors[2] < errors[1] / 5, `${head.loss}: ${errors.join(', ')}`);
  }
});

test('through several large steps: the derivative along the path between the two losses, by hand on a linear model', async () => {
  const [steps, rate] = [4, 0.1];
  const learner = await learnerOf({ algorithm: maml({ steps, learningRate: rate, adapt: ['mlp.*'] }), hidden: [] });
  const { labels } = support('mse');
  const me = await learner.adapt(support('mse'));
  const found = byRow(await me.explain(13));
  // Features of an item: the embeddings are not adapted. Score = w·x + b + offset.
  const parameters = learner.parameters();
  const catalog = learner.catalog!;
  const [size, genres] = catalog.items.columns;
  assert.ok(size.kind === 'dense' && genres.kind === 'bag');
  const features = (id: number) => {
    const row = catalog.items.keys.idOf(String(id));
    const bag = [...genres.data.subarray(genres.offsets[row], genres.offsets[row + 1])];
    const mean = [0, 1, 2].map(
      (d) => bag.reduce((sum, g) => sum + parameters['embedding.genres.weight'].data[3 * g + d], 0) / bag.length,
    );
    const input = learner.model.spec.inputs[2];
    assert.ok(input.kind === 'categorical');
    const own = input.vocabulary!.indexOf(String(id));
    const at = Math.max(0, own);
    return [
      size.data[2 * row],
      size.data[2 * row + 1],
      ...mean,
      parameters['embedding.item.weight'].data[2 * at],
      parameters['embedding.item.weight'].data[2 * at + 1],
      1,
    ];
  };
  const x = items.map(features);
  const target = features(13);
  const score = (weights: number[]) => {
    const theta = [...parameters['mlp.0.weight'].data, parameters['mlp.0.bias'].data[0]];
    const at = (row: number[]) => row.reduce((sum, value, d) => sum + value * theta[d], 0);
    for (let k = 0; k < steps; k++) {
      const errors = x.map((row, i) => weights[i] * 2 * (at(row) - (labels[i] - learner.labelOffset)));
      for (let d = 0; d < theta.length; d++) theta[d] -= rate * x.reduce((sum, row, i) => sum + errors[i] * row[d], 0);
    }
    return at(target) + learner.labelOffset;
  };
  const n = items.length;
  const even = items.map(() => 1 / n);
  assert.ok(Math.abs(score(even) - (await me.predict([13]))[0]) < 1e-12);
  found.forEach((influence, i) => {
    const path = (e: number) => score(even.map((w, j) => (1 - e) * w + (j === i ? 0 : e / (n - 1))));
    const slope = (path(1e-5) - path(-1e-5)) / 2e-5;
    assert.ok(Math.abs(influence + slope) < 1e-8, `row ${i}: ${influence} and ${-slope}`);
    const left = score(items.map((_, j) => (j === i ? 0 : 1 / (n - 1))));
    assert.ok(Math.abs(left - path(1)) < 1e-12);
  });
});

test('ridge is exact: the leverage formula is leave-one-out', async () => {
  for (const precision of ['float64', 'float32'] as const) {
    const learner = await learnerOf({ algorithm: ridge(), precision });
    const me = await learner.adapt(support('mse'));
    const [formula, exact] = [byRow(await me.explain(13)), byRow(await me.explain(13, { method: 'leaveOneOut' }))];
    assert.ok(Math.max(...exact.map(Math.abs)) > 0.01, 'the rows matter');
    assert.ok(relative(formula, exact) < (precision === 'float64' ? 1e-9 : 1e-3), `${relative(formula, exact)}`);
  }
});

test('a prior mean that a left-out row moves has no leverage formula: the learner adapts again', async () => {
  const learner = await learnerOf({ algorithm: ridge({ profile: ['item'] }), precision: 'float64' });
  const me = await learner.adapt(support('mse'));
  assert.deepEqual(await me.explain(13), await me.explain(13, { method: 'leaveOneOut' }));
  await assert.rejects(me.explain(13, { method: 'gradient' }), /options\.method/);
});

test('weights of a support set count in its explanation', async () => {
  const weights = [1, 0, 3, 0.5, 1, 2];
  for (const algorithm of [ridge(), maml({ steps: 3, learningRate: 0.05 })]) {
    const learner = await learnerOf({ algorithm });
    const all = { ...support('mse'), weights };
    const me = await learner.adapt(all);
    const [score] = await me.predict([13]);
    const byHand = await Promise.all(
      items.map(async (_, row) => {
        const kept = <X>(values: readonly X[]) => values.filter((__, i) => i !== row);
        const rest = { items: kept(items), labels: kept(all.labels), weights: kept(weights) };
        return score - (await (await learner.adapt(rest)).predict([13]))[0];
      }),
    );
    for (const who of [me, learner.restore(JSON.parse(JSON.stringify(me)) as ReturnType<typeof me.toJSON>)]) {
      // Of gradient steps weights have no gradient form: the default adapts again.
      const found = byRow(await who.explain(13));
      assert.ok(relative(found, byHand) < 1e-9, `${algorithm.name}: ${relative(found, byHand)}`);
      assert.ok(relative(byRow(await who.explain(13, { method: 'leaveOneOut' })), byHand) < 1e-12);
    }
    const equal = byRow(await (await learner.adapt(support('mse'))).explain(13, { method: 'leaveOneOut' }));
    assert.ok(relative(byHand, equal) > 0.1, 'the weights matter');
    const updated = await me.update(22, 3);
    const anew = await learner.adapt({
      items: [...items, 22],
      labels: [...all.labels, 3],
      weights: [...weights, 1],
    });
    const [a, b] = [await updated.explain(13), await anew.explain(13)];
    a.forEach((one, i) => assert.ok(Math.abs(one.influence - b[i].influence) < 1e-9));
  }
});

test('one interaction, none, float32, and what is refused', async () => {
  const learner = await learnerOf({ algorithm: maml({ steps: 2, learningRate: 0.01 }), precision: 'float32' });
  const one = await learner.adapt({ items: [4], labels: [5] });
  const nobody = await learner.adapt({ items: [], labels: [] });
  const [found] = await one.explain(13);
  const difference = (await one.predict([13]))[0] - (await nobody.predict([13]))[0];
  assert.ok(
    Math.abs(found.influence - difference) < 0.05 * Math.abs(difference),
    `${found.influence} and ${difference}`,
  );
  assert.deepEqual(await nobody.explain(13), []);
  const idle = await learnerOf({ algorithm: maml({ steps: 0 }) });
  assert.deepEqual(
    (await (await idle.adapt(support('mse'))).explain(13)).map(({ influence }) => influence),
    items.map(() => 0),
  );

  const fails = (action: () => Promise<unknown>, code: string, pattern: RegExp) =>
    assert.rejects(
      async () => action(),
      (error: unknown) => error instanceof InnerloopError && error.code === code && pattern.test(error.message),
    );
  await fails(() => one.explain('nothing'), 'INVALID_OPTION', /item/);
  await fails(() => one.explain(13, { method: 'gradeint' as 'gradient' }), 'INVALID_OPTION', /did you mean gradient\?/);
  await fails(() => one.explain(13, { way: 'gradient' } as object), 'UNKNOWN_OPTION', /options\.way/);
  await fails(() => one.explain(13, { signal: AbortSignal.abort() }), 'ABORTED', /aborted/);
});

test('what has no gradient form is explained by adapting again, with or without being asked', async () => {
  const algorithms = [
    maml({ steps: 2, learningRate: 0.05, inner: 'adam' }),
    maml({ steps: 2, learningRate: 0.05, proximal: 0.1 }),
  ];
  const biased = await learnerOf({ algorithm: maml({ steps: 2, learningRate: 0.05 }), rows: { center: 'bias' } });
  for (const learner of [biased, ...(await Promise.all(algorithms.map((algorithm) => learnerOf({ algorithm }))))]) {
    const me = await learner.adapt(support('mse'));
    const [score] = await me.predict([13]);
    const [first] = await me.explain(13);
    const row = items.indexOf(Number(first.item));
    const { labels } = support('mse');
    const other = await learner.adapt({
      items: items.filter((_, i) => i !== row),
      labels: labels.filter((_, i) => i !== row),
    });
    assert.ok(
      Math.abs(first.influence) > 1e-4 && Math.abs(score - (await other.predict([13]))[0] - first.influence) < 1e-12,
    );
    await assert.rejects(me.explain(13, { method: 'gradient' }), /options\.method.*expected one of leaveOneOut/);
  }
});

// ------------------------------------------------------------------------------------------------- on real ratings

function ranks(values: number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const rank = new Array<number>(values.length);
  order.forEach((i, at) => (rank[i] = at));
  return rank;
}
/** Spearman's rank correlation. */
function correlation(a: number[], b: number[]): number {
  const [x, y] = [ranks(a), ranks(b)];
  const n = x.length;
  return 1 - (6 * x.reduce((sum, value, i) => sum + (value - y[i]) ** 2, 0)) / (n * (n * n - 1));
}

test('on MovieLens the gradient form ranks the interactions as leave-one-out does', async (t) => {
  const folder = join(packageRoot(), 'data', 'ml-latest-small');
  if (!existsSync(join(folder, 'ratings.csv'))) return t.plan(0, 'data/ml-latest-small is not here');
  const dataset = await openDataset(
    {
      interactions: { from: 'ratings.csv', user: 'userId', item: 'movieId', label: 'rating' },
      items: { from: 'movies.csv', id: 'movieId', features: [{ name: 'genres', kind: 'bag' }] },
    },
    { baseDirectory: folder },
  );
  const { sets, trainRows } = splitTasks(dataset, {
    protocol: 'users',
    test: 0.1,
    tasks: { min: 13, query: 10 },
    seed: 1,
  });
  const learnerFor = async (algorithm: Algorithm) => {
    const inputs = describeInputs(
      dataset,
      [
        { name: 'item', dim: 8 },
        { name: 'genres', dim: 8 },
      ],
      trainRows,
    );
    const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [16] }, head: { loss: 'mse' } });
    const learner = createLearner({ model, algorithm, optimizer: adam({ learningRate: 0.01 }), seed: 1 });
    for await (const _ of train(learner, sets['train'], { epochs: 3 })) void _;
    return learner;
  };
  const tasks = sets['test'];
  for (const [name, learner, least] of [
    ['maml', await learnerFor(maml({ steps: 5, learningRate: 0.05 })), 0.95],
    ['ridge', await learnerFor(ridge()), 0.999],
  ] as const) {
    const found: number[] = [];
    for (let task = 0; task < 12; task++) {
      const rows = [...tasks.supportRows.subarray(tasks.supportOffsets[task], tasks.supportOffsets[task + 1])].slice(
        0,
        20,
      );
      const id = (row: number) => dataset.items.keys.values[dataset.item[row]];
      const me: PersonalModel = await learner.adapt({
        items: rows.map(id),
        labels: rows.map((row) => dataset.label[row]),
      });
      const target = id(tasks.queryRows[tasks.queryOffsets[task]]);
      const [gradient, exact] = [await me.explain(target), await me.explain(target, { method: 'leaveOneOut' })];
      const of = (list: Explanation[]) => rows.map((row) => list.find(({ item }) => item === id(row))!.influence);
      found.push(correlation(of(gradient), of(exact)));
    }
    const mean = found.reduce((a, b) => a + b, 0) / found.length;
    t.comment(
      `${name}: mean rank correlation with leave-one-out ${mean.toFixed(3)}, least ${Math.min(...found).toFixed(3)}`,
    );
    assert.ok(mean > least, `${name}: ${found.map((r) => r.toFixed(2)).join(' ')}`);
  }
});
