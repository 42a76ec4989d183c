import { invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { quoteIdentifier } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { checkDense, checkId, checkNumbers, checkPresent, checkSingle, noteRounded } from './copied.js';
import type { CopiedTable, RawTable } from './copied.js';
import { featureExpression } from './features.js';
import type { FeatureExpression } from './features.js';
import { labelForm } from './labels.js';
import { columnOf, openRelation, reading, textual } from './relation.js';
import type { Relation, ResolvedColumn } from './relation.js';
import type { ResolvedFeature } from './feature-spec.js';
import { labelSource } from './source.js';
import type { DataRules, InteractionSource, LabelSource, TableSource } from './source.js';
import { advice } from './table-source.js';
import type { Wanted, WantedColumn } from './text-table.js';
import { timeAdvice, timeExpression } from './times.js';
import type { TimeExpression } from './times.js';
import {
  asText,
  isInteger,
  isMissing,
  isText,
  numberExpression,
  quickNumber,
  textExpression,
  trimmed,
} from './values.js';
import type { NumberForm } from './values.js';

export interface CopiedInteractions extends CopiedTable {
  /** Whether the copy has a column `time_exact`, which orders times that doubles cannot tell apart. */
  isExact: boolean;
}

/**
 * Copies the interactions into DuckDB: `user`, `item` (VARCHAR as written, or the source's integer type), `label`, `time`, `count`,
 * `weight` (DOUBLE), and `f0`, `f1`, … for the features. Checks every value except the ids, which are checked later, once for each
 * distinct id.
 */
export async function ingestInteractions(
  session: DuckSession,
  source: InteractionSource,
  features: readonly ResolvedFeature[],
  { missingLabel, missingTime }: Pick<DataRules, 'missingLabel' | 'missingTime'>,
): Promise<CopiedInteractions> {
  const label = source.label === undefined ? undefined : labelSource(source.label);
  const relation = await openRelation(session, source, 'interactions', interactionColumns(source, label, features));
  const { rules } = relation;
  if (source.user === source.item)
    throw invalid('interactions.item', 'the column of the users', source.item, 'another column than that of user');
  const key = (name: string, field: string): string => {
    const { sql, type } = columnOf(relation, name, field);
    checkId(relation, name, type, field, session.notes);
    // Integers stay integers until the distinct ones become text: hashing numbers takes a third of the time of hashing
    // their digits.
    return isInteger(type) ? sql : asText(sql, type);
  };
  const user = key(source.user, 'interactions.user');
  const item = key(source.item, 'interactions.item');
  const labelColumn = label === undefined ? undefined : columnOf(relation, label.column, 'interactions.label');
  if (labelColumn !== undefined)
    checkSingle(relation, label!.column, labelColumn.type, 'interactions.label', 'numbers');
  const time = source.time === undefined ? undefined : await openTime(session, relation, source.time);
  const expressions: FeatureExpression[] = [];
  for (const feature of features) expressions.push(await featureExpression(session, relation, feature));
  const numbers = (['count', 'weight'] as const).filter((name) => source[name] !== undefined);
  const selected = (form: NumberForm, isQuick: boolean, isExact: boolean): string[] => {
    const number = (column: ResolvedColumn, field: string, own: NumberForm = {}): string =>
      (isQuick ? quickNumber(column.sql, column.type, rules, own) : undefined) ??
      numberExpression(column.sql, column.type, field, rules, own);
    return [
      `${user} AS user`,
      `${item} AS item`,
      `${labelColumn === undefined ? '1::DOUBLE' : number(labelColumn, 'interactions.label', form)} AS label`,
      ...(time === undefined ? [] : [`${(isQuick ? time.quick : undefined) ?? time.number} AS time`]),
      ...(time?.fine === undefined ? [] : [`${time.fine} AS fine`]),
      ...(time !== undefined && isExact ? [`${time.exact} AS time_exact`] : []),
      ...numbers.map((name) => {
        const field = `interactions.${name}`;
        return `${number(columnOf(relation, source[name]!, field), field)} AS ${name}`;
      }),
    ];
  };
  let form: NumberForm = label ?? {};
  let table = await copy(session, 'interactions', relation, expressions, selected(form, true, false));
  if (await hasGaps(session, table, ['label', ...(time === undefined ? [] : ['time']), ...numbers]))
    table = await copy(session, 'interactions', relation, expressions, selected(form, false, false));
  if (label !== undefined && labelColumn !== undefined) {
    const found = await labelForm(session, table, labelColumn, label, 'interactions');
    if (found !== undefined) {
      form = found;
      table = await copy(session, 'interactions', relation, expressions, selected(form, false, false));
    }
    if (missingLabel !== 'drop') await checkPresent(session, table, 'label', label.column, 'interactions.label');
    // A label must also be finite as float32, which the core computes with.
    await checkNumbers(session, table, 'NOT (abs(label) <= 3.4028234663852886e38)', label.column, 'interactions.label');
    await noteRounded(session, table, 'label', label.column, 'interactions.label');
  }
  const isExact = time !== undefined && (await checkTimes(session, table, source.time!, time, missingTime === 'drop'));
  if (isExact) table = await copy(session, 'interactions', relation, expressions, selected(form, false, true));
  for (const name of numbers) {
    await checkPresent(session, table, name, source[name]!, `interactions.${name}`);
    const column = quoteIdentifier(source[name]!);
    const positive = `SELECT * FROM ${textual(relation)} WHERE NOT coalesce(TRY_CAST(${column} AS DOUBLE) = 0, false)`;
    const without =
      source.from === undefined
        ? ''
        : `; to leave out rows of 0, ${advice('interactions', { sql: positive })} in place of from`;
    const condition =
      name === 'count' ? `NOT (${name} > 0 AND isfinite(${name}))` : `NOT (${name} >= 0 AND isfinite(${name}))`;
    await checkNumbers(
      session,
      table,
      condition,
      source[name]!,
      `interactions.${name}`,
      undefined,
      name === 'count' ? `a number > 0${without}` : 'a number ≥ 0',
    );
    await noteRounded(session, table, name, source[name]!, `interactions.${name}`);
  }
  await checkDense(session, table);
  return { ...table, isExact };
}

function interactionColumns(
  source: InteractionSource,
  label: LabelSource | undefined,
  features: readonly ResolvedFeature[],
): Wanted {
  const mapped = (name: string | undefined, key: string, as: WantedColumn['as']): WantedColumn[] =>
    name === undefined ? [] : [{ name, field: `interactions.${key}`, as }];
  return {
    columns: [
      ...mapped(source.user, 'user', 'text'),
      ...mapped(source.item, 'item', 'text'),
      ...mapped(label?.column, 'label', 'number'),
      ...mapped(source.time, 'time', 'time'),
      ...mapped(source.count, 'count', 'number'),
      ...mapped(source.weight, 'weight', 'number'),
      ...featureColumns(features),
    ],
    typed: features.some(({ sql }) => sql !== undefined),
  };
}

function featureColumns(features: readonly ResolvedFeature[]): WantedColumn[] {
  return features
    .filter(({ sql }) => sql === undefined)
    .map(({ column, name, field, kind }) => ({
      name: column,
      field: `${field}.${column === name ? 'name' : 'column'}`,
      as: kind === 'dense' ? 'number' : 'text',
    }));
}

/** Copies a feature table: `id` (VARCHAR, each once), `f0` … (features). */
export async function ingestEntities(
  session: DuckSession,
  source: TableSource & { id: string },
  features: readonly ResolvedFeature[],
  name: 'users' | 'items',
): Promise<CopiedTable> {
  const field = `${name}.id`;
  const relation = await openRelation(session, source, name, {
    columns: [{ name: source.id, field, as: 'text' }, ...featureColumns(features)],
    typed: features.some(({ sql }) => sql !== undefined),
  });
  const { sql, type } = columnOf(relation, source.id, field);
  const expressions: FeatureExpression[] = [];
  for (const feature of features) expressions.push(await featureExpression(session, relation, feature));
  const id = textExpression(sql, type, { ...relation.rules });
  const table = await copy(session, name, relation, expressions, [`${id} AS id`]);

  await checkPresent(session, table, 'id', source.id, field);
  const [duplicate, first, second] = await session.row(
    `SELECT any_value(id), min(rowid)::DOUBLE, (list_sort(list(rowid)))[2]::DOUBLE FROM raw_${name} GROUP BY id HAVING count(*) > 1 ORDER BY min(rowid) LIMIT 1`,
    field,
  );
  if (duplicate !== undefined) {
    throw new InnerloopError(
      'INVALID_DATA',
      `the id is in rows ${Number(first) + 1} and ${Number(second) + 1} of ${relation.label}`,
      {
        field,
        value: duplicate,
        expected: `each id once${source.from === undefined ? '' : `; to keep the first row of each, ${advice(name, { sql: `SELECT DISTINCT ON (${quoteIdentifier(source.id)}) * FROM ${textual(relation)}` })} in place of from`}`,
      },
    );
  }
  await checkDense(session, table);
  return table;
}

/** Creates the table of the ids that files of features bring along: `id` (VARCHAR, each once). */
export async function ingestIds(
  session: DuckSession,
  lists: readonly (readonly string[])[],
  name: 'users' | 'items',
): Promise<RawTable> {
  const field = `${name}.features`;
  const table = `raw_${name}`;
  await session.run(`CREATE TEMP TABLE ${table} (id VARCHAR)`, field);
  for (const ids of lists) {
    await session.run(
      `INSERT INTO ${table} SELECT DISTINCT id FROM (SELECT unnest(from_json($1, '["VARCHAR"]')) AS id) WHERE id NOT IN (FROM ${table})`,
      field,
      [JSON.stringify(ids)],
    );
  }
  const [rows] = await session.row(`SELECT count(*)::DOUBLE FROM ${table}`, field);
  return { name: table, rows: Number(rows), features: [] };
}

async function openTime(session: DuckSession, relation: Relation, name: string): Promise<TimeExpression> {
  const field = 'interactions.time';
  const { sql, type } = columnOf(relation, name, field);
  checkSingle(relation, name, type, field, 'times');
  let first: unknown;
  if (isText(type)) {
    const text = asText(sql, type);
    const select = `SELECT ${trimmed(text)} FROM ${relation.sql} WHERE NOT ${isMissing(text, relation.rules)} LIMIT 1`;
    [first] = await reading(relation, () => session.row(select, field));
  }
  return timeExpression(sql, type, field, relation.rules, first as string | undefined);
}

/** Checks the times; true if some of them may differ by less than doubles can hold. */
async function checkTimes(
  session: DuckSession,
  table: CopiedTable,
  name: string,
  time: TimeExpression,
  isDropped: boolean,
): Promise<boolean> {
  const field = 'interactions.time';
  if (!isDropped) await checkPresent(session, table, 'time', name, field);
  const { relation } = table;
  const { sql, type } = columnOf(relation, name, field);
  const [bad] = await session.row(`SELECT min(rowid)::DOUBLE FROM ${table.name} WHERE NOT isfinite(time)`, field);
  if (typeof bad === 'number') {
    const text = asText(sql, type);
    const select = `SELECT DISTINCT ${trimmed(text)} AS value FROM ${relation.sql} WHERE NOT ${isMissing(text, relation.rules)}`;
    const expected = isText(type)
      ? await timeAdvice(session, select, relation.rules, 'interactions', field)
      : 'a finite number';
    await checkNumbers(session, table, 'NOT isfinite(time)', name, field, undefined, expected);
  }
  if (time.fine === undefined && time.limit === Infinity) return false;
  const test = time.fine === undefined ? `abs(time) >= ${time.limit}` : 'fine';
  const [fine] = await session.row(`SELECT coalesce(bool_or(${test}), false) FROM ${table.name}`, field);
  return fine === true;
}

/** Whether some values are missing or not numbers. The quick expressions do not tell the two apart, so the exact ones must run. */
async function hasGaps(session: DuckSession, table: CopiedTable, columns: readonly string[]): Promise<boolean> {
  const test = columns.map((name) => `${name} IS NULL OR isnan(${name})`).join(' OR ');
  const [found] = await session.row(`SELECT coalesce(bool_or(${test}), false) FROM ${table.name}`, 'interactions');
  return found === true;
}

/** Copies columns and features of a relation into the DuckDB table `raw_<name>`. */
async function copy(
  session: DuckSession,
  name: string,
  relation: Relation,
  features: FeatureExpression[],
  columns: string[],
): Promise<CopiedTable> {
  const selected = [...columns, ...features.map(({ expression }, k) => `${expression} AS f${k}`)].join(', ');
  const statement = `CREATE OR REPLACE TEMP TABLE raw_${name} AS SELECT ${selected} FROM ${relation.sql}`;
  const field = relation.userSql ? `${name}.sql` : `${name}.from`;
  await reading(relation, () =>
    relation.userSql ? session.runInOrder(statement, field) : session.run(statement, field),
  );
  const rows = Number((await session.row(`SELECT count(*)::DOUBLE FROM raw_${name}`, field))[0]);
  if (rows === 0)
    throw new InnerloopError('EMPTY_DATA', 'the table has no rows', {
      field,
      value: relation.label,
      expected: 'at least one row',
    });
  if (rows >= 2 ** 31 - 1)
    throw new InnerloopError('UNSUPPORTED', 'too many rows', { field, value: rows, expected: 'fewer than 2³¹ − 1' });
  return { name: `raw_${name}`, rows, relation, features };
}
