/** The meta-learned Gaussian prior of a last layer that is solved for: what `ridge` and `laplace` add to a model. */
import { lastLayer } from '../meta/algorithm.js';
import { invalid } from '../foundation/check.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import type { ExtraTensor, Model } from '../model/model.js';

/** Which prior: the option of both. @internal */
export const COVARIANCE = {
  kind: 'choice',
  of: ['diagonal', 'full'],
  default: 'diagonal',
  search: { of: ['diagonal', 'full'] },
  doc: 'Of the prior: diagonal, Λ = diag(exp ℓ), or full, Λ = L Lᵀ with L = diag(exp ℓ/2) + the strictly lower triangle of F; ℓ is prior.logPrecision [features + 1], F prior.factor [features + 1, features + 1], the bias last.',
} as const;

const LOG_PRECISION = 'prior.logPrecision';
const FACTOR = 'prior.factor';

/** @param precision initial, of every weight @internal */
export function gaussianPrior({ name, options }: Algorithm, model: Model, precision: number): Extension {
  const { also } = model.spec.head;
  if (also !== undefined) throw invalid('model.head.also', `is more than ${name} solves for`, also, 'a single head');
  const d = lastLayer(model, name).features + 1;
  const diagonal: ExtraTensor = {
    name: LOG_PRECISION,
    shape: [d],
    initial: { kind: 'constant', value: Math.log(precision) },
  };
  if (options['covariance'] !== 'full')
    return { tensors: [diagonal], native: (_, tensor) => ({ prior: tensor(LOG_PRECISION) }) };
  return {
    tensors: [diagonal, { name: FACTOR, shape: [d, d], initial: { kind: 'constant', value: 0 } }],
    native: (_, tensor) => ({ prior: tensor(LOG_PRECISION), priorFactor: tensor(FACTOR) }),
  };
}
