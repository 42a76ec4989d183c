import type { Algorithm, Extension } from '../meta/algorithm.js';
import { graphAlgorithm, graphExtension, headOf } from '../meta/graphs/extension.js';
import { attention, classLikelihood, EPSILON, logOdds, trust } from '../meta/graphs/metric.js';
import type { Model } from '../model/model.js';

/** Their values before training: τ, and κ in support rows. */
const TEMPERATURE = 10;
const PRIOR_ROWS = 1;

/**
 * Matching networks (Vinyals et al. 2016): a query row is its support rows, weighed by how alike they are. With e(x) the features
 * below the model's last layer, f(x) the model's own output and n support rows,
 *
 *     a_s(x) = softmax_s(τ cos(e(x), e(x_s)))      λ = n / (n + κ)
 *     mse      f(x) + λ Σ_s a_s(x) (y_s − f(x_s))
 *     bce      p = λ Σ_s a_s(x) y_s + (1 − λ) σ(f(x)), as log-odds
 *     softmax  p = λ Σ_{s of class c} a_s(x) + (1 − λ) softmax f(x), as logarithms
 *
 * Beyond the paper: the learned temperature τ and number of rows κ that the prior f is worth (it is all there is without
 * support), and that ratings are averaged about their priors; with a constant f that is the attention-weighted mean rating,
 * shrunk to f. Before adaptation: f.
 *
 * Adds `matching.logTemperature` and `matching.logRows` [1, 1].
 *
 * @throws {InnerloopError} INVALID_OPTION for a model without a linear last layer or with another loss; UNKNOWN_OPTION
 */
export const matchingNets = graphAlgorithm('matchingNets', {}, extend);

function extend(this: Algorithm, model: Model): Extension {
  const head = headOf(model, 'matchingNets', ['mse', 'bce', 'softmax']);
  return graphExtension(model, (p) => {
    const temperature = p.exp(
      p.parameter('matching.logTemperature', 1, 1, { kind: 'constant', value: Math.log(TEMPERATURE) }),
    );
    const kappa = p.exp(p.parameter('matching.logRows', 1, 1, { kind: 'constant', value: Math.log(PRIOR_ROWS) }));
    const weights = attention(
      p,
      p.features('query', 'matchingNets'),
      p.features('support', 'matchingNets'),
      temperature,
    );
    const lambda = trust(p, kappa);
    const own = p.outputs('query');
    if (head.loss === 'mse') {
      const residual = p.subtract(p.labels('support'), p.outputs('support'));
      return p.output(p.add(own, p.multiply(p.product('nn', weights, residual), lambda)));
    }
    const prior = head.loss === 'bce' ? p.activate(own, 'sigmoid') : p.softmax(own);
    const matched = classLikelihood(
      p,
      weights,
      head.loss === 'bce' ? p.labels('support') : p.oneHot('support', head.classes),
    );
    const probability = p.add(p.multiply(matched, lambda), p.multiply(prior, p.affine(lambda, -1, 1)));
    p.output(head.loss === 'bce' ? logOdds(p, probability) : p.log(probability, EPSILON));
  });
}
