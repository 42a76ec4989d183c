import { checkDataset, checkRowsOf } from '../foundation/check-data.js';
import { isTyped } from '../foundation/typed-arrays.js';
import { itemCounts } from '../baselines/baseline.js';
import { checkObject, invalid } from '../foundation/check.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { COUNTERFACTUAL_OPTIONS, POLICY_OPTIONS, PROPENSITY_OPTIONS } from './analysis-options.js';
import type { CounterfactualOptions, PolicyOptions, PropensityOptions } from './analysis-option-types.js';
import { studentT } from './intervals.js';
import type { Interval } from './intervals.js';
import { checkLists } from './lists.js';
import type { RankedLists } from './lists.js';

export type { CounterfactualOptions, PolicyOptions, PropensityOptions };

/**
 * Logged rows from which the value of another policy is estimated. In row i, with context x_i, the logging policy took action a_i
 * with probability p_i and earned the reward r_i; the policy to be valued takes a_i with probability π_i. All arrays have one entry
 * for each row.
 */
export interface LoggedRows {
  /** The reward r_i. */
  reward: Float64Array;
  /** The probability p_i > 0. */
  propensity: Float64Array;
  /**
   * The probability π_i. With all ones here, errors as rewards and probabilities of being rated as propensities, the estimate is the
   * error on all items (Schnabel et al. 2016).
   */
  target: Float64Array;
  /** For the doubly robust estimate: a model's reward of the logged action, and its mean over the valued policy's actions. */
  model?: { logged: Float64Array; expected: Float64Array };
  /**
   * Cluster c has rows `offsets[c]` … `offsets[c + 1] − 1`. Rows of one user are not independent and should be one cluster. Default:
   * each row is a cluster.
   */
  offsets?: Int32Array;
}
/** An estimate from logged data, with its interval. */
export interface CounterfactualEstimate {
  /** Inverse propensity scoring, the mean of w_i r_i (Horvitz & Thompson 1952): unbiased, with the largest variance. */
  ips: Interval;
  /** Self-normalised, Σ w_i r_i / Σ w_i (Swaminathan & Joachims 2015): slightly biased, and within the range of rewards. */
  snips: Interval;
  /** Mean of E_π q + w_i (r_i − q_i) (Dudík, Langford & Li 2011): unbiased if the propensities or the model are right. */
  doublyRobust: Interval | undefined;
  /** Mean reward of the logging policy, for comparison. */
  logged: Interval;
  /** Effective sample size (Σ w)² / Σ w²: how many rows logged by the valued policy itself these are worth. */
  effectiveRows: number;
  /** Mean weight, which is near 1 if the propensities are right. */
  meanWeight: number;
  /** The largest importance weight: a few large ones make the estimate unreliable. */
  largestWeight: number;
  /** Share of rows whose weight was cut. */
  clipped: number;
}

/**
 * Values a policy from logged data by three estimators with 95 % intervals, each a ratio of sums over clusters, Σ n_c / Σ d_c,
 * with the delta method's variance C/(C − 1) · Σ (n_c − V d_c)² / (Σ d_c)² and Student's t.
 *
 * @throws INVALID_OPTION naming the array and row
 */
export function counterfactual(rows: LoggedRows, options: CounterfactualOptions = {}): CounterfactualEstimate {
  const { clip = Infinity } = resolveOptions(options, 'counterfactual', COUNTERFACTUAL_OPTIONS);
  checkObject(rows, 'rows', ['reward', 'propensity', 'target', 'model', 'offsets']);
  const { reward, propensity, target, model } = rows;
  const n = checkRows(rows);
  const offsets = rows.offsets ?? Int32Array.from({ length: n + 1 }, (_, i) => i);

  let clipped = 0;
  let largestWeight = 0;
  const weight = target.map((pi, i) => {
    const full = pi / propensity[i];
    if (full > clip) clipped++;
    largestWeight = Math.max(largestWeight, Math.min(full, clip));
    return Math.min(full, clip);
  });
  const one = new Float64Array(n).fill(1);
  const weighted = weight.map((w, i) => w * reward[i]);
  const sum = weight.reduce((a, b) => a + b, 0);
  return {
    ips: ratio(weighted, one, offsets),
    snips: ratio(weighted, weight, offsets),
    doublyRobust:
      model &&
      ratio(
        weight.map((w, i) => model.expected[i] + w * (reward[i] - model.logged[i])),
        one,
        offsets,
      ),
    logged: ratio(reward, one, offsets),
    effectiveRows: sum ** 2 / weight.reduce((a, w) => a + w * w, 0),
    meanWeight: sum / n,
    largestWeight,
    clipped: clipped / n,
  };
}

function checkRows({ reward, propensity, target, model, offsets }: LoggedRows): number {
  const n = reward?.length;
  const arrays = {
    reward,
    propensity,
    target,
    ...(model && { 'model.logged': model.logged, 'model.expected': model.expected }),
  };
  for (const [name, array] of Object.entries(arrays)) {
    if (!isTyped(array, 'Float64Array') || array.length !== n || n === 0)
      throw invalid(`rows.${name}`, 'not one number a row', array, `Float64Array(${n || 'rows'})`);
    const low = name === 'propensity' || name === 'target' ? 0 : -Infinity;
    const bad = array.findIndex(
      (value) => !Number.isFinite(value) || value < low || (name === 'propensity' && value === 0),
    );
    const expected = name === 'propensity' ? 'a number > 0' : low === 0 ? 'a number ≥ 0' : 'a finite number';
    if (bad >= 0) throw invalid(`rows.${name}[${bad}]`, `not a ${name}`, array[bad], expected);
  }
  if (
    offsets !== undefined &&
    (offsets[0] !== 0 || offsets[offsets.length - 1] !== n || offsets.some((end, c) => c > 0 && end < offsets[c - 1]))
  ) {
    throw invalid('rows.offsets', 'does not divide the rows', offsets, `rising from 0 to ${n}`);
  }
  return n;
}

/** Σ numerator / Σ denominator with its interval; clusters without rows are not counted. */
function ratio(numerator: Float64Array, denominator: Float64Array, offsets: Int32Array): Interval {
  const clusters = offsets.length - 1;
  const [n, d] = [new Float64Array(clusters), new Float64Array(clusters)];
  let tasks = 0;
  for (let c = 0; c < clusters; c++) {
    if (offsets[c + 1] > offsets[c]) tasks++;
    for (let i = offsets[c]; i < offsets[c + 1]; i++) [n[c], d[c]] = [n[c] + numerator[i], d[c] + denominator[i]];
  }
  const total = d.reduce((a, b) => a + b, 0);
  const mean = n.reduce((a, b) => a + b, 0) / total;
  if (tasks < 2) return { mean, low: NaN, high: NaN, tasks };
  const squares = n.reduce((sum, value, c) => sum + (value - mean * d[c]) ** 2, 0);
  const half = studentT(tasks - 1) * (Math.sqrt((tasks / (tasks - 1)) * squares) / Math.abs(total));
  return { mean, low: mean - half, high: mean + half, tasks };
}

/**
 * A model of the logging policy for data in which it was not recorded: item i is shown to every user with probability
 * (n_i + 1)^γ / Σ_j (n_j + 1)^γ, where n_i are the training interactions of i (Yang et al. 2018 use powers of popularity). Estimates
 * that use it are only as good as this model.
 *
 * @returns the propensity of each row of `dataset.items`; that of row 0, the unknown item, is 0
 */
export function popularityPropensity(
  dataset: Dataset,
  trainRows: Int32Array,
  options: PropensityOptions = {},
): Float64Array {
  const { power } = resolveOptions(options, 'popularityPropensity', PROPENSITY_OPTIONS);
  checkDataset(dataset, 'dataset');
  checkRowsOf(dataset, trainRows, 'trainRows');
  const mass = itemCounts(dataset, trainRows).map((n, item) => (item === 0 ? 0 : (n + 1) ** power));
  const total = mass.reduce((a, b) => a + b, 0);
  return mass.map((value) => value / total);
}

/** The estimates of `counterfactual`; `ips` may be undefined. */
export interface PolicyEstimate extends Omit<CounterfactualEstimate, 'ips'> {
  /**
   * Undefined if the propensities are those of items and no user has an item twice. Such a log was drawn without replacement, so that
   * a user's rows are not independent draws with these propensities, and the error of inverse propensity scoring would grow with the
   * number of rows of a user. `snips`, which divides by the weights of the same rows, has a smaller error.
   */
  ips: Interval | undefined;
}

/**
 * Values the policy that shows a random item of a task's list, from the query rows of users: π = 1/k for the k items of the list. The
 * rows of a task are one cluster.
 *
 * ```ts
 * const lists = await rankCatalog(scorer, tasks, { count: 10 });
 * const { snips } = policyValue(lists, { propensity: popularityPropensity(dataset, trainRows), threshold: 4 });
 * ```
 *
 * @throws INVALID_OPTION (a propensity of 0 for a row that was logged, too)
 */
export function policyValue(lists: RankedLists, options: PolicyOptions): PolicyEstimate {
  const { propensity, threshold, trainRows, shrinkage, clip } = resolveOptions(options, 'policy', POLICY_OPTIONS);
  checkLists(lists, 'lists');
  const { tasks, offsets, items } = lists;
  const { dataset, queryOffsets, queryRows } = tasks;
  if (trainRows !== undefined) checkRowsOf(dataset, trainRows, 'policy.trainRows');
  const perItem = propensity?.length === dataset.items.rows;
  if (!isTyped(propensity, 'Float64Array') || (!perItem && propensity.length !== dataset.size)) {
    throw invalid(
      'policy.propensity',
      'not one number an interaction or an item',
      propensity,
      `Float64Array of ${dataset.size} or ${dataset.items.rows}`,
    );
  }
  const rewardOf = (row: number) =>
    threshold === undefined ? dataset.label[row] : Number(dataset.label[row] >= Math.fround(threshold));
  const n = queryRows.length;
  const rows = {
    reward: new Float64Array(n),
    propensity: new Float64Array(n),
    target: new Float64Array(n),
    offsets: queryOffsets,
  };
  const quality = trainRows && itemRewards(dataset, trainRows, rewardOf, shrinkage);
  const model = quality && { logged: new Float64Array(n), expected: new Float64Array(n) };
  for (let t = 0; t < tasks.size; t++) {
    const list = items.subarray(offsets[t], offsets[t + 1]);
    const expected =
      quality === undefined ? 0 : list.reduce((sum, item) => sum + quality[item], 0) / Math.max(1, list.length);
    for (let i = queryOffsets[t]; i < queryOffsets[t + 1]; i++) {
      const row = queryRows[i];
      const item = dataset.item[row];
      rows.reward[i] = rewardOf(row);
      rows.propensity[i] = propensity[perItem ? item : row]!;
      rows.target[i] = list.includes(item) ? 1 / list.length : 0;
      if (model === undefined) continue;
      model.logged[i] = quality![item]!;
      model.expected[i] = expected;
    }
  }
  const estimate = counterfactual({ ...rows, ...(model && { model }) }, clip === undefined ? {} : { clip });
  return perItem && isWithoutReplacement(tasks) ? { ...estimate, ips: undefined } : estimate;
}

/** Whether some users have several rows, and no user has an item twice. */
function isWithoutReplacement({ dataset, size, queryOffsets, queryRows }: TaskSet): boolean {
  let several = false;
  for (let t = 0; t < size; t++) {
    const items = Array.from(queryRows.subarray(queryOffsets[t], queryOffsets[t + 1]), (row) => dataset.item[row]);
    if (new Set(items).size < items.length) return false;
    several ||= items.length > 1;
  }
  return several;
}

function itemRewards(
  dataset: Dataset,
  rows: Int32Array,
  rewardOf: (row: number) => number,
  shrinkage: number,
): Float64Array {
  const counts = itemCounts(dataset, rows);
  const sums = new Float64Array(counts.length);
  for (const row of rows) sums[dataset.item[row]] += rewardOf(row);
  const mean = sums.reduce((a, b) => a + b, 0) / rows.length;
  return sums.map((sum, item) => (counts[item] === 0 ? mean : (sum + shrinkage * mean) / (counts[item] + shrinkage)));
}
