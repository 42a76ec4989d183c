import type { OptionTable, Resolved } from '../foundation/options.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { units } from '../meta/algorithm-options.js';
import { graphAlgorithm, graphExtension, headOf } from '../meta/graphs/extension.js';
import { labelledRows } from '../meta/graphs/network.js';
import { lossesWhere } from '../model/losses.js';
import type { Model } from '../model/model.js';

const OPTIONS = {
  hidden: units(32, 'Hidden units of the scaling and the shifting network.'),
} as const satisfies OptionTable;

/**
 * Meta warm-up framework (Zhu et al. 2021): every task starts from one common embedding v̄, which two meta networks warm up by
 * scaling it, from what the task is about, and shifting it, from what was seen of it. With F(x) the features below the model's last
 * layer, whose weights are v̄ (a user's factors) and whose bias is b,
 *
 *     v = v̄ ∘ (1 + s(mean F(x_i))) + t(mean e([F(x_i), y_i, y_i F(x_i)])), means over the support rows, 0 without any
 *     prediction  b + F(x)·v
 *
 * Apart from the paper, where tasks are items and v̄ the mean of their embeddings: v̄ is learned, the shift reads labels beside who
 * interacted, for a rating says more than that there is one, and the embedding takes no gradient steps on the way. Before
 * adaptation: without support rows.
 *
 * Adds `mwuf.scale.*` (s), `mwuf.encoder.*` (e) and `mwuf.shift.*` (t).
 *
 * @throws {InnerloopError} INVALID_OPTION for a model without a linear last layer or with another loss; UNKNOWN_OPTION
 */
export const mwuf = graphAlgorithm('mwuf', OPTIONS, extend);

function extend(this: Algorithm, model: Model): Extension {
  const head = headOf(
    model,
    'mwuf',
    lossesWhere(({ leastClasses }) => leastClasses === undefined),
  );
  const { hidden } = this.options as Resolved<typeof OPTIONS>;
  return graphExtension(model, (p) => {
    const support = p.features('support', 'mwuf');
    const width = support.columns as number;
    const scale = p.perceptron('mwuf.scale', p.meanRows(support), hidden, width);
    const seen = p.meanRows(
      p.activate(p.linear('mwuf.encoder', labelledRows(p, 'support', support, head), hidden), 'relu'),
    );
    const shift = p.perceptron('mwuf.shift', seen, hidden, width);
    // F v + b = (F v̄ + b) + F (v − v̄), the first of which is the model's own output.
    const change = p.add(p.multiply(p.lastWeights('mwuf'), scale), shift);
    p.output(p.add(p.outputs('query'), p.product('nt', p.features('query', 'mwuf'), change)));
  });
}
