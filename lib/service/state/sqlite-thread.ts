/** A thread that has a connection to a database of SQLite, and answers one request after another. */
import { Worker } from 'node:worker_threads';
import { InnerloopError } from '../../foundation/errors.js';
import { missingPeer } from '../peers.js';
import { unavailable } from './database.js';
import type { Row, Statement } from './database.js';

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
export class Connection {
  /** @internal So that a test can end it. */
  readonly thread: Worker;
  readonly #path: string;
  readonly #waiting = new Map<number, { resolve: (rows: Row[][]) => void; reject: (error: Error) => void }>();
  #next = 1;
  #ended: Error | undefined;

  private constructor(settings: SqliteSettings) {
    this.#path = settings.path;
    this.thread = new Worker(new URL('./sqlite-worker.js', import.meta.url), { workerData: settings });
    this.thread.on('message', (message: SqliteReply) => this.#receive(message));
    this.thread.on('error', (error) => this.#fail(error));
    this.thread.on('exit', () => this.#fail(unavailable('SQLite: the thread that had the request ended')));
  }

  static async open(settings: SqliteSettings): Promise<Connection> {
    const connection = new Connection(settings);
    try {
      await new Promise<Row[][]>((resolve, reject) => connection.#waiting.set(0, { resolve, reject }));
    } catch (error) {
      await connection.thread.terminate();
      throw error;
    }
    // The idle thread must not keep the process alive if the state is not closed.
    connection.thread.unref();
    return connection;
  }

  /** Whether it answers no more. */
  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  send(kind: SqliteRequest['kind'], statements: readonly Statement[]): Promise<Row[][]> {
    return new Promise<Row[][]>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      const id = this.#next++;
      if (this.#waiting.size === 0) this.thread.ref();
      this.#waiting.set(id, { resolve, reject });
      this.thread.postMessage({ id, kind, statements } satisfies SqliteRequest);
    });
  }

  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    await this.send('close', []);
    await this.thread.terminate();
  }

  #receive({ id, rows = [], error }: SqliteReply): void {
    const call = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.thread.unref();
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
