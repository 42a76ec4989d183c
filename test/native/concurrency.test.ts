/** The same bits on any number of threads and in any company; aborts, workers and exits in the middle of a call. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'tap';
import { Worker } from 'node:worker_threads';
import type { InnerLoop, ModelSpec, Parameters, Precision, TaskExample } from '../../lib/foundation/contract.js';
import { packTasks } from '../../lib/batch/batch.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { adam } from '../../lib/meta/outer-update.js';
import { random } from '../../lib/foundation/random.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { maml } from '../../lib/algorithms/registry.js';
import { describeInputs } from '../../lib/batch/features.js';
import type { RateKind } from '../../lib/meta/algorithm.js';
import { identical, rows } from '../fixtures/random-model.js';

const SPEC: ModelSpec = {
  inputs: [
    { name: 'x', kind: 'dense', size: 9 },
    { name: 'item', kind: 'categorical', cardinality: 40, dim: 5 },
    { name: 'tags', kind: 'bag', cardinality: 12, dim: 3 },
  ],
  body: { kind: 'mlp', hidden: [17, 8] },
  head: { loss: 'mse' },
};
const INNER: InnerLoop = { steps: 3, learningRate: 0.05, adapt: 'all', order: 2 };

/** `count` ragged tasks: enough chunks for every thread, of different cost. */
const ragged = (count: number): TaskExample[] =>
  Array.from({ length: count }, (_, t) => ({
    support: rows(SPEC, t % 14, random(7, 'support', t)),
    query: rows(SPEC, 1 + (t % 5), random(7, 'query', t)),
  }));

const index = new URL('../../lib/index.js', import.meta.url).href;
/** What every child and worker starts with: a call of seconds, named `long()`, of many tasks. */
const PRELUDE = `
  import * as il from ${JSON.stringify(index)};
  const model = il.defineModel({ inputs: [{ name: 'x', kind: 'dense', size: 64 }], body: { kind: 'mlp', hidden: [64, 64] }, head: { loss: 'mse' } });
  const params = model.initialize(1);
  const row = Array.from({ length: 64 }, (_, i) => Math.sin(i));
  const part = (n) => ({ inputs: { x: Array.from({ length: n }, () => row) }, labels: new Float32Array(n) });
  const batchOf = (tasks) => il.packTasks(model, Array.from({ length: tasks }, () => ({ support: part(10), query: part(10) })));
  const inner = (steps) => ({ steps, learningRate: 1e-4, adapt: 'all', order: 2 });
  const big = batchOf(200);
  const long = (options) => il.metaGradient(model, params, big, inner(40), options);
  const short = () => il.metaGradient(model, params, batchOf(2), inner(1));
`;

/** After so many milliseconds a child hangs; under a sanitizer everything takes some five times as long. */
const HANG = process.env['INNERLOOP_PREBUILD'] === undefined ? 60_000 : 300_000;

function child(script: string): { status: number | null; stdout: string } {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', PRELUDE + script],
    { encoding: 'utf8', timeout: HANG },
  );
  assert.equal(signal, null, `killed by ${signal}: ${stderr}`);
  assert.equal(stderr, '');
  return { status, stdout };
}

// ------------------------------------------------------------------------------------------ determinism

async function everything(model: Model, tasks: TaskExample[]) {
  const params = model.initialize(3);
  const batch = packTasks(model, tasks);
  const learningRate = Object.fromEntries(
    Object.entries(params).map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0.03) }]),
  );
  const second = await metaGradient(model, params, batch, INNER);
  const first = await metaGradient(model, params, batch, { ...INNER, order: 1, learningRate });
  return {
    losses: second.taskLosses,
    gradient: second.gradient,
    first: first.gradient,
    rates: first.learningRateGradient!,
    reptile: (await metaGradient(model, params, batch, INNER, { direction: 'reptile' })).gradient,
    adapted: await adapt(model, params, batch, INNER),
    outputs: (await predict(model, params, { inputs: rows(SPEC, 700, random(7, 'rows')).inputs })).data,
  };
}

for (const precision of ['float32', 'float64'] as const satisfies Precision[]) {
  test(`the same bits on 1, 2, 3 and 8 threads (${precision})`, async () => {
    const tasks = ragged(75);
    const results: Awaited<ReturnType<typeof everything>>[] = [];
    for (const threads of [1, 2, 3, 8]) {
      results.push(await everything(defineModel(SPEC, { precision, threads }), tasks));
    }
    for (const other of results.slice(1)) {
      assert.deepEqual(other.losses, results[0].losses);
      assert.deepEqual(other.outputs, results[0].outputs);
      for (const key of ['gradient', 'first', 'rates', 'reptile'] as const) identical(other[key], results[0][key], key);
      other.adapted.forEach((task, t) => identical(task, results[0].adapted[t], `adapted ${t}`));
    }
  });
}

/** 60 users of 30 items; the parameters after two epochs. */
async function trained(threads: number, rates: RateKind): Promise<Parameters> {
  const stream = random(5, 'data');
  const [user, item, label]: number[][] = [[], [], []];
  for (let u = 0; u < 60; u++)
    for (let i = u % 3; i < 30; i += 2 + (u % 4)) (user.push(u), item.push(i), label.push(stream.normal()));
  const dataset = datasetFromColumns({ user, item, label });
  const tasks = buildTasks(dataset, { query: { fraction: 0.4 } });
  const model = defineModel(
    {
      inputs: describeInputs(
        dataset,
        [
          { name: 'item', dim: 6 },
          { name: 'user', dim: 3 },
        ],
        tasks.queryRows,
      ),
      body: { kind: 'mlp', hidden: [12] },
      head: { loss: 'mse' },
    },
    { threads },
  );
  const learner = createLearner({
    model,
    algorithm: maml({ steps: 2, learningRate: 0.1, rates }),
    optimizer: adam({ clipNorm: 1, weightDecay: 0.01 }),
    seed: 4,
  });
  for await (const _ of train(learner, tasks, { epochs: 2, metaBatch: 13, hide: { item: 0.2 } })) void _;
  return learner.parameters();
}

test('training ends in the same bits on 1, 2 and 8 threads', async () => {
  for (const rates of ['fixed', 'perParameter', 'perStep'] as const) {
    const first = await trained(1, rates);
    for (const threads of [2, 8]) identical(await trained(threads, rates), first, `${rates}, ${threads} threads`);
  }
});

test('twenty calls at once give what they give one by one', async () => {
  const model = defineModel(SPEC, { threads: 2 });
  const params = model.initialize(3);
  const shared = packTasks(model, ragged(20));
  const vector = model.initialize(9);
  const calls = Array.from({ length: 20 }, (_, i) => async (): Promise<Parameters[]> => {
    const batch = i % 2 === 0 ? shared : packTasks(model, ragged(5 + i));
    if (i % 4 === 0) return adapt(model, params, batch, { ...INNER, steps: 1 + (i % 5) });
    if (i % 4 === 1)
      return [(await metaGradient(model, params, batch, { ...INNER, order: (1 + (i % 2)) as 1 | 2 })).gradient];
    if (i % 4 === 2)
      return [(await hessianVectorProduct(model, params, rows(SPEC, 3 + i, random(i, 'rows')), vector)).product];
    return [{ outputs: await predict(model, params, rows(SPEC, 300 * i, random(i, 'rows'))) }];
  });
  const alone: Parameters[][] = [];
  for (const call of calls) alone.push(await call());
  const together = await Promise.all(calls.map((call) => call()));
  together.forEach((result, i) => result.forEach((p, t) => identical(p, alone[i][t], `call ${i}`)));
});

test('the first uses of one batch may come at the same time', async () => {
  const model = defineModel(SPEC, { threads: 2 });
  const params = model.initialize(3);
  const expected = await metaGradient(model, params, packTasks(model, ragged(30)), INNER);
  for (let round = 0; round < 5; round++) {
    const batch = packTasks(model, ragged(30));
    const results = await Promise.all(Array.from({ length: 6 }, () => metaGradient(model, params, batch, INNER)));
    for (const { gradient } of results) identical(gradient, expected.gradient, `round ${round}`);
  }
});

/** An empty support, and tensors whose sizes leave gaps between them in memory. */
test('what an earlier call left in memory does not matter', async () => {
  const own = defineModel(
    { ...SPEC, body: { kind: 'mlp', hidden: [5, 3], activation: 'tanh' } },
    { precision: 'float64', threads: 1 },
  );
  const fresh = own.initialize(1);
  const batch = packTasks(own, [...ragged(8).slice(5), ragged(1)[0]]);
  const wild = Object.fromEntries(
    Object.entries(fresh).map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 1e300) }]),
  );
  const perStep = Object.fromEntries(
    own.tensors.map(({ name }) => [name, { shape: [3], data: Float64Array.of(0.05, 0.05, 0.05) }]),
  );
  const perParameter = Object.fromEntries(
    own.tensors.map(({ name, shape }) => [name, { shape: [...shape], data: fresh[name].data.map(() => 0.05) }]),
  );
  const expected = await adapt(own, fresh, batch, INNER);
  for (let round = 0; round < 20; round++) {
    // Fills the scratch memory of whichever thread takes it with Infinity and NaN.
    await Promise.all(
      Array.from({ length: 4 }, () =>
        assert.rejects(metaGradient(own, wild, batch, { ...INNER }), { code: 'DIVERGED' }),
      ),
    );
    for (const learningRate of [perStep, perParameter]) {
      for (const [t, adapted] of (await adapt(own, fresh, batch, { ...INNER, learningRate })).entries()) {
        for (const [name, { data }] of Object.entries(adapted)) {
          data.forEach((x, i) => assert.ok(Math.abs(x - expected[t][name].data[i]) < 1e-14, `${name}[${i}]`));
        }
      }
    }
  }
});

// ------------------------------------------------------------------------------------------ aborts and the event loop

const wide = defineModel(
  { inputs: [{ name: 'x', kind: 'dense', size: 64 }], body: { kind: 'mlp', hidden: [64, 64] }, head: { loss: 'mse' } },
  { threads: 2 },
);
const wideRows = (n: number) => ({
  inputs: { x: Array.from({ length: n }, () => Array.from({ length: 64 }, (_, i) => Math.sin(i))) },
  labels: new Float32Array(n),
});
const wideBatch = packTasks(
  wide,
  Array.from({ length: 400 }, () => ({ support: wideRows(10), query: wideRows(10) })),
);
const long = (signal?: AbortSignal) =>
  metaGradient(wide, wide.initialize(1), wideBatch, { ...INNER, steps: 40, learningRate: 1e-4 }, { signal });
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
  const calls = Array.from({ length: 9 }, () => long(controller.signal));
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

test('parameters may be read and saved while a training step runs', async () => {
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
  assert.ok(reads + failures.length > 0, 'nothing was tried');
});

// ------------------------------------------------------------------------------------------ workers and processes

const worker = (script: string) =>
  new Worker(
    new URL(
      `data:text/javascript,${encodeURIComponent(`${PRELUDE} import { parentPort } from 'node:worker_threads'; ${script}`)}`,
    ),
  );
const ended = (w: Worker) => new Promise<number>((done, fail) => w.on('exit', done).on('error', fail));

test('three workers at once give what the main thread gives', async () => {
  const script = `for (let i = 0; i < 10; i++) await short(); const { gradient } = await il.metaGradient(model, params, batchOf(40), inner(3)); parentPort.postMessage(gradient);`;
  const workers = [1, 2, 3].map(() => worker(script));
  const codes = Promise.all(workers.map(ended));
  const batch = packTasks(
    wide,
    Array.from({ length: 40 }, () => ({ support: wideRows(10), query: wideRows(10) })),
  );
  const own = metaGradient(wide, wide.initialize(1), batch, { ...INNER, steps: 3, learningRate: 1e-4 });
  const results = await Promise.all(
    workers.map((w) => new Promise<Parameters>((done, fail) => w.on('message', done).on('error', fail))),
  );
  for (const gradient of results) identical(gradient, (await own).gradient, 'worker');
  assert.deepEqual(await codes, [0, 0, 0]);
});

/** Runs in a process of its own, so that a crash is a failure of this test only; freed memory is filled with rubbish. */
const terminations = (rounds: number, inWorker: string, whenStarted: string) => `
  import { Worker } from 'node:worker_threads';
  const source = ${JSON.stringify(PRELUDE)} + "import { parentPort } from 'node:worker_threads';" + ${JSON.stringify(inWorker)};
  for (let round = 0; round < ${rounds}; round++) {
    const workers = [1, 2].map(() => new Worker(new URL('data:text/javascript,' + encodeURIComponent(source))));
    await Promise.all(workers.map((w) => new Promise((done, fail) => { w.on('error', fail); w.on('exit', done); w.on('message', async () => { ${whenStarted} }); })));
    await short();
  }
  for (let i = 0; i < 3; i++) await short();
  console.log('done');
`;

test('a worker may be terminated in the middle of a call', async () => {
  process.env['MALLOC_PERTURB_'] = '165';
  try {
    const script = terminations(
      4,
      `for (let i = 0; i < 3; i++) long(); short(); parentPort.postMessage('started'); await long();`,
      `await new Promise((r) => setTimeout(r, 20 * round)); await w.terminate();`,
    );
    assert.deepEqual(child(script), { status: 0, stdout: 'done\n' });
  } finally {
    delete process.env['MALLOC_PERTURB_'];
  }
});

test('a worker may be terminated while calls come back to it', async () => {
  const script = terminations(
    12,
    `parentPort.postMessage('started'); for (;;) await Promise.all([1, 2, 3, 4].map(() => short().catch(() => 0)));`,
    `await new Promise((r) => setTimeout(r, (7 * round) % 30)); await w.terminate();`,
  );
  assert.deepEqual(child(script), { status: 0, stdout: 'done\n' });
});

test('a worker may exit with calls pending', async () => {
  process.env['MALLOC_PERTURB_'] = '165';
  try {
    const script = terminations(
      4,
      `for (let i = 0; i < 3; i++) long().catch(() => 0); short(); setTimeout(() => process.exit(0), 30);`,
      ``,
    );
    assert.deepEqual(child(script), { status: 0, stdout: 'done\n' });
  } finally {
    delete process.env['MALLOC_PERTURB_'];
  }
});

test('a process ends by itself after its calls, and not before', async () => {
  assert.deepEqual(child(`await short(); console.log('awaited');`), { status: 0, stdout: 'awaited\n' });
  assert.deepEqual(child(`short().then(() => short()).then(() => console.log('settled'));`), {
    status: 0,
    stdout: 'settled\n',
  });
  assert.deepEqual(child(`il.runtime(); console.log('idle');`), { status: 0, stdout: 'idle\n' });
});

test('a process may exit in the middle of a call', async () => {
  for (let delay = 0; delay < 60; delay += 15) {
    const { status } = child(`for (let i = 0; i < 4; i++) long(); setTimeout(() => process.exit(7), ${delay});`);
    assert.equal(status, 7);
  }
  assert.equal(child(`short(); long(); process.exit(3);`).status, 3);
});

test('an unhandled rejection of a call ends the process as any other', async () => {
  const { status, signal, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `${PRELUDE} long({ signal: AbortSignal.timeout(10) });`],
    { encoding: 'utf8', timeout: 60_000 },
  );
  assert.deepEqual([status, signal], [1, null]);
  assert.match(stderr, /InnerloopError \[AbortError\]: the operation was aborted/);
});
