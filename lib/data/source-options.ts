/** The tables of what a source of data may say: how files are read, which columns hold what, and which rows are kept. */
import { checkArray, checkObject, checkString, invalid } from '../foundation/check.js';
import { checkedLater, checkFields } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { HISTORY_OPTIONS } from './options.js';

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
/** The units of times that are numbers, in units per second. */
export const TIME_UNITS: Readonly<Record<string, number>> = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 };
/** What separates the entries of a bag in text, where nothing is said. */
export const DEFAULT_SEPARATOR = '|';

const TEXT = { kind: 'text' } as const;
const ANY_TEXT = { kind: 'text', orEmpty: true } as const;
const COUNT = { kind: 'integer', min: 1 } as const;
const DECIMAL = { kind: 'choice', of: ['.', ','] } as const;

/** @internal */
export function checkTexts(value: unknown, field: string): asserts value is string[] {
  checkArray(value, field, 'texts');
  const other = value.find((text) => typeof text !== 'string');
  if (other !== undefined) throw invalid(field, 'not a text', other, 'an array of texts');
}

function checkDelimiter(value: unknown, field: string): void {
  checkString(value, field);
  if (Buffer.byteLength(value) > 4 || /[\r\n]/.test(value))
    throw invalid(field, 'cannot be a delimiter', value, 'one to four characters, no line break');
}

function checkMark(value: unknown, field: string): void {
  if (typeof value !== 'string' || Buffer.byteLength(value) > 1)
    throw invalid(field, 'not one character', value, `one character, or '' for none`);
}

function checkColumns(value: unknown, field: string): void {
  checkTexts(value, field);
  const twice = value.find((name, k) => name === '' || value.indexOf(name) !== k);
  if (twice !== undefined) throw invalid(field, 'a name twice, or empty', twice, 'a name for each column');
}

function checkTimeFormat(value: unknown, field: string): void {
  if (Array.isArray(value)) checkTexts(value, field);
  else checkString(value, field);
  const formats: string[] = Array.isArray(value) ? value : [value];
  for (const format of formats)
    if (!format.includes('%') && (Array.isArray(value) || !(format in TIME_UNITS)))
      throw invalid(field, 'no pattern', format, 'a pattern such as %d.%m.%Y, or one of s, ms, us, ns');
}

function checkUnits(value: unknown, field: string): void {
  for (const unit of [value ?? []].flat()) checkString(unit, field);
}

/** Where a table comes from; exactly one of the two is given. @internal */
export const FROM_OPTIONS = {
  from: {
    kind: 'text',
    check: checkedLater,
    defaultDoc: 'sql',
    doc: 'Path or glob (`*`, `?`, `[…]`, `**`) of files, read in path order; also as `.gz`, `.zst` or in a `.zip`. Either this or sql.',
  },
  sql: {
    kind: 'text',
    check: checkedLater,
    defaultDoc: 'from',
    doc: 'A SELECT of DuckDB, run on one thread, so that its rows come in the same order in every run. Either this or from.',
  },
} as const satisfies OptionTable;

/** @internal */
export const FILE_OPTIONS = {
  format: {
    kind: 'choice',
    of: FORMATS,
    named: 'FileFormat',
    defaultDoc: 'by the file’s name, else by its first bytes',
    doc: 'The format of the file. `csv`: a text table, whatever separates its fields; `json`: an array of objects, or one object a line; `python`: one Python dictionary a line. `libsvm`: `label index:value …`, with columns `label`, `index1`, `value1`, …; `libffm`: `label field:index:value …`, with columns `label` and one for each field, named after it; `field:list`, with `|` between its entries, if a line has the field more than once. `blocks`: lines `id:`, each followed by the rows of that id (Netflix); the ids become the column `block`. `histories`: lines `user item item …` or `user: item item …`; columns `user`, `item`. `impressions`: MIND’s behaviors.tsv, with one row for each item shown; columns `impression`, `user`, `time`, `history`, `item`, `clicked`. `matrixMarket`, `npz`: a sparse matrix; columns `row`, `column`, `value`. `sqlite`, `postgres`, `xlsx`: read by a DuckDB extension, which must be installed; `path` names the table, `sheet` the sheet.',
  },
  delimiter: {
    kind: 'text',
    check: checkDelimiter,
    defaultDoc:
      'the delimiter that splits the first line into the mapped columns, or the one that a first line such as `sep=;` states',
    doc: 'What separates the fields of a text table: one to four characters, or `\\s+` for any run of blanks and tabs.',
  },
  comment: {
    kind: 'text',
    defaultDoc: 'there are no comment lines',
    doc: 'The text that comment lines begin with, such as `#`.',
  },
  skip: {
    kind: 'integer',
    min: 0,
    default: 0,
    doc: 'How many lines at the beginning of a text table are not part of it, such as a title; blank lines need no skipping.',
  },
  header: {
    kind: 'boolean',
    defaultDoc: 'true; false if `columns` are given',
    doc: 'Whether the first line of a text table holds the column names.',
  },
  columns: {
    kind: 'list',
    of: TEXT,
    what: 'texts',
    check: checkColumns,
    defaultDoc: 'those of the file; without a header `1`, `2` and so on',
    doc: 'Names of the columns, in the file’s order, in place of its own.',
  },
  encoding: {
    kind: 'text',
    defaultDoc: 'that of a byte order mark, else UTF-8',
    doc: 'Encoding of a text file: any name that TextDecoder knows, or `latin-1`.',
  },
  quote: {
    ...ANY_TEXT,
    check: checkMark,
    defaultDoc: '`"`',
    doc: 'The quote around fields that hold delimiters or line breaks; empty if quotes are text.',
  },
  escape: {
    ...ANY_TEXT,
    check: checkMark,
    defaultDoc: 'the quote itself, doubled',
    doc: 'The character that makes a quote inside quotes text.',
  },
  path: {
    kind: 'text',
    doc: 'A place inside the file: the path of a list in JSON (`data.ratings`), a file in a zip archive, or a table of a database.',
  },
  sheet: { kind: 'text', defaultDoc: 'the first', doc: 'The sheet of a workbook.' },
} as const satisfies OptionTable;

/** @internal */
export const VALUE_OPTIONS = {
  nulls: {
    kind: 'list',
    of: ANY_TEXT,
    what: 'texts',
    check: checkTexts,
    defaultDoc: 'NULL, NaN, NA and the others of `DEFAULT_NULLS`',
    doc: 'Texts that stand for a missing value, besides the empty text.',
  },
  decimal: { ...DECIMAL, default: '.', defaultDoc: '`.`', doc: 'The decimal mark of numbers in text.' },
  timeFormat: {
    kind: 'any',
    of: [TEXT, { kind: 'list', of: TEXT, what: 'patterns' }],
    what: 'a pattern, a list of patterns, or a unit',
    check: checkTimeFormat,
    defaultDoc: 'ISO 8601 becomes Unix seconds, and numbers stay as they are',
    doc: 'How times are written: patterns of DuckDB’s strptime such as `%d.%m.%Y %H:%M`, of which the first that fits is used; or, for numbers, the unit since 1970, `s`, `ms`, `us` or `ns`. Both become Unix seconds.',
  },
} as const satisfies OptionTable;

/** @internal */
export const LABEL_OPTIONS = {
  column: { kind: 'text', required: true, doc: 'The column that holds the labels.' },
  values: {
    kind: 'record',
    of: { kind: 'number' },
    what: 'a number for each text',
    doc: 'The number that each text stands for, such as `{ yes: 1, no: 0 }`, without regard to case. Other texts are read as numbers.',
  },
  unit: {
    kind: 'any',
    of: [TEXT, { kind: 'list', of: TEXT, what: 'texts' }],
    what: 'a text, or several',
    check: checkUnits,
    defaultDoc: 'none',
    doc: 'Text before or after the number, such as `stars` or `%`; blanks around it are trimmed.',
  },
  decimal: { ...DECIMAL, defaultDoc: 'the `decimal` of the table', doc: 'The decimal mark.' },
  thousands: { kind: 'text', defaultDoc: 'nothing', doc: 'What separates groups of three digits, such as `,`.' },
} as const satisfies OptionTable;

function checkLabel(value: unknown, field: string): void {
  if (typeof value !== 'object' || value === null) return checkString(value, field);
  checkObject(value, field, Object.keys(LABEL_OPTIONS));
  checkFields(value, `${field}.`, LABEL_OPTIONS);
  const { thousands, decimal = VALUE_OPTIONS.decimal.default } = value;
  if (thousands !== undefined && thousands === decimal)
    throw invalid(`${field}.thousands`, 'the decimal mark too', thousands, 'another mark than decimal');
}

/** Which column of the interactions holds what. @internal */
export const COLUMN_OPTIONS = {
  user: { kind: 'text', required: true, doc: 'Column that holds the user id, read as text.' },
  item: { kind: 'text', required: true, doc: 'Column that holds the item id, read as text.' },
  label: {
    kind: 'any',
    of: [TEXT, { kind: 'object', fields: LABEL_OPTIONS }],
    what: 'a column, or { column, values, unit … }',
    named: 'string | LabelSource',
    check: checkLabel,
    defaultDoc: 'every interaction is a positive one with label 1, as for purchases, clicks and plays',
    doc: 'Column that holds the rating, or 0/1, or any number; true and false become 1 and 0. An object also says how texts become numbers.',
  },
  time: {
    kind: 'text',
    defaultDoc: 'no times',
    doc: 'Column that holds the time: a number, a TIMESTAMP or a DATE; the last two become Unix seconds.',
  },
  count: {
    kind: 'text',
    defaultDoc: 'once',
    doc: 'Column that holds how often the interaction took place: `dataset.count`.',
  },
  weight: {
    kind: 'text',
    defaultDoc: 'all weigh alike',
    doc: 'Column that holds the weight ≥ 0 of the interaction in losses: `dataset.weight`.',
  },
  part: {
    kind: 'text',
    defaultDoc: 'no split is prescribed',
    doc: 'Column that names the part of a prescribed split that a row is in, such as `train` or `test`: `dataset.part`.',
  },
} as const satisfies OptionTable;

const ERROR_OR_DROP = { kind: 'choice', of: ['error', 'drop'], default: 'error' } as const;

/** How rows with missing values, repeated rows, and rare users and items are treated. @internal */
export const RULE_OPTIONS = {
  duplicates: {
    kind: 'choice',
    of: ['last', 'first', 'mean', 'sum', 'error'],
    named: 'DuplicateRule',
    defaultDoc: 'last; without a label column sum',
    doc: 'What to do if a user and an item occur together more than once. last and first keep the last or first row, by time if a time is mapped, and by file order otherwise and at equal times; mean keeps the last row with the mean of the labels; sum keeps it with the sums of labels, counts and weights (without a label column, of counts and weights only); error throws.',
  },
  missingLabel: { ...ERROR_OR_DROP, doc: 'What to do with a row without a label: throw an error, or drop the row.' },
  missingId: {
    ...ERROR_OR_DROP,
    doc: 'What to do with a row without a user or item: throw an error, or drop the row.',
  },
  missingTime: {
    ...ERROR_OR_DROP,
    doc: 'What to do with a row without a time, if a time is mapped: throw an error, or drop the row.',
  },
  kCore: {
    kind: 'any',
    of: [
      COUNT,
      {
        kind: 'object',
        fields: {
          user: { ...COUNT, defaultDoc: 'all are kept', doc: 'Fewest interactions of a user.' },
          item: { ...COUNT, defaultDoc: 'all are kept', doc: 'Fewest interactions of an item.' },
        },
      },
    ],
    what: 'a number of interactions, or { user, item }',
    defaultDoc: 'all are kept',
    doc: 'Keep only users and items that have at least this many interactions with the users and items kept (the k-core). It applies after all other rules.',
  },
  unseenItems: {
    kind: 'choice',
    of: ['keep', 'drop'],
    default: 'keep',
    doc: 'With part: whether to keep or drop rows outside the training part whose item does not occur in the training part.',
  },
} as const satisfies OptionTable;

/** One feature of a user, an item or an interaction. @internal */
export const FEATURE_OPTIONS = {
  name: { kind: 'text', required: true, doc: 'The feature’s name in the dataset.' },
  kind: {
    kind: 'choice',
    of: ['categorical', 'bag', 'dense', 'sequence'],
    required: true,
    doc: 'categorical: one text (numbers are read as text), 0 = missing or rarer than minCount. bag: a list of texts: a list column, or text split at separator. dense: a number, a list column of size numbers, or the rows of a matrix in a file. sequence: for interactions only: the user’s earlier items, oldest first (see `withHistory`).',
  },
  column: { kind: 'text', defaultDoc: 'the name', doc: 'Column of the table.' },
  sql: {
    kind: 'text',
    doc: 'SQL expression over the table’s columns, in place of column. Mapped id, categorical and bag columns are text.',
  },
  separator: {
    kind: 'text',
    defaultDoc: `\`${DEFAULT_SEPARATOR}\``,
    doc: 'What separates the entries of a bag that is written as text; white space around entries is trimmed. Lists in brackets, as JSON and Python write them, are read as lists.',
  },
  minCount: { ...COUNT, default: 1, doc: 'Texts that occur fewer times in the table become category 0.' },
  standardize: {
    kind: 'boolean',
    defaultDoc: 'true, without normalize',
    doc: 'Dense: shift and scale to mean 0 and variance 1 over the values present.',
  },
  normalize: { kind: 'boolean', default: false, doc: 'Dense: first scale every row to length 1.' },
  present: {
    kind: 'boolean',
    default: false,
    doc: 'Dense: add a second column, `<name>.present`, 1 where the feature has a value and 0 where it is missing, so that a model can tell a missing value from the mean.',
  },
  size: {
    kind: 'integer',
    min: 1,
    max: 65536,
    defaultDoc: 'the length of the first list',
    doc: 'Dense lists: numbers per row.',
  },
  file: {
    kind: 'text',
    doc: 'Dense: a matrix [rows, size] in a `.npy` or `.safetensors` file, in place of column and sql.',
  },
  tensor: {
    kind: 'text',
    defaultDoc: 'its only two-dimensional tensor',
    doc: 'The name of the tensor in a `.safetensors` file.',
  },
  // What suits the file is checked with the file.
  ids: {
    kind: 'any',
    of: [
      TEXT,
      {
        kind: 'object',
        fields: {
          ...FROM_OPTIONS,
          ...FILE_OPTIONS,
          ...VALUE_OPTIONS,
          column: { kind: 'text', required: true, doc: 'The column of the table that holds the ids.' },
        },
      },
      {
        kind: 'object',
        fields: {
          tensor: {
            kind: 'text',
            required: true,
            doc: 'The tensor of the same `.safetensors` file that holds the ids.',
          },
        },
      },
    ],
    what: 'a .txt, .json or .npy file, { from, column } or { tensor }',
    named: 'IdSource',
    check: checkedLater,
    defaultDoc: 'row r belongs to row r of the table',
    doc: 'The id that each row of `file` belongs to: in a file, a column of a table, or a tensor.',
  },
  of: { ...HISTORY_OPTIONS.of, doc: `Sequences: ${HISTORY_OPTIONS.of.doc}` },
  maxLength: { ...HISTORY_OPTIONS.maxLength, doc: `Sequences: ${HISTORY_OPTIONS.maxLength.doc}` },
  minLabel: { ...HISTORY_OPTIONS.minLabel, doc: `Sequences: ${HISTORY_OPTIONS.minLabel.doc}` },
} as const satisfies OptionTable;
