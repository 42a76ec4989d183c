/** Algorithms that are episode programs. */
import { nativeError } from '../../foundation/addon.js';
import type { NativeEpisode } from '../../foundation/addon.js';
import type { Algorithm, Extension } from '../algorithm.js';
import { checkObject, invalid } from '../../foundation/check.js';
import type { LossSpec } from '../../foundation/contract.js';
import type { Model } from '../../model/model.js';
import { EpisodeProgram } from './graph.js';

/** An algorithm without inner steps, all of which is a program. @param allowed names of its options @internal */
export function episodeAlgorithm(
  name: string,
  options: object,
  allowed: readonly string[],
  extend: (this: Algorithm, model: Model) => Extension,
): Algorithm {
  checkObject(options, name, allowed);
  return {
    name,
    options: structuredClone(options),
    steps: 0,
    learningRate: 1,
    adapt: [],
    order: 1,
    rates: 'fixed',
    shrinkage: 0,
    direction: 'meta-gradient',
    solver: 'gradient',
    extend,
  };
}

/**
 * What a program adds to a model and to its inner loop.
 * @param write writes the program; where `trains` is true a second time for training, with the same parameters
 * @internal
 */
export function episodeExtension(model: Model, write: (program: EpisodeProgram) => void, trains = false): Extension {
  const [episode, training] = [false, true].map((isTraining) => {
    const program = new EpisodeProgram(model, isTraining);
    write(program);
    return program;
  }) as [EpisodeProgram, EpisodeProgram];
  return {
    tensors: [...new Map([...episode.tensors, ...training.tensors]).values()],
    native: (extended, tensor) => ({
      episode: compile(extended, episode, tensor),
      ...(trains && { training: compile(extended, training, tensor) }),
    }),
  };
}

/** @internal */
export function compile(model: Model, program: EpisodeProgram, tensor: (name: string) => number): NativeEpisode {
  try {
    return model.ops.createEpisode(model.native, program.native(tensor));
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
