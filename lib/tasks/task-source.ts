/** Tasks that are read when they are needed, and what is known of all of them. */
import { checkNotAborted } from '../foundation/abort.js';
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { checkDataset } from '../foundation/check-data.js';
import { invalid } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import type { TaskSize, TaskSource, TaskStatistics } from '../foundation/task-source-types.js';
import { InnerloopError } from '../foundation/errors.js';
import { gather } from '../data/columns.js';
import { checkAnyTaskSet, checkTaskSet } from './check.js';
import { subsetTasks } from './subset.js';

/**
 * A task set as a source, for code that takes any: `read` gathers the rows of the tasks.
 *
 * ```ts
 * const source = taskSource(sets.train);
 * const some = await source.read(Int32Array.of(7, 3));
 * ```
 */
export function taskSource(tasks: TaskSet): TaskSource {
  checkAnyTaskSet(tasks, 'tasks');
  return {
    size: tasks.size,
    tables: tasks.dataset,
    sizeOf: (task) => sizeOf(tasks, task),
    read: (indices) => subsetTasks(tasks, indices),
    ...(tasks.prescribed && { prescribed: true }),
  };
}

/** @internal */
export function sizeOf({ supportOffsets, queryOffsets }: TaskSet, task: number): TaskSize {
  return {
    support: supportOffsets[task + 1] - supportOffsets[task],
    query: queryOffsets[task + 1] - queryOffsets[task],
  };
}

/** @internal */
export const isTaskSource = (tasks: unknown): tasks is TaskSource =>
  typeof tasks === 'object' && tasks !== null && typeof (tasks as Partial<TaskSource>).read === 'function';

/** Checks for a task set or a source of tasks, with one task at least. @internal */
export function checkTasks(tasks: unknown, field: string): asserts tasks is TaskSet | TaskSource {
  if (!isTaskSource(tasks)) return checkTaskSet(tasks, field);
  const { size, sizeOf: sizes, tables, shards, share } = tasks as Partial<TaskSource>;
  if (!Number.isSafeInteger(size) || size! < 0 || typeof sizes !== 'function')
    throw invalid(field, 'not a source of tasks', tasks, '{ size, tables, sizeOf, read }, or what openShards returned');
  checkDataset(tables, `${field}.tables`);
  if (size === 0) throw new InnerloopError('EMPTY_DATA', 'no tasks', { field });
  if (share !== undefined && (typeof share !== 'function' || shards === undefined))
    throw invalid(`${field}.share`, 'not a way to share shards', share, 'a function, of tasks that have shards');
  if (shards === undefined) return;
  const { offsets, window } = shards;
  const areOffsets =
    offsets instanceof Int32Array &&
    offsets[0] === 0 &&
    offsets.at(-1) === size &&
    offsets.every((at, s) => s === 0 || at > offsets[s - 1]);
  if (!areOffsets || !Number.isSafeInteger(window) || window < 1)
    throw invalid(`${field}.shards`, 'not shards of these tasks', shards, 'offsets from 0 to size, and a window ≥ 1');
}

/** Reads tasks, which have to be those that were asked for. @internal */
export async function readTasks(source: TaskSource, tasks: Int32Array, field: string): Promise<TaskSet> {
  return checkedRead(await source.read(tasks), source, tasks, field);
}

/**
 * Reads tasks that follow each other in the order of the source: of shards, two are held and not a window of them.
 *
 * @internal
 */
export function sequentialReading(source: TaskSource, field: string): (tasks: Int32Array) => Promise<TaskSet> {
  const alone = source.shards && source.share?.(source.shards.window);
  if (alone === undefined) return (tasks) => readTasks(source, tasks, field);
  return async (tasks) => {
    const bytes = await alone.read(tasks);
    const read = alone.assemble(tasks, new Int32Array(tasks.length), [bytes], 0, tasks.length);
    return checkedRead(read, source, tasks, field);
  };
}

/** @internal */
export function checkedRead(read: TaskSet, source: TaskSource, tasks: Int32Array, field: string): TaskSet {
  checkAnyTaskSet(read, `${field}.read()`);
  const { users, items } = source.tables;
  if (read.size !== tasks.length || read.dataset.users !== users || read.dataset.items !== items)
    throw invalid(
      `${field}.read()`,
      'not the tasks that were asked for',
      read.size,
      `${tasks.length} tasks on the tables of the source`,
    );
  return read;
}

/** The shard of a task. @param offsets of the shards @internal */
export function shardOf(offsets: Int32Array, task: number): number {
  let [low, high] = [0, offsets.length - 2];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (offsets[middle] <= task) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Tasks that are read at a time where all are. */
const READ = 1024;

/** What is known of all rows of a source, from it or by reading it. @internal */
export async function statisticsOf(source: TaskSource, field: string, signal?: AbortSignal): Promise<TaskStatistics> {
  if (source.statistics !== undefined) return source.statistics;
  const { users, items } = source.tables;
  const statistics = new StatisticsBuilder(users.rows, items.rows);
  for (let from = 0; from < source.size; from += READ) {
    checkNotAborted(signal, 'reading the tasks was aborted', field);
    const length = Math.min(READ, source.size - from);
    statistics.add(
      await readTasks(
        source,
        Int32Array.from({ length }, (_, k) => from + k),
        field,
      ),
    );
  }
  return statistics.build();
}

/** Whether a label, a float32, is a multiple of 0.05. @internal */
export const isOnScale = (y: number): boolean => Math.abs(20 * y - Math.round(20 * y)) <= 1e-5 * Math.abs(y);

/** Takes statistics of tasks in the order in which they come. @internal */
export class StatisticsBuilder {
  readonly #userRows: Int32Array;
  readonly #itemRows: Int32Array;
  readonly #itemLabels: Float64Array;
  readonly #hash: Hash = createHash('sha256');
  #tasks = 0;
  #rows = 0;
  #largest: TaskSize = { support: 0, query: 0 };
  #largestSupport: TaskSize = { support: 0, query: 0 };
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;
  #fraction: number | undefined;
  #isScale = true;
  #weighted: boolean | undefined;

  constructor(users: number, items: number) {
    this.#userRows = new Int32Array(users);
    this.#itemRows = new Int32Array(items);
    this.#itemLabels = new Float64Array(items);
  }

  add(tasks: TaskSet): void {
    const { dataset, size } = tasks;
    const { user, item, label, time, weight } = dataset;
    if (weight !== undefined) this.#weighted ??= false;
    for (let t = 0; t < size; t++) {
      const own = sizeOf(tasks, t);
      const { support, query } = own;
      if (support + query > this.#largest.support + this.#largest.query) this.#largest = own;
      if (support > this.#largestSupport.support) this.#largestSupport = own;
    }
    for (const rows of [tasks.supportRows, tasks.queryRows]) {
      for (const row of rows) {
        const y = label[row];
        this.#userRows[user[row]]++;
        this.#itemRows[item[row]]++;
        this.#itemLabels[item[row]] = this.#itemLabels[item[row]] + y;
        this.#sum += y;
        if (y < this.#min) this.#min = y;
        if (y > this.#max) this.#max = y;
        if (!Number.isInteger(y)) this.#fraction ??= y;
        this.#isScale &&= isOnScale(y);
        if (weight !== undefined && weight[row] > 0) this.#weighted = true;
      }
      for (const column of [user, item, label, time, weight])
        if (column !== undefined)
          this.#hash.update(bytesOf(gather<Int32Array | Float32Array | Float64Array>(column, rows)));
    }
    // Sizes say which rows are whose.
    this.#hash.update(bytesOf(tasks.supportOffsets)).update(bytesOf(tasks.queryOffsets));
    this.#tasks += size;
    this.#rows += tasks.supportRows.length + tasks.queryRows.length;
  }

  build(): TaskStatistics {
    const labels = { sum: this.#sum, min: this.#min, max: this.#max, isScale: this.#isScale };
    return {
      tasks: this.#tasks,
      rows: this.#rows,
      largest: this.#largest,
      largestSupport: this.#largestSupport,
      labels: { ...labels, ...(this.#fraction !== undefined && { fraction: this.#fraction }) },
      ...(this.#weighted !== undefined && { weighted: this.#weighted }),
      userRows: this.#userRows,
      itemRows: this.#itemRows,
      itemLabels: this.#itemLabels,
      digest: `sha256:${this.#hash.digest('hex')}`,
    };
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => new Uint8Array(buffer, byteOffset, byteLength);
