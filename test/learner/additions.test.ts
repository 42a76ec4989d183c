/** Items and users that are added in turns with the event loop: the same catalog as at once, and none in between. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/index.js';
import type { AddedEntities, Learner } from '../../lib/learner/index.js';
import { preparedItems } from '../../lib/learner/additions.js';
import { defineModel } from '../../lib/model/model.js';
import '../../lib/serving/adapt.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { make } from '../fixtures/family.js';

const features = (ids: readonly string[]): AddedEntities['features'] => ({
  price: { kind: 'dense', values: ids.map((_, i) => (i % 7 === 3 ? null : (i * 31) % 101)), present: true },
  size: { kind: 'dense', values: ids.map((_, i) => [i % 5, 0.1 * (i % 11)]) },
  kind: { kind: 'categorical', values: ids.map((_, i) => (i % 9 === 4 ? null : `kind ${(i * 13) % 17}`)) },
  tags: { kind: 'bag', values: ids.map((_, i) => (i % 6 === 5 ? null : [`t${i % 7}`, ` s${(i * 5) % 40} `, 'NA'])) },
});

async function learnerOf(): Promise<Learner> {
  const [user, item, label]: [string[], string[], number[]] = [[], [], []];
  for (let u = 0; u < 30; u++)
    for (let k = 0; k < 10; k++) (user.push(`u${u}`), item.push(`i${(u + 2 * k) % 20}`), label.push(1 + ((u + k) % 5)));
  const [people, goods] = [30, 20].map((n, side) => Array.from({ length: n }, (_, i) => `${'ui'[side]}${i}`));
  const data = datasetFromColumns({
    user,
    item,
    label,
    userFeatures: { id: people, features: { age: { kind: 'dense', values: people.map((_, u) => 20 + u) } } },
    itemFeatures: { id: goods, features: features(goods)! },
  });
  const inputs = describeInputs(
    data,
    [
      { name: 'item', dim: 3 },
      { name: 'age' },
      { name: 'price' },
      { name: 'size' },
      { name: 'kind', dim: 2 },
      { name: 'tags', dim: 2 },
    ],
    Int32Array.from({ length: data.size }, (_, row) => row),
  );
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [4] }, head: { loss: 'mse' } });
  const learner = createLearner({ model, algorithm: make('maml'), seed: 1, rows: { center: 'bias' } });
  for await (const _ of train(learner, buildTasks(data, { query: 4 }), { epochs: 1 })) continue;
  return learner;
}

/** Ids in no order, of which the first are known already. */
const table = (count: number): AddedEntities => {
  const id = Array.from({ length: count }, (_, i) => (i < 10 ? `i${2 * i}` : `n${(i * 7919) % 1_000_003}`));
  return { id, features: features(id) };
};

/** All that is served with, without the functions of vocabularies. */
const served = ({ catalog, rowState }: Learner) => [
  rowState,
  ...[catalog!.users, catalog!.items, catalog!.context].map(({ rows, keys, columns }) => ({
    rows,
    keys: keys.values,
    columns: columns.map((column) =>
      'vocabulary' in column ? { ...column, vocabulary: column.vocabulary.values } : column,
    ),
  })),
];

test('items and users that are added in turns give what they give at once, and the event loop turns meanwhile', async () => {
  const [atOnce, inTurns] = [await learnerOf(), await learnerOf()];
  const support = { items: ['i1', 'i4'], labels: [5, 1], user: 'u3' };
  const before = await inTurns.adapt(support);
  const items = table(30_000);
  let turns = 0;
  let isDone = false;
  const lists = new Set<number>();
  const turn = () => {
    turns++;
    lists.add(inTurns.catalog!.items.rows);
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const count = await inTurns.addItemsAsync(items);
  isDone = true;
  // Some hundred milliseconds of work in slices of five.
  assert.ok(turns >= 10, `${turns} turns`);
  for (const rows of lists) assert.ok(rows === 21 || rows === 21 + count, `${rows} rows`);
  assert.equal(atOnce.addItems(items), count);
  const users = { id: ['v2', 'v1'], features: { age: { kind: 'dense' as const, values: [31, 22] } } };
  assert.deepEqual([await inTurns.addUsersAsync(users), atOnce.addUsers(users)], [2, 2]);
  assert.deepEqual(served(inTurns), served(atOnce));
  const asked = [...(items.id as string[]).slice(5, 40), 'i3'];
  const [one, other] = await Promise.all([atOnce, inTurns].map((learner) => learner.adapt({ ...support, user: 'v1' })));
  assert.deepEqual(await one.predict(asked), await other.predict(asked));
  assert.equal((await before.recommend({ count: 3 })).length, 3, 'who was adapted before is served');
});

test('an error and an abort leave the catalog as it was', async () => {
  const learner = await learnerOf();
  const { catalog, rowState } = learner;
  const bad = table(8000);
  (bad.id as string[])[7999] = (bad.id as string[])[5];
  await assert.rejects(learner.addItemsAsync(bad), /items\.id: the id is in rows 6 and 8000; got "i10"/);
  assert.throws(() => learner.addItems(bad), /items\.id: the id is in rows 6 and 8000; got "i10"/);
  const late = table(8000);
  (late.features!['tags'].values as unknown[])[7998] = ['t1', {}];
  await assert.rejects(learner.addItemsAsync(late), /items\.features\.tags: neither text nor number in row 7999/);
  await assert.rejects(learner.addItemsAsync({ id: [] }), /items\.id: no ids/);
  await assert.rejects(learner.addItemsAsync(table(20), { sginal: 1 } as never), /sginal.*did you mean signal/);
  const abort = new AbortController();
  const stopped = learner.addItemsAsync(table(30_000), { signal: abort.signal });
  setImmediate(() => abort.abort());
  await assert.rejects(stopped, { code: 'ABORTED' });
  // What the core refuses after all else is made.
  const { ops } = learner.model as { ops: { createFrame: unknown } };
  const { createFrame } = ops;
  ops.createFrame = () => {
    throw new Error('no memory');
  };
  try {
    assert.throws(() => learner.addItems(table(20)), /no memory/);
    await assert.rejects(learner.addItemsAsync(table(20)), /no memory/);
  } finally {
    ops.createFrame = createFrame;
  }
  assert.equal(learner.catalog, catalog);
  assert.equal(learner.rowState, rowState);
  assert.equal(await learner.addItemsAsync(table(20)), 10, 'and the next call is served');
});

test('calls that add wait for each other; what else would change the learner is refused until they are done', async () => {
  const learner = await learnerOf();
  const [first, second] = [table(20_000), table(20)];
  second.id = (second.id as string[]).map((id) => `more ${id}`);
  const adding = [learner.addItemsAsync(first), learner.addItemsAsync(second), learner.addUsersAsync({ id: ['w'] })];
  await new Promise((go) => setImmediate(go));
  assert.throws(() => learner.addItems(second), /is being given items or users by another call.*addItemsAsync/);
  assert.throws(() => learner.dispose(), /is being given items or users by another call/);
  const tasks = buildTasks(datasetFromColumns({ user: ['a', 'a', 'a'], item: ['1', '2', '3'], label: [1, 2, 3] }), {
    query: 1,
  });
  await assert.rejects(train(learner, tasks, { epochs: 1 }).next(), /is being given items or users/);
  assert.deepEqual(await Promise.all(adding), [19_990, 20, 1]);
  assert.equal(learner.catalog!.items.rows, 21 + 19_990 + 20);
  assert.equal(learner.catalog!.users.rows, 32);
  // A change that was prepared beside another one is not put over it.
  const late = await preparedItems(learner, [{ id: ['late'] }]);
  learner.addItems({ id: ['early'] });
  assert.throws(late, /changed meanwhile/);
});
