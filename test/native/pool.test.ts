/** Brief calls go past long ones, and aborted ones too: counted, in the pool alone and through the library. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'tap';
import { addon } from '../../lib/foundation/addon.js';
import {
  createLearner,
  datasetFromColumns,
  defineModel,
  describeInputs,
  InnerloopError,
  ridge,
  splitTasks,
  train,
} from '../../lib/index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));

const compiler = process.env['CXX'] ?? 'c++';
const skip = spawnSync(compiler, ['--version']).status === 0 ? false : `no ${compiler}`;

test('the pool: every brief driver behind long ones is handed over to a lane', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'innerloop-pool-'));
  try {
    const program = join(folder, 'pool');
    const sources = ['test/native/pool.cc', 'native/runtime/thread_pool.cc'].map((path) => join(root, path));
    const built = spawnSync(compiler, ['-std=c++20', '-O1', '-pthread', ...sources, '-o', program], {
      encoding: 'utf8',
    });
    assert.equal(built.status, 0, built.stderr);
    // Where a driver is not handed over it waits for ever; the limit only ends the test.
    const { status, stdout, signal } = spawnSync(program, { encoding: 'utf8', timeout: 240_000 });
    assert.equal(status, 0, `${stdout}\nended by ${signal}`);
    t.equal(stdout.match(/^ok: /gm)?.length, 6);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** A learner on made-up interactions, whose one layer below the last has `width` units. */
async function learnerOf(width: number) {
  const rows = Array.from({ length: 2000 }, (_, i) => i);
  const dataset = datasetFromColumns({
    user: rows.map((i) => `u${i % 2}`),
    item: rows.map((i) => `i${Math.floor(i / 2)}`),
    label: rows.map((i) => 1 + (i % 5)),
  });
  const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', test: 0, tasks: { min: 4, query: 990 } });
  const model = defineModel({
    inputs: describeInputs(dataset, [{ name: 'item', dim: 4 }], trainRows),
    body: { kind: 'mlp', hidden: [width] },
    head: { loss: 'mse' },
  });
  const learner = createLearner({ model, algorithm: ridge(), seed: 1 });
  for await (const report of train(learner, sets.train, { epochs: 1 })) void report;
  return learner;
}

test('a brief call ends while calls of another learner hold every thread, which an abort then ends', async (t) => {
  const wide = await learnerOf(4096);
  const small = await learnerOf(8);
  const items = Array.from({ length: 1000 }, (_, i) => `i${i}`);
  const support = { items, labels: items.map((_, i) => 1 + (i % 5)) };
  const me = await small.adapt({ items: ['i1', 'i2'], labels: [1, 5] });
  const abort = new AbortController();
  const before = addon().handedOver();
  let ended = 0;
  // More than there are threads, so that some wait: each takes a second of one thread.
  const long = Array.from({ length: 4 * addon().hardwareThreads }, () =>
    wide
      .adapt(support, { signal: abort.signal })
      .finally(() => ended++)
      .catch((error: unknown) => error),
  );
  const brief = 50;
  const waits: number[] = [];
  for (let i = 0; i < brief; i++) {
    const asked = performance.now();
    await me.predict(['i3', 'i4']);
    waits.push(performance.now() - asked);
  }
  waits.sort((a, b) => a - b);
  t.comment(`a brief call took ${waits[brief / 2].toFixed(1)} ms, the longest ${waits[brief - 1].toFixed(1)} ms`);
  const handedOver = addon().handedOver() - before;
  const endedMeanwhile = ended;
  const aborted = performance.now();
  abort.abort();
  const errors = await Promise.all(long);
  t.comment(`the abort took ${(performance.now() - aborted).toFixed(0)} ms`);
  t.comment(
    `${handedOver} of ${brief} brief calls were handed over; ${endedMeanwhile} of ${long.length} long calls had ended`,
  );
  t.ok(endedMeanwhile < long.length, 'brief calls did not wait for all long ones');
  t.ok(handedOver >= brief / 2, 'brief calls were handed over past the long ones');
  t.ok(
    errors.some((error) => error instanceof InnerloopError && error.code === 'ABORTED'),
    'the others end by the abort',
  );
});
