import { invalid } from '../foundation/check.js';
import type { OptionTable } from '../foundation/options.js';
import { algorithmFactory, gradientForm, LAST_LAYER, SECOND_ORDER } from '../meta/algorithm.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { COVARIANCE, gaussianPrior, PROFILE } from './gaussian-prior.js';
import type { Model } from '../model/model.js';

const OPTIONS = { covariance: COVARIANCE, profile: PROFILE } as const satisfies OptionTable;

/** Initial precision of the last layer's prior, in units of the noise's. */
const PRIOR_PRECISION = 4;

/**
 * Closed-form adaptation of the last layer (R2-D2, Bertinetto et al. 2019; ALPaCA, Harrison, Sharma & Pavone 2018):
 * w = w̄ + M⁻¹ Aᵀ(y − A w̄), M = AᵀA + Λ, on the features A of the support rows, differentiated exactly through the solve. The
 * features, the prior mean w̄ (the last layer itself) and the prior precision Λ are meta-learned. On ratings this is matrix
 * factorisation whose fold-in is what training optimises. With `profile` the prior mean is w̄ + U p, a function of what is known
 * of a user, in which a profile that the features alone hold is only one constant for all items.
 *
 * The same factorisation gives the uncertainty of a prediction: σ² (1 + aᵀ M⁻¹ a) at features a, σ² the noise variance that
 * `learner.estimateNoise` finds.
 *
 * Needs the loss `mse`. Adds the parameters of the prior to the model.
 */
export const ridge = algorithmFactory('ridge', OPTIONS, () => ({
  ...gradientForm({ steps: 1, adapt: [LAST_LAYER] }, 'ridge'),
  ...SECOND_ORDER,
  solver: 'ridge',
  extend,
}));

function extend(this: Algorithm, model: Model): Extension {
  const { loss } = model.spec.head;
  if (loss !== 'mse') throw invalid('model.head.loss', 'is not what ridge solves', loss, 'mse');
  return gaussianPrior(this, model, PRIOR_PRECISION);
}
