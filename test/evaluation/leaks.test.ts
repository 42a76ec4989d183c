/**
 * No query row and no future row reaches training: by the rows themselves, and by poison. Poisoned labels change nothing that
 * was trained, to the bit, unless they are training rows.
 */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { fitBaselines } from '../../lib/baselines/fit.js';
import type { Dataset, TaskSet } from '../../lib/foundation/contract.js';
import { describeInputs, SIDES } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { adam } from '../../lib/meta/outer-update.js';
import { random } from '../../lib/foundation/random.js';
import { crossDomain, interestDrift } from '../../lib/scenarios/index.js';
import { buildTasks, nestedSupport, splitTasks } from '../../lib/tasks/index.js';
import type { Split, SplitOptions } from '../../lib/tasks/index.js';
import type { TrainOptions } from '../../lib/training/train.js';
import { make, run, sameState } from '../fixtures/family.js';
import type { Name } from '../fixtures/family.js';
import { rowsOf } from '../fixtures/tasks.js';

const USERS = 40;
const ITEMS = 30;
const stream = random(4, 'leaks');
const PAIRS = Array.from({ length: USERS * ITEMS }, (_, i) => [Math.floor(i / ITEMS), i % ITEMS] as const).filter(
  () => stream.uniform() < 0.6,
);
const LABELS = PAIRS.map(([u, i]) => 3 + Math.sin(u * 1.7) * Math.cos(i * 2.3) + 0.1 * stream.normal());
const TIMES = PAIRS.map(() => Math.floor(1000 * stream.uniform()));

/** The same data every time, but for the labels of `poison`. */
function data(poison: Iterable<number> = []): Dataset {
  const label = LABELS.slice();
  for (const row of poison) label[row] = 50 - 9 * label[row];
  return datasetFromColumns({
    user: PAIRS.map(([u]) => u),
    item: PAIRS.map(([, i]) => i),
    label,
    time: TIMES,
    userFeatures: {
      id: Array.from({ length: USERS }, (_, u) => u),
      features: { group: { kind: 'categorical', values: Array.from({ length: USERS }, (_, u) => `g${u % 4}`) } },
    },
    itemFeatures: {
      id: Array.from({ length: ITEMS }, (_, i) => i),
      features: {
        genres: { kind: 'bag', values: Array.from({ length: ITEMS }, (_, i) => [`a${i % 3}`, `b${i % 5}`]) },
        year: { kind: 'categorical', values: Array.from({ length: ITEMS }, (_, i) => 1990 + i) },
      },
    },
    features: { domain: { kind: 'categorical', values: PAIRS.map(([, i]) => (i < 15 ? 'books' : 'music')) } },
  });
}
const clean = data();

function learnerFor(dataset: Dataset, rows: Int32Array, name: Name = 'maml'): Learner {
  const inputs = describeInputs(
    dataset,
    [
      { name: 'item', dim: 3 },
      { name: 'user', dim: 2 },
      { name: 'genres', dim: 2 },
    ],
    rows,
  );
  const model = defineModel(
    { inputs, body: { kind: 'mlp', hidden: [6], activation: 'tanh' }, head: { loss: 'mse' } },
    { threads: 1 },
  );
  return createLearner({ model, algorithm: make(name), optimizer: adam({ learningRate: 0.01 }), seed: 3 });
}

/** Trains and records which interactions were handed to the native core meanwhile. */
async function trainedRows(learner: Learner, tasks: TaskSet, options: TrainOptions): Promise<Set<number>> {
  const { ops } = learner.model;
  const { createBatch } = ops;
  const seen = new Set<number>();
  ops.createBatch = (model, frame, rows) => {
    for (const row of rows.sides[SIDES.interactions] as Int32Array) seen.add(row);
    return createBatch.call(ops, model, frame, rows);
  };
  try {
    await run(learner, tasks, { epochs: 2, ...options });
  } finally {
    ops.createBatch = createBatch;
  }
  return seen;
}

const outside = (rows: Iterable<number>): number[] => {
  const inside = new Set(rows);
  return LABELS.flatMap((_, row) => (inside.has(row) ? [] : [row]));
};

const SPLITS: Record<string, SplitOptions> = {
  users: { protocol: 'users', validation: 0.2, test: 0.2, tasks: { query: 4 } },
  'users by genre': { protocol: 'users', test: 0.3, tasks: { by: { column: 'genres' }, query: { fraction: 0.3 } } },
  partitions: {
    protocol: 'partitions',
    newUsers: { column: 'group', in: ['g1'] },
    newItems: { column: 'year', min: 2010 },
    tasks: { query: 2 },
  },
  'partitions with validation and warm': {
    protocol: 'partitions',
    newUsers: { column: 'group', in: ['g1'] },
    newItems: { column: 'year', min: 2014 },
    validation: { users: { fraction: 0.2 }, items: { column: 'year', max: 1993 } },
    warm: 0.4,
    tasks: { query: 2, min: 3 },
  },
  'tasks by item': { protocol: 'tasks', validation: 0.2, test: 0.2, tasks: { by: 'item', query: 3 } },
  'tasks by genre': { protocol: 'tasks', test: 0.25, tasks: { by: { column: 'genres' }, query: 5, shots: 6 } },
  'tasks by group': { protocol: 'tasks', test: 0.25, tasks: { by: { column: 'group' }, query: 5 } },
  time: { protocol: 'time', validation: 0.2, test: 0.2, tasks: { query: { fraction: 0.3 } } },
  'time, leave-one-out': {
    protocol: 'time',
    test: 0.3,
    tasks: { query: { leaveOneOut: 'each' }, order: 'time', support: 8 },
  },
};

/** What a split promises; throws for one that leaks. */
function assertNoLeak({ sets, trainRows }: Split, protocol: string): void {
  const train = new Set(trainRows);
  for (const row of rowsOf(sets['train']))
    assert.ok(train.has(row), `row ${row} is in a training task but not to be trained on`);
  for (const [name, tasks] of Object.entries(sets)) {
    for (let t = 0; t < tasks.size; t++) {
      const support = new Set(tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]));
      for (const row of tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]))
        assert.ok(!support.has(row), `${name}: row ${row} is support and query of ${tasks.keys[t]}`);
    }
    if (name === 'train') continue;
    for (const row of tasks.queryRows) assert.ok(!train.has(row), `query row ${row} of ${name} is trained on`);
    if (protocol !== 'time' && name !== 'warm')
      for (const row of tasks.supportRows) assert.ok(!train.has(row), `support row ${row} of ${name} is trained on`);
  }
}

for (const [name, options] of Object.entries(SPLITS)) {
  test(`${name}: training touches training rows only, by their numbers and by poison`, async () => {
    const split = splitTasks(clean, options);
    assertNoLeak(split, options.protocol);
    const { sets, trainRows } = split;
    const redraw = options.tasks.order !== 'time';
    const learner = learnerFor(clean, trainRows);
    const seen = await trainedRows(learner, sets['train'], { redraw });
    assert.deepEqual(
      [...seen].sort((a, b) => a - b),
      [...new Set(rowsOf(sets['train']))].sort((a, b) => a - b),
      'training reads its tasks',
    );
    for (const row of seen) assert.ok(trainRows.includes(row));
    assert.equal(split.rows['train'], trainRows);
    assert.deepEqual(Object.keys(split.rows).sort(), Object.keys(sets).sort());
    assert.deepEqual(
      Object.values(split.rows)
        .flatMap((rows) => [...rows])
        .sort((a, b) => a - b),
      LABELS.map((_, row) => row),
      'every row in one set',
    );
    for (const [set, tasks] of Object.entries(sets))
      for (const row of tasks.queryRows) assert.ok(split.rows[set].includes(row));

    const poison = outside(trainRows);
    assert.ok(poison.length > 100, 'nothing to poison');
    const dirty = data(poison);
    const again = splitTasks(dirty, options);
    for (const set of Object.keys(sets))
      assert.deepEqual(
        [again.sets[set].supportRows, again.sets[set].queryRows],
        [sets[set].supportRows, sets[set].queryRows],
        'labels have no say in a split',
      );
    const other = learnerFor(dirty, again.trainRows);
    await run(other, again.sets['train'], { epochs: 2, redraw });
    sameState(other, learner, `${name}: poison outside the training rows`);

    // The same test on one poisoned training row: it has to see that.
    const leaky = data([rowsOf(sets['train'])[0]]);
    const changed = learnerFor(leaky, trainRows);
    await run(changed, splitTasks(leaky, options).sets['train'], { epochs: 2, redraw });
    assert.throws(
      () => sameState(changed, learner, ''),
      assert.AssertionError,
      'the poison is not strong enough to be seen',
    );
  });
}

test('a leaky split does not pass', async () => {
  const split = splitTasks(clean, SPLITS['users']);
  const test_ = split.sets['test'];
  const leaks: Split[] = [
    { ...split, trainRows: Int32Array.of(...split.trainRows, test_.queryRows[0]) },
    { ...split, trainRows: Int32Array.of(...split.trainRows, test_.supportRows[0]) },
    { ...split, sets: { ...split.sets, train: buildTasks(clean, { query: 4 }) } },
    {
      ...split,
      sets: {
        ...split.sets,
        test: { ...test_, supportRows: test_.supportRows.map((row, i) => (i === 0 ? test_.queryRows[0] : row)) },
      },
    },
  ];
  for (const leak of leaks) assert.throws(() => assertNoLeak(leak, 'users'), /trained on|support and query/);
});

test('every algorithm and sampling: poisoned test rows change no bit, with the best epoch chosen on validation tasks', async () => {
  const split = splitTasks(clean, SPLITS['users']);
  const { sets, trainRows } = split;
  const poison = outside([...trainRows, ...rowsOf(sets['validation'])]);
  const dirty = data(poison);
  const again = splitTasks(dirty, SPLITS['users']);
  const cases: [Name, TrainOptions][] = [
    ['fomaml', {}],
    ['anil', {}],
    ['reptile', {}],
    ['ridge', { weigh: 'rows' }],
    ['maml', { sampling: 'loss' }],
    ['maml', { sampling: 'size', hide: { item: 0.3 } }],
    ['maml', { sampling: { by: 'stratified', column: 'group' } }],
  ];
  for (const [name, options] of cases) {
    const [a, b] = [learnerFor(clean, trainRows, name), learnerFor(dirty, trainRows, name)];
    const reports = await Promise.all([
      run(a, sets['train'], { ...options, validation: sets['validation'] }),
      run(b, again.sets['train'], { ...options, validation: again.sets['validation'] }),
    ]);
    sameState(b, a, name);
    assert.deepEqual(
      reports[1].map(({ validation }) => validation),
      reports[0].map(({ validation }) => validation),
    );
  }
});

test('adaptation and baselines see support labels, never a query label', async () => {
  const options = SPLITS['users'];
  const { sets, trainRows } = splitTasks(clean, options);
  const learner = learnerFor(clean, trainRows);
  await run(learner, sets['train'], { epochs: 2 });
  const predictions = async (dataset: Dataset) => {
    const tasks = { ...sets['test'], dataset };
    const baselines = await fitBaselines(dataset, trainRows);
    return [await learner.outputs(tasks, 'after'), ...baselines.map((baseline) => baseline.predict(tasks))];
  };
  const expected = await predictions(clean);
  assert.deepEqual(await predictions(data([...sets['test'].queryRows, ...rowsOf(sets['validation'])])), expected);
  const moved = await predictions(data(sets['test'].supportRows));
  assert.notDeepEqual(moved[0], expected[0], 'support labels do reach adaptation');
  for (const set of nestedSupport(sets['test'], [1, 2, 4]))
    for (const row of set.queryRows) assert.ok(!set.supportRows.includes(row));
});

test('time: no support row is later than a query row of its task, in any task of order time', async () => {
  for (const query of [3, { fraction: 0.4 }, { leaveOneOut: 'last' }, { leaveOneOut: 'each' }] as const) {
    for (const by of ['user', 'item', { column: 'genres' }, { column: 'domain' }] as const) {
      const tasks = buildTasks(clean, { by, query, order: 'time' });
      for (let t = 0; t < tasks.size; t++) {
        const latest = Math.max(
          ...tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]).map((row) => TIMES[row]),
        );
        const earliest = Math.min(
          ...tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]).map((row) => TIMES[row]),
        );
        assert.ok(latest <= earliest, `${JSON.stringify(by)} ${tasks.keys[t]}`);
      }
    }
  }
});

test('interest drift: a block changes nothing before it, and its own labels none of its predictions', async () => {
  const replay = async (dataset: Dataset) => {
    const { charts } = await interestDrift(dataset, {
      learner: (rows) => learnerFor(dataset, rows),
      tasks: { query: { fraction: 0.3 } },
      blocks: 4,
      train: { epochs: 2, metaBatch: 8 },
    });
    return charts[0].series.map(({ y }) => y);
  };
  const expected = await replay(clean);
  const cut = (share: number) => TIMES.slice().sort((a, b) => a - b)[Math.floor(share * TIMES.length)];
  const last = await replay(data(TIMES.flatMap((time, row) => (time >= cut(0.875) ? [row] : []))));
  const first = await replay(data(TIMES.flatMap((time, row) => (time >= cut(0.5) && time < cut(0.625) ? [row] : []))));
  expected.forEach((y, m) => {
    assert.equal(y.length, 4);
    assert.deepEqual(last[m].slice(0, 3), y.slice(0, 3), 'the future reached the past');
    assert.notEqual(last[m][3], y[3]);
    assert.notEqual(first[m][0], y[0]);
    // Without adaptation the first block has no say in the others; with it, it is history.
    if (m === 0) assert.deepEqual(first[m].slice(1), y.slice(1));
    else assert.notDeepEqual(first[m].slice(1), y.slice(1), 'poison in the history has to be seen');
  });
});

test('cross-domain: three learners, none of which a row of a test user reaches', async () => {
  const transfer = async (dataset: Dataset) => {
    const learners: Learner[] = [];
    const rows = new Set<number>();
    await crossDomain(dataset, {
      column: 'domain',
      source: 'books',
      target: 'music',
      shots: [0, 2],
      query: 3,
      train: { epochs: 2, metaBatch: 8 },
      learner: (known) => {
        for (const row of known) rows.add(row);
        learners.push(learnerFor(dataset, known));
        return learners[learners.length - 1];
      },
    });
    return { learners, rows };
  };
  const { learners, rows } = await transfer(clean);
  const poison = outside(rows);
  assert.equal(learners.length, 3);
  assert.ok(poison.length > 100);
  const poisoned = await transfer(data(poison));
  learners.forEach((learner, k) => sameState(poisoned.learners[k], learner, `learner ${k}`));
  const seen = await transfer(data([[...rows][0]]));
  assert.throws(
    () => learners.forEach((learner, k) => sameState(seen.learners[k], learner, '')),
    assert.AssertionError,
    'the poison is not strong enough',
  );
});
