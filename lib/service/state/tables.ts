/** Creates the tables of the state and migrates those of earlier versions. */
import { InnerloopError } from '../../foundation/errors.js';
import type { Database } from './database.js';

/**
 * Entry k migrates the tables from version k to version k + 1; a new state runs all entries. An entry that was released is never
 * changed.
 */
const MIGRATIONS: readonly ((kind: Database['kind']) => readonly string[])[] = [
  (kind) => {
    const serial = kind === 'sqlite' ? 'INTEGER PRIMARY KEY AUTOINCREMENT' : 'BIGSERIAL PRIMARY KEY';
    const real = kind === 'sqlite' ? 'REAL' : 'DOUBLE PRECISION';
    return [
      // `event` is the sender's id of the interaction; an interaction that is sent twice is stored once.
      `CREATE TABLE interactions (seq ${serial}, event TEXT UNIQUE, person TEXT NOT NULL, item TEXT NOT NULL, value ${real} NOT NULL,
        weight ${real} NOT NULL, time BIGINT NOT NULL, context TEXT, recommendation TEXT)`,
      'CREATE INDEX interactions_person ON interactions (person, seq)',
      'CREATE INDEX interactions_time ON interactions (time)',
      // `segment` is the group in which popularity is counted.
      'CREATE TABLE people (id TEXT PRIMARY KEY, features TEXT NOT NULL, segment TEXT, hidden INTEGER NOT NULL)',
      'CREATE TABLE items (id TEXT PRIMARY KEY, features TEXT NOT NULL, owner TEXT, hidden INTEGER NOT NULL)',
      `CREATE TABLE recommendations (id TEXT PRIMARY KEY, person TEXT, time BIGINT NOT NULL, items TEXT NOT NULL, source TEXT NOT NULL,
        variants TEXT NOT NULL)`,
      'CREATE INDEX recommendations_person ON recommendations (person)',
      'CREATE INDEX recommendations_time ON recommendations (time)',
      `CREATE TABLE outcomes (experiment TEXT NOT NULL, person TEXT NOT NULL, variant TEXT NOT NULL, exposed BIGINT NOT NULL,
        converted BIGINT, PRIMARY KEY (experiment, person))`,
      // The staged tables hold the rows of an import until all were read: `batch` names the import, `line` is the line of its file.
      `CREATE TABLE staged_interactions (batch TEXT NOT NULL, line BIGINT NOT NULL, event TEXT, person TEXT NOT NULL, item TEXT NOT NULL,
        value ${real} NOT NULL, weight ${real} NOT NULL, time BIGINT NOT NULL, context TEXT, recommendation TEXT)`,
      `CREATE TABLE staged_people (batch TEXT NOT NULL, line BIGINT NOT NULL, id TEXT NOT NULL, features TEXT NOT NULL, segment TEXT,
        hidden INTEGER NOT NULL)`,
      `CREATE TABLE staged_items (batch TEXT NOT NULL, line BIGINT NOT NULL, id TEXT NOT NULL, features TEXT NOT NULL, owner TEXT,
        hidden INTEGER NOT NULL)`,
      ...['interactions', 'people', 'items'].map(
        (name) =>
          `CREATE INDEX staged_${name}_batch ON staged_${name} (batch, ${name === 'interactions' ? 'line' : 'id, line'})`,
      ),
    ];
  },
];

/** The version that this release writes. */
const SCHEMA = MIGRATIONS.length;

/** Creates or migrates the tables. @throws {InnerloopError} UNSUPPORTED for a state that a later release has written */
export async function prepareTables(database: Database): Promise<void> {
  await database.transaction([
    { sql: 'CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)', params: [] },
  ]);
  const [row] = await database.all("SELECT value FROM meta WHERE name = 'schema'");
  const version = row === undefined ? 0 : Number(row['value']);
  if (!(version <= SCHEMA))
    throw new InnerloopError('UNSUPPORTED', 'was written by a later release', {
      field: 'state',
      value: `version ${version}`,
      expected: `version ${SCHEMA} or less: update innerloop, or restore a dump of it into a new state`,
    });
  if (version === SCHEMA) return;
  const statements = MIGRATIONS.slice(version).flatMap((migration) => migration(database.kind));
  await database.transaction([
    ...statements.map((sql) => ({ sql, params: [] })),
    {
      sql: "INSERT INTO meta (name, value) VALUES ('schema', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      params: [String(SCHEMA)],
    },
  ]);
}
