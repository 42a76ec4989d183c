/** Memory of serving: flat in a loop that never lets the event loop run, known to V8, and freed by dispose. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml } from '../../lib/algorithms/registry.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import '../../lib/serving/adapt.js';

const MB = 2 ** 20;

async function wide(hidden: number[]) {
  const data = datasetFromColumns({ user: ['a', 'a', 'b', 'b'], item: ['x', 'y', 'x', 'y'], label: [1, 2, 2, 1] });
  const rows = Int32Array.from({ length: data.size }, (_, r) => r);
  const inputs = describeInputs(data, [{ name: 'item', dim: 16 }], rows);
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden }, head: { loss: 'mse' } }, { threads: 1 });
  const learner = createLearner({ model, algorithm: maml({ steps: 1 }) });
  for await (const _ of train(learner, buildTasks(data, { query: 1 }), { epochs: 1 })) void _;
  return learner;
}

test('adapting and predicting at once in a loop takes no more and more memory', async (t) => {
  const learner = await wide([128, 128]);
  const round = (n: number) => {
    for (let i = 0; i < n; i++) learner.adaptSync({ items: ['x'], labels: [1] }).predictSync(['x', 'y']);
  };
  round(1000);
  const before = process.memoryUsage.rss();
  round(4000);
  // 76 kB of parameters each: 300 MB if none of them were freed.
  const grown = (process.memoryUsage.rss() - before) / MB;
  t.comment(`grown by ${Math.round(grown)} MB`);
  assert.ok(grown < 60, `grown by ${grown} MB`);
});

/** Learners of 17 MB of native memory, and next to none of JavaScript's. */
const HEAVY = 17 * MB;
function maker() {
  const model = defineModel(
    {
      inputs: [{ name: 'x', kind: 'dense', size: 16 }],
      body: { kind: 'mlp', hidden: [2048, 2048] },
      head: { loss: 'mse' },
    },
    { threads: 1 },
  );
  const parameters = model.initialize(1);
  return () => createLearner({ model, algorithm: maml({ steps: 1 }), parameters });
}

test('learners that are dropped are collected, because V8 knows what they hold', async (t) => {
  const make = maker();
  const before = process.memoryUsage.rss();
  let most = 0;
  for (let i = 0; i < 40; i++) {
    make();
    await new Promise((done) => setImmediate(done));
    most = Math.max(most, process.memoryUsage.rss() - before);
  }
  t.comment(`at most ${Math.round(most / MB)} MB of ${Math.round((40 * HEAVY) / MB)}`);
  assert.ok(most < 15 * HEAVY, `${most / MB} MB`);
});

test('dispose frees at once: no turn of the event loop is needed', async (t) => {
  const make = maker();
  // The first ones settle how much of what is freed the C library keeps for itself.
  for (let i = 0; i < 10; i++) make().dispose();
  const before = process.memoryUsage.rss();
  for (let i = 0; i < 40; i++) make().dispose();
  const grown = process.memoryUsage.rss() - before;
  t.comment(`grown by ${Math.round(grown / MB)} MB`);
  assert.ok(grown < 6 * HEAVY, `grown by ${grown / MB} MB`);
});
