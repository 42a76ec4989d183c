/** Scans a whole text file for how its lines end and whether every quote that opens is closed. */
import { InnerloopError, show } from '../foundation/errors.js';
import { contents } from './files.js';
import type { FoundFile } from './files.js';
import { advice } from './table-source.js';
import type { Dialect } from './text-table.js';

export interface LineForm {
  /** Some line breaks lie inside quotes, so the file cannot be split and read in parallel. */
  breaksInQuotes: boolean;
  /** Lines end in more than one way. */
  mixedEnds: boolean;
  /** Some lines begin with `#`. */
  hasHashes: boolean;
}

const LF = 10;
const CR = 13;
const BLANK = 32;
const HASH = 35;
const NONE = -1;

/**
 * Reads the whole file once. A chunk without quotes and carriage returns, which most are, costs only a few searches for a byte. A
 * quote opens a field only where the field begins, so that the quote in `5" disc` is text.
 *
 * @throws {InnerloopError} INVALID_DATA if a quote is never closed, which would make the rest of the file one field
 */
export async function lineForm(file: FoundFile, dialect: Dialect, field: string): Promise<LineForm> {
  const codeOf = (text: string): number => (text === '' ? NONE : Buffer.from(text).at(-1)!);
  const mark = codeOf(dialect.quote);
  const escape = dialect.escape === dialect.quote ? NONE : codeOf(dialect.escape);
  const between = codeOf(dialect.delimiter);
  const form: LineForm = { breaksInQuotes: false, mixedEnds: false, hasHashes: false };
  const ends = { lf: 0, crlf: 0, cr: 0 };
  let [quoted, isFieldStart, isAfterQuote, isEscaped] = [false, true, false, false];
  let previous = LF;
  let offset = 0;
  let opened = 0;
  for await (const chunk of chunksOf(file, field)) {
    if (previous === LF && chunk[0] === HASH) form.hasHashes = true;
    if (!quoted && previous !== CR && !chunk.includes(CR) && (mark === NONE || !chunk.includes(mark))) {
      if (chunk.includes(LF)) ends.lf++;
      form.hasHashes ||= chunk.includes('\n#');
      previous = chunk[chunk.length - 1];
      isFieldStart = previous === LF || previous === between;
      isAfterQuote = false;
      offset += chunk.length;
      continue;
    }
    // A byte order mark stands before the first field.
    for (let i = offset === 0 && chunk[0] === 0xef && chunk[1] === 0xbb ? 3 : 0; i < chunk.length; i++) {
      const b = chunk[i];
      if (quoted) {
        if (isEscaped) isEscaped = false;
        else if (b === escape) isEscaped = true;
        else if (b === mark) {
          quoted = false;
          isAfterQuote = true;
        } else if (b === LF || b === CR) form.breaksInQuotes = true;
        previous = b;
        continue;
      }
      if (b === mark && (isFieldStart || isAfterQuote)) {
        if (isFieldStart) opened = offset + i;
        quoted = true;
      } else if (b === LF) {
        if (previous === CR) ends.crlf++;
        else ends.lf++;
      } else if (b === HASH && (previous === LF || previous === CR)) form.hasHashes = true;
      if (previous === CR && b !== LF) ends.cr++;
      isFieldStart = b === LF || b === CR || b === between || (isFieldStart && b === BLANK);
      isAfterQuote = false;
      previous = b;
    }
    offset += chunk.length;
  }
  if (quoted) throw await unclosed(file, opened, dialect.quote, field);
  form.mixedEnds = [ends.lf, ends.crlf, ends.cr].filter((count) => count > 0).length > 1;
  return form;
}

async function* chunksOf(file: FoundFile, field: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of (await contents(file, field)) as AsyncIterable<Buffer>) yield chunk;
  } catch (cause) {
    if (cause instanceof InnerloopError) throw cause;
    throw new InnerloopError(
      file.compression === 'none' ? 'IO' : 'INVALID_DATA',
      file.compression === 'none' ? 'the file cannot be read' : 'the file cannot be decompressed',
      { field: `${field}.from`, value: file.path, expected: 'the whole file', cause },
    );
  }
}

async function unclosed(file: FoundFile, opened: number, quote: string, field: string): Promise<InnerloopError> {
  let line = 1;
  let offset = 0;
  let text = '';
  for await (const chunk of chunksOf(file, field)) {
    const before = chunk.subarray(0, Math.max(0, opened - offset));
    for (let at = before.indexOf(LF); at >= 0; at = before.indexOf(LF, at + 1)) line++;
    if (text === '' && offset + chunk.length > opened)
      text = chunk.subarray(opened - offset, opened - offset + 40).toString();
    offset += chunk.length;
  }
  return new InnerloopError('INVALID_DATA', `a quote is opened in line ${line} of ${file.path} and never closed`, {
    field: `${field}.from`,
    value: text,
    expected: `${show(quote)} at both ends of a field; where quotes are text, ${advice(field, { quote: '' })}`,
  });
}
