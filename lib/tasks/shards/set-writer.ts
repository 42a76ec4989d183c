/** Writes the tasks of one set, a shard at a time. */
import { join } from 'node:path';
import { encodeSealed, statedDigest } from '../../files/sealed.js';
import { writeDurable } from '../../files/durable.js';
import type { Dataset, TaskSet } from '../../foundation/contract.js';
import { StatisticsBuilder } from '../task-source.js';
import { emptyRows, encodeRows } from './columns.js';
import type { ShardRows } from './columns.js';
import type { ShardFile, ShardSet } from './index-file.js';

const DIGITS = 6;

export class SetWriter {
  readonly #folder: string;
  readonly #name: string;
  readonly #rowsPerShard: number;
  readonly #statistics: StatisticsBuilder;
  readonly #files: ShardFile[] = [];
  readonly #sizes: { users: number[]; support: number[]; query: number[] } = { users: [], support: [], query: [] };
  /** Of tasks that are in no shard yet. */
  #rows: ShardRows[] = [];
  #waiting = { tasks: 0, rows: 0 };

  constructor(folder: string, name: string, { users, items }: Dataset, rowsPerShard: number) {
    this.#folder = folder;
    this.#name = name;
    this.#rowsPerShard = rowsPerShard;
    this.#statistics = new StatisticsBuilder(users.rows, items.rows);
  }

  /** @param isOrdered whether the rows of a task keep the order that they are in, and not that of the dataset */
  async add(tasks: TaskSet, isOrdered: boolean): Promise<void> {
    if (tasks.size === 0) return;
    this.#statistics.add(tasks);
    const { supportOffsets, queryOffsets } = tasks;
    for (let first = 0; first < tasks.size;) {
      let end = first;
      let rows = this.#waiting.rows;
      while (end < tasks.size && rows < this.#rowsPerShard) {
        rows += supportOffsets[end + 1] - supportOffsets[end] + queryOffsets[end + 1] - queryOffsets[end];
        end++;
      }
      this.#rows.push(rowsOf(tasks, first, end, isOrdered));
      for (let t = first; t < end; t++) {
        this.#sizes.users.push(tasks.users[t]);
        this.#sizes.support.push(supportOffsets[t + 1] - supportOffsets[t]);
        this.#sizes.query.push(queryOffsets[t + 1] - queryOffsets[t]);
      }
      this.#waiting = { tasks: this.#waiting.tasks + end - first, rows };
      if (rows >= this.#rowsPerShard) await this.#write();
      first = end;
    }
  }

  async end(): Promise<ShardSet> {
    if (this.#waiting.tasks > 0) await this.#write();
    const { users, support, query } = this.#sizes;
    return {
      files: this.#files,
      users: Int32Array.from(users),
      support: Int32Array.from(support),
      query: Int32Array.from(query),
      statistics: this.#statistics.build(),
    };
  }

  async #write(): Promise<void> {
    const name = `${this.#name}-${String(this.#files.length).padStart(DIGITS, '0')}.safetensors`;
    const { tensors, columns } = encodeRows(joined(this.#rows));
    const chunks = encodeSealed(tensors, { format: 'innerloop-shard', rows: columns, version: '1' });
    await writeDurable(join(this.#folder, name), chunks);
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    this.#files.push({ name, bytes, digest: statedDigest(chunks[0]), ...this.#waiting });
    this.#rows = [];
    this.#waiting = { tasks: 0, rows: 0 };
  }
}

/** The rows of tasks `first … end − 1`, task by task. */
function rowsOf(tasks: TaskSet, first: number, end: number, isOrdered: boolean): ShardRows {
  const { supportOffsets, supportRows, queryOffsets, queryRows, dataset } = tasks;
  const total = supportOffsets[end] - supportOffsets[first] + queryOffsets[end] - queryOffsets[first];
  const rows = emptyRows(total, dataset.time !== undefined, dataset.weight !== undefined);
  let at = 0;
  const put = (row: number, isQuery: 0 | 1) => {
    rows.item[at] = dataset.item[row];
    rows.label[at] = dataset.label[row];
    if (rows.time !== undefined) rows.time[at] = dataset.time![row];
    if (rows.weight !== undefined) rows.weight[at] = dataset.weight![row];
    rows.query[at++] = isQuery;
  };
  for (let t = first; t < end; t++) {
    const [supports, queries] = [supportOffsets[t + 1], queryOffsets[t + 1]];
    let [s, q] = [supportOffsets[t], queryOffsets[t]];
    // Both ascend where they were drawn: together they are as they were in the source.
    while (s < supports || q < queries) {
      const isSupport = q === queries || (s < supports && (isOrdered || supportRows[s] < queryRows[q]));
      if (isSupport) put(supportRows[s++], 0);
      else put(queryRows[q++], 1);
    }
  }
  return rows;
}

function joined(parts: readonly ShardRows[]): ShardRows {
  const [first] = parts;
  if (parts.length === 1) return first;
  const total = parts.reduce((sum, { item }) => sum + item.length, 0);
  const all = emptyRows(total, first.time !== undefined, first.weight !== undefined);
  let at = 0;
  for (const part of parts) {
    for (const name of ['item', 'label', 'time', 'weight', 'query'] as const) all[name]?.set(part[name]!, at);
    at += part.item.length;
  }
  return all;
}
