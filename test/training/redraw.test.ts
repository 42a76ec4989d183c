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

test('sizes of support sets are drawn log-uniformly, from each task’s rows alone', async () => {
  const { train } = ratings;
  const rowsOf = (tasks: typeof train, t: number) =>
    [
      ...tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]),
      ...tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]),
    ].sort((a, b) => a - b);
  const counts = new Map<number, number>();
  const DRAWS = 400;
  for (let epoch = 1; epoch <= DRAWS; epoch++) {
    const drawn = redrawQuery(train, 7, epoch, { min: 1, fraction: 0.5 });
    for (let t = 0; t < train.size; t++) {
      const all = rowsOf(train, t);
      const support = drawn.supportOffsets[t + 1] - drawn.supportOffsets[t];
      assert.deepEqual(rowsOf(drawn, t), all);
      assert.ok(support >= 1 && support <= Math.max(1, Math.floor(all.length / 2)), `${support} of ${all.length}`);
      if (t === 0) counts.set(support, (counts.get(support) ?? 0) + 1);
    }
  }
  // Of the first task: chi-square against p ∝ 1 / s, at 0.999.
  const most = Math.floor(rowsOf(train, 0).length / 2);
  assert.ok(most >= 3, 'a task of several sizes');
  const total = Array.from({ length: most }, (_, s) => 1 / (s + 1)).reduce((a, b) => a + b, 0);
  let chi2 = 0;
  for (let s = 1; s <= most; s++) {
    const expected = DRAWS / s / total;
    chi2 += ((counts.get(s) ?? 0) - expected) ** 2 / expected;
  }
  const degrees = most - 1;
  assert.ok(chi2 < degrees + 4 * Math.sqrt(2 * degrees) + 4, `chi-square ${chi2} of ${degrees} degrees`);

  const none = redrawQuery(train, 7, 1, { min: 0, fraction: 0.5 });
  const sizes = Array.from({ length: train.size }, (_, t) => none.supportOffsets[t + 1] - none.supportOffsets[t]);
  assert.ok(sizes.includes(0) && sizes.some((size) => size > 1), sizes.join(' '));
});

test('training with supportSize is training on tasks of the sizes that are drawn; fixed tasks refuse it', async () => {
  const supportSize = { min: 1, fraction: 0.6 };
  const mixed = build();
  const { seed } = mixed;
  await run(mixed, ratings.train, { epochs: EPOCHS, supportSize });
  const step = build();
  for (let epoch = 1; epoch <= EPOCHS; epoch++)
    await run(step, redrawQuery(ratings.train, seed, epoch, supportSize), { epochs: 1, redraw: false });
  assert.equal(distance(mixed.parameters(), step.parameters()), 0);

  const refused = { code: 'INVALID_OPTION', field: 'train.supportSize' };
  await assert.rejects(run(build(), ratings.train, { epochs: 1, supportSize, redraw: false }), refused);
  await assert.rejects(run(build(), ratings.train, { epochs: 1, supportSize: { fraction: 1 } }), {
    code: 'INVALID_OPTION',
    field: 'train.supportSize.fraction',
  });
});
