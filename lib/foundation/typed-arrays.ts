/** Typed arrays as arguments. They may come from another realm (a vm context, a test runner), where `instanceof` is false. */
import { invalid } from './check.js';

interface Kinds {
  Float32Array: Float32Array;
  Float64Array: Float64Array;
  Int32Array: Int32Array;
  Uint8Array: Uint8Array;
}

/** Whether a value is a typed array of one of these kinds, of whatever realm. */
export function isTyped<K extends keyof Kinds>(value: unknown, ...kinds: K[]): value is Kinds[K] {
  if (!ArrayBuffer.isView(value)) return false;
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  return kinds.some((kind) => kind === tag);
}

/** @param length undefined leaves it open */
export function checkTyped<K extends keyof Kinds>(
  value: unknown,
  field: string,
  kind: K,
  length?: number,
): asserts value is Kinds[K] {
  if (!isTyped(value, kind) || (length !== undefined && value.length !== length))
    throw invalid(field, 'not such an array', value, `${kind}${length === undefined ? '' : `(${length})`}`);
}

/** Checks for an array or typed array of numbers; NaN is one. Nothing else that only states a length. */
export function checkNumbers(value: unknown, field: string): asserts value is ArrayLike<number> {
  const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  if (!isList) throw invalid(field, 'not a list of numbers', value, 'an array or typed array of numbers');
  const list = value as ArrayLike<unknown>;
  for (let i = 0; i < list.length; i++)
    if (typeof list[i] !== 'number') throw invalid(`${field}[${i}]`, 'not a number', list[i], 'a number');
}
