/** Calls that take less time than a hand-over run where they are asked for, with the same results and refusals. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { adapt, createLearner, defineModel, maml, metaGradient, packTasks } from '../../lib/index.js';
import type { InnerLoop, Model } from '../../lib/index.js';
import { random } from '../../lib/foundation/random.js';
import { identical } from '../fixtures/random-model.js';

const stream = random(5, 'at-once');
const list = <R>(n: number, f: () => R): R[] => Array.from({ length: n }, f);
const rows = (n: number) => ({
  inputs: { x: list(n, () => list(16, () => stream.normal())) },
  labels: list(n, () => stream.normal()),
});
const inner: InnerLoop = { steps: 5, learningRate: 0.01, adapt: 'all', order: 2 };
const modelOf = (width: number): Model =>
  defineModel(
    { inputs: [{ name: 'x', kind: 'dense', size: 16 }], body: { kind: 'mlp', hidden: [width] }, head: { loss: 'mse' } },
    { threads: 2 },
  );
const parametersOf = (model: Model) => createLearner({ model, algorithm: maml(), seed: 1 }).parameters();
const batchOf = (model: Model, tasks: number) =>
  packTasks(
    model,
    list(tasks, () => ({ support: rows(5), query: rows(5) })),
  );

/** Whether a call is settled before the event loop turns. */
async function isAtOnce(call: () => Promise<unknown>): Promise<boolean> {
  let settled = false;
  void call().then(() => (settled = true));
  for (let i = 0; i < 20; i++) await Promise.resolve();
  const is = settled;
  while (!settled) await new Promise((done) => setImmediate(done));
  return is;
}

test('a small call is settled before the event loop turns, a larger one after', async () => {
  const small = modelOf(16);
  const params = parametersOf(small);
  const one = batchOf(small, 1);
  assert.ok(await isAtOnce(() => metaGradient(small, params, one, inner)), 'metaGradient of one small task');
  assert.ok(await isAtOnce(() => adapt(small, params, one, inner)), 'adapt to one small task');
  const many = batchOf(small, 500);
  assert.ok(!(await isAtOnce(() => metaGradient(small, params, many, inner))), '500 tasks');
  const wide = modelOf(2048);
  assert.ok(!(await isAtOnce(() => metaGradient(wide, parametersOf(wide), batchOf(wide, 1), inner))), 'a wide layer');
});

test('while another call is at work a small one is handed over', async () => {
  const small = modelOf(16);
  const params = parametersOf(small);
  const long = metaGradient(small, params, batchOf(small, 2000), inner);
  assert.ok(!(await isAtOnce(() => metaGradient(small, params, batchOf(small, 1), inner))));
  await long;
});

test('timers fire during a loop of small calls', async () => {
  const small = modelOf(16);
  const params = parametersOf(small);
  const one = batchOf(small, 1);
  let fired = 0;
  const timer = setInterval(() => fired++, 0);
  // A timer is due after a millisecond at the earliest, in which a quick machine makes hundreds of calls.
  let calls = 0;
  while (fired === 0 && calls < 1e5) {
    await metaGradient(small, params, one, inner);
    calls++;
  }
  clearInterval(timer);
  assert.ok(fired > 0, `no timer fired during ${calls} calls`);
});

test('a task gives the same bits at once and among others, and is refused alike', async () => {
  const small = modelOf(16);
  const params = parametersOf(small);
  const one = { support: rows(5), query: rows(5) };
  const alone = await metaGradient(small, params, packTasks(small, [one]), inner);
  const copies = packTasks(
    small,
    list(300, () => one),
  );
  const among = await metaGradient(small, params, copies, inner);
  assert.deepEqual(
    Array.from(among.taskLosses),
    list(300, () => alone.taskLosses[0]),
  );
  const long = metaGradient(small, params, copies, inner);
  const handedOver = await metaGradient(small, params, packTasks(small, [one]), inner);
  await long;
  identical(handedOver.gradient, alone.gradient, 'handed over');
  const diverges = metaGradient(small, params, packTasks(small, [one]), { ...inner, learningRate: 1e30 });
  await assert.rejects(diverges, { code: 'DIVERGED' });
  const signal = AbortSignal.abort();
  await assert.rejects(metaGradient(small, params, packTasks(small, [one]), inner, { signal }), { code: 'ABORTED' });
});
