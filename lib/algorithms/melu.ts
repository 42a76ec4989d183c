import type { OptionTable } from '../foundation/options.js';
import { algorithmFactory, DENSE_LAYERS, gradientForm, SECOND_ORDER } from '../meta/algorithm.js';
import { GRADIENT_OPTIONS, ORDER } from '../meta/algorithm-options.js';

const OPTIONS = {
  ...GRADIENT_OPTIONS,
  // The paper takes one local step.
  steps: { ...GRADIENT_OPTIONS.steps, default: 1 },
  adapt: { ...GRADIENT_OPTIONS.adapt, default: [DENSE_LAYERS] },
  order: ORDER,
} as const satisfies OptionTable;

/**
 * MeLU (Lee, Im, Jang, Cho & Chung 2019): MAML whose tasks are users and whose inner loop adapts the decision layers only; the
 * embeddings of users and items are shared and learned by the outer step. A preset of `maml`: one step, and all parameters but
 * the embedding tables adapt. The paper's model is `{ kind: 'mlp', hidden: [64, 64] }` on embeddings of width 32 of
 * every user and item feature, `mse`, Adam with rate 5e-5, 32 users a step; its code differentiates the local step exactly
 * (`order: 2`, the default). Its local rate is 5e-6, at which a user's ratings hardly move the layers; the default here is that
 * of `maml`.
 */
export const melu = algorithmFactory('melu', OPTIONS, ({ order, ...options }) => ({
  ...gradientForm(options, 'melu'),
  ...SECOND_ORDER,
  order,
}));
