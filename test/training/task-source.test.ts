/** Training on tasks that are read as they are needed: the same bits as on tasks in memory, and one order for tasks in shards. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { TaskSet } from '../../lib/foundation/contract.js';
import type { TaskSource } from '../../lib/foundation/task-source-types.js';
import { gather } from '../../lib/data/columns.js';
import { contextTable } from '../../lib/data/columns.js';
import { estimateTraining } from '../../lib/learner/memory-estimate.js';
import { describeInputs } from '../../lib/batch/features.js';
import { sampleTasks, subsetTasks, taskSource } from '../../lib/tasks/index.js';
import { statisticsOf } from '../../lib/tasks/task-source.js';
import { ShardOrder } from '../../lib/training/task-sampling.js';
import { train } from '../../lib/training/train.js';
import type { TrainOptions } from '../../lib/training/train.js';
import { distance } from '../fixtures/random-model.js';
import { learnerOf, make, path, ratings, run } from '../fixtures/family.js';
import type { Name } from '../fixtures/family.js';

const EPOCHS = 2;
const build = (name: Name = 'maml') => learnerOf(make(name), { at: ratings });
const { train: tasks } = ratings;

/** Reads copies of rows, numbered anew, as from a disk: nothing but the tables is shared with the set. */
function copies(set: TaskSet, also: Partial<TaskSource> = {}): TaskSource & { reads: Int32Array[] } {
  const reads: Int32Array[] = [];
  const { users, items, time } = set.dataset;
  const none = subsetTasks(set, []);
  const copied = (some: TaskSet): TaskSet => {
    const rows = Int32Array.from([...some.supportRows, ...some.queryRows]).sort();
    const place = new Map(Array.from(rows, (row, k) => [row, k]));
    const { user, item, label } = some.dataset;
    return {
      ...some,
      dataset: {
        size: rows.length,
        user: gather(user, rows),
        item: gather(item, rows),
        label: gather(label, rows),
        time: time && gather(time, rows),
        users,
        items,
        context: contextTable([], rows.length),
        notes: [],
      },
      supportRows: some.supportRows.map((row) => place.get(row)!),
      queryRows: some.queryRows.map((row) => place.get(row)!),
    };
  };
  return {
    size: set.size,
    tables: copied(none).dataset,
    sizeOf: (t) => taskSource(set).sizeOf(t),
    // Later, as a disk answers.
    read: async (some) => {
      reads.push(some.slice());
      await new Promise((resolve) => setImmediate(resolve));
      return copied(subsetTasks(set, some));
    },
    ...also,
    reads,
  };
}

const cases: [Name, TrainOptions][] = [
  ['maml', {}],
  ['maml', { supportSize: { min: 1, fraction: 0.5 }, hide: { item: 0.3, user: 0.2 } }],
  ['maml', { redraw: false, weigh: 'rows', weights: Float64Array.from({ length: tasks.size }, (_, t) => 1 + (t % 3)) }],
  ['maml', { sampling: 'loss' }],
  ['maml', { sampling: 'size' }],
  ['reptile', {}],
  ['ridge', {}],
];
for (const [name, options] of cases)
  test(`${name} with ${Object.keys(options).join(', ') || 'defaults'}: tasks that are read give the bits of tasks in memory`, async () => {
    const held = build(name);
    const before = await run(held, tasks, { epochs: EPOCHS, ...options });
    const source = copies(tasks);
    const read = build(name);
    const after = [];
    for await (const report of train(read, source, { epochs: EPOCHS, metaBatch: 8, ...options }))
      after.push(report.loss);
    assert.equal(distance(held.parameters(), read.parameters()), 0);
    assert.deepEqual(
      after,
      before.map(({ loss }) => loss),
    );
    assert.equal(read.noiseVariance, held.noiseVariance);
    assert.deepEqual(read.itemCounts, held.itemCounts);
    assert.deepEqual(read.rowState, held.rowState);
    assert.ok(source.reads.length > EPOCHS * Math.ceil(tasks.size / 8));
  });

const shards = { offsets: Int32Array.of(0, 7, 30, 31, 60, tasks.size), window: 2 };

test('an epoch over shards has every task once, those of a window together, and holds two windows', async () => {
  const windowsOf = (epoch: number, step: number) => {
    const order = new ShardOrder(shards, 5, epoch);
    const drawn: number[] = [];
    for (let from = 0; from < tasks.size; from += step) {
      const tasksOf = order.slice(from, Math.min(tasks.size, from + step));
      drawn.push(...tasksOf);
      const ahead = order.ahead();
      // What is to be read next has not been trained on.
      for (const task of ahead) assert.ok(!drawn.includes(task));
    }
    return drawn;
  };
  const first = windowsOf(1, 8);
  assert.deepEqual(
    [...first].sort((a, b) => a - b),
    Array.from({ length: tasks.size }, (_, t) => t),
  );
  // However it is cut, and only by (seed, epoch).
  assert.deepEqual(windowsOf(1, 11), first);
  assert.notDeepEqual(windowsOf(2, 8), first);
  const shardOf = (task: number) => shards.offsets.findIndex((at) => at > task) - 1;
  const turns = first.map(shardOf).filter((shard, k, all) => all.indexOf(shard) === k);
  for (let w = 0; w < turns.length; w += shards.window) {
    const own = turns.slice(w, w + shards.window);
    const places = first.flatMap((task, k) => (own.includes(shardOf(task)) ? [k] : []));
    assert.equal(places.at(-1)! - places[0] + 1, places.length, 'the tasks of a window are drawn together');
  }
});

test('training on shards is a function of its seed, goes on within an epoch, and asks for what comes next', async () => {
  const ahead: number[] = [];
  const source = () => copies(tasks, { shards, readAhead: (some) => void ahead.push(...some) });
  const whole = build();
  for await (const report of train(whole, source(), { epochs: EPOCHS, metaBatch: 8 })) void report;
  assert.ok(new Set(ahead).size > tasks.size / 2);

  const interrupted = build();
  const checkpoint = path();
  const stop = new AbortController();
  let steps = 0;
  const options = { epochs: EPOCHS, metaBatch: 8, checkpoint, checkpointSteps: 3 };
  const onProgress = () => ++steps === 17 && stop.abort();
  await assert.rejects(async () => {
    const running = train(interrupted, source(), { ...options, signal: stop.signal, onProgress });
    for await (const report of running) void report;
  }, /ABORTED|aborted/);
  const resumed = build();
  for await (const report of train(resumed, source(), options)) void report;
  assert.equal(distance(whole.parameters(), resumed.parameters()), 0);

  // Other windows are another order, and so another run.
  await assert.rejects(
    async () => {
      const other = copies(tasks, { shards: { ...shards, window: 3 } });
      for await (const report of train(build(), other, options)) void report;
    },
    { code: 'MODEL_FILE' },
  );
  await assert.rejects(
    async () => {
      for await (const report of train(build(), source(), { sampling: 'loss' })) void report;
    },
    { code: 'INVALID_OPTION', field: 'train.sampling' },
  );
});

test('statistics say of tasks what their rows say, and inputs are described by them', async () => {
  const { dataset } = tasks;
  const statistics = await statisticsOf(copies(tasks), 'tasks');
  const rows = [...tasks.supportRows, ...tasks.queryRows];
  const labels = rows.map((row) => dataset.label[row]);
  assert.equal(statistics.rows, rows.length);
  assert.equal(statistics.labels.min, Math.min(...labels));
  assert.equal(statistics.labels.max, Math.max(...labels));
  assert.equal(
    statistics.itemRows.reduce((a, b) => a + b),
    rows.length,
  );
  const choices = [
    { name: 'user', dim: 2 },
    { name: 'item', dim: 2 },
  ];
  const seen = Int32Array.from(rows).sort();
  assert.deepEqual(describeInputs(dataset, choices, statistics), describeInputs(dataset, choices, seen));
  // Another label, another digest.
  const label = dataset.label.slice();
  label[tasks.queryRows[3]]++;
  const other = await statisticsOf(taskSource({ ...tasks, dataset: { ...dataset, label } }), 'tasks');
  assert.notEqual(other.digest, statistics.digest);
});

test('what cannot be trained on is refused: labels, windows, tasks of other tables, and sources that are none', async () => {
  const refused = async (source: unknown, expected: object) => {
    await assert.rejects(async () => {
      for await (const report of train(build(), source as TaskSource, { epochs: 1 })) void report;
    }, expected);
  };
  await refused(copies(tasks, { size: 0 }), { code: 'EMPTY_DATA' });
  await refused({ read: () => tasks }, { code: 'INVALID_OPTION', field: 'tasks' });
  await refused(copies(tasks, { shards: { offsets: Int32Array.of(0, 3), window: 1 } }), { field: 'tasks.shards' });
  await refused(copies(tasks, { read: (some) => subsetTasks(tasks, some.subarray(1)) }), { field: 'tasks.read()' });
  const one = { ...tasks.dataset, label: new Float32Array(tasks.dataset.size).fill(3) };
  await refused(taskSource({ ...tasks, dataset: one }), { code: 'INVALID_DATA', field: 'label' });
  const bad = { ...tasks.dataset, label: tasks.dataset.label.map((y) => (y > 3 ? NaN : y)) };
  await refused(taskSource({ ...tasks, dataset: bad }), { code: 'INVALID_OPTION' });
});

test('a sample has tasks of the source, each once, the same for a seed', async () => {
  const keys = (set: TaskSet) => set.keys;
  assert.equal(await sampleTasks(tasks, { count: tasks.size }), tasks);
  const some = await sampleTasks(tasks, { count: 10 });
  assert.equal(new Set(keys(some)).size, 10);
  assert.deepEqual(keys(await sampleTasks(copies(tasks), { count: 10 })), keys(some));
  assert.notDeepEqual(keys(await sampleTasks(tasks, { count: 10, seed: 1 })), keys(some));
  const sharded = await sampleTasks(copies(tasks, { shards }), { count: 20 });
  assert.equal(new Set(keys(sharded)).size, 20);
  assert.equal((await sampleTasks(copies(tasks, { shards }), { count: 1e6 })).size, tasks.size);
});

test('the estimate of memory counts what reading takes', async () => {
  const learner = build();
  const held = estimateTraining(learner, tasks);
  const read = estimateTraining(learner, copies(tasks, { readingBytes: 1e6 }));
  assert.equal(read.reading, 1e6);
  assert.equal(read.total, held.total + 1e6);
});
