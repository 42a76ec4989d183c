/** Infers types of text columns for SQL expressions: a column has a type only if every text in it is written in its form. */
import { quoteIdentifier } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { isMissing, trimmed } from './values.js';
import type { ValueRules } from './values.js';

/** The types, of which the first that fits is used, each with the condition that every text must meet. */
const TYPES: readonly { type: string; fits: (text: string) => string }[] = [
  { type: 'BIGINT', fits: (text) => `regexp_full_match(${text}, '0|-?[1-9][0-9]{0,17}')` },
  {
    type: 'DOUBLE',
    fits: (text) =>
      `(TRY_CAST(${text} AS DOUBLE) IS NOT NULL AND regexp_full_match(${text}, '-?(0|[1-9][0-9]*)?(\\.[0-9]*)?([eE][-+]?[0-9]+)?'))`,
  },
  { type: 'BOOLEAN', fits: (text) => `lower(${text}) IN ('true', 'false')` },
  {
    type: 'DATE',
    fits: (text) => `(len(${text}) = 10 AND substr(${text}, 5, 1) = '-' AND TRY_CAST(${text} AS DATE) IS NOT NULL)`,
  },
  {
    type: 'TIMESTAMP',
    fits: (text) =>
      `(regexp_full_match(${text}, '[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:]+(\\.[0-9]{1,6})?Z?)?') AND TRY_CAST(${text} AS TIMESTAMP) IS NOT NULL)`,
  },
];

/** The type of each column, inferred from all of its texts; columns that no type fits are not in the map. */
export async function inferTypes(
  session: DuckSession,
  relation: string,
  names: readonly string[],
  rules: ValueRules,
  field: string,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  if (names.length === 0) return found;
  const tests = names.flatMap((name) => {
    const column = quoteIdentifier(name);
    const present = `FILTER (NOT ${isMissing(column, rules)})`;
    return TYPES.map(({ fits }) => `bool_and(${fits(trimmed(column))}) ${present}`);
  });
  const row = await session.row(`SELECT ${tests.join(', ')} FROM ${relation}`, field);
  for (const [k, name] of names.entries()) {
    const at = TYPES.findIndex((_, t) => row[k * TYPES.length + t] === true);
    if (at >= 0) found.set(name, TYPES[at].type);
  }
  return found;
}

/** The SQL of the relation with its columns cast to `types`; missing values become null in columns that are not text. */
export function typedSelect(relation: string, types: ReadonlyMap<string, string>, rules: ValueRules): string {
  const columns = Array.from(types, ([name, type]) => {
    const column = quoteIdentifier(name);
    if (type === 'VARCHAR') return column;
    return `CAST(CASE WHEN ${isMissing(column, rules)} THEN NULL ELSE ${trimmed(column)} END AS ${type}) AS ${column}`;
  });
  return `(SELECT ${columns.join(', ')} FROM ${relation})`;
}
