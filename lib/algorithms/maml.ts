import { algorithmFactory, gradientForm, SECOND_ORDER } from '../meta/algorithm.js';
import { GRADIENT_OPTIONS, ORDER, SCHEDULES } from '../meta/algorithm-options.js';
import type { OptionTable } from '../foundation/options.js';

const OPTIONS = {
  ...GRADIENT_OPTIONS,
  order: ORDER,
  multiStepLoss: { ...SCHEDULES.multiStepLoss, defaultDoc: 'the last step from the beginning' },
  orderAnnealing: { ...SCHEDULES.orderAnnealing, defaultDoc: 'none' },
} as const satisfies OptionTable;

/**
 * Model-agnostic meta-learning (Finn, Abbeel & Levine 2017): parameters from which a few gradient steps on the support set
 * lower the query loss. θ' = θ − α ∇L_S(θ); the outer step follows ∇_θ L_Q(θ'), exactly at order 2.
 *
 * ```ts
 * const algorithm = maml({ steps: 5, learningRate: 0.05, adapt: ['mlp.*'] });
 * ```
 */
export const maml = algorithmFactory('maml', OPTIONS, ({ order, multiStepLoss, orderAnnealing, ...options }) => ({
  ...gradientForm(options, 'maml'),
  ...SECOND_ORDER,
  order,
  multiStepEpochs: multiStepLoss?.epochs,
  firstOrderEpochs: orderAnnealing?.epochs,
}));
