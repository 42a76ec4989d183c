/**
 * Dumps and restores a whole state as JSON Lines, to move it to another database or release. The format has a version of its own,
 * apart from that of the tables, so that later releases can still read it.
 */
import { InnerloopError } from '../../foundation/errors.js';
import type { Statement, Value } from './database.js';
import type { State } from './state.js';
import { rowsOf } from './transfer.js';

const FORMAT = 'innerloop-state';
const VERSION = 1;

/** The columns of each table in a dump of version 1, which later releases must still read. */
const TABLES = {
  people: ['id', 'features', 'segment', 'hidden'],
  items: ['id', 'features', 'owner', 'hidden'],
  interactions: ['event', 'person', 'item', 'value', 'weight', 'time', 'context', 'recommendation'],
  recommendations: ['id', 'person', 'time', 'items', 'source', 'variants'],
  outcomes: ['experiment', 'person', 'variant', 'exposed', 'converted'],
} as const;
type Table = keyof typeof TABLES;
const NAMES = Object.keys(TABLES) as Table[];
const CHUNK = 500;

/** The lines of a dump, without line ends. The last line has the number of rows, so that a truncated dump is recognised. */
export async function* dumpLines(state: State): AsyncGenerator<string> {
  yield JSON.stringify({ format: FORMAT, version: VERSION });
  let rows = 0;
  for (const table of NAMES) {
    for await (const row of rowsOf(state, table)) {
      yield JSON.stringify([table, ...TABLES[table].map((column) => row[column])]);
      rows++;
    }
  }
  yield JSON.stringify({ end: FORMAT, rows });
}

/**
 * Restores a dump into an empty state. After an error the state is empty again; after a crash it is marked as incomplete.
 * @returns how many rows were restored
 * @throws {InnerloopError} INVALID_DATA if the lines are not a dump, or only a part of one
 */
export async function restoreLines(state: State, lines: AsyncIterable<string>): Promise<number> {
  const { database } = state;
  for (const table of NAMES) {
    const [{ n }] = await database.all(`SELECT COUNT(*) AS n FROM ${table}`);
    if (Number(n) > 0)
      throw new InnerloopError('INVALID_OPTION', 'is not empty', {
        field: 'state',
        value: `${n} ${table}`,
        expected: 'a new state to restore into',
      });
  }
  await database.transaction([{ sql: "INSERT INTO meta (name, value) VALUES ('restoring', '1')", params: [] }]);
  const clear: Statement[] = NAMES.map((table) => ({ sql: `DELETE FROM ${table}`, params: [] }));
  try {
    const rows = await fill(state, lines);
    await database.transaction([{ sql: "DELETE FROM meta WHERE name = 'restoring'", params: [] }]);
    return rows;
  } catch (error) {
    await database.transaction([...clear, { sql: "DELETE FROM meta WHERE name = 'restoring'", params: [] }]);
    throw error;
  }
}

/** Checks that no restoration of the state was interrupted. @throws {InnerloopError} INVALID_DATA */
export async function checkComplete(state: State): Promise<void> {
  const rows = await state.database.all("SELECT value FROM meta WHERE name = 'restoring'");
  if (rows.length > 0)
    throw new InnerloopError('INVALID_DATA', 'was being restored when the process ended, and is incomplete', {
      field: 'state',
      expected: 'a new state, into which the dump is restored again',
    });
}

async function fill(state: State, lines: AsyncIterable<string>): Promise<number> {
  let [line, rows] = [0, 0];
  let isWhole = false;
  let waiting: Statement[] = [];
  const wrong = (what: string) =>
    new InnerloopError('INVALID_DATA', what, { field: `line ${line}`, expected: 'a dump that innerloop wrote' });
  for await (const text of lines) {
    line++;
    const value = parse(text, wrong);
    if (line === 1) {
      const { format, version } = value as { format?: unknown; version?: unknown };
      if (format !== FORMAT) throw wrong('not a dump of a state');
      if (version !== VERSION) throw wrong(`a dump of version ${String(version)}, where this release reads ${VERSION}`);
      continue;
    }
    if (isWhole) throw wrong('a line after the last one');
    if (!Array.isArray(value)) {
      if ((value as { end?: unknown; rows?: unknown }).rows !== rows)
        throw wrong(`the last line states another number of rows than the ${rows} before it`);
      isWhole = true;
      continue;
    }
    const [table, ...values] = value as [Table, ...Value[]];
    const columns: readonly string[] | undefined = Object.hasOwn(TABLES, table) ? TABLES[table] : undefined;
    if (columns?.length !== values.length || values.some((each) => typeof each === 'object' && each !== null))
      throw wrong('not a row of a table');
    waiting.push({
      sql: `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
      params: values,
    });
    rows++;
    if (waiting.length >= CHUNK) {
      await state.database.transaction(waiting);
      waiting = [];
    }
  }
  if (!isWhole) throw wrong('the dump is cut off');
  await state.database.transaction(waiting);
  return rows;
}

function parse(text: string, wrong: (what: string) => InnerloopError): object {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // The error for invalid JSON is thrown below.
  }
  throw wrong('not JSON');
}
