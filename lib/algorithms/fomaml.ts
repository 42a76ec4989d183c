import { gradientAlgorithm } from '../meta/algorithm.js';
import type { Algorithm, GradientOptions } from '../meta/algorithm.js';

/**
 * First-order MAML (Finn, Abbeel & Levine 2017, section 5.2): the inner gradients are held constant, so the outer step
 * follows ∇L_Q at the adapted parameters. Cheaper than `maml`, and biased.
 */
export function fomaml(options: GradientOptions = {}): Algorithm {
  return gradientAlgorithm('fomaml', options, { order: 1, direction: 'meta-gradient', solver: 'gradient' });
}
