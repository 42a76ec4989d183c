import type { OptionTable, Resolved } from '../foundation/options.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { units } from '../meta/algorithm-options.js';
import { graphAlgorithm, graphExtension, headOf } from '../meta/graphs/extension.js';
import type { Model } from '../model/model.js';
import { taste, THRESHOLD } from './lwa.js';

const OPTIONS = {
  threshold: THRESHOLD,
  hidden: units(16, 'Units of the hidden layer.'),
} as const satisfies OptionTable;

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
export const nlba = graphAlgorithm('nlba', OPTIONS, extend);

function extend(this: Algorithm, model: Model): Extension {
  const { loss } = headOf(model, 'nlba', ['mse', 'bce']);
  const { hidden } = this.options as Resolved<typeof OPTIONS>;
  return graphExtension(model, (p) => {
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
