import type { OptionTable, Resolved } from '../foundation/options.js';
import { adaptedTensors, algorithmFactory, gradientForm, LAST_LAYER, SECOND_ORDER } from '../meta/algorithm.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { GRADIENT_OPTIONS, units } from '../meta/algorithm-options.js';
import { graphExtension } from '../meta/graphs/extension.js';
import type { Model } from '../model/model.js';

const OPTIONS = {
  ...GRADIENT_OPTIONS,
  adapt: { ...GRADIENT_OPTIONS.adapt, default: [LAST_LAYER] },
  coldWeight: {
    kind: 'number',
    min: 0,
    fraction: true,
    default: 0.1,
    doc: 'Share α of the cold loss in the meta-loss.',
  },
  hidden: units(16, 'Hidden units of the generator.'),
} as const satisfies OptionTable;

/**
 * Meta-Embedding (Pan et al. 2019): a generator h learns, from what a task's inputs are, where its adaptation starts, so that the
 * prediction is good both before any step and after a few:
 *
 *     θ_0 = θ + h(mean of the support rows' inputs),  θ_{k+1} = θ_k − α ∇L_S(θ_k)
 *     meta-loss  coldWeight · L_Q(θ_0) + (1 − coldWeight) · L_Q(θ_K)
 *
 * What adapts is by default the last layer, a user's factors; name a table (`adapt: ['embedding.user.weight']`) for the paper's
 * generated embedding of an id, which every row of the table that the task meets then gets. The paper has θ = 0 and takes the cold
 * loss on the support batch; h reads no labels, so the query rows serve as well. Without support rows h gets 0. Before adaptation: θ_0.
 *
 * Adds `generator.0.*` and `generator.<tensor>.*` (weights as [in, out]).
 *
 * @throws {InnerloopError} INVALID_OPTION for a body other than mlp; UNKNOWN_OPTION
 */
export const metaEmb = algorithmFactory('metaEmb', OPTIONS, ({ coldWeight: _, hidden: __, ...options }) => ({
  ...gradientForm(options, 'metaEmb'),
  ...SECOND_ORDER,
  extend,
}));

/** Scale of what a fresh generator adds. */
const SCALE = 0.1;

function extend(this: Algorithm, model: Model): Extension {
  const { coldWeight, hidden } = this.options as Resolved<typeof OPTIONS>;
  return graphExtension(model, (p) => {
    const units = p.activate(p.linear('generator.0', p.meanRows(p.inputs('support', 'metaEmb')), hidden), 'tanh');
    for (const { name, shape, embedding } of adaptedTensors(this, model)) {
      const size = embedding ? shape[1] : shape.reduce((a, b) => a * b, 1);
      p.start(name, p.linear(`generator.${name}`, units, size, { scale: SCALE }));
    }
    p.coldLoss(coldWeight);
  });
}
