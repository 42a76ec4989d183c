import { gradientAlgorithm, LAST_LAYER } from '../meta/algorithm.js';
import type { Algorithm, GradientOptions } from '../meta/algorithm.js';

/**
 * Almost no inner loop (Raghu, Raghu, Bengio & Vinyals 2020): only the last layer adapts to a task, the features below it
 * are meta-learned, with the exact meta-gradient. On ratings the last layer's weights are a user's factors and the features
 * an item's, and the inner loop is a meta-learned fold-in.
 */
export function anil(options: GradientOptions = {}): Algorithm {
  return gradientAlgorithm('anil', options, { order: 2, direction: 'meta-gradient', solver: 'gradient' }, [LAST_LAYER]);
}
