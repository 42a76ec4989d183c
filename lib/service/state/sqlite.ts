/**
 * SQLite in a thread of its own: a commit waits for the disk, and the event loop does not wait with it. Node.js from 22.13 has SQLite
 * itself (`node:sqlite`); before that the optional peer better-sqlite3 is used, which has the same functions. Neither is a server to
 * look after, and both write the same file.
 */
import { Worker } from 'node:worker_threads';
import { InnerloopError } from '../../foundation/errors.js';
import { missingPeer } from '../peers.js';
import type { Database, Row, Statement } from './database.js';

/** What the thread is sent. @internal */
export interface SqliteRequest {
  id: number;
  kind: 'all' | 'transaction' | 'close';
  statements: readonly Statement[];
}
/** What it answers; `id` 0: that it is open, or why not. @internal */
export interface SqliteReply {
  id: number;
  rows?: Row[][];
  error?: { message: string; isMissingPeer?: boolean };
}

/** @param path of the file; it is made where there is none */
export async function openSqlite(path: string): Promise<Database> {
  const worker = new Worker(new URL('./sqlite-worker.js', import.meta.url), { workerData: { path } });
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
    const cause = new Error(error.message);
    call?.reject(
      error.isMissingPeer === true
        ? missingPeer('better-sqlite3', cause)
        : new InnerloopError('IO', `SQLite: ${error.message}`, { field: path }),
    );
  });
  worker.on('error', fail);
  worker.on('exit', () => fail(new InnerloopError('IO', 'the thread of the database ended', { field: path })));
  try {
    await opened;
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  // A process that forgets to close the state ends all the same.
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
