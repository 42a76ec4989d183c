import type { Column } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { bagFromOwners, denseColumns } from './columns.js';
import { scatter, scatterRows } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { columnOf, describeExpression, reading } from './relation.js';
import type { Relation } from './relation.js';
import type { ResolvedFeature } from './feature-spec.js';
import { splitLists } from './lists.js';
import { asText, isList, isMissing, isText, numberExpression, presentText, textExpression, trimmed } from './values.js';
import { createVocabulary } from './vocabulary.js';

/** A feature as DuckDB computes it: VARCHAR (categorical), VARCHAR[] or VARCHAR (bag), DOUBLE or DOUBLE[] (dense). */
export interface FeatureExpression {
  feature: ResolvedFeature;
  expression: string;
  /** The column or expression it is made from, for messages. */
  source: string;
  isList: boolean;
  /** Whether the source has texts, which the expression converts to numbers or lists. */
  isTextual: boolean;
  /** What separates the entries of lists written as text, if the file itself states it. */
  separator?: string | undefined;
  /** Texts that stand for a missing entry of a list. */
  nulls: readonly string[];
}

/** Checks a feature against its relation's columns and makes the SQL expression that computes it. */
export async function featureExpression(
  session: DuckSession,
  relation: Relation,
  feature: ResolvedFeature,
): Promise<FeatureExpression> {
  const { kind, sql, column, field } = feature;
  const { rules } = relation;
  const {
    sql: source,
    type,
    separator,
  } = sql === undefined
    ? columnOf(relation, column, `${field}.${column === feature.name ? 'name' : 'column'}`)
    : {
        sql: `(${sql}\n)`,
        type: await describeExpression(session, relation, sql, `${field}.sql`),
        separator: undefined,
      };
  const list = isList(type);
  const base = { feature, source, isTextual: isText(type), separator, nulls: rules.nulls };
  if (kind === 'categorical') {
    if (list)
      throw new InnerloopError('INVALID_DATA', `a column of type ${type} holds lists`, {
        field,
        expected: 'kind: bag, or dense for lists of numbers',
      });
    return { ...base, expression: textExpression(source, type, rules), isList: false };
  }
  if (kind === 'bag') {
    const expression = list ? `CAST(${source} AS VARCHAR[])` : textExpression(source, type, rules);
    return { ...base, expression, isList: list };
  }
  if (list) return { ...base, expression: `CAST(${source} AS DOUBLE[])`, isList: true };
  if (separator !== undefined) {
    const entries = `string_split_regex(${textExpression(source, type, rules)}, '${separator}+')`;
    return { ...base, expression: `CAST(${entries} AS DOUBLE[])`, isList: true };
  }
  if (feature.size !== undefined && feature.size !== 1) {
    throw new InnerloopError('INVALID_DATA', `a column of type ${type} holds one number per row`, {
      field,
      value: feature.size,
      expected: 'size: 1, or a list column',
    });
  }
  // JSON, Python and DuckDB all write a list of numbers in brackets, so DuckDB can cast such a text to a list.
  if (isText(type) && (await isBracketed(session, relation, asText(source, type), field)))
    return { ...base, expression: `CAST(${textExpression(source, type, rules)} AS DOUBLE[])`, isList: true };
  return { ...base, expression: numberExpression(source, type, field, rules), isList: false };
}

/** Whether the first present value is in brackets. The others need no check here: the cast fails for one that is not. */
async function isBracketed(session: DuckSession, relation: Relation, text: string, field: string): Promise<boolean> {
  const present = presentText(text, relation.rules);
  const [first] = await reading(relation, () =>
    session.row(
      `SELECT value FROM (SELECT ${present} AS value FROM ${relation.sql}) WHERE value IS NOT NULL LIMIT 1`,
      field,
    ),
  );
  return typeof first === 'string' && /^\[[^]*\]$/.test(first);
}

/**
 * Reads the features of a DuckDB table into columns, by feature name. The table's column `position` says which row of the dataset's
 * table each of its rows becomes.
 * @param rows rows of the dataset's table; every feature is missing in a row that no position names
 * @param reserved rows at the start that stand for no entity
 */
export async function readFeatures(
  session: DuckSession,
  table: string,
  features: readonly FeatureExpression[],
  rows: number,
  reserved: number,
  notes: string[],
): Promise<Map<string, Column[]>> {
  const columns = new Map<string, Column[]>();
  for (const [k, each] of features.entries()) {
    const { feature, isList: list } = each;
    const value = `f${k}`;
    if (feature.kind === 'categorical')
      columns.set(feature.name, [await readCategorical(session, table, value, feature, rows)]);
    else if (feature.kind === 'bag')
      columns.set(feature.name, [await readBag(session, table, value, each, rows, notes)]);
    else columns.set(feature.name, await readDense(session, table, value, feature, list, rows, reserved, notes));
  }
  return columns;
}

async function readCategorical(
  session: DuckSession,
  table: string,
  value: string,
  feature: ResolvedFeature,
  rows: number,
): Promise<Column> {
  const dictionary = `${table}_${value}`;
  const values = await createDictionary(
    session,
    dictionary,
    `SELECT ${value} AS value FROM ${table}`,
    feature.minCount,
    feature.field,
  );
  const data = new Int32Array(rows);
  await session.transfer(
    `SELECT t.position::INTEGER, coalesce(d.id, 0) FROM ${table} t LEFT JOIN ${dictionary} d ON d.value = t.${value}`,
    [scatter(data)],
    feature.field,
  );
  return { kind: 'categorical', name: feature.name, vocabulary: createVocabulary(values), data };
}

async function readBag(
  session: DuckSession,
  table: string,
  value: string,
  expression: FeatureExpression,
  rows: number,
  notes: string[],
): Promise<Column> {
  const { feature } = expression;
  const { field, name } = feature;
  const lists = expression.isList
    ? { expression: value, from: table }
    : await splitLists(session, table, value, expression, notes);
  const entries = `${table}_${value}_entries`;
  const dictionary = `${table}_${value}`;
  await session.run(
    `CREATE TEMP TABLE ${entries} AS SELECT position, place, value FROM (
       SELECT position, generate_subscripts(lists, 1) AS place, ${trimmed('unnest(lists)')} AS value
       FROM (SELECT position, ${lists.expression} AS lists FROM ${lists.from})
     ) WHERE NOT ${isMissing('value', { nulls: expression.nulls })}`,
    field,
  );
  const values = await createDictionary(session, dictionary, `SELECT value FROM ${entries}`, feature.minCount, field);
  const [count] = await session.row(`SELECT count(*)::DOUBLE FROM ${entries}`, field);
  const owners = new Int32Array(Number(count));
  const data = new Int32Array(Number(count));
  await session.transfer(
    `SELECT (row_number() OVER (ORDER BY e.position, e.place) - 1)::INTEGER, e.position::INTEGER, coalesce(d.id, 0)
     FROM ${entries} e LEFT JOIN ${dictionary} d ON d.value = e.value`,
    [scatter(owners), scatter(data)],
    field,
  );
  return bagFromOwners(name, createVocabulary(values), owners, data, rows);
}

async function readDense(
  session: DuckSession,
  table: string,
  value: string,
  feature: ResolvedFeature,
  list: boolean,
  rows: number,
  reserved: number,
  notes: string[],
): Promise<Column[]> {
  const { field, name } = feature;
  let size = 1;
  if (list) {
    const [first] = await session.row(
      `SELECT len(${value})::DOUBLE FROM ${table} WHERE ${value} IS NOT NULL ORDER BY position LIMIT 1`,
      field,
    );
    size = feature.size ?? (typeof first === 'number' ? first : 1);
    const [bad, length] = await session.row(
      `SELECT position::DOUBLE, len(${value})::DOUBLE FROM ${table} WHERE len(${value}) <> ${size} ORDER BY position LIMIT 1`,
      field,
    );
    if (bad !== undefined || size === 0) {
      throw new InnerloopError('INVALID_DATA', 'lists of different lengths', {
        field,
        value: length ?? 0,
        expected: `${Math.max(size, 1)} numbers in every list`,
      });
    }
  }
  const raw = new Float64Array(rows * size).fill(Number.NaN);
  const number = list ? `CAST(${value} AS DOUBLE[${size}])` : value;
  await session.transfer(
    `SELECT position::INTEGER, ${number} FROM ${table} WHERE ${value} IS NOT NULL${list ? ` AND list_count(${value}) = ${size}` : ''}`,
    [list ? scatterRows(raw, size) : scatter(raw)],
    field,
  );
  return denseColumns(name, size, raw, feature, field, reserved, notes);
}

/**
 * Creates the table `name` (value VARCHAR, id INTEGER from 1) of the distinct texts in the column `value` of `select`, in
 * vocabulary order, without those that occur fewer than `minCount` times. Returns the texts with the empty text, id 0, in front.
 */
export async function createDictionary(
  session: DuckSession,
  name: string,
  select: string,
  minCount: number,
  field: string,
): Promise<string[]> {
  await session.run(
    `CREATE TEMP TABLE ${name}_values AS SELECT value FROM (${select}) WHERE value IS NOT NULL GROUP BY value${minCount > 1 ? ` HAVING count(*) >= ${minCount}` : ''}`,
    field,
  );
  const [integers] = await session.row(
    `SELECT bool_and(regexp_full_match(value, '-?[0-9]{1,37}')) FROM ${name}_values`,
    field,
  );
  const order = integers === true ? 'CAST(value AS HUGEINT), value' : 'value';
  await session.run(
    `CREATE TEMP TABLE ${name} AS SELECT value, (row_number() OVER (ORDER BY ${order}))::INTEGER AS id FROM ${name}_values`,
    field,
  );
  const [values = []] = await session.columns(`SELECT value FROM ${name} ORDER BY id`, field);
  values.unshift('');
  return values as string[];
}
