/** Where a learner starts from, and what its steps draw. */
import type { Parameters } from '../foundation/contract.js';
import { random } from '../foundation/random.js';
import type { Extension } from '../meta/algorithm.js';
import type { Model } from '../model/model.js';
import { parameterBytes, requireMemory } from './memory-estimate.js';

/** Key of everything random in an outer step but its tasks: of 53 bits and never 0, which is no training. */
export function stepKey(seed: number, start: number, progress: number): number {
  const stream = random(seed, start === 0 ? 'train.step' : `train.step.${start}`, Math.floor(progress * 2 ** 52));
  return stream.uint32() * 2 ** 21 + (stream.uint32() >>> 12) * 2 + 1;
}

/** Fresh parameters, or the given ones with fresh ones of the algorithm's own where those are missing. */
export function startingFrom(
  given: Parameters | undefined,
  seed: number,
  model: Model,
  extension: Extension | undefined,
): Parameters {
  requireMemory(parameterBytes(model.tensors, model.precision), 'parameters');
  if (given === undefined) return model.initialize(seed);
  // No others: the given ones may come from a file, whose sizes are not believed before its tensors fit them.
  const missing = (extension?.tensors ?? []).map(({ name }) => name).filter((name) => !Object.hasOwn(given, name));
  return { ...model.initialize(seed, missing), ...given };
}
