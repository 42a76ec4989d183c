/** Numbers that overflow: the task is named, and no parameter becomes infinite. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml } from '../../lib/algorithms/registry.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { adam, sgd } from '../../lib/meta/outer-update.js';
import { buildTasks, subsetTasks } from '../../lib/tasks/index.js';
import { learnerOf, make, rejects, run, sameState, tiny } from '../fixtures/family.js';

/** Twelve users of whom one has a feature that no gradient survives. */
function withCulprit() {
  const [user, item, label]: number[][] = [[], [], []];
  for (let u = 0; u < 12; u++) for (let i = 0; i < 8; i++) (user.push(u), item.push(i), label.push((u * i) % 5));
  const values = Array.from({ length: 12 }, (_, u) => (u === 7 ? 1e30 : 1));
  const dataset = datasetFromColumns({
    user,
    item,
    label,
    userFeatures: { id: values.map((_, u) => u), features: { age: { kind: 'dense', values, standardize: false } } },
  });
  const tasks = buildTasks(dataset, { query: 3 });
  return { tasks, sound: subsetTasks(tasks, [0, 1, 2, 3]), culprit: tasks.keys[7] };
}

test('a task that diverges is named, and neither parameters nor moments nor rates change', async () => {
  const { tasks, sound, culprit } = withCulprit();
  const linear = defineModel({
    inputs: [{ name: 'age', kind: 'dense', size: 1 }],
    body: { kind: 'mlp', hidden: [3], activation: 'identity' },
    head: { loss: 'mse' },
  });
  for (const rates of ['fixed', 'perParameter', 'perStep'] as const) {
    const [learner, untouched] = [0, 1].map(() =>
      createLearner({ model: linear, algorithm: maml({ steps: 2, learningRate: 0.01, rates }), seed: 3 }),
    );
    await rejects(
      run(learner, tasks, { epochs: 1, metaBatch: 1000 }),
      'DIVERGED',
      new RegExp(`epoch 1, step \\d+, task ${culprit}: the query loss after adaptation is (NaN|Infinity);`),
    );
    learner.labelOffset = untouched.labelOffset;
    sameState(learner, untouched, rates);
    // The same learner goes on with sound tasks.
    await run(learner, sound, { epochs: 1 });
    assert.ok(Object.values(learner.parameters()).every(({ data }) => data.every(Number.isFinite)));
  }
});

test('finite gradients beyond the range of the numbers never make a parameter infinite', async () => {
  for (const optimizer of [
    sgd({ learningRate: 1e38 }),
    adam({ learningRate: 1e38 }),
    sgd({ learningRate: 1e30, momentum: 0.9 }),
  ]) {
    const learner = learnerOf(make('fomaml'), {}, { optimizer });
    await rejects(run(learner, tiny.train, { epochs: 20 }), 'DIVERGED');
    for (const [name, { data }] of Object.entries(learner.parameters()))
      assert.ok(data.every(Number.isFinite), `${optimizer.name}: ${name}`);
  }
});
