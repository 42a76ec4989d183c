/**
 * Rows as JSON texts, which one statement inserts whatever their number. Rows as values would be copied to the thread of the database
 * one by one, and those that wait would be objects that each collection of garbage copies, too.
 */
import type { Database, Statement } from './database.js';

/** A table, its columns with their types, and what is done about a row that is there already. */
export interface RowTable {
  name: string;
  columns: Readonly<Record<string, 'TEXT' | 'BIGINT'>>;
  onConflict: string;
}

/** Bytes that are set aside for rows at first. */
const FEW = 2 ** 16;
/** Bytes of UTF-8 that a character of a JavaScript string takes at most. */
const WIDEST = 3;

/** Rows that wait to be inserted, as bytes outside the heap of JavaScript. */
export class RowTexts {
  #bytes = Buffer.allocUnsafeSlow(FEW);
  #length = 0;
  #count = 0;

  /** The number of rows. */
  get count(): number {
    return this.#count;
  }

  /** @param row its values in the order of the table's columns, as the text of a JSON array */
  add(row: string): void {
    const most = this.#length + WIDEST * row.length + 2;
    if (most > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(most, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = (this.#count++ === 0 ? '[' : ',').charCodeAt(0);
    this.#length += this.#bytes.write(row, this.#length);
  }

  /** Takes out all rows. @returns the text of a JSON array of rows */
  take(): string {
    const text = this.#count === 0 ? '[]' : `${this.#bytes.toString('utf8', 0, this.#length)}]`;
    [this.#length, this.#count] = [0, 0];
    if (this.#bytes.length > FEW) this.#bytes = Buffer.allocUnsafeSlow(FEW);
    return text;
  }
}

/** The statement that inserts rows. @param rows the text of a JSON array of rows */
export function insertRows(kind: Database['kind'], { name, columns, onConflict }: RowTable, rows: string): Statement {
  const elements = kind === 'sqlite' ? 'json_each(?)' : 'json_array_elements(CAST(? AS json)) AS elements (value)';
  const values = Object.values(columns).map((type, k) => `CAST(value ->> ${k} AS ${type})`);
  return {
    // Without the condition SQLite would take the conflict for one of a join.
    sql: `INSERT INTO ${name} (${Object.keys(columns).join(', ')}) SELECT ${values.join(', ')} FROM ${elements} WHERE true ${onConflict}`,
    params: [rows],
  };
}
