import { InnerloopError } from '../foundation/errors.js';
import { quoteIdentifier } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { featureExpression } from './features.js';
import type { FeatureExpression } from './features.js';
import { columnOf, isInteger, numberExpression, openRelation, textExpression } from './relation.js';
import type { Relation } from './relation.js';
import type { ResolvedFeature } from './feature-spec.js';
import type { InteractionSource, TableSource } from './source.js';

/** A source copied into DuckDB: one row per row of the source, `rowid` is the row's position in it. */
export interface RawTable {
  name: string;
  rows: number;
  features: FeatureExpression[];
}
/** One that was read through a relation, which messages quote from. */
interface CopiedTable extends RawTable {
  relation: Relation;
}

/** Copies the interactions: `user`, `item` (VARCHAR, or the source's integer type), `label`, `time` (DOUBLE), `f0` … (features). Checks every value. */
export async function ingestInteractions(
  session: DuckSession,
  source: InteractionSource,
  features: readonly ResolvedFeature[],
  dropMissing: boolean,
): Promise<RawTable> {
  const textual = features.filter((feature) => feature.kind !== 'dense' && feature.sql === undefined);
  const text = [source.user, source.item, ...textual.map((feature) => feature.column)];
  const relation = await openRelation(
    session,
    source,
    'interactions',
    text,
    features.some(({ sql }) => sql !== undefined),
  );
  const user = keyExpression(relation, source.user, 'interactions.user');
  const item = keyExpression(relation, source.item, 'interactions.item');
  const label = numberColumn(relation, source.label, 'interactions.label', false);
  const time = source.time === undefined ? undefined : numberColumn(relation, source.time, 'interactions.time', true);
  const expressions: FeatureExpression[] = [];
  for (const feature of features) expressions.push(await featureExpression(session, relation, feature));
  const table = await copy(session, 'interactions', relation, expressions, [
    `${user} AS user`,
    `${item} AS item`,
    `${label} AS label`,
    `${time ?? 'NULL::DOUBLE'} AS time`,
  ]);

  await checkPresent(session, table, 'user', source.user, 'interactions.user');
  await checkPresent(session, table, 'item', source.item, 'interactions.item');
  if (!dropMissing) await checkPresent(session, table, 'label', source.label, 'interactions.label');
  // A label has to be finite in the core's float32 too.
  await checkNumbers(session, table, 'NOT (abs(label) <= 3.4028234663852886e38)', source.label, 'interactions.label');
  if (source.time !== undefined) {
    await checkPresent(session, table, 'time', source.time, 'interactions.time');
    await checkNumbers(session, table, 'NOT isfinite(time)', source.time, 'interactions.time');
  }
  await checkDense(session, table);
  return table;
}

/** Copies a feature table: `id` (VARCHAR, each once), `f0` … (features). */
export async function ingestEntities(
  session: DuckSession,
  source: TableSource & { id: string },
  features: readonly ResolvedFeature[],
  name: 'users' | 'items',
): Promise<RawTable> {
  const textual = features.filter((feature) => feature.kind !== 'dense' && feature.sql === undefined);
  const text = [source.id, ...textual.map((feature) => feature.column)];
  const relation = await openRelation(
    session,
    source,
    name,
    text,
    features.some(({ sql }) => sql !== undefined),
  );
  const id = idExpression(relation, source.id, `${name}.id`);
  const expressions: FeatureExpression[] = [];
  for (const feature of features) expressions.push(await featureExpression(session, relation, feature));
  const table = await copy(session, name, relation, expressions, [`${id} AS id`]);

  await checkPresent(session, table, 'id', source.id, `${name}.id`);
  const [duplicate, first, second] = await session.row(
    `SELECT any_value(id), min(rowid)::DOUBLE, (list_sort(list(rowid)))[2]::DOUBLE FROM raw_${name} GROUP BY id HAVING count(*) > 1 ORDER BY min(rowid) LIMIT 1`,
    `${name}.id`,
  );
  if (duplicate !== undefined) {
    throw new InnerloopError(
      'INVALID_DATA',
      `the id is in rows ${Number(first) + 1} and ${Number(second) + 1} of ${relation.label}`,
      {
        field: `${name}.id`,
        value: duplicate,
        expected: 'each id once',
      },
    );
  }
  await checkDense(session, table);
  return table;
}

/** The feature table of entities that only files of features name: `id` (VARCHAR, each once). */
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

function idExpression(relation: Relation, name: string, field: string): string {
  return textExpression(columnOf(relation, name, field), relation.types.get(name)!);
}

/**
 * The id of an interaction. Integers stay integers until the distinct ones are turned to text: hashing a million numbers
 * takes a third of the time of hashing their digits.
 */
function keyExpression(relation: Relation, name: string, field: string): string {
  const column = columnOf(relation, name, field);
  return !relation.asText && isInteger(relation.types.get(name)!) ? column : idExpression(relation, name, field);
}

function numberColumn(relation: Relation, name: string, field: string, temporal: boolean): string {
  const { asText } = relation;
  return numberExpression(columnOf(relation, name, field), relation.types.get(name)!, field, { asText, temporal });
}

async function copy(
  session: DuckSession,
  name: string,
  relation: Relation,
  features: FeatureExpression[],
  columns: string[],
): Promise<CopiedTable> {
  const selected = [...columns, ...features.map(({ expression }, k) => `${expression} AS f${k}`)].join(', ');
  const statement = `CREATE TEMP TABLE raw_${name} AS SELECT ${selected} FROM ${relation.sql}`;
  const field = relation.userSql ? `${name}.sql` : `${name}.from`;
  await (relation.userSql ? session.runInOrder(statement, field) : session.run(statement, field));
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

async function checkPresent(
  session: DuckSession,
  table: CopiedTable,
  column: string,
  source: string,
  field: string,
): Promise<void> {
  const [row] = await session.row(`SELECT min(rowid)::DOUBLE FROM ${table.name} WHERE ${column} IS NULL`, field);
  if (typeof row !== 'number') return;
  throw new InnerloopError(
    'INVALID_DATA',
    `no value in column ${JSON.stringify(source)}, row ${row + 1} of ${table.relation.label} (rows count from 1, without the header)`,
    {
      field,
      value: null,
      expected: column === 'label' ? "a number, or missingLabel: 'drop'" : 'a value in every row',
    },
  );
}

/** Throws for the first row where `condition` holds, quoting what the source has there. */
async function checkNumbers(
  session: DuckSession,
  table: CopiedTable,
  condition: string,
  source: string,
  field: string,
  expression = quoteIdentifier(source),
): Promise<void> {
  const [row] = await session.row(`SELECT min(rowid)::DOUBLE FROM ${table.name} WHERE ${condition}`, field);
  if (typeof row !== 'number') return;
  const original = await session.row(
    `SELECT CAST(${expression} AS VARCHAR), TRY_CAST(CAST(${expression} AS VARCHAR) AS DOUBLE) IS NOT NULL FROM ${table.relation.sql} LIMIT 1 OFFSET ${row}`,
    field,
  );
  const what = original[1] === true ? 'a number that is not finite' : 'text where a number belongs';
  throw new InnerloopError(
    'INVALID_DATA',
    `${what} in column ${JSON.stringify(source)}, row ${row + 1} of ${table.relation.label} (rows count from 1, without the header)`,
    {
      field,
      value: original[0],
      expected: 'a finite number',
    },
  );
}

async function checkDense(session: DuckSession, table: CopiedTable): Promise<void> {
  for (const [k, { feature, isList, source }] of table.features.entries()) {
    if (feature.kind !== 'dense' || isList) continue;
    const name = feature.sql ?? feature.column;
    // NaN is how several writers of Parquet spell a missing number.
    await checkNumbers(session, table, `isinf(f${k})`, name, feature.field, source);
  }
}
