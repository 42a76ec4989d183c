/**
 * Groups writes that arrive at the same time into one transaction, so that they wait for the disk only once. A write is answered
 * when the transaction is on disk. If a statement fails, only the write that it belongs to fails.
 */
import { InnerloopError } from '../../foundation/errors.js';
import type { Database, Row, Statement } from './database.js';

interface Write {
  statements: readonly Statement[];
  resolve: (rows: Row[][]) => void;
  reject: (error: unknown) => void;
}

/** A transaction takes no further write once it has this many statements. */
const AT_ONCE = 1000;
/** The most writes that may wait; more are refused, because a database that is too slow would only fall further behind. */
const MOST_WAITING = 10_000;

export class Writer {
  readonly #database: Database;
  #waiting: Write[] = [];
  #running: Promise<void> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The number of writes that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Writes statements. @returns the rows of each statement, once the changes are on disk */
  write(statements: readonly Statement[]): Promise<Row[][]> {
    if (this.#waiting.length >= MOST_WAITING)
      return Promise.reject(
        new InnerloopError('IO', 'the database does not keep up with the writes', {
          field: 'state',
          value: `${MOST_WAITING} writes wait`,
        }),
      );
    return new Promise((resolve, reject) => {
      this.#waiting.push({ statements, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Waits until all writes so far have been answered. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // Writes that are made in the same turn of the event loop join the first transaction.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group: Write[] = [];
      let count = 0;
      while (this.#waiting.length > group.length && count < AT_ONCE) {
        const write = this.#waiting[group.length];
        count += write.statements.length;
        group.push(write);
      }
      this.#waiting = this.#waiting.slice(group.length);
      await this.#commit(group);
    }
    this.#running = undefined;
  }

  async #commit(group: readonly Write[]): Promise<void> {
    try {
      const rows = await this.#database.transaction(group.flatMap(({ statements }) => statements));
      let next = 0;
      for (const { statements, resolve } of group) resolve(rows.slice(next, (next += statements.length)));
    } catch (error) {
      // The transaction was rolled back. Committing each write alone shows which of them fails.
      if (group.length === 1) return group[0].reject(error);
      for (const write of group) await this.#commit([write]);
    }
  }
}
