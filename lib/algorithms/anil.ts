import { algorithmFactory, gradientForm, LAST_LAYER, SECOND_ORDER } from '../meta/algorithm.js';
import { GRADIENT_OPTIONS } from '../meta/algorithm-options.js';

const OPTIONS = { ...GRADIENT_OPTIONS, adapt: { ...GRADIENT_OPTIONS.adapt, default: [LAST_LAYER] } };

/**
 * Almost no inner loop (Raghu, Raghu, Bengio & Vinyals 2020): only the last layer adapts to a task, the features below it
 * are meta-learned, with the exact meta-gradient. On ratings the last layer's weights are a user's factors and the features
 * an item's, and the inner loop is a meta-learned fold-in.
 */
export const anil = algorithmFactory('anil', OPTIONS, (options) => ({
  ...gradientForm(options, 'anil'),
  ...SECOND_ORDER,
}));
