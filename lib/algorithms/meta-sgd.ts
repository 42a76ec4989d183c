import { algorithmFactory, gradientForm, SECOND_ORDER } from '../meta/algorithm.js';
import { gradientOptionsWithout } from '../meta/algorithm-options.js';

/**
 * Meta-SGD (Li, Zhou, Chen & Li 2017): MAML with a learned rate for every parameter, θ' = θ − α ∘ ∇L_S(θ), so that the
 * direction and the length of a step are learned too. ∂α = −∇L_Q ∘ ∇L_S through all steps, exactly. The paper takes one step
 * (`steps: 1`); `learningRate` is the initial α of every parameter.
 */
export const metaSgd = algorithmFactory('metaSgd', gradientOptionsWithout('rates'), (options) => ({
  ...gradientForm({ ...options, rates: 'perParameter' }, 'metaSgd'),
  ...SECOND_ORDER,
}));
