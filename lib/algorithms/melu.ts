import { checkObject, invalid } from '../foundation/check.js';
import { DENSE_LAYERS, GRADIENT_OPTIONS, gradientAlgorithm } from '../meta/algorithm.js';
import type { Algorithm, GradientOptions } from '../meta/algorithm.js';

export interface MeluOptions extends GradientOptions {
  /** As of `maml`. Default 2. */
  order?: 1 | 2;
}

/** The paper takes one local step. */
const STEPS = 1;

/**
 * MeLU (Lee, Im, Jang, Cho & Chung 2019): MAML whose tasks are users and whose inner loop adapts the decision layers only; the
 * embeddings of users and items are shared and learned by the outer step. A preset of `maml`: one step, and all parameters but
 * the embedding tables adapt. The paper's model is `{ kind: 'mlp', hidden: [64, 64] }` on embeddings of width 32 of
 * every user and item feature, `mse`, Adam with rate 5e-5, 32 users a step; its code differentiates the local step exactly
 * (`order: 2`, the default). Its local rate is 5e-6, at which a user's ratings hardly move the layers; the default here is that
 * of `maml`.
 */
export function melu(given: MeluOptions = {}): Algorithm {
  checkObject(given, 'melu', [...GRADIENT_OPTIONS, 'order']);
  const { order = 2, steps = STEPS, ...options } = given;
  if (order !== 1 && order !== 2) throw invalid('melu.order', 'not an order', order, '1 (first-order) or 2 (exact)');
  return gradientAlgorithm(
    'melu',
    { ...options, steps },
    { order, direction: 'meta-gradient', solver: 'gradient' },
    [DENSE_LAYERS],
    given,
  );
}
