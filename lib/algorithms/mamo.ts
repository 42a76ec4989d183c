import { checkInteger, checkObject } from '../foundation/check.js';
import { adaptedTensors, DENSE_LAYERS, GRADIENT_OPTIONS, gradientAlgorithm } from '../meta/algorithm.js';
import type { Algorithm, Extension, GradientOptions } from '../meta/algorithm.js';
import { episodeExtension } from '../meta/graphs/extension.js';
import type { Model } from '../model/model.js';

export interface MamoOptions extends GradientOptions {
  /** Kinds of users that the memories tell apart. Default 8. */
  slots?: number;
  /** Width of the profile keys. Default 16. */
  keys?: number;
}

/**
 * Memory-augmented meta-optimisation (Dong et al. 2020): tasks of different kinds start their adaptation from different parameters,
 * read from memories by the task's profile p, the mean of its support rows' inputs:
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
export function mamo(mamo: MamoOptions = {}): Algorithm {
  checkObject(mamo, 'mamo', [...GRADIENT_OPTIONS, 'slots', 'keys']);
  const { slots, keys, ...options } = mamo;
  if (slots !== undefined) checkInteger(slots, 'mamo.slots', 1, 65536);
  if (keys !== undefined) checkInteger(keys, 'mamo.keys', 1, 65536);
  return gradientAlgorithm(
    'mamo',
    options,
    { order: 2, direction: 'meta-gradient', solver: 'gradient', extend },
    [DENSE_LAYERS],
    mamo,
  );
}

/** Standard deviation of a fresh memory. */
const DEVIATION = 0.02;

function extend(this: Algorithm, model: Model): Extension {
  const { slots = 8, keys = 16 } = this.options as MamoOptions;
  return episodeExtension(model, (p) => {
    const profile = p.linear('memory.profile', p.meanRows(p.inputs('support', 'mamo')), keys);
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
