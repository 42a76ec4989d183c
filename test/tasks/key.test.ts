/** Tasks by any key, support and query of every kind, splits by key and by time. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import type { Dataset, TaskSet } from '../../lib/foundation/contract.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { random } from '../../lib/foundation/random.js';
import { buildTasks, joinTasks, nestedSupport, splitTasks, subsetTasks, taskGroups } from '../../lib/tasks/index.js';
import type { TaskKey } from '../../lib/tasks/index.js';
import { open, rejects, file, throws } from '../fixtures/interactions.js';
import { datasetOf, query, rowsOf, support } from '../fixtures/tasks.js';

const GENRES = ['action', 'drama', 'comedy', 'horror'];

/** Users × items with a feature of each kind of column on each side, and a time that falls as the row rises. */
function featured(users = 12, items = 20, seed = 1): Dataset {
  const stream = random(seed, 'featured');
  const pairs: [number, number][] = [];
  for (let u = 0; u < users; u++) for (let i = 0; i < items; i++) if (stream.uniform() < 0.7) pairs.push([u, i]);
  const genresOf = Array.from({ length: items }, (_, i) => {
    const own = GENRES.filter(() => stream.uniform() < 0.5);
    // A bag may be empty, and may hold a value twice.
    return i === 0 ? [] : i === 1 ? ['drama', 'drama'] : own;
  });
  return datasetFromColumns({
    user: pairs.map(([u]) => u),
    item: pairs.map(([, i]) => i),
    label: pairs.map((_, row) => row % 5),
    time: pairs.map((_, row) => -Math.floor(row / 3)),
    userFeatures: {
      id: Array.from({ length: users }, (_, u) => u),
      features: {
        group: { kind: 'categorical', values: Array.from({ length: users }, (_, u) => (u === 3 ? null : `g${u % 3}`)) },
      },
    },
    itemFeatures: {
      id: Array.from({ length: items }, (_, i) => i),
      features: {
        genres: { kind: 'bag', values: genresOf },
        size: { kind: 'dense', values: Array.from({ length: items }, (_, i) => i) },
      },
    },
    features: { device: { kind: 'categorical', values: pairs.map((_, row) => ['phone', 'desk', null][row % 3]!) } },
  });
}

/** What each key's rows are, straight from the definition. */
function expectedRows(dataset: Dataset, by: TaskKey): Map<string, number[]> {
  const rows = new Map<string, number[]>();
  for (let row = 0; row < dataset.size; row++) {
    for (const key of new Set(keysOf(dataset, by, row))) rows.set(key, [...(rows.get(key) ?? []), row]);
  }
  return rows;
}
function keysOf(dataset: Dataset, by: TaskKey, row: number): string[] {
  if (typeof by === 'string') return [dataset[by === 'user' ? 'users' : 'items'].keys.values[dataset[by][row]]];
  for (const [table, entity] of [
    [dataset.users, dataset.user[row]],
    [dataset.items, dataset.item[row]],
    [dataset.context, row],
  ] as const) {
    const column = table.columns.find(({ name }) => name === by.column);
    if (column?.kind === 'categorical')
      return [column.vocabulary.values[column.data[entity]]].filter((text) => text !== '');
    if (column?.kind === 'bag')
      return Array.from(
        column.data.subarray(column.offsets[entity], column.offsets[entity + 1]),
        (id) => column.vocabulary.values[id],
      );
  }
  throw new Error('no such column');
}
const KEYS: TaskKey[] = ['user', 'item', { column: 'group' }, { column: 'genres' }, { column: 'device' }];
const sorted = (rows: Iterable<number>) => [...rows].sort((a, b) => a - b);

test('buildTasks by any key: a task has the rows of its key, all of them, and users where it is one', async () => {
  const dataset = featured();
  for (const by of KEYS) {
    const expected = expectedRows(dataset, by);
    const tasks = buildTasks(dataset, { by, query: { fraction: 0.4 } });
    assert.deepEqual(
      new Set(tasks.keys),
      new Set([...expected].filter(([, rows]) => rows.length >= 2).map(([key]) => key)),
      JSON.stringify(by),
    );
    for (let t = 0; t < tasks.size; t++) {
      assert.deepEqual(
        sorted([...support(tasks, t), ...query(tasks, t)]),
        expected.get(tasks.keys[t]),
        `${JSON.stringify(by)} ${tasks.keys[t]}`,
      );
      assert.equal(tasks.users[t], by === 'user' ? dataset.users.keys.idOf(tasks.keys[t]) : 0);
    }
  }
  const genres = buildTasks(dataset, { by: { column: 'genres' }, query: 3 });
  assert.ok(rowsOf(genres).length > new Set(rowsOf(genres)).size, 'a row of two genres is in both tasks');
});

test('buildTasks by a SQL expression over the interactions', async () => {
  const at = (year: number) => Date.UTC(year, 5, 1) / 1000;
  const lines = Array.from({ length: 24 }, (_, row) => `${row % 4},${row},${1 + (row % 5)},${at(2000 + (row % 3))}`);
  const source = (sql: string) => ({
    interactions: {
      from: file(`u,i,r,stamp\n${lines.join('\n')}\n`),
      user: 'u',
      item: 'i',
      label: 'r',
      time: 'stamp',
      features: [{ name: 'year', kind: 'categorical', sql }],
    },
  });
  const dataset = await open(
    source("strftime(to_timestamp(stamp::BIGINT), '%Y') || (CASE WHEN r::INT > 3 THEN '+' ELSE '-' END)"),
  );
  const tasks = buildTasks(dataset, { by: { column: 'year' }, query: 1 });
  assert.deepEqual(tasks.keys, ['2000+', '2000-', '2001+', '2001-', '2002+', '2002-']);
  for (let t = 0; t < tasks.size; t++) {
    for (const row of [...support(tasks, t), ...query(tasks, t)])
      assert.equal(`${2000 + (row % 3)}${1 + (row % 5) > 3 ? '+' : '-'}`, tasks.keys[t]);
  }
  await rejects(open(source('strftime(nowhere)')), 'MISSING_COLUMN', /nowhere/);
});

test('buildTasks: exactly k shots, whatever the key and the query', async () => {
  const dataset = featured();
  for (const by of KEYS) {
    for (const size of [3, { fraction: 0.5 }] as const) {
      const tasks = buildTasks(dataset, { by, query: size, shots: 4, order: 'time' });
      const all = expectedRows(dataset, by);
      assert.ok(tasks.size > 0);
      for (let t = 0; t < tasks.size; t++) {
        assert.equal(support(tasks, t).length, 4);
        const rows = all.get(tasks.keys[t])!.sort((a, b) => dataset.time![a] - dataset.time![b] || a - b);
        const queries =
          typeof size === 'number' ? size : Math.max(1, Math.min(rows.length - 4, Math.round(rows.length * 0.5)));
        assert.deepEqual(
          [...support(tasks, t), ...query(tasks, t)],
          rows.slice(rows.length - queries - 4),
          'the last rows before the query',
        );
      }
      assert.equal(
        tasks.size,
        [...all.values()].filter((rows) => rows.length >= 4 + (typeof size === 'number' ? size : 1)).length,
      );
    }
  }
});

test('leave-one-out: the last by time, each, and each with its past only', async () => {
  const dataset = datasetOf([6, 1, 9]);
  const history = (key: string) =>
    [...dataset.user.keys()]
      .filter((row) => dataset.users.keys.values[dataset.user[row]] === key)
      .sort((a, b) => dataset.time![a] - dataset.time![b] || a - b);
  const last = buildTasks(dataset, { query: { leaveOneOut: 'last' } });
  assert.deepEqual(last.keys, ['0', '2']);
  for (const [t, key] of last.keys.entries()) assert.deepEqual([...support(last, t), ...query(last, t)], history(key));

  const each = buildTasks(dataset, { query: { leaveOneOut: 'each' } });
  assert.equal(each.size, 15);
  assert.deepEqual(each.keys.slice(0, 7), ['0:1', '0:2', '0:3', '0:4', '0:5', '0:6', '2:1']);
  assert.deepEqual(sorted(each.queryRows), sorted([...history('0'), ...history('2')]));
  for (let t = 0; t < each.size; t++) {
    assert.deepEqual(sorted([...support(each, t), ...query(each, t)]), sorted(history(each.keys[t].split(':')[0])));
    assert.equal(each.users[t], dataset.user[query(each, t)[0]]);
  }
  const capped = buildTasks(dataset, { query: { leaveOneOut: 'each' }, shots: 2, seed: 3 });
  for (let t = 0; t < capped.size; t++) {
    assert.equal(new Set([...support(capped, t), ...query(capped, t)]).size, 3);
    assert.ok(support(capped, t).every((row) => history(capped.keys[t].split(':')[0]).includes(row)));
  }
  const past = buildTasks(dataset, { query: { leaveOneOut: 'each' }, order: 'time', shots: 2 });
  assert.equal(past.size, 4 + 7, 'the first two rows of a user have no two rows before them');
  for (let t = 0; t < past.size; t++) {
    const rows = history(past.keys[t].split(':')[0]);
    const at = rows.indexOf(query(past, t)[0]);
    assert.deepEqual(support(past, t), rows.slice(at - 2, at));
  }
  assert.deepEqual(buildTasks(dataset, { query: { leaveOneOut: 'each' } }), each);
});

test('nestedSupport: prefixes of one another, one query, and only tasks long enough', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 2, maxLength: 8 }),
      fc.constantFrom('random' as const, 'first' as const, 'last' as const),
      fc.nat(),
      (counts, order, seed) => {
        const tasks = buildTasks(datasetOf([...counts, 20]), { query: 3, order: 'time' });
        const sizes = [0, 1, 3, 8];
        const sets = nestedSupport(tasks, sizes, { order, seed });
        const kept = [...tasks.keys.keys()].filter((t) => support(tasks, t).length >= 8);
        for (const [k, set] of sets.entries()) {
          assert.deepEqual(
            set.keys,
            kept.map((t) => tasks.keys[t]),
          );
          for (const [i, t] of kept.entries()) {
            const own = support(set, i);
            const all = support(tasks, t);
            assert.equal(own.length, sizes[k]);
            assert.deepEqual(query(set, i), query(tasks, t));
            if (order === 'first') assert.deepEqual(own, all.slice(0, sizes[k]));
            else if (order === 'last') assert.deepEqual(own, all.slice(all.length - sizes[k]));
            else {
              assert.equal(new Set(own).size, own.length);
              assert.ok(own.every((row) => all.includes(row)));
              if (k > 0)
                assert.ok(
                  support(sets[k - 1], i).every((row) => own.includes(row)),
                  'nested',
                );
            }
          }
        }
      },
    ),
    { numRuns: 60, seed: 5 },
  );
  const tasks = buildTasks(datasetOf([9, 9]), { query: 3 });
  throws(() => nestedSupport(tasks, [1, 7]), 'EMPTY_DATA', /7 support rows/);
  throws(() => nestedSupport(tasks, []), 'INVALID_OPTION', /sizes/);
  throws(() => nestedSupport(tasks, [3, 3]), 'INVALID_OPTION', /sizes\[1\].*ascending/);
  throws(() => nestedSupport(tasks, [1], { ordre: 'first' } as object), 'UNKNOWN_OPTION', /did you mean order/);
});

test('taskGroups: the value that most rows have; joinTasks puts sets together', async () => {
  const dataset = featured();
  const users = buildTasks(dataset, { query: 3 });
  const { names, group } = taskGroups(users, 'group');
  for (let t = 0; t < users.size; t++)
    assert.equal(names[group[t]], Number(users.keys[t]) === 3 ? '' : `g${Number(users.keys[t]) % 3}`);
  const devices = taskGroups(users, 'device');
  for (let t = 0; t < users.size; t++) {
    const values = [...support(users, t), ...query(users, t)].flatMap((row) =>
      keysOf(dataset, { column: 'device' }, row),
    );
    const count = (text: string) => values.filter((value) => value === text).length;
    assert.equal(count(devices.names[devices.group[t]]), Math.max(...['phone', 'desk'].map(count)));
  }
  const both = joinTasks([subsetTasks(users, [1, 2]), subsetTasks(users, [0])]);
  assert.deepEqual(both, subsetTasks(users, [1, 2, 0]));
  throws(() => joinTasks([]), 'INVALID_OPTION', /sets/);
  throws(
    () => joinTasks([users, buildTasks(featured(), { query: 3 })]),
    'INVALID_OPTION',
    /sets\[1\].*another dataset/,
  );
});

const inSets = (sets: Record<string, TaskSet>) =>
  Object.entries(sets).map(([name, tasks]) => [name, new Set(rowsOf(tasks))] as const);

test('split by tasks: held-out keys, and no row of theirs in training', async () => {
  const dataset = featured(20, 20);
  for (const [by, seed] of KEYS.flatMap((key) => [1, 2, 3, 4].map((each) => [key, each] as const))) {
    const validation = typeof by === 'string' ? 0.2 : 0;
    const { sets, trainRows } = splitTasks(dataset, {
      protocol: 'tasks',
      validation,
      test: 0.3,
      seed,
      tasks: { by, query: 2 },
    });
    const rows = expectedRows(dataset, by);
    const train = new Set(trainRows);
    assert.deepEqual(Object.keys(sets), validation === 0 ? ['train', 'test'] : ['train', 'validation', 'test']);
    assert.equal(sets['test'].size, Math.round(0.3 * rows.size));
    for (const [name, tasks] of Object.entries(sets)) {
      for (const [t, key] of tasks.keys.entries()) {
        const own = [...support(tasks, t), ...query(tasks, t)];
        assert.ok(own.every((row) => rows.get(key)!.includes(row)));
        assert.ok(own.every((row) => train.has(row) === (name === 'train')));
        if (name !== 'train')
          assert.ok(
            rows.get(key)!.every((row) => !train.has(row)),
            `a row of ${key} is trained on`,
          );
      }
    }
  }
});

test('split by time: what is trained on comes before what is predicted', async () => {
  for (const by of KEYS) {
    const dataset = featured(20, 20);
    const { sets, trainRows } = splitTasks(dataset, {
      protocol: 'time',
      validation: 0.2,
      test: 0.2,
      tasks: { by, query: { fraction: 0.3 }, support: 6 },
    });
    const time = dataset.time!;
    const order = time.slice().sort();
    const cuts = {
      validation: order[Math.floor((1 - 0.2 - 0.2) * dataset.size)],
      test: order[Math.floor((1 - 0.2) * dataset.size)],
    };
    for (const row of trainRows) assert.ok(time[row] < cuts.validation);
    for (const name of ['validation', 'test'] as const) {
      const tasks = sets[name];
      const cut = cuts[name];
      for (const row of tasks.queryRows)
        assert.ok(time[row] >= cut && (name === 'test' || time[row] < cuts.test), name);
      for (const row of tasks.supportRows) assert.ok(time[row] < cut, name);
      const all = expectedRows(dataset, by);
      for (const [t, key] of tasks.keys.entries()) {
        const past = all
          .get(key)!
          .filter((row) => time[row] < cut)
          .sort((a, b) => time[a] - time[b] || a - b);
        assert.deepEqual(support(tasks, t), past.slice(-6));
      }
    }
    assert.ok(rowsOf(sets['train']).every((row) => new Set(trainRows).has(row)));
    const share = trainRows.length / dataset.size;
    assert.ok(share > 0.55 && share < 0.65, String(share));
    if (by === 'user') assert.equal(inSets(sets).length, 3);
  }
});

test('tasks: errors of keys, shots and splits', async () => {
  const dataset = featured();
  const bad = (options: object, code: Parameters<typeof throws>[1], ...patterns: RegExp[]) =>
    throws(() => buildTasks(dataset, { query: 1, ...options }), code, ...patterns);
  bad({ by: { column: 'genre' } }, 'MISSING_COLUMN', /tasks\.by\.column.*did you mean genres/);
  bad({ by: { colum: 'genres' } }, 'UNKNOWN_OPTION', /did you mean column/);
  bad({ by: { column: 'size' } }, 'INVALID_OPTION', /dense/);
  bad({ by: 'usr' }, 'INVALID_OPTION', /did you mean user/);
  bad(
    { by: { column: 'genres' }, min: 1000 },
    'EMPTY_DATA',
    /no value of genres makes a task/,
    /values of genres by number of rows/,
  );
  bad({ shots: 0 }, 'INVALID_OPTION', /tasks\.shots/);
  bad({ shots: 2, support: 3 }, 'INVALID_OPTION', /does not go with support/);
  bad({ shots: 100 }, 'EMPTY_DATA', /users with 101 or more rows/);
  bad({ query: { leaveOneOut: 'first' } }, 'INVALID_OPTION', /leaveOneOut/);
  bad({ query: { leaveOneOut: 'last', fraction: 0.5 } }, 'INVALID_OPTION', /one of them/);
  bad({ query: { leaveOneOut: 'last' }, order: 'random' }, 'INVALID_OPTION', /tasks\.order/);
  const timeless = datasetFromColumns({ user: [1, 1], item: [1, 2], label: [1, 2] });
  throws(() => buildTasks(timeless, { query: { leaveOneOut: 'last' } }), 'INVALID_OPTION', /leaveOneOut.*no time/);
  throws(
    () => splitTasks(timeless, { protocol: 'time', test: 0.5, tasks: { query: 1 } }),
    'INVALID_OPTION',
    /split\.protocol.*no time/,
  );
  throws(
    () => splitTasks(dataset, { protocol: 'tasks', test: 0.01, tasks: { by: 'item', query: 1 } }),
    'EMPTY_DATA',
    /split\.test.*items/,
  );
  throws(
    () => splitTasks(dataset, { protocol: 'tasks', test: 0.6, validation: 0.4, tasks: { query: 1 } }),
    'INVALID_OPTION',
    /no task to train on/,
  );
  throws(() => splitTasks(dataset, { protocol: 'time', test: 0.3, tasks: { query: 1, shots: 500 } }), 'EMPTY_DATA');
});
