/**
 * Reads zstd files. Node.js decompresses them from 22.15 on, DuckDB only as text. DuckDB reads a file that was cut off as far as it
 * goes without an error, so completeness is checked here.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { InnerloopError, show } from '../foundation/errors.js';
import { escapeGlob, quoteLiteral } from './duckdb.js';
import type { DuckSession } from './duckdb.js';

/** Node's zstd decompressor; undefined before Node.js 22.15. */
export const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
export const hasZstd = createZstdDecompress !== undefined;

/** What to give in place of a zstd file that cannot be read. */
export const zstdRemedy = (path: string): string =>
  `the file decompressed (zstd -d ${show(path)}), or Node.js from 22.15 on`;

/** The SQL that reads each line of a zstd file as one text, whatever it contains. */
export const zstdLines = (file: string): string =>
  `read_csv(${quoteLiteral(escapeGlob(file))}, auto_detect = false, compression = 'zstd', delim = '\x01', quote = '', escape = '', header = false, columns = {'line': 'VARCHAR'}, max_line_size = 16000000)`;

const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
/** Bytes of the frame content size, by the two upper bits of the frame header descriptor. */
const SIZE_BYTES = [0, 2, 4, 8];
/** Bytes of the dictionary id, by the two lower bits. */
const DICTIONARY_BYTES = [0, 1, 2, 4];

/**
 * Checks that a zstd file is complete, by following the sizes of its frames and blocks (RFC 8878, 3.1) to the end.
 * @throws {InnerloopError} INVALID_DATA
 */
export function checkZstd(path: string, field: string): void {
  const descriptor = openSync(path, 'r');
  const { size } = fstatSync(descriptor);
  const bytes = Buffer.alloc(8);
  let at = 0;
  const cut = () =>
    new InnerloopError('INVALID_DATA', 'the zstd file ends before its data do, or is damaged', {
      field,
      value: path,
      expected: 'the whole file (zstd -t tests it)',
    });
  const read = (count: number): Buffer => {
    if (at + count > size) throw cut();
    readSync(descriptor, bytes, 0, count, at);
    at += count;
    return bytes;
  };
  try {
    while (at < size) {
      const magic = read(4).readUInt32LE(0);
      if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
        at += read(4).readUInt32LE(0);
        if (at > size) throw cut();
        continue;
      }
      if (magic !== FRAME) throw cut();
      const header = read(1)[0];
      const isSingle = (header & 32) !== 0;
      at +=
        (isSingle ? 0 : 1) +
        DICTIONARY_BYTES[header & 3] +
        (header >> 6 === 0 && isSingle ? 1 : SIZE_BYTES[header >> 6]);
      for (let isLast = false; !isLast;) {
        const block = read(3).readUIntLE(0, 3);
        isLast = (block & 1) === 1;
        // An RLE block stores a single byte, however long the block is.
        at += ((block >> 1) & 3) === 1 ? 1 : block >> 3;
        if (at > size) throw cut();
      }
      if ((header & 4) !== 0) read(4);
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Writes the lines of a zstd file to a temporary file with DuckDB, so that it can be scanned like any other text file.
 *
 * @throws {InnerloopError} INVALID_DATA if its lines end in more than one way, or are not UTF-8
 */
export async function zstdText(session: DuckSession, path: string, field: string): Promise<string> {
  checkZstd(path, field);
  const target = session.temporaryFile('txt');
  try {
    await session.run(
      `COPY (SELECT coalesce(line, '') FROM ${zstdLines(path)}) TO ${quoteLiteral(target)} (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')`,
      field,
    );
  } catch (error) {
    const cause = error instanceof InnerloopError && error.cause instanceof Error ? error.cause : undefined;
    const what = /invalid state/i.test(cause?.message ?? '')
      ? 'lines that end in more than one way'
      : /unicode|utf-8/i.test(cause?.message ?? '')
        ? 'bytes that are not UTF-8'
        : undefined;
    if (what === undefined) throw error;
    throw new InnerloopError('INVALID_DATA', `${what}, in a zstd file`, {
      field,
      value: path,
      expected: zstdRemedy(path),
      cause,
    });
  }
  return target;
}
