/** Histories: those of support sets are measured as they are served, and of others the table says that they are not. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import * as L from '../../lib/index.js';
import { tastes } from '../fixtures/tastes.js';

const BODIES: readonly L.BodySpec[] = [
  { kind: 'mlp', hidden: [6], activation: 'tanh' },
  { kind: 'gru', gruHidden: 4, hidden: [4], activation: 'tanh' },
];

async function trained(of: 'before' | 'support', body: L.BodySpec, time: boolean) {
  const dataset = L.withHistory(L.datasetFromColumns(tastes({ users: 60 })), { of, maxLength: 6 });
  const { sets, trainRows } = L.splitTasks(dataset, {
    protocol: 'users',
    test: 0.3,
    seed: 1,
    tasks: { min: 5, query: time ? 1 : 3, ...(time && { order: 'time' as const }) },
  });
  const inputs = L.describeInputs(
    dataset,
    [
      { name: 'item', dim: 4 },
      { name: 'history', dim: 4 },
    ],
    trainRows,
  );
  const model = L.defineModel({ inputs, body, head: { loss: 'mse' } });
  const learner = L.createLearner({ model, algorithm: L.maml({ steps: 2, learningRate: 0.05 }), seed: 1 });
  for await (const epoch of L.train(learner, sets['train'], { epochs: 2, redraw: !time })) void epoch;
  return { learner, tasks: sets['test'] };
}

const notesOf = async (learner: L.Learner, tasks: L.TaskSet) =>
  (await L.evaluate(learner, tasks, { metrics: ['mae'] })).table.notes ?? [];

for (const body of BODIES)
  test(`${body.kind}: histories of support sets are measured as they are served`, async () => {
    const { learner, tasks } = await trained('support', body, false);
    assert.deepEqual(await notesOf(learner, tasks), []);
    const measured = await learner.outputs(tasks, 'after');
    const { dataset } = tasks;
    const id = (row: number) => dataset.items.keys.values[dataset.item[row]];
    for (let t = 0; t < tasks.size; t++) {
      const support = [...tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1])];
      support.sort((a, b) => dataset.time![a] - dataset.time![b]);
      const me = await learner.adapt({ items: support.map(id), labels: support.map((row) => dataset.label[row]) });
      const [from, to] = [tasks.queryOffsets[t], tasks.queryOffsets[t + 1]];
      const served = await me.predict([...tasks.queryRows.subarray(from, to)].map(id));
      served.forEach((score, q) => assert.ok(Math.abs(score - measured[from + q]) < 1e-5, `task ${t}`));
    }
  });

test('histories of more than the support set are told of', async () => {
  const { learner, tasks } = await trained('before', BODIES[0], false);
  const [note] = await notesOf(learner, tasks);
  assert.match(note, /^history: of \d+ of \d+ query rows it holds items that the support set has not.*of: 'support'/);
  // Of the last interaction alone the history is the support set, whatever it is called.
  const followed = await trained('before', BODIES[0], true);
  assert.deepEqual(await notesOf(followed.learner, followed.tasks), []);
});
