/**
 * Runs SQLite in threads of its own, because a commit waits for the disk and must not block the event loop: one writes, another
 * reads meanwhile, and a third, from the first such query on, reads whole tables. Node.js from 22.13 on has SQLite built in
 * (`node:sqlite`); before, the optional peer better-sqlite3 is used, which has the same functions. Both write the same file format.
 */
import { Worker } from 'node:worker_threads';
import { InnerloopError } from '../../foundation/errors.js';
import { missingPeer } from '../peers.js';
import { unavailable } from './database.js';
import type { Database, Row, Statement, Value } from './database.js';

/** A message to the thread. @internal */
export interface SqliteRequest {
  id: number;
  kind: 'all' | 'transaction' | 'close';
  statements: readonly Statement[];
}
/** An answer of the thread; the one with `id` 0 says that the database is open, or why not. @internal */
export interface SqliteReply {
  id: number;
  rows?: Row[][];
  error?: { message: string; isMissingPeer?: boolean; isTaken?: boolean };
}
/** @internal */
export interface SqliteSettings {
  path: string;
  isOwned: boolean;
  /** Whether the thread changes nothing. */
  isReader: boolean;
}

/** A connection to the database, in a thread. */
class Connection {
  readonly #worker: Worker;
  readonly #path: string;
  readonly #waiting = new Map<number, { resolve: (rows: Row[][]) => void; reject: (error: Error) => void }>();
  #next = 1;
  #ended: Error | undefined;

  private constructor(settings: SqliteSettings) {
    this.#path = settings.path;
    this.#worker = new Worker(new URL('./sqlite-worker.js', import.meta.url), { workerData: settings });
    this.#worker.on('message', (message: SqliteReply) => this.#receive(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () =>
      this.#fail(new InnerloopError('IO', 'the thread of the database ended', { field: this.#path })),
    );
  }

  static async open(settings: SqliteSettings): Promise<Connection> {
    const connection = new Connection(settings);
    try {
      await new Promise<Row[][]>((resolve, reject) => connection.#waiting.set(0, { resolve, reject }));
    } catch (error) {
      await connection.#worker.terminate();
      throw error;
    }
    // The idle thread must not keep the process alive if the state is not closed.
    connection.#worker.unref();
    return connection;
  }

  send(kind: SqliteRequest['kind'], statements: readonly Statement[]): Promise<Row[][]> {
    return new Promise<Row[][]>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      const id = this.#next++;
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, kind, statements } satisfies SqliteRequest);
    });
  }

  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    await this.send('close', []);
    await this.#worker.terminate();
  }

  #receive({ id, rows = [], error }: SqliteReply): void {
    const call = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (error === undefined) return call?.resolve(rows);
    if (error.isMissingPeer === true) call?.reject(missingPeer('better-sqlite3', new Error(error.message)));
    else if (error.isTaken === true) call?.reject(taken(this.#path));
    // The path is named when the state is opened. Later errors are answered to clients, who need not know it.
    else if (id === 0) call?.reject(new InnerloopError('IO', `SQLite: ${error.message}`, { field: this.#path }));
    else call?.reject(unavailable(`SQLite: ${error.message}`));
  }

  #fail(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/**
 * Opens the database in a file, which is created if it does not exist.
 * @param isOwned whether no other service may open it until it is closed, or the process has ended
 */
export async function openSqlite(path: string, isOwned: boolean): Promise<Database> {
  const writer = await Connection.open({ path, isOwned, isReader: false });
  // A database in memory is known to its own connection alone.
  const reader =
    path === ':memory:'
      ? writer
      : await Connection.open({ path, isOwned: false, isReader: true }).catch(async (error: unknown) => {
          await writer.close();
          throw error;
        });
  const reads = new Reads(reader);
  /** Opened when it is first needed. */
  let scanner: Promise<Connection> | undefined;
  return {
    kind: 'sqlite',
    all: (sql, params = []) => reads.all({ sql, params }),
    scan: async (sql, params = []) => {
      if (reader === writer) return reads.all({ sql, params });
      scanner ??= Connection.open({ path, isOwned: false, isReader: true }).catch((error: unknown) => {
        scanner = undefined;
        throw error;
      });
      const [rows] = await (await scanner).send('all', [{ sql, params }]);
      return rows;
    },
    transaction: (statements) => writer.send('transaction', statements),
    close: async () => {
      await (await scanner?.catch(() => undefined))?.close();
      if (reader !== writer) await reader.close();
      await writer.close();
    },
  };
}

interface Read {
  statement: Statement;
  resolve: (rows: Row[]) => void;
  reject: (error: unknown) => void;
}

/** Sends the queries of one turn of the event loop together: a message to a thread costs more than a look-up in the database. */
class Reads {
  readonly #connection: Connection;
  #waiting: Read[] = [];

  constructor(connection: Connection) {
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

function taken(path: string): InnerloopError {
  return new InnerloopError(
    'IO',
    'another service keeps its state in this file, and would not see what this one stores',
    {
      field: path,
      expected: 'a file of its own for each service; several services can share a PostgreSQL database',
    },
  );
}
