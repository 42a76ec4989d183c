/** Checks of a table that was copied into DuckDB: required values are present, numbers are finite, ids are single values. */
import { InnerloopError } from '../foundation/errors.js';
import { quoteIdentifier, quoteLiteral } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import type { FeatureExpression } from './features.js';
import type { ResolvedFeature } from './feature-spec.js';
import { at, columnOf } from './relation.js';
import type { Relation } from './relation.js';
import { rounding, roundedCondition } from './remarks.js';
import { advice, DEFAULT_NULLS } from './table-source.js';
import { trimmed } from './values.js';

/** A source copied into DuckDB, row by row: `rowid` is the row's position in the source. */
export interface RawTable {
  name: string;
  rows: number;
  features: FeatureExpression[];
}
/** A copied table together with the relation that it was read from, which error messages quote. */
export interface CopiedTable extends RawTable {
  relation: Relation;
}
/**
 * Refuses a column of lists or objects as ids: DuckDB would turn each into a text that is not in the source. Notes where ids come
 * from floating-point numbers, whose texts end in `.0`.
 */
export function checkId(relation: Relation, name: string, type: string, field: string, notes: string[]): void {
  checkSingle(relation, name, type, field, 'ids');
  if (/^(DOUBLE|FLOAT)$/.test(type))
    notes.push(
      `${field}: column ${JSON.stringify(name)} holds ${type} numbers, so ids are texts such as 1.0; if they are whole numbers that were stored as ${type} because some are missing, write CAST(… AS BIGINT) in sql`,
    );
}

/** Refuses a column of lists or objects where single values are needed; the error has the query that extracts them. */
export function checkSingle(relation: Relation, name: string, type: string, field: string, what: string): void {
  if (!/^(STRUCT|MAP|UNION)\b|\[\d*\]$/.test(type)) return;
  const column = quoteIdentifier(name);
  const from = relation.userSql ? '(… your query …)' : quoteLiteral(relation.label);
  // The advice takes the first field of an object, at every level: MongoDB writes {"$date": {"$numberLong": "…"}}.
  let path = column;
  for (let inner = type; ;) {
    const [, key, rest] = /^STRUCT\("?([^" ]+)"? ([^]*)\)$/.exec(inner) ?? [];
    if (key === undefined) break;
    path += `.${quoteIdentifier(key)}`;
    inner = rest;
  }
  const sql = `SELECT * REPLACE (${type.endsWith(']') ? `unnest(${column})` : path === column ? `${column}.id` : path} AS ${column}) FROM ${from}`;
  throw new InnerloopError('INVALID_DATA', `column ${JSON.stringify(name)} holds values of type ${type}, not ${what}`, {
    field,
    value: name,
    expected: `one text or number in every row; ${advice(relation.field, { sql })} in place of from`,
  });
}

/** Throws for the first row of `table` without a value in `column`, quoting column `source` of the file. */
export async function checkPresent(
  session: DuckSession,
  table: CopiedTable,
  column: string,
  source: string,
  field: string,
): Promise<void> {
  const [row] = await session.row(`SELECT min(rowid)::DOUBLE FROM ${table.name} WHERE ${column} IS NULL`, field);
  if (typeof row !== 'number') return;
  const original = await originalOf(session, table.relation, columnOf(table.relation, source, field).sql, row, field);
  throw new InnerloopError('INVALID_DATA', `no value in column ${JSON.stringify(source)}, ${at(table.relation, row)}`, {
    field,
    value: original,
    expected:
      column === 'label'
        ? `a number, or missingLabel: 'drop'; ${advice('the data', { missingLabel: 'drop' })}`
        : column === 'time'
          ? `a time, or missingTime: 'drop'; ${advice('the data', { missingTime: 'drop' })}`
          : 'a value in every row',
  });
}

/** Adds a note if float32 changes whole numbers of a column. */
export async function noteRounded(
  session: DuckSession,
  table: CopiedTable,
  column: string,
  source: string,
  field: string,
): Promise<void> {
  const [row, count] = await session.row(
    `SELECT min(rowid)::DOUBLE, count(*)::DOUBLE FROM ${table.name} WHERE ${roundedCondition(column)}`,
    field,
  );
  if (typeof row !== 'number') return;
  const original = await originalOf(session, table.relation, columnOf(table.relation, source, field).sql, row, field);
  session.notes.push(rounding(field, Number(count), original));
}

/** The value of `expression` in row `row` of the source, as text. */
async function originalOf(
  session: DuckSession,
  relation: Relation,
  expression: string,
  row: number,
  field: string,
): Promise<unknown> {
  const [original] = await session.row(
    `SELECT CAST(${expression} AS VARCHAR) FROM ${relation.sql} LIMIT 1 OFFSET ${row}`,
    field,
  );
  return original;
}

/** Throws for the first row of the copy where `condition` holds, quoting the value that the source has there. */
export async function checkNumbers(
  session: DuckSession,
  table: CopiedTable,
  condition: string,
  source: string,
  field: string,
  expression?: string,
  expected = 'a finite number',
): Promise<void> {
  const [row] = await session.row(`SELECT min(rowid)::DOUBLE FROM ${table.name} WHERE ${condition}`, field);
  if (typeof row !== 'number') return;
  const column = expression ?? columnOf(table.relation, source, field).sql;
  const original = await originalOf(session, table.relation, column, row, field);
  const number =
    typeof original === 'string' && original.trim() !== ''
      ? Number(original.replace(/^[-+]?(inf|infinity|nan)$/i, 'Infinity'))
      : Number.NaN;
  const what = Number.isNaN(number)
    ? `text where a ${field.endsWith('.time') ? 'time' : 'number'} belongs`
    : Math.abs(number) <= 3.4028234663852886e38
      ? 'a number out of range'
      : 'a number that is not finite';
  throw new InnerloopError('INVALID_DATA', `${what} in column ${JSON.stringify(source)}, ${at(table.relation, row)}`, {
    field,
    value: original,
    expected,
  });
}

/** Common forms of texts in a dense column, each with the options that turn them into numbers. */
const DENSE_FORMS: readonly { form: RegExp; what: string; lines: (column: string) => Record<string, unknown> }[] = [
  {
    form: /^(true|false|yes|no|t|f|y|n)$/i,
    what: '1 and 0',
    lines: (column) => ({
      sql: `CASE WHEN lower(CAST(${column} AS VARCHAR)) IN ('true', 'yes', 't', 'y') THEN 1 WHEN lower(CAST(${column} AS VARCHAR)) IN ('false', 'no', 'f', 'n') THEN 0 END`,
    }),
  },
  {
    form: /^\d{4}-\d{2}-\d{2}([ T][\d:.]+(Z|[-+][\d:]+)?)?$/,
    what: 'seconds since 1970',
    lines: (column) => ({ sql: `epoch(TRY_CAST(${column} AS TIMESTAMP))` }),
  },
  {
    form: /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?([ ;|]+[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?)+$/i,
    what: 'lists of numbers',
    lines: (column) => ({ sql: `CAST(string_split_regex(trim(${column}), '[ ;|]+') AS DOUBLE[])` }),
  },
  {
    form: /^\D*[-+]?\d[\d,]*(\.\d+)?([eE][-+]?\d+)?\D*$/,
    what: 'the digits alone, without commas and units',
    lines: (column) => ({
      sql: `TRY_CAST(regexp_replace(CAST(${column} AS VARCHAR), '[^0-9.eE+-]', '', 'g') AS DOUBLE)`,
    }),
  },
];

/** What is expected of dense feature `k`, with the options to write if all texts in it have one known form. */
async function denseAdvice(
  session: DuckSession,
  { name: table, relation }: CopiedTable,
  { sql, column, field }: ResolvedFeature,
  k: number,
): Promise<string> {
  const what = 'a finite number, or kind: categorical';
  if (sql !== undefined) return what;
  const text = trimmed(`CAST(${columnOf(relation, column, field).sql} AS VARCHAR)`);
  // Row n of the copy is row n of the source, so the source's texts are found by row number.
  const [found = []] = await session.columns(
    `SELECT DISTINCT value FROM (SELECT ${text} AS value, row_number() OVER () - 1 AS place FROM ${relation.sql}) s JOIN ${table} t ON t.rowid = s.place WHERE isinf(t.f${k}) LIMIT 1000`,
    field,
  );
  const values = found.map(String);
  const isComma = values.every((value) => /^[-+]?\d*,\d+$/.test(value));
  if (isComma && !values.every((value) => /,\d{3}$/.test(value)))
    return `${what}; where the comma is a decimal mark, ${advice(relation.field, { decimal: ',' })}`;
  const form = DENSE_FORMS.find((each) => values.every((value) => each.form.test(value)));
  if (form === undefined) return what;
  const lines = JSON.stringify(form.lines(quoteIdentifier(column)))
    .slice(1, -1)
    .replace('":"', '": "');
  return `${what}; ${form.what}: write in this feature: \`${lines}\``;
}

/**
 * Texts in a dense column that also has numbers: if fewer than half are texts, they become missing values and a note says so; else
 * the column is refused, because it is not one of numbers. The copy marks a text by infinity.
 */
export async function checkDense(session: DuckSession, table: CopiedTable): Promise<void> {
  for (const [k, { feature, isList, isTextual, source }] of table.features.entries()) {
    if (feature.kind !== 'dense' || isList) continue;
    const name = feature.sql ?? feature.column;
    const { field } = feature;
    const [bad, good] = await session.row(
      `SELECT count(*) FILTER (isinf(f${k}))::DOUBLE, count(*) FILTER (isfinite(f${k}))::DOUBLE FROM ${table.name}`,
      field,
    );
    if (bad === 0) continue;
    if (!isTextual || Number(bad) >= Number(good))
      await checkNumbers(
        session,
        table,
        `isinf(f${k})`,
        name,
        field,
        source,
        isTextual ? await denseAdvice(session, table, feature, k) : undefined,
      );
    const texts = `SELECT DISTINCT ${trimmed(`CAST(${source} AS VARCHAR)`)} AS value FROM ${table.relation.sql} WHERE isinf(${table.features[k].expression}) ORDER BY value LIMIT 4`;
    const [values = []] = await session.columns(texts, field);
    session.notes.push(
      `${field} (${feature.name}): ${Number(bad)} of ${table.rows} values are texts, such as ${values
        .slice(0, 3)
        .map((value) => JSON.stringify(value))
        .join(
          ', ',
        )}, and were read as missing; ${advice(field.replace(/\..*/, ''), { nulls: [...DEFAULT_NULLS, ...values] })} to say so`,
    );
    await session.run(`UPDATE ${table.name} SET f${k} = NULL WHERE isinf(f${k})`, field);
  }
}
