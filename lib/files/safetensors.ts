/**
 * The safetensors file format (https://huggingface.co/docs/safetensors, "Format"):
 *
 *     u64 little-endian N | N bytes of JSON, padded with spaces | the tensors' bytes, little-endian, without holes
 *
 * The JSON maps each name to { dtype, shape, data_offsets: [begin, end) from the end of the header }, and
 * `__metadata__` to a map of strings.
 */
import { endianness } from 'node:os';
import { InnerloopError, show } from '../foundation/errors.js';
import { fromBfloat16, fromHalf } from './halves.js';
import { HeaderParser, LONE_SURROGATE, METADATA, record } from './safetensors-header.js';
import type { ArrayType, Fail, Reader, Readers, TensorInfo } from './safetensors-header.js';

/** A dense row-major array of one of the four element types that a model or checkpoint holds. */
export interface NamedArray {
  /** `[]` is a scalar; a dimension may be 0. */
  shape: number[];
  data: Float32Array | Float64Array | Int32Array | Uint8Array;
}

const DTYPES: ReadonlyMap<string, ArrayType> = new Map<string, ArrayType>([
  ['F32', Float32Array],
  ['F64', Float64Array],
  ['I32', Int32Array],
  ['U8', Uint8Array],
]);
const OWN: Readers<NamedArray['data']> = new Map(
  [...DTYPES].map(([dtype, type]) => [dtype, { type, read: (...view) => new type(...view) }]),
);
/** Element types that files of others may hold beside those. */
const ANY: Readers<NamedArray['data'] | BigInt64Array> = new Map<string, Reader<NamedArray['data'] | BigInt64Array>>([
  ...OWN,
  ['F16', { type: Uint16Array, read: (...view) => fromHalf(new Uint16Array(...view)) }],
  ['BF16', { type: Uint16Array, read: (...view) => fromBfloat16(new Uint16Array(...view)) }],
  ['I64', { type: BigInt64Array, read: (...view) => new BigInt64Array(...view) }],
]);
const PREFIX = 8;
/** The limit of the reference implementation, in bytes. */
const MAX_HEADER = 100_000_000;

// ------------------------------------------------------------------------------------------------------- encode

/**
 * The bytes of a safetensors file, as chunks to be written one after the other: the header, then views of the
 * tensors' own memory (nothing is copied, so do not change the data before the chunks are written).
 *
 * Equal contents give equal bytes whatever the order of the keys. Tensors lie in order of element size, largest
 * first, then of name (UTF-16 code units), so that each is aligned to its element size in the file.
 *
 * @param tensors - by name; `shape` multiplies to `data.length`
 * @param metadata - strings by name, written as `__metadata__`; left out if there are none
 * @throws InnerloopError `INVALID_OPTION` for a tensor or metadata entry that cannot be written, `UNSUPPORTED` on a
 *   big-endian machine
 */
export function encodeSafetensors(tensors: Record<string, NamedArray>, metadata: Record<string, string>): Uint8Array[] {
  refuseBigEndian();
  const entries = Object.entries(tensors).map(([name, tensor]) => ({ name, tensor, dtype: checkTensor(name, tensor) }));
  entries.sort((a, b) => b.tensor.data.BYTES_PER_ELEMENT - a.tensor.data.BYTES_PER_ELEMENT || order(a.name, b.name));

  // The text is put together by hand because an object would move integer-like names to the front and lose `__proto__`.
  const parts: string[] = [];
  const notes = Object.entries(metadata).sort(([a], [b]) => order(a, b));
  for (const [key, value] of notes) checkMetadata(key, value);
  if (notes.length > 0) {
    const pairs = notes.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    parts.push(`"${METADATA}":{${pairs.join(',')}}`);
  }
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const { name, tensor, dtype } of entries) {
    const { buffer, byteOffset, byteLength } = tensor.data;
    const end = offset + byteLength;
    const info = `{"dtype":"${dtype}","shape":[${tensor.shape.join(',')}],"data_offsets":[${offset},${end}]}`;
    parts.push(`${JSON.stringify(name)}:${info}`);
    if (byteLength > 0) chunks.push(new Uint8Array(buffer, byteOffset, byteLength));
    offset = end;
  }

  const json = Buffer.from(`{${parts.join(',')}}`, 'utf8');
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER) {
    throw new InnerloopError('INVALID_OPTION', 'too many tensors or too much metadata for one file', {
      field: 'tensors',
      value: `a header of ${length} bytes`,
      expected: `at most ${MAX_HEADER} bytes of names, shapes and metadata`,
    });
  }
  const head = new Uint8Array(PREFIX + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(json, PREFIX);
  return [head, ...chunks];
}

/** The dtype of a tensor that can be written. */
function checkTensor(name: string, tensor: NamedArray): string {
  const field = `tensors[${show(name)}]`;
  const bad = (what: string, value: unknown, expected: string): InnerloopError =>
    new InnerloopError('INVALID_OPTION', what, { field, value, expected });
  if (name === METADATA) throw bad('this name is reserved by the file format', name, 'another name');
  if (LONE_SURROGATE.test(name)) throw bad('the name is not well-formed text', name, 'no lone surrogates');
  // The tag decides and not instanceof, because a Buffer is a Uint8Array and arrays may come from another realm (node:vm).
  const tag: string | undefined = tensor.data?.[Symbol.toStringTag];
  const dtype = [...DTYPES].find(([, type]) => type.name === tag)?.[0];
  if (dtype === undefined) {
    throw bad('this element type is not supported', tensor.data, [...DTYPES.values()].map((t) => t.name).join(', '));
  }
  const count = Array.isArray(tensor.shape) ? elements(tensor.shape) : undefined;
  if (count !== tensor.data.length) {
    throw bad('the shape does not fit the data', tensor.shape, `whole numbers with product ${tensor.data.length}`);
  }
  return dtype;
}

function checkMetadata(key: string, value: string): void {
  if (typeof value === 'string' && !LONE_SURROGATE.test(key) && !LONE_SURROGATE.test(value)) return;
  throw new InnerloopError('INVALID_OPTION', 'metadata must be text', {
    field: `metadata[${show(key)}]`,
    value,
    expected: 'a string without lone surrogates, under such a name',
  });
}

/** Product of the dimensions; undefined if one is not a whole number or the product is not exact, in any prefix. */
function elements(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(size) || size < 0 || !Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/** Not localeCompare: the same bytes on every machine. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function refuseBigEndian(): void {
  if (endianness() === 'LE') return;
  throw new InnerloopError('UNSUPPORTED', 'model files are little-endian and are not converted', {
    value: 'a big-endian machine',
    expected: 'a little-endian machine',
  });
}

// ------------------------------------------------------------------------------------------------------- decode

/**
 * Reads a safetensors file that may come from anywhere: nothing in it is believed before it is checked, and memory is
 * never taken by a size that the file states but does not fill.
 *
 * Tensors aligned to their element size (all of them, in files written by {@link encodeSafetensors}) are views of
 * `bytes`, the others are copies. Both records have no prototype, so that a tensor may be called `__proto__`.
 *
 * @param bytes - the whole file
 * @param field - its name in error messages, usually the path
 * @throws InnerloopError `MODEL_FILE` for anything but a complete, well-formed file of F32, F64, I32 and U8 tensors;
 *   `UNSUPPORTED` on a big-endian machine
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  field: string,
): { tensors: Record<string, NamedArray>; metadata: Record<string, string> } {
  return decode(bytes, field, OWN);
}

/** Reads files that others wrote, which may also hold I64 tensors, and F16 and BF16 ones, which become float32. */
export function decodeTensors(bytes: Uint8Array, field: string) {
  return decode(bytes, field, ANY).tensors;
}

function decode<A>(bytes: Uint8Array, field: string, readers: Readers<A>) {
  refuseBigEndian();
  const fail: Fail = (what, value, expected) => {
    throw new InnerloopError('MODEL_FILE', what, { field, value, expected });
  };
  if (bytes.length < PREFIX) {
    fail('the file is too short to be a safetensors file', `${bytes.length} bytes`, `at least ${PREFIX}`);
  }
  const stated = new DataView(bytes.buffer, bytes.byteOffset, PREFIX).getBigUint64(0, true);
  if (stated > BigInt(MAX_HEADER) || stated > BigInt(bytes.length - PREFIX)) {
    const most = Math.min(MAX_HEADER, bytes.length - PREFIX);
    fail('not a safetensors file, or cut short: the header length is out of range', stated, `at most ${most} bytes`);
  }
  const start = PREFIX + Number(stated);
  let text = '';
  try {
    // ignoreBOM keeps a byte order mark in the text, where the grammar refuses it, as the specification does.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(PREFIX, start));
  } catch {
    fail('the header is not text', 'invalid UTF-8', 'JSON in UTF-8');
  }
  const { infos, metadata } = new HeaderParser(text, readers, fail).parse();
  checkRanges(infos, bytes.length - start, fail);

  const tensors = record<{ shape: number[]; data: A }>();
  for (const { name, type, read, shape, begin, end } of infos) {
    const view = bytes.subarray(start + begin, start + end);
    // Not slice(): that of a Buffer does not copy.
    const { buffer, byteOffset } = view.byteOffset % type.BYTES_PER_ELEMENT === 0 ? view : new Uint8Array(view);
    tensors[name] = { shape, data: read(buffer as ArrayBuffer, byteOffset, view.length / type.BYTES_PER_ELEMENT) };
  }
  return { tensors, metadata };
}

/** Every tensor's bytes fit its shape, and together they cover the data exactly once. */
function checkRanges(infos: TensorInfo<unknown>[], dataBytes: number, fail: Fail): void {
  for (const { name, type, shape, begin, end } of infos) {
    const tensor = `tensor ${show(name)}`;
    if (begin > end || end > dataBytes) {
      const expected = `begin ≤ end ≤ ${dataBytes}, the bytes after the header`;
      fail(`${tensor}: data_offsets out of range`, [begin, end], expected);
    }
    const size = (elements(shape) ?? NaN) * type.BYTES_PER_ELEMENT;
    if (size !== end - begin) {
      const expected = `a shape of ${type.name} elements in exactly ${end - begin} bytes`;
      fail(`${tensor}: the shape does not fit data_offsets`, shape, expected);
    }
  }
  let covered = 0;
  for (const { name, begin, end } of [...infos].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) {
      const what = begin < covered ? 'overlaps another tensor' : 'leaves a hole before its data';
      fail(`tensor ${show(name)}: ${what}`, [begin, end], `data_offsets to begin at ${covered}`);
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    fail('bytes after the last tensor', `${dataBytes} bytes of data`, `the ${covered} that the header describes`);
  }
}
