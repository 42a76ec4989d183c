import { gradientAlgorithm } from '../meta/algorithm.js';
import type { Algorithm, GradientOptions } from '../meta/algorithm.js';

/**
 * Reptile (Nichol, Achiam & Schulman 2018): K steps on all rows of a task, then the outer optimizer follows the mean of
 * θ_0 − θ_K. No derivative of the inner loop. Parameters that do not adapt are not learned.
 */
export function reptile(options: Omit<GradientOptions, 'rates'> = {}): Algorithm {
  return gradientAlgorithm('reptile', options, { order: 1, direction: 'reptile', solver: 'gradient' });
}
