/** Which tasks an epoch draws, and what they weigh. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { TaskSet } from '../../lib/foundation/contract.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { random } from '../../lib/foundation/random.js';
import { packTaskSet } from '../../lib/batch/task-batch.js';
import { TaskSampler } from '../../lib/training/task-sampling.js';
import type { TaskSampling } from '../../lib/training/task-sampling.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import type { TrainOptions } from '../../lib/training/train.js';
import { isTyped, learnerOf, make, path, rejects, run, sameState, tiny } from '../fixtures/family.js';
import { datasetOf } from '../fixtures/tasks.js';

const COUNTS = [4, 8, 16, 32, 5, 5, 5, 40, 3];
const tasks = buildTasks(datasetOf(COUNTS), { query: 2 });
const drawn = (sampler: TaskSampler, epoch: number) => {
  const counts = new Float64Array(tasks.size);
  const order = sampler.draw(epoch);
  assert.equal(order.length, tasks.size);
  for (const t of order) counts[t]++;
  return counts;
};
/** Every epoch gives each task ⌊n·p⌋ or ⌈n·p⌉ draws, and the mean over epochs is n·p. */
function assertShares(sampler: TaskSampler, weights: number[]): void {
  const total = weights.reduce((a, b) => a + b, 0);
  const expected = weights.map((weight) => (tasks.size * weight) / total);
  const sum = new Float64Array(tasks.size);
  const EPOCHS = 4000;
  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    drawn(sampler, epoch).forEach((count, t) => {
      assert.ok(
        count >= Math.floor(expected[t] - 1e-9) && count <= Math.ceil(expected[t] + 1e-9),
        `task ${t}: ${count} of ${expected[t]}`,
      );
      sum[t] += count;
    });
  }
  // A standard deviation of the mean is at most ½/√4000 = 0.008.
  sum.forEach((count, t) =>
    assert.ok(Math.abs(count / EPOCHS - expected[t]) < 0.04, `task ${t}: ${count / EPOCHS} of ${expected[t]}`),
  );
}

test('uniform: every task once, in the order that it always was', async () => {
  const sampler = new TaskSampler(tasks, 'uniform', 7, 'sampling');
  for (const epoch of [1, 2, 9]) {
    assert.deepEqual(
      sampler.draw(epoch),
      random(7, 'train.order', epoch).shuffle(Int32Array.from({ length: tasks.size }, (_, t) => t)),
    );
  }
});

test('size: draws in proportion to the rows', async () => {
  assertShares(new TaskSampler(tasks, 'size', 1, 'sampling'), COUNTS);
  assertShares(new TaskSampler(tasks, { by: 'size', power: 0.5 }, 1, 'sampling'), COUNTS.map(Math.sqrt));
  assert.deepEqual(
    drawn(new TaskSampler(tasks, { by: 'size', power: 0 }, 1, 'sampling'), 1),
    new Float64Array(tasks.size).fill(1),
  );
});

test('stratified: every value of the column gets the same share', async () => {
  const counts = [...new Array<number>(20).fill(6), 6, 6];
  const dataset = datasetFromColumns({
    user: counts.flatMap((n, u) => new Array<number>(n).fill(u)),
    item: counts.flatMap((n) => Array.from({ length: n }, (_, i) => i)),
    label: counts.flatMap((n) => new Array<number>(n).fill(1)),
    userFeatures: {
      id: counts.map((_, u) => u),
      features: { kind: { kind: 'categorical', values: counts.map((_, u) => (u < 20 ? 'many' : 'few')) } },
    },
  });
  const set = buildTasks(dataset, { query: 2 });
  const order = new TaskSampler(set, { by: 'stratified', column: 'kind' }, 3, 'sampling').draw(1);
  assert.equal(order.length, 22);
  assert.equal(order.filter((t) => t >= 20).length, 11);
});

test('loss: the first epoch uniform, then by the running mean, with a floor; state is the losses alone', async () => {
  const sampling: TaskSampling = { by: 'loss', decay: 0.5, floor: 0.1, power: 2 };
  const sampler = new TaskSampler(tasks, sampling, 5, 'sampling');
  assert.deepEqual(drawn(sampler, 1), new Float64Array(tasks.size).fill(1));
  const all = Int32Array.from(tasks.keys.keys());
  sampler.update(
    all,
    all.map((t) => t + 1),
  );
  sampler.update(Int32Array.of(8, 8), [1, 2]);
  const losses = [...all.map((t) => t + 1)];
  losses[8] = 0.5 * (0.5 * 9 + 0.5 * 1) + 0.5 * 2;
  assert.deepEqual([...sampler.losses!], losses);
  const squares = losses.map((loss) => loss ** 2);
  const sum = squares.reduce((a, b) => a + b, 0);
  assertShares(
    sampler,
    squares.map((square) => (0.9 * square) / sum + 0.1 / tasks.size),
  );
  const resumed = new TaskSampler(tasks, sampling, 5, 'sampling', sampler.losses!.slice());
  assert.deepEqual(resumed.draw(17), sampler.draw(17));
  sampler.losses![3] = Number.NaN; // never drawn: as hard as the mean
  const rest = squares.filter((_, t) => t !== 3);
  const mean = rest.reduce((a, b) => a + b, 0) / rest.length;
  assertShares(
    sampler,
    squares.map((square, t) => 0.9 * (t === 3 ? mean : square) + 0.1 * mean),
  );
  const zero = new TaskSampler(tasks, 'loss', 5, 'sampling', new Float64Array(tasks.size));
  assert.deepEqual(drawn(zero, 2), new Float64Array(tasks.size).fill(1), 'nothing left to learn');
});

const SAMPLINGS: TrainOptions[] = [
  { sampling: 'size' },
  { sampling: 'loss' },
  { sampling: { by: 'loss', power: 2 }, hide: { item: 0.2 } },
  { weights: Float64Array.from({ length: tiny.train.size }, (_, t) => 1 + (t % 3)) },
];

test('training by any sampling repeats, differs from uniform, and resumes to the same bytes', async () => {
  const uniform = learnerOf(make('maml'));
  await run(uniform, tiny.train, { epochs: 4 });
  for (const options of SAMPLINGS) {
    const [a, b] = [learnerOf(make('maml')), learnerOf(make('maml'), { threads: 1 })];
    const reports = await run(a, tiny.train, { epochs: 4, ...options });
    const checkpoint = path();
    // Stopped after every epoch, and in the middle of the third.
    for (let attempt = 0; attempt < 8; attempt++) {
      const controller = new AbortController();
      const fresh = attempt === 7 ? b : learnerOf(make('maml'));
      const onProgress = (progress: number) => attempt === 2 && progress > 0.6 && controller.abort();
      try {
        for await (const { epoch, loss } of train(fresh, tiny.train, {
          epochs: 4,
          metaBatch: 8,
          ...options,
          checkpoint,
          signal: controller.signal,
          onProgress,
        })) {
          assert.equal(loss, reports[epoch - 1].loss);
          break;
        }
      } catch (error) {
        isTyped(error, 'ABORTED');
      }
    }
    sameState(b, a, JSON.stringify(options));
    assert.throws(() => sameState(a, uniform, ''), assert.AssertionError, 'the option changes nothing');
    await rejects(run(learnerOf(make('maml')), tiny.train, { epochs: 4, checkpoint }), 'MODEL_FILE', /another/);
  }
});

test('weights: a meta-batch follows the weighted mean of the tasks’ meta-gradients', async () => {
  const learner = learnerOf(make('maml'), { precision: 'float64' });
  const gradient = async (
    set: TaskSet,
    from: number,
    to: number,
    options: { weights?: Float64Array; weighByRows?: boolean },
  ) => {
    const order = Int32Array.from(set.keys.keys()).reverse();
    const batch = packTaskSet(learner.model, learner.bind(set.dataset), set, order, from, to, {
      rows: learner.rows(set.dataset),
      ...options,
    });
    return (await learner.model.ops.metaGradient({ ...learner.call(batch), direction: 'metaGradient' })).gradient;
  };
  const set = buildTasks(tiny.dataset, { query: { fraction: 0.4 }, rows: tiny.trainRows });
  const weights = Float64Array.from({ length: set.size }, (_, t) => 0.5 + t);
  for (const weighByRows of [false, true]) {
    const together = await gradient(set, 2, 7, { weights, weighByRows });
    const parts = await Promise.all([2, 3, 4, 5, 6].map((k) => gradient(set, k, k + 1, {})));
    const shares = [2, 3, 4, 5, 6].map((k) => {
      const t = set.size - 1 - k;
      return weights[t] * (weighByRows ? set.queryOffsets[t + 1] - set.queryOffsets[t] : 1);
    });
    const total = shares.reduce((a, b) => a + b, 0);
    together.forEach((tensor, i) =>
      tensor.forEach((value, j) => {
        const expected = parts.reduce((sum, part, k) => sum + (part[i][j] * shares[k]) / total, 0);
        assert.ok(Math.abs(value - expected) < 1e-12 * (1 + Math.abs(expected)), `${value} ${expected}`);
      }),
    );
  }
  // Only ratios matter.
  const [one, two] = [learnerOf(make('maml')), learnerOf(make('maml'))];
  const own = Float64Array.from({ length: tiny.train.size }, (_, t) => 1 + (t % 4));
  await run(one, tiny.train, { weights: own });
  await run(two, tiny.train, { weights: own.map((weight) => 8 * weight) });
  sameState(one, two, 'eightfold weights');
});

test('sampling and weights: errors', async () => {
  const bad = (options: object, code: Parameters<typeof rejects>[1], pattern: RegExp) =>
    rejects(run(learnerOf(make('maml')), tiny.train, options), code, pattern);
  await bad({ sampling: 'sise' }, 'INVALID_OPTION', /train\.sampling.*did you mean size/);
  await bad({ sampling: { by: 'strata' } }, 'INVALID_OPTION', /train\.sampling\.by/);
  await bad({ sampling: { by: 'size', decay: 1 } }, 'UNKNOWN_OPTION', /train\.sampling\.decay/);
  await bad({ sampling: { by: 'loss', floor: 2 } }, 'INVALID_OPTION', /train\.sampling\.floor/);
  await bad({ sampling: { by: 'stratified', column: 'traits' } }, 'INVALID_OPTION', /train\.sampling\.column.*dense/);
  await bad({ sampling: { by: 'stratified', column: 'trait' } }, 'MISSING_COLUMN', /train\.sampling\.column/);
  await bad({ weights: [1, 2] }, 'INVALID_OPTION', /train\.weights/);
  await bad({ weights: new Float64Array(tiny.train.size) }, 'INVALID_OPTION', /train\.weights\[0\]/);
});
