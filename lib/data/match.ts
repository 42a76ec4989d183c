/** Finds ids that the interactions and the table of users or items spell differently: 3.0 and 3, 0001 and 1, ABC and abc. */
import { InnerloopError, show } from '../foundation/errors.js';
import { quoteIdentifier } from './duckdb.js';
import type { DuckSession } from './duckdb.js';
import { textual } from './relation.js';
import type { Relation } from './relation.js';
import { advice } from './table-source.js';

/** Ways in which programs change ids when they write them, and the SQL that undoes each. */
const FORMS = [
  {
    undo: (id: string) => `regexp_replace(${id}, '[.]0+$', '')`,
    isChanged: (id: string) => `regexp_full_match(${id}, '-?[0-9]+[.]0+')`,
  },
  {
    undo: (id: string) => `regexp_replace(${id}, '^0+([0-9])', '${'\\1'}')`,
    isChanged: (id: string) => `regexp_full_match(${id}, '0+[0-9].*')`,
  },
  { undo: (id: string) => `lower(${id})`, isChanged: (id: string) => `${id} <> lower(${id})` },
] as const;

/** Notes how many ids are in the table only in another spelling. They are not merged: 007 and 7 may be two ids. */
async function remarkSpellings(
  session: DuckSession,
  name: 'user' | 'item',
  keys: string,
  table: string,
  notes: string[],
): Promise<void> {
  for (const { undo } of FORMS) {
    const [count, value, id] = await session.row(
      `SELECT count(DISTINCT k.value)::DOUBLE, min(k.value), arg_min(t.id, k.value) FROM ${keys} k JOIN ${table} t ON ${undo('k.value')} = ${undo('t.id')}`,
      `${name}s.id`,
    );
    if (Number(count) > 0)
      notes.push(
        `${Number(count)} ${name}s of the interactions are in the ${name} table only in another spelling, such as ${show(value)} there as ${show(id)}: their features are missing`,
      );
  }
}

/** @throws {InnerloopError} INVALID_DATA if no id of the interactions is in the table, and some would be in another spelling */
export async function checkMatch(
  session: DuckSession,
  name: 'user' | 'item',
  relations: { interactions: Relation; entities: Relation },
  columns: { interactions: string; entities: string },
  notes: string[],
): Promise<void> {
  const field = `${name}s.id`;
  const keys = `(SELECT value FROM ${name}_keys WHERE value IS NOT NULL)`;
  const table = `(SELECT id FROM raw_${name}s)`;
  const [same, all] = await session.row(
    `SELECT count(*) FILTER (value IN (FROM ${table}))::DOUBLE, count(*)::DOUBLE FROM ${keys}`,
    field,
  );
  if (Number(same) > 0) {
    if (same !== all)
      await remarkSpellings(session, name, `(FROM ${keys} WHERE value NOT IN (FROM ${table}))`, table, notes);
    return;
  }
  for (const { undo, isChanged } of FORMS) {
    const [value, id, changed] = await session.row(
      `SELECT k.value, t.id, ${isChanged('k.value')} FROM ${keys} k JOIN ${table} t ON ${undo('k.value')} = ${undo('t.id')} ORDER BY k.value LIMIT 1`,
      field,
    );
    if (value === undefined) continue;
    const side = changed === true ? relations.interactions : relations.entities;
    const column = changed === true ? columns.interactions : columns.entities;
    throw new InnerloopError(
      'INVALID_DATA',
      `no ${name} of the interactions is in the ${name} table: they have ${show(value)} where it has ${show(id)}`,
      {
        field,
        value: id,
        expected: `one spelling of each id; ${advice(side.field, { sql: repaired(side, column, undo) })} in place of from`,
      },
    );
  }
}

function repaired(relation: Relation, column: string, undo: (id: string) => string): string {
  const id = quoteIdentifier(column);
  const from = relation.userSql ? '(… your query …)' : textual(relation);
  return `SELECT * REPLACE (${undo(`CAST(${id} AS VARCHAR)`)} AS ${id}) FROM ${from}`;
}
