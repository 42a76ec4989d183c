import type { OptionTable } from '../foundation/options.js';
import { algorithmFactory, gradientForm, SECOND_ORDER } from '../meta/algorithm.js';
import { gradientOptionsWithout, SCHEDULES } from '../meta/algorithm-options.js';

const OPTIONS = {
  ...gradientOptionsWithout('rates'),
  multiStepLoss: { ...SCHEDULES.multiStepLoss, default: { epochs: 10 } },
  orderAnnealing: { ...SCHEDULES.orderAnnealing, default: { epochs: 5 } },
} as const satisfies OptionTable;

/**
 * MAML++ (Antoniou, Edwards & Storkey 2019, section 4): MAML with a learned rate for every tensor and step, a meta-loss over all
 * steps that anneals to the last one, and first order before second. Of the paper's other parts, the cosine schedule of the
 * outer rate is the optimizer's `schedule`, and batch normalisation has no place in these models.
 *
 * ```ts
 * const algorithm = mamlPlusPlus({ steps: 5, learningRate: 0.05, orderAnnealing: { epochs: 3 } });
 * ```
 */
export const mamlPlusPlus = algorithmFactory(
  'mamlPlusPlus',
  OPTIONS,
  ({ multiStepLoss, orderAnnealing, ...options }) => ({
    ...gradientForm({ ...options, rates: 'perStep' }, 'mamlPlusPlus'),
    ...SECOND_ORDER,
    multiStepEpochs: multiStepLoss.epochs,
    firstOrderEpochs: orderAnnealing.epochs,
  }),
);
