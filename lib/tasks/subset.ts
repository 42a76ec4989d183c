import type { TaskSet } from '../foundation/contract.js';
import { invalid } from '../foundation/check.js';
import { checkNumbers } from '../foundation/typed-arrays.js';
import { checkAnyTaskSet } from './check.js';

/** Some tasks of a set, in the order of `indices`. @throws {InnerloopError} INVALID_OPTION for an index out of range */
export function subsetTasks(tasks: TaskSet, indices: ArrayLike<number>): TaskSet {
  checkAnyTaskSet(tasks, 'tasks');
  checkNumbers(indices, 'indices');
  const picked = Int32Array.from(indices);
  for (let k = 0; k < picked.length; k++) {
    const index = indices[k];
    if (!Number.isInteger(index) || index < 0 || index >= tasks.size) {
      throw invalid(`indices[${k}]`, 'not a task', index, `an index from 0 to ${tasks.size - 1}`);
    }
  }
  const support = subsetRows(tasks.supportOffsets, tasks.supportRows, picked);
  const query = subsetRows(tasks.queryOffsets, tasks.queryRows, picked);
  return {
    dataset: tasks.dataset,
    size: picked.length,
    keys: Array.from(picked, (t) => tasks.keys[t]),
    users: picked.map((t) => tasks.users[t]),
    supportOffsets: support.offsets,
    supportRows: support.rows,
    queryOffsets: query.offsets,
    queryRows: query.rows,
    ...(tasks.prescribed && { prescribed: true }),
  };
}

function subsetRows(
  offsets: Int32Array,
  rows: Int32Array,
  picked: Int32Array,
): { offsets: Int32Array; rows: Int32Array } {
  const newOffsets = new Int32Array(picked.length + 1);
  for (let k = 0; k < picked.length; k++)
    newOffsets[k + 1] = newOffsets[k] + offsets[picked[k] + 1] - offsets[picked[k]];
  const newRows = new Int32Array(newOffsets[picked.length]);
  for (let k = 0; k < picked.length; k++)
    newRows.set(rows.subarray(offsets[picked[k]], offsets[picked[k] + 1]), newOffsets[k]);
  return { offsets: newOffsets, rows: newRows };
}

/** Smallest, middle and largest of some counts. */
export interface Spread {
  /** The smallest. */
  min: number;
  /** The middle one; of an even number of tasks the mean of the middle two. */
  median: number;
  /** The largest. */
  max: number;
}
/** How many tasks and rows a set has. */
export interface TaskSummary {
  /** Number of tasks. */
  tasks: number;
  /** Support and query rows of all tasks. */
  rows: number;
  /** Support rows per task. */
  support: Spread;
  /** Query rows per task. */
  query: Spread;
}

/** Sizes of a task set, for printing; all 0 for an empty one. */
export function summary(tasks: TaskSet): TaskSummary {
  checkAnyTaskSet(tasks, 'tasks');
  return {
    tasks: tasks.size,
    rows: tasks.supportRows.length + tasks.queryRows.length,
    support: spread(tasks.supportOffsets),
    query: spread(tasks.queryOffsets),
  };
}

function spread(offsets: Int32Array): Spread {
  const count = offsets.length - 1;
  if (count <= 0) return { min: 0, median: 0, max: 0 };
  const sizes = Int32Array.from({ length: count }, (_, t) => offsets[t + 1] - offsets[t]).sort();
  return { min: sizes[0], median: (sizes[(count - 1) >> 1] + sizes[count >> 1]) / 2, max: sizes[count - 1] };
}
