import { algorithmFactory, gradientForm } from '../meta/algorithm.js';
import { gradientOptionsWithout } from '../meta/algorithm-options.js';

/**
 * Joint training as in `joint`, then K gradient steps on a task's support rows when it is evaluated or served:
 * θ_{k+1} = θ_k − α ∇L_S(θ_k). Training does not know of these steps, so what MAML gains over this is what meta-learning adds
 * (the "pretrained" baseline of Finn, Abbeel & Levine 2017).
 */
export const fineTune = algorithmFactory('fineTune', gradientOptionsWithout('rates'), (options) => ({
  ...gradientForm(options, 'fineTune'),
  order: 1,
  direction: 'joint',
  solver: 'gradient',
}));
