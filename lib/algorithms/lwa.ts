import type { OptionTable } from '../foundation/options.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import type { LwaOptions } from '../meta/algorithm-option-types.js';
import { graphAlgorithm, graphExtension, headOf } from '../meta/graphs/extension.js';
import { classMeans } from '../meta/graphs/metric.js';
import { TINY } from '../meta/graphs/graph.js';
import type { TaskGraph, Node } from '../meta/graphs/graph.js';
import type { Model } from '../model/model.js';

/** @internal */
export const THRESHOLD = {
  kind: 'number',
  doc: 'Label from which a support row is liked; under mse relative to the model’s own output.',
  defaultDoc: '0 under mse, 0.5 under bce',
} as const;
const OPTIONS = { threshold: THRESHOLD } as const satisfies OptionTable;

/**
 * What a user's likes and dislikes have in common: R⁰ and R¹ as rows, and the query rows that they are about. Under `mse` rows count
 * by how far their labels are from what the model expected, and features end with a 1, for users who like or dislike everything.
 * @internal
 */
export function taste(
  p: TaskGraph,
  algorithm: string,
  loss: 'mse' | 'bce',
  { threshold }: LwaOptions,
): { means: Node; query: Node } {
  const [support, query] = [p.features('support', algorithm), p.features('query', algorithm)];
  if (loss === 'bce') return { means: classMeans(p, support, p.byThreshold([threshold ?? 0.5])), query };
  const above = p.affine(p.subtract(p.labels('support'), p.outputs('support')), 1, -(threshold ?? 0));
  const amounts = p.concat(p.activate(p.affine(above, -1, 0), 'relu'), p.activate(above, 'relu'));
  const one = p.constant(1);
  const share = p.reciprocal(p.affine(p.count('support'), 1, TINY));
  return { means: p.multiply(p.product('tn', amounts, p.concat(support, one)), share), query: p.concat(query, one) };
}

/**
 * Linear weight adaptation (Vartak et al. 2017, section 3.2). With F(x) the features below the model's last layer and R⁰, R¹ their
 * means over the disliked and the liked support rows (0 for none), a user's linear classifier has the weights
 *
 *     w = w̄ + w₀ R⁰ + w₁ R¹      prediction  b + F(x)·w
 *
 * with learned scalars w₀, w₁. b and w̄ are the model's last layer, so that the prediction before adaptation is the model's own
 * output f(x) (the paper has w̄ = 0, which this can learn).
 *
 * The paper classifies. Under `mse` the sum is a rating, F(x) ends with a 1, and R¹ is the mean of max(y − f(x) − threshold, 0) F(x)
 * over all support rows, R⁰ that of max(threshold − y + f(x), 0) F(x): rows count by how far they are from what was expected.
 *
 * Adds `lwa.weights` [2, 1].
 *
 * @throws {InnerloopError} INVALID_OPTION for a model without a linear last layer or with another loss; UNKNOWN_OPTION
 */
export const lwa = graphAlgorithm('lwa', OPTIONS, extend);

function extend(this: Algorithm, model: Model): Extension {
  const { loss } = headOf(model, 'lwa', ['mse', 'bce']);
  return graphExtension(model, (p) => {
    const { means, query } = taste(p, 'lwa', loss, this.options);
    const weights = p.product('tn', means, p.parameter('lwa.weights', 2, 1, { kind: 'normal', deviation: 0.1 }));
    p.output(p.add(p.outputs('query'), p.product('nn', query, weights)));
  });
}
