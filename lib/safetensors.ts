/**
 * The safetensors file format (https://huggingface.co/docs/safetensors, "Format"):
 *
 *     u64 little-endian N | N bytes of JSON, padded with spaces | the tensors' bytes, little-endian, without holes
 *
 * The JSON maps each name to { dtype, shape, data_offsets: [begin, end) from the end of the header }, and
 * `__metadata__` to a map of strings.
 */
import { endianness } from 'node:os';
import { InnerloopError, show } from './errors.js';

/** A dense row-major array of one of the four element types that a model or checkpoint holds. */
export interface NamedArray {
  /** `[]` is a scalar; a dimension may be 0. */
  shape: number[];
  data: Float32Array | Float64Array | Int32Array | Uint8Array;
}

type ArrayType = typeof Float32Array | typeof Float64Array | typeof Int32Array | typeof Uint8Array;

const DTYPES: ReadonlyMap<string, ArrayType> = new Map<string, ArrayType>([
  ['F32', Float32Array],
  ['F64', Float64Array],
  ['I32', Int32Array],
  ['U8', Uint8Array],
]);
const METADATA = '__metadata__';
const PREFIX = 8;
/** The limit of the reference implementation, in bytes. */
const MAX_HEADER = 100_000_000;
/** Text with a lone surrogate has no UTF-8 form, so no other reader could name the tensor. */
const LONE_SURROGATE = /\p{Surrogate}/u;

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
  // By tag and not by instanceof: a Buffer is a Uint8Array, and arrays may come from another realm (node:vm).
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

/** One entry of the header; `shape` has `(end − begin) / BYTES_PER_ELEMENT` elements. */
interface TensorInfo {
  name: string;
  type: ArrayType;
  shape: number[];
  begin: number;
  end: number;
}

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
  const { infos, metadata } = new HeaderParser(text, fail).parse();
  checkRanges(infos, bytes.length - start, fail);

  const tensors = record<NamedArray>();
  for (const { name, type, shape, begin, end } of infos) {
    const view = bytes.subarray(start + begin, start + end);
    // Not slice(): that of a Buffer does not copy.
    const { buffer, byteOffset } = view.byteOffset % type.BYTES_PER_ELEMENT === 0 ? view : new Uint8Array(view);
    tensors[name] = { shape, data: new type(buffer as ArrayBuffer, byteOffset, view.length / type.BYTES_PER_ELEMENT) };
  }
  return { tensors, metadata };
}

type Fail = (what: string, value: unknown, expected: string) => never;

/** Every tensor's bytes fit its shape, and together they cover the data exactly once. */
function checkRanges(infos: TensorInfo[], dataBytes: number, fail: Fail): void {
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

/** No prototype: a key of the file can neither read nor replace anything inherited. */
function record<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

/**
 * Reads the header's JSON by its one grammar and stops at the first surprise. JSON.parse would build whatever tree the
 * file asks for (100 MB of `[[],[],…` exhausts the heap), keep the last of duplicate keys, and round large integers.
 */
class HeaderParser {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly fail: Fail,
  ) {}

  parse(): { infos: TensorInfo[]; metadata: Record<string, string> } {
    const infos: TensorInfo[] = [];
    let metadata: Record<string, string> | undefined;
    if (this.text[0] !== '{') this.unexpected('the header', '"{" as its first byte');
    this.object('the header', (name) => {
      if (name === METADATA) metadata = this.metadata();
      else infos.push(this.info(name));
    });
    this.space();
    if (this.at < this.text.length) this.unexpected('the header', 'nothing but spaces after its last "}"');
    return { infos, metadata: metadata ?? record<string>() };
  }

  private metadata(): Record<string, string> {
    const metadata = record<string>();
    this.object(METADATA, (key) => {
      metadata[key] = this.string(`${METADATA} ${show(key)}`);
    });
    return metadata;
  }

  private info(name: string): TensorInfo {
    const tensor = `tensor ${show(name)}`;
    const found: { type?: ArrayType; shape?: number[]; offsets?: number[] } = {};
    this.object(tensor, (key) => {
      if (key === 'dtype') {
        const dtype = this.string(`${tensor}: dtype`);
        found.type = DTYPES.get(dtype);
        if (!found.type) this.fail(`${tensor}: unsupported dtype`, dtype, [...DTYPES.keys()].join(', '));
      } else if (key === 'shape') {
        found.shape = this.integers(`${tensor}: shape`, Infinity);
      } else if (key === 'data_offsets') {
        found.offsets = this.integers(`${tensor}: data_offsets`, 2);
      } else {
        this.fail(`${tensor}: unknown field`, key, 'dtype, shape, data_offsets');
      }
    });
    const { type, shape, offsets } = found;
    if (type === undefined) return this.fail(`${tensor}: no dtype`, type, [...DTYPES.keys()].join(', '));
    if (shape === undefined) return this.fail(`${tensor}: no shape`, shape, 'a list of dimensions');
    if (offsets?.length !== 2) return this.fail(`${tensor}: no data_offsets`, offsets, '[begin, end]');
    return { name, type, shape, begin: offsets[0], end: offsets[1] };
  }

  /** An object without duplicate keys; `value` reads what follows each colon. */
  private object(what: string, value: (key: string) => void): void {
    this.expect('{', what);
    if (this.take('}')) return;
    const keys = new Set<string>();
    do {
      const key = this.string(`a name in ${what}`);
      if (keys.has(key)) this.fail(`${what}: a name occurs twice`, key, 'each name once');
      keys.add(key);
      this.expect(':', what);
      value(key);
    } while (this.take(','));
    this.expect('}', what);
  }

  private integers(what: string, atMost: number): number[] {
    const values: number[] = [];
    this.expect('[', what);
    if (this.take(']')) return values;
    do {
      if (values.length === atMost) this.unexpected(what, `${atMost} numbers`);
      values.push(this.integer(what));
    } while (this.take(','));
    this.expect(']', what);
    return values;
  }

  private integer(what: string): number {
    this.space();
    const begin = this.at;
    let value = 0;
    for (; this.at < this.text.length; this.at++) {
      const digit = this.text.charCodeAt(this.at) - 0x30;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
      if (!Number.isSafeInteger(value)) this.fail(`${what} is too large`, value, 'less than 2^53');
    }
    const leadingZero = this.text[begin] === '0' && this.at - begin > 1;
    // What follows the digits ('.', 'e') is refused by the caller, who expects a comma or a bracket.
    if (this.at === begin || leadingZero) this.unexpected(what, 'non-negative integers', begin);
    return value;
  }

  private string(what: string): string {
    this.space();
    const begin = this.at;
    if (this.text[begin] !== '"') this.unexpected(what, 'a string');
    for (this.at++; this.text[this.at] !== '"'; this.at++) {
      if (this.text[this.at] === '\\') this.at++;
      if (this.at >= this.text.length) this.unexpected(what, 'a closing quote');
    }
    this.at++;
    let value = '';
    try {
      value = JSON.parse(this.text.slice(begin, this.at)) as string;
    } catch {
      this.unexpected(what, 'a JSON string', begin);
    }
    if (LONE_SURROGATE.test(value)) this.fail(`${what} is not well-formed text`, value, 'no lone surrogates');
    return value;
  }

  private expect(token: string, what: string): void {
    if (!this.take(token)) this.unexpected(what, `"${token}"`);
  }

  private take(token: string): boolean {
    this.space();
    if (this.text[this.at] !== token) return false;
    this.at++;
    return true;
  }

  private space(): void {
    while (this.at < this.text.length && ' \n\r\t'.includes(this.text[this.at])) this.at++;
  }

  private unexpected(what: string, expected: string, at = this.at): never {
    const rest = this.text.slice(at, at + 20);
    return this.fail(`${what} is malformed at character ${at}`, rest === '' ? 'the end of the header' : rest, expected);
  }
}
