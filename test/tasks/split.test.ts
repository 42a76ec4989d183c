import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import fc from 'fast-check';
import { packageRoot } from '../../lib/foundation/addon.js';
import type { Dataset } from '../../lib/foundation/contract.js';
import { openDataset } from '../../lib/data/index.js';
import { splitTasks, summary } from '../../lib/tasks/index.js';
import type { PartitionSplit, Split, SplitOptions } from '../../lib/tasks/index.js';
import { throws } from '../fixtures/interactions.js';
import { datasetOf, rowsOf } from '../fixtures/tasks.js';

/** No interaction in two sets; nothing but the training set's own rows among those that may be trained on. */
function assertNoLeak(dataset: Dataset, { sets, trainRows }: Split): void {
  const owner = new Map<number, string>();
  for (const [name, tasks] of Object.entries(sets)) {
    for (const row of rowsOf(tasks)) {
      assert.equal(owner.get(row), undefined, `row ${row} in ${owner.get(row)} and ${name}`);
      owner.set(row, name);
    }
  }
  const train = new Set(trainRows);
  assert.equal(train.size, trainRows.length);
  for (const [row, name] of owner) assert.equal(train.has(row), name === 'train', `row ${row} of ${name}`);
  assert.ok(dataset.size >= owner.size);
}

test('split by users: disjoint users, their fractions, all rows of the training users', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 20, maxLength: 40 }),
      fc.nat(),
      (counts, seed) => {
        const dataset = datasetOf([...counts, ...new Array<number>(20).fill(8)]);
        const options: SplitOptions = {
          protocol: 'users',
          validation: 0.2,
          test: 0.3,
          seed,
          tasks: { query: 2, min: 3, max: 15 },
        };
        const split = splitTasks(dataset, options);
        assertNoLeak(dataset, split);
        assert.deepEqual(Object.keys(split.sets), ['train', 'validation', 'test']);
        const users = new Map<number, string>();
        for (const [name, tasks] of Object.entries(split.sets)) {
          for (const user of tasks.users) {
            assert.equal(users.get(user), undefined);
            users.set(user, name);
          }
        }
        const trainUsers = new Set(Array.from(split.trainRows, (row) => dataset.user[row]));
        const active = new Set(dataset.user).size;
        assert.equal(trainUsers.size, active - Math.round(0.2 * active) - Math.round(0.3 * active));
        assert.equal(split.trainRows.length, dataset.user.filter((user) => trainUsers.has(user)).length);
        assert.deepEqual(splitTasks(dataset, options), split);
      },
    ),
    { numRuns: 40, seed: 3 },
  );
});

test('split by users: without fractions there is a training set only', async () => {
  const dataset = datasetOf([5, 5, 5]);
  const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', tasks: { query: 1 } });
  assert.deepEqual([Object.keys(sets), trainRows.length], [['train'], 15]);
  throws(() => splitTasks(dataset, { protocol: 'users', test: 0.1, tasks: { query: 1 } }), 'EMPTY_DATA', /split\.test/);
  throws(
    () => splitTasks(dataset, { protocol: 'users', test: 0.5, validation: 0.5, tasks: { query: 1 } }),
    'INVALID_OPTION',
    /no user to train on/,
  );
});

test('split by partitions: who is in which set, with and without validation', async () => {
  const dataset = datasetOf(new Array<number>(60).fill(40));
  const base: PartitionSplit = {
    protocol: 'partitions',
    newUsers: { column: 'group', in: ['g1'] },
    newItems: { column: 'year', min: 2020 },
    tasks: { query: 1 },
  };
  const group = (user: number): number => (user - 1) % 3;
  const isNewItem = (row: number): boolean => Number(dataset.items.keys.values[dataset.item[row]]) >= 30;
  for (const validation of [undefined, { users: { fraction: 0.25 }, items: { column: 'year', max: 1994 } }]) {
    const split = splitTasks(dataset, { ...base, validation });
    assertNoLeak(dataset, split);
    assert.deepEqual(Object.keys(split.sets), [
      'train',
      'userCold',
      'itemCold',
      'bothCold',
      ...(validation === undefined ? [] : ['validationUserCold', 'validationItemCold', 'validationBothCold']),
    ]);
    const heldUsers = new Set(split.sets['validationUserCold']?.users);
    assert.equal(heldUsers.size, validation === undefined ? 0 : 10);
    for (const user of heldUsers) assert.notEqual(group(user), 1, 'a new user was held out for validation');
    const setOf = (row: number): string => {
      const user = dataset.user[row];
      const heldItem = validation !== undefined && Number(dataset.items.keys.values[dataset.item[row]]) <= 4;
      if (group(user) === 1) return isNewItem(row) ? 'bothCold' : 'userCold';
      if (isNewItem(row)) return 'itemCold';
      if (heldUsers.has(user)) return heldItem ? 'validationBothCold' : 'validationUserCold';
      return heldItem ? 'validationItemCold' : 'train';
    };
    const counts = new Map<string, number>();
    for (let row = 0; row < dataset.size; row++) counts.set(setOf(row), (counts.get(setOf(row)) ?? 0) + 1);
    for (const [name, tasks] of Object.entries(split.sets)) {
      for (const row of rowsOf(tasks)) assert.equal(setOf(row), name);
      assert.equal(rowsOf(tasks).length, counts.get(name), name);
    }
    assert.equal(split.trainRows.length, counts.get('train'));
    for (const row of split.trainRows) assert.equal(setOf(row), 'train');
  }
});

test('split by partitions: rows of users outside min and max are trained on, and counted in the notes', async () => {
  const dataset = datasetOf([30, 30, 30, 30, 30, 3]);
  const split = splitTasks(dataset, {
    protocol: 'partitions',
    newUsers: { column: 'group', in: ['g0'] },
    newItems: { column: 'year', in: [2018, 2019, '2017', 2016] },
    tasks: { query: 1, min: 4, max: 27 },
  });
  assert.equal(
    Object.values(split.sets).some((tasks) => tasks.keys.includes('5')),
    false,
  );
  assert.ok([...split.trainRows].some((row) => dataset.users.keys.values[dataset.user[row]] === '5'));
  assert.match(split.notes.join('\n'), /train: 1 of 4 users left out: fewer than 4 rows/);
});

test('splits: errors', async () => {
  const dataset = datasetOf([20, 20, 20, 20]);
  const partitions =
    (more: object): (() => unknown) =>
    () =>
      splitTasks(dataset, {
        protocol: 'partitions',
        newUsers: { fraction: 0.5 },
        newItems: { fraction: 0.5 },
        tasks: { query: 1 },
        ...more,
      });
  assert.doesNotThrow(partitions({}));
  throws(partitions({ protocol: 'user' }), 'INVALID_OPTION', /did you mean users/);
  throws(partitions({ test: 0.1 }), 'UNKNOWN_OPTION', /split\.test/);
  throws(partitions({ newUsers: undefined }), 'INVALID_OPTION', /split\.newUsers/);
  throws(partitions({ newUsers: { column: 'group' } }), 'INVALID_OPTION', /not a selector/);
  throws(partitions({ newUsers: { column: 'group', in: ['g1'], min: 3 } }), 'INVALID_OPTION', /not a selector/);
  throws(partitions({ newUsers: { column: 'grup', in: ['g1'] } }), 'MISSING_COLUMN', /did you mean group/);
  throws(partitions({ newUsers: { column: 'group', in: ['g7'] } }), 'INVALID_OPTION', /"g7"/, /split\.newUsers\.in/);
  throws(partitions({ newUsers: { column: 'group', in: ['g0', 'g1', 'g2'] } }), 'EMPTY_DATA', /4 of 4/);
  throws(partitions({ newItems: { column: 'size', min: 3 } }), 'INVALID_OPTION', /dense/);
  throws(partitions({ newItems: { column: 'year', min: 3000 } }), 'EMPTY_DATA', /0 of 20/);
  throws(partitions({ validation: { users: { fraction: 0.5 } } }), 'INVALID_OPTION', /validation\.items/);
  throws(partitions({ tasks: { query: 1, rows: new Int32Array(1) } }), 'UNKNOWN_OPTION', /split\.tasks\.rows/);
  throws(partitions({ tasks: { query: 15 } }), 'EMPTY_DATA', /train/);
  throws(
    () => splitTasks(dataset, { protocol: 'users', tasks: { query: 1, by: 'item' } }),
    'INVALID_OPTION',
    /tasks\.by/,
  );
});

// ----------------------------------------------------------------------------------------------------------- real data

test("MovieLens-1M: MeLU's four partitions have their published sizes", async (t) => {
  const folder = join(packageRoot(), '../shared/data/ml-1m');
  if (!existsSync(folder)) return t.plan(0, `no data: ${folder} is absent`);
  const features = (...names: string[]): { name: string; kind: 'categorical' }[] =>
    names.map((name) => ({ name, kind: 'categorical' }));
  // The four users with both ids of a duplicate film are outside 13 … 100 rows in every partition they have a pair in,
  // so the tasks are the same with the repeated pairs dropped (merged) and kept (raw).
  const merged = `SELECT user_id, coalesce(duplicate_of, item_id) AS item_id, rating, position
    FROM 'ratings.parquet' LEFT JOIN (SELECT item_id, duplicate_of FROM 'items.parquet') USING (item_id) ORDER BY position`;
  for (const [table, size, warm] of [
    [{ sql: merged }, 1000205, 640444],
    [{ from: 'ratings.parquet' }, 1000209, 640448],
  ] as const) {
    const started = performance.now();
    const dataset = await openDataset(
      {
        interactions: { ...table, user: 'user_id', item: 'item_id', label: 'rating', time: 'position' },
        users: { from: 'melu_users.csv', id: 'user_id', features: features('status') },
        items: { from: 'items.parquet', id: 'item_id', features: features('year') },
      },
      { baseDirectory: folder },
    );
    assert.equal(dataset.size, size);
    assert.equal(
      dataset.notes.some((note) => note.startsWith('4 of 1000209 interactions repeat')),
      size === 1000205,
    );
    const split = splitTasks(dataset, {
      protocol: 'partitions',
      newUsers: { column: 'status', in: ['new'] },
      newItems: { column: 'year', min: 1998 },
      tasks: { min: 13, max: 100, query: 10 },
    });
    t.comment(`${size} interactions read and split in ${((performance.now() - started) / 1000).toFixed(2)} s`);
    assertNoLeak(dataset, split);
    assert.equal(split.trainRows.length, warm);
    const sizes = Object.entries(split.sets).map(([name, tasks]) => [name, summary(tasks).tasks, summary(tasks).rows]);
    assert.deepEqual(sizes, [
      ['train', 2653, 121811],
      ['userCold', 668, 30478],
      ['itemCold', 2863, 106814],
      ['bothCold', 723, 26790],
    ]);
  }
});

test('split by partitions: the warm set holds query rows of training users out, and nothing else changes', async () => {
  const dataset = datasetOf(new Array<number>(60).fill(40));
  const base: PartitionSplit = {
    protocol: 'partitions',
    newUsers: { column: 'group', in: ['g1'] },
    newItems: { column: 'year', min: 2020 },
    tasks: { query: 5 },
    seed: 4,
  };
  const without = splitTasks(dataset, base);
  const { sets, trainRows } = splitTasks(dataset, { ...base, warm: 0.25 });
  const { warm, ...others } = sets;
  assert.deepEqual(Object.keys(others), Object.keys(without.sets));
  for (const name of ['userCold', 'itemCold', 'bothCold'] as const)
    assert.deepEqual(others[name], without.sets[name], name);
  assert.equal(warm.size, 10);
  assert.equal(warm.queryRows.length, 50);
  const train = new Set(trainRows);
  for (const row of warm.queryRows) assert.equal(train.has(row), false, 'a warm query row is trained on');
  for (const row of warm.supportRows) assert.equal(train.has(row), true, 'a warm support row is a training row');
  assert.deepEqual(
    [...trainRows, ...warm.queryRows].sort((a, b) => a - b),
    [...without.trainRows],
  );
  assert.ok(rowsOf(sets['train']).every((row) => train.has(row)));
  throws(() => splitTasks(dataset, { ...base, warm: 1.5 }), 'INVALID_OPTION', /split\.warm.*1\.5/);
  throws(() => splitTasks(dataset, { ...base, warm: 0.001 }), 'EMPTY_DATA', /split\.warm/);
});

test('split: the type of the sets knows which there are', async () => {
  const dataset = datasetOf(new Array<number>(30).fill(12));
  const { sets } = splitTasks(dataset, { protocol: 'users', validation: 0.2, tasks: { query: 5 } });
  assert.equal(sets.train.size + sets.validation.size, 30);
  // @ts-expect-error no test set was asked for
  assert.equal(sets.test, undefined);
});
