/** Algorithms that are operation graphs. */
import { nativeError } from '../../foundation/addon.js';
import type { NativeGraph } from '../../foundation/addon.js';
import { algorithmFactory } from '../algorithm.js';
import type { Algorithm, AlgorithmFactory, Extension, NamedOptions } from '../algorithm.js';
import { invalid } from '../../foundation/check.js';
import type { OptionTable } from '../../foundation/options.js';
import type { LossSpec } from '../../foundation/contract.js';
import type { Model } from '../../model/model.js';
import { TaskGraph } from './graph.js';

/** A factory of algorithms without inner steps, all of which is a graph. @internal */
export function graphAlgorithm<const Name extends string, const T extends OptionTable>(
  name: Name,
  table: T,
  extend: (this: Algorithm, model: Model) => Extension,
): AlgorithmFactory<T, NamedOptions<Name, T>> {
  return algorithmFactory(name, table, () => ({ ...GRAPH_ALONE, extend }));
}

/** Nothing adapts by steps. @internal */
export const GRAPH_ALONE = {
  steps: 0,
  learningRate: 1,
  adapt: [],
  order: 1,
  rates: 'fixed',
  shrinkage: 0,
  direction: 'meta-gradient',
  solver: 'gradient',
} as const;

/**
 * What a graph adds to a model and to its inner loop.
 * @param write writes the graph; where `trains` is true a second time for training, with the same parameters
 * @internal
 */
export function graphExtension(model: Model, write: (graph: TaskGraph) => void, trains = false): Extension {
  const [serving, training] = [false, true].map((isTraining) => {
    const graph = new TaskGraph(model, isTraining);
    write(graph);
    return graph;
  }) as [TaskGraph, TaskGraph];
  return {
    tensors: [...new Map([...serving.tensors, ...training.tensors]).values()],
    native: (extended, tensor) => ({
      graph: compile(extended, serving, tensor),
      ...(trains && { trainingGraph: compile(extended, training, tensor) }),
    }),
  };
}

/** @internal */
export function compile(model: Model, graph: TaskGraph, tensor: (name: string) => number): NativeGraph {
  try {
    return model.ops.createGraph(model.native, graph.native(tensor));
  } catch (error) {
    throw nativeError(error);
  }
}

/** The model's loss, one of those that an algorithm can work with. @internal */
export function headOf<L extends LossSpec['loss']>(
  { spec: { head } }: Model,
  algorithm: string,
  losses: readonly L[],
): Extract<LossSpec, { loss: L }> {
  if (head.also !== undefined)
    throw invalid('model.head.also', `is not what ${algorithm} can predict`, head.also, 'one head');
  if (!losses.some((loss) => loss === head.loss))
    throw invalid('model.head.loss', `is not what ${algorithm} can predict`, head.loss, `one of ${losses.join(', ')}`);
  return head as Extract<LossSpec, { loss: L }>;
}
