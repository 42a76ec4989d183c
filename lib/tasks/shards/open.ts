import { resolve } from 'node:path';
import { checkString, invalid } from '../../foundation/check.js';
import type { Dataset, TaskSet } from '../../foundation/contract.js';
import type { TaskSource, TaskStatistics } from '../../foundation/task-source-types.js';
import { contextTable } from '../../data/columns.js';
import { resolveOptions } from '../../foundation/options.js';
import { InnerloopError } from '../../foundation/errors.js';
import type { SplitOptions } from '../option-types.js';
import { OPEN_SHARDS_OPTIONS } from '../options.js';
import type { OpenShardsOptions } from '../option-types.js';
import { setSplitOf } from '../stored-split.js';
import { shardOf } from '../task-source.js';
import { copyRows, emptyRows } from './columns.js';
import type { ShardRows } from './columns.js';
import { assembleRows, rowsToBytes } from './handed-rows.js';
import { INDEX, readIndex } from './index-file.js';
import type { ShardSet } from './index-file.js';
import { ShardReader } from './reader.js';

/** A set of tasks in shards. */
export type ShardedTasks = TaskSource & { readonly statistics: TaskStatistics };

/** What `openShards` returns. */
export interface Shards {
  /** Users and items with their ids and features. */
  tables: Dataset;
  /** The sets of the split: `train` and, where their fraction is above 0, `validation`, `test`. */
  sets: Record<string, ShardedTasks>;
  /** How the data was divided. */
  split: SplitOptions;
  /** What reading and dividing the data had to say. */
  notes: string[];
}

/**
 * Opens shards that `writeShards` wrote. Only their index is read: tables of users and items, sizes of tasks, statistics and
 * digests. Interactions are read, and held against their digests, when their tasks are.
 *
 * ```ts
 * const { tables, sets } = await openShards('shards');
 * const inputs = describeInputs(tables, [{ name: 'item', dim: 16 }], sets.train.statistics);
 * for await (const { epoch, loss } of train(learner, sets.train, { epochs: 4 })) console.log(epoch, loss);
 * ```
 *
 * @throws {InnerloopError} MISSING_FILE, IO; INVALID_DATA for an index that is damaged. A shard that is damaged, cut short or
 * another one is refused so when its tasks are read
 */
export async function openShards(folder: string, options: OpenShardsOptions = {}): Promise<Shards> {
  checkString(folder, 'folder');
  const { window } = resolveOptions(options, 'options', OPEN_SHARDS_OPTIONS);
  const { tables, sets, split, notes } = await readIndex(resolve(folder));
  const opened = Object.entries(sets).map(([name, set]): [string, ShardedTasks] => {
    checkSizes(set, tables, `${folder}/${INDEX}`);
    const source = sourceOf(resolve(folder), tables, set, window);
    if (name === 'train') setSplitOf(source, split);
    return [name, source];
  });
  return { tables, sets: Object.fromEntries(opened), split: split.options, notes };
}

function checkSizes({ files, users, support, query }: ShardSet, tables: Dataset, field: string): void {
  const tasks = files.reduce((sum, file) => sum + file.tasks, 0);
  const isWhole =
    [users, support, query].every(({ length }) => length === tasks) &&
    users.every((user) => user > 0 && user < tables.users.rows) &&
    [support, query].every((sizes) => sizes.every((size) => size >= 0));
  if (!isWhole) throw new InnerloopError('INVALID_DATA', 'sizes of tasks do not fit the shards', { field });
}

function sourceOf(folder: string, tables: Dataset, set: ShardSet, window: number): ShardedTasks {
  const { files, users, support, query, statistics } = set;
  const offsets = new Int32Array(files.length + 1);
  files.forEach((file, s) => (offsets[s + 1] = offsets[s] + file.tasks));
  /** The first row of each task within its shard. */
  const starts = new Int32Array(users.length);
  for (let s = 0; s < files.length; s++)
    for (let t = offsets[s] + 1; t < offsets[s + 1]; t++) starts[t] = starts[t - 1] + support[t - 1] + query[t - 1];
  const shardsOf = (tasks: Int32Array): number[] => {
    const bad = tasks.find((task) => !(task >= 0 && task < users.length));
    if (bad !== undefined) throw invalid('tasks', 'not a task', bad, `a number from 0 to ${users.length - 1}`);
    return [...new Set(Array.from(tasks, (task) => shardOf(offsets, task)))];
  };
  const sizeOf = (task: number) => ({ support: support[task], query: query[task] });
  const readRows = (reader: ShardReader, tasks: Int32Array): Promise<ShardRows> =>
    reader.with(shardsOf(tasks), (shards) => {
      const [first] = shards.values();
      const total = tasks.reduce((sum, task) => sum + support[task] + query[task], 0);
      const rows = emptyRows(total, first?.time !== undefined, first?.weight !== undefined);
      let at = 0;
      for (const task of tasks) {
        const count = support[task] + query[task];
        copyRows(shards.get(shardOf(offsets, task))!, starts[task], starts[task] + count, rows, at);
        at += count;
      }
      return rows;
    });
  // Those of the window at work, and of the next one.
  const readerOf = (shards: number) => new ShardReader(folder, files, tables.items.rows, 2 * shards);
  const reader = readerOf(window);
  return {
    size: users.length,
    tables,
    statistics,
    shards: { offsets, window },
    readingBytes: reader.bytes,
    sizeOf,
    readAhead: (tasks) => reader.ahead(shardsOf(tasks)),
    read: async (tasks) => taskSetOf(tasks, await readRows(reader, tasks), tables, set),
    share(processes) {
      const own = readerOf(Math.ceil(window / processes));
      return {
        readingBytes: own.bytes,
        readAhead: (tasks) => own.ahead(shardsOf(tasks)),
        read: async (tasks) => (tasks.length === 0 ? new Uint8Array(0) : rowsToBytes(await readRows(own, tasks))),
        assemble: (tasks, owners, bytes, from, to) =>
          taskSetOf(tasks.subarray(from, to), assembleRows(tasks, owners, bytes, sizeOf, from, to), tables, set),
      };
    },
  };
}

function taskSetOf(tasks: Int32Array, rows: ShardRows, tables: Dataset, { users, support, query }: ShardSet): TaskSet {
  const { item, label, time, weight, query: isQuery } = rows;
  const user = new Int32Array(item.length);
  const supportOffsets = new Int32Array(tasks.length + 1);
  const queryOffsets = new Int32Array(tasks.length + 1);
  for (const [k, task] of tasks.entries()) {
    supportOffsets[k + 1] = supportOffsets[k] + support[task];
    queryOffsets[k + 1] = queryOffsets[k] + query[task];
    const start = supportOffsets[k] + queryOffsets[k];
    user.fill(users[task], start, start + support[task] + query[task]);
  }
  const supportRows = new Int32Array(supportOffsets[tasks.length]);
  const queryRows = new Int32Array(queryOffsets[tasks.length]);
  let [s, q] = [0, 0];
  for (let row = 0; row < isQuery.length; row++) {
    if (isQuery[row] === 1) queryRows[q++] = row;
    else supportRows[s++] = row;
  }
  const dataset: Dataset = {
    ...tables,
    size: item.length,
    user,
    item,
    label,
    time,
    ...(weight && { weight }),
    context: contextTable([], item.length),
  };
  const own = tasks.map((task) => users[task]);
  const keys = Array.from(own, (row) => tables.users.keys.values[row]);
  return { dataset, size: tasks.length, keys, users: own, supportOffsets, supportRows, queryOffsets, queryRows };
}
