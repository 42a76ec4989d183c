/**
 * The .npy file format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), arrays of numbers only:
 *
 *     "\x93NUMPY" | u8 major, u8 minor | u16 (major 1) or u32 little-endian N | N bytes of header | the elements
 *
 * The header is the text of a Python dictionary, `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, padded with
 * spaces and ended by a line break.
 */
import { checkString } from '../foundation/check.js';
import { endianness } from 'node:os';
import { readWhole } from './durable.js';
import { InnerloopError } from '../foundation/errors.js';
import { fromHalf } from './halves.js';

/** An array of an `.npy` file. */
export interface NpyArray {
  /** `[]` is a scalar; a dimension may be 0. */
  shape: number[];
  /** Row-major. Narrower types become the next of these that holds all their values: float16 float32, booleans and small integers int32. */
  data: Float32Array | Float64Array | Int32Array | BigInt64Array;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** The limit of NumPy's own reader, in bytes. */
const MAX_HEADER = 10_000;
interface ElementType {
  type:
    | typeof Float32Array
    | typeof Float64Array
    | typeof Int32Array
    | typeof BigInt64Array
    | typeof Uint32Array
    | typeof Uint16Array
    | typeof Int16Array
    | typeof Uint8Array
    | typeof Int8Array;
  /** The array in a type that holds all of its values. */
  widen?: (data: never) => NpyArray['data'];
}

const toIntegers = (data: ArrayLike<number>): Int32Array => Int32Array.from(data);
const DTYPES: ReadonlyMap<string, ElementType> = new Map<string, ElementType>([
  ['<f2', { type: Uint16Array, widen: (data: Uint16Array) => fromHalf(data) }],
  ['<f4', { type: Float32Array }],
  ['<f8', { type: Float64Array }],
  ['<i4', { type: Int32Array }],
  ['<i8', { type: BigInt64Array }],
  ['|b1', { type: Uint8Array, widen: toIntegers }],
  ['|u1', { type: Uint8Array, widen: toIntegers }],
  ['|i1', { type: Int8Array, widen: toIntegers }],
  ['<u2', { type: Uint16Array, widen: toIntegers }],
  ['<i2', { type: Int16Array, widen: toIntegers }],
  ['<u4', { type: Uint32Array, widen: (data: Uint32Array) => Float64Array.from(data) }],
]);
const ENTRY = /\s*'(descr|fortran_order|shape)'\s*:\s*(?:'([^'\\]*)'|(True|False)|\(([\d, ]*)\))\s*(,|(?=\}))/y;

/**
 * Reads a .npy file of floating-point numbers, integers or booleans in C order, but for complex numbers and uint64.
 *
 * ```ts
 * const { shape, data } = await readNpy('text-embeddings.npy');
 * ```
 *
 * @throws {InnerloopError} MISSING_FILE, IO; INVALID_DATA for anything but a complete, well-formed file; UNSUPPORTED for
 * another element type, for Fortran order and on a big-endian machine
 */
export async function readNpy(path: string): Promise<NpyArray> {
  checkString(path, 'path');
  return decodeNpy(await readWhole(path), path);
}

/**
 * The array of a .npy file that may come from anywhere: nothing in it is believed before it is checked, and memory is never
 * taken by a size that the file states but does not fill. The array is a view of `bytes` where that is aligned to its
 * elements (in files that NumPy wrote), else a copy.
 *
 * @param field the file's name in error messages, usually the path
 * @throws {InnerloopError} as {@link readNpy}
 */
export function decodeNpy(bytes: Uint8Array, field: string): NpyArray {
  const fail = (what: string, value: unknown, expected: string) =>
    new InnerloopError('INVALID_DATA', what, { field, value, expected });
  const unsupported = (what: string, value: unknown, expected: string) =>
    new InnerloopError('UNSUPPORTED', what, { field, value, expected });
  if (endianness() !== 'LE')
    throw unsupported(
      'arrays are little-endian and are not converted',
      'a big-endian machine',
      'a little-endian machine',
    );
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw fail('not a .npy file', `${bytes.length} bytes`, 'a file that numpy.save wrote');
  }
  const major = bytes[6];
  if (major < 1 || major > 3 || bytes[7] !== 0)
    throw unsupported('this version of the .npy format', `${major}.${bytes[7]}`, '1.0, 2.0 or 3.0');
  const prefix = major === 1 ? 10 : 12;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < prefix) throw fail('the file is cut short', `${bytes.length} bytes`, `at least ${prefix}`);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER || prefix + length > bytes.length) {
    throw fail(
      'the header length is out of range',
      length,
      `at most ${Math.min(MAX_HEADER, bytes.length - prefix)} bytes`,
    );
  }
  const { descr, fortran, dimensions } = parseHeader(
    Buffer.from(view.buffer, view.byteOffset + prefix, length).toString('latin1'),
    fail,
  );
  const element = DTYPES.get(descr);
  if (element === undefined) throw unsupported('this element type', descr, `one of ${[...DTYPES.keys()].join(', ')}`);
  const { type, widen } = element;
  const shape = dimensions.map(Number);
  if (fortran && shape.length > 1)
    throw unsupported('an array in Fortran order', 'fortran_order: True', 'C order: numpy.ascontiguousarray');
  const count = shape.reduce((product, size) => product * size, 1);
  const held = bytes.length - prefix - length;
  // A zero among the dimensions must not hide one that is out of range.
  if (!shape.every(Number.isSafeInteger) || count * type.BYTES_PER_ELEMENT !== held) {
    throw fail(
      'the shape does not fit the file',
      `(${dimensions.join(', ')})`,
      `${type.name.replace(/Array$/, '')} elements in exactly ${held} bytes`,
    );
  }
  const body = bytes.subarray(prefix + length);
  // Not slice(): that of a Buffer does not copy.
  const { buffer, byteOffset } = body.byteOffset % type.BYTES_PER_ELEMENT === 0 ? body : new Uint8Array(body);
  const data = new type(buffer as ArrayBuffer, byteOffset, count);
  return { shape, data: widen === undefined ? (data as NpyArray['data']) : widen(data as never) };
}

function parseHeader(text: string, fail: (what: string, value: unknown, expected: string) => InnerloopError) {
  const malformed = () =>
    fail(
      'the header is malformed',
      text.trimEnd(),
      "{'descr': '<f4', 'fortran_order': False, 'shape': (rows, columns), }",
    );
  const body = /^\{(.*)\} *\n?$/.exec(text)?.[1];
  if (body === undefined) throw malformed();
  const found: { descr?: string; fortran?: string; shape?: string } = {};
  ENTRY.lastIndex = 0;
  const dictionary = `${body}}`;
  for (;;) {
    const at = ENTRY.lastIndex;
    const entry = ENTRY.exec(dictionary);
    if (entry === null) {
      if (dictionary.slice(at).trim() !== '}') throw malformed();
      break;
    }
    const [, key, string, flag, tuple] = entry;
    const name = key === 'fortran_order' ? 'fortran' : (key as 'descr' | 'shape');
    const value = { descr: string, fortran: flag, shape: tuple }[name];
    if (value === undefined || found[name] !== undefined) throw malformed();
    found[name] = value;
  }
  const { descr, fortran, shape } = found;
  // (3,) has one dimension, (3, 4) and (3, 4,) two, () none; (3) is a number in parentheses.
  const dimensions = shape?.split(',').map((part) => part.trim()) ?? [];
  if (dimensions.at(-1) === '') dimensions.pop();
  else if (dimensions.length === 1) throw malformed();
  if (
    descr === undefined ||
    fortran === undefined ||
    shape === undefined ||
    !dimensions.every((part) => /^\d+$/.test(part))
  )
    throw malformed();
  return { descr, fortran: fortran === 'True', dimensions };
}
