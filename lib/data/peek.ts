/** What a table holds, column by column, before anything is mapped: over all its rows, never over a sample. */
import { resolve } from 'node:path';
import { DuckSession, quoteIdentifier } from './duckdb.js';
import { openRelation, reading } from './relation.js';
import type { TableSource } from './source.js';

export interface PeekedColumn {
  name: string;
  /** Rows with a value. */
  present: number;
  distinct: number;
  /** Whether every value is a number; an integer; a date or a time. */
  isNumber: boolean;
  isInteger: boolean;
  isTime: boolean;
  /** Of numbers. */
  min: number | null;
  max: number | null;
  /** Values that hold a `|`. */
  piped: number;
  /** The first values. */
  examples: string[];
}
export interface PeekedTable {
  rows: number;
  columns: PeekedColumn[];
}

const NULLS = "('', 'NULL', 'NaN', '\\N', 'NA', 'None')";

/** @param field of the option that names the table, for messages. @internal */
export async function peekTable(source: TableSource, field: string, baseDirectory = '.'): Promise<PeekedTable> {
  const session = await DuckSession.open({
    baseDirectory: resolve(baseDirectory),
    threads: undefined,
    signal: undefined,
  });
  try {
    const relation = await openRelation(session, source, field, { columns: [], typed: false });
    return await reading(relation, async () => {
      await session.run(`CREATE TEMP TABLE peeked AS SELECT * FROM ${relation.sql}`, field);
      const [rows] = await session.row('SELECT count(*)::DOUBLE FROM peeked', field);
      const columns: PeekedColumn[] = [];
      for (const name of relation.types.keys()) columns.push(await peekColumn(session, name, field));
      return { rows: Number(rows), columns };
    });
  } finally {
    session.close();
  }
}

async function peekColumn(session: DuckSession, name: string, field: string): Promise<PeekedColumn> {
  const text = `trim(CAST(${quoteIdentifier(name)} AS VARCHAR))`;
  const [present, distinct, numbers, integers, times, min, max, piped] = await session.row(
    `SELECT count(v)::DOUBLE, count(DISTINCT v)::DOUBLE, count(TRY_CAST(v AS DOUBLE))::DOUBLE,
       count(TRY_CAST(v AS HUGEINT)) FILTER (regexp_full_match(v, '-?\\d+'))::DOUBLE, count(TRY_CAST(v AS TIMESTAMP))::DOUBLE,
       min(TRY_CAST(v AS DOUBLE)), max(TRY_CAST(v AS DOUBLE)), count(v) FILTER (contains(v, '|'))::DOUBLE
     FROM (SELECT CASE WHEN ${text} IN ${NULLS} THEN NULL ELSE ${text} END AS v FROM peeked)`,
    field,
  );
  const [examples = []] = await session.columns(
    `SELECT v FROM (SELECT ${text} AS v FROM peeked) WHERE v IS NOT NULL AND v <> '' LIMIT 3`,
    field,
  );
  const all = Number(present);
  return {
    name,
    present: all,
    distinct: Number(distinct),
    isNumber: all > 0 && numbers === all,
    isInteger: all > 0 && integers === all,
    isTime: all > 0 && times === all && numbers !== all,
    min: min === null ? null : Number(min),
    max: max === null ? null : Number(max),
    piped: Number(piped),
    examples: examples.map(String),
  };
}
