import type { Dataset, TaskSet } from '../foundation/contract.js';

/** A growing Int32Array. */
class Rows {
  #data = new Int32Array(1024);
  length = 0;

  push(rows: Int32Array): void {
    const end = this.length + rows.length;
    if (end > this.#data.length) {
      const grown = new Int32Array(Math.max(end, 2 * this.#data.length));
      grown.set(this.#data.subarray(0, this.length));
      this.#data = grown;
    }
    this.#data.set(rows, this.length);
    this.length = end;
  }

  toArray(): Int32Array {
    return this.#data.slice(0, this.length);
  }
}

/** Puts a task set together task by task. */
export class TaskSetBuilder {
  readonly #keys: string[] = [];
  readonly #users: number[] = [];
  readonly #supportOffsets: number[] = [0];
  readonly #queryOffsets: number[] = [0];
  readonly #support = new Rows();
  readonly #query = new Rows();

  /** @param user its row, 0 if the task is not a user */
  add(key: string, user: number, support: Int32Array, query: Int32Array): void {
    this.#keys.push(key);
    this.#users.push(user);
    this.#support.push(support);
    this.#query.push(query);
    this.#supportOffsets.push(this.#support.length);
    this.#queryOffsets.push(this.#query.length);
  }

  build(dataset: Dataset): TaskSet {
    return {
      dataset,
      size: this.#keys.length,
      keys: this.#keys,
      users: Int32Array.from(this.#users),
      supportOffsets: Int32Array.from(this.#supportOffsets),
      supportRows: this.#support.toArray(),
      queryOffsets: Int32Array.from(this.#queryOffsets),
      queryRows: this.#query.toArray(),
    };
  }
}
