/** Damage to bytes and to values, all of it decided by a random stream, so that a failure has a number to be repeated by. */
import type { Random } from '../../lib/foundation/random.js';

export const pick = <T>(stream: Random, from: readonly T[]): T => from[stream.below(from.length)];

/** Some bytes changed, cut out, doubled, or replaced by those of another file. */
export function mutateBytes(stream: Random, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let result = Buffer.from(bytes);
  for (let n = 1 + stream.below(4); n > 0; n--) {
    const at = stream.below(result.length + 1);
    const length = Math.min(result.length - at, 1 + stream.below(stream.below(4) === 0 ? 400 : 8));
    switch (stream.below(7)) {
      case 0:
        result = result.subarray(0, at);
        break;
      case 1:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)]);
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, at + length), result.subarray(at)]);
        break;
      case 3: {
        const other = Buffer.from(pick(stream, others));
        const from = stream.below(other.length);
        result = Buffer.concat([
          result.subarray(0, at),
          other.subarray(from, from + length),
          result.subarray(at + length),
        ]);
        break;
      }
      case 4:
        result = Buffer.concat([result.subarray(0, at), Buffer.from(pick(stream, TOKENS)), result.subarray(at)]);
        break;
      case 5:
        for (let i = at; i < at + length; i++) result[i] = stream.below(256);
        break;
      default:
        if (at < result.length) result[at] ^= 1 << stream.below(8);
    }
  }
  // A copy: a mutation that changes nothing must not hand out the original.
  return new Uint8Array(result);
}

/** What parsers trip over. */
const TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '\\u0000',
  '\ud83d',
  '-1',
  '1e999',
  '99999999999999999999',
  '0',
  'null',
  '__proto__',
  '__metadata__',
  '\u0000',
  '"dtype":"F64"',
  '[0,0]',
  'data_offsets',
];

export const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  1,
  2,
  3,
  5,
  7,
  -1,
  -0,
  0.5,
  1e-300,
  1e300,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  '',
  '0',
  'all',
  '*',
  '__proto__',
  'constructor',
  '../x',
  '@last',
  'mse',
  'maml',
  'ridge',
  'float64',
  'x'.repeat(300),
  [],
  [0],
  [1, 2, 3],
  [[]],
  [null],
  {},
  { a: 1 },
  { name: 'adam' },
  { kind: 'dense', name: 'x', size: 3 },
  { fraction: 0.5 },
];
/** Beyond JSON. */
export const STRANGE: readonly unknown[] = [
  undefined,
  NaN,
  Infinity,
  -Infinity,
  1n,
  Symbol('s'),
  () => 1,
  new Date(0),
  new Map(),
  /x/,
  new Proxy({}, {}),
  Object.create(null),
  new Array(3),
  { length: 3 },
  { length: 2 ** 40 },
  { length: -1 },
  { valueOf: () => 1 },
  new Float32Array([NaN]),
  new Float64Array([1, 2]),
  new Int32Array([-1, 2 ** 31 - 1]),
  new Uint8Array(4),
  new BigInt64Array(2),
  new DataView(new ArrayBuffer(8)),
  new ArrayBuffer(8),
  new SharedArrayBuffer(8),
  new Int32Array(new SharedArrayBuffer(16), 4, 2),
  Buffer.from('garbage'),
];

/** A copy of a value with something in it replaced, removed, added or moved. */
export function mutateValue(stream: Random, value: unknown, values: readonly unknown[] = VALUES): unknown {
  const isArray = Array.isArray(value);
  const isObject = !isArray && typeof value === 'object' && value !== null && !ArrayBuffer.isView(value);
  const keys = isArray || isObject ? Object.keys(value) : [];
  if (keys.length === 0 || stream.below(12) === 0) return pick(stream, values);
  const copy = (isArray ? [...(value as unknown[])] : { ...(value as object) }) as Record<string, unknown>;
  const key = pick(stream, keys);
  switch (stream.below(10)) {
    case 0:
      if (isArray) (copy as unknown as unknown[]).splice(Number(key), 1);
      else delete copy[key];
      break;
    case 1: {
      const name = pick(stream, ['__proto__', 'extra', ...keys, key.slice(0, -1)]);
      Object.defineProperty(copy, isArray ? String(keys.length) : name, {
        value: pick(stream, values),
        enumerable: true,
        configurable: true,
        writable: true,
      });
      break;
    }
    case 2:
      copy[key] = copy[pick(stream, keys)];
      break;
    default:
      copy[key] = mutateValue(stream, copy[key], values);
  }
  return copy;
}
