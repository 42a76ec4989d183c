/** The meta-learned Gaussian prior of a last layer that is solved for: what `ridge` and `laplace` add to a model. */
import { lastLayer } from '../meta/algorithm.js';
import { invalid } from '../foundation/check.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { INPUT_NAMES } from '../meta/algorithm-options.js';
import { graphExtension } from '../meta/graphs/extension.js';
import type { ExtraTensor, Model } from '../model/model.js';

/** Which prior: the option of both. @internal */
export const COVARIANCE = {
  kind: 'choice',
  of: ['diagonal', 'full'],
  default: 'diagonal',
  search: { of: ['diagonal', 'full'] },
  doc: 'Of the prior: diagonal, Λ = diag(exp ℓ), or full, Λ = L Lᵀ with L = diag(exp ℓ/2) + the strictly lower triangle of F; ℓ is prior.logPrecision [features + 1], F prior.factor [features + 1, features + 1], the bias last.',
} as const;

/** What the prior mean depends on: the option of both. @internal */
export const PROFILE = {
  ...INPUT_NAMES,
  defaultDoc: 'none',
  doc: 'Inputs of which the prior mean is a function, such as what is known of a user: w̄ + U p, p the mean over the support rows of what these inputs are (ids as embeddings), 0 without any. U, which is prior.profile.weight [features + 1, width of p], begins at 0. For bodies that concatenate their inputs (`mlp`).',
} as const;

const LOG_PRECISION = 'prior.logPrecision';
const FACTOR = 'prior.factor';

/** @param precision initial, of every weight @internal */
export function gaussianPrior(algorithm: Algorithm, model: Model, precision: number): Extension {
  const { name, options } = algorithm;
  const { also } = model.spec.head;
  if (also !== undefined) throw invalid('model.head.also', `is more than ${name} solves for`, also, 'a single head');
  const d = lastLayer(model, name).features + 1;
  const diagonal: ExtraTensor = {
    name: LOG_PRECISION,
    shape: [d],
    initial: { kind: 'constant', value: Math.log(precision) },
  };
  const full: ExtraTensor = { name: FACTOR, shape: [d, d], initial: { kind: 'constant', value: 0 } };
  const isFull = options['covariance'] === 'full';
  const mean = profileMean(algorithm, model);
  return {
    tensors: [diagonal, ...(isFull ? [full] : []), ...(mean?.tensors ?? [])],
    native: (extended, tensor) => ({
      prior: tensor(LOG_PRECISION),
      ...(isFull && { priorFactor: tensor(FACTOR) }),
      ...mean?.native?.(extended, tensor),
    }),
  };
}

/** The graph that adds U p to the last layer, from which the posterior is then taken. */
function profileMean({ name, options }: Algorithm, model: Model): Extension | undefined {
  const names = options['profile'] as readonly string[] | undefined;
  if (names === undefined) return undefined;
  const { weight, bias, features } = lastLayer(model, name);
  return graphExtension(model, (graph) => {
    const change = graph.linear('prior.profile', graph.meanRows(graph.profile('support', names, name)), features + 1, {
      bias: false,
      scale: 0,
    });
    graph.start(weight, graph.columns(change, 0, features));
    graph.start(bias, graph.columns(change, features, 1));
  });
}
