/** Weights of interactions in the losses: recency, inverse propensity, confidence, and a column of the data. */
import { isTyped } from '../foundation/typed-arrays.js';
import { checkDataset } from '../foundation/check-data.js';
import { invalid } from '../foundation/check.js';
import type { Dataset, DenseColumn } from '../foundation/contract.js';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { CONFIDENCE_OPTIONS, POPULARITY_OPTIONS, WEIGHT_OPTIONS } from './options.js';
import type { CountConfidence, PopularityPropensity, RowWeightOptions } from './option-types.js';
import { rawNumbers } from './scaling.js';

export type { CountConfidence, PopularityPropensity, RowWeightOptions };

/**
 * A weight ≥ 0 for each interaction of a dataset, of mean 1 over `rows`:
 *
 *     w ∝ 2^(−(at − t) / halfLife) · 1 / p · c · v,      w ← min(w, clip · mean w),      w ← w / mean w
 *
 * The first factor is exponential forgetting (Ding & Li, "Time weight collaborative filtering", CIKM 2005). The second makes
 * a mean over observed interactions an estimate of the mean over all (Schnabel et al., "Recommendations as treatments:
 * debiasing learning and evaluation", ICML 2016), with a propensity p from a column of yours, or estimated from popularity as
 * p_i = (n_i / max n)^power (Saito et al., "Unbiased recommender learning from missing-not-at-random implicit feedback",
 * WSDM 2020, with power 0.5). Clipping reduces its variance and reintroduces some bias (Bottou et al., "Counterfactual reasoning
 * and learning systems", JMLR 14, 2013).
 *
 * The third is the confidence of a positive row, one with a label above 0: c = 1 + α n or 1 + α ln(1 + n) for a count n (Hu, Koren
 * & Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008); for other rows c = 1. Every loss uses it: under
 * `bpr` and `listwise` it is the weight of a positive together with the negatives drawn for it.
 *
 * The fourth, v, is the option `column`. Columns are dense, of size 1, of the interactions, the items or the users; they are read
 * in the units of the source, even if the model has them standardised. A propensity must be in (0, 1], a weight from a column ≥ 0.
 *
 * ```ts
 * const weights = rowWeights(dataset, { recency: { halfLife: 180 * 86_400 }, propensity: { power: 0.5 }, clip: 10, rows: split.trainRows });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, MISSING_COLUMN; INVALID_DATA for a propensity or weight that is missing
 * or out of range, with its interaction
 */
export function rowWeights(dataset: Dataset, options: RowWeightOptions): Float32Array {
  const given = resolveOptions(options, 'weights', WEIGHT_OPTIONS);
  checkDataset(dataset, 'dataset');
  const {
    recency,
    propensity,
    column,
    confidence,
    clip,
    rows = Int32Array.from({ length: dataset.size }, (_, row) => row),
  } = given;
  if (!isTyped(rows, 'Int32Array') || rows.length === 0 || rows.some((row) => row < 0 || row >= dataset.size)) {
    throw invalid('weights.rows', 'not rows of the dataset', rows, 'an Int32Array of interactions');
  }
  const weights = new Float64Array(dataset.size).fill(1);
  if (recency !== undefined) multiplyRecency(dataset, recency, rows, weights);
  if (propensity !== undefined) {
    if ('column' in propensity) divideByPropensity(dataset, propensity.column, weights);
    else divideByPopularity(dataset, propensity, rows, weights);
  }
  if (column !== undefined) multiplyColumn(dataset, column, weights);
  if (confidence !== undefined) multiplyConfidence(dataset, confidence, weights);
  if (clip !== undefined) {
    const limit = clip * meanOf(weights, rows);
    for (let i = 0; i < weights.length; i++) weights[i] = Math.min(weights[i], limit);
  }
  const mean = meanOf(weights, rows);
  return Float32Array.from(weights, (weight) => weight / mean);
}

function meanOf(weights: Float64Array, rows: Int32Array): number {
  let sum = 0;
  for (const row of rows) sum += weights[row];
  return sum / rows.length;
}

function multiplyRecency(
  { time }: Dataset,
  { halfLife, at }: NonNullable<RowWeightOptions['recency']>,
  rows: Int32Array,
  weights: Float64Array,
): void {
  if (time === undefined)
    throw invalid('weights.recency', 'the dataset has no time', undefined, 'interactions.time mapped to a column');
  let latest = -Infinity;
  for (const row of rows) latest = Math.max(latest, time[row]);
  // An `at` after the latest time would only scale all weights alike, so the latest time is used.
  const now = Math.min(at ?? latest, latest);
  for (let i = 0; i < weights.length; i++) weights[i] *= 2 ** -(Math.max(0, now - time[i]) / halfLife);
}

function multiplyConfidence({ count, label }: Dataset, confidence: CountConfidence, weights: Float64Array): void {
  const { alpha, scale } = resolveOptions(confidence, 'weights.confidence', CONFIDENCE_OPTIONS);
  if (count === undefined)
    throw invalid(
      'weights.confidence',
      'the dataset has no counts',
      undefined,
      "interactions.count mapped to a column, or duplicates: 'sum'",
    );
  for (let i = 0; i < weights.length; i++)
    if (label[i] > 0) weights[i] *= 1 + alpha * (scale === 'log' ? Math.log1p(count[i]) : count[i]);
}

function divideByPopularity(
  dataset: Dataset,
  propensity: PopularityPropensity,
  rows: Int32Array,
  weights: Float64Array,
): void {
  const { of, power } = resolveOptions(propensity, 'weights.propensity', POPULARITY_OPTIONS);
  const ids = dataset[of];
  const count = new Float64Array(of === 'item' ? dataset.items.rows : dataset.users.rows);
  for (const row of rows) count[ids[row]]++;
  const most = count.reduce((a, b) => Math.max(a, b), 1);
  // An item or user without training interactions counts as having one.
  for (let i = 0; i < weights.length; i++) weights[i] *= (most / Math.max(1, count[ids[i]])) ** power;
}

function divideByPropensity(dataset: Dataset, name: string, weights: Float64Array): void {
  const field = 'weights.propensity.column';
  eachNumber(dataset, name, field, (p, i) => {
    if (!(p > 0 && p <= 1)) throw notThere(i, 'propensity', name, field, p, 'numbers > 0 and ≤ 1');
    weights[i] /= p;
  });
}

function multiplyColumn(dataset: Dataset, name: string, weights: Float64Array): void {
  const field = 'weights.column';
  eachNumber(dataset, name, field, (w, i) => {
    if (!(w >= 0 && w < Infinity)) throw notThere(i, 'weight', name, field, w, 'finite numbers ≥ 0');
    weights[i] *= w;
  });
}

const notThere = (i: number, what: string, name: string, field: string, value: number, expected: string) =>
  new InnerloopError('INVALID_DATA', `interaction ${i + 1} has no ${what} in ${JSON.stringify(name)}`, {
    field,
    value: Number.isNaN(value) ? 'a missing value' : value,
    expected,
  });

/** Passes each interaction's value in a dense column of size 1 to `take`, in the units of the source; NaN where it is missing. */
function eachNumber(dataset: Dataset, name: string, field: string, take: (value: number, i: number) => void): void {
  const sides = [
    { table: dataset.context, index: undefined },
    { table: dataset.items, index: dataset.item },
    { table: dataset.users, index: dataset.user },
  ];
  const isNumber = (column: { kind: string }): column is DenseColumn =>
    column.kind === 'dense' && (column as DenseColumn).size === 1;
  for (const { table, index } of sides) {
    const column = table.columns.filter(isNumber).find((each) => each.name === name);
    if (column === undefined) continue;
    const numberOf = rawNumbers(column);
    for (let i = 0; i < dataset.size; i++) take(numberOf(index === undefined ? i : index[i]), i);
    return;
  }
  const names = sides.flatMap(({ table }) => table.columns.filter(isNumber).map((column) => column.name));
  throw new InnerloopError('MISSING_COLUMN', suggesting('no such column of numbers', name, names), {
    field,
    value: name,
    expected: names.length === 0 ? 'a dense column of size 1' : `one of ${names.join(', ')}`,
  });
}
