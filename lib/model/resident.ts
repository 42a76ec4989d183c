/** Parameters that stay in the core between calls: a call then costs what its batch reads, not what the tables hold. */
import type { NativeStore } from '../foundation/addon.js';
import { nativeError } from '../foundation/addon.js';
import { checkNumber, invalid, unknownName } from '../foundation/check.js';
import type { FloatArray, Parameters, SparseParameters, Tensor, TensorRows } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { Uncloneable } from '../foundation/uncloneable.js';
import { isTyped } from '../foundation/typed-arrays.js';
import { checkTensors } from './check-tensors.js';
import type { Model } from './model.js';

/** Made by `residentParameters`; the functions on plain parameters take it in their place. */
export class ResidentParameters extends Uncloneable {
  /** The model that the parameters are of. */
  readonly model: Model;
  #store: NativeStore | undefined;

  /** @internal */
  constructor(model: Model, store: NativeStore) {
    super('params', 'params.read() to be sent, and residentParameters(model, parameters) where it arrives');
    this.model = model;
    this.#store = store;
  }

  /** @internal @throws {InnerloopError} DISPOSED */
  get store(): NativeStore {
    if (this.#store === undefined)
      throw new InnerloopError('DISPOSED', 'was disposed of', { field: 'params', expected: 'residentParameters anew' });
    return this.#store;
  }

  /** A copy of all parameters. */
  read(): Parameters {
    return this.model.read(this.store);
  }

  /**
   * θ ← θ + scale · changes, for the parameters that are named; of a table in full, or for its `rows`.
   *
   * ```ts
   * params.add(gradient, -0.01);   // a step of gradient descent
   * ```
   *
   * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; nothing has been changed then
   */
  add(changes: SparseParameters, scale = 1): void {
    const { model, store } = this;
    checkNumber(scale, 'scale');
    if (typeof changes !== 'object' || changes === null)
      throw invalid('changes', 'not an object', changes, 'tensors by parameter name');
    const names = model.tensors.map(({ name }) => name);
    const parts = Object.entries(changes).map(([name, change]) => {
      const t = names.indexOf(name);
      if (t < 0) throw unknownName(`changes.${name}`, 'no such parameter', name, names);
      checkChange(model, t, change, `changes.${name}`);
      return { t, rows: 'rows' in change ? Int32Array.from(change.rows) : undefined, data: model.floats(change.data) };
    });
    try {
      for (const { t, rows, data } of parts) model.ops.addToTensor(store, t, data, scale, rows);
    } catch (error) {
      throw nativeError(error);
    }
  }

  /** Frees them at once; what is called with them later is refused with DISPOSED. */
  dispose(): void {
    if (this.#store !== undefined) this.model.ops.release(this.#store);
    this.#store = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkChange(model: Model, t: number, change: Tensor | TensorRows, field: string): void {
  const { name, shape, embedding } = model.tensors[t];
  if (typeof change !== 'object' || change === null || !('rows' in change))
    return checkTensors({ [name]: change }, 'changes', [{ name, shape }]);
  const { rows, data }: { rows: Int32Array; data: FloatArray } = change;
  if (!embedding) throw invalid(`${field}.rows`, 'is of a tensor that is no table', rows, 'all values of the tensor');
  if (!isTyped(rows, 'Int32Array') || rows.some((row) => row < 0 || row >= shape[0]))
    throw invalid(`${field}.rows`, 'not rows of the table', rows, `an Int32Array of rows from 0 to ${shape[0] - 1}`);
  const size = rows.length * shape.slice(1).reduce((a, b) => a * b, 1);
  if (!isTyped(data, 'Float32Array', 'Float64Array') || data.length !== size)
    throw invalid(`${field}.data`, 'does not hold the rows', data, `a float array of ${size} values`);
}
