/**
 * Imports and exports the state as JSON Lines. An import is read to its end before it takes effect: its rows wait in staging
 * tables, and one transaction takes over all of them or none. Errors are reported row by row.
 */
import { randomUUID } from 'node:crypto';
import { InnerloopError } from '../../foundation/errors.js';
import type { Row, Statement, Value } from './database.js';
import { readInteraction, readItem, readPerson } from './records.js';
import type { RecordRules } from './records.js';
import { insertInteraction, interactionOf, itemOf, ON_CONFLICT, personOf, putItem, putPerson } from './state.js';
import type { State } from './state.js';

export const KINDS = ['interactions', 'users', 'items'] as const;
export type Kind = (typeof KINDS)[number];

/** Rows that are written to the staging table at a time. */
const CHUNK = 200;
/** The most errors that a report lists; it counts all of them. */
const LISTED = 100;
/** Milliseconds after which the staged rows of an import that a crash left behind are deleted. */
const STALE = 24 * 3600 * 1000;

interface Table {
  name: keyof typeof ON_CONFLICT;
  columns: readonly string[];
}
const TABLES: Record<Kind, Table> = {
  interactions: {
    name: 'interactions',
    columns: ['event', 'person', 'item', 'value', 'weight', 'time', 'context', 'recommendation'],
  },
  users: {
    name: 'people',
    columns: ['id', 'features', 'segment', 'hidden'],
  },
  items: {
    name: 'items',
    columns: ['id', 'features', 'owner', 'hidden'],
  },
};

/** The result of an import. */
export interface ImportReport {
  /** Lines that were not blank. */
  rows: number;
  /** Rows that were loaded; interactions that the state already had, by their `event`, are not counted. */
  loaded: number;
  /** Rows that were refused because they are wrong. */
  refused: number;
  /** The first 100 refused rows, each with its line, counted from 1, and the reason. */
  errors: { line: number; message: string }[];
}

/** Imports JSON Lines. If a row is wrong, nothing is loaded with `errors: 'stop'`, and all other rows are with `skip`. */
export async function importLines(
  state: State,
  kind: Kind,
  lines: AsyncIterable<string>,
  rules: RecordRules,
  { errors: onError = 'stop', now = Date.now() }: { errors?: 'stop' | 'skip'; now?: number } = {},
): Promise<ImportReport> {
  const { name, columns } = TABLES[kind];
  const report: ImportReport = { rows: 0, loaded: 0, refused: 0, errors: [] };
  const batch = `${now} ${randomUUID()}`;
  const staged = `staged_${name}`;
  const drop: Statement = { sql: `DELETE FROM ${staged} WHERE batch = ?`, params: [batch] };
  await sweep(state, staged, now);
  let waiting: Value[][] = [];
  const stage = async () => {
    if (waiting.length === 0) return;
    const rows = waiting;
    waiting = [];
    const marks = `(${Array(columns.length + 2)
      .fill('?')
      .join(', ')})`;
    const sql = `INSERT INTO ${staged} (batch, line, ${columns.join(', ')}) VALUES ${rows.map(() => marks).join(', ')}`;
    await state.database.transaction([{ sql, params: rows.flat() }]);
  };
  try {
    let line = 0;
    for await (const text of lines) {
      line++;
      if (text.trim() === '') continue;
      report.rows++;
      try {
        waiting.push([batch, line, ...rowOf(kind, text, rules, now)]);
      } catch (error) {
        if (!(error instanceof InnerloopError || error instanceof SyntaxError)) throw error;
        report.refused++;
        if (report.errors.length < LISTED) report.errors.push({ line, message: error.message });
      }
      // After the first wrong row, the rest is read only to report its errors.
      if (onError === 'stop' && report.refused > 0) waiting = [];
      if (waiting.length >= CHUNK) await stage();
    }
    if (onError === 'stop' && report.refused > 0) return report;
    await stage();
    report.loaded = await take();
    return report;
  } finally {
    await state.database.transaction([drop]);
  }

  async function take(): Promise<number> {
    // If an id occurs twice, only its last line is taken: one statement must not update a row twice.
    const last =
      kind === 'interactions'
        ? ''
        : `AND line = (SELECT MAX(line) FROM ${staged} o WHERE o.batch = s.batch AND o.id = s.id)`;
    const select = `SELECT ${columns.join(', ')} FROM ${staged} s WHERE batch = ? ${last} ORDER BY line`;
    const count = `SELECT COUNT(*) AS n FROM ${name}`;
    const [[before], , [after]] = await state.writer.write([
      { sql: count, params: [] },
      { sql: `INSERT INTO ${name} (${columns.join(', ')}) ${select} ${ON_CONFLICT[name]}`, params: [batch] },
      { sql: count, params: [] },
      drop,
    ]);
    return kind === 'interactions' ? Number(after['n']) - Number(before['n']) : report.rows - report.refused;
  }
}

/** Deletes staged rows that a crash left behind. */
async function sweep(state: State, staged: string, now: number): Promise<void> {
  const rows = await state.database.all(`SELECT DISTINCT batch FROM ${staged}`);
  for (const { batch } of rows)
    if (Number(String(batch).split(' ')[0]) < now - STALE)
      await state.database.transaction([{ sql: `DELETE FROM ${staged} WHERE batch = ?`, params: [batch] }]);
}

/** The values of a line in the order of the columns. */
function rowOf(kind: Kind, text: string, rules: RecordRules, now: number): readonly Value[] {
  const given = JSON.parse(text) as unknown;
  if (kind === 'interactions') return insertInteraction(readInteraction(given, 'row', rules, now)).params;
  return kind === 'users'
    ? putPerson(readPerson(given, 'row', rules)).params
    : putItem(readItem(given, 'row', rules)).params;
}

/** All rows as lines that {@link importLines} reads, without line ends. */
export async function* exportLines(state: State, kind: Kind): AsyncGenerator<string> {
  for await (const row of rowsOf(state, TABLES[kind].name)) yield JSON.stringify(recordOf(kind, row));
}

function recordOf(kind: Kind, row: Row): object {
  if (kind === 'users') {
    const { segment: _, ...person } = personOf(row);
    return person;
  }
  if (kind === 'items') return itemOf(row);
  const { recommendation, ...interaction } = interactionOf(row);
  return { ...interaction, recommendationId: recommendation };
}

/** The rows of a table in the order of its key, read in pages; rows that are added meanwhile may be among them. @internal */
export async function* rowsOf(state: State, table: string): AsyncGenerator<Row> {
  const keys = table === 'interactions' ? ['seq'] : table === 'outcomes' ? ['experiment', 'person'] : ['id'];
  let after: Value[] | undefined;
  for (;;) {
    const beyond = after === undefined ? '' : `WHERE (${keys.join(', ')}) > (${keys.map(() => '?').join(', ')})`;
    const rows = await state.database.all(
      `SELECT * FROM ${table} ${beyond} ORDER BY ${keys.join(', ')} LIMIT 1000`,
      after ?? [],
    );
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = keys.map((key) => last[key]);
  }
}
