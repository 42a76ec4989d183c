import type { OptionTable } from '../foundation/options.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { invalid } from '../foundation/check.js';
import type { ProtoNetsOptions } from '../meta/algorithm-option-types.js';
import { graphAlgorithm, graphExtension, headOf } from '../meta/graphs/extension.js';
import { shrunkMeans } from '../meta/graphs/metric.js';
import { lossesWhere } from '../model/losses.js';
import type { Model } from '../model/model.js';

const OPTIONS = {
  thresholds: {
    kind: 'list',
    of: { kind: 'number' },
    what: 'labels',
    least: 1,
    rising: true,
    doc: 'Rising boundaries between the classes of a label: dislike and like with one. Under mse they are relative to the mean label of training; softmax has its own classes.',
    defaultDoc: '[0] under mse, [0.5] under bce, bpr and listwise',
  },
} as const satisfies OptionTable;

/** Rows of a class that its prior is worth before training. */
const PRIOR_ROWS = 1;

/**
 * Prototypical networks (Snell, Swersky & Zemel 2017). With e(x) the features below the model's last layer, a class is the mean
 * of its support rows, shrunk to a learned prior m_c worth κ rows, so that every class, and an empty support set, has one:
 *
 *     c_c = (Σ_{s of class c} e(x_s) + κ m_c) / (n_c + κ)      p(c | x) = softmax_c(−‖e(x) − c_c‖²)
 *
 * Under `softmax` the outputs are these logits; under `bce`, `bpr` and `listwise` log p(like) − log p(dislike); under `mse` the
 * expected rating Σ_c p(c | x) r_c, r_c being the mean support label of the class, shrunk alike to a learned r̄_c. The model's last
 * layer itself is not used. Before adaptation: the same with no support rows.
 *
 * Adds `prototypes.mean` [classes, features], `prototypes.rating` [classes, 1] (mse) and `prototypes.logRows` [1, 1] = log κ.
 *
 * @throws {InnerloopError} INVALID_OPTION (a model without a linear last layer, too), UNKNOWN_OPTION
 */
export const protoNets = graphAlgorithm('protoNets', OPTIONS, extend);

function extend(this: Algorithm, model: Model): Extension {
  const head = headOf(
    model,
    'protoNets',
    lossesWhere(({ isEmbedding }) => !isEmbedding),
  );
  const { thresholds = [head.loss === 'mse' ? 0 : 0.5] } = this.options as ProtoNetsOptions;
  if (head.loss === 'softmax' && this.options['thresholds'] !== undefined)
    throw invalid('protoNets.thresholds', 'softmax has its own classes', thresholds, 'none');
  if (head.loss !== 'softmax' && head.loss !== 'mse' && thresholds.length !== 1)
    throw invalid('protoNets.thresholds', `are more than ${head.loss} needs`, thresholds, 'one');
  const classes = head.loss === 'softmax' ? head.classes : thresholds.length + 1;

  return graphExtension(model, (p) => {
    const [support, query] = [p.features('support', 'protoNets'), p.features('query', 'protoNets')];
    const labels = head.loss === 'softmax' ? p.oneHot('support', classes) : p.byThreshold(thresholds);
    const kappa = p.exp(p.parameter('prototypes.logRows', 1, 1, { kind: 'constant', value: Math.log(PRIOR_ROWS) }));
    const prior = p.parameter('prototypes.mean', classes, support.columns as number, {
      kind: 'normal',
      deviation: 0.1,
    });
    const logits = p.distance(query, shrunkMeans(p, support, labels, prior, kappa));
    if (head.loss === 'softmax') return p.output(logits);
    if (head.loss !== 'mse') return p.output(p.subtract(p.columns(logits, 1, 1), p.columns(logits, 0, 1)));
    const rating = p.parameter('prototypes.rating', classes, 1, { kind: 'constant', value: 0 });
    p.output(p.product('nn', p.softmax(logits), shrunkMeans(p, p.labels('support'), labels, rating, kappa)));
  });
}
