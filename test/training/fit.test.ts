import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml } from '../../lib/algorithms/maml.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import type { Dataset } from '../../lib/foundation/contract.js';
import { random } from '../../lib/foundation/random.js';
import '../../lib/serving/adapt.js';
import { fit } from '../../lib/training/fit.js';
import { rejects } from '../fixtures/interactions.js';

/** Every user likes one of two kinds of items: what an adapted model knows and a mean does not. */
function tastes(label: (liked: boolean, noise: number) => number): Dataset {
  const stream = random(3, 'test.fit');
  const rows = { user: [] as string[], item: [] as string[], label: [] as number[] };
  for (let u = 0; u < 60; u++) {
    for (let i = 0; i < 24; i++) {
      rows.user.push(`u${u}`);
      rows.item.push(`i${i}`);
      rows.label.push(label((u + i) % 2 === 0, stream.normal()));
    }
  }
  return datasetFromColumns(rows);
}

test('fit: ratings, from a dataset to a table and a personal model', async () => {
  const dataset = tastes((liked, noise) => (liked ? 4 : 2) + 0.2 * noise);
  const losses: number[] = [];
  const { learner, evaluation, table, split } = await fit(dataset, {
    seed: 1,
    epochs: 20,
    onEpoch: ({ loss }) => losses.push(loss),
  });
  assert.equal(losses.length, 20);
  assert.equal(learner.algorithm.name, 'ridge');
  const [before, after] = evaluation.methods.slice(0, 2).map(({ metrics }) => metrics['mae'].mean);
  assert.ok(after < 0.5 && after < before, `${after} after adaptation, ${before} before`);
  const mean = evaluation.methods.find(({ method }) => method === 'global mean')!;
  assert.ok(after < mean.metrics['mae'].mean);
  assert.match(table, /ridge .*\n/);
  assert.deepEqual(Object.keys(split.sets).sort(), ['test', 'train', 'validation']);
  const me = await learner.adapt({ items: ['i0', 'i1', 'i2', 'i3'], labels: [4, 2, 4, 2] });
  const [liked, other] = await me.predict(['i10', 'i11']);
  assert.ok(liked > other);
});

test('fit: clicks, another algorithm, a learner of one’s own', async () => {
  const clicks = tastes((liked, noise) => Number(liked ? noise > -1.5 : noise > 1.5));
  const { learner, evaluation } = await fit(clicks, { epochs: 4 });
  assert.equal(learner.algorithm.name, 'laplace');
  assert.ok('logloss' in evaluation.methods[1].metrics);
  const other = await fit(clicks, { epochs: 1, learner: maml({ steps: 1 }) });
  assert.equal(other.learner.algorithm.name, 'maml');
  const same = await fit(clicks, { epochs: 1, learner: () => other.learner });
  assert.equal(same.learner, other.learner);
});

test('fit: purchases, of which nobody said how much, are ranked in the whole catalogue by bpr', async () => {
  const user: string[] = [];
  const item: string[] = [];
  for (let u = 0; u < 60; u++)
    for (let i = 0; i < 24; i++)
      if ((u + i) % 2 === 0 && (u * 7 + i * 5) % 3 > 0) {
        user.push(`u${u}`);
        item.push(`i${i}`);
      }
  const { learner, evaluation } = await fit(datasetFromColumns({ user, item }), { epochs: 10, seed: 1 });
  assert.deepEqual([learner.algorithm.name, learner.model.spec.head.loss], ['maml', 'bpr']);
  const [before, after] = evaluation.methods.map(({ metrics }) => metrics['ndcg@10'].mean);
  const popularity = evaluation.methods.find(({ method }) => method === 'popularity')!.metrics['ndcg@10'].mean;
  assert.ok(after > before && after > popularity, `${after} after, ${before} before, ${popularity} by popularity`);
});

test('fit: what it cannot do is said before any work', async () => {
  await rejects(fit(tastes(() => 3)), 'UNSUPPORTED', /every label is the same/, /no label at all/);
  const dataset = tastes((liked) => (liked ? 4 : 2));
  await rejects(fit(dataset, { seeds: 1 } as object), 'UNKNOWN_OPTION', /did you mean seed/);
  await rejects(fit(dataset, { learner: 'ridge' } as object), 'INVALID_OPTION', /fit\.learner/, /ridge\(\)/);
});
