/** Reads text tables. The layout is decided from the first line and the mapped columns, and every line must follow it. */
import { statSync } from 'node:fs';
import { InnerloopError, show } from '../foundation/errors.js';
import { quoteIdentifier, quoteLiteral } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { cleaned } from './clean-lines.js';
import { decompress, fileList, head, transcode } from './files.js';
import type { FoundFile } from './files.js';
import { encodingAdvice } from './encodings.js';
import { historyAdvice } from './first-line.js';
import { lineForm } from './line-form.js';
import type { FoundFiles } from './open-files.js';
import { advice, BLANKS, FILE_KEYS } from './table-source.js';
import { decideDialect, firstRecord, laterHeader, leadingLines } from './text-table.js';
import type { Dialect, Leading, Wanted } from './text-table.js';
import { inferTypes, typedSelect } from './typed-columns.js';
import type { ValueRules } from './values.js';
import { checkZstd } from './zstd.js';

/** The longest line in bytes; DuckDB's default is 2 MB. */
const MAX_LINE = 16 << 20;
/** Compressed files of up to this many bytes are decompressed once to a temporary file, because they are read twice. */
const SMALL = 64 << 20;

export async function textRelation(
  session: DuckSession,
  found: FoundFiles,
  label: string,
  field: string,
  wanted: Wanted,
  rules: ValueRules,
): Promise<{ sql: string; types: Map<string, string>; dialect: Dialect }> {
  const { sql, dialect } = await textTable(session, found, label, field, wanted);
  const types = new Map(dialect.names.map((name) => [name, 'VARCHAR']));
  if (!wanted.typed) return { sql, types, dialect };
  // SQL expressions need a column as numbers if all of its values are numbers.
  const kept = new Set(wanted.columns.filter(({ as }) => as !== 'number').map(({ name }) => name));
  const names = dialect.names.filter((name) => !kept.has(name));
  const inferred = await inferTypes(session, sql, names, rules, `${field}.from`);
  for (const [name, type] of inferred) types.set(name, type);
  return { sql: typedSelect(sql, types, rules), types, dialect };
}

/** The SQL that reads all columns of the files as text, and the layout of their lines. */
export async function textTable(
  session: DuckSession,
  found: FoundFiles,
  label: string,
  field: string,
  wanted: Wanted,
): Promise<{ sql: string; dialect: Dialect }> {
  const where = `${field}.from`;
  const sources: FoundFile[] = [];
  for (const file of found.files) sources.push(await cleaned(session, file, found.options, field));
  const options = found.options.delimiter === BLANKS ? { ...found.options, delimiter: '\t' } : found.options;
  const quote = options.quote ?? '"';
  const [first, ...others] = sources;
  const top = await firstLine(session, first, quote, where);
  if (top === undefined)
    throw new InnerloopError('EMPTY_DATA', `${label} is empty`, {
      field: where,
      value: label,
      expected: 'at least one row',
    });
  const { line, skip } = top;
  const source = { label, field, options: { ...options, delimiter: options.delimiter ?? top.delimiter } };
  let dialect: Dialect;
  try {
    dialect = decideDialect(line, source, wanted);
  } catch (error) {
    throw laterHeader(top.text, source, wanted) ?? error;
  }
  for (const other of others) {
    const same = await firstLine(session, other, quote, where);
    if (same === undefined || (same.skip === skip && (!dialect.header || same.line === line))) continue;
    throw new InnerloopError('INVALID_DATA', `${other.path} has another header than ${first.path}`, {
      field: where,
      value: same.line,
      expected: `${show(line)} in every file of ${label}${skip === same.skip ? '' : ', and as many lines before it'}; where columns of one name are the same, ${advice(field, { sql: `SELECT * FROM read_csv(${quoteLiteral(label)}, all_varchar = true, union_by_name = true)` })} in place of from`,
    });
  }
  const files: FoundFile[] = [];
  let isParallel = true;
  let hasHashes = false;
  for (const file of sources) {
    if (file.compression === 'zstd') checkZstd(file.path, where);
    const isWritten = file.compression !== 'none' && statSync(file.path).size <= SMALL;
    const plain = isWritten ? await decompress(session, file, where) : file;
    const form = await lineForm(plain, dialect, field);
    if (form.breaksInQuotes) isParallel = false;
    hasHashes ||= form.hasHashes;
    files.push(form.mixedEnds ? await transcode(session, plain, options, field) : plain);
  }
  if (hasHashes && options.comment === undefined && !dialect.names[0].startsWith('#'))
    session.notes.push(
      `${where}: some lines of ${label} begin with # and were read as rows; if they are comments, ${advice(field, { comment: '#' })}`,
    );
  if (new Set(files.map(({ compression }) => compression)).size > 1)
    for (const [k, file] of files.entries())
      if (file.compression !== 'none') files[k] = await decompress(session, file, where);
  return { sql: readCsv(files, dialect, isParallel, skip), dialect };
}

function readCsv(files: readonly FoundFile[], dialect: Dialect, isParallel: boolean, before: number): string {
  const skip = before + Number(dialect.isShort);
  const columns = internalNames(dialect.names).map((name) => `${quoteLiteral(name)}: 'VARCHAR'`);
  const options = [
    'auto_detect = false',
    `compression = ${quoteLiteral(files[0].compression)}`,
    `delim = ${quoteLiteral(dialect.delimiter)}`,
    `quote = ${quoteLiteral(dialect.quote)}`,
    `escape = ${quoteLiteral(dialect.quote === '' ? '' : dialect.escape)}`,
    // DuckDB cannot use a header with one name fewer than rows have fields, so that line is skipped.
    `header = ${dialect.header && !dialect.isShort}`,
    `columns = {${columns.join(', ')}}`,
    `max_line_size = ${MAX_LINE}`,
    `buffer_size = ${2 * MAX_LINE}`,
    ...(isParallel ? [] : ['parallel = false']),
    ...(skip === 0 ? [] : [`skip = ${skip}`]),
  ];
  const table = `read_csv(${fileList(files.map(({ path }) => path))}, ${options.join(', ')})`;
  const renamed = dialect.names.filter((name, k) => internalNames(dialect.names)[k] !== name);
  if (renamed.length === 0) return table;
  const selected = internalNames(dialect.names).map((name) => quoteIdentifier(name));
  return `(SELECT ${selected.join(', ')} FROM ${table})`;
}

/** Column names that DuckDB, which ignores case, tells apart: a repeated name gets a number. Mapped names never repeat. */
export function internalNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let own = name;
    for (let k = 1; taken.has(own.toLowerCase()); k++) own = `${name}_${k}`;
    taken.add(own.toLowerCase());
    return own;
  });
}

/** The first line of a file that is not blank, and what stands before it; undefined if there is none. */
async function firstLine(
  session: DuckSession,
  file: FoundFile,
  quote: string,
  field: string,
): Promise<(Leading & { line: string; text: string }) | undefined> {
  for (let count = 1 << 16; ; count *= 16) {
    const { bytes, complete } = await head(session, file, count, field);
    // Bytes that are not UTF-8 become replacement characters here; the error comes when the rows are read.
    const text = new TextDecoder().decode(bytes);
    const leading = leadingLines(text);
    const line = firstRecord(leading.rest, quote, complete || count > MAX_LINE);
    if (line !== undefined) return line === '' ? undefined : { ...leading, line, text };
  }
}

/** Turns DuckDB's error about a line that does not follow the layout into one that says which options to write. */
export async function explainText(
  error: unknown,
  found: FoundFiles,
  dialect: Dialect,
  label: string,
  field: string,
): Promise<unknown> {
  const message = error instanceof InnerloopError && error.cause instanceof Error ? error.cause.message : '';
  if (!/CSV Error|CSV Parser|not utf-8/i.test(message)) return error;
  const line = /CSV Error on Line: (\d+)/.exec(message)?.[1];
  const original = /Original Line:([^]*?)\n(?:Expected|Value with|Invalid unicode|Maximum|Too many|\n)/
    .exec(message)?.[1]
    .trim();
  const at = `${label}${line === undefined ? '' : `, line ${line}`}${original === undefined ? '' : `: ${show(original)}`}`;
  const fail = (what: string, expected: string) =>
    new InnerloopError('INVALID_DATA', `${what} in ${at}`, {
      field: `${field}.from`,
      value: label,
      expected,
      cause: error,
    });
  if (/not utf-8|Invalid unicode/i.test(message))
    return fail('bytes that are not UTF-8', await encodingAdvice(found.files, field));
  const counts = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message);
  if (counts !== null && dialect.header && line === '2' && Number(counts[2]) === Number(counts[1]) + 1)
    return fail(
      `a field more than the ${counts[1]} names of the first line`,
      `the same number in every line; where each row begins with its own name, as R writes tables, ${advice(field, { header: true, columns: [dialect.names.includes('row') ? 'row names' : 'row', ...dialect.names] })}`,
    );
  if (counts !== null)
    return fail(
      `other numbers of fields than the ${counts[1]} of the first line`,
      `the same number in every line; ${lineAdvice(original, { found, dialect, label, field })}`,
    );
  if (/quote/i.test(message))
    return fail(
      'a quote that RFC 4180 does not allow',
      `fields in quotes from end to end; ${quoteAdvice(original, field)}`,
    );
  if (/Maximum line size/i.test(message))
    return fail('a line of more than 16 MB', 'shorter lines, or a quote that is closed');
  return fail(
    'lines that RFC 4180 does not allow, perhaps of mixed line ends',
    `the file decompressed, or ${advice(field, { quote: '' })}`,
  );
}

/** The options to write for quotes that do not follow RFC 4180, the likelier ones first. */
function quoteAdvice(line: string | undefined, field: string): string {
  const asText = `where quotes are text, ${advice(field, { quote: '' })}`;
  const escaped = `where a backslash stands before quotes inside quotes, ${advice(field, { escape: '\\' })}`;
  return (line?.includes('\\"') === true ? [escaped, asText] : [asText, escaped]).join('; ');
}

interface Place {
  found: FoundFiles;
  dialect: Dialect;
  label: string;
  field: string;
}

/** What to write for a line with too many or too few fields, by what the line looks like. */
function lineAdvice(line: string | undefined, { found, dialect, label, field }: Place): string {
  const mark = /^\s*(#|%|\/\/|--)/.exec(line ?? '')?.[1];
  if (mark !== undefined) return `if it is a comment, ${advice(field, { comment: mark })}`;
  if (dialect.delimiter === ' ' && /^\S+:?( \S+)+$/.test(line ?? ''))
    return `if each line is a user and the items after it, ${historyAdvice(field)}`;
  if (/\S {2,}\S/.test(line ?? ''))
    return `if blanks stand between the fields, ${advice(field, { delimiter: BLANKS })}`;
  if (line?.includes('\\"') === true) return quoteAdvice(line, field);
  if (dialect.quote === '' || line?.includes(dialect.quote) !== false)
    return `where quotes are text, ${advice(field, { quote: '' })}`;
  const isPlain = FILE_KEYS.every((key) => found.options[key] === undefined);
  const sql = `SELECT * FROM read_csv(${quoteLiteral(label)}, all_varchar = true, delim = ${quoteLiteral(dialect.delimiter)}, header = ${dialect.header}, ignore_errors = true)`;
  return isPlain
    ? `to skip all such lines without a count of them, ${advice(field, { sql })} in place of from`
    : `the line corrected`;
}
