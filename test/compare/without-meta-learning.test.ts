/** Learners to compare with that do not meta-learn: joint training, fine-tuning, and a network trained on all sinusoids. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { fineTune } from '../../lib/algorithms/fine-tune.js';
import { joint } from '../../lib/algorithms/joint.js';
import type { Dataset, TaskSet } from '../../lib/foundation/contract.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { sinusoid } from '../../lib/examples/sinusoid.js';
import { trainStep } from '../../lib/training/train-step.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { packTasks } from '../../lib/batch/batch.js';
import { adam, sgd } from '../../lib/meta/outer-update.js';
import { random } from '../../lib/foundation/random.js';
import { splitTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';

function family(): { dataset: Dataset; trainRows: Int32Array; tasks: TaskSet } {
  const [user, item, label]: number[][] = [[], [], []];
  for (let u = 0; u < 30; u++) {
    const stream = random(3, 'user', u);
    const taste = stream.normal();
    for (let i = 0; i < 12; i++)
      if (stream.uniform() < 0.8)
        (user.push(u), item.push(i), label.push(3 + taste * (i % 2 === 0 ? 1 : -1) + 0.1 * stream.normal()));
  }
  const values = Array.from({ length: 12 }, (_, i) => [i % 2 === 0 ? 1 : -1]);
  const dataset = datasetFromColumns({
    user,
    item,
    label,
    itemFeatures: { id: values.map((_, i) => i), features: { side: { kind: 'dense', values } } },
  });
  const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', tasks: { query: 4 } });
  return { dataset, trainRows, tasks: sets['train'] };
}

test('joint training follows the gradient over all rows and adapts to none; fine-tuning is the same, adapted', async () => {
  const { dataset, trainRows, tasks } = family();
  const model = defineModel(
    {
      inputs: describeInputs(dataset, [{ name: 'item', dim: 3 }, { name: 'side' }], trainRows),
      body: { kind: 'mlp', hidden: [] },
      head: { loss: 'mse' },
    },
    { precision: 'float64' },
  );
  const swapped: TaskSet = {
    ...tasks,
    supportOffsets: tasks.queryOffsets,
    supportRows: tasks.queryRows,
    queryOffsets: tasks.supportOffsets,
    queryRows: tasks.supportRows,
  };
  const learned = async (set: TaskSet, algorithm = joint()) => {
    const learner = createLearner({ model, algorithm, optimizer: sgd({ learningRate: 0.1 }), seed: 2 });
    for await (const _ of train(learner, set, { epochs: 5, metaBatch: 10, redraw: false }));
    return learner;
  };
  const plain = await learned(tasks);
  const other = await learned(swapped);
  const start = model.initialize(2);
  for (const [name, { data }] of Object.entries(plain.parameters())) {
    const mirrored = other.parameters()[name].data;
    assert.ok(
      data.every((value, i) => Math.abs(value - mirrored[i]) < 1e-12),
      `${name}: which half a row is in makes no difference`,
    );
    if (name.endsWith('weight'))
      assert.ok(
        data.some((value, i) => Math.abs(value - start[name].data[i]) > 1e-4),
        `${name} has learned`,
      );
  }
  assert.deepEqual(await plain.outputs(tasks, 'after'), await plain.outputs(tasks, 'before'));
  const tuned = await learned(tasks, fineTune({ steps: 5, learningRate: 0.2 }));
  assert.deepEqual(tuned.parameters(), plain.parameters(), 'training does not know of the steps');
  const error = (outputs: Float64Array) =>
    outputs.reduce((sum, value, i) => sum + Math.abs(value - dataset.label[tasks.queryRows[i]]), 0) / outputs.length;
  const [before, adapted] = [error(await tuned.outputs(tasks, 'before')), error(await tuned.outputs(tasks, 'after'))];
  assert.ok(adapted < 0.9 * before, `${adapted} adapted, ${before} not`);
  assert.throws(() => fineTune({ rates: 'perStep' } as object), /fineTune\.rates/);
  assert.throws(() => joint({ steps: 1 }), /joint\.steps: no such option/);
});

test('sinusoids: a step after meta-training beats a step of a network trained on all curves; repeatable; stops when told', async () => {
  const options = { shots: [10], iterations: 1200, testTasks: 200 };
  const results = await sinusoid(options);
  assert.deepEqual(
    results.map(({ method, shots }) => [method, shots]),
    [
      ['MAML', 10],
      ['pretrained', 10],
    ],
  );
  const [meta, plain] = results.map(({ errors }) => errors.map(({ mse }) => mse));
  assert.ok(meta[1].high < 0.75 * plain[1].low, `${meta[1].mean} against ${plain[1].mean}`);
  assert.ok(meta[3].mean < meta[1].mean, 'and it goes on learning');
  assert.deepEqual(await sinusoid({ ...options, iterations: 50 }), await sinusoid({ ...options, iterations: 50 }));
  const controller = new AbortController();
  const stopped = sinusoid({
    ...options,
    signal: controller.signal,
    onProgress: (share) => share > 0.1 && controller.abort(),
  });
  await assert.rejects(stopped, (error: unknown) => error instanceof InnerloopError && error.code === 'ABORTED');
});

test('a training step on packed tasks: the loss falls, other models and options are refused', async () => {
  const spec = {
    inputs: [{ name: 'x', kind: 'dense' as const, size: 1 }],
    body: { kind: 'mlp' as const, hidden: [4] },
    head: { loss: 'mse' as const },
  };
  const [model, other] = [defineModel(spec), defineModel(spec)];
  const tasks = [1, 2].map((slope) => {
    const rows = { inputs: { x: [[0], [1], [2]] }, labels: [0, slope, 2 * slope] };
    return { support: rows, query: rows };
  });
  const learner = createLearner({ model, algorithm: joint(), optimizer: adam({ learningRate: 0.05 }), seed: 1 });
  const batch = packTasks(model, tasks);
  const first = await trainStep(learner, batch);
  for (let i = 0; i < 100; i++) await trainStep(learner, batch, { progress: i / 100 });
  const last = await trainStep(learner, batch);
  assert.ok(
    last.loss < 0.5 * first.loss && last.taskLosses.length === 2 && last.gradientNorm < first.gradientNorm,
    `${first.loss} to ${last.loss}`,
  );
  await assert.rejects(trainStep(learner, packTasks(other, tasks)), /batch: packed for another model/);
  await assert.rejects(trainStep(learner, batch, { progres: 1 } as object), /did you mean progress/);
  await assert.rejects(trainStep({} as typeof learner, batch), /learner: not a learner/);
});
