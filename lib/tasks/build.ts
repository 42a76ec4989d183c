import type { Dataset, TaskSet } from '../contract.js';
import { groupRows } from '../interactions/assemble.js';
import { random } from '../random.js';
import type { Random } from '../random.js';
import { emptyError, resolveTaskOptions } from './options.js';
import type { ResolvedTaskOptions, TaskOptions } from './options.js';

/** A task set, and what the rules left out of it. */
export interface BuiltTasks extends TaskSet {
  notes: string[];
}

/**
 * Groups interactions into tasks and divides each into support and query rows.
 *
 * The draw of a task depends on (seed, its user or item, its rows) only, not on which other tasks there are. Within
 * support and query, rows ascend by index, or by time with order `time`. Tasks are in the order of the vocabulary.
 *
 * ```ts
 * const tasks = buildTasks(dataset, { min: 13, max: 100, query: 10, seed: 1 });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, EMPTY_DATA if no user (or item) has enough rows
 */
export function buildTasks(dataset: Dataset, options: TaskOptions): BuiltTasks {
  return divide(dataset, resolveTaskOptions(dataset, options, 'tasks'), 'tasks');
}

/** {@link buildTasks} on checked options. @param name of the set, for messages */
export function divide(dataset: Dataset, options: ResolvedTaskOptions, name: string): BuiltTasks {
  const isUser = options.by === 'user';
  const table = isUser ? dataset.users : dataset.items;
  const { order, offsets } = groupRows(isUser ? dataset.user : dataset.item, table.rows, options.rows);
  const owners = selectOwners(offsets, options);
  const { kept, notes } = owners;
  if (kept.length === 0) {
    const limit = options.max === Number.POSITIVE_INFINITY ? 'or more' : `to ${options.max}`;
    const expected = `${options.by}s with ${Math.max(options.min, smallest(options))} ${limit} rows (min is ${options.min})`;
    throw emptyError(name, `no ${options.by} makes a task; ${distribution(offsets, options.by)}`, expected);
  }

  const supportOffsets = new Int32Array(kept.length + 1);
  const queryOffsets = new Int32Array(kept.length + 1);
  for (let t = 0; t < kept.length; t++) {
    const size = offsets[kept[t]! + 1]! - offsets[kept[t]!]!;
    const query = queryRows(size, options);
    queryOffsets[t + 1] = queryOffsets[t]! + query;
    supportOffsets[t + 1] = supportOffsets[t]! + Math.min(options.support, size - query);
  }
  const tasks: BuiltTasks = {
    dataset,
    size: kept.length,
    keys: Array.from(kept, (owner) => table.keys.values[owner]!),
    users: isUser ? kept : new Int32Array(kept.length),
    supportOffsets,
    supportRows: new Int32Array(supportOffsets[kept.length]!),
    queryOffsets,
    queryRows: new Int32Array(queryOffsets[kept.length]!),
    notes,
  };
  for (let t = 0; t < kept.length; t++) {
    const rows = order.subarray(offsets[kept[t]!], offsets[kept[t]! + 1]);
    if (options.order === 'time') sortByTime(rows, dataset.time!);
    const stream = options.order === 'time' ? undefined : random(options.seed, 'tasks', kept[t]!);
    fillTask(tasks, t, rows, stream);
  }
  return tasks;
}

/** Query rows, then support rows, are the last ones of `rows`; with a stream a sample of them is drawn there first. */
function fillTask(tasks: TaskSet, t: number, rows: Int32Array, stream: Random | undefined): void {
  const query = tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]);
  const support = tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]);
  const split = rows.length - query.length;
  stream?.sample(rows, query.length + (split > support.length ? support.length : 0));
  query.set(rows.subarray(split));
  support.set(rows.subarray(split - support.length, split));
  if (stream === undefined) return;
  query.sort();
  support.sort();
}

function queryRows(size: number, { query }: ResolvedTaskOptions): number {
  if (typeof query === 'number') return query;
  return Math.max(1, Math.min(size - 1, Math.round(size * query.fraction)));
}

/** Fewest rows that leave one for the support. */
function smallest({ query }: ResolvedTaskOptions): number {
  return typeof query === 'number' ? query + 1 : 2;
}

function selectOwners(offsets: Int32Array, options: ResolvedTaskOptions): { kept: Int32Array; notes: string[] } {
  const least = Math.max(options.min, smallest(options));
  const kept: number[] = [];
  let few = 0;
  let many = 0;
  for (let owner = 1; owner + 1 < offsets.length; owner++) {
    const size = offsets[owner + 1]! - offsets[owner]!;
    if (size === 0) continue;
    if (size < least) few++;
    else if (size > options.max) many++;
    else kept.push(owner);
  }
  const notes: string[] = [];
  const total = kept.length + few + many;
  if (few > 0) notes.push(`${few} of ${total} ${options.by}s left out: fewer than ${least} rows`);
  if (many > 0) notes.push(`${many} of ${total} ${options.by}s left out: more than ${options.max} rows`);
  return { kept: Int32Array.from(kept), notes };
}

/** Stable by time; a sort of indices rather than of pairs, since most users have few rows. */
function sortByTime(rows: Int32Array, time: Float64Array): void {
  for (let i = 1; i < rows.length; i++) {
    // Files are often in time order already.
    if (time[rows[i]!]! >= time[rows[i - 1]!]!) continue;
    rows.sort((a, b) => time[a]! - time[b]! || a - b);
    return;
  }
}

const BOUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** How many users have how many rows, for the message that none has enough. */
function distribution(offsets: Int32Array, by: string): string {
  const counts = new Array<number>(BOUNDS.length).fill(0);
  for (let owner = 1; owner + 1 < offsets.length; owner++) {
    const size = offsets[owner + 1]! - offsets[owner]!;
    let bin = BOUNDS.length - 1;
    while (bin >= 0 && BOUNDS[bin]! > size) bin--;
    if (bin >= 0) counts[bin]!++;
  }
  const parts = counts.flatMap((count, bin) => {
    if (count === 0) return [];
    const low = BOUNDS[bin]!;
    const high = BOUNDS[bin + 1];
    return [
      `${count} with ${high === undefined ? `${low} or more` : high === low + 1 ? String(low) : `${low} to ${high - 1}`}`,
    ];
  });
  return parts.length === 0 ? `there are no rows` : `${by}s by number of rows: ${parts.join(', ')}`;
}

/**
 * The same tasks with support and query drawn anew from the rows of each, at their sizes: a fresh draw per epoch.
 * The result depends on (seed, epoch, the rows of each task), not on how they were divided before.
 * @param epoch an integer ≥ 0
 */
export function redrawQuery(tasks: TaskSet, seed: number, epoch: number): TaskSet {
  const stream = random(seed, 'redraw', epoch);
  const redrawn = {
    ...tasks,
    supportRows: new Int32Array(tasks.supportRows.length),
    queryRows: new Int32Array(tasks.queryRows.length),
  };
  let longest = 0;
  for (let t = 0; t < tasks.size; t++) longest = Math.max(longest, sizeOf(tasks, t));
  const buffer = new Int32Array(longest);
  for (let t = 0; t < tasks.size; t++) {
    const rows = buffer.subarray(0, sizeOf(tasks, t));
    const support = tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]);
    rows.set(support);
    rows.set(tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]), support.length);
    rows.sort();
    fillTask(redrawn, t, rows, stream.child('task', t));
  }
  return redrawn;
}

function sizeOf(tasks: TaskSet, t: number): number {
  return tasks.supportOffsets[t + 1]! - tasks.supportOffsets[t]! + tasks.queryOffsets[t + 1]! - tasks.queryOffsets[t]!;
}
