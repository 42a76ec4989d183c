/**
 * Writes that come at the same time share a transaction: the disk is waited for once. Whoever writes is answered when that
 * transaction is on the disk, and fails alone when a statement of its own is what fails.
 */
import { InnerloopError } from '../../foundation/errors.js';
import type { Database, Row, Statement } from './database.js';

interface Write {
  statements: readonly Statement[];
  resolve: (rows: Row[][]) => void;
  reject: (error: unknown) => void;
}

/** Statements of one transaction, about. */
const AT_ONCE = 1000;
/** Writes that may wait; more are refused, since a database that is behind falls further behind. */
const MOST_WAITING = 10_000;

export class Writer {
  readonly #database: Database;
  #waiting: Write[] = [];
  #running: Promise<void> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** @returns rows of each statement, once they are on the disk */
  write(statements: readonly Statement[]): Promise<Row[][]> {
    if (this.#waiting.length >= MOST_WAITING)
      return Promise.reject(
        new InnerloopError('IO', 'the database does not keep up with the writes', {
          field: 'state',
          value: `${MOST_WAITING} of them wait`,
        }),
      );
    return new Promise((resolve, reject) => {
      this.#waiting.push({ statements, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** When all that was written so far has been answered. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // What is written in this turn of the event loop comes along.
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
      // Nothing of it was written. Whose fault it was shows when each goes alone.
      if (group.length === 1) return group[0].reject(error);
      for (const write of group) await this.#commit([write]);
    }
  }
}
