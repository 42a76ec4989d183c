import { algorithmFactory, gradientForm } from '../meta/algorithm.js';
import { gradientOptionsWithout } from '../meta/algorithm-options.js';

/**
 * Reptile (Nichol, Achiam & Schulman 2018): K steps on all rows of a task, then the outer optimizer follows the mean of
 * θ_0 − θ_K. No derivative of the inner loop. Parameters that do not adapt are not learned.
 *
 * A learner without an optimizer gets the paper's, θ ← θ + ε mean(θ_K − θ_0) with an ε that falls from 1 to 0. The paper's inner steps are
 * on minibatches of a task's rows, and Adam's with β₁ = 0 for images (`inner: { kind: 'adam', beta1: 0 }`), plain ones for sinusoids;
 * here they are plain by default, and each is on all rows of the task, of which a user has few.
 */
export const reptile = algorithmFactory('reptile', gradientOptionsWithout('rates'), (options) => ({
  ...gradientForm(options, 'reptile'),
  order: 1,
  direction: 'reptile',
  solver: 'gradient',
}));
