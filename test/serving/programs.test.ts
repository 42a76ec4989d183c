/**
 * Programs of users that once gave wrong numbers, or none, without a word: each with what it gives now. Those of the command line are
 * in `test/cli/going-on.test.ts`.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import * as L from '../../lib/index.js';
import type { Algorithm, Dataset, Learner, TaskSet, TrainOptions } from '../../lib/index.js';
import { tastes, uniformFrom } from '../fixtures/tastes.js';

interface Fit {
  loss?: 'mse' | 'bce' | 'bpr' | 'listwise';
  algorithm?: Algorithm;
  epochs?: number;
  inputs?: Parameters<typeof L.describeInputs>[1];
  learningRate?: number;
  train?: TrainOptions;
}
async function fitted(
  dataset: Dataset,
  { loss = 'mse', algorithm, epochs = 3, inputs, learningRate = 0.02, train }: Fit = {},
) {
  const tasks = { min: 5, query: 4 };
  const { sets, trainRows } = L.splitTasks(dataset, { protocol: 'users', validation: 0.15, test: 0.15, tasks });
  const described = L.describeInputs(dataset, inputs ?? [{ name: 'item', dim: 4 }], trainRows);
  const body: L.BodySpec = { kind: 'mlp', hidden: [8], activation: 'tanh' };
  const model = L.defineModel({ inputs: described, body, head: { loss } });
  const optimizer = L.adam({ learningRate });
  const learner = L.createLearner({
    model,
    algorithm: algorithm ?? L.maml({ steps: 2, learningRate: 0.05 }),
    optimizer,
    seed: 1,
  });
  const reports: L.EpochReport[] = [];
  const { validation } = sets;
  for await (const report of L.train(learner, sets['train'], { epochs, validation, ...train })) reports.push(report);
  return { learner, sets, reports };
}
const maeOf = async (learner: Learner, tasks: TaskSet) =>
  (await L.evaluate(learner, tasks, { metrics: ['mae'] })).methods[1].metrics['mae'].mean;
const refuses = (action: () => unknown, code: string, pattern: RegExp) =>
  assert.rejects(
    async () => action(),
    (error: unknown) => error instanceof L.InnerloopError && error.code === code && pattern.test(error.message),
    String(pattern),
  );

/** Mean absolute error of what a service would answer for the query rows of tasks, told of each interaction what `context` says. */
async function servedError(
  learner: Learner,
  { dataset, size, supportOffsets, supportRows, queryOffsets, queryRows }: TaskSet,
  context: (row: number) => L.FeatureValues,
): Promise<number> {
  const id = (row: number) => dataset.items.keys.values[dataset.item[row]];
  let [sum, count] = [0, 0];
  for (let t = 0; t < size; t++) {
    const support = [...supportRows.subarray(supportOffsets[t], supportOffsets[t + 1])];
    const query = [...queryRows.subarray(queryOffsets[t], queryOffsets[t + 1])];
    const labels = support.map((row) => dataset.label[row]);
    const me = await learner.adapt({ items: support.map(id), labels, context: support.map(context) });
    const scores = await me.predict(query.map(id), { context: query.map(context) });
    let own = 0;
    scores.forEach((score, i) => (own += Math.abs(score - dataset.label[query[i]])));
    sum += own / query.length;
    count++;
  }
  return sum / count;
}

test('context-at-serving, context-measured-and-served: with the features of interactions the same rows give the same numbers', async () => {
  const r = uniformFrom(5);
  const rated = tastes({ users: 80 });
  const offers = rated.user.map(() => (r() < 0.5 ? 'sale' : 'full'));
  const places = rated.user.map(() => ['home', 'train', 'work'].filter(() => r() < 0.5));
  const prices = rated.user.map(() => (r() < 0.2 ? NaN : 100 * r()));
  const label = rated.label.map((y, k) => y + (offers[k] === 'sale' ? 2 : -2));
  const features = {
    offer: { kind: 'categorical', values: offers },
    place: { kind: 'bag', values: places },
    price: { kind: 'dense', values: prices },
  } as const;
  const dataset = L.datasetFromColumns({ ...rated, label, features });
  const told = (row: number): L.FeatureValues => ({
    offer: offers[row],
    place: places[row],
    price: Number.isNaN(prices[row]) ? null : prices[row],
  });
  for (const names of [['offer'], ['place'], ['price'], ['offer', 'place', 'price']]) {
    const inputs = [{ name: 'item', dim: 4 }, ...names.map((name) => (name === 'price' ? { name } : { name, dim: 2 }))];
    const { learner, sets } = await fitted(dataset, { inputs, epochs: 6 });
    const [measured, served] = [await maeOf(learner, sets['test']), await servedError(learner, sets['test'], told)];
    assert.ok(Math.abs(measured - served) < 1e-6, `${names.join()}: measured ${measured}, served ${served}`);
    await refuses(
      () => learner.adapt({ items: ['1'], labels: [5] }),
      'INVALID_OPTION',
      new RegExp(`the model reads ${names.join(', ')}`),
    );
    if (names.includes('offer')) assert.ok(measured < 1.9, 'the offer decides');
  }
});

test('new-user-by-features: someone new is served as a known user of the same features', async () => {
  const rated = tastes({ users: 100 });
  const users = [...new Set(rated.user)];
  const isOld = (user: string) => Number(user) % 2 === 0;
  const dataset = L.datasetFromColumns({
    ...rated,
    label: rated.user.map((user) => (isOld(user) ? 5 : 1)),
    userFeatures: {
      id: users,
      features: {
        sex: { kind: 'categorical', values: users.map((user) => (isOld(user) ? 'F' : 'M')) },
        age: { kind: 'dense', values: users.map((user) => (isOld(user) ? 60 : 20)) },
        hobbies: { kind: 'bag', values: users.map((user) => (isOld(user) ? ['chess'] : ['football', 'music'])) },
      },
    },
  });
  const none = { items: [], labels: [] };
  for (const [input, old, young] of [
    [{ name: 'sex', dim: 2 }, { sex: 'F' }, { sex: 'M' }],
    [{ name: 'age' }, { age: 60 }, { age: 20 }],
    [{ name: 'hobbies', dim: 2 }, { hobbies: ['chess'] }, { hobbies: ['music', 'football'] }],
  ] as const) {
    const { learner } = await fitted(dataset, { inputs: [input, { name: 'item', dim: 2 }], epochs: 10 });
    const of = async (support: object) => (await (await learner.adapt({ ...none, ...support })).predict(['7']))[0];
    const [known, other] = [await of({ user: '2' }), await of({ user: '1' })];
    assert.ok(known > other + 1, `${input.name}: ${known} and ${other}`);
    assert.equal(await of({ features: old }), known);
    assert.equal(await of({ features: young }), other);
    assert.equal(await of({ user: '1', features: old }), known, 'what is told stands above the table');
    assert.equal(await of({ user: 'someone new', features: young }), other);
    await refuses(() => of({ features: { shoe: 43 } }), 'UNKNOWN_OPTION', /support\.features\.shoe/);
  }
});

test('unknown-ids-and-recommend: a history with unknown ids is served and says so; lists leave out what they are told to', async () => {
  const { learner } = await fitted(L.datasetFromColumns(tastes()));
  const me = await learner.adapt({ items: ['1', '999', '2', 'gone'], labels: [5, 1, 1, 3] });
  assert.deepEqual(me.unknown, { items: ['999', 'gone'], user: undefined });
  const known = await learner.adapt({ items: ['1', '2'], labels: [5, 1] });
  assert.deepEqual(await me.predict(['3', '4']), await known.predict(['3', '4']));
  const all = { items: ['1', '999'], labels: [5, 1], unknown: 'error' } as const;
  await refuses(() => learner.adapt(all), 'INVALID_OPTION', /support\.items\[1\].*"999"/);
  const ids = (list: L.Recommendation[]) => list.map(({ item }) => item);
  const list = ids(await me.recommend({ count: 1000, minSupport: 0 }));
  assert.equal(list.length, 38);
  assert.deepEqual(
    ids(await me.recommend({ count: 1000, minSupport: 0, exclude: ['5', 7, 'gone'] })),
    list.filter((id) => id !== '5' && id !== '7'),
  );
  assert.deepEqual(ids(await me.recommend({ count: 3, among: ['2', '3', '4', '3'] })).sort(), ['3', '4']);
  assert.deepEqual(
    ids(await me.recommend({ count: 2, minSupport: 0, filter: ({ item }) => Number(item) > 38 })).sort(),
    ['39', '40'],
  );
  await refuses(() => me.recommend({ filter: ['5'] as never }), 'INVALID_OPTION', /options\.filter/);
  await refuses(() => me.recommend({ filter: { price: { max: 3 } } }), 'INVALID_OPTION', /has no columns of items/);
});

test('dislikes-under-bpr: a dislike beside a like moves the scores, alone it is refused', async () => {
  for (const loss of ['bpr', 'listwise'] as const) {
    const algorithm = L.maml({ steps: 5, learningRate: 0.5 });
    const { learner } = await fitted(L.datasetFromColumns(tastes({ users: 80, binary: true })), {
      loss,
      algorithm,
      epochs: 5,
    });
    const scores = async (items: string[], labels: number[]) =>
      (await learner.adapt({ items, labels })).predict(['2', '7', '9']);
    const [like, both] = [await scores(['7'], [1]), await scores(['7', '2'], [1, 0])];
    assert.ok(both[0] - both[1] < like[0] - like[1] - 1e-3, `${loss}: ${both[0] - both[1]} and ${like[0] - like[1]}`);
    await refuses(() => scores(['2'], [0]), 'INVALID_OPTION', /support\.labels.*label 1/);
    await refuses(() => scores(['2'], [4]), 'INVALID_OPTION', /support\.labels\[0\]/);
  }
});

test('rating-range: ratings beyond those of training are refused or clipped, and none is predicted from them', async () => {
  const { learner } = await fitted(L.datasetFromColumns(tastes()), { algorithm: L.ridge() });
  for (const far of [500, -3, 5.5]) {
    await refuses(
      () => learner.adapt({ items: ['1'], labels: [far] }),
      'INVALID_OPTION',
      /outside of the ratings.*1 to 5; or a support set with outside: 'clip' or 'allow'/,
    );
    const me = await learner.adapt({ items: ['1'], labels: [far], outside: 'clip' });
    const same = await learner.adapt({ items: ['1'], labels: [far > 5 ? 5 : 1] });
    assert.deepEqual(await me.predict(['1', '2']), await same.predict(['1', '2']));
    await refuses(
      () => learner.adaptMany([{ items: ['1'], labels: [far] }]),
      'INVALID_OPTION',
      /supports\[0\]\.labels\[0\]/,
    );
    await refuses(() => same.update('2', far), 'INVALID_OPTION', /^label: outside of the ratings/);
    for (const { score } of await me.recommend({ clip: true })) assert.ok(score >= 1 && score <= 5);
  }
  const inner = { kind: 'sgd', clipNorm: 0.1 } as const;
  const rate = 100;
  await refuses(
    () => fitted(L.datasetFromColumns(tastes()), { algorithm: L.maml({ learningRate: rate }) }),
    'DIVERGED',
    /finite/,
  );
  await fitted(L.datasetFromColumns(tastes()), { algorithm: L.maml({ learningRate: rate / 100, inner }) });
});

test('validation-undefined, metrics-of-ranking: epochs are chosen by what is defined, and by what the loss means', async () => {
  const likes = tastes({ users: 80, binary: true });
  const ones = { ...likes, label: likes.label.map(() => 1) };
  await refuses(
    () => fitted(L.datasetFromColumns(ones), { loss: 'bce', train: { metric: 'auc' } }),
    'INVALID_DATA',
    /every label is 1.*bpr/,
  );
  for (const loss of ['bpr', 'listwise'] as const) {
    const { reports, learner, sets } = await fitted(L.datasetFromColumns(likes), { loss });
    for (const { validation } of reports) assert.ok(validation! >= 0 && validation! <= 1, 'an AUC');
    for (const metric of ['mae', 'rmse', 'logloss', 'brier']) {
      await refuses(
        () => L.evaluate(learner, sets['test'], { metrics: [metric] }),
        'INVALID_OPTION',
        /only put items in order.*auc/,
      );
      await refuses(
        () => fitted(L.datasetFromColumns(likes), { loss, train: { metric } }),
        'INVALID_OPTION',
        /train\.metric/,
      );
    }
    // Of purchases alone the query rows cannot say what is better: they are ranked among all items.
    const positives = await fitted(L.datasetFromColumns(ones), { loss });
    const { metrics } = (await L.evaluate(positives.learner, positives.sets['test'])).methods[1];
    for (const [name, { mean }] of Object.entries(metrics)) assert.ok(mean > 0 && mean < 1, `${name} is ${mean}`);
  }
});

test('row-weights, class-imbalance: weights that are none are refused by row; columns and classes weigh', async () => {
  const rated = tastes();
  for (const bad of [-1, NaN, Infinity]) {
    const weight = rated.label.map((_, k) => (k === 3 ? bad : 1));
    await refuses(
      () => fitted(L.datasetFromColumns({ ...rated, weight })),
      'INVALID_DATA',
      /weight: not a weight in row 4/,
    );
  }
  const trust = { kind: 'dense', values: rated.label.map((_, k) => k % 3) } as const;
  const dataset = L.datasetFromColumns({ ...rated, features: { trust } });
  dataset.weight = L.rowWeights(dataset, { column: 'trust' });
  const [plain, weighed] = [await fitted(L.datasetFromColumns(rated)), await fitted(dataset)];
  assert.notEqual(weighed.reports[2].loss, plain.reports[2].loss);
  const head = { loss: 'bce', classWeights: [1, 20] } as const;
  const inputs = [{ name: 'x', kind: 'dense', size: 1 }] as const;
  assert.ok(L.defineModel({ inputs: [...inputs], body: { kind: 'mlp', hidden: [] }, head }));
});

test('history-order, nanosecond-times: the order of times is kept in every unit, and histories follow it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'innerloop-times-'));
  try {
    for (const time of [
      (k: number) => `176958720000000000${k}`,
      (k: number) => `176958720000${k}`,
      (k: number) => String(k),
      (k: number) => `2026-01-28 08:00:00.00000${k}`,
    ]) {
      const from = join(folder, 'times.csv');
      writeFileSync(from, `u,i,r,t\na,2,5,${time(2)}\na,1,4,${time(1)}\na,3,3,${time(3)}\n`);
      const history = { name: 'before', kind: 'sequence', maxLength: 9, of: 'before' } as const;
      const features = [history];
      const dataset = await L.openDataset({
        interactions: { from, user: 'u', item: 'i', label: 'r', time: 't', features },
      });
      assert.equal(new Set(dataset.time).size, 3, 'no two are equal');
      const { data, offsets } = dataset.context.columns[0] as L.SequenceColumn;
      const ids = (row: number) =>
        [...data.subarray(offsets[row], offsets[row + 1])].map((id) => dataset.items.keys.values[id]);
      assert.deepEqual([0, 1, 2].map(ids), [['1'], [], ['1', '2']], time(0));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
