/** A learner goes on with users, items and values that it did not know; what it knew stays as it was. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import type { Dataset } from '../../lib/foundation/contract.js';
import { createLearner } from '../../lib/learner/index.js';
import { defineModel } from '../../lib/model/model.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { make, path } from '../fixtures/family.js';

/** Ratings of items from `first` on. */
function dataset(first: number, users: string): Dataset {
  const [user, item, label]: [string[], string[], number[]] = [[], [], []];
  for (let u = 0; u < 30; u++)
    for (let k = 0; k < 10; k++) {
      user.push(`${users}${u}`);
      item.push(`i${first + ((u * 3 + k * 2) % 21)}`);
      label.push(1 + ((u * 5 + k * 7) % 5));
    }
  const ids = Array.from({ length: 21 }, (_, i) => `i${first + i}`);
  return datasetFromColumns({
    user,
    item,
    label,
    itemFeatures: {
      id: ids,
      features: {
        price: { kind: 'dense', values: ids.map((_, i) => 10 * (first + i)) },
        kind: { kind: 'categorical', values: ids.map((_, i) => `kind ${(first + i) % 3 === 0 ? first : 'all'}`) },
        tags: { kind: 'bag', values: ids.map((_, i) => [`tag ${i % 3}`, `from ${first}`]) },
      },
    },
  });
}
const tasksOf = (data: Dataset) => buildTasks(data, { query: 4 });

for (const name of [
  'maml',
  'metaSgd',
  'mamlPlusPlus',
  'ridge',
  'protoNets',
  'reptile',
  'mamo',
  'lstmMetaLearner',
] as const)
  test(`${name}: new items get rows and can be served, the old ones keep theirs`, async () => {
    const old = dataset(0, 'u');
    const all = Int32Array.from({ length: old.size }, (_, row) => row);
    const inputs = describeInputs(
      old,
      [{ name: 'item', dim: 3 }, { name: 'price' }, { name: 'kind', dim: 2 }, { name: 'tags', dim: 2 }],
      all,
    );
    const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [5] }, head: { loss: 'mse' } });
    const learner = createLearner({ model, algorithm: make(name), seed: 1 });
    for await (const _ of train(learner, tasksOf(old), { epochs: 2 })) continue;
    const before = learner.parameters();
    const prices = learner.catalog!.items.columns.find((column) => column.name === 'price')!;

    const now = dataset(15, 'v');
    const training = train(learner, tasksOf(now), { epochs: 1 });
    for await (const { epoch } of training) assert.equal(epoch, 3);
    const after = learner.parameters();
    const table = (of: typeof before, input: string) => of[`embedding.${input}.weight`];
    assert.deepEqual(table(before, 'item').shape, [22, 3]);
    assert.deepEqual(table(after, 'item').shape, [22 + 15, 3], 'fifteen items are new');
    assert.deepEqual(table(after, 'kind').shape, [4, 2]);
    // Items that only the old data has were not touched.
    const vocabulary = learner.model.spec.inputs[0];
    assert.ok(vocabulary.kind === 'categorical');
    const row = vocabulary.vocabulary!.indexOf('i3');
    const at = (of: typeof before) => table(of, 'item').data.slice(3 * row, 3 * row + 3);
    if (name !== 'mamo') assert.deepEqual(at(after), at(before));
    const grown = learner.catalog!.items.columns.find((column) => column.name === 'price')!;
    assert.deepEqual(
      [...grown.data.slice(0, 16)],
      [...prices.data.slice(0, 16)],
      'by the moments of the first training',
    );
    const step = prices.data[2] - prices.data[1];
    const i35 = learner.catalog!.items.keys.idOf('i35');
    assert.ok(Math.abs(grown.data[i35] - (prices.data[1] + 35 * step)) < 1e-4);

    const file = path();
    await saveLearner(learner, file);
    for (const serving of [learner, await loadLearner(file)]) {
      const me = await serving.adapt({ items: ['i3', 'i35'], labels: [5, 1], unknown: 'error' });
      const [known, fresh] = await me.predict(['i4', 'i34']);
      assert.ok(Number.isFinite(known) && Number.isFinite(fresh));
      assert.equal((await me.recommend({ count: 100 })).length, 36 - 2);
    }
  });

test('training on data with other items only goes on, and serves both', async () => {
  const old = dataset(0, 'u');
  const inputs = describeInputs(
    old,
    [{ name: 'item', dim: 3 }],
    Int32Array.from({ length: old.size }, (_, row) => row),
  );
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [5] }, head: { loss: 'mse' } });
  const learner = createLearner({ model, algorithm: make('maml'), seed: 1 });
  for await (const _ of train(learner, tasksOf(old), { epochs: 1 })) continue;
  const plain = ({ user, item, label, users, items }: Dataset) =>
    datasetFromColumns({
      user: Array.from(user, (row) => users.keys.values[row]),
      item: Array.from(item, (row) => items.keys.values[row].replace('i', 'j')),
      label: [...label],
    });
  for await (const _ of train(learner, tasksOf(plain(dataset(0, 'u'))), { epochs: 1 })) continue;
  const me = await learner.adapt({ items: ['i1', 'j1'], labels: [5, 1], unknown: 'error' });
  assert.equal((await me.predict(['i2', 'j2'])).length, 2);
});

test('items and users that are added are served by their features, in the units of the training data', async () => {
  const [user, item, label]: [string[], string[], number[]] = [[], [], []];
  for (let u = 0; u < 30; u++)
    for (let k = 0; k < 10; k++) (user.push(`u${u}`), item.push(`i${(u + 2 * k) % 20}`), label.push(1 + ((u + k) % 5)));
  const people = {
    id: Array.from({ length: 30 }, (_, u) => `u${u}`),
    age: Array.from({ length: 30 }, (_, u) => 20 + u),
  };
  const goods = {
    id: Array.from({ length: 20 }, (_, i) => `i${i}`),
    price: Array.from({ length: 20 }, (_, i) => 3 * i),
  };
  const kinds = goods.id.map((_, i) => `kind ${i % 3}`);
  const data = datasetFromColumns({
    user,
    item,
    label,
    userFeatures: { id: people.id, features: { age: { kind: 'dense', values: people.age } } },
    itemFeatures: {
      id: goods.id,
      features: { price: { kind: 'dense', values: goods.price }, kind: { kind: 'categorical', values: kinds } },
    },
  });
  const inputs = describeInputs(
    data,
    [{ name: 'age' }, { name: 'price' }, { name: 'kind', dim: 2 }],
    new Int32Array(0),
  );
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [4] }, head: { loss: 'mse' } });
  const learner = createLearner({ model, algorithm: make('maml'), seed: 1 });
  for await (const _ of train(learner, tasksOf(data), { epochs: 1 })) continue;
  const support = { items: ['i0', 'i1'], labels: [5, 1], user: 'u7' };
  const known = await (await learner.adapt(support)).predict(['i4']);
  assert.equal(
    learner.addItems({
      id: ['like i4', 'i5'],
      features: {
        price: { kind: 'dense', values: [12, 15] },
        kind: { kind: 'categorical', values: ['kind 1', 'kind 2'] },
      },
    }),
    1,
  );
  assert.equal(learner.addUsers({ id: ['like u7'], features: { age: { kind: 'dense', values: [27] } } }), 1);
  const file = path();
  await saveLearner(learner, file);
  for (const serving of [learner, await loadLearner(file)]) {
    const me = await serving.adapt({ ...support, user: 'like u7', unknown: 'error' });
    assert.deepEqual(await me.predict(['like i4']), known);
    assert.ok((await me.recommend({ count: 50 })).some((one) => one.item === 'like i4'));
  }
  assert.throws(() => learner.addItems({ features: {} }), /items\.id: no ids/);
  // What requests need of a new catalog is made with it.
  const { ops } = learner.model as { ops: { createFrame: (...args: unknown[]) => unknown } };
  const { createFrame } = ops;
  let frames = 0;
  ops.createFrame = (...args) => (frames++, createFrame(...args));
  try {
    learner.addItems({ id: ['one more'], features: {} });
    const made = frames;
    await learner.adapt({ items: ['one more', 'i1'], labels: [4, 2] });
    assert.deepEqual([made, frames], [1, 1]);
  } finally {
    ops.createFrame = createFrame;
  }
  // What no column takes would be dropped without a word.
  assert.throws(
    () => learner.addItems({ id: ['i9'], features: { prise: { kind: 'dense', values: [1] } } }),
    /items\.features\.prise: no such option; did you mean price\?/,
  );
  assert.throws(
    () => learner.addItems({ id: ['i9'], features: { price: { kind: 'categorical', values: ['1'] } } }),
    /items\.features\.price\.kind: the learner's column is dense/,
  );
  assert.throws(
    () => learner.addUsers({ id: ['u'], features: { price: { kind: 'dense', values: [1] } } }),
    /expected one of age/,
  );
  // Errors are of what was given, not of what is made of it.
  for (const id of [null, '', NaN, {}])
    assert.throws(
      () => learner.addItems({ id: [id as string], features: {} }),
      /^InnerloopError: items\.id: not an id in row 1/,
    );
  // What stands for a missing id elsewhere may be one here, if that is said.
  assert.throws(
    () => learner.addItems({ id: ['NA'] }),
    /: items\.id: not an id in row 1; got "NA"; .* nulls: \[\] if it is/,
  );
  assert.throws(() => learner.addItems({ id: ['i9', '-'], nulls: ['-'] }), /: items\.id: not an id in row 2; got "-"/);
  assert.throws(() => learner.addItems({ id: ['i9'], nulls: 'NA' as unknown as [] }), /: items\.nulls: /);
  assert.deepEqual([learner.addItems({ id: ['NA'], nulls: [] }), learner.addUsers({ id: ['-'], nulls: [] })], [1, 1]);
  assert.equal((await (await learner.adapt(support)).predict(['NA'])).length, 1);
  assert.throws(
    () => learner.addItems({ id: ['i9', null as unknown as string], features: {} }),
    /: items\.id: not an id in row 2/,
  );
  assert.throws(
    () => learner.addUsers({ id: ['u', 'v', 'u'], features: {} }),
    /: users\.id: the id is in rows 1 and 3/,
  );
  assert.throws(
    () => learner.addItems({ id: ['i9'], features: { price: { kind: 'dense', values: [1, 2] } } }),
    /: items\.features\.price/,
  );
});
