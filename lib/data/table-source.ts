import { checkString, invalid } from '../foundation/check.js';
import { checkFields } from '../foundation/options.js';
import { FILE_OPTIONS, FROM_OPTIONS, VALUE_OPTIONS } from './source-options.js';
import type { FORMATS } from './source-options.js';
import type { FileOptions, ValueOptions } from './source-option-types.js';

export type { FileOptions, ValueOptions };

/** Formats that are read; see `format` of `FileOptions`. */
export type FileFormat = (typeof FORMATS)[number];

/**
 * Where a table comes from.
 *
 * - `from`: a path or glob (`*`, `?`, `[…]`, `**`) of files. A file may be compressed as `.gz`, a text file also as `.zst`, or be
 *   in a `.zip`. The files of a glob are read in path order.
 * - `sql`: a SELECT of DuckDB. It runs on one thread, so that its rows come in the same order in every run.
 */
export type TableSource = ({ from: string; sql?: undefined } | { sql: string; from?: undefined }) &
  FileOptions &
  ValueOptions;

/** Texts that pandas, R and SQL databases write for a missing value; they are compared after blanks are trimmed. */
export const DEFAULT_NULLS: readonly string[] = [
  'NULL',
  'null',
  'NaN',
  'nan',
  'NAN',
  '-NaN',
  '-nan',
  'NA',
  '<NA>',
  'N/A',
  'n/a',
  '#N/A',
  '#NA',
  '\\N',
  'None',
];
/** The delimiter that stands for any run of blanks and tabs. */
export const BLANKS = '\\s+';

/** @internal */
export const FILE_KEYS = Object.keys(FILE_OPTIONS) as readonly (keyof FileOptions)[];
const TABLE_OPTIONS = { ...FROM_OPTIONS, ...FILE_OPTIONS, ...VALUE_OPTIONS };
/** The options of every table source. */
export const TABLE_KEYS: readonly string[] = Object.keys(TABLE_OPTIONS);

/** Checks that a table source has exactly one of `from` and `sql`, and checks its options. */
export function checkFrom(table: Record<string, unknown>, field: string): void {
  if ((table['from'] === undefined) === (table['sql'] === undefined)) {
    throw invalid(field, 'needs exactly one of from and sql', table, '{ from: path } or { sql: SELECT }');
  }
  checkString(table['from'] ?? table['sql'], table['from'] === undefined ? `${field}.sql` : `${field}.from`);
  for (const key of FILE_KEYS)
    if (table[key] !== undefined && table['sql'] !== undefined)
      throw invalid(
        `${field}.${key}`,
        'does not apply to sql',
        table[key],
        'options of from, or of read_csv in the SQL',
      );
  checkFields(table, `${field}.`, TABLE_OPTIONS);
}

/** The advice of an error message: options to put into the object `field`, in a form that is valid in JavaScript and JSON. */
export function advice(field: string, options: Record<string, unknown>): string {
  const lines = Object.entries(options).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return `write in ${field}: \`${lines.join(', ')}\``;
}
