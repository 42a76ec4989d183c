/** Histories: exactly the strictly earlier items of the same user, whatever the order of the file. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { Dataset, SequenceColumn } from '../../lib/foundation/contract.js';
import { describeInputs } from '../../lib/batch/features.js';
import { withHistory } from '../../lib/data/history.js';
import type { HistoryOptions } from '../../lib/data/history.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { random } from '../../lib/foundation/random.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { open, ratings, rejects, throws } from '../fixtures/interactions.js';

const historyOf = (dataset: Dataset, name = 'history'): SequenceColumn => {
  const column = dataset.context.columns.find((each) => each.name === name);
  assert.ok(column?.kind === 'sequence');
  return column;
};
/** Item texts of every row's history. */
const lists = (dataset: Dataset, name?: string): string[][] => {
  const { offsets, data, vocabulary } = historyOf(dataset, name);
  return Array.from({ length: dataset.size }, (_, r) =>
    Array.from(data.subarray(offsets[r], offsets[r + 1]), (id) => vocabulary.values[id]),
  );
};

test('strictly earlier, oldest first, the most recent ones; file order does not matter', async () => {
  const dataset = datasetFromColumns({
    user: ['a', 'b', 'a', 'a', 'a', 'b', 'a'],
    item: ['v', 'v', 'w', 'x', 'y', 'w', 'z'],
    label: [5, 1, 2, 4, 5, 3, 1],
    time: [40, 1, 10, 20, 20, 2, 30],
  });
  assert.deepEqual(lists(withHistory(dataset)), [['w', 'x', 'y', 'z'], [], [], ['w'], ['w'], ['v'], ['w', 'x', 'y']]);
  assert.deepEqual(lists(withHistory(dataset, { maxLength: 2 })), [
    ['y', 'z'],
    [],
    [],
    ['w'],
    ['w'],
    ['v'],
    ['x', 'y'],
  ]);
  assert.deepEqual(lists(withHistory(dataset, { minLabel: 4 })), [['x', 'y'], [], [], [], [], [], ['x', 'y']]);
  assert.deepEqual(lists(withHistory(dataset, { minLabel: 4, maxLength: 1 })), [['y'], [], [], [], [], [], ['y']]);
});

/** A dataset of few users, items and times, so that everything repeats. */
function busy(n: number): Dataset {
  const stream = random(5, 'history');
  const pairs = [...new Set(Array.from({ length: n }, () => stream.below(7) * 1000 + stream.below(90)))];
  return datasetFromColumns({
    user: pairs.map((pair) => Math.floor(pair / 1000)),
    item: pairs.map((pair) => pair % 1000),
    label: pairs.map(() => stream.below(10) / 2),
    time: pairs.map(() => stream.below(25)),
  });
}

test('equals its definition, row by row', async () => {
  const dataset = busy(500);
  const { user, item, label, items } = dataset;
  const time = dataset.time!;
  for (const { maxLength = 20, minLabel = -1 } of [
    {},
    { maxLength: 1 },
    { maxLength: 3, minLabel: 2.5 },
    { maxLength: 1000, minLabel: 4 },
    { minLabel: 9 },
  ] as HistoryOptions[]) {
    const found = lists(withHistory(dataset, { maxLength, minLabel }));
    let longest = 0;
    for (let r = 0; r < dataset.size; r++) {
      const past = Array.from({ length: dataset.size }, (_, k) => k)
        .filter((k) => user[k] === user[r] && time[k] < time[r] && label[k] >= minLabel)
        .sort((a, b) => time[a] - time[b] || a - b)
        .slice(-maxLength);
      longest = Math.max(longest, past.length);
      assert.deepEqual(
        found[r],
        past.map((k) => items.keys.values[item[k]]),
        `row ${r}`,
      );
    }
    assert.equal(longest > 0, minLabel < 5);
  }
});

test('the future changes nothing', async () => {
  const dataset = busy(400);
  const time = dataset.time!;
  const whole = lists(withHistory(dataset, { minLabel: 2 }));
  for (const now of [0, 5, 12, 24]) {
    const past = Array.from({ length: dataset.size }, (_, r) => r).filter((r) => time[r] <= now);
    // Every label from now on is another one, and half of the rows are gone.
    const changed = datasetFromColumns({
      user: past.map((r) => dataset.users.keys.values[dataset.user[r]]),
      item: past.map((r) => dataset.items.keys.values[dataset.item[r]]),
      label: past.map((r) => (time[r] === now ? 4.5 - dataset.label[r] : dataset.label[r])),
      time: past.map((r) => time[r]),
    });
    const found = lists(withHistory(changed, { minLabel: 2 }));
    past.forEach((r, k) => assert.deepEqual(found[k], whole[r], `row ${r} at ${now}`));
  }
});

test('with tasks in time order a query row sees the support, and a support row no query', async () => {
  const dataset = withHistory(busy(500), { maxLength: 1000 });
  const tasks = buildTasks(dataset, { order: 'time', query: 5 });
  const seen = lists(dataset);
  const id = (row: number) => dataset.items.keys.values[dataset.item[row]];
  let checked = 0;
  for (let t = 0; t < tasks.size; t++) {
    const support = tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]);
    const query = tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]);
    for (const s of support)
      for (const q of query) {
        assert.ok(!seen[s].includes(id(q)));
        if (dataset.time![s] === dataset.time![q]) continue;
        assert.ok(seen[q].includes(id(s)));
        checked++;
      }
  }
  assert.ok(checked > 100);
});

test('as a feature of the source: the same column from files and from memory', async () => {
  const text = 'u,i,r,t,w\n1,a,5,3,x\n1,b,4,1,y\n2,a,3,1,x\n1,c,,2,y\n1,d,2,4,x\n';
  const features = [
    { name: 'past', kind: 'sequence', maxLength: 5 },
    { name: 'w', kind: 'categorical' },
    { name: 'liked', kind: 'sequence', minLabel: 4 },
  ];
  const a = await open({ ...ratings(text, { time: 't', features }), missingLabel: 'drop' });
  // The dropped row is in no history.
  assert.deepEqual(lists(a, 'past'), [['b'], [], [], ['b', 'a']]);
  assert.deepEqual(lists(a, 'liked'), [['b'], [], [], ['b', 'a']]);
  assert.deepEqual(
    [historyOf(a, 'liked').maxLength, historyOf(a, 'liked').minLabel, historyOf(a, 'past').minLabel],
    [20, 4, undefined],
  );
  const b = datasetFromColumns({
    user: [1, 1, 2, 1],
    item: ['a', 'b', 'a', 'd'],
    label: [5, 4, 3, 2],
    time: [3, 1, 1, 4],
    features: {
      past: { kind: 'sequence', maxLength: 5 },
      w: { kind: 'categorical', values: ['x', 'y', 'x', 'x'] },
      liked: { kind: 'sequence', minLabel: 4 },
    },
  });
  for (const name of ['past', 'liked'])
    assert.deepEqual(
      [historyOf(b, name).offsets, historyOf(b, name).data],
      [historyOf(a, name).offsets, historyOf(a, name).data],
    );
  assert.deepEqual(b.context.columns.map(({ name }) => name).sort(), ['liked', 'past', 'w']);
});

test('inputs: the vocabulary of the items that training may see', async () => {
  const dataset = withHistory(
    datasetFromColumns({ user: ['a', 'a', 'a'], item: ['x', 'y', 'z'], label: [1, 2, 3], time: [1, 2, 3] }),
    { maxLength: 7 },
  );
  const [whole] = describeInputs(dataset, [{ name: 'history', dim: 4 }], Int32Array.of(0, 1, 2));
  assert.deepEqual(whole, {
    name: 'history',
    kind: 'sequence',
    cardinality: 4,
    dim: 4,
    maxLength: 7,
    vocabulary: ['', 'x', 'y', 'z'],
  });
  const [part] = describeInputs(dataset, [{ name: 'history', dim: 4, maxLength: 2 }], Int32Array.of(0, 2));
  assert.deepEqual(part, {
    name: 'history',
    kind: 'sequence',
    cardinality: 3,
    dim: 4,
    maxLength: 2,
    vocabulary: ['', 'x', 'z'],
  });
  throws(
    () => describeInputs(dataset, [{ name: 'history', dim: 4, maxLength: 8 }], Int32Array.of(0)),
    'INVALID_OPTION',
    /maxLength/,
    /from 1 to 7/,
  );
  throws(() => describeInputs(dataset, [{ name: 'history' }], Int32Array.of(0)), 'INVALID_OPTION', /dim/);
});

test('bad options are refused by name', async () => {
  const dataset = datasetFromColumns({ user: ['a'], item: ['x'], label: [1], time: [1] });
  throws(
    () => withHistory(datasetFromColumns({ user: ['a'], item: ['x'], label: [1] })),
    'INVALID_OPTION',
    /has no time/,
  );
  throws(() => withHistory(withHistory(dataset)), 'INVALID_OPTION', /history\.name/);
  for (const maxLength of [0, 1.5, 1e9])
    throws(() => withHistory(dataset, { maxLength }), 'INVALID_OPTION', /history\.maxLength/);
  throws(() => withHistory(dataset, { minLabel: NaN }), 'INVALID_OPTION', /history\.minLabel/);
  throws(() => withHistory(dataset, { length: 3 } as HistoryOptions), 'UNKNOWN_OPTION', /history\.length/);
  const text = 'u,i,r,t\n1,a,1,1\n';
  await rejects(
    open(ratings(text, { features: [{ name: 'h', kind: 'sequence' }] })),
    'INVALID_OPTION',
    /features\[0\]/,
    /needs the time/,
  );
  await rejects(
    open(ratings(text, { time: 't', features: [{ name: 'h', kind: 'sequence', column: 't' }] })),
    'INVALID_OPTION',
    /does not apply to a sequence/,
  );
  await rejects(
    open({ ...ratings(text), items: { sql: "SELECT 'a' id", id: 'id', features: [{ name: 'h', kind: 'sequence' }] } }),
    'INVALID_OPTION',
    /items have no history/,
  );
});
