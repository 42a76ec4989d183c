/** Several processes that share the steps of one training end with the bits of one alone. Here they are learners of one process. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'tap';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import type { TaskSet } from '../../lib/foundation/contract.js';
import type { TaskSource } from '../../lib/foundation/task-source-types.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { random } from '../../lib/foundation/random.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { openShards, splitTasks, taskSource, writeShards } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import type { TrainOptions } from '../../lib/training/train.js';
import {
  learnerOf,
  make,
  NAMES,
  path,
  ratesOf,
  rejects,
  run,
  sameState,
  stage,
  stagesOf,
  tiny,
} from '../fixtures/family.js';
import { localGroup } from '../fixtures/local-group.js';

/** Trains as many learners as the group has members, beside each other. */
async function together(
  size: number,
  learner: () => Learner,
  options: TrainOptions,
  tasks: TaskSet | TaskSource = tiny.train,
) {
  const groups = localGroup(size);
  const learners = groups.map(() => learner());
  const reports = await Promise.all(learners.map((each, r) => run(each, tasks, { ...options, group: groups[r] })));
  return { groups, learners, reports };
}

for (const name of NAMES)
  for (const rates of ratesOf(name))
    test(`${name}, rates ${rates}: any number of processes gives the bits of one`, async () => {
      const { tiny: at } = stagesOf(name);
      const fresh = () => learnerOf(make(name, rates === 'fixed' ? {} : { rates }), { at });
      const options = { epochs: 2, metaBatch: 8, validation: at.validation };
      const alone = fresh();
      const [, last] = await run(alone, at.train, options);
      for (const size of [2, 3, 5]) {
        const { learners, reports } = await together(size, fresh, options, at.train);
        learners.forEach((learner, rank) => sameState(learner, alone, `rank ${rank} of ${size}`));
        for (const [, report] of reports) {
          assert.equal(report.loss, last.loss);
          assert.equal(report.gradientNorm, last.gradientNorm);
          assert.equal(report.validation, last.validation);
        }
      }
    });

test('weights of tasks, rows that weigh, draws by loss and hidden ids are the same for all', async () => {
  const options: TrainOptions = { epochs: 2, metaBatch: 8, weigh: 'rows', sampling: 'loss', hide: { item: 0.3 } };
  const fresh = () => learnerOf(make('maml'), { precision: 'float64' });
  const alone = fresh();
  await run(alone, tiny.train, options);
  for (const learner of (await together(3, fresh, options)).learners) sameState(learner, alone, 'float64');
});

test('masks, columns that a user’s rows share, drawn negatives and sizes follow from the whole step, of which each packs a part', async () => {
  const stream = random(7, 'shares');
  const [user, item, label]: number[][] = [[], [], []];
  const [users, items] = [30, 25];
  for (let u = 0; u < users; u++)
    for (const i of stream.shuffle(Int32Array.from({ length: items }, (_, k) => k)).subarray(0, 6 + (u % 7)))
      (user.push(u), item.push(i), label.push(stream.below(2)));
  const numbers = (count: number) => Array.from({ length: count }, () => [stream.normal(), stream.normal()]);
  const dataset = datasetFromColumns({
    ...{ user, item, label },
    userFeatures: {
      id: Array.from({ length: users }, (_, u) => u),
      features: {
        age: { kind: 'dense', values: numbers(users) },
        place: { kind: 'categorical', values: Array.from({ length: users }, (_, u) => `p${u % 4}`) },
      },
    },
    itemFeatures: {
      id: Array.from({ length: items }, (_, i) => i),
      features: { tags: { kind: 'bag', values: Array.from({ length: items }, (_, i) => [`t${i % 3}`, `t${i % 5}`]) } },
    },
  });
  const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', test: 0.2, seed: 1, tasks: { query: 2 } });
  const inputs = describeInputs(
    dataset,
    [
      { name: 'user', dim: 3 },
      { name: 'item', dim: 4 },
      { name: 'tags', dim: 2 },
      { name: 'place', dim: 2 },
      { name: 'age' },
    ],
    trainRows,
  );
  for (const loss of ['bce', 'bpr'] as const) {
    const fresh = () =>
      createLearner({
        model: defineModel({ inputs, body: { kind: 'mlp', hidden: [8, 6], dropout: 0.3 }, head: { loss } }),
        algorithm: make('maml'),
        seed: 5,
      });
    const options: TrainOptions = {
      ...{ epochs: 2, metaBatch: 9, weigh: 'rows', hide: { user: 0.2 } },
      supportSize: { min: 1, fraction: 0.6 },
    };
    const alone = fresh();
    await run(alone, sets['train'], options);
    // Nine tasks have eight sums: some of the ten members have nothing to pack.
    for (const size of [2, 10])
      for (const learner of (await together(size, fresh, options, sets['train'])).learners)
        sameState(learner, alone, `${loss}, ${size} members`);
  }
});

test('a member packs and draws its own part of a step alone', async () => {
  const source = taskSource(tiny.train);
  const read: number[][] = [[], [], []];
  await Promise.all(
    localGroup(3).map((group) => {
      const own: TaskSource = { ...source, read: (tasks) => (read[group.rank].push(...tasks), source.read(tasks)) };
      return run(learnerOf(make('maml')), own, { epochs: 1, metaBatch: 12, group });
    }),
  );
  // Once for what has to be known of all rows; then every task by one member.
  const trained = read.map((tasks) => tasks.slice(source.size));
  const all = trained.flat().sort((a, b) => a - b);
  assert.deepEqual(
    all,
    Array.from({ length: source.size }, (_, t) => t),
  );
  for (const tasks of trained) assert.ok(tasks.length > 0 && tasks.length < 0.6 * source.size);
});

test('tasks that are read from shards are shared as those in memory are', async () => {
  const { size } = tiny.train;
  const shards = { offsets: Int32Array.of(0, 3, 10, size), window: 1 };
  const source = { ...taskSource(tiny.train), shards };
  const fresh = () => learnerOf(make('ridge'));
  const options = { epochs: 2, metaBatch: 8, validation: tiny.validation };
  const alone = fresh();
  await run(alone, source, options);
  for (const learner of (await together(3, fresh, options, source)).learners) {
    sameState(learner, alone, 'three on shards');
    assert.equal(learner.noiseVariance, alone.noiseVariance);
  }
});

test('processes that own shards read those alone and hand their rows over, to the bits of one', async () => {
  const shardFolder = `${path()}-shards`;
  const rows = Array.from({ length: tiny.dataset.size }, (_, row) => row);
  const { users, items, user, item, label } = tiny.dataset;
  const csv = rows.map(
    (row) =>
      `${users.keys.values[user[row]]},${items.keys.values[item[row]]},${label[row]},${1.6e9 + row},${1 + (row % 3)}`,
  );
  const file = `${path()}.csv`;
  writeFileSync(file, `user,item,label,time,weight\n${csv.join('\n')}\n`);
  const columns = { user: 'user', item: 'item', label: 'label' };
  const options = { epochs: 2, metaBatch: 8 };
  // With and without the columns that not all data have.
  for (const more of [{}, { time: 'time' }, { time: 'time', weight: 'weight' }]) {
    await writeShards({ interactions: { from: file, ...columns, ...more } }, shardFolder, {
      split: { protocol: 'users', tasks: { query: { fraction: 0.3 } } },
      rows: 80,
      overwrite: true,
    });
    const open = async () => openShards(shardFolder, { window: 3 });
    const { sets, tables } = await open();
    const { offsets } = sets['train'].shards!;
    assert.ok(offsets.length - 1 > 6 && (offsets.length - 1) % 3 !== 0, `${offsets.length - 1} shards`);
    const fresh = () =>
      createLearner({
        model: defineModel({
          inputs: describeInputs(tables, [{ name: 'item', dim: 4 }], sets['train'].statistics),
          body: { kind: 'mlp', hidden: [4] },
          head: { loss: 'mse' },
        }),
        algorithm: make('ridge'),
        seed: 3,
      });
    const alone = fresh();
    await run(alone, sets['train'], options);
    // More processes than shards of a window as well: two of them own none.
    for (const size of [2, 5]) {
      const read = await Promise.all(
        localGroup(size).map(async (group) => {
          // Each process opens the shards for itself.
          const source = (await open()).sets['train'];
          const shards: number[] = [];
          const learner = fresh();
          const watched: TaskSource = {
            ...source,
            read: (tasks) => (assert.fail('reads tasks of others'), source.read(tasks)),
            share(processes) {
              const shared = source.share!(processes);
              assert.ok(shared.readingBytes < source.readingBytes!);
              return {
                ...shared,
                read(tasks) {
                  shards.push(...Array.from(tasks, (task) => offsets.findIndex((at) => at > task) - 1));
                  return shared.read(tasks);
                },
              };
            },
          };
          // The noise is of a sample, which every process reads.
          const reports = train(learner, watched, { ...options, group });
          await reports.next();
          await reports.next();
          await reports.return();
          sameState(learner, alone, `${group.rank} of ${size}`);
          return shards;
        }),
      );
      const all = read.flat();
      assert.equal(all.length, options.epochs * sets['train'].size, 'every task is read once an epoch');
      assert.equal(new Set(all).size, offsets.length - 1);
      if (size === 5) assert.deepEqual([read[3].length, read[4].length], [0, 0]);
    }
  }
});

test('more processes than tasks of a meta-batch: some have none, and nothing changes', async () => {
  const fresh = () => learnerOf(make('maml'));
  const options = { epochs: 2, metaBatch: 2 };
  const alone = fresh();
  await run(alone, tiny.train, options);
  const { learners, groups } = await together(6, fresh, options);
  for (const learner of learners) sameState(learner, alone, 'six for two tasks');
  assert.ok(
    groups.some(({ calls }) => calls.some(({ bytes }) => bytes === 0)),
    'somebody had nothing to add',
  );
});

test('evaluation is shared by whole chunks of tasks, with the same numbers', async () => {
  const many = stage('mse', 900);
  const learner = learnerOf(make('ridge'), { at: many });
  await run(learner, many.train, { epochs: 1, metaBatch: 64 });
  const alone = await evaluate(learner, many.train);
  const groups = localGroup(2);
  const shared = await Promise.all(
    groups.map(async (group) => {
      const twin = learnerOf(make('ridge'), { at: many });
      await run(twin, many.train, { epochs: 1, metaBatch: 64 });
      twin.group = group;
      return evaluate(twin, many.train);
    }),
  );
  for (const { methods } of shared) assert.deepEqual(methods, alone.methods);
  for (const { calls } of groups) assert.ok(calls.some(({ bytes }) => bytes > 0));
});

test('a training that was interrupted within an epoch goes on with another number of processes', async () => {
  const fresh = () => learnerOf(make('metaSgd'));
  const options = { epochs: 3, metaBatch: 4, validation: tiny.validation };
  const alone = fresh();
  const whole = await run(alone, tiny.train, options);
  const checkpoint = path();
  const steps = Math.ceil(tiny.train.size / 4);
  assert.ok(steps > 4);
  // The second of two ends in the middle of the second epoch; the first saved after the last step that both had made.
  const stop = new AbortController();
  const groups = localGroup(2);
  const broken = groups.map((group, rank) =>
    run(fresh(), tiny.train, {
      ...options,
      group,
      checkpoint,
      checkpointSteps: 2,
      signal: stop.signal,
      onProgress: (share) => {
        if (rank === 0 && share * 3 > 1 + 4 / steps) stop.abort();
      },
    }),
  );
  await rejects(broken[0], 'ABORTED', /aborted/);
  void broken[1].catch(() => undefined);
  let made = 0;
  const onProgress = () => made++;
  const { learners, reports } = await together(3, fresh, { ...options, checkpoint, checkpointSteps: 2, onProgress });
  assert.ok(made > 3 * steps && made < 3 * 2 * steps, 'the second epoch went on within');
  for (const learner of learners) sameState(learner, alone, 'resumed');
  for (const report of reports) {
    assert.equal(report.length, 2, 'the first epoch was done');
    assert.deepEqual(
      report.map(({ loss, gradientNorm, validation }) => [loss, gradientNorm, validation]),
      whole.slice(1).map(({ loss, gradientNorm, validation }) => [loss, gradientNorm, validation]),
    );
  }
});

test('processes that train different things are refused, with what differs', async () => {
  const groups = localGroup(2);
  const results = await Promise.allSettled(
    [
      run(learnerOf(make('maml')), tiny.train, { epochs: 1, group: groups[0] }),
      run(learnerOf(make('maml', { steps: 2 })), tiny.train, { epochs: 1, group: groups[1] }),
    ].map((each, rank) => (rank === 0 ? Promise.race([each, new Promise((go) => setTimeout(go, 500))]) : each)),
  );
  const [, second] = results;
  assert.ok(second.status === 'rejected');
  await rejects(Promise.reject(second.reason as Error), 'RANK', /algorithm\.steps was 3 there and is 2 here/);
});
