/** The header of a safetensors file, as text. */
import { show } from '../foundation/errors.js';

export const METADATA = '__metadata__';
/** Text with a lone surrogate has no UTF-8 form, so no other reader could name the tensor. */
export const LONE_SURROGATE = /\p{Surrogate}/u;

export type ArrayType = typeof Float32Array | typeof Float64Array | typeof Int32Array | typeof Uint8Array;

/** An element type as the reader sees it. */
export interface Reader<A> {
  type: ArrayType | typeof Uint16Array | typeof BigInt64Array;
  read: (buffer: ArrayBuffer, at: number, count: number) => A;
}
export type Readers<A> = ReadonlyMap<string, Reader<A>>;

/** One entry of the header; `shape` has `(end − begin) / BYTES_PER_ELEMENT` elements. */
export interface TensorInfo<A> extends Reader<A> {
  name: string;
  shape: number[];
  begin: number;
  end: number;
}

export type Fail = (what: string, value: unknown, expected: string) => never;

/** No prototype: a key of the file can neither read nor replace anything inherited. */
export function record<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

/**
 * Reads the header's JSON by its one grammar and stops at the first surprise. JSON.parse would build whatever tree the
 * file asks for (100 MB of `[[],[],…` exhausts the heap), keep the last of duplicate keys, and round large integers.
 */
export class HeaderParser<A> {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly readers: Readers<A>,
    private readonly fail: Fail,
  ) {}

  parse(): { infos: TensorInfo<A>[]; metadata: Record<string, string> } {
    const infos: TensorInfo<A>[] = [];
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

  private info(name: string): TensorInfo<A> {
    const tensor = `tensor ${show(name)}`;
    const found: { reader?: Reader<A>; shape?: number[]; offsets?: number[] } = {};
    this.object(tensor, (key) => {
      if (key === 'dtype') {
        const dtype = this.string(`${tensor}: dtype`);
        found.reader = this.readers.get(dtype);
        if (!found.reader) this.fail(`${tensor}: unsupported dtype`, dtype, [...this.readers.keys()].join(', '));
      } else if (key === 'shape') {
        found.shape = this.integers(`${tensor}: shape`, Infinity);
      } else if (key === 'data_offsets') {
        found.offsets = this.integers(`${tensor}: data_offsets`, 2);
      } else {
        this.fail(`${tensor}: unknown field`, key, 'dtype, shape, data_offsets');
      }
    });
    const { reader, shape, offsets } = found;
    if (reader === undefined) return this.fail(`${tensor}: no dtype`, reader, [...this.readers.keys()].join(', '));
    if (shape === undefined) return this.fail(`${tensor}: no shape`, shape, 'a list of dimensions');
    if (offsets?.length !== 2) return this.fail(`${tensor}: no data_offsets`, offsets, '[begin, end]');
    return { ...reader, name, shape, begin: offsets[0], end: offsets[1] };
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
