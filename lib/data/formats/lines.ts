/** Reads files line by line and writes tables row by row, for the converters of formats that DuckDB does not read. */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InnerloopError } from '../../foundation/errors.js';
import type { DuckSession } from '../duckdb.js';
import { encodingAdvice } from '../encodings.js';
import { contents, decoderOf } from '../files.js';
import type { FoundFile } from '../files.js';
import type { FoundFiles } from '../open-files.js';

/** The lines of a UTF-8 file and their numbers, counted from 1. */
export async function* linesOf(file: FoundFile, field: string): AsyncGenerator<[string, number]> {
  const decoder = decoderOf({}, field);
  let rest = '';
  let number = 0;
  try {
    for await (const chunk of (await contents(file, `${field}.from`)) as AsyncIterable<Buffer>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop()!;
      for (const line of lines) yield [line.endsWith('\r') ? line.slice(0, -1) : line, ++number];
    }
    rest += decoder.decode();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw cause;
    throw new InnerloopError('INVALID_DATA', `bytes that are not UTF-8 in ${file.path}`, {
      field: `${field}.from`,
      value: file.path,
      expected: await encodingAdvice([file], field),
      cause,
    });
  }
  if (rest !== '') yield [rest, ++number];
}

/** Writes rows of cells to a new text table; a cell that is null is missing. */
export async function writeTable(
  session: DuckSession,
  names: readonly string[],
  rows: AsyncIterable<readonly (string | number | null)[]>,
): Promise<FoundFiles> {
  const path = session.temporaryFile('csv');
  const line = (cells: readonly (string | number | null)[]): string =>
    `${cells.map((cell) => (cell === null ? '' : `"${String(cell).replaceAll('"', '""')}"`)).join(',')}\n`;
  await pipeline(Readable.from(batches(names, rows, line)), createWriteStream(path));
  return {
    format: 'csv',
    files: [{ path, compression: 'none' }],
    options: { delimiter: ',', quote: '"', header: true },
  };
}

async function* batches<T>(first: T, rows: AsyncIterable<T>, line: (row: T) => string): AsyncGenerator<string> {
  let text = line(first);
  for await (const row of rows) {
    text += line(row);
    if (text.length < 1 << 18) continue;
    yield text;
    text = '';
  }
  yield text;
}

/** Writes each text on a line of its own to a new file. */
export function writeLines(session: DuckSession, texts: AsyncIterable<string>): Promise<FoundFile> {
  async function* lines() {
    for await (const text of texts) if (text !== '') yield `${text}\n`;
  }
  return writeText(session, lines(), 'ndjson');
}

/** Writes the texts one after the other to a new file. */
export async function writeText(
  session: DuckSession,
  texts: AsyncIterable<string>,
  extension: string,
): Promise<FoundFile> {
  const path = session.temporaryFile(extension);
  await pipeline(Readable.from(batches('', texts, (text) => text)), createWriteStream(path));
  return { path, compression: 'none' };
}

/** The error for a line that its format does not allow. */
export function badLine(
  file: FoundFile,
  line: string,
  number: number,
  field: string,
  expected: string,
): InnerloopError {
  return new InnerloopError('INVALID_DATA', `line ${number} of ${file.path} does not follow this format`, {
    field: `${field}.from`,
    value: line,
    expected,
  });
}
