import { checkInteger, checkObject, checkSeed } from '../foundation/check.js';
import { random } from '../foundation/random.js';

/** How often tasks are resampled, groups shuffled or signs flipped, and with which seed. */
export interface ResampleOptions {
  /** Draws. Default 2000 for intervals, 10000 for tests. */
  resamples?: number;
  /** Default 0. */
  seed?: number;
}
const INTERVAL_RESAMPLES = 2000;

/** @internal */
export function resampling(
  options: ResampleOptions,
  field: string,
  standard = INTERVAL_RESAMPLES,
): Required<ResampleOptions> {
  checkObject(options, field, ['resamples', 'seed']);
  const { resamples = standard, seed = 0 } = options;
  checkInteger(resamples, `${field}.resamples`, 1, 10_000_000);
  checkSeed(seed, `${field}.seed`);
  return { resamples, seed };
}

/** Values that are not NaN. */
export const defined = (values: Float64Array): Float64Array => values.filter((value) => !Number.isNaN(value));

export function meanOf(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}

/**
 * Means of resamples with replacement, each as large as the sample (Efron 1979). Resample b draws from a stream of its own, so
 * two statistics of the same resamples can be computed apart.
 *
 * @param stage names the stream; @returns one mean a resample
 */
export function bootstrapMeans(
  values: Float64Array,
  { resamples, seed }: Required<ResampleOptions>,
  stage: string,
): Float64Array {
  const means = new Float64Array(resamples);
  for (let b = 0; b < resamples; b++) {
    const stream = random(seed, stage, b);
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[stream.below(values.length)];
    means[b] = sum / values.length;
  }
  return means;
}

/** The 2.5 % and 97.5 % quantiles, interpolated between order statistics: the percentile interval. */
export function percentiles(draws: Float64Array): { low: number; high: number } {
  const sorted = draws.slice().sort();
  const quantile = (q: number) => {
    const at = q * (sorted.length - 1);
    const below = Math.floor(at);
    return sorted[below] + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
  };
  return { low: quantile(0.025), high: quantile(0.975) };
}
