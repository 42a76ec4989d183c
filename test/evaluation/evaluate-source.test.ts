/** Tasks that are read block by block are measured as those in memory are, whatever the number of processes. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'tap';
import { describeInputs } from '../../lib/batch/features.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import type { EvaluateOptions, Evaluation } from '../../lib/evaluation/evaluate.js';
import { random } from '../../lib/foundation/random.js';
import type { TaskSource } from '../../lib/foundation/task-source-types.js';
import type { Name } from '../fixtures/family.js';
import { make, path, rejects, run, sameState } from '../fixtures/family.js';
import { localGroup } from '../fixtures/local-group.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { openShards, writeShards } from '../../lib/tasks/index.js';

const limit = { timeout: 300_000 };
/** Users, of which the test set has more than two blocks of 1,024 and a part of a third. */
const USERS = 2300;
const ITEMS = 60;

/** @param labelOf a draw below 10 */
async function shardsOf(labelOf: (draw: number) => number) {
  const lines = ['user,item,label,sex'];
  for (let u = 0; u < USERS; u++) {
    const stream = random(3, 'evaluate', u);
    const items = stream.shuffle(Int32Array.from({ length: ITEMS }, (_, i) => i)).subarray(0, 5 + (u % 4));
    for (const i of items) lines.push(`u${u},i${i},${labelOf(stream.below(10))},${u % 3 === 0 ? 'f' : 'm'}`);
  }
  const [file, people] = [`${path()}.csv`, `${path()}.csv`];
  writeFileSync(file, `${lines.map((line) => line.split(',').slice(0, 3).join(',')).join('\n')}\n`);
  const sexes = Array.from({ length: USERS }, (_, u) => `u${u},${u % 3 === 0 ? 'f' : 'm'}`);
  writeFileSync(people, `user,sex\n${sexes.join('\n')}\n`);
  const source = {
    interactions: { from: file, user: 'user', item: 'item', label: 'label' },
    users: { from: people, id: 'user', features: [{ name: 'sex', kind: 'categorical' as const }] },
  };
  const folder = `${path()}-shards`;
  await writeShards(source, folder, {
    split: { protocol: 'users', validation: 0.02, test: 0.9, tasks: { query: 2 } },
    rows: 1500,
  });
  return openShards(folder, { window: 3 });
}

type Opened = Awaited<ReturnType<typeof openShards>>;
const learnerFor = ({ tables, sets }: Opened, name: Name, loss: 'mse' | 'bce' | 'bpr'): Learner =>
  createLearner({
    model: defineModel({
      inputs: describeInputs(tables, [{ name: 'item', dim: 4 }], sets['train'].statistics),
      body: { kind: 'mlp', hidden: [5] },
      head: { loss },
    }),
    algorithm: make(name),
    seed: 2,
  });
const inMemory = (source: TaskSource) => source.read(Int32Array.from({ length: source.size }, (_, t) => t));

/** What both have: all but the scores of rows. */
const comparable = ({ methods, table }: Evaluation) => ({
  methods: methods.map(({ method, metrics, groups }) => ({ method, metrics, groups })),
  table,
});

for (const [name, loss, labelOf] of [
  ['ridge', 'mse', (d: number) => 1 + d / 2],
  ['imaml', 'mse', (d: number) => 1 + d / 2],
  ['maml', 'bce', (d: number) => Number(d > 4)],
] as const)
  test(
    `${name} under ${loss}: a source is measured block by block, by any number of processes, to the bits of a task set`,
    limit,
    async () => {
      const opened = await shardsOf(labelOf);
      const { sets } = opened;
      const learner = learnerFor(opened, name, loss);
      await run(learner, sets['train'], { epochs: 1, metaBatch: 64 });
      const source = sets['test'];
      assert.ok(source.size > 2 * 1024 && source.size % 1024 !== 0, String(source.size));
      const options: EvaluateOptions = { groups: 'sex' };
      const whole = await evaluate(learner, await inMemory(source), options);
      const { table } = whole;
      const read = await evaluate(learner, source, options);
      assert.deepEqual(comparable(read), comparable(whole));
      assert.ok(table.rows.every(({ cells }) => cells.every((cell) => cell === null || Number.isFinite(cell.mean))));
      for (const { scores } of read.methods) assert.equal(scores.length, 0);
      // More processes than blocks, too.
      for (const size of name === 'ridge' ? [2, 5] : [2]) {
        const shards: Set<number>[] = [];
        const shared = await Promise.all(
          localGroup(size).map(async (group) => {
            const own = learnerFor(opened, name, loss);
            await run(own, sets['train'], { epochs: 1, metaBatch: 64 });
            sameState(own, learner, 'trained alone');
            own.group = group;
            const mine = (shards[group.rank] = new Set<number>());
            const { offsets } = source.shards!;
            const watched: TaskSource = {
              ...source,
              share(processes) {
                const reading = source.share!(processes);
                return {
                  ...reading,
                  read(tasks) {
                    for (const task of tasks) mine.add(offsets.findIndex((at) => at > task) - 1);
                    return reading.read(tasks);
                  },
                };
              },
            };
            const evaluation = await evaluate(own, watched, options);
            assert.equal(own.group, group, 'the group stays');
            return evaluation;
          }),
        );
        for (const evaluation of shared) assert.deepEqual(comparable(evaluation), comparable(read));
        const total = shards.reduce((sum, { size: own }) => sum + own, 0);
        const all = source.shards!.offsets.length - 1;
        assert.ok(total >= all && total < all + size, `${total} of ${all} shards read: those on a border twice`);
      }
    },
  );

test('validation on a source chooses the epochs that a task set does', limit, async () => {
  const opened = await shardsOf((d) => 1 + d / 2);
  const { sets } = opened;
  const validation = await inMemory(sets['validation']);
  const options = { epochs: 2, metaBatch: 64 };
  const [memory, read] = [learnerFor(opened, 'maml', 'mse'), learnerFor(opened, 'maml', 'mse')];
  const expected = await run(memory, sets['train'], { ...options, validation });
  const reports = await run(read, sets['train'], { ...options, validation: sets['validation'] });
  sameState(read, memory, 'kept');
  const numbers = (all: typeof reports) => all.map(({ loss, validation: value, best }) => [loss, value, best]);
  assert.deepEqual(numbers(reports), numbers(expected));
  const members = localGroup(3).map(async (group) => {
    const own = learnerFor(opened, 'maml', 'mse');
    const together = await run(own, sets['train'], { ...options, validation: sets['validation'], group });
    sameState(own, memory, `rank ${group.rank}`);
    assert.deepEqual(numbers(together), numbers(expected));
  });
  await Promise.all(members);
});

test(
  'held-out items among the catalog are relevant by the labels of all tasks, and users who were trained on are told',
  limit,
  async () => {
    const opened = await shardsOf(() => 1);
    const { sets } = opened;
    const learner = learnerFor(opened, 'fomaml', 'bpr');
    await run(learner, sets['train'], { epochs: 1, metaBatch: 64 });
    const source = sets['validation'];
    // One label alone: among the catalog by default.
    const [read, whole] = [await evaluate(learner, source), await evaluate(learner, await inMemory(source))];
    assert.deepEqual(comparable(read), comparable(whole));
    assert.ok(read.table.notes!.some((note) => note.startsWith('Held-out items ranked among the whole')));
    assert.deepEqual(
      read.table.notes!.filter((note) => note.includes('trained on')),
      [],
    );
    const elsewhere = { ...sets['train'] };
    const told = await evaluate(learner, elsewhere, { metrics: ['auc'], candidates: 'query' });
    assert.match(
      told.table.notes!.join('\n'),
      new RegExp(`${sets['train'].size} of ${sets['train'].size} users were trained on`),
    );
  },
);

test('what needs all tasks at once is refused by name', limit, async () => {
  const opened = await shardsOf((d) => d - 3);
  const learner = learnerFor(opened, 'ridge', 'mse');
  const source = opened.sets['validation'];
  const refused = (options: EvaluateOptions, message: RegExp) =>
    rejects(evaluate(learner, source, options), 'UNSUPPORTED', message);
  await refused({ metrics: ['coverage@10'] }, /evaluate\.metrics.*sampleTasks/s);
  await refused({ metrics: ['mae'], candidates: { negatives: 5 } }, /evaluate\.candidates/);
  await refused({ metrics: ['auc'], best: 1 }, /evaluate\.best/);
  await refused({ metrics: ['ndcg@5'] }, /evaluate\.gain.*linear/s);
  await refused({ metrics: ['mae'], calibration: await inMemory(source) }, /evaluate\.calibration/);
  await evaluate(learner, source, { metrics: ['mae', 'auc'] });
});
