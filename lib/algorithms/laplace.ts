import { checkBoolean, checkObject, checkOneOf, invalid } from '../foundation/check.js';
import { gradientAlgorithm, LAST_LAYER } from '../meta/algorithm.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { gaussianPrior } from './gaussian-prior.js';
import type { Model } from '../model/model.js';
import type { RidgeOptions } from './ridge.js';

export interface LaplaceOptions extends RidgeOptions {
  /**
   * Moderates predictions by their uncertainty (MacKay 1992): the logit o at features a becomes o / √(1 + π v / 8),
   * v = aᵀ M⁻¹ a, so that σ of it approximates the mean probability. In evaluation and serving, not in training. Default false.
   */
  probit?: boolean;
}

/** Initial precision of the last layer's prior. */
const PRIOR_PRECISION = 1;

/**
 * A logistic last layer for each task, the counterpart of `ridge` for likes and clicks: the mode of its posterior under a
 * meta-learned Gaussian prior, w = argmin Σ [log(1 + e^o) − y o] + (w − w̄)ᵀ Λ (w − w̄) / 2 with o = A w, by Newton's method to
 * convergence, differentiated exactly by the implicit function theorem: for g = ∂L_Q/∂w and z = M⁻¹ g, M = Aᵀ diag(p (1−p)) A + Λ,
 * ∂w̄ = Λ z, ∂Λ = −z (w − w̄)ᵀ, ∂A = (y − p) zᵀ − (p (1−p) ∘ A z) wᵀ. M⁻¹ is the covariance of Laplace's approximation.
 *
 * Needs the loss `bce`. Adds the parameters of the prior to the model, as `ridge` does.
 */
export function laplace(options: LaplaceOptions = {}): Algorithm {
  checkObject(options, 'laplace', ['covariance', 'probit']);
  if (options.covariance !== undefined) checkOneOf(options.covariance, 'laplace.covariance', ['diagonal', 'full']);
  if (options.probit !== undefined) checkBoolean(options.probit, 'laplace.probit');
  const fixed = { order: 2, direction: 'meta-gradient', solver: 'laplace', extend } as const;
  return gradientAlgorithm('laplace', { steps: 1 }, fixed, [LAST_LAYER], options);
}

function extend(this: Algorithm, model: Model): Extension {
  const { loss } = model.spec.head;
  if (loss !== 'bce') throw invalid('model.head.loss', 'is not what laplace solves', loss, 'bce');
  return gaussianPrior(this, model, PRIOR_PRECISION);
}
