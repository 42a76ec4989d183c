/** What the service asks of a database: statements in one transaction, and rows. */

/** Times are milliseconds since 1970 as integers; booleans are 0 and 1; objects are JSON texts. */
export type Value = string | number | null;
export type Row = Record<string, Value>;

export interface Statement {
  /** With `?` for each parameter, in order, and no other question mark. */
  sql: string;
  params: readonly Value[];
}

export interface Database {
  readonly kind: 'sqlite' | 'postgres';
  /** Rows of one query. */
  all(sql: string, params?: readonly Value[]): Promise<Row[]>;
  /**
   * Runs statements, all or none of them. When the promise is fulfilled they are on the disk.
   * @returns rows of each statement that has any
   */
  transaction(statements: readonly Statement[]): Promise<Row[][]>;
  close(): Promise<void>;
}
