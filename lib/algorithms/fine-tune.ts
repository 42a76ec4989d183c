import { checkObject } from '../foundation/check.js';
import { GRADIENT_OPTIONS, gradientAlgorithm } from '../meta/algorithm.js';
import type { Algorithm, GradientOptions } from '../meta/algorithm.js';

/**
 * Joint training as in `joint`, then K gradient steps on a task's support rows when it is evaluated or served:
 * θ_{k+1} = θ_k − α ∇L_S(θ_k). Training does not know of these steps, so what MAML gains over this is what meta-learning adds
 * (the "pretrained" baseline of Finn, Abbeel & Levine 2017).
 */
export function fineTune(options: Omit<GradientOptions, 'rates'> = {}): Algorithm {
  checkObject(
    options,
    'fineTune',
    GRADIENT_OPTIONS.filter((option) => option !== 'rates'),
  );
  return gradientAlgorithm('fineTune', options, { order: 1, direction: 'joint', solver: 'gradient' });
}
