/** Converts formats that DuckDB does not read into text tables or JSON. To add a format, add a file here and a line below. */
import type { DuckSession } from '../duckdb.js';
import type { FoundFile } from '../files.js';
import type { FoundFiles } from '../open-files.js';
import type { FileFormat, FileOptions } from '../table-source.js';
import { fromBlocks, fromHistories, fromImpressions } from './logs.js';
import { fromMatrixMarket, fromNpz } from './matrix.js';
import { fromPython } from './python.js';
import { fromLibffm, fromLibsvm } from './sparse.js';

type Converter = (
  session: DuckSession,
  files: readonly FoundFile[],
  options: FileOptions,
  field: string,
) => Promise<FoundFiles>;

export const CONVERTERS: Readonly<
  Record<Exclude<FileFormat, 'csv' | 'json' | 'parquet' | 'sqlite' | 'postgres' | 'xlsx'>, Converter>
> = {
  python: fromPython,
  libsvm: (session, files, _options, field) => fromLibsvm(session, files, field),
  libffm: (session, files, _options, field) => fromLibffm(session, files, field),
  blocks: fromBlocks,
  histories: fromHistories,
  impressions: (session, files, _options, field) => fromImpressions(session, files, field),
  matrixMarket: (session, files, _options, field) => fromMatrixMarket(session, files, field),
  npz: (session, files, _options, field) => fromNpz(session, files, field),
};
