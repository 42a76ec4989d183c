import { checkObject } from '../foundation/check.js';
import { GRADIENT_OPTIONS, gradientAlgorithm } from '../meta/algorithm.js';
import type { Algorithm, GradientOptions } from '../meta/algorithm.js';

/**
 * Meta-SGD (Li, Zhou, Chen & Li 2017): MAML with a learned rate for every parameter, θ' = θ − α ∘ ∇L_S(θ), so that the
 * direction and the length of a step are learned too. ∂α = −∇L_Q ∘ ∇L_S through all steps, exactly. The paper takes one step
 * (`steps: 1`); `learningRate` is the initial α of every parameter.
 */
export function metaSgd(given: Omit<GradientOptions, 'rates'> = {}): Algorithm {
  checkObject(
    given,
    'metaSgd',
    GRADIENT_OPTIONS.filter((option) => option !== 'rates'),
  );
  const fixed = { order: 2, direction: 'meta-gradient', solver: 'gradient' } as const;
  return gradientAlgorithm('metaSgd', { ...given, rates: 'perParameter' }, fixed, 'all', given);
}
