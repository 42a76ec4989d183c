import type { Algorithm, Extension } from '../meta/algorithm.js';
import { checkInteger, checkNumber } from '../foundation/check.js';
import { episodeAlgorithm, episodeExtension, headOf } from '../meta/graphs/extension.js';
import type { Model } from '../model/model.js';
import { taste } from './lwa.js';
import type { LwaOptions } from './lwa.js';

export interface NlbaOptions extends LwaOptions {
  /** Units of the hidden layer. Default 16. */
  hidden?: number;
}

/**
 * Non-linear bias adaptation (Vartak et al. 2017, section 3.3): a network with one hidden layer whose weights all users share and
 * whose biases are a user's own. With F(x) the features below the model's last layer and R⁰, R¹ their means over the disliked and
 * the liked support rows (0 for none),
 *
 *     h = relu(W F(x) + c + V₀ R⁰ + V₁ R¹)      prediction  f(x) + w·h + v₀·R⁰ + v₁·R¹
 *
 * f is the model's own output (the paper has none), so that its last layer stays in use. Before adaptation R⁰ = R¹ = 0. The paper
 * classifies; under `mse` the sum is a rating, and R⁰ and R¹ are those of `lwa` under `mse`.
 *
 * Adds `nlba.hidden` (W, c), `nlba.output` (w), `nlba.hiddenBias` (V₀ | V₁) and `nlba.outputBias` (v₀ | v₁).
 *
 * @throws {InnerloopError} INVALID_OPTION for a model without a linear last layer or with another loss; UNKNOWN_OPTION
 */
export function nlba(options: NlbaOptions = {}): Algorithm {
  const algorithm = episodeAlgorithm('nlba', options, ['hidden', 'threshold'], extend);
  if (options.hidden !== undefined) checkInteger(options.hidden, 'nlba.hidden', 1, 65536);
  if (options.threshold !== undefined) checkNumber(options.threshold, 'nlba.threshold');
  return algorithm;
}

function extend(this: Algorithm, model: Model): Extension {
  const { loss } = headOf(model, 'nlba', ['mse', 'bce']);
  const { hidden = 16 } = this.options as NlbaOptions;
  return episodeExtension(model, (p) => {
    const { means, query } = taste(p, 'nlba', loss, this.options);
    const own = p.flatten(means);
    const bias = p.linear('nlba.hiddenBias', own, hidden, { bias: false });
    const units = p.activate(p.add(p.linear('nlba.hidden', query, hidden), bias), 'relu');
    const score = p.add(
      p.linear('nlba.output', units, 1, { bias: false }),
      p.linear('nlba.outputBias', own, 1, { bias: false }),
    );
    p.output(p.add(p.outputs('query'), score));
  });
}
