import { checkObject } from '../check.js';
import { gradientAlgorithm, LAST_LAYER } from '../algorithm.js';
import type { Algorithm } from '../algorithm.js';

/**
 * Closed-form adaptation of the last layer (R2-D2, Bertinetto et al. 2019; ALPaCA, Harrison, Sharma & Pavone 2018):
 * w = w̄ + (AᵀA + Λ)⁻¹ Aᵀ(y − A w̄) on the features A of the support rows, differentiated exactly through the solve. The
 * features, the prior mean w̄ (the last layer itself) and the prior precision Λ = exp(`prior.logPrecision`) are
 * meta-learned. On ratings this is matrix factorisation whose fold-in is what training optimises.
 *
 * Needs `head: { loss: 'mse', prior: 'gaussian' }`.
 */
export function ridge(options: Record<string, never> = {}): Algorithm {
  checkObject(options as unknown, 'ridge', []);
  const fixed = { order: 2, direction: 'meta-gradient', solver: 'ridge' } as const;
  return gradientAlgorithm('ridge', { steps: 1 }, fixed, [LAST_LAYER]);
}
