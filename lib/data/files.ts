/** Finds the files of a source, decompresses them, and converts them to UTF-8, so that DuckDB reads them without guessing. */
import { createReadStream, createWriteStream, existsSync, openSync, readSync, closeSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Transform } from 'node:stream';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { escapeGlob, quoteLiteral } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import type { FileOptions } from './table-source.js';
import { createZstdDecompress, zstdLines, zstdRemedy } from './zstd.js';

export type Compression = 'none' | 'gzip' | 'zstd';

/** A file, and the compression that its first bytes show. */
export interface FoundFile {
  path: string;
  compression: Compression;
}

/** The absolute paths of the files that a path or glob names, in path order. */
export async function findFiles(session: DuckSession, path: string, field: string): Promise<string[]> {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) {
    throw new InnerloopError('UNSUPPORTED', 'remote files are not read directly', {
      field,
      value: path,
      expected: 'a local path, or sql with the DuckDB extension of your choice',
    });
  }
  const absolute = resolve(session.options.baseDirectory, path);
  if (existsSync(absolute)) {
    if (statSync(absolute).isDirectory()) {
      throw new InnerloopError('MISSING_FILE', 'this is a folder', {
        field,
        value: path,
        expected: `a file or a glob like ${path}/*.parquet`,
      });
    }
    return [absolute];
  }
  if (!/[*?[]/.test(path)) {
    throw new InnerloopError('MISSING_FILE', `there is no file ${absolute}`, {
      field,
      value: path,
      expected: 'a readable file',
    });
  }
  const [files = []] = await session.columns(`SELECT file FROM glob(${quoteLiteral(absolute)}) ORDER BY file`, field);
  if (files.length === 0) {
    throw new InnerloopError('MISSING_FILE', `no file matches ${absolute}`, {
      field,
      value: path,
      expected: 'a glob that matches at least one file',
    });
  }
  return files.map(String);
}

/** A list of files, `[…]`, as DuckDB's readers take it. */
export function fileList(files: readonly string[]): string {
  return `[${files.map((file) => quoteLiteral(escapeGlob(file))).join(', ')}]`;
}

/** The first bytes of a file as they are on disk, still compressed if the file is. */
export function firstBytes(path: string, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  const descriptor = openSync(path, 'r');
  try {
    return bytes.subarray(0, readSync(descriptor, bytes, 0, count, 0));
  } finally {
    closeSync(descriptor);
  }
}

export function compressionOf(path: string): Compression {
  const [a, b, c, d] = firstBytes(path, 4);
  if (a === 0x1f && b === 0x8b) return 'gzip';
  return a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd ? 'zstd' : 'none';
}

/** The decompressed contents of a file as a stream. */
export async function contents({ path, compression }: FoundFile, field: string): Promise<Readable> {
  const raw = createReadStream(path, { highWaterMark: 1 << 20 });
  if (compression === 'none') return raw;
  const through = compression === 'gzip' ? createGunzip({ chunkSize: 1 << 18 }) : createZstdDecompress?.();
  if (through !== undefined) return raw.pipe(through.on('close', () => raw.destroy()));
  raw.destroy();
  throw new InnerloopError('UNSUPPORTED', 'this Node.js cannot decompress zstd files', {
    field,
    value: path,
    expected: zstdRemedy(path),
  });
}

/** The beginning of a file's decompressed contents. */
export interface FirstContents {
  bytes: Buffer;
  /** Whether `bytes` is the whole of the contents. */
  complete: boolean;
}

/** The first `count` bytes of a file's contents, decompressed by Node.js. */
export async function firstContents(file: FoundFile, count: number, field: string): Promise<FirstContents> {
  const parts: Buffer[] = [];
  let length = 0;
  // Leaving the loop destroys the stream.
  for await (const chunk of (await contents(file, field)) as AsyncIterable<Buffer>) {
    parts.push(chunk);
    length += chunk.length;
    if (length >= count) break;
  }
  return { bytes: Buffer.concat(parts).subarray(0, count), complete: length < count };
}

/** The first `count` bytes of a file's contents, decompressed; for a zstd file its first 100 lines, which DuckDB reads. */
export async function head(
  session: DuckSession,
  file: FoundFile,
  count: number,
  field: string,
): Promise<FirstContents> {
  if (file.compression === 'none') {
    const bytes = firstBytes(file.path, count);
    return { bytes, complete: bytes.length < count };
  }
  if (file.compression === 'zstd') {
    const [lines = []] = await session.columns(`SELECT line FROM ${zstdLines(file.path)} LIMIT 100`, field);
    return {
      bytes: Buffer.from(lines.map((line) => (typeof line === 'string' ? line : '')).join('\n')),
      complete: lines.length < 100,
    };
  }
  try {
    return await firstContents(file, count, field);
  } catch (cause) {
    throw new InnerloopError('INVALID_DATA', 'the file cannot be decompressed', { field, value: file.path, cause });
  }
}

/** The encoding that a byte order mark states. */
export function markedEncoding(bytes: Uint8Array): string | undefined {
  const [a, b, c, d] = bytes;
  if ((a === 0xff && b === 0xfe && c === 0 && d === 0) || (a === 0 && b === 0 && c === 0xfe && d === 0xff))
    return 'utf-32';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return undefined;
}

/** A decoder for the encoding that the options name. It throws at bytes that are not valid in the encoding. */
export function decoderOf(options: FileOptions, field: string): InstanceType<typeof TextDecoder> {
  const name = options.encoding ?? 'utf-8';
  // Python and databases use names that the Encoding Standard does not list, such as latin-1 and cp1252.
  const alias = /^latin-?_?1$/i.test(name)
    ? 'latin1'
    : name.replace(/^cp-?(125\d|866|874)$/i, 'windows-$1').replace(/^(utf)_?(8|16)/i, '$1-$2');
  try {
    return new TextDecoder(alias, { fatal: true });
  } catch (cause) {
    const known = ['latin-1', 'windows-1252', 'utf-16', 'gbk', 'big5', 'shift_jis', 'euc-kr', 'koi8-r', 'macintosh'];
    throw new InnerloopError('INVALID_OPTION', suggesting('no encoding that the platform knows', name, known), {
      field: `${field}.encoding`,
      value: name,
      expected: `such as ${known.join(', ')}`,
      cause,
    });
  }
}

/** Writes a copy of the file in UTF-8 in which every line ends in a line feed; line breaks inside quotes stay as they are. */
export async function transcode(
  session: DuckSession,
  file: FoundFile,
  options: FileOptions,
  field: string,
): Promise<FoundFile> {
  const decoder = decoderOf(options, field);
  const path = session.temporaryFile('txt');
  let read = 0;
  const decode = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        read += chunk.length;
        done(null, decoder.decode(chunk, { stream: true }));
      } catch {
        done(badBytes(file.path, decoder.encoding, read, field));
      }
    },
    flush(done) {
      try {
        done(null, decoder.decode());
      } catch {
        done(badBytes(file.path, decoder.encoding, read, field));
      }
    },
  });
  const lines = oneLineEnd(options.quote ?? '"');
  try {
    await pipeline(await contents(file, field), decode, lines, createWriteStream(path));
  } catch (error) {
    if (error instanceof InnerloopError) throw error;
    throw new InnerloopError('IO', `cannot read ${file.path}`, { field, cause: error });
  }
  return { path, compression: 'none' };
}

function badBytes(path: string, encoding: string, end: number, field: string): InnerloopError {
  return new InnerloopError(
    'INVALID_DATA',
    `${path} is not ${encoding}: bytes that it does not have lie before byte ${end}`,
    {
      field: `${field}.encoding`,
      value: encoding,
      expected: 'the encoding of the file',
    },
  );
}

/** Replaces `\r\n` and `\r` outside quotes by `\n`. */
function oneLineEnd(quote: string): Transform {
  let quoted = false;
  let afterReturn = false;
  return new Transform({
    decodeStrings: false,
    transform(chunk: Buffer | string, _encoding, done) {
      let text = '';
      let from = 0;
      const input = String(chunk);
      for (let i = 0; i < input.length; i++) {
        const c = input[i];
        if (c === quote) quoted = !quoted;
        else if (!quoted && (c === '\r' || (c === '\n' && afterReturn))) {
          text += input.slice(from, i) + (c === '\r' ? '\n' : '');
          from = i + 1;
        }
        afterReturn = c === '\r' && !quoted;
      }
      done(null, text + input.slice(from));
    },
  });
}

/** Writes a decompressed copy of a file to a temporary file of the session. */
export async function decompress(session: DuckSession, file: FoundFile, field: string): Promise<FoundFile> {
  const path = session.temporaryFile('txt');
  await pipeline(await contents(file, field), createWriteStream(path));
  return { path, compression: 'none' };
}
