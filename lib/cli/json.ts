/** JSON as people write it by hand: with comments, and with every mistake named by its line. */
import { readFile } from 'node:fs/promises';
import { text as readStream } from 'node:stream/consumers';
import { invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';

/** Objects and lists inside each other: far more than any option needs, far less than the stack holds. */
const DEEPEST = 100;

/** The name that stands in place of a file for what is written to the command. @internal */
export const STDIN = '-';

/** A file of JSON, not yet checked. @param expected what the file should be, for messages @internal */
export async function readJson(path: string, expected: string): Promise<unknown> {
  let source: string;
  try {
    source = path === STDIN ? await readStream(process.stdin) : await readFile(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InnerloopError('MISSING_FILE', 'no such file', { field: path, expected, cause });
    throw new InnerloopError('IO', message, { field: path, cause });
  }
  return parseJson(source, path === STDIN ? 'standard input' : path);
}

/**
 * Reads JSON (RFC 8259) that may hold comments as JavaScript has them. A key that comes twice in one object is an error, as one of
 * its values would be lost.
 *
 * @param name of the source, for messages
 * @throws {InnerloopError} INVALID_OPTION with line and column
 */
export function parseJson(source: string, name: string): unknown {
  return new JsonReader(source.replace(/^\uFEFF/, ''), name).document();
}

class JsonReader {
  #at = 0;

  constructor(
    readonly source: string,
    readonly name: string,
  ) {}

  document(): unknown {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.source.length) throw this.#error('something follows the end of the document');
    return value;
  }

  #value(depth: number): unknown {
    this.#space();
    if (depth > DEEPEST) throw this.#error(`more than ${DEEPEST} objects and lists inside each other`);
    const next = this.source[this.#at];
    if (next === '{') return this.#object(depth);
    if (next === '[') return this.#list(depth);
    if (next === '"') return this.#text();
    const word = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])/y;
    word.lastIndex = this.#at;
    const found = word.exec(this.source)?.[0];
    if (found === undefined)
      throw this.#error(
        next === undefined ? 'ends in the middle' : 'no value of JSON',
        'a value, such as 1, "text", [ ] or { }',
      );
    this.#at += found.length;
    return JSON.parse(found);
  }

  #object(depth: number): object {
    const result: Record<string, unknown> = {};
    this.#entries('}', () => {
      if (this.source[this.#at] !== '"') throw this.#error('a key without quotes', 'a key such as "data"');
      const start = this.#at;
      const key = this.#text();
      if (Object.hasOwn(result, key))
        throw this.#error(`the key ${JSON.stringify(key)} is there twice`, 'each key once', start);
      this.#space();
      if (this.source[this.#at] !== ':') throw this.#error(`no colon after the key ${JSON.stringify(key)}`, ':');
      this.#at++;
      // `__proto__` is a key like any other, as for JSON.parse.
      Object.defineProperty(result, key, {
        value: this.#value(depth + 1),
        writable: true,
        enumerable: true,
        configurable: true,
      });
    });
    return result;
  }

  #list(depth: number): unknown[] {
    const result: unknown[] = [];
    this.#entries(']', () => result.push(this.#value(depth + 1)));
    return result;
  }

  /** What stands between the brackets, comma by comma. */
  #entries(end: string, read: () => void): void {
    this.#at++;
    this.#space();
    if (this.source[this.#at] === end) {
      this.#at++;
      return;
    }
    for (;;) {
      this.#space();
      if (this.source[this.#at] === end) throw this.#error(`a comma before ${end}`, 'no comma there');
      read();
      this.#space();
      const next = this.source[this.#at];
      if (next !== ',' && next !== end)
        throw this.#error(next === undefined ? 'ends in the middle' : 'no comma between two entries', `, or ${end}`);
      this.#at++;
      if (next === end) return;
    }
  }

  #text(): string {
    const text = /"(?:[^"\\\u0000-\u001F]|\\.)*"/y;
    text.lastIndex = this.#at;
    const found = text.exec(this.source)?.[0];
    if (found === undefined) throw this.#error('a text without an end on its line', '"');
    try {
      const value = JSON.parse(found) as string;
      this.#at += found.length;
      return value;
    } catch {
      throw this.#error('an escape that JSON does not have', 'one of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX');
    }
  }

  #space(): void {
    const space = /(?:[ \t\r\n]+|\/\/[^\n]*|\/\*[^]*?\*\/)*/y;
    space.lastIndex = this.#at;
    this.#at += space.exec(this.source)![0].length;
  }

  #error(what: string, expected = 'JSON', at = this.#at) {
    const lines = this.source.slice(0, at).split('\n');
    const line = this.source.split('\n')[lines.length - 1] ?? '';
    const place = `line ${lines.length}, column ${lines[lines.length - 1].length + 1}`;
    return invalid(this.name, `not JSON: ${place}: ${what}`, line.trim(), expected);
  }
}

/** A value as the text of a file. */
export const toJson = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;
