/** Profiles the columns of tables before any is mapped, over all rows and never over a sample. */
import { resolve } from 'node:path';
import { DuckSession, quoteIdentifier, quoteLiteral } from './duckdb.js';
import { openRelation, reading } from './relation.js';
import type { TableSource } from './source.js';
import { isMissing, trimmed, valueRules } from './values.js';

export interface PeekedColumn {
  name: string;
  /** Rows with a value. */
  present: number;
  distinct: number;
  /** Whether every value is a number. */
  isNumber: boolean;
  /** Whether every value is an integer. */
  isInteger: boolean;
  /** Whether every value is a date or time, and not every one a number. */
  isTime: boolean;
  /** The smallest and the largest number among the values. */
  min: number | null;
  max: number | null;
  /** How many values contain each of the separators of lists. */
  separated: Readonly<Record<(typeof SEPARATORS)[number], number>>;
  /** How many values are in brackets. */
  bracketed: number;
  /** The mean number of characters in a value. */
  length: number;
  /** How many values equal the column's own name. */
  likeName: number;
  /** The first three values. */
  examples: string[];
}
export interface PeekedTable {
  rows: number;
  columns: PeekedColumn[];
  /** The name of this table in the session. */
  table: string;
}

const SEPARATORS = ['|', ';', ','] as const;

/** A session that profiles several tables and compares their columns. @internal */
export interface Peeking {
  /** @param field path of the option that names the table, for error messages */
  peek(source: TableSource, field: string): Promise<PeekedTable>;
  /** The share of the distinct values of one column that are also in another. */
  overlap(of: PeekedTable, column: string, other: PeekedTable, otherColumn: string): Promise<number>;
  close(): void;
}

/** @internal */
export async function openPeeking(baseDirectory = '.'): Promise<Peeking> {
  const session = await DuckSession.open({
    baseDirectory: resolve(baseDirectory),
    threads: undefined,
    signal: undefined,
  });
  let tables = 0;
  const value = (name: string) => trimmed(`CAST(${quoteIdentifier(name)} AS VARCHAR)`);
  return {
    async peek(source, field) {
      const relation = await openRelation(session, source, field, { columns: [], typed: false });
      const table = `peeked_${tables++}`;
      return reading(relation, async () => {
        await session.run(`CREATE TEMP TABLE ${table} AS SELECT * FROM ${relation.sql}`, field);
        const [rows] = await session.row(`SELECT count(*)::DOUBLE FROM ${table}`, field);
        const columns: PeekedColumn[] = [];
        for (const name of relation.types.keys()) columns.push(await peekColumn(session, table, name, source, field));
        return { rows: Number(rows), columns, table };
      });
    },
    async overlap(of, column, other, otherColumn) {
      const values = `(SELECT DISTINCT ${value(column)} AS v FROM ${of.table})`;
      const [found, all] = await session.row(
        `SELECT count(*) FILTER (v IN (SELECT ${value(otherColumn)} FROM ${other.table}))::DOUBLE, count(*)::DOUBLE FROM ${values}`,
        'files',
      );
      return all === 0 ? 0 : Number(found) / Number(all);
    },
    close: () => session.close(),
  };
}

async function peekColumn(
  session: DuckSession,
  table: string,
  name: string,
  source: TableSource,
  field: string,
): Promise<PeekedColumn> {
  const text = `CAST(${quoteIdentifier(name)} AS VARCHAR)`;
  const present = `CASE WHEN ${isMissing(text, valueRules(source))} THEN NULL ELSE ${trimmed(text)} END`;
  const counts = {
    present: 'count(v)',
    distinct: 'count(DISTINCT v)',
    numbers: 'count(TRY_CAST(v AS DOUBLE))',
    integers: String.raw`count(TRY_CAST(v AS HUGEINT)) FILTER (regexp_full_match(v, '-?\d+'))`,
    times: 'count(TRY_CAST(v AS TIMESTAMP))',
    bracketed: String.raw`count(v) FILTER (regexp_full_match(v, '[\[({].*[\])}]', 's'))`,
    length: 'coalesce(avg(length(v)), 0)',
    likeName: `count(v) FILTER (v = ${quoteLiteral(name)})`,
    min: 'min(TRY_CAST(v AS DOUBLE))',
    max: 'max(TRY_CAST(v AS DOUBLE))',
  };
  const separators = SEPARATORS.map((each) => `count(v) FILTER (contains(v, ${quoteLiteral(each)}))`);
  const values = await session.row(
    `SELECT ${[...Object.values(counts), ...separators].map((sql) => `(${sql})::DOUBLE`).join(', ')}
     FROM (SELECT ${present} AS v FROM ${table})`,
    field,
  );
  const found = Object.fromEntries(Object.keys(counts).map((key, k) => [key, values[k]])) as Record<
    keyof typeof counts,
    number | null
  >;
  const [examples = []] = await session.columns(
    `SELECT v FROM (SELECT ${trimmed(text)} AS v FROM ${table}) WHERE v IS NOT NULL AND v <> '' LIMIT 3`,
    field,
  );
  const all = Number(found.present);
  const isAll = (count: number | null): boolean => all > 0 && count === all;
  return {
    name,
    present: all,
    distinct: Number(found.distinct),
    isNumber: isAll(found.numbers),
    isInteger: isAll(found.integers),
    isTime: isAll(found.times) && !isAll(found.numbers),
    min: found.min,
    max: found.max,
    separated: Object.fromEntries(
      SEPARATORS.map((each, k) => [each, Number(values[values.length - SEPARATORS.length + k])]),
    ) as PeekedColumn['separated'],
    bracketed: Number(found.bracketed),
    length: Number(found.length),
    likeName: Number(found.likeName),
    examples: examples.map(String),
  };
}
