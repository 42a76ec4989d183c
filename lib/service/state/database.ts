/** The interface of a database that the state is kept in. */
import { InnerloopError } from '../../foundation/errors.js';

/** The error for a statement that the database could not run, because of a full disk for example: it may be tried again later. */
export function unavailable(what: string): InnerloopError {
  return Object.assign(new InnerloopError('IO', what, { field: 'state' }), { status: 503 });
}

/** A value of a column. Times are milliseconds since 1970 as integers, booleans 0 and 1, objects JSON texts. */
export type Value = string | number | null;
export type Row = Record<string, Value>;

export interface Statement {
  /** The SQL, with `?` for each parameter in order and no other question mark. */
  sql: string;
  params: readonly Value[];
}

export interface Database {
  readonly kind: 'sqlite' | 'postgres';
  /** Runs one query and returns its rows. */
  all(sql: string, params?: readonly Value[]): Promise<Row[]>;
  /** The same for a query that reads a whole table, for which others must not wait. */
  scan(sql: string, params?: readonly Value[]): Promise<Row[]>;
  /**
   * Runs statements in one transaction. When the promise is fulfilled, the changes are on disk.
   * @returns the rows of each statement, in order; an empty list for a statement without rows
   */
  transaction(statements: readonly Statement[]): Promise<Row[][]>;
  close(): Promise<void>;
}
