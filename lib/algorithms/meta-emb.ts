import { checkFraction, checkInteger, checkObject } from '../foundation/check.js';
import { adaptedTensors, GRADIENT_OPTIONS, gradientAlgorithm, LAST_LAYER } from '../meta/algorithm.js';
import type { Algorithm, Extension, GradientOptions } from '../meta/algorithm.js';
import { episodeExtension } from '../meta/graphs/extension.js';
import type { Model } from '../model/model.js';

export interface MetaEmbOptions extends GradientOptions {
  /** Share α of the cold loss in the meta-loss. Default 0.1. */
  coldWeight?: number;
  /** Hidden units of the generator. Default 16. */
  hidden?: number;
}

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
export function metaEmb(metaEmb: MetaEmbOptions = {}): Algorithm {
  checkObject(metaEmb, 'metaEmb', [...GRADIENT_OPTIONS, 'coldWeight', 'hidden']);
  const { coldWeight, hidden, ...options } = metaEmb;
  if (coldWeight !== undefined) checkFraction(coldWeight, 'metaEmb.coldWeight', true);
  if (hidden !== undefined) checkInteger(hidden, 'metaEmb.hidden', 1, 65536);
  return gradientAlgorithm(
    'metaEmb',
    options,
    { order: 2, direction: 'meta-gradient', solver: 'gradient', extend },
    [LAST_LAYER],
    metaEmb,
  );
}

/** Of what a fresh generator adds. */
const SCALE = 0.1;

function extend(this: Algorithm, model: Model): Extension {
  const { coldWeight = 0.1, hidden = 16 } = this.options as MetaEmbOptions;
  return episodeExtension(model, (p) => {
    const units = p.activate(p.linear('generator.0', p.meanRows(p.inputs('support', 'metaEmb')), hidden), 'tanh');
    for (const { name, shape, embedding } of adaptedTensors(this, model)) {
      const size = embedding ? shape[1] : shape.reduce((a, b) => a * b, 1);
      p.start(name, p.linear(`generator.${name}`, units, size, { scale: SCALE }));
    }
    p.coldLoss(coldWeight);
  });
}
