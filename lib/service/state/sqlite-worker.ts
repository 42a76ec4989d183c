/** A thread that runs SQLite: it receives statements and answers with rows. */
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { Row, Statement, Value } from './database.js';
import type { SqliteReply, SqliteRequest, SqliteSettings } from './sqlite-thread.js';

/** The part of a prepared statement that `node:sqlite` and better-sqlite3 have in common. */
interface Prepared {
  all(...params: Value[]): Row[];
  run(...params: Value[]): unknown;
  /** Only in better-sqlite3: whether the statement returns rows. Its `all` throws for a statement that returns none. */
  reader?: boolean;
}
interface Connection {
  exec(sql: string): unknown;
  prepare(sql: string): Prepared;
  close(): void;
}

/** The most prepared statements that are kept. The service has few; those of imports differ by their number of rows. */
const MOST_PREPARED = 200;

/** Pages of the write-ahead log at which a commit makes a checkpoint, and the bytes of a page. */
const MOST_PAGES = 16_000;
const PAGE = 4096;

const port = parentPort!;
const { path, isOwned, isReader } = workerData as SqliteSettings;
const reply = (message: SqliteReply) => port.postMessage(message);
const prepared = new Map<string, Prepared>();

class MissingPeer extends Error {}
class Taken extends Error {}

function connect(file = path): Connection {
  const builtin = (
    process as { getBuiltinModule?: (name: string) => { DatabaseSync: new (path: string) => Connection } | undefined }
  ).getBuiltinModule?.('node:sqlite');
  if (builtin !== undefined) return new builtin.DatabaseSync(file);
  try {
    const Sqlite = createRequire(import.meta.url)('better-sqlite3') as new (path: string) => Connection;
    return new Sqlite(file);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    // better-sqlite3 loads its native part with the first database, so a missing native part fails here too.
    const isMissing = code === 'MODULE_NOT_FOUND' || code === 'ERR_DLOPEN_FAILED' || message.includes('bindings file');
    throw isMissing ? new MissingPeer(message) : error;
  }
}

function open(): Connection {
  const connection = connect();
  // With a write-ahead log, readers do not wait for writers. FULL flushes a commit to disk before it is acknowledged.
  connection.exec('PRAGMA journal_mode = WAL');
  connection.exec('PRAGMA synchronous = FULL');
  connection.exec('PRAGMA busy_timeout = 5000');
  if (isReader) {
    connection.exec('PRAGMA query_only = ON');
    return connection;
  }
  // Checkpoints are made by another thread. If that one falls behind, a commit makes one itself, so that the log does not grow on.
  connection.exec(`PRAGMA wal_autocheckpoint = ${MOST_PAGES}`);
  connection.exec(`PRAGMA journal_size_limit = ${MOST_PAGES * PAGE}`);
  // Deleted content is overwritten, so that the data of a person who was deleted do not remain in free pages.
  connection.exec('PRAGMA secure_delete = ON');
  return connection;
}

/**
 * Locks a file beside the database for as long as the process runs, however it ends. The database itself stays open for others,
 * so that it can be dumped meanwhile.
 */
function own(): Connection {
  const lock = connect(`${path}-service`);
  // A service that is being replaced may still answer its last requests.
  lock.exec('PRAGMA busy_timeout = 5000');
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw /locked/.test((error as Error).message) ? new Taken() : error;
  }
  return lock;
}

function run(connection: Connection, { sql, params }: Statement): Row[] {
  let statement = prepared.get(sql);
  if (statement === undefined) {
    if (prepared.size >= MOST_PREPARED) prepared.clear();
    prepared.set(sql, (statement = connection.prepare(sql)));
  }
  if (statement.reader !== false) return statement.all(...params);
  statement.run(...params);
  return [];
}

function work(connection: Connection, { kind, statements }: SqliteRequest): Row[][] {
  if (kind === 'all') return statements.map((statement) => run(connection, statement));
  if (kind === 'close') {
    prepared.clear();
    connection.close();
    lock?.close();
    return [];
  }
  connection.exec('BEGIN IMMEDIATE');
  try {
    const rows = statements.map((statement) => run(connection, statement));
    connection.exec('COMMIT');
    return rows;
  } catch (error) {
    try {
      connection.exec('ROLLBACK');
    } catch {
      // Some failures, such as a full disk, have rolled the transaction back already.
    }
    throw error;
  }
}

let lock: Connection | undefined;
try {
  if (isOwned && path !== ':memory:') lock = own();
  const connection = open();
  port.on('message', (request: SqliteRequest) => {
    try {
      reply({ id: request.id, rows: work(connection, request) });
    } catch (error) {
      reply({ id: request.id, error: { message: (error as Error).message } });
    }
  });
  reply({ id: 0 });
} catch (error) {
  reply({
    id: 0,
    error: {
      message: (error as Error).message,
      isMissingPeer: error instanceof MissingPeer,
      isTaken: error instanceof Taken,
    },
  });
}
