/** Class weights are weights of rows by their labels: in losses, gradients, closed forms, evaluation and serving. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { anil, laplace, maml, protoNets } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { HeadSpec, LossSpec, ModelSpec, TaskExample } from '../../lib/foundation/contract.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { random } from '../../lib/foundation/random.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { everything, servedLearner } from '../fixtures/catalog.js';
import { path } from '../fixtures/family.js';

const HEADS: {
  head: LossSpec & { classWeights: number[] };
  label: (k: number) => number;
  weight: (y: number) => number;
}[] = [
  { head: { loss: 'bce', classWeights: [0.5, 20] }, label: (k) => k % 2, weight: (y) => [0.5, 20][y] },
  { head: { loss: 'bce', classWeights: [2, 6] }, label: (k) => (k % 5) / 4, weight: (y) => 2 + 4 * y },
  { head: { loss: 'softmax', classes: 3, classWeights: [1, 0, 7] }, label: (k) => k % 3, weight: (y) => [1, 0, 7][y] },
];

function specOf(head: HeadSpec): ModelSpec {
  return {
    inputs: [{ name: 'x', kind: 'dense', size: 3 }],
    body: { kind: 'mlp', hidden: [5], activation: 'tanh' },
    head,
  };
}

function tasksOf(label: (k: number) => number, weights?: (y: number) => number): TaskExample[] {
  const stream = random(1, 'class-weights');
  const rows = (count: number) => {
    const x = Array.from({ length: count }, () => [0, 0, 0].map(() => stream.normal()));
    const labels = x.map((_, k) => label(k));
    return { inputs: { x }, labels, ...(weights && { weights: labels.map(weights) }) };
  };
  return Array.from({ length: 4 }, () => ({ support: rows(7), query: rows(5) }));
}

test('the loss and its exact meta-gradient are those of rows with these weights', async () => {
  for (const { head, label, weight } of HEADS) {
    const { classWeights: _, ...plain } = head;
    const inner = { steps: 3, learningRate: 0.2, adapt: 'all', order: 2 } as const;
    const run = async (own: HeadSpec, tasks: TaskExample[]) => {
      const model = defineModel(specOf(own), { precision: 'float64' });
      return metaGradient(model, model.initialize(1), packTasks(model, tasks), inner);
    };
    const byClass = await run(head, tasksOf(label));
    assert.deepEqual(byClass, await run(plain, tasksOf(label, weight)));
    assert.notEqual(byClass.loss, (await run(plain, tasksOf(label))).loss);
    // Times weights that the rows have of their own.
    const both = await run(
      head,
      tasksOf(label, () => 3),
    );
    assert.ok(Math.abs(both.loss - byClass.loss) < 1e-12, 'a mean over weights');
  }
});

test('by hand: one positive of weight 3 among three negatives of weight 1 is half of the loss', async () => {
  const model = defineModel(specOf({ loss: 'bce', classWeights: [1, 3] }), { precision: 'float64' });
  const params = model.initialize(1);
  for (const [name, { data }] of Object.entries(params)) data.fill(name === 'mlp.1.bias' ? 1 : 0);
  const rows = { inputs: { x: [0, 1, 2, 3].map(() => [1, 2, 3]) }, labels: [1, 0, 0, 0] };
  const { loss } = await metaGradient(model, params, packTasks(model, [{ support: rows, query: rows }]), {
    steps: 0,
    learningRate: 1,
    adapt: 'all',
    order: 2,
  });
  const softplus = (o: number) => Math.log1p(Math.exp(o));
  assert.ok(Math.abs(loss - (softplus(-1) + softplus(1)) / 2) < 1e-12);
});

test('learners with class weights train, serve, and keep them in their files', async () => {
  const classWeights = [1, 4];
  for (const algorithm of [laplace(), maml({ steps: 2 }), anil(), protoNets()]) {
    const learner = await servedLearner({ algorithm, head: { loss: 'bce', classWeights } });
    const plain = await servedLearner({ algorithm, head: { loss: 'bce' } });
    const support = { items: [3, 8, 20], labels: [1, 0, 1] };
    const scores = await (await learner.adapt(support)).predict(everything);
    assert.notDeepEqual(scores, await (await plain.adapt(support)).predict(everything), algorithm.name);
    const [many] = await learner.predictMany([support], everything);
    many.forEach((score, i) => assert.ok(Math.abs(score - scores[i]) < 1e-5));
    const file = path();
    await saveLearner(learner, file);
    const loaded = await loadLearner(file);
    assert.deepEqual(loaded.model.spec.head, { loss: 'bce', classWeights });
    assert.deepEqual(await (await loaded.adapt(support)).predict(everything), scores);
    const me = await learner.adapt(support);
    assert.equal((await me.explain('5')).length, 3);
  }
});

test('a solver in closed form weighs rows by their class', async () => {
  const head = { loss: 'bce', classWeights: [1, 4] } as const;
  const learner = await servedLearner({ algorithm: laplace(), head });
  const plain = await servedLearner({ algorithm: laplace(), head: { loss: 'bce' } });
  for (const [t] of plain.model.tensors.entries())
    plain.model.ops.writeTensor(plain.store, t, learner.model.ops.readTensor(learner.store, t));
  const support = { items: [3, 8, 20], labels: [1, 0, 1] };
  const weighted = await plain.adapt({ ...support, weights: [4, 1, 4] });
  assert.deepEqual(await (await learner.adapt(support)).predict(everything), await weighted.predict(everything));
});

test('class weights are one number a class of bce or softmax, and only of a single head', async () => {
  const refuses = (head: unknown, field: string) =>
    assert.throws(
      () => defineModel(specOf(head as HeadSpec)),
      (error) => error instanceof InnerloopError && error.field === field,
    );
  refuses({ loss: 'mse', classWeights: [1, 1] }, 'model.head.classWeights');
  refuses({ loss: 'bpr', classWeights: [1, 1] }, 'model.head.classWeights');
  refuses({ loss: 'bce', classWeights: [1] }, 'model.head.classWeights');
  refuses({ loss: 'bce', classWeights: 5 }, 'model.head.classWeights');
  refuses({ loss: 'bce', classWeights: [0, 0] }, 'model.head.classWeights');
  refuses({ loss: 'bce', classWeights: [1, -1] }, 'model.head.classWeights[1]');
  refuses({ loss: 'bce', classWeights: [1, NaN] }, 'model.head.classWeights[1]');
  refuses({ loss: 'softmax', classes: 3, classWeights: [1, 1] }, 'model.head.classWeights');
  refuses({ loss: 'bce', classWeights: [1, 2], also: [{ name: 'y', loss: 'mse' }] }, 'model.head.classWeights');
  refuses({ loss: 'bce', also: [{ name: 'y', loss: 'bce', classWeights: [1, 2] }] }, 'model.head.also[0].classWeights');
});
