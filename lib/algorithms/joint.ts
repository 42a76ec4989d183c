import { checkObject } from '../foundation/check.js';
import { gradientAlgorithm } from '../meta/algorithm.js';
import type { Algorithm } from '../meta/algorithm.js';

/**
 * Plain joint training, the baseline without any meta-learning: the outer step follows ∇ L over all rows of the tasks, support
 * and query alike, and nothing adapts to a task. With `weigh: 'rows'` in training this is ordinary empirical risk
 * minimisation; with the default every task counts equally.
 */
export function joint(options: Record<string, never> = {}): Algorithm {
  checkObject(options, 'joint', []);
  return gradientAlgorithm('joint', { steps: 0 }, { order: 1, direction: 'joint', solver: 'gradient' }, 'all', options);
}
