import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { buildTasks, redrawQuery, subsetTasks, summary } from '../../lib/tasks/index.js';
import type { TaskOptions } from '../../lib/tasks/index.js';
import { throws } from '../fixtures/interactions.js';
import { datasetOf, query, rowsOf, support } from '../fixtures/tasks.js';

const anyOptions = fc.record({
  by: fc.constantFrom('user' as const, 'item' as const),
  min: fc.integer({ min: 2, max: 6 }),
  max: fc.integer({ min: 6, max: 30 }),
  query: fc.oneof(
    fc.integer({ min: 1, max: 5 }),
    fc.record({ fraction: fc.double({ min: 0.01, max: 0.99, noNaN: true }) }),
  ),
  support: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
  order: fc.constantFrom('random' as const, 'time' as const),
  seed: fc.nat(),
}) satisfies fc.Arbitrary<TaskOptions>;
const anyCounts = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 3, maxLength: 12 });

test('buildTasks: sizes, ownership and disjointness for any options', async () => {
  let built = 0;
  fc.assert(
    fc.property(anyCounts, anyOptions, (counts, options) => {
      // One user that makes a task for all these options, and so do the items it shares with six others.
      const dataset = datasetOf([...counts, 6, 6, 6, 6, 6, 6]);
      const keys = options.by === 'user' ? dataset.user : dataset.item;
      const table = options.by === 'user' ? dataset.users : dataset.items;
      const expected = new Map<number, number>();
      for (const key of keys) expected.set(key, (expected.get(key) ?? 0) + 1);
      const least = Math.max(options.min, typeof options.query === 'number' ? options.query + 1 : 2);
      const owners = [...expected]
        .filter(([, n]) => n >= least && n <= options.max)
        .map(([key]) => key)
        .sort((a, b) => a - b);
      fc.pre(owners.length > 0);
      const tasks = buildTasks(dataset, options);
      built += tasks.size;
      assert.deepEqual(
        tasks.keys,
        owners.map((owner) => table.keys.values[owner]),
      );
      assert.deepEqual(
        [...tasks.users],
        owners.map((owner) => (options.by === 'user' ? owner : 0)),
      );
      const seen = new Set<number>();
      for (const [t, owner] of owners.entries()) {
        const s = support(tasks, t);
        const q = query(tasks, t);
        const n = expected.get(owner)!;
        const queries =
          typeof options.query === 'number'
            ? options.query
            : Math.max(1, Math.min(n - 1, Math.round(n * options.query.fraction)));
        assert.equal(q.length, queries);
        assert.equal(s.length, Math.min(n - queries, options.support ?? n));
        for (const row of [...s, ...q]) {
          assert.equal(keys[row], owner);
          assert.ok(!seen.has(row), 'a row in two places');
          seen.add(row);
        }
        if (options.order === 'time') {
          // The whole history in time, ties by file order: query is its end, support ends where the query starts.
          const history = [...keys.keys()]
            .filter((row) => keys[row] === owner)
            .sort((a, b) => dataset.time![a] - dataset.time![b] || a - b);
          assert.deepEqual([...s, ...q], history.slice(n - s.length - q.length));
        } else {
          assert.deepEqual([s, q], [[...s].sort((a, b) => a - b), [...q].sort((a, b) => a - b)]);
        }
      }
      assert.deepEqual(buildTasks(dataset, options), tasks);
    }),
    { numRuns: 150, seed: 7 },
  );
  assert.ok(built > 300, 'the property saw hardly any task');
});

test('buildTasks: every row is drawn for the query equally often, and a capped support too', async () => {
  const dataset = datasetOf([10]);
  const inQuery = new Array<number>(10).fill(0);
  const inSupport = new Array<number>(10).fill(0);
  for (let seed = 0; seed < 5000; seed++) {
    const tasks = buildTasks(dataset, { query: 3, support: 4, seed });
    for (const row of tasks.queryRows) inQuery[row]++;
    for (const row of tasks.supportRows) inSupport[row]++;
  }
  for (const count of inQuery) assert.ok(Math.abs(count - 1500) < 150, String(inQuery));
  for (const count of inSupport) assert.ok(Math.abs(count - 2000) < 160, String(inSupport));
});

test('buildTasks: a task does not depend on which other tasks there are', async () => {
  const dataset = datasetOf([12, 30, 8, 20]);
  const all = buildTasks(dataset, { query: 4, seed: 5 });
  const some = buildTasks(dataset, { query: 4, seed: 5, min: 15 });
  assert.deepEqual(
    [all.keys, some.keys],
    [
      ['0', '1', '2', '3'],
      ['1', '3'],
    ],
  );
  const { dataset: _, ...picked } = subsetTasks(all, [1, 3]);
  const { dataset: __, notes, ...built } = some;
  assert.deepEqual(picked, built);
  assert.deepEqual(notes, ['2 of 4 users left out: fewer than 15 rows']);
  assert.notDeepEqual(buildTasks(dataset, { query: 4, seed: 6 }).queryRows, all.queryRows);
});

test('buildTasks: rows restricts the interactions', async () => {
  const dataset = datasetOf([10, 10]);
  const rows = Int32Array.from([...dataset.user.keys()].filter((row) => row % 2 === 0));
  const tasks = buildTasks(dataset, { query: { fraction: 0.5 }, rows });
  assert.deepEqual(
    rowsOf(tasks).sort((a, b) => a - b),
    [...rows],
  );
  throws(() => buildTasks(dataset, { query: 1, rows: Int32Array.of(1, 1) }), 'INVALID_OPTION', /rows\[1\].*twice/);
  throws(() => buildTasks(dataset, { query: 1, rows: Int32Array.of(20) }), 'INVALID_OPTION', /rows\[0\]/);
});

test('buildTasks: errors', async () => {
  const dataset = datasetOf([1, 1, 4, 7]);
  throws(
    () => buildTasks(dataset, { query: 10, min: 13 }),
    'EMPTY_DATA',
    /2 with 1, 1 with 2 to 4, 1 with 5 to 9/,
    /13 or more rows/,
    /min is 13/,
  );
  throws(() => buildTasks(dataset, { query: 10 }), 'EMPTY_DATA', /11 or more rows/);
  throws(() => buildTasks(dataset, { query: 1, rows: new Int32Array(0) }), 'EMPTY_DATA', /no rows/);
  const bad = (options: unknown, code: ErrorCode, pattern: RegExp): void =>
    throws(() => buildTasks(dataset, options as TaskOptions), code, pattern);
  bad({}, 'INVALID_OPTION', /tasks\.query/);
  bad({ query: 0 }, 'INVALID_OPTION', /tasks\.query/);
  bad({ query: { fraction: 1 } }, 'INVALID_OPTION', /query\.fraction/);
  bad({ query: { fracton: 0.5 } }, 'UNKNOWN_OPTION', /did you mean fraction/);
  bad({ query: 1, min: 1 }, 'INVALID_OPTION', /tasks\.min/);
  bad({ query: 1, min: 5, max: 4 }, 'INVALID_OPTION', /tasks\.max/);
  bad({ query: 1, support: 0 }, 'INVALID_OPTION', /tasks\.support/);
  bad({ query: 1, order: 'times' }, 'INVALID_OPTION', /did you mean time/);
  bad({ query: 1, seed: -1 }, 'INVALID_OPTION', /tasks\.seed/);
  bad({ query: 1, by: 'category' }, 'INVALID_OPTION', /tasks\.by/);
  bad({ query: 1, maximum: 3 }, 'UNKNOWN_OPTION', /tasks\.maximum/);
  const timeless = datasetFromColumns({ user: [1, 1], item: [1, 2], label: [1, 2] });
  throws(() => buildTasks(timeless, { query: 1, order: 'time' }), 'INVALID_OPTION', /no time/, /interactions\.time/);
});

test('redrawQuery: sizes and rows stay, the draw is new, and only (seed, epoch, rows) matter', async () => {
  const tasks = buildTasks(datasetOf([20, 9, 31]), { query: 4, seed: 1 });
  const draws = [0, 1, 2].map((epoch) => redrawQuery(tasks, 3, epoch));
  for (const drawn of draws) {
    assert.deepEqual(
      [drawn.queryOffsets, drawn.supportOffsets, drawn.keys],
      [tasks.queryOffsets, tasks.supportOffsets, tasks.keys],
    );
    for (let t = 0; t < tasks.size; t++) {
      const before = [...support(tasks, t), ...query(tasks, t)].sort((a, b) => a - b);
      assert.deepEqual(
        [...support(drawn, t), ...query(drawn, t)].sort((a, b) => a - b),
        before,
      );
    }
  }
  assert.notDeepEqual(draws[0].queryRows, draws[1].queryRows);
  assert.notDeepEqual(draws[1].queryRows, draws[2].queryRows);
  assert.notDeepEqual(redrawQuery(tasks, 4, 0).queryRows, draws[0].queryRows);
  assert.deepEqual(redrawQuery(draws[2], 3, 1), draws[1]);
});

test('subsetTasks and summary', async () => {
  const tasks = buildTasks(datasetOf([20, 9, 31, 6]), { query: 4 });
  assert.deepEqual(summary(tasks), {
    tasks: 4,
    rows: 66,
    support: { min: 2, median: 10.5, max: 27 },
    query: { min: 4, median: 4, max: 4 },
  });
  const some = subsetTasks(tasks, [2, 0, 2]);
  assert.deepEqual(some.keys, ['2', '0', '2']);
  assert.deepEqual(
    [support(some, 0), query(some, 1), query(some, 2)],
    [support(tasks, 2), query(tasks, 0), query(tasks, 2)],
  );
  assert.deepEqual(summary(subsetTasks(tasks, [])), {
    tasks: 0,
    rows: 0,
    support: { min: 0, median: 0, max: 0 },
    query: { min: 0, median: 0, max: 0 },
  });
  throws(() => subsetTasks(tasks, [4]), 'INVALID_OPTION', /indices\[0\]/);
  throws(() => subsetTasks(tasks, [0, 0.5]), 'INVALID_OPTION', /indices\[1\]/);
});

test('query rest: all that is not support, the first rows by time', async () => {
  const dataset = datasetFromColumns({
    user: Array.from({ length: 30 }, (_, i) => (i < 20 ? 'a' : 'b')),
    item: Array.from({ length: 30 }, (_, i) => i),
    label: new Float32Array(30).fill(1),
    time: Array.from({ length: 30 }, (_, i) => -i),
  });
  const tasks = buildTasks(dataset, { shots: 4, query: 'rest', order: 'time' });
  assert.deepEqual([...tasks.supportOffsets], [0, 4, 8]);
  assert.deepEqual([...tasks.queryOffsets], [0, 16, 22]);
  assert.deepEqual([...tasks.supportRows], [19, 18, 17, 16, 29, 28, 27, 26]);
  const few = buildTasks(dataset, { support: 15, query: 'rest', seed: 1 });
  assert.deepEqual([...few.queryOffsets], [0, 5, 6], 'one row at least is left');
  assert.throws(
    () => buildTasks(dataset, { query: 'rest' }),
    /tasks\.query: is the rest of what no option says.*tasks\.shots/,
  );
});
