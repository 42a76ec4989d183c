import { checkArray, checkBoolean, checkInteger, checkOneOf, checkString, invalid } from '../foundation/check.js';

/** The formats of files. `csv` is any table of text lines, whatever separates its fields. */
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

/** How a file is read. Options that are left out follow from the file; where they do not, an error says what to write. */
export interface FileOptions {
  /**
   * The format of the file. Default: by the file's name, else by its first bytes.
   *
   * - `csv`: a text table; `json`: an array of objects, or one object a line; `python`: one Python dictionary a line
   * - `libsvm`: `label index:value …`, with columns `label`, `index1`, `value1`, …; `libffm`: `label field:index:value …`,
   *   with columns `label` and one for each field, named after it; `field:list`, with `|` between its entries, if a line has
   *   the field more than once
   * - `blocks`: lines `id:`, each followed by the rows of that id (Netflix); the ids become the column `block`
   * - `histories`: lines `user item item …` or `user: item item …`; columns `user`, `item`
   * - `impressions`: MIND's behaviors.tsv, with one row for each item shown; columns `impression`, `user`, `time`, `history`,
   *   `item`, `clicked`
   * - `matrixMarket`, `npz`: a sparse matrix; columns `row`, `column`, `value`
   * - `sqlite`, `postgres`, `xlsx`: read by a DuckDB extension, which must be installed; `path` names the table, `sheet` the sheet
   */
  format?: FileFormat;
  /**
   * What separates the fields of a text table: one to four characters, or `\\s+` for any run of blanks and tabs. Default: the
   * delimiter that splits the first line into the mapped columns, or the one that a first line such as `sep=;` states.
   */
  delimiter?: string;
  /** The text that comment lines begin with, such as `#`. Default: there are no comment lines. */
  comment?: string;
  /** How many lines at the beginning of a text table are not part of it, such as a title. Default 0; blank lines need no skipping. */
  skip?: number;
  /** Whether the first line of a text table holds the column names. Default: true; false if `columns` are given. */
  header?: boolean;
  /** Names of the columns, in the file's order, in place of its own. Default without a header: `1`, `2`, … */
  columns?: string[];
  /** Encoding of a text file: any name that TextDecoder knows, or `latin-1`. Default: that of a byte order mark, else UTF-8. */
  encoding?: string;
  /** The quote around fields that hold delimiters or line breaks; `''` if quotes are text. Default `"`. */
  quote?: string;
  /** The character that makes a quote inside quotes text. Default: the quote itself, doubled. */
  escape?: string;
  /** A place inside the file: the path of a list in JSON (`data.ratings`), a file in a zip archive, or a table of a database. */
  path?: string;
  /** The sheet of a workbook. Default: the first. */
  sheet?: string;
}

/** How texts become ids, numbers and times. */
export interface ValueOptions {
  /** Texts that stand for a missing value, besides the empty text. Default: {@link DEFAULT_NULLS}. */
  nulls?: string[];
  /** The decimal mark of numbers in text. Default `.`. */
  decimal?: '.' | ',';
  /**
   * How times are written: patterns of DuckDB's strptime such as `%d.%m.%Y %H:%M`, of which the first that fits is used; or, for
   * numbers, the unit since 1970, `s`, `ms`, `us` or `ns`. Both become Unix seconds. Default: ISO 8601 becomes Unix seconds, and
   * numbers stay as they are.
   */
  timeFormat?: string | string[];
}

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
/** The units of times that are numbers, in units per second. */
export const TIME_UNITS: Readonly<Record<string, number>> = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 };

export const FILE_KEYS = [
  'format',
  'delimiter',
  'comment',
  'skip',
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

/** Checks that a table source has exactly one of `from` and `sql`, and checks its options. */
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
        'does not apply to sql',
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
  if (table['skip'] !== undefined) checkInteger(table['skip'], `${field}.skip`, 0);
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

/** The advice of an error message: options to put into the object `field`, in a form that is valid in JavaScript and JSON. */
export function advice(field: string, options: Record<string, unknown>): string {
  const lines = Object.entries(options).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return `write in ${field}: \`${lines.join(', ')}\``;
}
