import { checkObject, invalid } from '../foundation/check.js';
import { checkAnnealing, GRADIENT_OPTIONS, gradientAlgorithm } from '../meta/algorithm.js';
import type { Algorithm, Annealing, GradientOptions } from '../meta/algorithm.js';

export interface MamlOptions extends GradientOptions {
  /** 2 is the exact meta-gradient, 1 holds the inner gradients constant. Default 2. */
  order?: 1 | 2;
  /**
   * Meta-loss Σ_k w_k L_Q(θ_k) over all steps k = 1 … K (Antoniou et al. 2019, section 4, "multi-step loss"): equal weights in
   * the first epoch, then linearly, over so many epochs, to the last step alone. The losses that training reports are these
   * sums. Default: the last step from the beginning.
   */
  multiStepLoss?: Annealing;
  /** So many epochs of first order before those of `order` ("derivative-order annealing", the same section). Default: none. */
  orderAnnealing?: Annealing;
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
  checkObject(maml, 'maml', [...GRADIENT_OPTIONS, 'order', 'multiStepLoss', 'orderAnnealing']);
  const { order = 2, multiStepLoss, orderAnnealing, ...options } = maml;
  if (order !== 1 && order !== 2) throw invalid('maml.order', 'not an order', order, '1 (first-order) or 2 (exact)');
  const multiStepEpochs = checkAnnealing(multiStepLoss, 'maml.multiStepLoss');
  const firstOrderEpochs = checkAnnealing(orderAnnealing, 'maml.orderAnnealing');
  return gradientAlgorithm(
    'maml',
    options,
    { order, direction: 'meta-gradient', solver: 'gradient', multiStepEpochs, firstOrderEpochs },
    'all',
    maml,
  );
}
