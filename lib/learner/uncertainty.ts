/** What the factorisation of a last layer in closed form says about its own predictions. */
import type { FloatArray, TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Algorithm } from '../meta/algorithm.js';

/** Predictions and how sure they are, one of each a row. */
export interface Uncertain {
  /** Ratings (`ridge`), or logits (`laplace`). */
  mean: Float64Array;
  /**
   * `ridge`: of a rating, σ² (1 + aᵀ M⁻¹ a), noise and what is not known of the user; `laplace`: of the logit, aᵀ M⁻¹ a.
   * a: the features of the row; M: the posterior precision of the last layer's weights.
   */
  variance: Float64Array;
}

/** @internal @throws {InnerloopError} UNSUPPORTED for a learner without a predictive variance */
export function checkKnowsUncertainty(algorithm: Pick<Algorithm, 'solver' | 'name'>, noise: number | undefined): void {
  const { solver, name } = algorithm;
  if (solver !== 'ridge' && solver !== 'laplace') {
    throw new InnerloopError('UNSUPPORTED', 'has no predictive variance', {
      field: 'learner.algorithm',
      value: name,
      expected: 'ridge or laplace',
    });
  }
  if (solver === 'ridge' && noise === undefined) {
    throw new InnerloopError('UNSUPPORTED', 'unknown', {
      field: 'learner.noiseVariance',
      expected: 'a learner trained to the end, or estimateNoise(tasks)',
    });
  }
}

/** The logits whose σ approximates the mean probability under their variances: o / √(1 + π v / 8) (MacKay 1992). @internal */
export function moderate(logits: Float64Array, variance: ArrayLike<number>): void {
  for (let i = 0; i < logits.length; i++) logits[i] = logits[i] / Math.sqrt(1 + (Math.PI / 8) * variance[i]);
}

/** The variances of ratings from those of their means, in place. @internal */
export function withNoise(variance: Float64Array, noise: number): void {
  for (let i = 0; i < variance.length; i++) variance[i] = noise * (1 + variance[i]);
}

/**
 * σ² under which residuals r ~ N(0, σ² (1 + aᵀ M⁻¹ a)) are likeliest: the mean of r² / (1 + aᵀ M⁻¹ a) over query rows, of tasks that
 * may come bit by bit.
 *
 * @internal
 */
export class NoiseSum {
  #sum = 0;
  #rows = 0;

  add({ dataset, queryRows }: TaskSet, outputs: FloatArray, variance: FloatArray): void {
    for (let i = 0; i < queryRows.length; i++)
      this.#sum += (dataset.label[queryRows[i]] - outputs[i]) ** 2 / (1 + variance[i]);
    this.#rows += queryRows.length;
  }

  get mean(): number {
    return this.#sum / this.#rows;
  }
}
