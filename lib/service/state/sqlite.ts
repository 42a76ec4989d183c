/**
 * Runs SQLite in threads of its own, because a commit waits for the disk and must not block the event loop: one writes, another
 * reads meanwhile, and a third, from its first task on, does what takes long: it reads whole tables and makes checkpoints. Node.js
 * from 22.13 on has SQLite built in (`node:sqlite`); before, the optional peer better-sqlite3 is used, which has the same functions.
 * Both write the same file format.
 */
import type { Worker } from 'node:worker_threads';
import { Checkpoints } from './checkpoints.js';
import { unavailable } from './database.js';
import type { Database, Row, Statement, Value } from './database.js';
import { Connection } from './sqlite-thread.js';
import type { SqliteRequest, SqliteSettings } from './sqlite-thread.js';

/** @internal A database with its threads, so that a test can end one. */
export interface SqliteDatabase extends Database {
  threads(): Worker[];
}

/**
 * Opens the database in a file, which is created if it does not exist.
 * @param isOwned whether no other service may open it until it is closed, or the process has ended
 */
export async function openSqlite(path: string, isOwned: boolean): Promise<SqliteDatabase> {
  // A database in memory is known to its own connection alone.
  const isFile = path !== ':memory:';
  const writer = new Lasting({ path, isOwned, isReader: false });
  const reader = isFile ? new Lasting({ path, isOwned: false, isReader: true }) : writer;
  const background = isFile ? new Lasting({ path, isOwned: false, isReader: true }) : undefined;
  const checkpoints = background && new Checkpoints(background, writer);
  const all = new Set([...(background === undefined ? [] : [background]), reader, writer]);
  const close = async () => {
    await checkpoints?.close();
    for (const each of all) await each.close();
  };
  try {
    await writer.open();
    await reader.open();
  } catch (error) {
    await close();
    throw error;
  }
  const reads = new Reads(reader);
  return {
    kind: 'sqlite',
    all: (sql, params = []) => reads.all({ sql, params }),
    scan: async (sql, params = []) => {
      if (background === undefined) return reads.all({ sql, params });
      const [rows] = await background.send('all', [{ sql, params }]);
      return rows;
    },
    transaction: async (statements) => {
      const rows = await writer.send('transaction', statements);
      checkpoints?.written();
      return rows;
    },
    close,
    threads: () => [...all].flatMap(({ thread }) => thread ?? []),
  };
}

/** A connection that is opened when it is needed, and again if its thread has ended. */
class Lasting {
  readonly #settings: SqliteSettings;
  #connection: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  #isClosed = false;

  constructor(settings: SqliteSettings) {
    this.#settings = settings;
  }

  get thread(): Worker | undefined {
    return this.#connection?.thread;
  }

  async send(kind: SqliteRequest['kind'], statements: readonly Statement[]): Promise<Row[][]> {
    return (this.#atHand ?? (await this.open())).send(kind, statements);
  }

  open(): Promise<Connection> {
    if (this.#isClosed) return Promise.reject(unavailable('SQLite: the state is closed'));
    return (this.#opening ??= this.#open().finally(() => (this.#opening = undefined)));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#opening?.catch(() => undefined);
    await this.#connection?.close();
  }

  get #atHand(): Connection | undefined {
    // What was in memory has ended with the thread, and another would begin without tables.
    const isLost = this.#connection?.hasEnded === true && this.#settings.path !== ':memory:';
    return isLost ? undefined : this.#connection;
  }

  async #open(): Promise<Connection> {
    return (this.#connection = await Connection.open(this.#settings));
  }
}

interface Read {
  statement: Statement;
  resolve: (rows: Row[]) => void;
  reject: (error: unknown) => void;
}

/** Sends the queries of one turn of the event loop together: a message to a thread costs more than a look-up in the database. */
class Reads {
  readonly #connection: Lasting;
  #waiting: Read[] = [];

  constructor(connection: Lasting) {
    this.#connection = connection;
  }

  all(statement: { sql: string; params: readonly Value[] }): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ statement, resolve, reject }) === 1) setImmediate(() => void this.#send());
    });
  }

  async #send(): Promise<void> {
    const reads = this.#waiting;
    this.#waiting = [];
    try {
      const rows = await this.#connection.send(
        'all',
        reads.map(({ statement }) => statement),
      );
      reads.forEach(({ resolve }, i) => resolve(rows[i]));
    } catch (error) {
      if (reads.length === 1) return reads[0].reject(error);
      // Asked again one by one, only those fail that are wrong.
      for (const { statement, resolve, reject } of reads)
        this.#connection.send('all', [statement]).then(([rows]) => resolve(rows), reject);
    }
  }
}
