import { checkNumber, invalid } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';

/**
 * The dataset with weights w = 2^(−age / halfLife) on its interactions (exponential forgetting; Ding & Li 2005), times those that
 * it has; what is of `at` or later weighs 1. Unlike `rowWeights` they are not scaled to a mean of 1, so that in closed forms an
 * old interaction counts as a fraction of one.
 *
 * @param at the time that ages count back from
 * @param halfLife in units of the dataset's time
 * @throws {InnerloopError} INVALID_OPTION
 */
export function withRecency(dataset: Dataset, at: number, halfLife: number): Dataset {
  checkNumber(at, 'at');
  checkNumber(halfLife, 'halfLife', 0, undefined, true);
  const { time, weight } = dataset;
  if (time === undefined) throw invalid('dataset.time', 'missing', time, 'interactions.time mapped to a column');
  return {
    ...dataset,
    weight: Float32Array.from(time, (t, row) => (weight?.[row] ?? 1) * 2 ** -(Math.max(0, at - t) / halfLife)),
  };
}
