/** Learners that are graphs run several tasks at once: the gradient of many tasks is the mean of those of each alone. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { createLearner, defineModel, lwa, matchingNets, nlba, packTasks, protoNets, tanp } from '../../lib/index.js';
import type { Algorithm, TaskExample } from '../../lib/index.js';
import { MSE, spec, tasksOf } from '../fixtures/graph-tasks.js';

const ALGORITHMS: [string, () => Algorithm][] = [
  ['protoNets', () => protoNets()],
  ['matchingNets', () => matchingNets()],
  ['lwa', () => lwa()],
  ['nlba', () => nlba()],
  ['tanp', () => tanp()],
];
/** So many that tasks share a sum, and some of them a run. */
const REPEATS = 16;

for (const [name, algorithm] of ALGORITHMS)
  test(`${name}: the gradient of many tasks is the mean of each task's`, async () => {
    const model = defineModel(spec(MSE), { precision: 'float64', threads: 2 });
    const learner = createLearner({ model, algorithm: algorithm(), seed: 3 });
    const gradient = async (tasks: TaskExample[]) => {
      const batch = packTasks(learner.model, tasks).native;
      return learner.model.ops.metaGradient({ ...learner.call(batch), direction: 'metaGradient' });
    };
    const three = tasksOf(MSE);
    const alone = await Promise.all(three.map((task) => gradient([task])));
    const many = await gradient(Array.from({ length: REPEATS }, () => three).flat());
    three.forEach((_, t) => {
      for (let r = 0; r < REPEATS; r++)
        assert.ok(Math.abs(many.taskLosses[3 * r + t] - alone[t].loss) <= 1e-12 * Math.abs(alone[t].loss), 'loss');
    });
    let largest = 0;
    learner.model.tensors.forEach((tensor, i) => {
      const mean = Array.from(many.gradient[i], (_, j) => alone.reduce((sum, one) => sum + one.gradient[i][j] / 3, 0));
      const top = Math.max(1e-3, ...mean.map(Math.abs));
      largest = Math.max(largest, top);
      mean.forEach((value, j) => {
        assert.ok(Math.abs(many.gradient[i][j] - value) <= 1e-12 * top, `${tensor.name}[${j}]`);
      });
    });
    assert.ok(largest > 1e-3, 'something learns');
  });
