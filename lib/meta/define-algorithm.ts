/** Algorithms of one's own: gradient steps with other options and schedules, or a graph of operations. */
import { invalid } from '../foundation/check.js';
import { resolveOptions } from '../foundation/options.js';
import type { OptionsOf, OptionTable } from '../foundation/options.js';
import { SECOND_ORDER, gradientForm, sealed } from './algorithm.js';
import type { Algorithm, Extension } from './algorithm.js';
import { GRADIENT_OPTIONS, ORDER, SCHEDULES } from './algorithm-options.js';
import { GRAPH_ALONE, graphExtension } from './graphs/extension.js';
import type { TaskGraph } from './graphs/graph.js';
import type { Model } from '../model/model.js';

/** The part of a specification that is plain data, and is saved with a learner. */
const SPEC = {
  name: { kind: 'text', required: true, doc: 'Stands in tables, errors and files.' },
  ...GRADIENT_OPTIONS,
  order: ORDER,
  direction: {
    kind: 'choice',
    of: ['meta-gradient', 'reptile', 'joint'],
    default: 'meta-gradient',
    doc: 'What the outer step follows: the meta-gradient, θ_0 − θ_K over all rows (reptile), or the gradient without adaptation (joint).',
  },
  ...SCHEDULES,
} as const satisfies OptionTable;

/** What an algorithm of one’s own is made of: options of gradient steps, and a graph where it has one. */
export type AlgorithmSpec = OptionsOf<typeof SPEC> & {
  /**
   * Writes a graph of operations over the matrices of one task, which the core checks, runs and differentiates: with
   * `graph.output` it predicts in place of gradient steps, with `graph.start` it makes the parameters that the steps start from,
   * and `graph.auxiliary` adds terms to the loss. It is written anew for every model, a second time with `graph.training` true
   * for what training differentiates.
   */
  graph?: (graph: TaskGraph) => void;
};

/**
 * An algorithm of one's own, which learners take as any other.
 *
 * ```ts
 * const cautious = defineAlgorithm({ name: 'cautious', steps: 3, adapt: ['@last'], proximal: 0.5, rates: 'perStep' });
 * const meanRating = defineAlgorithm({
 *   name: 'meanRating',
 *   graph: (g) => g.output(g.product('nn', g.constant(1, 'query'), g.meanRows(g.labels('support')))),
 * });
 * ```
 *
 * A learner is saved with the whole specification. A graph is a function, which no file holds: `loadLearner` of a learner with
 * one takes the algorithm again.
 *
 * @throws {InnerloopError} UNKNOWN_OPTION, INVALID_OPTION
 */
export function defineAlgorithm(spec: AlgorithmSpec): Algorithm {
  const given: unknown = spec;
  if (typeof given !== 'object' || given === null)
    throw invalid('algorithm', 'not a specification', spec, 'an object with a name and options');
  const { graph, ...data } = spec;
  const options = resolveOptions(data, 'algorithm', SPEC);
  const { name, order, direction, multiStepLoss, orderAnnealing, ...gradient } = options;
  if (graph !== undefined && typeof graph !== 'function')
    throw invalid('algorithm.graph', 'not a function', graph, 'a function that writes a graph');
  // Without a word about steps a graph stands alone.
  const isAlone = graph !== undefined && data.steps === undefined && data.adapt === undefined;
  if (direction !== 'meta-gradient' && gradient.rates !== 'fixed')
    throw invalid('algorithm.rates', `have no gradient under direction ${direction}`, gradient.rates, 'fixed');
  if (direction !== 'meta-gradient' && graph !== undefined)
    throw invalid('algorithm.graph', `is not differentiated under direction ${direction}`, graph, 'meta-gradient');
  return sealed({
    name,
    options,
    isOwn: true,
    ...(isAlone
      ? GRAPH_ALONE
      : {
          ...gradientForm(gradient, name),
          ...SECOND_ORDER,
          order: direction === 'meta-gradient' ? order : 1,
          direction,
          multiStepEpochs: multiStepLoss?.epochs,
          firstOrderEpochs: orderAnnealing?.epochs,
        }),
    ...(graph !== undefined && { graph, extend: extendByGraph }),
  });
}

function extendByGraph(this: Algorithm, model: Model): Extension {
  return graphExtension(model, this.graph!, true);
}
