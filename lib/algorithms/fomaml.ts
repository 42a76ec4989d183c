import { algorithmFactory, gradientForm, SECOND_ORDER } from '../meta/algorithm.js';
import { GRADIENT_OPTIONS } from '../meta/algorithm-options.js';

/**
 * First-order MAML (Finn, Abbeel & Levine 2017, section 5.2): the inner gradients are held constant, so the outer step
 * follows ∇L_Q at the adapted parameters. Cheaper than `maml`, and biased.
 */
export const fomaml = algorithmFactory('fomaml', GRADIENT_OPTIONS, (options) => ({
  ...gradientForm(options, 'fomaml'),
  ...SECOND_ORDER,
  order: 1,
}));
