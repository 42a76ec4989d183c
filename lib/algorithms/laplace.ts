import { invalid } from '../foundation/check.js';
import type { OptionTable } from '../foundation/options.js';
import { algorithmFactory, gradientForm, LAST_LAYER, SECOND_ORDER } from '../meta/algorithm.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { COVARIANCE, gaussianPrior, PROFILE } from './gaussian-prior.js';
import type { Model } from '../model/model.js';

const OPTIONS = {
  covariance: COVARIANCE,
  profile: PROFILE,
  probit: {
    kind: 'boolean',
    default: false,
    doc: 'Moderates predictions by their uncertainty (MacKay 1992): the logit o at features a becomes o / √(1 + π v / 8), v = aᵀ M⁻¹ a, so that σ of it approximates the mean probability. In evaluation and serving, not in training.',
  },
} as const satisfies OptionTable;

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
export const laplace = algorithmFactory('laplace', OPTIONS, () => ({
  ...gradientForm({ steps: 1, adapt: [LAST_LAYER] }, 'laplace'),
  ...SECOND_ORDER,
  solver: 'laplace',
  extend,
}));

function extend(this: Algorithm, model: Model): Extension {
  const { loss } = model.spec.head;
  if (loss !== 'bce') throw invalid('model.head.loss', 'is not what laplace solves', loss, 'bce');
  return gaussianPrior(this, model, PRIOR_PRECISION);
}
