/** Worker threads and processes that end in the middle of calls. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'tap';
import { Worker } from 'node:worker_threads';
import type { Parameters } from '../../lib/foundation/contract.js';
import { packTasks } from '../../lib/batch/batch.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { identical } from '../fixtures/random-model.js';
import { INNER, wide, wideRows } from '../fixtures/concurrency.js';

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
