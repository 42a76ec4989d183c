import { algorithmFactory, gradientForm } from '../meta/algorithm.js';
import { gradientOptionsWithout } from '../meta/algorithm-options.js';

/**
 * Reptile (Nichol, Achiam & Schulman 2018): K steps on all rows of a task, then the outer optimizer follows the mean of
 * θ_0 − θ_K. No derivative of the inner loop. Parameters that do not adapt are not learned.
 */
export const reptile = algorithmFactory('reptile', gradientOptionsWithout('rates'), (options) => ({
  ...gradientForm(options, 'reptile'),
  order: 1,
  direction: 'reptile',
  solver: 'gradient',
}));
