/** What a table says of a learner: that it is only like its paper's method, and that implicit MAML missed its minimum. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { imaml, lwa, mamo, maml } from '../../lib/algorithms/registry.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import type { Algorithm, HeadSpec } from '../../lib/index.js';
import { splitTasks } from '../../lib/tasks/index.js';
import { catalogData, servedLearner } from '../fixtures/catalog.js';

async function measured(algorithm: Algorithm, head: HeadSpec = { loss: 'mse' }) {
  const learner = await servedLearner({ algorithm, head });
  const options = { protocol: 'users', seed: 1, test: 0.5, tasks: { min: 8, query: 4 } } as const;
  const { table, methods } = await evaluate(learner, splitTasks(catalogData(head.loss), options).sets.test);
  const missed = (table.notes ?? []).filter((note) => note.includes('inner minimum'));
  return { missed, names: methods.map(({ method }) => method) };
}

test('a minimum that the inner steps miss is reported, one that they reach is not', async () => {
  const few = await measured(imaml({ steps: 2, learningRate: 0.01, lambda: 0.1 }));
  assert.equal(few.missed.length, 1);
  assert.match(few.missed[0], /^imaml: 2 steps miss the inner minimum.*with 4 the predictions move on by \d+ %/);
  const many = await measured(imaml({ steps: 300, learningRate: 0.2, lambda: 2 }));
  assert.deepEqual(many.missed, []);
  assert.deepEqual((await measured(maml({ steps: 2, learningRate: 0.01 }))).missed, [], 'MAML needs none');
});

test('what is not the method of its paper says so in its name', async () => {
  assert.deepEqual((await measured(mamo())).names, ['mamo-like, not adapted', 'mamo-like']);
  assert.deepEqual((await measured(maml())).names, ['maml, not adapted', 'maml']);
  assert.deepEqual((await measured(lwa())).names, ['lwa-like, not adapted', 'lwa-like'], 'of ratings');
  assert.deepEqual((await measured(lwa(), { loss: 'bce' })).names, ['lwa, not adapted', 'lwa'], 'of classes');
});
