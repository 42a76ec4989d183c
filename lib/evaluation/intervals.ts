import { checkTyped, isTyped } from '../foundation/typed-arrays.js';
import { invalid } from '../foundation/check.js';

/** A mean over tasks with its 95 % confidence interval. */
export interface Interval {
  /** The mean. */
  mean: number;
  /** Lower end of the interval; NaN with fewer than two tasks, where the spread between tasks is unknown. */
  low: number;
  /** Upper end of the interval; NaN as well. */
  high: number;
  /** Number of tasks the mean is over; with none `mean` is NaN. */
  tasks: number;
}

// t quantiles at 0.975 for 1 … 9 degrees of freedom; from 10 on the expansion below is exact to 5e-6.
const SMALL_T = [
  12.7062047362, 4.3026527297, 3.1824463053, 2.7764451052, 2.5705818356, 2.4469118511, 2.3646242516, 2.3060041352,
  2.2621571628,
];
const Z = 1.959963984540054;

/** 0.975 quantile of Student's t distribution (Abramowitz & Stegun 26.7.5 from 10 degrees of freedom on). */
export function studentT(degrees: number): number {
  if (degrees < 1) return NaN;
  if (degrees <= SMALL_T.length) return SMALL_T[Math.floor(degrees) - 1];
  const z2 = Z * Z;
  const g1 = (z2 + 1) / 4;
  const g2 = ((5 * z2 + 16) * z2 + 3) / 96;
  const g3 = (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
  const g4 = ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;
  return Z * (1 + (g1 + (g2 + (g3 + g4 / degrees) / degrees) / degrees) / degrees);
}

/**
 * Mean of the values that are not NaN, with the 95 % interval mean ± t₀.₉₇₅(n − 1) · s / √n: the normal approximation
 * to the mean over independent tasks, with Student's correction for an estimated spread. The interval is about other
 * tasks of the same kind; it does not hold the spread between training seeds.
 *
 * With fewer than two values `low` and `high` are NaN; without values `mean` is NaN too.
 */
export function meanInterval(values: Float64Array): Interval {
  checkTyped(values, 'values', 'Float64Array');
  let tasks = 0;
  let sum = 0;
  for (let t = 0; t < values.length; t++) {
    if (Number.isNaN(values[t])) continue;
    tasks++;
    sum += values[t];
  }
  if (tasks === 0) return { mean: NaN, low: NaN, high: NaN, tasks };
  const mean = sum / tasks;
  if (tasks === 1) return { mean, low: NaN, high: NaN, tasks };
  // Second pass: the one-pass Σx² − n·mean² cancels when the spread is small beside the mean.
  let squares = 0;
  for (let t = 0; t < values.length; t++) {
    if (!Number.isNaN(values[t])) squares += (values[t] - mean) ** 2;
  }
  const half = studentT(tasks - 1) * Math.sqrt(squares / (tasks - 1) / tasks);
  return { mean, low: mean - half, high: mean + half, tasks };
}

/** One value for each task, NaN where undefined: a metric's result, or only the array. */
export type PerTask = Float64Array | { perTask: Float64Array };

/**
 * Mean difference a − b over the tasks where both are defined, with the 95 % interval of {@link meanInterval} on the
 * per-task differences. Two methods' separate intervals may overlap although one is better on nearly every task; this
 * interval excludes 0 then.
 *
 * @throws INVALID_OPTION if the two do not cover the same number of tasks.
 */
export function pairedDifference(a: PerTask, b: PerTask): Interval {
  const [left, right] = perTaskOf(a, b);
  return meanInterval(left.map((value, t) => value - right[t]));
}

/** The array of values. @internal */
export function valuesOf(values: PerTask, field: string): Float64Array {
  const bare: unknown = isTyped(values, 'Float64Array') ? values : (values as { perTask?: unknown } | null)?.perTask;
  if (!isTyped(bare, 'Float64Array'))
    throw invalid(field, 'not one value a task', values, 'a Float64Array, or a result with perTask');
  return bare;
}

/** The values of two methods on the same tasks. @internal */
export function perTaskOf(a: PerTask, b: PerTask): [Float64Array, Float64Array] {
  const [left, right] = [valuesOf(a, 'a'), valuesOf(b, 'b')];
  if (left.length === right.length) return [left, right];
  throw invalid('perTask', 'two methods compared on different task sets', right.length, `${left.length} tasks`);
}
