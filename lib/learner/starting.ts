/** Where a learner starts from, and what its steps draw. */
import { checkNotAborted } from '../foundation/abort.js';
import { runNative } from '../foundation/addon.js';
import type { NativeStore } from '../foundation/addon.js';
import type { Parameters } from '../foundation/contract.js';
import { random } from '../foundation/random.js';
import { drawTables, drawTablesNow, isDrawnInPlace } from '../model/initial.js';
import type { Drawing } from '../model/initial.js';
import type { Model } from '../model/model.js';
import type { Placed } from './device.js';
import { parameterBytes, requireMemory } from './memory-estimate.js';

/** Key of everything random in an outer step but its tasks: of 53 bits and never 0, which is no training. */
export function stepKey(seed: number, start: number, progress: number): number {
  const stream = random(seed, start === 0 ? 'train.step' : `train.step.${start}`, Math.floor(progress * 2 ** 52));
  return stream.uint32() * 2 ** 21 + (stream.uint32() >>> 12) * 2 + 1;
}

export interface Start {
  parameters?: Parameters | undefined;
  seed: number;
}

/** A store of fresh parameters, or of the given ones with fresh ones of the algorithm's own where those are missing. */
export function startingStore({ model, extension }: Placed, { parameters, seed }: Start): NativeStore {
  const { tensors, precision, ops } = model;
  requireMemory(parameterBytes(tensors, precision, parameters === undefined ? 1 : 2), 'parameters');
  if (parameters === undefined) {
    const store = ops.createStore(model.native);
    writeOthers(model, store, seed);
    drawTablesNow(model, store, seed);
    return store;
  }
  // No others: the given ones may come from a file, whose sizes are not believed before its tensors fit them.
  const missing = (extension?.tensors ?? []).map(({ name }) => name).filter((name) => !Object.hasOwn(parameters, name));
  return model.store({ ...model.initialize(seed, missing), ...parameters }, 'parameters');
}

/** The same, with memory taken and tables drawn off the event loop. @throws {InnerloopError} ABORTED */
export async function freshStore(at: Placed, start: Start, drawing: Drawing): Promise<NativeStore> {
  if (start.parameters !== undefined) return startingStore(at, start);
  const { model } = at;
  requireMemory(parameterBytes(model.tensors, model.precision, 1), 'parameters');
  checkNotAborted(drawing.signal, 'drawing initial values was aborted', 'learner');
  const store = await runNative(undefined, () => model.ops.allocateStore(model.native));
  writeOthers(model, store, start.seed);
  await drawTables(model, store, start.seed, drawing);
  return store;
}

/** What the core does not draw where it lies. */
function writeOthers(model: Model, store: NativeStore, seed: number): void {
  const others = model.tensors.filter((tensor) => !isDrawnInPlace(tensor)).map(({ name }) => name);
  const fresh = model.initialize(seed, others);
  model.tensors.forEach((tensor, t) => {
    if (!isDrawnInPlace(tensor)) model.ops.writeTensor(store, t, fresh[tensor.name].data);
  });
}
