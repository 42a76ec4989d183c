/** What amortised learners share: the model's perceptron with a task's say in it, and encoders of labelled rows. */
import { invalid } from '../../foundation/check.js';
import type { LossSpec, MlpBody } from '../../foundation/contract.js';
import { DEFAULT_ACTIVATION } from '../../model/bodies/mlp.js';
import type { TaskGraph, Node, Part } from './graph.js';

/** The model's perceptron, whose layers programs read by name. @throws {InnerloopError} INVALID_OPTION for another body */
function perceptronOf(program: TaskGraph, algorithm: string): Required<Pick<MlpBody, 'hidden' | 'activation'>> {
  const { body } = program.model.spec;
  if (body.kind !== 'mlp') throw invalid('model.body.kind', `is not what ${algorithm} can modulate`, body.kind, 'mlp');
  return { hidden: body.hidden, activation: body.activation ?? DEFAULT_ACTIVATION };
}

/**
 * The model's own layers on the query rows [Q, outputs], without dropout.
 * @param modulate changes what the linear layer of a number gave [Q, width], before its activation
 */
export function decode(
  program: TaskGraph,
  algorithm: string,
  modulate: (layer: number, z: Node, isLast: boolean) => Node,
): Node {
  const { hidden, activation } = perceptronOf(program, algorithm);
  let x = program.inputs('query', algorithm);
  hidden.forEach((width, i) => {
    x = program.activate(modulate(i, program.layer(`mlp.${i}`, x, width), false), activation);
  });
  return modulate(hidden.length, program.layer(`mlp.${hidden.length}`, x, program.model.outputs), true);
}

/**
 * What encoders read of labelled rows x [part, width]: [x, y, y x], or [x, one-hot y] where labels are classes. Σ y x is the first thing to know of
 * a user, and products are what a small network learns slowest.
 */
export function labelledRows(program: TaskGraph, part: Part, x: Node, head: LossSpec): Node {
  if ('classes' in head) return program.concat(x, program.oneHot(part, head.classes));
  const labels = program.labels(part);
  return program.concat(x, labels, program.multiply(x, labels));
}
