import { checkArray, checkBoolean, checkOneOf, checkString, invalid } from '../foundation/check.js';

/** How a file is laid out. `csv` is any table of text lines, whatever separates its fields. */
export const FORMATS = [
  'csv',
  'json',
  'parquet',
  'python',
  'libsvm',
  'libffm',
  'blocks',
  'histories',
  'impressions',
  'matrixMarket',
  'npz',
  'sqlite',
  'postgres',
  'xlsx',
] as const;
/** Formats that are read; see `format` of `FileOptions`. */
export type FileFormat = (typeof FORMATS)[number];

/** How a file is read. What is left out is taken from the whole file, or the reading stops and says what to write. */
export interface FileOptions {
  /**
   * Default: by the file's name, else by its first bytes.
   *
   * - `csv`: a text table; `json`: an array of objects, or one object a line; `python`: one Python dictionary a line
   * - `libsvm`: `label index:value …`, columns `label`, `index1`, `value1`, …; `libffm`: `label field:index:value …`,
   *   columns `label` and one for each field, named by it
   * - `blocks`: lines `id:`, each followed by the rows of that id (Netflix); the ids are the column `block`
   * - `histories`: lines of a user and the items after it, `user item item …` or `user: item item …`: columns `user`, `item`
   * - `impressions`: MIND's behaviors.tsv, one row for each item shown: `impression`, `user`, `time`, `item`, `clicked`
   * - `matrixMarket`, `npz`: a sparse matrix, columns `row`, `column`, `value`
   * - `sqlite`, `postgres`, `xlsx`: through DuckDB's extension of that name, where it is installed; `path` is the table
   */
  format?: FileFormat;
  /**
   * Between the fields of a text table, one to four characters; or `\\s+` for any run of blanks and tabs. Default: the one that
   * makes the mapped columns of the first line, or what a first line `sep=;` says.
   */
  delimiter?: string;
  /** What lines begin with that are none of the table, such as `#`. Default: there are none. */
  comment?: string;
  /** Whether the first line of a text table holds names. Default true; false where `columns` are given. */
  header?: boolean;
  /** Names of the columns, in the file's order, in place of its own. Without a header their default is `1`, `2`, … */
  columns?: string[];
  /** Of a text file: any name that the platform's TextDecoder knows, also `latin-1`. Default: UTF-8, or what a byte order mark says. */
  encoding?: string;
  /** Around fields that hold delimiters or line breaks; `''` where quotes are text. Default `"`. */
  quote?: string;
  /** What makes a quote inside quotes text. Default: the quote itself, doubled. */
  escape?: string;
  /** Inside the file: the path to a list in JSON (`data.ratings`), the file in a zip archive, the table of a database. */
  path?: string;
  /** The sheet of a workbook. Default: the first. */
  sheet?: string;
}

/** How texts become ids, numbers and times. */
export interface ValueOptions {
  /** Texts that stand for a missing value, beside the empty one. Default: {@link DEFAULT_NULLS}. */
  nulls?: string[];
  /** The decimal mark of numbers in text. Default `.`. */
  decimal?: '.' | ',';
  /**
   * How times are written: patterns of DuckDB's strptime such as `%d.%m.%Y %H:%M`, the first that fits; or the unit of
   * numbers, `s`, `ms`, `us` or `ns` since 1970. Both become Unix seconds. Default: ISO 8601 becomes Unix seconds, numbers
   * stay as they are.
   */
  timeFormat?: string | string[];
}

/**
 * Where a table comes from.
 *
 * - `from`: a path or glob (`*`, `?`, `[…]`, `**`) of files, any of them also as `.gz`, text also as `.zst`, or in a `.zip`.
 *   The files of a glob are read in path order.
 * - `sql`: a SELECT that DuckDB can run, on one thread, so that its row order is the same in every run.
 */
export type TableSource = ({ from: string; sql?: undefined } | { sql: string; from?: undefined }) &
  FileOptions &
  ValueOptions;

/** Texts that writers of tables use where a value is missing (those of pandas, R and SQL), compared after blanks are cut off. */
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
/** The unit of numbers that are times, as so many per second. */
export const TIME_UNITS: Readonly<Record<string, number>> = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 };

export const FILE_KEYS = [
  'format',
  'delimiter',
  'comment',
  'header',
  'columns',
  'encoding',
  'quote',
  'escape',
  'path',
  'sheet',
] as const satisfies readonly (keyof FileOptions)[];
const VALUE_KEYS = ['nulls', 'decimal', 'timeFormat'] as const satisfies readonly (keyof ValueOptions)[];
/** The options of every table source. */
export const TABLE_KEYS: readonly string[] = ['from', 'sql', ...FILE_KEYS, ...VALUE_KEYS];

/** Checks that a table source has exactly one of `from` and `sql`, and its options. */
export function checkFrom(table: Record<string, unknown>, field: string): void {
  if ((table['from'] === undefined) === (table['sql'] === undefined)) {
    throw invalid(field, 'needs exactly one of from and sql', table, '{ from: path } or { sql: SELECT }');
  }
  checkString(table['from'] ?? table['sql'], table['from'] === undefined ? `${field}.sql` : `${field}.from`);
  checkFileOptions(table, field);
  if (table['nulls'] !== undefined) checkTexts(table['nulls'], `${field}.nulls`);
  if (table['decimal'] !== undefined) checkOneOf(table['decimal'], `${field}.decimal`, ['.', ',']);
  const { timeFormat } = table;
  if (Array.isArray(timeFormat)) checkTexts(timeFormat, `${field}.timeFormat`);
  else if (timeFormat !== undefined) checkString(timeFormat, `${field}.timeFormat`);
  for (const format of [timeFormat].flat() as unknown[])
    if (typeof format === 'string' && !format.includes('%') && (Array.isArray(timeFormat) || !(format in TIME_UNITS)))
      throw invalid(`${field}.timeFormat`, 'no pattern', format, 'a pattern such as %d.%m.%Y, or one of s, ms, us, ns');
}

function checkFileOptions(table: Record<string, unknown>, field: string): void {
  for (const key of FILE_KEYS)
    if (table[key] !== undefined && table['sql'] !== undefined)
      throw invalid(
        `${field}.${key}`,
        'says nothing about sql',
        table[key],
        'options of from, or of read_csv in the SQL',
      );
  if (table['format'] !== undefined) checkOneOf(table['format'], `${field}.format`, FORMATS);
  for (const key of ['delimiter', 'comment', 'encoding', 'path', 'sheet'] as const)
    if (table[key] !== undefined) checkString(table[key], `${field}.${key}`);
  const { delimiter, columns, header } = table;
  if (typeof delimiter === 'string' && (Buffer.byteLength(delimiter) > 4 || /[\r\n]/.test(delimiter)))
    throw invalid(`${field}.delimiter`, 'cannot be a delimiter', delimiter, 'one to four characters, no line break');
  if (header !== undefined) checkBoolean(header, `${field}.header`);
  for (const key of ['quote', 'escape'] as const) {
    const value = table[key];
    if (value !== undefined && (typeof value !== 'string' || Buffer.byteLength(value) > 1))
      throw invalid(`${field}.${key}`, 'not one character', value, `one character, or '' for none`);
  }
  if (columns === undefined) return;
  checkTexts(columns, `${field}.columns`);
  const twice = columns.find((name, k) => name === '' || columns.indexOf(name) !== k);
  if (twice !== undefined) throw invalid(`${field}.columns`, 'a name twice, or empty', twice, 'a name for each column');
}

/** @internal */
export function checkTexts(value: unknown, field: string): asserts value is string[] {
  checkArray(value, field, 'texts');
  const other = value.find((text) => typeof text !== 'string');
  if (other !== undefined) throw invalid(field, 'not a text', other, 'an array of texts');
}

/** What an error advises to write: options as they stand in JavaScript and in JSON alike, to be put into the object `field`. */
export function advice(field: string, options: Record<string, unknown>): string {
  const lines = Object.entries(options).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return `write in ${field}: \`${lines.join(', ')}\``;
}
