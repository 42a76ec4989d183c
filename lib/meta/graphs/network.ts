/** Parts that amortised learners share: the model's perceptron, modulated by the task, and encoders of labelled rows. */
import { invalid } from '../../foundation/check.js';
import type { LossSpec, MlpBody } from '../../foundation/contract.js';
import { HIDDEN_OPTIONS } from '../../model/bodies/body.js';
import type { TaskGraph, Node, Part } from './graph.js';

/** The model's perceptron, whose layers graphs read by name. @throws {InnerloopError} INVALID_OPTION for another body */
function perceptronOf(graph: TaskGraph, algorithm: string): Required<Pick<MlpBody, 'hidden' | 'activation'>> {
  const { body } = graph.model.spec;
  if (body.kind !== 'mlp') throw invalid('model.body.kind', `is not what ${algorithm} can modulate`, body.kind, 'mlp');
  return { hidden: body.hidden, activation: body.activation ?? HIDDEN_OPTIONS.activation.default };
}

/**
 * The model's own layers on the query rows [Q, outputs], without dropout.
 * @param modulate changes what the linear layer of a number gave [Q, width], before its activation
 */
export function decode(
  graph: TaskGraph,
  algorithm: string,
  modulate: (layer: number, z: Node, isLast: boolean) => Node,
): Node {
  const { hidden, activation } = perceptronOf(graph, algorithm);
  let x = graph.inputs('query', algorithm);
  hidden.forEach((width, i) => {
    x = graph.activate(modulate(i, graph.layer(`mlp.${i}`, x, width), false), activation);
  });
  return modulate(hidden.length, graph.layer(`mlp.${hidden.length}`, x, graph.model.outputs), true);
}

/**
 * What encoders read of labelled rows x [part, width]: [x, y, y x], or [x, one-hot y] where labels are classes. Σ y x tells most about
 * a user, and products are what a small network learns slowest.
 */
export function labelledRows(graph: TaskGraph, part: Part, x: Node, head: LossSpec): Node {
  if ('classes' in head) return graph.concat(x, graph.oneHot(part, head.classes));
  const labels = graph.labels(part);
  return graph.concat(x, labels, graph.multiply(x, labels));
}
