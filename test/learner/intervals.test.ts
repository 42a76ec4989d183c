/** Intervals of `ridge` on the bundled ratings: they hold as many ratings of new users as they say. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import { fit } from '../../lib/index.js';
import type { TaskSet } from '../../lib/index.js';

/** 0.975 quantile of the normal distribution. */
const Z = 1.959964;

test('95 % intervals of ridge hold 93 to 97 % of the ratings of users who were neither trained nor validated on', async (t) => {
  const folder = join(packageRoot(), 'data', 'ml-latest-small');
  const source = {
    interactions: { from: join(folder, 'ratings.csv'), user: 'userId', item: 'movieId', label: 'rating' },
    items: { from: join(folder, 'movies.csv'), id: 'movieId', features: [{ name: 'genres', kind: 'bag' as const }] },
  };
  const { learner, dataset, split } = await fit(source, { seed: 1, baselines: false });
  const held = async (tasks: TaskSet) => {
    const { mean, variance } = await learner.uncertainty(tasks);
    const inside = mean.filter(
      (value, i) => Math.abs(dataset.label[tasks.queryRows[i]] - value) <= Z * Math.sqrt(variance[i]),
    );
    return inside.length / mean.length;
  };
  const share = await held(split.sets['test']);
  assert.ok(share >= 0.93 && share <= 0.97, `${share} with the noise of validation users`);
  // What training users would have given.
  await learner.estimateNoise(split.sets['train']);
  const narrow = await held(split.sets['test']);
  assert.ok(narrow < 0.92, `${narrow} with the noise of training users`);
  t.comment(
    `on MovieLens 95 % intervals of ridge hold ${share.toFixed(3)} of new users' ratings, by the noise of training users ${narrow.toFixed(3)}`,
  );
});
