/** Every epoch trains on a division of its own of each task's rows, the one that `redrawQuery` draws for it. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { redrawQuery } from '../../lib/tasks/index.js';
import { distance } from '../fixtures/random-model.js';
import { learnerOf, make, ratings, run } from '../fixtures/family.js';

const EPOCHS = 3;
const build = () => learnerOf(make('maml'), { at: ratings });

test('training with redraw is training on the redrawn tasks, epoch by epoch', async () => {
  const redrawn = build();
  const { seed } = redrawn;
  await run(redrawn, ratings.train, { epochs: EPOCHS, redraw: true });
  const step = build();
  for (let epoch = 1; epoch <= EPOCHS; epoch++)
    await run(step, redrawQuery(ratings.train, seed, epoch), { epochs: 1, redraw: false });
  assert.equal(distance(redrawn.parameters(), step.parameters()), 0);

  // And not on the division of the first epoch again and again.
  const same = build();
  for (let epoch = 1; epoch <= EPOCHS; epoch++)
    await run(same, redrawQuery(ratings.train, seed, 1), { epochs: 1, redraw: false });
  assert.ok(distance(redrawn.parameters(), same.parameters()) > 1e-6);
});
