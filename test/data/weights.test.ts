/** Row weights: recency, inverse propensity, clipping, and what they must not look at. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { datasetFromColumns, rowWeights } from '../../lib/data/index.js';
import type { RowWeightOptions } from '../../lib/data/index.js';
import { throws } from '../fixtures/interactions.js';

const DAY = 86_400;
const dataset = datasetFromColumns({
  user: ['a', 'a', 'a', 'b', 'b', 'c'],
  item: ['x', 'y', 'z', 'x', 'y', 'x'],
  label: [1, 2, 3, 4, 5, 1],
  time: [0, 10 * DAY, 20 * DAY, 5 * DAY, 20 * DAY, 30 * DAY],
  features: {
    p: { kind: 'dense', values: [0.5, 1, 0.25, 0.125, 1, 0.5], standardize: false },
    standard: { kind: 'dense', values: [1, 2, 3, 4, 5, 6] },
  },
  itemFeatures: { id: ['x', 'y'], features: { exposed: { kind: 'dense', values: [0.5, 0.25], standardize: false } } },
});

/** Weights in proportion to `expected`, of mean 1 over `rows`. */
function check(options: RowWeightOptions, expected: number[]): void {
  const weights = rowWeights(dataset, options);
  const rows = options.rows ?? Int32Array.from(expected, (_, row) => row);
  const mean = rows.reduce((sum, row) => sum + expected[row], 0) / rows.length;
  assert.ok(weights instanceof Float32Array && weights.length === dataset.size);
  expected.forEach((value, row) =>
    assert.ok(Math.abs(weights[row] - value / mean) < 1e-6, `row ${row}: ${weights[row]} is not ${value / mean}`),
  );
}

test('recency: a half-life halves, from the latest time or an earlier one', async () => {
  check({}, [1, 1, 1, 1, 1, 1]);
  check({ recency: { halfLife: 10 * DAY } }, [1 / 8, 1 / 4, 1 / 2, 2 ** -2.5, 1 / 2, 1]);
  check({ recency: { halfLife: 10 * DAY, at: 20 * DAY } }, [1 / 4, 1 / 2, 1, 2 ** -1.5, 1, 1]);
  // A later moment scales all alike; even one from which everything would underflow.
  check({ recency: { halfLife: 10 * DAY, at: 1e12 } }, [1 / 8, 1 / 4, 1 / 2, 2 ** -2.5, 1 / 2, 1]);
});

test('propensity: popularity with a power, of items or users, or a column', async () => {
  check({ propensity: {} }, [1, 1.5 ** 0.5, 3 ** 0.5, 1, 1.5 ** 0.5, 1]);
  check({ propensity: { power: 1 } }, [1, 1.5, 3, 1, 1.5, 1]);
  check({ propensity: { power: 0 } }, [1, 1, 1, 1, 1, 1]);
  check({ propensity: { of: 'user', power: 1 } }, [1, 1, 1, 1.5, 1.5, 3]);
  check({ propensity: { column: 'p' } }, [2, 1, 4, 8, 1, 2]);
  check({ propensity: { column: 'p' }, recency: { halfLife: 10 * DAY } }, [
    2 / 8,
    1 / 4,
    4 / 2,
    8 * 2 ** -2.5,
    1 / 2,
    2,
  ]);
});

test('confidence: counts, linear or by their logarithm, of positive rows', async () => {
  const counted = datasetFromColumns({ user: [1, 1, 2], item: [1, 2, 1], label: [1, 1, 0], count: [1, 9, 5] });
  const weights = (confidence: object): number[] => {
    const w = rowWeights(counted, { confidence });
    return Array.from(w, (each) => each / w[2]);
  };
  const near = (a: number[], b: number[]) =>
    a.forEach((x, k) => assert.ok(Math.abs(x - b[k]) < 1e-5, `${a} is not ${b}`));
  near(weights({}), [1 + Math.log(2), 1 + Math.log(10), 1]);
  near(weights({ alpha: 40, scale: 'linear' }), [41, 361, 1]);
  near(weights({ alpha: 0 }), [1, 1, 1]);
  throws(() => rowWeights(dataset, { confidence: {} }), 'INVALID_OPTION', /interactions\.count/, /duplicates: 'sum'/);
  throws(() => rowWeights(counted, { confidence: { scale: 'root' } as never }), 'INVALID_OPTION', /confidence\.scale/);
});

test('a column of weights counts as it is in the data, standardised for the model or not', async () => {
  check({ column: 'standard' }, [1, 2, 3, 4, 5, 6]);
  check({ column: 'p', propensity: { column: 'p' } }, [1, 1, 1, 1, 1, 1]);
  check({ column: 'standard', rows: Int32Array.of(0, 1), clip: 2 }, [1, 2, 3, 3, 3, 3]);
  const told = datasetFromColumns({
    user: ['a', 'a', 'b'],
    item: ['x', 'y', 'x'],
    label: [1, 2, 3],
    features: { trust: { kind: 'dense', values: [0, -1, 1] } },
    userFeatures: { id: ['a', 'b'], features: { level: { kind: 'dense', values: [2, 6] } } },
  });
  assert.deepEqual(rowWeights(told, { column: 'level' }), Float32Array.of(0.6, 0.6, 1.8));
  throws(() => rowWeights(told, { column: 'trust' }), 'INVALID_DATA', /interaction 2 /, /got -1/, /≥ 0/);
});

test('only the rows given decide: popularity, latest time and mean', async () => {
  const rows = Int32Array.of(0, 1, 2, 3);
  check({ propensity: { power: 1 }, rows }, [1, 2, 2, 1, 2, 1]);
  check({ recency: { halfLife: 10 * DAY }, rows }, [1 / 4, 1 / 2, 1, 2 ** -1.5, 1, 1]);
  check({ propensity: { power: 1 }, rows: Int32Array.of(0, 1) }, [1, 1, 1, 1, 1, 1]);
});

test('clip: nothing above so many times the mean, the rest as it was', async () => {
  check({ propensity: { column: 'p' }, clip: 2 }, [2, 1, 4, 6, 1, 2]);
  check({ propensity: { column: 'p' }, clip: 100 }, [2, 1, 4, 8, 1, 2]);
});

test('bad options are refused by name', async () => {
  const weigh = (options: object) => () => rowWeights(dataset, options);
  throws(weigh({ recensy: {} }), 'UNKNOWN_OPTION', /did you mean recency\?/);
  throws(weigh({ recency: { halfLife: 0 } }), 'INVALID_OPTION', /weights\.recency\.halfLife/);
  throws(weigh({ recency: {} }), 'INVALID_OPTION', /weights\.recency\.halfLife/);
  throws(weigh({ propensity: { of: 'items' } }), 'INVALID_OPTION', /did you mean item\?/);
  throws(weigh({ propensity: { power: -1 } }), 'INVALID_OPTION', /weights\.propensity\.power/);
  throws(weigh({ propensity: { column: 'p', power: 1 } }), 'UNKNOWN_OPTION', /power/);
  throws(weigh({ propensity: { column: 'exposd' } }), 'MISSING_COLUMN', /did you mean exposed\?/);
  throws(weigh({ propensity: { column: 'exposed' } }), 'INVALID_DATA', /interaction 3 /, /missing value/);
  throws(weigh({ column: 'exposed' }), 'INVALID_DATA', /weights\.column/, /interaction 3 /, /missing value/);
  throws(weigh({ column: 'standart' }), 'MISSING_COLUMN', /did you mean standard\?/);
  throws(weigh({ column: 3 }), 'INVALID_OPTION', /weights\.column/);
  throws(weigh({ propensity: { column: 'standard' } }), 'INVALID_DATA', /interaction 2 /, /got 2/);
  throws(weigh({ clip: 0.5 }), 'INVALID_OPTION', /weights\.clip/);
  throws(weigh({ rows: Int32Array.of(6) }), 'INVALID_OPTION', /weights\.rows/);
  throws(weigh({ rows: [0] }), 'INVALID_OPTION', /weights\.rows/);
  const timeless = datasetFromColumns({ user: ['a'], item: ['x'], label: [1] });
  throws(() => rowWeights(timeless, { recency: { halfLife: 1 } }), 'INVALID_OPTION', /has no time/);
});
