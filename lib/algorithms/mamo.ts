import type { OptionTable, Resolved } from '../foundation/options.js';
import { adaptedTensors, algorithmFactory, DENSE_LAYERS, gradientForm, SECOND_ORDER } from '../meta/algorithm.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { GRADIENT_OPTIONS, INPUT_NAMES, units } from '../meta/algorithm-options.js';
import { graphExtension } from '../meta/graphs/extension.js';
import type { Model } from '../model/model.js';

const OPTIONS = {
  ...GRADIENT_OPTIONS,
  adapt: { ...GRADIENT_OPTIONS.adapt, default: [DENSE_LAYERS] },
  slots: units(8, 'Kinds of users that the memories tell apart.'),
  keys: units(16, 'Width of the profile keys.'),
  profile: {
    ...INPUT_NAMES,
    defaultDoc: 'all inputs',
    doc: 'Inputs that the profile is the mean of; the paper has those of the user alone.',
  },
} as const satisfies OptionTable;

/**
 * Memory-augmented meta-optimisation (Dong et al. 2020): tasks of different kinds start their adaptation from different parameters,
 * read from memories by the task's profile p, the mean of its support rows' inputs, or of those that `profile` names:
 *
 *     a = softmax cos(W p + w, K),   θ_0 = θ + Σ_j a_j M_j for each adapted tensor,   θ_{k+1} = θ_k − α ∇L_S(θ_k)
 *
 * K [slots, keys] is the profile memory; the M of the lower layers are the paper's feature-specific memory (its personalised bias
 * b_u), those of the upper ones its task-specific memory of fast weights. Apart from the paper, whose memories are moving averages
 * written by attention, K and M are learned by the exact meta-gradient. Without support rows p = 0. Before adaptation: θ_0.
 * What adapts is by default everything but the embeddings, as in MeLU.
 *
 * Adds `memory.profile.*` (W, w), `memory.keys` (K) and `memory.<tensor>` [slots, size] (M, weights as [in, out]).
 *
 * @throws {InnerloopError} INVALID_OPTION for a body other than mlp; UNKNOWN_OPTION
 */
export const mamo = algorithmFactory('mamo', OPTIONS, ({ slots: _, keys: __, ...options }) => ({
  ...gradientForm(options, 'mamo'),
  ...SECOND_ORDER,
  extend,
}));

/** Standard deviation of a fresh memory. */
const DEVIATION = 0.02;

function extend(this: Algorithm, model: Model): Extension {
  const { slots, keys, profile: names } = this.options as Resolved<typeof OPTIONS>;
  return graphExtension(model, (p) => {
    const read = names === undefined ? p.inputs('support', 'mamo') : p.profile('support', names, 'mamo');
    const profile = p.linear('memory.profile', p.meanRows(read), keys);
    const attention = p.softmax(
      p.cosine(profile, p.parameter('memory.keys', slots, keys, { kind: 'normal', deviation: 1 })),
    );
    for (const { name, shape, embedding } of adaptedTensors(this, model)) {
      const size = embedding ? shape[1] : shape.reduce((a, b) => a * b, 1);
      p.start(
        name,
        p.product(
          'nn',
          attention,
          p.parameter(`memory.${name}`, slots, size, { kind: 'normal', deviation: DEVIATION }),
        ),
      );
    }
  });
}
