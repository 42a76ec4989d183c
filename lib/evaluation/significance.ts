import { checkNumbers } from '../foundation/typed-arrays.js';
import { checkArray, checkString, invalid, unknownName } from '../foundation/check.js';
import { resolveOptions } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import { COMPARE_OPTIONS, TEST_DRAWS } from './analysis-options.js';
import type { CompareOptions, ResampleOptions } from './analysis-option-types.js';
import { bootstrapEnds, bootstrapMeans, defined, deviationOf, meanOf } from './bootstrap.js';
import { pairedDifference, perTaskOf } from './intervals.js';
import type { Interval, PerTask } from './intervals.js';
import { normalTail } from './normal.js';

/**
 * Tests of the hypothesis that two methods are equally good, from the difference d_t = a_t − b_t of each task where both are defined.
 * All are two-sided, and generalise to other tasks of the same kind, not to other training seeds.
 */

export type { CompareOptions };

/** The mean difference with its bootstrap interval, and the p-value of the test. */
export interface BootstrapTest extends Interval {
  /** P(|d̄* − d̄| / se* ≥ |d̄| / se) over resamples: by the bootstrap distribution shifted to mean 0, where both methods are equal. */
  p: number;
}

/**
 * Paired bootstrap (Efron & Tibshirani 1993, chapters 13 and 16): tasks are drawn with replacement; the BCa interval of
 * the mean difference, and the test by the distribution shifted to mean 0, of means in standard errors, each by its own resample:
 * p = (1 + #{|d̄* − d̄| / se* ≥ |d̄| / se}) / (resamples + 1). Means as they are spread too little: of ten tasks they would reject at 5 % in
 * one case of ten.
 *
 * @throws INVALID_OPTION if the two do not cover the same number of tasks
 */
export function pairedBootstrap(a: PerTask, b: PerTask, options: ResampleOptions = {}): BootstrapTest {
  const settings = resolveOptions(options, 'pairedBootstrap', TEST_DRAWS);
  const d = differences(a, b);
  const mean = meanOf(d);
  if (d.length < 2) return { mean, low: NaN, high: NaN, tasks: d.length, p: NaN };
  const errors = new Float64Array(settings.resamples);
  const means = bootstrapMeans(d, settings, 'paired bootstrap', errors);
  const observed = inErrors(mean, deviationOf(d)! / Math.sqrt(d.length)) * (1 - ROUNDING);
  let extreme = 0;
  for (const [b, draw] of means.entries()) if (inErrors(draw - mean, errors[b]) >= observed) extreme++;
  return { mean, ...bootstrapEnds(means, d), tasks: d.length, p: (extreme + 1) / (settings.resamples + 1) };
}

/** What is not 0 is infinitely many of no error. */
const inErrors = (distance: number, error: number): number => (distance === 0 ? 0 : Math.abs(distance) / error);

/** The relative tolerance for ties, because sums of the same differences in another order may differ by rounding. */
const ROUNDING = 1e-12;

/** What `randomizationTest` returns. */
export interface RandomizationTest {
  /** Mean difference over the tasks. */
  mean: number;
  /** The p-value, two-sided. */
  p: number;
  /** Tasks on which both methods are defined. */
  tasks: number;
  /** Whether all 2ⁿ sign patterns were counted instead of a sample of them. */
  exact: boolean;
}

/**
 * Paired randomisation test (Fisher 1935; for retrieval: Smucker, Allan & Carterette 2007): if the methods were equal, each
 * d_t would as likely have the other sign. p is the share of sign patterns with |mean| at least that observed: all 2ⁿ where
 * that is no more than `resamples`, else (1 + count) / (resamples + 1) over that many random ones.
 *
 * @throws INVALID_OPTION if the two do not cover the same number of tasks
 */
export function randomizationTest(a: PerTask, b: PerTask, options: ResampleOptions = {}): RandomizationTest {
  const { resamples, seed } = resolveOptions(options, 'randomizationTest', TEST_DRAWS);
  const d = differences(a, b);
  const mean = meanOf(d);
  const n = d.length;
  if (n === 0) return { mean, p: NaN, tasks: 0, exact: true };
  const bound = Math.abs(mean * n) - ROUNDING * d.reduce((sum, value) => sum + Math.abs(value), 0);
  const exact = 2 ** n <= resamples;
  const patterns = exact ? 2 ** n : resamples;
  let extreme = 0;
  for (let r = 0; r < patterns; r++) {
    const stream = exact ? undefined : random(seed, 'randomization test', r);
    let bits = r;
    let sum = 0;
    for (let t = 0; t < n; t++) {
      if (stream !== undefined && t % 32 === 0) bits = stream.uint32();
      sum += (bits & 1) === 1 ? d[t] : -d[t];
      bits >>>= 1;
    }
    if (Math.abs(sum) >= bound) extreme++;
  }
  return { mean, p: exact ? extreme / patterns : (extreme + 1) / (patterns + 1), tasks: n, exact };
}

/** What `wilcoxon` returns. */
export interface WilcoxonTest {
  /** The smaller of the rank sums of positive and negative differences. */
  statistic: number;
  /** The p-value, two-sided. */
  p: number;
  /** Differences that are not 0. */
  tasks: number;
  /** Whether the p-value counts all sign patterns, or is the normal approximation. */
  exact: boolean;
}
/** Above this many the normal approximation is good to a few per cent of p. */
const EXACT_WILCOXON = 50;

/**
 * Wilcoxon's signed-rank test (Wilcoxon 1945): ranks of |d_t|, ties sharing their mean rank, zero differences dropped. The
 * exact distribution of these ranks up to 50 tasks, ties included; else normal with variance n(n + 1)(2n + 1)/24 − Σ(t³ − t)/48 over ties of
 * size t, without continuity correction.
 *
 * @throws INVALID_OPTION if the two do not cover the same number of tasks
 */
export function wilcoxon(a: PerTask, b: PerTask): WilcoxonTest {
  const d = differences(a, b).filter((value) => value !== 0);
  const n = d.length;
  if (n === 0) return { statistic: 0, p: 1, tasks: 0, exact: true };
  const order = Int32Array.from(d, (_, i) => i).sort((i, j) => Math.abs(d[i]) - Math.abs(d[j]));
  const ranks = new Float64Array(n);
  let positive = 0;
  let tied = 0;
  for (let from = 0; from < n;) {
    let to = from + 1;
    while (to < n && Math.abs(d[order[to]]) === Math.abs(d[order[from]])) to++;
    ranks.fill((from + 1 + to) / 2, from, to);
    for (let i = from; i < to; i++) if (d[order[i]] > 0) positive += ranks[i];
    tied += (to - from) ** 3 - (to - from);
    from = to;
  }
  const total = (n * (n + 1)) / 2;
  const statistic = Math.min(positive, total - positive);
  const exact = n <= EXACT_WILCOXON;
  if (exact) return { statistic, p: Math.min(1, 2 * signedRankCdf(ranks, statistic)), tasks: n, exact };
  const deviation = Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24 - tied / 48);
  return { statistic, p: normalTail((statistic - total / 2) / deviation), tasks: n, exact };
}

/** P(rank sum ≤ w) if each rank counts with probability ½. Ties give ranks in halves, so the sums are counted in halves. */
function signedRankCdf(ranks: Float64Array, w: number): number {
  const share = new Float64Array(ranks.length * (ranks.length + 1) + 1);
  share[0] = 1;
  let top = 0;
  for (const rank of ranks) {
    const half = 2 * rank;
    top += half;
    for (let sum = top; sum >= 0; sum--) share[sum] = (share[sum] + (sum >= half ? share[sum - half] : 0)) / 2;
  }
  let p = 0;
  for (let sum = 0; sum <= 2 * w; sum++) p += share[sum];
  return p;
}

/**
 * Holm's step-down correction (Holm 1979): adjusted p_(i) = max over j ≤ i of min(1, (m − j + 1) p_(j)). Rejecting where the
 * adjusted p is at most 0.05 keeps the probability of any false rejection among all m at 5 %. NaN stays NaN and is not counted.
 */
export function holm(p: ArrayLike<number>): Float64Array {
  checkNumbers(p, 'p');
  const adjusted = Float64Array.from(p);
  const order = Int32Array.from(adjusted, (_, i) => i).filter((i) => !Number.isNaN(adjusted[i]));
  order.sort((i, j) => adjusted[i] - adjusted[j]);
  let highest = 0;
  order.forEach((i, rank) => {
    highest = Math.max(highest, Math.min(1, (order.length - rank) * adjusted[i]));
    adjusted[i] = highest;
  });
  return adjusted;
}

/** A method's values by metric, as `evaluate` and `evaluateScores` return them. */
export interface ComparedMethod {
  /** The method's name. */
  method: string;
  /** Values of each metric, task by task. */
  metrics: Record<string, PerTask>;
}
/** Two methods, task by task, on one metric. */
export interface Comparison {
  /** The metric. */
  metric: string;
  /** The method. */
  method: string;
  /** The method that it is compared with. */
  against: string;
  /** Mean of method − against, with the t interval of `pairedDifference`. */
  difference: Interval;
  /** The p-value of each test. */
  p: TestValues;
  /** The same p-values after Holm's correction over all comparisons of this metric. */
  adjusted: TestValues;
}
/** A p-value for each of the three paired tests. */
export type TestValues = Record<'bootstrap' | 'randomization' | 'wilcoxon', number>;
const TESTS = ['bootstrap', 'randomization', 'wilcoxon'] as const;

/**
 * Compares methods measured on the same tasks with one of them, by three paired tests with Holm's correction over the methods.
 *
 * ```ts
 * const { methods } = await evaluate(learner, tasks, { baselines });
 * for (const { method, difference, adjusted } of compareMethods(methods, { against: 'ALS', metrics: ['mae'] })) …
 * ```
 *
 * @throws UNKNOWN_OPTION for an unknown method or metric, INVALID_OPTION if the methods were measured on different task sets
 */
export function compareMethods(methods: readonly ComparedMethod[], options: CompareOptions = {}): Comparison[] {
  const given = resolveOptions(options, 'compare', COMPARE_OPTIONS);
  checkArray(methods, 'methods', 'evaluated methods');
  for (const [k, one] of methods.entries()) {
    if (typeof one !== 'object' || one === null || typeof one.metrics !== 'object' || one.metrics === null)
      throw invalid(`methods[${k}]`, 'not an evaluated method', one, '{ method, metrics }');
    checkString(one.method, `methods[${k}].method`);
  }
  const names = methods.map(({ method }) => method);
  if (names.length < 2) throw invalid('methods', 'nothing to compare', names, 'two methods or more');
  const { against = names[0], metrics, ...settings } = given;
  const reference = methods.find(({ method }) => method === against);
  if (reference === undefined) throw unknownName('compare.against', 'no such method', against, names);
  const known = Object.keys(reference.metrics);
  for (const name of metrics ?? [])
    if (!known.includes(name)) throw unknownName('compare.metrics', `not measured for ${against}`, name, known);
  return (metrics ?? known).flatMap((metric) => {
    const base = reference.metrics[metric];
    const others = methods.filter((one) => one !== reference && one.metrics[metric] !== undefined);
    const compared = others.map(({ method, metrics: { [metric]: own } }) => ({
      metric,
      method,
      against,
      difference: pairedDifference(own, base),
      p: {
        bootstrap: pairedBootstrap(own, base, settings).p,
        randomization: randomizationTest(own, base, settings).p,
        wilcoxon: wilcoxon(own, base).p,
      },
    }));
    const corrected = Object.fromEntries(TESTS.map((test) => [test, holm(compared.map(({ p }) => p[test]))]));
    return compared.map((one, i) => ({
      ...one,
      adjusted: {
        bootstrap: corrected['bootstrap'][i],
        randomization: corrected['randomization'][i],
        wilcoxon: corrected['wilcoxon'][i],
      },
    }));
  });
}

function differences(a: PerTask, b: PerTask): Float64Array {
  const [left, right] = perTaskOf(a, b);
  return defined(left.map((value, t) => value - right[t]));
}
