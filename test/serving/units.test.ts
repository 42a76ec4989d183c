/** Numbers of items in lists are those of the source: what filters compare, and what columns show. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import '../../lib/learner/additions.js';
import '../../lib/serving/adapt.js';
import { ridge } from '../../lib/algorithms/registry.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { path, run } from '../fixtures/family.js';

const ITEMS = 30;
/** That of every seventh item is not known. */
const price = (i: number) => (i % 7 === 3 ? NaN : 9.99 + 1000 * i);
const ids = Array.from({ length: ITEMS }, (_, i) => `i${i}`);

async function learnerOf(): Promise<Learner> {
  const [user, item, label]: [string[], string[], number[]] = [[], [], []];
  for (let u = 0; u < 12; u++)
    for (let i = u % 2; i < ITEMS; i += 2) (user.push(`u${u}`), item.push(ids[i]), label.push(1 + ((u * i) % 5)));
  const dataset = datasetFromColumns({
    user,
    item,
    label,
    itemFeatures: {
      id: ids,
      features: {
        price: { kind: 'dense', values: ids.map((_, i) => price(i)) },
        pages: { kind: 'dense', values: ids.map((_, i) => (price(i) > 0 ? i : NaN)), standardize: false },
        place: { kind: 'dense', values: ids.map((_, i) => [100 + i, -i]) },
      },
    },
  });
  const rows = Int32Array.from({ length: dataset.size }, (_, row) => row);
  const inputs = describeInputs(dataset, [{ name: 'item', dim: 3 }, { name: 'price' }], rows);
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [4] }, head: { loss: 'mse' } });
  const learner = createLearner({ model, algorithm: ridge() });
  await run(learner, buildTasks(dataset, { query: 4 }), { epochs: 1 });
  return learner;
}

const among = async (learner: Learner, filter: object) => {
  const me = await learner.adapt({ items: [], labels: [] });
  const list = await me.recommend({ count: 2 * ITEMS, minSupport: 0, filter: filter as never });
  return list.map(({ item }) => item).sort();
};
const where = (condition: (price: number, i: number) => boolean) => ids.filter((_, i) => condition(price(i), i)).sort();

test('a filter on a number is in the units of the source, after a file and with items that were added too', async () => {
  const learner = await learnerOf();
  const file = path();
  await saveLearner(learner, file);
  for (const one of [learner, await loadLearner(file)]) {
    assert.deepEqual(
      await among(one, { price: { max: 5009.99 } }),
      where((p) => p <= 5009.99),
    );
    assert.deepEqual(
      await among(one, { price: { min: 5009.99, max: 8000 } }),
      where((p) => p >= 5009.99 && p <= 8000),
    );
    // Of what is missing nothing is known, whether it stands for the mean or for 0.
    assert.deepEqual(
      await among(one, { price: {} }),
      where((p) => p > 0),
    );
    assert.deepEqual(
      await among(one, { pages: { max: 3 } }),
      where((p, i) => p > 0 && i <= 3),
    );
    assert.deepEqual(await among(one, ({ price: p }: { price?: number }) => p === 2009.99), ['i2']);
    const me = await one.adapt({ items: [], labels: [] });
    const list = await me.recommend({ count: ITEMS, minSupport: 0, columns: ['price', 'pages', 'place'] });
    assert.equal(list.length, ITEMS);
    for (const { item, columns } of list) {
      const i = ids.indexOf(item);
      assert.equal(columns!['price'], Number.isNaN(price(i)) ? undefined : price(i));
      assert.equal(columns!['pages'], Number.isNaN(price(i)) ? undefined : i);
      (columns!['place'] as number[]).forEach((x, c) => assert.ok(Math.abs(x - [100 + i, -i][c]) < 1e-4));
    }
    one.addItems({ id: ['new', 'bare'], features: { price: { kind: 'dense', values: [123.45, NaN] } } });
    assert.deepEqual(await among(one, { price: { max: 123.45 } }), ['i0', 'new']);
    const again = path();
    await saveLearner(one, again);
    assert.deepEqual(await among(await loadLearner(again), { price: { max: 1009.99 } }), ['i0', 'i1', 'new']);
  }
});
