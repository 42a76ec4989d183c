/** The contract between evaluation and serving: the same rows give the same numbers, for all bodies, inputs, losses and learners. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { ALGORITHMS } from '../../lib/algorithms/registry.js';
import type { Algorithm } from '../../lib/meta/algorithm.js';
import { describeInputs } from '../../lib/batch/features.js';
import type { InputChoice } from '../../lib/batch/features.js';
import type { FeatureValues } from '../../lib/batch/given-features.js';
import { lossOf } from '../../lib/model/losses.js';
import type { RowOptions } from '../../lib/batch/row-rules.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import type { BodySpec, HeadSpec } from '../../lib/foundation/contract.js';
import { random } from '../../lib/foundation/random.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { adam } from '../../lib/meta/outer-update.js';
import { defineModel } from '../../lib/model/model.js';
import { scoresOf } from '../../lib/model/scores.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import type { PersonalModel } from '../../lib/serving/personal-model.js';
import { splitTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { make, path, rejects } from '../fixtures/family.js';

const USERS = 40;
const ITEMS = 20;
const SHOTS = 9;
const stream = random(7, 'measured');
const pick = (n: number) => stream.below(n);

/** Interactions with features on every side, some values missing; `y(value)` makes a label of what was felt, 0 to 4. */
function interactions(y: (felt: number) => number) {
  const user: string[] = [];
  const item: string[] = [];
  const felt: number[] = [];
  const context: FeatureValues[] = [];
  for (let u = 0; u < USERS; u++) {
    const items = stream.shuffle(Int32Array.from({ length: ITEMS }, (_, i) => i)).subarray(0, SHOTS);
    for (const i of items) {
      user.push(`u${u}`);
      item.push(`i${i}`);
      felt.push((u * 3 + i * 5 + pick(2)) % 5);
      context.push({
        price: pick(8) === 0 ? null : 100 * pick(50),
        place: pick(8) === 0 ? null : `place ${pick(3)}`,
        with: Array.from({ length: pick(3) }, () => `friend ${pick(4)}`),
        vector: [pick(9), pick(9) + 1, pick(9)],
      });
    }
  }
  const of = (name: string) => context.map((row) => row[name]);
  const people = Array.from({ length: USERS }, (_, u): FeatureValues => ({
    age: 18 + pick(50),
    sex: u % 2 === 0 ? 'F' : 'M',
    tags: [`t${pick(3)}`],
  }));
  const label = felt.map(y);
  const dataset = datasetFromColumns({
    user,
    item,
    label,
    time: label.map((_, row) => row),
    userFeatures: {
      id: people.map((_, u) => `u${u}`),
      features: {
        age: { kind: 'dense', values: people.map(({ age }) => age as number) },
        sex: { kind: 'categorical', values: people.map(({ sex }) => sex as string) },
        tags: { kind: 'bag', values: people.map(({ tags }) => tags as string[]) },
      },
    },
    itemFeatures: {
      id: Array.from({ length: ITEMS }, (_, i) => `i${i}`),
      features: { year: { kind: 'dense', values: Array.from({ length: ITEMS }, (_, i) => 1980 + i) } },
    },
    features: {
      price: { kind: 'dense', values: of('price') as number[], present: true },
      place: { kind: 'categorical', values: of('place') as string[] },
      with: { kind: 'bag', values: of('with') as string[][] },
      vector: { kind: 'dense', values: of('vector') as number[][], normalize: true, standardize: true },
      dwell: { kind: 'dense', values: felt.map((x) => x / 2), standardize: false },
      history: { kind: 'sequence', of: 'support', maxLength: 4 },
    },
  });
  dataset.weight = Float32Array.from(label, (_, row) => 1 + (row % 3));
  const split = splitTasks(dataset, { protocol: 'users', test: 0.2, tasks: { query: 4, order: 'time' } });
  return { dataset, split, context, people };
}

const RATED = interactions((felt) => 1 + felt);
const LIKED = interactions((felt) => (felt > 1 ? 1 : 0));
const CLASSED = interactions((felt) => felt);

const everywhere: InputChoice[] = [
  { name: 'item', dim: 4 },
  { name: 'year' },
  { name: 'age' },
  { name: 'sex', dim: 2 },
  { name: 'tags', dim: 2 },
  { name: 'price' },
  { name: 'price.present' },
  { name: 'place', dim: 3 },
  { name: 'with', dim: 2, pooling: 'sum' },
  { name: 'vector' },
];
const mlp: BodySpec = { kind: 'mlp', hidden: [5], activation: 'tanh' };
type Case = [
  name: string,
  data: typeof RATED,
  inputs: InputChoice[],
  body: BodySpec,
  head: HeadSpec,
  algorithm: Algorithm,
  rows?: RowOptions,
];

const wide = everywhere.map((input) => ({ ...input, dim: 3 }));
const id = (dim: number): InputChoice[] => [
  { name: 'user', dim },
  { name: 'item', dim },
];
const CASES: Case[] = [
  ['mlp', RATED, everywhere, mlp, { loss: 'mse' }, make('maml')],
  ['mf', RATED, id(4), { kind: 'mf', user: 'user', item: 'item' }, { loss: 'mse' }, make('maml')],
  ['fm', RATED, wide, { kind: 'fm' }, { loss: 'mse' }, make('maml')],
  [
    'neumf',
    RATED,
    [...id(4), ...everywhere.slice(1)],
    { kind: 'neumf', user: 'user', item: 'item', factors: 3, hidden: [4] },
    { loss: 'mse' },
    make('maml'),
  ],
  [
    'twoTower',
    RATED,
    everywhere,
    {
      kind: 'twoTower',
      user: ['age', 'sex', 'tags', 'price', 'price.present', 'place', 'with', 'vector'],
      item: ['item', 'year'],
      hidden: [4],
      width: 3,
    },
    { loss: 'mse' },
    make('maml'),
  ],
  [
    'gru',
    RATED,
    [...everywhere, { name: 'history', dim: 3 }],
    { kind: 'gru', gruHidden: 3, hidden: [4] },
    { loss: 'mse' },
    make('maml'),
  ],
  ['biases', RATED, everywhere, mlp, { loss: 'mse' }, make('maml'), { center: 'bias' }],
  ['bce', LIKED, everywhere, mlp, { loss: 'bce' }, make('maml')],
  ['softmax', CLASSED, everywhere, mlp, { loss: 'softmax', classes: 5 }, make('maml')],
  ['bpr', LIKED, everywhere, mlp, { loss: 'bpr' }, make('maml')],
  ['listwise', LIKED, everywhere, mlp, { loss: 'listwise' }, make('maml')],
  [
    'two heads',
    RATED,
    everywhere,
    mlp,
    { loss: 'mse', also: [{ name: 'dwell', loss: 'mse', weight: 0.5 }] },
    make('maml'),
  ],
  ...Object.keys(ALGORITHMS)
    .filter((name) => name !== 'maml')
    .map((name): Case => {
      const [data, loss] = name === 'laplace' ? [LIKED, 'bce' as const] : [RATED, 'mse' as const];
      return [name, data, everywhere, mlp, { loss }, make(name as keyof typeof ALGORITHMS)];
    }),
];

async function trained([, data, inputs, body, head, algorithm, rows]: Case): Promise<Learner> {
  const model = defineModel({ inputs: describeInputs(data.dataset, inputs, data.split.trainRows), body, head });
  const learner = createLearner({ model, algorithm, optimizer: adam({ learningRate: 0.02 }), seed: 1, rows });
  for await (const _ of train(learner, data.split.sets['train'], { epochs: 2, metaBatch: 8 })) continue;
  return learner;
}

for (const one of CASES) {
  const [name, { dataset, split, context }, , , head] = one;
  test(`${name}: what is measured is what is served, and after a file too`, async () => {
    const learner = await trained(one);
    const { test: tasks } = split.sets;
    const measured = scoresOf(head, await learner.outputs(tasks, 'after'), 0);
    const file = path();
    await saveLearner(learner, file);
    const heads = head.also ?? [];
    for (const serving of [learner, await loadLearner(file)]) {
      for (let t = 0; t < tasks.size; t++) {
        const rowsOf = (offsets: Int32Array, rows: Int32Array) => [...rows.subarray(offsets[t], offsets[t + 1])];
        const support = rowsOf(tasks.supportOffsets, tasks.supportRows);
        const query = rowsOf(tasks.queryOffsets, tasks.queryRows);
        const itemOf = (row: number) => dataset.items.keys.values[dataset.item[row]];
        const dwell = (row: number) =>
          (dataset.context.columns.find((c) => c.name === 'dwell')!.data as Float32Array)[row];
        const request = {
          items: support.map(itemOf),
          labels: support.map((row) => dataset.label[row]),
          user: tasks.keys[t],
          context: support.map((row) => context[row]),
          weights: support.map((row) => dataset.weight![row]),
          ...(heads.length > 0 && { also: { dwell: support.map(dwell) } }),
        };
        if (lossOf(head).ranks === true && !request.labels.includes(1)) {
          await rejects(serving.adapt(request), 'INVALID_OPTION', /at least one label 1/);
          continue;
        }
        const me = await serving.adapt(request);
        const served = await me.predict(query.map(itemOf), { context: query.map((row) => context[row]) });
        query.forEach((_, q) => {
          const expected = measured[tasks.queryOffsets[t] + q];
          assert.ok(
            Math.abs(served[q] - expected) <= 2e-4 * Math.max(1, Math.abs(expected)),
            `task ${t}, query ${q}: measured ${expected}, served ${served[q]}`,
          );
        });
      }
    }
  });
}

test('a model that reads features of interactions says so; what is left out is the default of training', async () => {
  const { dataset } = RATED;
  const learner = await trained(CASES[0]);
  const [a, b, c] = ['i0', 'i1', 'i2'];
  const needs = /missing: the model reads price, price.present, place, with, vector of interactions/;
  await rejects(
    learner.adapt({ items: [a], labels: [5] }),
    'INVALID_OPTION',
    new RegExp(`support.context: ${needs.source}`),
  );
  const me = await learner.adapt({ items: [a, b], labels: [5, 1], context: {} });
  await rejects(me.predict([c]), 'INVALID_OPTION', new RegExp(`options.context: ${needs.source}`));
  await rejects(me.recommend(), 'INVALID_OPTION', new RegExp(`options.context: ${needs.source}`));
  await rejects(me.explain(c), 'INVALID_OPTION', new RegExp(`options.context: ${needs.source}`));
  const places = dataset.context.columns.find(({ name }) => name === 'place')!;
  assert.ok(places.kind === 'categorical');
  const counts = new Map<string, number>();
  for (const place of places.data)
    counts.set(places.vocabulary.values[place], (counts.get(places.vocabulary.values[place]) ?? 0) + 1);
  counts.delete('');
  const [[usual]] = [...counts].sort(([, x], [, y]) => y - x);
  const scores = await me.predict([c], { context: {} });
  assert.deepEqual(await me.predict([c], { context: { place: usual } }), scores);
  assert.notDeepEqual(await me.predict([c], { context: [{ place: null }] }), scores, 'missing is not the usual');
  const other = [...counts.keys()].find((place) => place !== usual)!;
  assert.notDeepEqual(await me.predict([c], { context: { place: other } }), scores);
  assert.deepEqual(me.predictSync([c], { context: {} }), scores);
  const [first] = await me.recommend({ context: {}, count: 1 });
  assert.equal(first.score, (await me.predict([first.item], { context: {} }))[0]);
  const why = await me.explain(c, { context: { price: 4000 } });
  assert.equal(why.length, 2);
  await rejects(me.predict([c], { context: { prise: 3 } }), 'UNKNOWN_OPTION', /context\.prise.*did you mean price/);
  await rejects(
    me.predict([c], { context: { price: '3' } }),
    'INVALID_OPTION',
    /^options\.context\.price: not a finite number/,
  );
  await rejects(
    learner.adapt({ items: [a, b], labels: [5, 1], context: [{}, { price: '3' }] }),
    'INVALID_OPTION',
    /^support\.context\[1\]\.price: not a finite number/,
  );
  await rejects(me.predict([c], { context: { vector: [1, 2] } }), 'INVALID_OPTION', /vector: has 2 numbers/);
  await rejects(me.predict([c], { context: [{}, {}] }), 'INVALID_OPTION', /not one object a row.*1 objects/);
  await rejects(me.recommend({ context: [{}] as never }), 'INVALID_OPTION', /one object for all items/);
});

test('an interaction that comes later has features of its own', async () => {
  const learner = await trained(CASES[0]);
  const asked = async (me: PersonalModel) => [...(await me.predict(['i3'], { context: {} }))];
  const usual = await learner.adapt({ items: ['i0'], labels: [5], context: {} });
  const both = await learner.adapt({ items: ['i0', 'i1'], labels: [5, 1], context: {} });
  assert.deepEqual(await asked(await usual.update('i1', 1)), await asked(both), 'the defaults are those of any');
  // What was told of all before does not hold for it without a word.
  const dear = await learner.adapt({ items: ['i0'], labels: [5], context: { price: 4000 } });
  await rejects(dear.update('i1', 1), 'INVALID_OPTION', /^options\.context: missing.*\{\} for the defaults/);
  await rejects(dear.update('i1', 1, { context: { prise: 1 } }), 'UNKNOWN_OPTION', /^options\.context\.prise/);
  const each = await learner.adapt({ items: ['i0', 'i1'], labels: [5, 1], context: [{ price: 4000 }, {}] });
  assert.deepEqual(await asked(await dear.update('i1', 1, { context: {} })), await asked(each));
});

test('a new user who is told by features is served as a known one of the same features without history', async () => {
  const { people, split } = RATED;
  const learner = await trained(CASES[0]);
  const known = split.sets['test'].keys[0];
  const features = people[Number(known.slice(1))];
  const score = async (who: object) =>
    (await (await learner.adapt({ items: [], labels: [], ...who })).predict(['i3', 'i4'], { context: {} })).join();
  const expected = await score({ user: known });
  assert.equal(await score({ features }), expected);
  assert.equal(await score({ user: 'nobody', features }), expected);
  assert.equal(await score({ user: known, features: {} }), expected);
  assert.notEqual(await score({}), expected);
  const older = { ...features, age: 90 };
  assert.equal(await score({ user: known, features: { age: 90 } }), await score({ features: older }));
  assert.notEqual(await score({ features: older }), expected);
  await rejects(
    learner.adapt({ items: [], labels: [], features: { agee: 3 } }),
    'UNKNOWN_OPTION',
    /support\.features\.agee.*did you mean age/,
  );
});

test('ratings outside of the range of training are refused, clipped or allowed, by option, and after a file too', async () => {
  const learner = await trained(CASES[0]);
  const file = path();
  await saveLearner(learner, file);
  for (const serving of [learner, await loadLearner(file)]) {
    const score = async (label: number, outside?: 'clip' | 'allow') =>
      (
        await (
          await serving.adapt({ items: ['i1'], labels: [label], context: {}, ...(outside && { outside }) })
        ).predict(['i2'], { context: {} })
      )[0];
    await rejects(
      score(500),
      'INVALID_OPTION',
      /support\.labels\[0\]: outside of the ratings of the training data; got 500; expected 1 to 5/,
    );
    assert.equal(await score(500, 'clip'), await score(5));
    assert.equal(await score(-3, 'clip'), await score(1));
    assert.notEqual(await score(500, 'allow'), await score(5));
  }
});

test('dislikes under bpr move the scores; without a liked item they are refused', async () => {
  for (const loss of ['bpr', 'listwise'] as const) {
    const learner = await trained(['', LIKED, [{ name: 'item', dim: 4 }], mlp, { loss }, make('maml')]);
    const score = async (items: string[], labels: number[]) =>
      (await (await learner.adapt({ items, labels })).predict(['i2', 'i7', 'i9'])).join();
    assert.notEqual(await score(['i7', 'i2'], [1, 0]), await score(['i7'], [1]));
    await rejects(score(['i2'], [0]), 'INVALID_OPTION', /support\.labels.*at least one label 1/);
    const plain = await trained(['', LIKED, [{ name: 'item', dim: 4 }], mlp, { loss }, make('maml'), { negatives: 0 }]);
    await rejects(
      plain.adapt({ items: ['i2', 'i7'], labels: [0, 1] }),
      'INVALID_OPTION',
      /a label 1 before those that it is to be ranked above/,
    );
  }
});
