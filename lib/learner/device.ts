/** Where a learner runs. */
import { runNativeSync } from '../foundation/addon.js';
import { processorInstead, resolveDevice } from '../foundation/device.js';
import type { DeviceOption } from '../foundation/device.js';
import type { NativeInnerLoop } from '../foundation/native-contract.js';
import { innerLoopOf } from '../meta/algorithm.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import type { Model } from '../model/model.js';

/** The model where the option says. @throws {InnerloopError} as `defineModel` */
export function modelOn(model: Model, device: DeviceOption | undefined): Model {
  if (device === undefined) return model;
  const there = resolveDevice(device, 'learner.device');
  try {
    return model.on(there);
  } catch (error) {
    return model.on(processorInstead(there, error));
  }
}

export interface Placed {
  readonly model: Model;
  readonly extension: Extension | undefined;
  readonly inner: NativeInnerLoop;
}

/**
 * The model with what an algorithm adds to it, and the inner loop. What a device does not do is refused here, before any work; where
 * `auto` chose the device, the processor takes over, and says why.
 *
 * @throws {InnerloopError} UNSUPPORTED, naming what of an inner loop the model's device does not do
 */
export function placed(given: Model, algorithm: Algorithm): Placed {
  const on = (where: Model): Placed => {
    const extension = algorithm.extend?.(where);
    const model = where.extend(extension?.tensors ?? []);
    const inner = innerLoopOf(algorithm, model, extension);
    if (model.device.kind !== 'cpu') runNativeSync(() => model.ops.createInnerLoop(model.native, inner));
    return { model, extension, inner };
  };
  try {
    return on(given);
  } catch (error) {
    return on(given.on(processorInstead(given.device, error)));
  }
}
