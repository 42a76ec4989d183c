import { algorithmFactory, gradientForm } from '../meta/algorithm.js';

/**
 * Plain joint training, the baseline without any meta-learning: the outer step follows ∇ L over all rows of the tasks, support
 * and query alike, and nothing adapts to a task. With `weigh: 'rows'` in training this is ordinary empirical risk
 * minimisation; with the default every task counts equally.
 */
export const joint = algorithmFactory('joint', {}, () => ({
  ...gradientForm({ steps: 0 }, 'joint'),
  order: 1,
  direction: 'joint',
  solver: 'gradient',
}));
