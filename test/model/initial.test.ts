/** Initial values of tables: the core draws what `Random` draws, however many threads and calls there are, and off the event loop. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml } from '../../lib/algorithms/maml.js';
import { random } from '../../lib/foundation/random.js';
import { createLearner, createLearnerAsync } from '../../lib/learner/learner.js';
import { drawTables } from '../../lib/model/initial.js';
import { defineModel } from '../../lib/model/model.js';
import type { FloatArray, Precision } from '../../lib/foundation/contract.js';
import { refuses, rejects } from '../fixtures/typed-errors.js';

const SEED = 2 ** 40 + 5;
const modelOf = (rows: number, dim: number, threads = 2, precision: Precision = 'float32') =>
  defineModel(
    {
      inputs: [
        { name: 'item', kind: 'categorical', cardinality: rows, dim },
        { name: 'tags', kind: 'bag', cardinality: 9, dim: 3 },
      ],
      body: { kind: 'mlp', hidden: [3] },
      head: { loss: 'mse' },
    },
    { threads, precision },
  );
/** By the definition, one number after the other. */
function reference(data: FloatArray, name: string): FloatArray {
  const stream = random(SEED, `initialize.${name}`);
  return data.map(() => 0.1 * stream.normal());
}

for (const precision of ['float32', 'float64'] as const)
  test(`${precision}: tables are the stream of their names, bit for bit`, async () => {
    // One number, odd numbers of them, several chunks, and more than one call draws.
    const sizes: [number, number][] = [
      [1, 1],
      [5, 3],
      [9001, 7],
      [700_001, 7],
    ];
    for (const [rows, dim] of precision === 'float64' ? sizes.slice(0, 3) : sizes) {
      const model = modelOf(rows, dim, 2, precision);
      const parameters = model.initialize(SEED);
      for (const name of ['embedding.item.weight', 'embedding.tags.weight'])
        assert.deepEqual(parameters[name].data, reference(parameters[name].data, name), `${rows} × ${dim}`);
      const options = { model, algorithm: maml(), seed: SEED };
      assert.deepEqual(createLearner(options).parameters(), parameters, 'at once');
      assert.deepEqual((await createLearnerAsync(options)).parameters(), parameters, 'off the event loop');
      for (const threads of [1, 5]) {
        const other = { ...options, model: modelOf(rows, dim, threads, precision) };
        assert.deepEqual(createLearner(other).parameters(), parameters, `${threads} threads`);
      }
    }
  });

test('the event loop goes on meanwhile, progress is told, and a signal ends it', async () => {
  const model = modelOf(1_000_000, 16);
  const options = { model, algorithm: maml(), seed: 1 };
  let turns = 0;
  let isDone = false;
  const turn = () => {
    turns++;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const told: number[] = [];
  await createLearnerAsync(options, { onProgress: (share) => void told.push(share) });
  isDone = true;
  assert.ok(turns > 100, `${turns} turns`);
  assert.ok(told.length > 2);
  assert.deepEqual(
    told,
    [...told].sort((a, b) => a - b),
  );
  assert.equal(told.at(-1), 1);

  const stop = new AbortController();
  let calls = 0;
  const onProgress = () => void (++calls === 1 && stop.abort());
  await rejects(createLearnerAsync(options, { signal: stop.signal, onProgress }), 'ABORTED');
  assert.equal(calls, 1);
  await rejects(createLearnerAsync(options, { signal: stop.signal }), 'ABORTED');
});

test('what is no option is refused, and given parameters are taken as they are', async () => {
  const model = modelOf(10, 2);
  const options = { model, algorithm: maml() };
  await rejects(createLearnerAsync(options, { other: 1 } as never), 'UNKNOWN_OPTION');
  await rejects(createLearnerAsync(options, { onProgress: 1 } as never), 'INVALID_OPTION', /options\.onProgress/);
  await rejects(createLearnerAsync({ ...options, seed: -1 }), 'INVALID_OPTION', /learner\.seed/);
  refuses(() => createLearner({ ...options, seed: -1 }), 'INVALID_OPTION', /learner\.seed/);
  const parameters = model.initialize(7);
  assert.deepEqual((await createLearnerAsync({ ...options, parameters })).parameters(), parameters);
});

test('a store that has values is drawn anew as a fresh one is', async () => {
  const { store, model } = createLearner({ model: modelOf(1000, 16), algorithm: maml() });
  await drawTables(model, store, 2, {});
  assert.deepEqual(model.read(store)['embedding.item.weight'], model.initialize(2)['embedding.item.weight']);
});
