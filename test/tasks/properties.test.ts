/** Ids, splits and draws under any data: whatever texts ids are, whatever rows are chosen, nothing leaks and nothing is lost. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import type { Dataset, TaskSet } from '../../lib/foundation/contract.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { trimText } from '../../lib/data/values.js';
import { buildTasks, redrawQuery, splitTasks, subsetTasks } from '../../lib/tasks/index.js';
import { datasetOf, query, rowsOf, support } from '../fixtures/tasks.js';

/** Texts that break what treats ids as property names, numbers, paths or SQL. */
const HOSTILE = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '../../etc/passwd',
  "'; DROP TABLE x; --",
  '\u0000',
  'NaN',
  '-0',
  '1e3',
  '007',
  '7',
  ' 7',
  '💥',
  '\ufeff',
  'a\nb',
  '%s%n',
  '{}',
];
const anyId = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ minLength: 1, maxLength: 6, unit: 'grapheme' }),
  fc.integer({ min: -3, max: 20 }).map(String),
);
const isId = (text: string) => trimText(text) !== '';
const anyInteractions = fc.uniqueArray(
  fc.tuple(anyId.filter(isId), anyId.filter(isId), fc.integer({ min: -2, max: 5 })),
  { minLength: 1, maxLength: 60, selector: ([user, item]) => JSON.stringify([trimText(user), trimText(item)]) },
);

test('datasetFromColumns: any text is an id without the blanks around it, and nothing but itself', async () => {
  fc.assert(
    fc.property(anyInteractions, (rows) => {
      const dataset = datasetFromColumns({
        user: rows.map(([u]) => u),
        item: rows.map(([, i]) => i),
        label: rows.map(([, , y]) => y),
        nulls: [],
      });
      assert.equal(dataset.size, rows.length);
      const read = Array.from({ length: dataset.size }, (_, r) => [
        dataset.users.keys.values[dataset.user[r]],
        dataset.items.keys.values[dataset.item[r]],
        dataset.label[r],
      ]);
      const sorted = (list: unknown[][]) => list.map((entry) => JSON.stringify(entry)).sort();
      assert.deepEqual(sorted(read), sorted(rows.map(([u, i, y]) => [trimText(u), trimText(i), y])));
      for (const table of [dataset.users, dataset.items]) {
        const { values } = table.keys;
        assert.equal(new Set(values).size, values.length);
        assert.equal(table.rows, values.length);
        values.forEach((text, id) => assert.equal(table.keys.idOf(text), id));
      }
      assert.equal(dataset.users.keys.idOf('no such user at all'), 0);
    }),
    { numRuns: 200, seed: 11 },
  );
});

test('datasetFromColumns: a column may have any name', async () => {
  for (const name of HOSTILE.filter((text) => text !== '\u0000')) {
    const features = Object.fromEntries([[name, { kind: 'categorical' as const, values: ['x', 'y'] }]]);
    const dataset = datasetFromColumns({
      user: [1, 1],
      item: ['a', 'b'],
      label: [1, 2],
      itemFeatures: { id: ['a', 'b'], features },
    });
    const column = dataset.items.columns.find((c) => c.name === name);
    assert.ok(column?.kind === 'categorical', name);
    assert.deepEqual(
      [...column.data].map((id) => column.vocabulary.values[id]),
      ['', 'x', 'y'],
      name,
    );
  }
  assert.equal(({} as Record<string, unknown>)['kind'], undefined, 'the prototype of all objects was changed');
});

const anyCounts = fc.array(fc.integer({ min: 0, max: 18 }), { minLength: 6, maxLength: 25 });
const anyQuery = fc.oneof(
  fc.integer({ min: 1, max: 4 }),
  fc.record({ fraction: fc.double({ min: 0.05, max: 0.9, noNaN: true }) }),
);

/** None, or enough for a user in every set. */
const anyFraction = fc.oneof(fc.constant(0), fc.double({ min: 0.1, max: 0.4, noNaN: true }));

function assertWhole(tasks: TaskSet, dataset: Dataset, allowed: ReadonlySet<number>): void {
  assert.equal(tasks.keys.length, tasks.size);
  for (const offsets of [tasks.supportOffsets, tasks.queryOffsets]) {
    assert.equal(offsets.length, tasks.size + 1);
    assert.equal(offsets[0], 0);
    for (let t = 0; t < tasks.size; t++) assert.ok(offsets[t] <= offsets[t + 1]);
  }
  assert.equal(tasks.supportOffsets.at(-1), tasks.supportRows.length);
  assert.equal(tasks.queryOffsets.at(-1), tasks.queryRows.length);
  const rows = rowsOf(tasks);
  assert.equal(new Set(rows).size, rows.length, 'a row twice');
  for (const row of rows) assert.ok(allowed.has(row) && row >= 0 && row < dataset.size);
  for (let t = 0; t < tasks.size; t++) {
    assert.ok(query(tasks, t).length > 0, 'a task without a query');
    assert.equal(
      new Set([...support(tasks, t), ...query(tasks, t)].map((row) => dataset.user[row])).size,
      1,
      'a task of two users',
    );
  }
}

test('splitTasks: for any fractions no row is in two sets, and only training rows may be trained on', async () => {
  let sets = 0;
  fc.assert(
    fc.property(anyCounts, anyQuery, anyFraction, anyFraction, fc.nat(), (counts, size, validation, held, seed) => {
      const dataset = datasetOf([...counts, ...new Array<number>(12).fill(9)]);
      const split = splitTasks(dataset, { protocol: 'users', validation, test: held, seed, tasks: { query: size } });
      const trained = new Set(split.trainRows);
      const all = new Set(Array.from({ length: dataset.size }, (_, r) => r));
      const owner = new Map<number, string>();
      for (const [name, tasks] of Object.entries(split.sets)) {
        assertWhole(tasks, dataset, name === 'train' ? trained : all);
        for (const row of rowsOf(tasks)) {
          assert.ok(!owner.has(row), `row ${row} in ${owner.get(row)} and ${name}`);
          owner.set(row, name);
          assert.equal(trained.has(row), name === 'train');
        }
        sets++;
      }
    }),
    { numRuns: 100, seed: 12 },
  );
  assert.ok(sets > 100);
});

test('buildTasks on a choice of rows: every user with enough of them, and no other row', async () => {
  fc.assert(
    fc.property(anyCounts, anyQuery, fc.infiniteStream(fc.boolean()), fc.nat(), (counts, size, coins, seed) => {
      const dataset = datasetOf([...counts, 9, 9, 9]);
      const rows = Int32Array.from({ length: dataset.size }, (_, r) => r).filter(() => coins.next().value);
      const perUser = new Map<number, number>();
      for (const row of rows) perUser.set(dataset.user[row], (perUser.get(dataset.user[row]) ?? 0) + 1);
      const least = Math.max(2, typeof size === 'number' ? size + 1 : 2);
      fc.pre([...perUser.values()].some((n) => n >= least));
      const tasks = buildTasks(dataset, { query: size, rows, seed });
      assertWhole(tasks, dataset, new Set(rows));
      assert.equal(tasks.size, [...perUser.values()].filter((n) => n >= least).length);
      assert.deepEqual(buildTasks(dataset, { query: size, rows: rows.slice(), seed }), tasks);
    }),
    { numRuns: 100, seed: 13 },
  );
});

test('redrawQuery keeps every task, its rows and its sizes, and subsetTasks its tasks', async () => {
  fc.assert(
    fc.property(anyCounts, anyQuery, fc.nat(), fc.integer({ min: 1, max: 50 }), (counts, size, seed, epoch) => {
      const dataset = datasetOf([...counts, 9, 9, 9]);
      const tasks = buildTasks(dataset, { query: size, seed });
      const drawn = redrawQuery(tasks, seed, epoch);
      assertWhole(drawn, dataset, new Set(rowsOf(tasks)));
      assert.deepEqual(drawn.keys, tasks.keys);
      for (let t = 0; t < tasks.size; t++) {
        assert.deepEqual(
          [support(drawn, t).length, query(drawn, t).length],
          [support(tasks, t).length, query(tasks, t).length],
        );
        const sorted = (set: TaskSet) => [...support(set, t), ...query(set, t)].sort((a, b) => a - b);
        assert.deepEqual(sorted(drawn), sorted(tasks));
      }
      assert.deepEqual(redrawQuery(tasks, seed, epoch), drawn);
      const odd = Array.from({ length: tasks.size }, (_, t) => t).filter((t) => t % 2 === 1);
      fc.pre(odd.length > 0);
      const part = subsetTasks(tasks, odd);
      odd.forEach((t, i) =>
        assert.deepEqual(
          [part.keys[i], support(part, i), query(part, i)],
          [tasks.keys[t], support(tasks, t), query(tasks, t)],
        ),
      );
    }),
    { numRuns: 100, seed: 14 },
  );
});
