import { checkObject, invalid } from '../check.js';
import { gradientAlgorithm } from '../algorithm.js';
import type { Algorithm, GradientOptions } from '../algorithm.js';

export interface MamlOptions extends GradientOptions {
  /** 2 is the exact meta-gradient, 1 holds the inner gradients constant. Default 2. */
  order?: 1 | 2;
}

/**
 * Model-agnostic meta-learning (Finn, Abbeel & Levine 2017): parameters from which a few gradient steps on the support set
 * lower the query loss. θ' = θ − α ∇L_S(θ); the outer step follows ∇_θ L_Q(θ'), exactly at order 2.
 *
 * ```ts
 * const algorithm = maml({ steps: 5, learningRate: 0.05, adapt: ['mlp.*'] });
 * ```
 */
export function maml(maml: MamlOptions = {}): Algorithm {
  checkObject(maml as unknown, 'maml', ['steps', 'learningRate', 'adapt', 'rates', 'shrinkage', 'order']);
  const { order = 2, ...options } = maml;
  if (order !== 1 && order !== 2) throw invalid('maml.order', 'not an order', order, '1 (first-order) or 2 (exact)');
  return gradientAlgorithm('maml', options, { order, direction: 'meta-gradient', solver: 'gradient' });
}
