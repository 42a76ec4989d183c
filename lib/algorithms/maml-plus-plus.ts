import { checkObject } from '../foundation/check.js';
import { checkAnnealing, GRADIENT_OPTIONS, gradientAlgorithm } from '../meta/algorithm.js';
import type { Algorithm, Annealing, GradientOptions } from '../meta/algorithm.js';

export interface MamlPlusPlusOptions extends Omit<GradientOptions, 'rates'> {
  /** As of `maml`; `{ epochs: 0 }` for the last step alone. Default 10 epochs. */
  multiStepLoss?: Annealing;
  /** As of `maml`; `{ epochs: 0 }` for second order from the beginning. Default 5 epochs. */
  orderAnnealing?: Annealing;
}

const MULTI_STEP_EPOCHS = 10;
const FIRST_ORDER_EPOCHS = 5;

/**
 * MAML++ (Antoniou, Edwards & Storkey 2019, section 4): MAML with a learned rate for every tensor and step, a meta-loss over all
 * steps that anneals to the last one, and first order before second. Of the paper's other parts, the cosine schedule of the
 * outer rate is the optimizer's `schedule`, and batch normalisation has no place in these models.
 *
 * ```ts
 * const algorithm = mamlPlusPlus({ steps: 5, learningRate: 0.05, orderAnnealing: { epochs: 3 } });
 * ```
 */
export function mamlPlusPlus(given: MamlPlusPlusOptions = {}): Algorithm {
  const name = 'mamlPlusPlus';
  checkObject(given, name, [
    ...GRADIENT_OPTIONS.filter((option) => option !== 'rates'),
    'multiStepLoss',
    'orderAnnealing',
  ]);
  const {
    multiStepLoss = { epochs: MULTI_STEP_EPOCHS },
    orderAnnealing = { epochs: FIRST_ORDER_EPOCHS },
    ...options
  } = given;
  const multiStepEpochs = checkAnnealing(multiStepLoss, `${name}.multiStepLoss`);
  const firstOrderEpochs = checkAnnealing(orderAnnealing, `${name}.orderAnnealing`);
  const fixed = {
    order: 2,
    direction: 'meta-gradient',
    solver: 'gradient',
    multiStepEpochs,
    firstOrderEpochs,
  } as const;
  return gradientAlgorithm(name, { ...options, rates: 'perStep' }, fixed, 'all', given);
}
