import { checkNumber, invalid } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';

/**
 * The dataset with its weights multiplied by w = 2^(−age / halfLife) (exponential forgetting; Ding & Li 2005). Interactions at `at`
 * or later have w = 1. Unlike those of `rowWeights`, the weights are not scaled to a mean of 1, so that an old interaction counts as
 * a fraction of a new one in closed-form solvers.
 *
 * @param at the time at which the age is 0
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
