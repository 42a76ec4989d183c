import { InnerloopError, nearest, show } from '../foundation/errors.js';
import { quoteIdentifier, quoteLiteral } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { fileList } from './files.js';
import { openFiles } from './open-files.js';
import { jsonRelation } from './read-json.js';
import { explainText, textRelation } from './read-text.js';
import { sqlRelation } from './read-sql.js';
import type { TableSource } from './source.js';
import { advice } from './table-source.js';
import { ATOMIC, resolveName } from './text-table.js';
import type { Wanted } from './text-table.js';
import { valueRules } from './values.js';
import type { ValueRules } from './values.js';

/** A table source as something that DuckDB can select from. */
export interface Relation {
  /** The SQL that stands after FROM. */
  sql: string;
  /** DuckDB type of each column, in the table's order. Columns of text files are VARCHAR. */
  types: ReadonlyMap<string, string>;
  /** The path, or `SQL`, for error messages. */
  label: string;
  /** Path of the option, for error messages. */
  field: string;
  /** Whether the user wrote the SQL, which then runs on one thread so that its rows come in the same order in every run. */
  userSql: boolean;
  /** How its texts become values. */
  rules: ValueRules;
  /** Turns an error that occurred while its rows were read into one that names the reason. */
  explain?: (error: unknown) => Promise<unknown>;
}

/** Finds the files or checks the SQL of a source, and describes its columns, none of them from a sample of the rows. */
export async function openRelation(
  session: DuckSession,
  source: TableSource,
  field: string,
  wanted: Wanted,
): Promise<Relation> {
  const rules = valueRules(source);
  if (source.from === undefined) {
    const { sql, types } = await sqlRelation(session, source.sql, field, wanted, rules);
    return { sql, types, label: 'SQL', field, userSql: true, rules };
  }
  const base = { label: source.from, field, userSql: false, rules };
  const found = await openFiles(session, source, field);
  const where = `${field}.from`;
  if (found.format === 'parquet' || found.format === 'table') {
    const sql = found.format === 'table' ? found.sql : `read_parquet(${fileList(found.files.map(({ path }) => path))})`;
    return { ...base, sql, types: await describe(session, sql, where) };
  }
  if (found.format === 'json') return { ...base, ...(await jsonRelation(session, found, field, wanted)) };
  const { dialect, ...text } = await textRelation(session, found, source.from, field, wanted, rules);
  return { ...base, ...text, explain: (error) => explainText(error, found, dialect, source.from, field) };
}

/** The names and DuckDB types of the columns that SQL selects. */
export async function describe(session: DuckSession, sql: string, field: string): Promise<Map<string, string>> {
  const [names = [], types = []] = await session.columns(`DESCRIBE SELECT * FROM ${sql}`, field);
  return new Map(names.map((name, i) => [String(name), String(types[i])]));
}

/** Runs an action that reads the rows of a relation, and explains its errors. */
export async function reading<T>(relation: Relation, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw relation.explain === undefined ? error : await relation.explain(error);
  }
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

export interface ResolvedColumn {
  /** The quoted name. */
  sql: string;
  /** DuckDB type. */
  type: string;
  /** What separates the entries of a list, if the column's name states that it holds lists, as in RecBole's files. */
  separator: string | undefined;
}

/** The column that a mapped name means; throws MISSING_COLUMN if there is none. */
export function columnOf(relation: Relation, name: string, field: string): ResolvedColumn {
  const names = [...relation.types.keys()];
  const found = resolveName(names, name);
  if (found === undefined) {
    const near = nearest(name, names);
    const hint = near === undefined ? '' : `; did you mean ${show(near)}?`;
    throw new InnerloopError('MISSING_COLUMN', `${relation.label} has no column ${show(name)}${hint}`, {
      field,
      value: name,
      expected: nestedAdvice(relation, name) ?? `one of ${names.map(show).join(', ')}`,
    });
  }
  const isSequence = ATOMIC.exec(found)?.[2].endsWith('_seq') === true;
  return { sql: quoteIdentifier(found), type: relation.types.get(found)!, separator: isSequence ? ' ' : undefined };
}

/** The query to write if the name is a field inside a column, such as `user.id`. */
function nestedAdvice({ types, label, userSql, field }: Relation, name: string): string | undefined {
  const [outer, ...inner] = name.split('.');
  const type = types.get(outer);
  if (userSql || inner.length === 0 || type?.startsWith('STRUCT(') !== true) return undefined;
  const path = [outer, ...inner].map(quoteIdentifier).join('.');
  const sql = `SELECT *, ${path} AS ${quoteIdentifier(name)} FROM ${quoteLiteral(label)}`;
  return `a column; for a field inside of ${show(outer)}, ${advice(field, { sql })} in place of from`;
}

/** The file of a relation as SQL to advise, in which ids stay as they are written. */
export const textual = ({ label, types }: Relation): string =>
  [...types.values()].every((type) => type === 'VARCHAR')
    ? `read_csv(${quoteLiteral(label)}, all_varchar = true)`
    : quoteLiteral(label);

/** The place of a row, for error messages. */
export const at = (relation: Relation, row: number): string =>
  `row ${row + 1} of ${relation.label} (rows count from 1, without the header)`;
