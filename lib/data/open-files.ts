/** Finds out the format of a source's files and brings them into a form that DuckDB reads. */
import { InnerloopError } from '../foundation/errors.js';
import type { DuckSession } from './duckdb.js';
import { compressionOf, findFiles, firstBytes, head, markedEncoding, transcode } from './files.js';
import type { FoundFile } from './files.js';
import { CONVERTERS } from './formats/index.js';
import { databaseTable } from './formats/database.js';
import { openZip } from './formats/zip.js';
import { advice } from './table-source.js';
import type { FileFormat, FileOptions, TableSource } from './table-source.js';
import { extensionOf } from './text-table.js';
import { hasZstd, zstdText } from './zstd.js';

/** Files of text tables, JSON or Parquet, with the options that still apply to them. */
export interface FoundFiles {
  format: 'csv' | 'json' | 'parquet';
  files: FoundFile[];
  options: FileOptions;
}
/** A table of a database, which `sql` selects from. */
export interface FoundTable {
  format: 'table';
  sql: string;
}

/** Formats by file extension. Other files are text tables, unless their first bytes say otherwise. */
const BY_NAME: Readonly<Record<string, FileFormat>> = {
  parquet: 'parquet',
  pq: 'parquet',
  json: 'json',
  ndjson: 'json',
  jsonl: 'json',
  libsvm: 'libsvm',
  svm: 'libsvm',
  libfm: 'libsvm',
  ffm: 'libffm',
  libffm: 'libffm',
  mtx: 'matrixMarket',
  npz: 'npz',
  db: 'sqlite',
  sqlite: 'sqlite',
  sqlite3: 'sqlite',
  xlsx: 'xlsx',
};

export async function openFiles(
  session: DuckSession,
  source: TableSource & { from: string },
  field: string,
): Promise<FoundFiles | FoundTable> {
  const where = `${field}.from`;
  if (source.format === 'postgres' || /^postgres(ql)?:\/\//i.test(source.from))
    return databaseTable(session, 'postgres', source.from, source, field);
  let paths = await findFiles(session, source.from, where);
  let name = source.from;
  let options: FileOptions = source;
  if (
    /\.zip$/i.test(paths[0]) ||
    (source.format === undefined && isZip(paths[0]) && !/\.(npz|xlsx)$/i.test(paths[0]))
  ) {
    const member = await openZip(session, paths[0], options.path, field);
    paths = [member.path];
    name = member.name;
    options = { ...options, path: member.isOnly ? options.path : undefined };
  }
  const known = options.format ?? BY_NAME[extensionOf(name)];
  const files: FoundFile[] = [];
  for (const path of paths) {
    const file = { path, compression: compressionOf(path) };
    files.push(known === 'json' || known === 'npz' ? file : await unpacked(session, file, options, field));
  }
  const format = known ?? (await formatByContents(session, files[0], where));
  if (format === 'sqlite' || format === 'xlsx') return databaseTable(session, format, files[0].path, options, field);
  if (format === 'postgres') throw new Error('PostgreSQL has no files');
  if (format === 'parquet') {
    if (files.some(({ compression }) => compression !== 'none'))
      throw new InnerloopError('UNSUPPORTED', 'a Parquet file is compressed inside, not as a whole', {
        field: where,
        value: source.from,
        expected: 'the .parquet file itself (gunzip)',
      });
    if (!firstBytes(files[0].path, 4).equals(Buffer.from('PAR1')))
      throw new InnerloopError('INVALID_DATA', `${source.from} is named as a Parquet file and is not one`, {
        field: where,
        value: firstBytes(files[0].path, 40).toString('latin1'),
        expected: `a Parquet file, or what it is: ${advice(field, { format: await formatByContents(session, files[0], where) })}`,
      });
    return { format, files, options };
  }
  const text: FoundFile[] = [];
  for (const file of files)
    text.push(format === 'npz' ? file : await inUtf8(session, file, options, format === 'json', field));
  if (format === 'csv') return { format, files: text, options };
  if (format === 'json') {
    const start = (await head(session, text[0], 4096, where)).bytes.toString('utf8').trimStart();
    // JSON has neither single quotes nor a `u` before a quote; Python has both.
    if (!/^\[?\s*\{\s*u?'/.test(start)) return { format, files: text, options };
    session.notes.push(`${where}: ${source.from} holds Python dictionaries, not JSON, and was read as such`);
    return CONVERTERS.python(session, text, options, field);
  }
  return CONVERTERS[format](session, text, options, field);
}

function isZip(path: string): boolean {
  return firstBytes(path, 4).equals(Buffer.from('PK\x03\x04', 'latin1'));
}

/** A zstd file that this Node.js cannot decompress, decompressed by DuckDB if it is UTF-8; any other file as it is. */
async function unpacked(
  session: DuckSession,
  file: FoundFile,
  { encoding }: FileOptions,
  field: string,
): Promise<FoundFile> {
  if (file.compression !== 'zstd' || hasZstd || (encoding !== undefined && !/^utf-?8$/i.test(encoding))) return file;
  const path = await zstdText(session, file.path, `${field}.from`);
  return { path, compression: 'none' };
}

/** The file itself if it is UTF-8, else a copy of it in UTF-8. */
async function inUtf8(
  session: DuckSession,
  file: FoundFile,
  options: FileOptions,
  isJson: boolean,
  field: string,
): Promise<FoundFile> {
  const { bytes } = await head(session, file, 4, `${field}.from`);
  const encoding = options.encoding ?? markedEncoding(bytes);
  if (encoding === undefined || /^utf-?8$/i.test(encoding)) {
    // DuckDB reads a byte order mark as a part of the JSON; decoding the file removes it.
    const isMarked = isJson && bytes[0] === 0xef && bytes[1] === 0xbb;
    return isMarked ? transcode(session, file, { encoding: 'utf-8', quote: '' }, field) : file;
  }
  if (/^utf-?32/i.test(encoding))
    throw new InnerloopError('UNSUPPORTED', 'text in UTF-32', {
      field: `${field}.encoding`,
      value: file.path,
      expected: 'the file in UTF-8: iconv -f UTF-32 -t UTF-8',
    });
  return transcode(
    session,
    file,
    { ...options, encoding: /^utf-?16$/i.test(encoding) ? (markedEncoding(bytes) ?? encoding) : encoding },
    field,
  );
}

async function formatByContents(session: DuckSession, file: FoundFile, field: string): Promise<FileFormat> {
  const { bytes } = await head(session, file, 4096, field);
  const start = bytes.toString('latin1');
  if (start.startsWith('PAR1')) return 'parquet';
  if (start.startsWith('SQLite format 3\0')) return 'sqlite';
  if (start.startsWith('%%MatrixMarket')) return 'matrixMarket';
  if (start.startsWith('ustar', 257))
    throw new InnerloopError('UNSUPPORTED', 'not a kind of file that can be read: a tar archive', {
      field,
      value: file.path,
      expected: 'the files that it holds (tar -xf)',
    });
  const kind = BINARY.find(([mark]) => start.startsWith(mark));
  if (kind !== undefined)
    throw new InnerloopError('UNSUPPORTED', `not a kind of file that can be read: ${kind[1]}`, {
      field,
      value: file.path,
      expected: `${kind[2]}; or .csv, .tsv, .parquet, .json, .ndjson, .jsonl, .npz, .mtx, .zip`,
    });
  return /^\s*(\{\s*["'}]|\[\s*[{\]])/.test(start.replace(/^\xef\xbb\xbf/, '')) ? 'json' : 'csv';
}

/** Binary formats that are not read: the bytes that they begin with, their name, and what to give in their place. */
const BINARY: readonly [string, string, string][] = [
  ['BZh', 'bzip2', 'the file decompressed (bunzip2)'],
  ['7z\xbc\xaf', '7-Zip', 'the files that it holds'],
  ['\xfd7zXZ', 'xz', 'the file decompressed (xz -d)'],
  ['Rar!', 'RAR', 'the files that it holds'],
  ['\x93NUMPY', 'a NumPy array', 'a sparse matrix in .npz, or a table'],
  ['\x80\x04', 'a Python pickle', 'DataFrame.to_parquet(…) in Python'],
  ['\x80\x05', 'a Python pickle', 'DataFrame.to_parquet(…) in Python'],
  ['\x89HDF', 'HDF5', 'DataFrame.to_parquet(…) in Python'],
  ['ARROW1', 'an Arrow file', 'pyarrow.parquet.write_table(…) in Python'],
  ['\xd0\xcf\x11\xe0', 'an old workbook', 'the sheet saved as CSV'],
  ['%PDF', 'PDF', 'a table'],
];
