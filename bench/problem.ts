/** The inputs that every contender reads: one file of little-endian float32. */
import { readFileSync, writeFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { random } from '../lib/foundation/random.js';
import type { Problem } from './matrix.js';

/** A weight is [out, in] and a bias [out], layer by layer. */
export function shapesOf({ inputs, hidden }: Problem): number[][] {
  const widths = [inputs, ...hidden, 1];
  return widths.slice(1).flatMap((out, l) => [[out, widths[l]], [out]]);
}

/** The arrays of a problem in file order: parameters, then support X, y and query X, y of all tasks. */
export interface Arrays {
  parameters: Float32Array[];
  supportX: Float32Array;
  supportY: Float32Array;
  queryX: Float32Array;
  queryY: Float32Array;
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Parameters uniform in ±1/√(inputs of the layer), everything else standard normal. */
export function writeProblem(path: string, problem: Problem): void {
  if (endianness() !== 'LE') throw new Error('the benchmark needs a little-endian machine');
  const { tasks, support, query, inputs, seed } = problem;
  const parts: Float32Array[] = shapesOf(problem).map((shape, t, all) => {
    const bound = 1 / Math.sqrt(all[t - (t % 2)][1]);
    const stream = random(seed, `bench.parameter.${t}`);
    return Float32Array.from({ length: product(shape) }, () => bound * (2 * stream.uniform() - 1));
  });
  for (const [name, size] of [
    ['supportX', tasks * support * inputs],
    ['supportY', tasks * support],
    ['queryX', tasks * query * inputs],
    ['queryY', tasks * query],
  ] as const) {
    const stream = random(seed, `bench.${name}`);
    parts.push(Float32Array.from({ length: size }, () => stream.normal()));
  }
  writeFileSync(path, Buffer.concat(parts.map((p) => Buffer.from(p.buffer, p.byteOffset, p.byteLength))));
}

export function readProblem(path: string, problem: Problem): Arrays {
  const bytes = readFileSync(path);
  const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  let at = 0;
  const take = (size: number) => all.subarray(at, (at += size));
  const { tasks, support, query, inputs } = problem;
  const arrays = {
    parameters: shapesOf(problem).map((shape) => take(product(shape))),
    supportX: take(tasks * support * inputs),
    supportY: take(tasks * support),
    queryX: take(tasks * query * inputs),
    queryY: take(tasks * query),
  };
  if (at !== all.length) throw new Error(`${path} holds ${all.length} values, not ${at}`);
  return arrays;
}
