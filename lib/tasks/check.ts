import { invalid } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';

/** @internal */
export function checkTaskSet(tasks: unknown, field: string): asserts tasks is TaskSet {
  const set = tasks as Partial<TaskSet> | undefined;
  if (
    typeof set !== 'object' ||
    set === null ||
    !(set.queryRows instanceof Int32Array) ||
    typeof set.dataset !== 'object'
  ) {
    throw invalid(field, 'not a task set', tasks, 'what buildTasks or splitTasks returned');
  }
  if (set.size === 0) throw new InnerloopError('EMPTY_DATA', 'no tasks', { field });
}
