/** Decides the layout of a text table from its first line and the mapped columns, never from a sample of its rows. */
import { nearest, InnerloopError, show } from '../foundation/errors.js';
import { checkText, otherFormat } from './first-line.js';
import { GENERIC, headless, NUMBER } from './headless.js';
import { advice } from './table-source.js';
import type { FileOptions } from './table-source.js';

export interface Dialect {
  delimiter: string;
  quote: string;
  escape: string;
  header: boolean;
  /** Whether rows begin with one field more than the header has names, as the option `columns` says. */
  isShort: boolean;
  /** The columns as the file or the options name them, in order; none is empty. */
  names: string[];
}

/** The columns that a source needs from a table. */
export interface Wanted {
  /** The mapped columns, in the order user, item, label, … */
  columns: readonly WantedColumn[];
  /** Whether there are SQL expressions, which may name any column and need numbers as numbers. */
  typed: boolean;
}

export interface WantedColumn {
  name: string;
  /** Path of the option that names it. */
  field: string;
  /** `text` is kept as it is written. If a `number` or `time` column has a number as its name, the table has no header. */
  as: 'text' | 'number' | 'time';
}

export interface TextSource {
  /** The path as it was given, for error messages. */
  label: string;
  /** The option that the table is for, such as `interactions` or `users`. */
  field: string;
  options: FileOptions;
}

const CANDIDATES = [',', '\t', ';', '|', '::', '\x01', ' '] as const;
const BY_NAME: Readonly<Record<string, string>> = {
  csv: ',',
  tsv: '\t',
  tab: '\t',
  psv: '|',
  inter: '\t',
  user: '\t',
  item: '\t',
};
const NAMES: Readonly<Record<string, string>> = { '\t': 'tabs', ' ': 'blanks', '\x01': '\\u0001' };
/** The lines before a table. */
export interface Leading {
  /** The number of lines to skip: blank ones, and Excel's `sep=;`. */
  skip: number;
  /** The delimiter that `sep=` states. */
  delimiter: string | undefined;
}

export function leadingLines(text: string): Leading & { rest: string } {
  const blank = /^(?:[ \t]*(?:\r\n|\n|\r))*/.exec(text)![0];
  const rest = text.slice(blank.length);
  const own = /^"?sep=(.)"?[ \t]*(\r\n|\n|\r)/i.exec(rest);
  const skip = (blank.match(/\r\n|\n|\r/g) ?? []).length + (own === null ? 0 : 1);
  return { skip, delimiter: own?.[1], rest: rest.slice(own?.[0].length ?? 0) };
}

/** The first line that is not blank; a line break inside quotes does not end it. Undefined if `text` may not hold all of it. */
export function firstRecord(text: string, quote: string, complete: boolean): string | undefined {
  const start = /^(?:[ \t]*\r?\n)*/.exec(text)![0].length;
  let quoted = false;
  for (let i = start; i < text.length; i++) {
    const c = text[i];
    if (c === quote) quoted = !quoted;
    else if ((c === '\n' || c === '\r') && !quoted) return text.slice(start, i);
  }
  if (complete) return text.slice(start);
  return undefined;
}

/** The fields of one line, split as in RFC 4180, with blanks around them trimmed. */
export function splitRecord(line: string, delimiter: string, quote: string, escape: string): string[] {
  if (quote === '') return line.split(delimiter).map((field) => field.trim());
  const fields: string[] = [];
  let field = '';
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (quoted) {
      if (c === escape && line[i + 1] === quote) {
        field += quote;
        i++;
      } else if (c === quote) quoted = false;
      else field += c;
    } else if (c === quote && field.trim() === '') {
      quoted = true;
      field = '';
    } else if (line.startsWith(delimiter, i)) {
      fields.push(field.trim());
      field = '';
      i += delimiter.length - 1;
    } else field += c;
  }
  return [...fields, field.trim()];
}

/**
 * Decides the layout of a table from its first line. Every other line is checked against it when the rows are read.
 * @throws {InnerloopError} with the options to write, if the first line does not decide the layout
 */
export function decideDialect(line: string, source: TextSource, wanted: Wanted): Dialect {
  const { options, label, field } = source;
  const quote = options.quote ?? '"';
  const escape = options.escape ?? quote;
  checkText(line, source);
  const header = options.header ?? options.columns === undefined;
  const split = (delimiter: string): string[] => splitRecord(line, delimiter, quote, escape);
  const cellsOf = (delimiters: readonly string[]) =>
    delimiters.map((delimiter) => ({ delimiter, fields: split(delimiter) }));
  const fitting = (cells: readonly { delimiter: string; fields: string[] }[]) =>
    cells.filter(({ fields }) => fit(fields, header, options, wanted));
  const cells = cellsOf(options.delimiter === undefined ? CANDIDATES : [options.delimiter]);
  let fits = fitting(cells);
  // If no usual delimiter gives all mapped columns, any other mark in the line is tried.
  if (fits.length === 0 && options.delimiter === undefined) fits = fitting(cellsOf(otherMarks(line)));
  const chosen = choose(fits, label);
  if (chosen === undefined) throw undecided(cells, fits, source, wanted, header);
  const { delimiter, fields } = chosen;
  const names = (options.columns ?? (header ? fields : unnamed(fields.length, wanted))).map((name, k) =>
    name === '' ? `column${k}` : name,
  );
  const isShort = isShortHeader(fields, header, options);
  if (names.length !== fields.length && !isShort)
    throw new InnerloopError(
      'INVALID_DATA',
      `the lines of ${label} have ${fields.length} fields, such as ${show(line)}`,
      {
        field: `${field}.columns`,
        value: names.length,
        expected: `${fields.length} names`,
      },
    );
  const dialect = { delimiter, quote, escape, header, isShort, names };
  if (options.header === undefined) checkHeader(line, fields, dialect, source, wanted);
  checkTwice(line, fields, dialect, source, wanted);
  return dialect;
}

/** Marks in a line that are not among the usual delimiters, such as ^ or ||. */
function otherMarks(line: string): string[] {
  const marks = (line.match(/[^\p{L}\p{N}\s_."'-]+/gu) ?? []).filter((mark) => Buffer.byteLength(mark) <= 4);
  return [...new Set(marks)].filter((mark) => !CANDIDATES.some((known) => known === mark));
}

/** Names of columns without a header: positions from 1; in SQL, where no column is mapped, the names that DuckDB gives. */
function unnamed(count: number, { columns }: Wanted): string[] {
  const width = String(count - 1).length;
  return Array.from({ length: count }, (_, k) =>
    columns.length === 0 ? `column${String(k).padStart(width, '0')}` : String(k + 1),
  );
}

/** Whether the fields that a delimiter makes of the first line include all mapped columns. */
function fit(fields: readonly string[], header: boolean, options: FileOptions, wanted: Wanted): boolean {
  const { columns } = options;
  if (columns !== undefined) return fields.length === columns.length || isShortHeader(fields, header, options);
  const known = header ? fields : fields.map((_, k) => String(k + 1));
  return wanted.columns.every(({ name }) => resolveName(known, name) !== undefined);
}

/** Whether the header has one name fewer than `columns`: R writes no name for the first column, which holds the row names. */
const isShortHeader = (fields: readonly string[], header: boolean, { columns }: FileOptions): boolean =>
  header && columns?.length === fields.length + 1 && fields.every((name, k) => name === columns[k + 1]);

/** The delimiter to use of those that fit: any other before a blank, and of several the one of the file's extension. */
function choose<T extends { delimiter: string; fields: string[] }>(fits: readonly T[], label: string): T | undefined {
  const several = fits.filter(({ fields }) => fields.length > 1);
  const clear = several.filter(({ delimiter }) => delimiter !== ' ');
  const pool = clear.length > 0 ? clear : several;
  // The line has a single column with every delimiter, so any of them will do.
  if (pool.length === 0) return fits[0];
  return pool.length === 1 ? pool[0] : pool.find(({ delimiter }) => delimiter === BY_NAME[extensionOf(label)]);
}

export function extensionOf(path: string): string {
  return /\.([a-z0-9]+)(?:\.(?:gz|zst|zip))?$/i.exec(path)?.[1].toLowerCase() ?? '';
}

/** The column that a mapped name means: the column of that name, or the one of that name with RecBole's type after it. */
export function resolveName(names: readonly string[], name: string): string | undefined {
  if (names.includes(name)) return name;
  const trimmed = name.trim();
  if (names.includes(trimmed)) return trimmed;
  const typed = names.filter((other) => ATOMIC.exec(other)?.[1] === trimmed);
  return typed.length === 1 ? typed[0] : undefined;
}

/** Matches a column of RecBole's atomic files, whose names end in the column's type, such as `user_id:token`. */
export const ATOMIC = /^(.+):(token|token_seq|float|float_seq)$/;

/** Refuses a first line that looks like a row where a header is expected, so that no row is lost, and the reverse. */
function checkHeader(
  line: string,
  fields: readonly string[],
  { delimiter, header, names }: Dialect,
  source: TextSource,
  wanted: Wanted,
): void {
  const { label, field } = source;
  if (!header) {
    // Names were given for a file that has a header, whose first line would become a row.
    const same = names.filter((name, k) => fields[k].toLowerCase() === name.toLowerCase());
    if (same.length === 0) return;
    throw new InnerloopError('INVALID_DATA', `the first line of ${label} looks like names: ${show(line)}`, {
      field: `${field}.columns`,
      value: names,
      expected: `a header or none; ${advice(field, { header: true })}, or \`"header": false\` if it is a row`,
    });
  }
  // For a file in SQL no column is mapped; then none of its names may be a number.
  const named: readonly Pick<WantedColumn, 'name' | 'as'>[] =
    wanted.columns.length > 0 ? wanted.columns : fields.map((name) => ({ name, as: 'number' }));
  const numbers = named.filter(({ name }) => NUMBER.test(name));
  if (!numbers.some(({ as }) => as !== 'text') && numbers.length < named.length) return;
  throw new InnerloopError(
    'INVALID_DATA',
    `the first line of ${label} looks like a row, not like names: ${show(line)}`,
    {
      field: `${field}.header`,
      value: wanted.columns.map(({ name }) => name),
      expected: `${headless(fields, delimiter, source, wanted)}; or ${advice(field, { header: true })} if they are names`,
    },
  );
}

/** Refuses two columns of one name (ignoring case) if one of them is mapped, or may be named in SQL. */
function checkTwice(
  line: string,
  fields: readonly string[],
  { names, header, delimiter }: Dialect,
  source: TextSource,
  wanted: Wanted,
): void {
  const { label, field } = source;
  const lower = names.map((name) => name.toLowerCase());
  const twice = names.find(
    (name, k) => lower.indexOf(lower[k]) !== k && (wanted.typed || isWanted(names, name, wanted)),
  );
  if (twice === undefined) return;
  const unique = names.map((name, k) => {
    const before = lower.slice(0, k).filter((other) => other === lower[k]).length;
    return before === 0 ? name : `${name}_${before + 1}`;
  });
  // If several options name the repeated column, each may mean a different one of the columns that share the name.
  const shared = wanted.columns.filter(({ name }) => name.toLowerCase() === twice.toLowerCase());
  const places = unique.filter((_, k) => lower[k] === twice.toLowerCase());
  const mapping = Object.fromEntries(
    shared.slice(0, places.length).map((column, k) => [column.field.split('.')[1], places[k]]),
  );
  const columns = advice(field, { header, columns: unique, ...(shared.length > 1 ? mapping : {}) });
  const isRow = fields.some((cell) => NUMBER.test(cell));
  throw new InnerloopError('INVALID_DATA', `the header of ${label} has two columns ${show(twice)}: ${show(line)}`, {
    field: `${field}.from`,
    value: twice,
    expected: isRow
      ? `a file without a header is read so: ${headless(fields, delimiter, source, wanted)}; or, if these are names, ${columns}`
      : `each name once; ${columns}, with the names that you want to map`,
  });
}

function isWanted(names: readonly string[], name: string, wanted: Wanted): boolean {
  return wanted.columns.some((other) => resolveName(names, other.name)?.toLowerCase() === name.toLowerCase());
}

/** The most lines that are searched for a header if the first line is not one. */
const MOST_LEADING = 50;

/** The error for a table that has text before its header: a later line has all mapped columns. Undefined if there is none. */
export function laterHeader(text: string, source: TextSource, wanted: Wanted): InnerloopError | undefined {
  const { label, field, options } = source;
  const { header, columns, skip } = options;
  if (header !== undefined || columns !== undefined || skip !== undefined || wanted.columns.length === 0)
    return undefined;
  const lines = text.split(/\r\n|\n|\r/).slice(0, MOST_LEADING);
  // Other formats and comments have their own advice.
  if (otherFormat(lines.find((line) => line.trim() !== '') ?? '', field, wanted) !== undefined) return undefined;
  const before = lines.findIndex((line, k) => k > 0 && line.trim() !== '' && hasAll(line, source, wanted));
  if (before < 0) return undefined;
  return new InnerloopError('INVALID_DATA', `${label} has text before its header, which is line ${before + 1}`, {
    field: `${field}.from`,
    value: lines[0],
    expected: `the names of the columns in the first line; ${advice(field, { skip: before })}`,
  });
}

function hasAll(line: string, source: TextSource, wanted: Wanted): boolean {
  try {
    return decideDialect(line, source, wanted).header;
  } catch {
    return false;
  }
}

/** The error for a first line that no delimiter, or more than one, splits into the mapped columns. */
function undecided(
  cells: readonly { delimiter: string; fields: string[] }[],
  fits: readonly { delimiter: string }[],
  source: TextSource,
  wanted: Wanted,
  header: boolean,
): InnerloopError {
  const { label, field, options } = source;
  const [first] = cells;
  const line = first.fields.join(first.delimiter);
  if (fits.length > 1)
    return new InnerloopError(
      'INVALID_DATA',
      `the first line of ${label} can be split in several ways: ${show(line)}`,
      {
        field: `${field}.delimiter`,
        value: options.delimiter,
        expected: fits.map(({ delimiter }) => advice(field, { delimiter })).join(', or '),
      },
    );
  const { delimiter, fields } = mostLikely(cells, wanted);
  if (options.columns !== undefined)
    return new InnerloopError(
      'INVALID_DATA',
      `no delimiter makes ${options.columns.length} fields of the first line of ${label}: ${show(line)}`,
      {
        field: `${field}.columns`,
        value: options.columns.length,
        expected: `its delimiter, and a name for each column; with ${NAMES[delimiter] ?? show(delimiter)} it has ${fields.length} fields`,
      },
    );
  const other = otherCase(cells, source, wanted, header) ?? otherFormat(line, field, wanted);
  const known = header ? fields : fields.map((_, k) => String(k + 1));
  const missing = wanted.columns.find(({ name }) => resolveName(known, name) === undefined) ?? wanted.columns[0];
  const near = nearest(missing.name, known);
  const hint = near === undefined ? '' : `; did you mean ${show(near)}?`;
  const isRow = header && fields.some((cell) => NUMBER.test(cell));
  const lines = headless(fields, delimiter, source, wanted);
  const names = `one of ${known.map(show).join(', ')}`;
  // If at least one mapped name is in the first line, that line is a header.
  const isHeader = wanted.columns.some(({ name }) => !NUMBER.test(name) && resolveName(fields, name) !== undefined);
  return new InnerloopError(
    'MISSING_COLUMN',
    `${label} has no column ${show(missing.name)}${hint}${isRow ? `; its first line looks like a row: ${show(line)}` : ''}`,
    {
      field: missing.field,
      value: missing.name,
      expected:
        other ?? (!header || isHeader ? names : isRow ? lines : `${names}; or, if the file has no header, ${lines}`),
    },
  );
}

/** The options to write if the header has the mapped names in another case only, such as `UserID` for `userId`. */
function otherCase(
  cells: readonly { fields: string[] }[],
  { field }: TextSource,
  { columns }: Wanted,
  header: boolean,
): string | undefined {
  const keyOf = (column: WantedColumn): string => column.field.slice(field.length + 1);
  for (const { fields } of header ? cells : []) {
    const found = columns.map(
      ({ name }) => resolveName(fields, name) ?? fields.find((other) => other.toLowerCase() === name.toLowerCase()),
    );
    const changed = columns.flatMap((column, k) => (found[k] === column.name ? [] : [[column, found[k]] as const]));
    if (found.includes(undefined) || !changed.every(([column]) => keyOf(column) in GENERIC)) continue;
    const mapping = Object.fromEntries(changed.map(([column, name]) => [keyOf(column), name]));
    return `one of ${fields.map(show).join(', ')}; ${advice(field, mapping)}`;
  }
  return undefined;
}

/** The likeliest delimiter of a first line that lacks mapped columns: it gives the most of them, and then the most fields. */
function mostLikely<T extends { delimiter: string; fields: string[] }>(cells: readonly T[], wanted: Wanted): T {
  const found = ({ fields }: T) => wanted.columns.filter(({ name }) => resolveName(fields, name) !== undefined).length;
  // The mark `::` wins a tie, because it hardly occurs except as a delimiter; other marks may also separate lists inside fields.
  const size = ({ delimiter, fields }: T) =>
    delimiter === ' ' ? 1 : fields.length + (delimiter === '::' && fields.length > 1 ? 0.5 : 0);
  const score = (cell: T) => [found(cell), size(cell)];
  return cells.reduce((a, b) => {
    const [x, y] = [score(a), score(b)];
    return y[0] > x[0] || (y[0] === x[0] && y[1] > x[1]) ? b : a;
  });
}
