/** Statistics of items as inputs: of the training rows alone. Ids of few rows, and where embeddings start. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { ridge } from '../../lib/algorithms/registry.js';
import { describeInputs } from '../../lib/batch/features.js';
import { addItemStatistics, datasetFromColumns, ITEM_STATISTICS } from '../../lib/data/index.js';
import { rawNumbers } from '../../lib/data/scaling.js';
import type { Dataset, DenseColumn } from '../../lib/foundation/contract.js';
import { createLearner, defineModel, loadLearner, saveLearner, splitTasks, train } from '../../lib/index.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { refuses } from '../fixtures/typed-errors.js';

const folder = mkdtempSync(join(tmpdir(), 'innerloop-statistics-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const data = () =>
  datasetFromColumns({
    user: ['a', 'a', 'a', 'b', 'b', 'c'],
    item: ['x', 'y', 'z', 'x', 'y', 'x'],
    label: [5, 1, 4, 3, 3, 1],
  });
const column = (dataset: Dataset, name: string) =>
  dataset.items.columns.find((one) => one.name === name) as DenseColumn;
const raw = (dataset: Dataset, name: string) => {
  const of = rawNumbers(column(dataset, name));
  return ['x', 'y', 'z'].map((id) => of(dataset.items.keys.idOf(id)));
};

test('popularity, mean and spread are those of the rows that were given', async () => {
  const dataset = data();
  // The last row is of a test user: it tells nothing.
  addItemStatistics(dataset, Int32Array.of(0, 1, 2, 3, 4));
  assert.deepEqual(raw(dataset, 'item.popularity'), [Math.log1p(2), Math.log1p(2), Math.log1p(1)]);
  assert.deepEqual(raw(dataset, 'item.mean'), [4, 2, 4]);
  assert.deepEqual(raw(dataset, 'item.spread'), [1, 1, NaN]);
  const { data: numbers } = column(dataset, 'item.mean');
  assert.ok(Math.abs(numbers.slice(1).reduce((a, b) => a + b, 0)) < 1e-6, 'standardised');
  assert.equal(column(dataset, 'item.spread').data[dataset.items.keys.idOf('z')], 0, 'a missing one is the mean');
  addItemStatistics(dataset, Int32Array.of(5));
  assert.equal(dataset.items.columns.length, ITEM_STATISTICS.length, 'replaced');
  assert.deepEqual(raw(dataset, 'item.mean'), [1, NaN, NaN]);
  refuses(() => addItemStatistics(dataset, Int32Array.of(6)), 'INVALID_OPTION', /rows/);
  refuses(() => addItemStatistics({} as Dataset, Int32Array.of(0)), 'INVALID_OPTION', /dataset/);
});

test('a model reads them, and its file keeps them', async () => {
  const rows = Array.from({ length: 240 }, (_, i) => i);
  const dataset = datasetFromColumns({
    user: rows.map((i) => `u${Math.floor(i / 12)}`),
    item: rows.map((i) => `i${(7 * i) % 30}`),
    label: rows.map((i) => 1 + ((7 * i) % 30) / 8 + (i % 2)),
  });
  const split = splitTasks(dataset, { protocol: 'users', seed: 1, test: 0.3, tasks: { min: 6, query: 4 } });
  addItemStatistics(dataset, split.trainRows);
  const inputs = describeInputs(dataset, [{ name: 'item.mean' }, { name: 'item.popularity' }], split.trainRows);
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [4] }, head: { loss: 'mse' } });
  const learner = createLearner({ model, algorithm: ridge(), seed: 1 });
  for await (const _ of train(learner, split.sets['train'], { epochs: 2 })) void _;
  const support = { items: ['i1', 'i2'], labels: [2, 3] };
  const scores = await (await learner.adapt(support)).predict(['i3', 'i29']);
  assert.notEqual(scores[0], scores[1], 'nothing but the statistics tells items apart');
  const file = join(folder, 'model.safetensors');
  await saveLearner(learner, file);
  assert.deepEqual(await (await (await loadLearner(file)).adapt(support)).predict(['i3', 'i29']), scores);
});

test('ids in few rows are unknown, and embeddings start where init says', async () => {
  const dataset = data();
  const all = Int32Array.of(0, 1, 2, 3, 4, 5);
  const vocabulary = (minCount: number) => {
    const [input] = describeInputs(dataset, [{ name: 'item', dim: 2, minCount }], all);
    return input.kind === 'categorical' ? input.vocabulary : undefined;
  };
  assert.deepEqual(vocabulary(1), ['', 'x', 'y', 'z']);
  assert.deepEqual(vocabulary(2), ['', 'x', 'y']);
  assert.deepEqual(vocabulary(3), ['', 'x']);
  const spread = (init: number | undefined) => {
    const inputs = describeInputs(dataset, [{ name: 'item', dim: 4000, ...(init !== undefined && { init }) }], all);
    const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [2] }, head: { loss: 'mse' } });
    const { data: values } = model.initialize(1)['embedding.item.weight'];
    return Math.sqrt(Float64Array.from(values).reduce((sum, value) => sum + value * value, 0) / values.length);
  };
  assert.ok(Math.abs(spread(undefined) - 0.1) < 0.003);
  assert.ok(Math.abs(spread(0.01) - 0.01) < 0.0003);
  assert.equal(spread(0), 0);
  refuses(() => describeInputs(dataset, [{ name: 'item', dim: 2, minCount: 0 }], all), 'INVALID_OPTION', /minCount/);
  refuses(() => describeInputs(dataset, [{ name: 'item', dim: 2, init: -1 }], all), 'INVALID_OPTION', /init/);
  addItemStatistics(dataset, all);
  refuses(() => describeInputs(dataset, [{ name: 'item.mean', minCount: 2 }], all), 'INVALID_OPTION', /minCount/);
  refuses(() => describeInputs(dataset, [{ name: 'item.mean', init: 0.1 }], all), 'INVALID_OPTION', /init/);
});
