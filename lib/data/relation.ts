import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { InnerloopError, nearest } from '../foundation/errors.js';
import { quoteIdentifier, quoteLiteral } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import type { TableSource } from './source.js';

/** A table source that DuckDB can select from. */
export interface Relation {
  /** What stands after FROM. */
  sql: string;
  /** DuckDB type of each column, in the table's order. For CSV what DuckDB guessed; the columns are read as text. */
  types: ReadonlyMap<string, string>;
  /** For messages: the path, or `SQL`. */
  label: string;
  /** Path of the option, for messages. */
  field: string;
  /** SQL of the user's own: run on one thread so that rows keep one order. */
  userSql: boolean;
  /** CSV: numbers are parsed from text here, so that the row of a bad one can be named. */
  asText: boolean;
}

const READERS: Record<string, 'csv' | 'tsv' | 'parquet' | 'json'> = {
  csv: 'csv',
  tsv: 'tsv',
  parquet: 'parquet',
  json: 'json',
  ndjson: 'json',
  jsonl: 'json',
};
const EXTENSIONS = Object.keys(READERS)
  .map((name) => `.${name}`)
  .join(', ');

/**
 * Finds the files or checks the SQL of a source, and describes its columns.
 * @param text columns that must be read as text: ids and categories keep their leading zeros
 * @param typed whether SQL expressions refer to the table, which then want its other columns as numbers
 */
export async function openRelation(
  session: DuckSession,
  source: TableSource,
  field: string,
  text: readonly string[],
  typed: boolean,
): Promise<Relation> {
  if (source.from === undefined) {
    const statement = source.sql.trim().replace(/;\s*$/, '');
    const { baseDirectory } = session.options;
    if (baseDirectory.includes(',') && baseDirectory !== process.cwd()) {
      throw new InnerloopError('UNSUPPORTED', 'SQL cannot resolve paths against a folder with a comma in its name', {
        field: `${field}.sql`,
        value: baseDirectory,
        expected: 'another base directory, or from in place of sql',
      });
    }
    // The line breaks let a statement end in a comment.
    const sql = `(\n${statement}\n)`;
    return {
      sql,
      types: await describe(session, sql, `${field}.sql`),
      label: 'SQL',
      field,
      userSql: true,
      asText: false,
    };
  }
  const path = source.from;
  const files = await findFiles(session, path, `${field}.from`);
  const list = `[${files.map((file) => quoteLiteral(escapeGlob(file))).join(', ')}]`;
  const kind = readerOf(path, `${field}.from`);
  const base = { label: path, field, userSql: false, asText: kind === 'csv' || kind === 'tsv' };
  if (kind === 'parquet' || kind === 'json') {
    // A JSON column's type is taken from all rows, not from the first ones: a late text must not be a cast error.
    const sql = kind === 'parquet' ? `read_parquet(${list})` : `read_json(${list}, sample_size = -1)`;
    const types = await describe(session, sql, `${field}.from`);
    if (kind === 'parquet') return { ...base, sql, types };
    // DuckDB takes some JSON strings for dates or UUIDs and would write them back in another form.
    for (const name of text) if (RESPELT.test(types.get(name) ?? '')) types.set(name, 'VARCHAR');
    const columns = Array.from(types, ([name, type]) => `${quoteLiteral(name)}: ${quoteLiteral(type)}`);
    return { ...base, sql: `read_json(${list}, columns = {${columns.join(', ')}})`, types };
  }
  const options = `header = true${kind === 'tsv' ? ", delim = '\t'" : ''}`;
  const types = await describe(session, `read_csv(${list}, ${options})`, `${field}.from`);
  if (!typed) return { ...base, types, sql: `read_csv(${list}, ${options}, all_varchar = true)` };
  const mapped = [...new Set(text)].filter((name) => types.has(name)).map((name) => `${quoteLiteral(name)}: 'VARCHAR'`);
  const override = mapped.length === 0 ? '' : `, types = {${mapped.join(', ')}}`;
  return { ...base, types, sql: `read_csv(${list}, ${options}, sample_size = -1${override})` };
}

async function describe(session: DuckSession, sql: string, field: string): Promise<Map<string, string>> {
  const [names = [], types = []] = await session.columns(`DESCRIBE SELECT * FROM ${sql}`, field);
  return new Map(names.map((name, i) => [String(name), String(types[i])]));
}

/** The DuckDB type of a user's expression over a relation. */
export async function describeExpression(
  session: DuckSession,
  relation: Relation,
  expression: string,
  field: string,
): Promise<string> {
  const types = await describe(session, `(SELECT (${expression}\n) AS value FROM ${relation.sql})`, field);
  return types.get('value') ?? 'UNKNOWN';
}

async function findFiles(session: DuckSession, path: string, field: string): Promise<string[]> {
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

/** Paths are found before they are read, so a bracket in a file's name is a bracket. */
function escapeGlob(path: string): string {
  return path.replace(/[*?[]/g, (character) => `[${character}]`);
}

function readerOf(path: string, field: string): 'csv' | 'tsv' | 'parquet' | 'json' {
  const match = /\.([a-z]+)(\.gz)?$/i.exec(path);
  const reader = READERS[match?.[1]?.toLowerCase() ?? ''];
  if (reader === undefined || (reader === 'parquet' && match?.[2] !== undefined)) {
    throw new InnerloopError('UNSUPPORTED', 'not a kind of file that can be read', {
      field,
      value: path,
      expected: `a name that ends in one of ${EXTENSIONS} (the text ones also with .gz), or sql`,
    });
  }
  return reader;
}

/** The quoted column, if the relation has it. */
export function columnOf(relation: Relation, name: string, field: string): string {
  if (!relation.types.has(name)) {
    const names = [...relation.types.keys()];
    const near = nearest(name, names);
    // What DuckDB's guess of the separator comes to when the lines have different numbers of fields.
    const isOne = names.length === 1 && /[,;|\t]/.test(names[0]);
    const hint = isOne
      ? '; its lines seem to have different numbers of fields'
      : near && `; did you mean ${JSON.stringify(near)}?`;
    throw new InnerloopError('MISSING_COLUMN', `${relation.label} has no column ${JSON.stringify(name)}${hint ?? ''}`, {
      field,
      value: name,
      expected: `one of ${names.map((other) => JSON.stringify(other)).join(', ')}`,
    });
  }
  return quoteIdentifier(name);
}

const RESPELT = /^(DATE|TIME.*|UUID)$/;
const INTEGER = /^U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/;
const NUMERIC = /^(BOOLEAN|FLOAT|DOUBLE|DECIMAL.*)$/;
const TEMPORAL = /^(DATE|TIMESTAMP.*)$/;
const LIST = /\[\d*\]$/;

export const isList = (type: string): boolean => LIST.test(type);
export const isInteger = (type: string): boolean => INTEGER.test(type);
const isNumeric = (type: string): boolean => isInteger(type) || NUMERIC.test(type);

/** Text in the place of a number becomes infinity, which no column may hold: a missing value is null, never this. */
const BAD = "'infinity'::DOUBLE";

/**
 * An expression of type DOUBLE; null where the value is missing, infinite where it is not a number.
 * @param type the type of the expression; of a date column read as text, the type to read it as
 * @param read `asText` if the expression is text whatever `type` says
 * @param temporal accept dates, as Unix seconds
 */
export function numberExpression(
  expression: string,
  type: string,
  field: string,
  { asText = false, temporal = false }: { asText?: boolean; temporal?: boolean } = {},
): string {
  if (type.replaceAll('"', '') === 'NULL') return 'NULL::DOUBLE';
  const isTime = temporal && TEMPORAL.test(type);
  if (!asText && isNumeric(type)) return `CAST(${expression} AS DOUBLE)`;
  if (!asText && isTime) return `CAST(epoch(${expression}) AS DOUBLE)`;
  if (!asText && !isText(type)) {
    throw new InnerloopError('INVALID_DATA', `a column of type ${type}`, {
      field,
      expected: temporal ? 'a number, a TIMESTAMP or a DATE' : 'a number',
    });
  }
  const text = asText ? `CAST(${expression} AS VARCHAR)` : textExpression(expression, type);
  const value = isTime ? `epoch(TRY_CAST(${text} AS ${type}))` : `TRY_CAST(${text} AS DOUBLE)`;
  return `CASE WHEN ${expression} IS NULL OR trim(${text}) = '' THEN NULL ELSE coalesce(${value}, ${BAD}) END`;
}

/** An expression of type VARCHAR; null where the value is missing or the empty text. */
export function textExpression(expression: string, type: string): string {
  return `nullif(${type === 'JSON' ? `json_extract_string(${expression}, '$')` : `CAST(${expression} AS VARCHAR)`}, '')`;
}

const isText = (type: string): boolean => type === 'VARCHAR' || type === 'JSON' || type.startsWith('ENUM');
