import { invalid } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { checkDataset } from '../foundation/check-data.js';
import { InnerloopError } from '../foundation/errors.js';
import { isTyped } from '../foundation/typed-arrays.js';

/** Checks for a task set, which may be empty. @internal */
export function checkAnyTaskSet(tasks: unknown, field: string): asserts tasks is TaskSet {
  const set = (tasks ?? {}) as Partial<TaskSet>;
  const { size, keys, users, supportOffsets, supportRows, queryOffsets, queryRows } = set;
  const isSet =
    typeof tasks === 'object' &&
    typeof size === 'number' &&
    Array.isArray(keys) &&
    isTyped(users, 'Int32Array') &&
    keys.length === size &&
    users.length === size &&
    areRows(size, supportOffsets, supportRows) &&
    areRows(size, queryOffsets, queryRows);
  if (!isSet) throw invalid(field, 'not a task set', tasks, 'what buildTasks or splitTasks returned');
  checkDataset(set.dataset, `${field}.dataset`);
}

/** Whether offsets cut rows into as many parts as there are tasks. */
function areRows(size: number, offsets: unknown, rows: unknown): boolean {
  return (
    isTyped(offsets, 'Int32Array') &&
    isTyped(rows, 'Int32Array') &&
    offsets.length === size + 1 &&
    offsets[0] === 0 &&
    offsets[size] === rows.length
  );
}

/** @internal */
export function checkTaskSet(tasks: unknown, field: string): asserts tasks is TaskSet {
  checkAnyTaskSet(tasks, field);
  if (tasks.size === 0) throw new InnerloopError('EMPTY_DATA', 'no tasks', { field });
}
