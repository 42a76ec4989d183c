/** Parses Python literals, as `print` writes them: dictionaries, lists, tuples, sets, texts, numbers, True, False and None. */
import type { DuckSession } from '../duckdb.js';
import type { FoundFile } from '../files.js';
import type { FoundFiles } from '../open-files.js';
import type { FileOptions } from '../table-source.js';
import { badLine, linesOf, writeLines } from './lines.js';

/** A parsed literal. A number is kept as it is written, so that an id such as 007 stays itself. */
export type Literal = string | boolean | null | { number: string } | Literal[] | Map<string, Literal>;

const NUMBER = /[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y;
const WORD = /True|False|None|nan|NaN|true|false|null/y;
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  a: '\x07',
  '0': '\0',
  '\n': '',
};

/** The value of a Python or JSON literal; undefined if `text` is not one. */
export function parseLiteral(text: string): Literal | undefined {
  let at = 0;
  const blanks = (): void => {
    while (/\s/.test(text[at] ?? '')) at++;
  };
  const take = (mark: string): boolean => {
    blanks();
    if (!text.startsWith(mark, at)) return false;
    at += mark.length;
    return true;
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  const string = (): string | undefined => {
    const prefix = match(/[uUbB]?(?=['"])/y);
    const quote = prefix === undefined ? undefined : text[at];
    if (quote === undefined) return undefined;
    let value = '';
    for (at++; at < text.length; at++) {
      const c = text[at];
      if (c === quote) {
        at++;
        return value;
      }
      if (c !== '\\') {
        value += c;
        continue;
      }
      const code = match(/\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8})/y);
      if (code !== undefined) {
        value += String.fromCodePoint(parseInt(code.slice(2), 16));
        at--;
      } else {
        const next = text[++at] ?? '';
        value += ESCAPES[next] ?? (/['"\\/]/.test(next) ? next : `\\${next}`);
      }
    }
    return undefined;
  };
  const list = (end: string): Literal[] | undefined => {
    const values: Literal[] = [];
    while (!take(end)) {
      const value = literal();
      if (value === undefined) return undefined;
      values.push(value);
      if (!take(',')) return take(end) ? values : undefined;
    }
    return values;
  };
  const braces = (): Literal | undefined => {
    const map = new Map<string, Literal>();
    const set: Literal[] = [];
    while (!take('}')) {
      const key = literal();
      if (key === undefined) return undefined;
      if (take(':')) {
        const value = literal();
        if (value === undefined) return undefined;
        map.set(literalText(key) ?? '', value);
      } else set.push(key);
      if (!take(',')) {
        if (!take('}')) return undefined;
        break;
      }
    }
    return set.length === 0 ? map : map.size === 0 ? set : undefined;
  };
  const literal = (): Literal | undefined => {
    blanks();
    if (take('[')) return list(']');
    if (take('(')) return list(')');
    if (take('{')) return braces();
    const quoted = string();
    if (quoted !== undefined) return quoted;
    const word = match(WORD);
    if (word !== undefined) return /^(true|false)$/i.test(word) ? word.toLowerCase() === 'true' : null;
    const number = match(NUMBER);
    return number === undefined ? undefined : { number };
  };
  const value = literal();
  blanks();
  return at === text.length ? value : undefined;
}

/** A scalar as text; null for None, undefined for a list or dictionary. */
export function literalText(value: Literal): string | null | undefined {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  return 'number' in value ? value.number : undefined;
}

function toJson(value: Literal): string {
  if (value instanceof Map)
    return `{${Array.from(value, ([key, own]) => `${JSON.stringify(key)}:${toJson(own)}`).join(',')}}`;
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  // A number is written as a JSON text, so that its digits stay as they are.
  return typeof value === 'object' && value !== null ? JSON.stringify(value.number) : JSON.stringify(value);
}

/** Converts files with a Python dictionary on each line, or a list of them, into files with a JSON object on each line. */
export async function fromPython(
  session: DuckSession,
  files: readonly FoundFile[],
  options: FileOptions,
  field: string,
): Promise<FoundFiles> {
  async function* texts() {
    for (const file of files)
      for await (const [line, number] of linesOf(file, field)) {
        if (line.trim() === '') continue;
        const value = parseLiteral(line);
        const rows = Array.isArray(value) ? value : [value];
        for (const row of rows) {
          if (!(row instanceof Map)) throw badLine(file, line, number, field, 'a Python dictionary');
          yield toJson(row);
        }
      }
  }
  return { format: 'json', files: [await writeLines(session, texts())], options: { path: options.path } };
}
