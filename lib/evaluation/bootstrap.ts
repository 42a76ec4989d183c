import { random } from '../foundation/random.js';
import { studentT } from './intervals.js';
import { normalCdf, normalQuantile } from './normal.js';
import type { ResampleOptions } from './analysis-option-types.js';

export type { ResampleOptions };

/** Values that are not NaN. */
export const defined = (values: Float64Array): Float64Array => values.filter((value) => !Number.isNaN(value));

export function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}

/** Standard deviation of a sample, with n − 1. Null for fewer than two values, or if it is not finite. */
export function deviationOf(values: ArrayLike<number>): number | null {
  if (values.length < 2) return null;
  const mean = meanOf(values);
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] - mean) ** 2;
  const deviation = Math.sqrt(squares / (values.length - 1));
  return Number.isFinite(deviation) ? deviation : null;
}

/**
 * Means of resamples with replacement, each as large as the sample (Efron 1979). Resample b draws from a random stream of its own,
 * so that two statistics of the same resamples can be computed separately.
 *
 * @param stage names the stream
 * @param errors takes the standard error of each mean, by the spread within its resample
 * @returns the mean of each resample
 */
export function bootstrapMeans(
  values: Float64Array,
  { resamples, seed }: Required<ResampleOptions>,
  stage: string,
  errors?: Float64Array,
): Float64Array {
  const means = new Float64Array(resamples);
  const n = values.length;
  const drawn = new Float64Array(n);
  for (let b = 0; b < resamples; b++) {
    const stream = random(seed, stage, b);
    let sum = 0;
    for (let i = 0; i < n; i++) sum += drawn[i] = values[stream.below(n)];
    means[b] = sum / n;
    if (errors !== undefined) errors[b] = (deviationOf(drawn) ?? NaN) / Math.sqrt(n);
  }
  return means;
}

/**
 * The 95 % interval of a mean by the bias-corrected and accelerated bootstrap (BCa; Efron 1987), at levels that are widened for few
 * values (Hesterberg 2015, section 4.3): the bootstrap's spread is √((n − 1)/n) of that of the mean, and a normal's ends are Student's
 * with an estimated spread, so that plain percentiles of 8 values hold the mean in 88 % of the cases. On a symmetric sample these are
 * the ends of Student's interval; on a skewed one they lie further out on the side of the long tail.
 *
 * @param draws means of resamples
 * @param values the sample
 */
export function bootstrapEnds(draws: Float64Array, values: Float64Array): { low: number; high: number } {
  return endsOf(draws, meanOf(values), values.length, accelerationOf(values));
}

/** The interval of a statistic of several samples, the smallest of which has `n` values, without acceleration. */
export function endsOf(
  draws: Float64Array,
  estimate: number,
  n: number,
  acceleration = 0,
): { low: number; high: number } {
  const sorted = draws.slice().sort();
  let below = 0;
  for (const draw of sorted) below += draw < estimate ? 1 : draw === estimate ? 0.5 : 0;
  const bias = normalQuantile(
    Math.min(1 - 1 / (2 * sorted.length), Math.max(1 / (2 * sorted.length), below / sorted.length)),
  );
  const wide = Math.sqrt(n / (n - 1)) * studentT(n - 1);
  const level = (z: number) => {
    const moved = bias + z;
    const squeeze = 1 - acceleration * moved;
    // Beyond the pole of the BCa formula, the end is the outermost draw.
    return squeeze <= 0 ? Number(z > 0) : normalCdf(bias + moved / squeeze);
  };
  return { low: quantile(sorted, level(-wide)), high: quantile(sorted, level(wide)) };
}

/** Σ d³ / (6 (Σ d²)^1.5) of the deviations from the mean: a sixth of the skewness of the mean. */
function accelerationOf(values: Float64Array): number {
  const mean = meanOf(values);
  let [squares, cubes] = [0, 0];
  for (const value of values) [squares, cubes] = [squares + (value - mean) ** 2, cubes + (value - mean) ** 3];
  return squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
}

/** A quantile, interpolated linearly between order statistics. */
function quantile(sorted: Float64Array, level: number): number {
  const at = level * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below] + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}
