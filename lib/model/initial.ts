/** Initial values of tables: the normal numbers of `Random`, drawn by the core on all threads and, in a store, without a copy. */
import { runNative } from '../foundation/addon.js';
import type { NativeDraw, NativeStore } from '../foundation/addon.js';
import type { FloatArray } from '../foundation/contract.js';
import { random } from '../foundation/random.js';
import type { TensorSpec } from './layer-program.js';
import type { Model } from './model.js';

/** Values drawn in one call: a tenth of a second, so that a signal ends it soon and progress is seen. Even, since they come in pairs. */
const PIECE = 2 ** 22;

/** @internal The stream of a tensor's initial values. */
export const initialStream = (seed: number, name: string) => random(seed, `initialize.${name}`);

function drawOf({ threads }: Model, seed: number, name: string, deviation: number): NativeDraw {
  const [key0, key1] = initialStream(seed, name).key;
  return { key0, key1, deviation, block: 0, threads };
}

/** @internal */
export function fillNormal(model: Model, data: FloatArray, seed: number, name: string, deviation: number): void {
  model.ops.fillNormal(data, drawOf(model, seed, name, deviation));
}

/** Whether the core draws the values of a tensor where they lie. @internal */
export const isDrawnInPlace = ({ embedding, initial }: TensorSpec): boolean => embedding && initial.kind === 'normal';

interface Table {
  tensor: number;
  size: number;
  draw: NativeDraw;
}

function tablesOf(model: Model, seed: number): Table[] {
  return model.tensors.flatMap((spec, tensor) => {
    const { name, shape, initial } = spec;
    if (!isDrawnInPlace(spec) || initial.kind !== 'normal') return [];
    return [{ tensor, size: shape[0] * shape[1], draw: drawOf(model, seed, name, initial.deviation) }];
  });
}

/** @internal */
export interface Drawing {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: number) => void) | undefined;
}

/** Draws the tables of a store on this thread and those of the core. @internal */
export function drawTablesNow(model: Model, store: NativeStore, seed: number): void {
  for (const { tensor, size, draw } of tablesOf(model, seed))
    model.ops.drawTableNow({ ...draw, store, tensor, from: 0, to: size });
}

/** The same off the event loop. @internal @throws {InnerloopError} ABORTED */
export async function drawTables(
  model: Model,
  store: NativeStore,
  seed: number,
  { signal, onProgress }: Drawing,
): Promise<void> {
  const tables = tablesOf(model, seed);
  const total = tables.reduce((sum, { size }) => sum + size, 0);
  let drawn = 0;
  for (const { tensor, size, draw } of tables) {
    let { block } = draw;
    for (let from = 0; from < size; from += PIECE) {
      const to = Math.min(size, from + PIECE);
      block = await runNative(signal, (token) =>
        model.ops.drawTable({ ...draw, block, store, tensor, from, to, ...(token && { token }) }),
      );
      drawn += to - from;
      onProgress?.(drawn / total);
    }
  }
}
