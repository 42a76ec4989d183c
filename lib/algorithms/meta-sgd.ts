import { algorithmFactory, gradientForm, SECOND_ORDER } from '../meta/algorithm.js';
import type { OptionTable } from '../foundation/options.js';
import { gradientOptionsWithout } from '../meta/algorithm-options.js';

const { steps, ...others } = gradientOptionsWithout('rates');
// The paper takes one step.
const OPTIONS = { ...others, steps: { ...steps, default: 1 } } as const satisfies OptionTable;

/**
 * Meta-SGD (Li, Zhou, Chen & Li 2017): MAML with a learned rate for every parameter, θ' = θ − α ∘ ∇L_S(θ), so that the
 * direction and the length of a step are learned too. ∂α = −∇L_Q ∘ ∇L_S through all steps, exactly. One step, as in
 * the paper, unless `steps` says otherwise; `learningRate` is the initial α of every parameter.
 */
export const metaSgd = algorithmFactory('metaSgd', OPTIONS, (options) => ({
  ...gradientForm({ ...options, rates: 'perParameter' }, 'metaSgd'),
  ...SECOND_ORDER,
}));
