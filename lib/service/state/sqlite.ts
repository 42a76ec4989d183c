/**
 * Runs SQLite in a thread of its own, because a commit waits for the disk and must not block the event loop. Node.js from 22.13 on
 * has SQLite built in (`node:sqlite`); before, the optional peer better-sqlite3 is used, which has the same functions. Both write
 * the same file format.
 */
import { Worker } from 'node:worker_threads';
import { InnerloopError } from '../../foundation/errors.js';
import { missingPeer } from '../peers.js';
import { unavailable } from './database.js';
import type { Database, Row, Statement } from './database.js';

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

/**
 * Opens the database in a file, which is created if it does not exist.
 * @param isOwned whether no other service may open it until it is closed, or the process has ended
 */
export async function openSqlite(path: string, isOwned: boolean): Promise<Database> {
  const worker = new Worker(new URL('./sqlite-worker.js', import.meta.url), { workerData: { path, isOwned } });
  const waiting = new Map<number, { resolve: (rows: Row[][]) => void; reject: (error: Error) => void }>();
  let next = 1;
  let ended: Error | undefined;
  const fail = (error: Error) => {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const opened = new Promise<Row[][]>((resolve, reject) => waiting.set(0, { resolve, reject }));
  worker.on('message', ({ id, rows = [], error }: SqliteReply) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) return call?.resolve(rows);
    if (error.isMissingPeer === true) call?.reject(missingPeer('better-sqlite3', new Error(error.message)));
    else if (error.isTaken === true) call?.reject(taken(path));
    // The path is named when the state is opened. Later errors are answered to clients, who need not know it.
    else if (id === 0) call?.reject(new InnerloopError('IO', `SQLite: ${error.message}`, { field: path }));
    else call?.reject(unavailable(`SQLite: ${error.message}`));
  });
  worker.on('error', fail);
  worker.on('exit', () => fail(new InnerloopError('IO', 'the thread of the database ended', { field: path })));
  try {
    await opened;
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  // The idle thread must not keep the process alive if the state is not closed.
  worker.unref();
  const send = (kind: SqliteRequest['kind'], statements: readonly Statement[]) =>
    new Promise<Row[][]>((resolve, reject) => {
      if (ended !== undefined) return reject(ended);
      const id = next++;
      waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ id, kind, statements } satisfies SqliteRequest);
    }).finally(() => {
      if (waiting.size === 0) worker.unref();
    });
  return {
    kind: 'sqlite',
    all: async (sql, params = []) => (await send('all', [{ sql, params }]))[0],
    transaction: (statements) => send('transaction', statements),
    close: async () => {
      if (ended !== undefined) return;
      await send('close', []);
      await worker.terminate();
    },
  };
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
