/** Shards on disk hold the tasks that splitTasks makes in memory, train to the same bits, and are refused where a byte of them has changed. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import type { Column, TaskSet } from '../../lib/foundation/contract.js';
import type { TaskSource } from '../../lib/foundation/task-source-types.js';
import { datasetFromColumns, openDataset } from '../../lib/data/index.js';
import type { DataSource } from '../../lib/data/index.js';
import { random } from '../../lib/foundation/random.js';
import { ridge } from '../../lib/algorithms/ridge.js';
import { maml } from '../../lib/algorithms/maml.js';
import { describeInputs } from '../../lib/batch/features.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { createLearner } from '../../lib/learner/learner.js';
import { estimateTraining } from '../../lib/learner/memory-estimate.js';
import { splitAsTrained } from '../../lib/learner/split.js';
import { defineModel } from '../../lib/model/model.js';
import { buildTasks, openShards, sampleTasks, splitTasks, taskSource, writeShards } from '../../lib/tasks/index.js';
import type { ShardOptions, UserSplit } from '../../lib/tasks/index.js';
import { SetWriter } from '../../lib/tasks/shards/set-writer.js';
import { ShardReader } from '../../lib/tasks/shards/reader.js';
import { statisticsOf } from '../../lib/tasks/task-source.js';
import { train } from '../../lib/training/train.js';
import { distance } from '../fixtures/random-model.js';

const folder = mkdtempSync(join(tmpdir(), 'innerloop-shards-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let folders = 0;
const fresh = () => join(folder, `s${++folders}`);

/** Ratings with repeated pairs, blanks and a user with more rows than a shard, in no order. */
const ratings = join(folder, 'ratings.csv');
const lines = ['user,item,rating,time,weight'];
const stream = random(1, 'ratings');
for (let row = 0; row < 4000; row++) {
  const user = row < 300 ? 7 : Math.floor(120 * stream.uniform() ** 2);
  const rating = stream.below(40) === 0 ? '' : String(1 + stream.below(9) / 2);
  lines.push(`u${user},${stream.below(400)},${rating},${1_600_000_000 + stream.below(1e6)},${stream.below(3) + 0.25}`);
}
writeFileSync(ratings, `${lines.join('\n')}\n`);
writeFileSync(
  join(folder, 'items.csv'),
  `id,genre\n${Array.from({ length: 410 }, (_, i) => `${i},g${i % 5}`).join('\n')}\n`,
);
const source: DataSource = {
  interactions: { from: ratings, user: 'user', item: 'item', label: 'rating', time: 'time' },
  items: { from: join(folder, 'items.csv'), id: 'id', features: [{ name: 'genre', kind: 'categorical' }] },
  missingLabel: 'drop',
};
const split: UserSplit = {
  protocol: 'users',
  validation: 0.1,
  test: 0.2,
  seed: 3,
  tasks: { min: 5, max: 900, query: { fraction: 0.3 } },
};
const write = (to: string, options: Partial<ShardOptions> = {}, from = source) =>
  writeShards(from, to, { split, rows: 250, ...options });

/** Every value of the tasks, whatever rows their datasets have. */
function valuesOf(tasks: TaskSet) {
  const { dataset, supportOffsets, supportRows, queryOffsets, queryRows } = tasks;
  const { item, label, time, weight, user } = dataset;
  const of = (rows: Int32Array) =>
    Array.from(rows, (row) => [user[row], item[row], label[row], time?.[row], weight?.[row]]);
  return tasks.keys.map((key, t) => ({
    key,
    user: tasks.users[t],
    support: of(supportRows.subarray(supportOffsets[t], supportOffsets[t + 1])),
    query: of(queryRows.subarray(queryOffsets[t], queryOffsets[t + 1])),
  }));
}
const plain = (column: Column) => ({
  ...column,
  ...('vocabulary' in column && { vocabulary: column.vocabulary.values }),
});
const all = (of: { size: number }) => Int32Array.from({ length: of.size }, (_, t) => t);

const forms: [string, DataSource, UserSplit][] = [
  ['drawn rows', source, split],
  ['the last rows by time', source, { ...split, tasks: { query: 3, order: 'time' } }],
  ['few shots and the rest', source, { ...split, tasks: { query: 'rest', shots: 4, seed: 9 } }],
  [
    'weights, fine labels and times, the mean of duplicates',
    {
      ...source,
      interactions: {
        sql: `SELECT "user", item, rating + CAST(item AS INTEGER) / 7 AS rating, time + 0.5 AS time, weight FROM '${ratings}'`,
        user: 'user',
        item: 'item',
        label: 'rating',
        time: 'time',
        weight: 'weight',
      },
      duplicates: 'mean',
    },
    split,
  ],
  ['positives alone', { interactions: { from: ratings, user: 'user', item: 'item' } }, split],
];
for (const [name, from, how] of forms)
  test(`${name}: the tasks of the shards are those of memory`, async () => {
    const target = fresh();
    const summary = await write(target, { split: how }, from);
    const { tables, sets, notes } = await openShards(target);
    const dataset = await openDataset(from);
    const held = splitTasks(dataset, how);
    assert.deepEqual(tables.users.keys.values, dataset.users.keys.values);
    assert.deepEqual(tables.items.keys.values, dataset.items.keys.values);
    assert.deepEqual(tables.items.columns.map(plain), dataset.items.columns.map(plain));
    assert.deepEqual(notes, [...dataset.notes, ...held.notes]);
    assert.deepEqual(Object.keys(sets), Object.keys(held.sets));
    for (const [set, tasks] of Object.entries<TaskSet>(held.sets)) {
      const read = await sets[set].read(all(sets[set]));
      assert.deepEqual(valuesOf(read), valuesOf(tasks), set);
      // One by one, from the last to the first.
      for (const t of [sets[set].size - 1, 0])
        assert.deepEqual(valuesOf(await sets[set].read(Int32Array.of(t)))[0], valuesOf(tasks)[t]);
      const { digest: _, ...known } = sets[set].statistics;
      const { digest: __, ...counted } = await statisticsOf(taskSource(tasks), 'tasks');
      const sum = known.labels.sum;
      assert.ok(Math.abs(sum - counted.labels.sum) < 1e-6 * Math.abs(sum) + 1e-9);
      const exact = ({ labels, itemLabels, ...rest }: typeof known) => ({
        ...rest,
        labels: { ...labels, sum: 0 },
        n: itemLabels.length,
      });
      assert.deepEqual(exact(known), exact(counted));
    }
    assert.equal(summary.sets['train'].tasks, held.sets['train'].size);
    assert.ok(summary.sets['train'].shards > 4);
    // What DuckDB wrote meanwhile is gone.
    assert.ok(readdirSync(target).every((file) => file.endsWith('.safetensors')));
  });

function build(
  tables: Parameters<typeof describeInputs>[0],
  rows: Parameters<typeof describeInputs>[2],
  algorithm = ridge(),
) {
  const inputs = describeInputs(
    tables,
    [
      { name: 'item', dim: 4 },
      { name: 'genre', dim: 2 },
    ],
    rows,
  );
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [6] }, head: { loss: 'mse' } });
  return createLearner({ model, algorithm, seed: 5 });
}

test('training on shards gives the bits of training on the same tasks in memory, evaluated and divided as they are', async () => {
  const target = fresh();
  await write(target);
  const { tables, sets } = await openShards(target, { window: 2 });
  const dataset = await openDataset(source);
  const held = splitTasks(dataset, split);
  for (const algorithm of [ridge(), maml({ steps: 2, learningRate: 0.05 })]) {
    const options = { epochs: 2, metaBatch: 8, supportSize: { min: 1, fraction: 0.5 } };
    const a = build(tables, sets['train'].statistics, algorithm);
    for await (const report of train(a, sets['train'], options)) void report;
    const b = build(dataset, held.trainRows, algorithm);
    // In the order of the shards.
    const memory: TaskSource = { ...taskSource(held.sets['train']), shards: sets['train'].shards };
    for await (const report of train(b, memory, options)) void report;
    assert.equal(distance(a.parameters(), b.parameters()), 0);
    assert.deepEqual(a.rowState, b.rowState);
    const rows = await sampleTasks(sets['test'], { count: 1e6 });
    const [read, kept] = [await evaluate(a, rows), await evaluate(b, held.sets['test']!)];
    assert.deepEqual(read.methods[1].scores, kept.methods[1].scores);
    // The learner knows how the data was divided, and divides it so from the file again.
    assert.deepEqual(splitAsTrained(dataset, a).sets['test'].keys, held.sets['test']!.keys);
    assert.equal(read.table.notes, undefined);
  }
});

test('a shard or an index that has changed in a bit, was cut, swapped or removed is refused', async () => {
  const target = fresh();
  await write(target);
  const files = readdirSync(target).filter((file) => file.startsWith('train-'));
  const index = join(target, 'shards.safetensors');
  const first = join(target, files[0]);
  const reading = async () => (await openShards(target)).sets['train'].read(Int32Array.of(0));
  const original = readFileSync(first);
  const refused = async (code: string, field: string, damage: () => void) => {
    damage();
    await assert.rejects(reading(), { code, field });
    writeFileSync(first, original);
  };
  for (const at of [3, 60, 300, original.length >> 1, original.length - 1])
    await refused('INVALID_DATA', first, () => {
      const bytes = Buffer.from(original);
      bytes[at] ^= 4;
      writeFileSync(first, bytes);
    });
  await refused('INVALID_DATA', first, () => truncateSync(first, original.length - 1));
  await refused('INVALID_DATA', first, () => truncateSync(first, 0));
  await refused('INVALID_DATA', first, () => writeFileSync(first, Buffer.concat([original, Buffer.of(0)])));
  await refused('INVALID_DATA', first, () => copyFileSync(join(target, files[1]), first));
  await refused('MISSING_FILE', first, () => rmSync(first));
  // A shard that is whole again is read again, and training says what it met.
  await reading();
  const { tables, sets } = await openShards(target, { window: 1 });
  writeFileSync(join(target, files[2]), original);
  await assert.rejects(
    async () => {
      for await (const report of train(build(tables, sets['train'].statistics), sets['train'], { epochs: 1 }))
        void report;
    },
    { code: 'INVALID_DATA', field: join(target, files[2]) },
  );
  const whole = readFileSync(index);
  for (const at of [70, 400, whole.length - 1]) {
    const bytes = Buffer.from(whole);
    bytes[at] ^= 1;
    writeFileSync(index, bytes);
    await assert.rejects(openShards(target), { code: 'INVALID_DATA', field: index });
  }
  rmSync(index);
  await assert.rejects(openShards(target), { code: 'MISSING_FILE' });
});

test('what needs all rows at once is refused by name, and so are folders that have shards', async () => {
  const { interactions } = source;
  const refused = (from: DataSource, options: Partial<ShardOptions>, expected: object) =>
    assert.rejects(write(fresh(), options, from), expected);
  const unsupported = (field: string) => ({ code: 'UNSUPPORTED', field });
  await refused({ ...source, kCore: 2 }, {}, unsupported('kCore'));
  await refused({ ...source, duplicates: 'error' }, {}, unsupported('duplicates'));
  await refused(
    { ...source, interactions: { ...interactions, count: 'weight' } },
    {},
    unsupported('interactions.count'),
  );
  const feature = { name: 'time', kind: 'dense' } as const;
  await refused(
    { ...source, interactions: { ...interactions, features: [feature] } },
    {},
    unsupported('interactions.features'),
  );
  await refused(
    source,
    { split: { protocol: 'time', test: 0.2, tasks: split.tasks } as never },
    unsupported('split.protocol'),
  );
  await refused(
    source,
    { split: { ...split, tasks: { query: 2, by: { column: 'genre' } } } },
    unsupported('split.tasks.by'),
  );
  await refused(source, { split: { ...split, tasks: { query: 900 } } }, { code: 'EMPTY_DATA', field: 'train' });
  await refused(source, { rows: 0 }, { code: 'INVALID_OPTION', field: 'options.rows' });
  await refused(source, { signal: AbortSignal.abort() }, { code: 'ABORTED' });
  await refused({ ...source, missingLabel: 'error' }, {}, { code: 'INVALID_DATA', field: 'interactions.label' });
  const target = fresh();
  await write(target);
  await assert.rejects(write(target), { code: 'INVALID_OPTION', field: 'folder' });
  const { sets } = await write(target, { overwrite: true, rows: 1e6 });
  assert.equal(sets['train'].shards, 1);
  // Nothing of the shards before is left.
  assert.equal(readdirSync(target).length, 4);
  const temporary = join(folder, 'nowhere');
  await assert.rejects(write(fresh(), { temporary }), { code: 'IO', field: temporary });
});

test('two windows of shards are held, however many there are, and the estimate says so', async () => {
  const rows = 1 << 18;
  const [target, perShard] = [mkdtempSync(join(folder, 'm')), rows / 32];
  const dataset = datasetFromColumns({
    user: Int32Array.from({ length: rows }, (_, row) => row >> 6),
    item: Int32Array.from({ length: rows }, (_, row) => (row * 7919) % 5000),
    label: Float32Array.from({ length: rows }, (_, row) => (row % 1000) / 7),
    time: Float64Array.from({ length: rows }, (_, row) => row + 0.5),
  });
  const tasks = buildTasks(dataset, { query: 8 });
  const writer = new SetWriter(target, 'train', dataset, perShard);
  await writer.add(tasks, false);
  const { files } = await writer.end();
  assert.equal(files.length, 32);
  const reader = new ShardReader(target, files, dataset.items.rows, 4);
  const largest = Math.max(...files.map(({ bytes }) => bytes));
  assert.equal(reader.bytes, 4 * largest);
  globalThis.gc?.();
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let round = 0; round < 3; round++)
    for (let shard = 0; shard < files.length; shard++) {
      reader.ahead([(shard + 1) % files.length]);
      const item = await reader.with([shard], (held) => held.get(shard)!.item[0]);
      assert.ok(item > 0);
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
  // 96 shards were read. One is read ahead while another leaves; what is small beside the buffers waits for the collector.
  assert.ok(most < 9 * largest, `${most} bytes of buffers, ${largest} a shard`);

  const learner = createLearner({
    model: defineModel({
      inputs: describeInputs(
        dataset,
        [{ name: 'item', dim: 2 }],
        Int32Array.from({ length: rows }, (_, row) => row),
      ),
      body: { kind: 'mlp', hidden: [2] },
      head: { loss: 'mse' },
    }),
    algorithm: ridge(),
  });
  const estimate = estimateTraining(learner, { ...taskSource(tasks), readingBytes: reader.bytes });
  assert.equal(estimate.reading, 4 * largest);
});
