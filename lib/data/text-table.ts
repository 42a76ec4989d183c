/** How a text table is laid out: decided from its first line and the columns that are mapped, never from a sample of its rows. */
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
  /** Whether rows begin with a field more than the header has names, as the options say. */
  isShort: boolean;
  /** The columns as the file or the options name them, in order; none is empty. */
  names: string[];
}

/** What the source asks of a table. */
export interface Wanted {
  /** Every column that is mapped, in the order user, item, label, … */
  columns: readonly WantedColumn[];
  /** Whether SQL expressions may name any other column. */
  typed: boolean;
}

export interface WantedColumn {
  name: string;
  /** The option that names it. */
  field: string;
  /** `text`: kept as it is written; `number` and `time`: a name that is a number gives a table without a header away. */
  as: 'text' | 'number' | 'time';
}

export interface TextSource {
  /** For messages: the path as it was given. */
  label: string;
  /** The option that the table is for: `interactions`, `users` … */
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
/** What stands before the first line of a table. */
export interface Leading {
  /** Lines that hold nothing, and Excel's `sep=;`. */
  skip: number;
  /** What `sep=` says. */
  delimiter: string | undefined;
}

export function leadingLines(text: string): Leading & { rest: string } {
  const blank = /^(?:[ \t]*(?:\r\n|\n|\r))*/.exec(text)![0];
  const rest = text.slice(blank.length);
  const own = /^"?sep=(.)"?[ \t]*(\r\n|\n|\r)/i.exec(rest);
  const skip = (blank.match(/\r\n|\n|\r/g) ?? []).length + (own === null ? 0 : 1);
  return { skip, delimiter: own?.[1], rest: rest.slice(own?.[0].length ?? 0) };
}

/** The first line that is not blank, to its end: a line break inside quotes is none. Undefined if `text` ends before it. */
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

/** The fields of one line, as RFC 4180 reads them; blanks around them are cut off. */
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
 * The dialect of a table from its first line. Every other line is held against it when the rows are read.
 * @throws {InnerloopError} with the lines to write where the first line does not decide
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
  // Whatever else stands between all that is mapped separates it.
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

/** Marks between words that are no usual delimiter, such as ^ or ||. */
function otherMarks(line: string): string[] {
  const marks = (line.match(/[^\p{L}\p{N}\s_."'-]+/gu) ?? []).filter((mark) => Buffer.byteLength(mark) <= 4);
  return [...new Set(marks)].filter((mark) => !CANDIDATES.some((known) => known === mark));
}

/** Positions from 1; in SQL, where nothing is mapped, DuckDB's own names. */
function unnamed(count: number, { columns }: Wanted): string[] {
  const width = String(count - 1).length;
  return Array.from({ length: count }, (_, k) =>
    columns.length === 0 ? `column${String(k).padStart(width, '0')}` : String(k + 1),
  );
}

/** Whether a delimiter makes of the first line what is mapped. */
function fit(fields: readonly string[], header: boolean, options: FileOptions, wanted: Wanted): boolean {
  const { columns } = options;
  if (columns !== undefined) return fields.length === columns.length || isShortHeader(fields, header, options);
  const known = header ? fields : fields.map((_, k) => String(k + 1));
  return wanted.columns.every(({ name }) => resolveName(known, name) !== undefined);
}

/** R leaves out the name of the first column, which has the names of the rows. */
const isShortHeader = (fields: readonly string[], header: boolean, { columns }: FileOptions): boolean =>
  header && columns?.length === fields.length + 1 && fields.every((name, k) => name === columns[k + 1]);

function choose<T extends { delimiter: string; fields: string[] }>(fits: readonly T[], label: string): T | undefined {
  const several = fits.filter(({ fields }) => fields.length > 1);
  const clear = several.filter(({ delimiter }) => delimiter !== ' ');
  const pool = clear.length > 0 ? clear : several;
  // One column, whatever separates.
  if (pool.length === 0) return fits[0];
  return pool.length === 1 ? pool[0] : pool.find(({ delimiter }) => delimiter === BY_NAME[extensionOf(label)]);
}

export function extensionOf(path: string): string {
  return /\.([a-z0-9]+)(?:\.(?:gz|zst|zip))?$/i.exec(path)?.[1].toLowerCase() ?? '';
}

/** The column that a mapped name means: itself, or without the type that RecBole writes behind it. */
export function resolveName(names: readonly string[], name: string): string | undefined {
  if (names.includes(name)) return name;
  const trimmed = name.trim();
  if (names.includes(trimmed)) return trimmed;
  const typed = names.filter((other) => ATOMIC.exec(other)?.[1] === trimmed);
  return typed.length === 1 ? typed[0] : undefined;
}

/** RecBole's atomic files name the type of every column. */
export const ATOMIC = /^(.+):(token|token_seq|float|float_seq)$/;

/** A first line that looks like a row is not taken for names, so that no row is lost. */
function checkHeader(
  line: string,
  fields: readonly string[],
  { delimiter, header, names }: Dialect,
  source: TextSource,
  wanted: Wanted,
): void {
  const { label, field } = source;
  if (!header) {
    // Names were given for a file that brings them along: its first line would become a row.
    const same = names.filter((name, k) => fields[k].toLowerCase() === name.toLowerCase());
    if (same.length === 0) return;
    throw new InnerloopError('INVALID_DATA', `the first line of ${label} looks like names: ${show(line)}`, {
      field: `${field}.columns`,
      value: names,
      expected: `a header or none; ${advice(field, { header: true })}, or \`"header": false\` if it is a row`,
    });
  }
  // Where nothing is mapped (a file in SQL), no name may be a number.
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
  // Two options that name one column may each have meant another of those that share the name.
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
  // One name that is mapped and there makes it a header.
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

/** The lines for names that the header has in other letters alone, `UserID` for `userId`. */
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

/** What splits a first line best that does not have all that is mapped. */
function mostLikely<T extends { delimiter: string; fields: string[] }>(cells: readonly T[], wanted: Wanted): T {
  const found = ({ fields }: T) => wanted.columns.filter(({ name }) => resolveName(fields, name) !== undefined).length;
  // Two colons hold no other mark's place: lists inside fields do.
  const size = ({ delimiter, fields }: T) =>
    delimiter === ' ' ? 1 : fields.length + (delimiter === '::' && fields.length > 1 ? 0.5 : 0);
  const score = (cell: T) => [found(cell), size(cell)];
  return cells.reduce((a, b) => {
    const [x, y] = [score(a), score(b)];
    return y[0] > x[0] || (y[0] === x[0] && y[1] > x[1]) ? b : a;
  });
}
