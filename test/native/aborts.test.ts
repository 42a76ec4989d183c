/** Calls that are aborted, and the event loop while calls run. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { packTasks } from '../../lib/batch/batch.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { predict } from '../../lib/meta/inner-loop.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { maml } from '../../lib/algorithms/registry.js';
import { describeInputs } from '../../lib/batch/features.js';
import { INNER, wide, wideRows } from '../fixtures/concurrency.js';

const wideBatch = packTasks(
  wide,
  Array.from({ length: 400 }, () => ({ support: wideRows(10), query: wideRows(10) })),
);
const long = (signal?: AbortSignal, steps = 40) =>
  metaGradient(wide, wide.initialize(1), wideBatch, { ...INNER, steps, learningRate: 1e-4 }, { signal });
const isAborted = (error: unknown): true => {
  assert.ok(error instanceof InnerloopError && error.code === 'ABORTED' && error.name === 'AbortError', String(error));
  return true;
};

test('an aborted signal stops a call before it starts, with its reason as the cause', async () => {
  const reason = new Error('no longer wanted');
  await assert.rejects(
    long(AbortSignal.abort(reason)),
    (error: unknown) => isAborted(error) && (error as Error).cause === reason,
  );
});

test('a call can be aborted on the way, and the event loop turns meanwhile', async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  try {
    await long();
    assert.ok(ticks > 0, 'the event loop stood still');
    const controller = new AbortController();
    const calls = [long(controller.signal), long(controller.signal), long()];
    setTimeout(() => controller.abort(), 5);
    const [first, second, third] = await Promise.allSettled(calls);
    for (const call of [first, second]) isAborted(call.status === 'rejected' && call.reason);
    assert.equal(third.status, 'fulfilled');
    controller.abort();
  } finally {
    clearInterval(timer);
  }
});

test('calls that wait for a thread can be aborted too', async () => {
  const controller = new AbortController();
  // So long that none is done before the signal, however late the timer is.
  const calls = Array.from({ length: 9 }, () => long(controller.signal, 400));
  setTimeout(() => controller.abort(), 2);
  for (const call of await Promise.allSettled(calls)) isAborted(call.status === 'rejected' && call.reason);
});

test('a signal that fires after the end changes nothing, and no listener stays', async () => {
  const controller = new AbortController();
  const params = wide.initialize(1);
  for (let i = 0; i < 20; i++) await predict(wide, params, wideRows(1), {}, { signal: controller.signal });
  controller.abort();
  await assert.rejects(predict(wide, params, wideRows(1), {}, { signal: controller.signal }), isAborted);
});

test('parameters may be read while a training step runs', async () => {
  const dataset = datasetFromColumns({
    user: Array.from({ length: 6000 }, (_, i) => i % 300),
    item: Array.from({ length: 6000 }, (_, i) => Math.floor(i / 300)),
    label: Array.from({ length: 6000 }, (_, i) => i % 5),
  });
  const tasks = buildTasks(dataset, { query: 5 });
  const model = defineModel({
    inputs: describeInputs(dataset, [{ name: 'item', dim: 64 }], tasks.queryRows),
    body: { kind: 'mlp', hidden: [64, 64] },
    head: { loss: 'mse' },
  });
  const learner = createLearner({ model, algorithm: maml({ steps: 5 }) });
  const epoch = train(learner, tasks, { epochs: 1, metaBatch: 300 }).next();
  const failures: unknown[] = [];
  let reads = 0;
  const timer = setInterval(() => {
    try {
      assert.ok(Object.values(learner.parameters()).every(({ data }) => data.every(Number.isFinite)));
      reads++;
    } catch (error) {
      failures.push(error);
    }
  }, 1);
  await epoch;
  clearInterval(timer);
  for (const error of failures) assert.ok(error instanceof InnerloopError, `a raw error escaped: ${String(error)}`);
  assert.ok(reads > 0, `no read succeeded while the step ran, ${failures.length} were refused`);
});
