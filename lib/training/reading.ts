/** How the tasks of a step are read: by this process alone, or by the owners of their shards, who hand them to each other. */
import type { TaskSet } from '../foundation/contract.js';
import type { OrderedGroup } from '../foundation/process-group.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import { checkedRead, readTasks } from '../tasks/task-source.js';
import type { EpochOrder } from './task-sampling.js';

/** @param at which step they are for, should a process not answer */
export type Reading = (tasks: Int32Array, order: EpochOrder, at: string) => Promise<TaskSet>;

export function readingOf(source: TaskSource, group: OrderedGroup | undefined): Reading {
  if (group === undefined || group.size === 1 || source.share === undefined) {
    const ahead = beginAhead((tasks) => source.readAhead?.(tasks));
    return async (tasks, order) => {
      const read = await readTasks(source, tasks, 'tasks');
      ahead(order);
      return read;
    };
  }
  const { rank, size } = group;
  const shared = source.share(size);
  const ownedOf = (tasks: Int32Array, owners: Int32Array) => tasks.filter((_, k) => owners[k] === rank);
  const ahead = beginAhead((tasks, order) => shared.readAhead(ownedOf(tasks, order.owners!(tasks, size))));
  return async (tasks, order, at) => {
    const owners = order.owners!(tasks, size);
    const bytes = shared.read(ownedOf(tasks, owners));
    // Asked for before anything is awaited, so that exchanges are in one order in all processes.
    const all = group.allGather(bytes, at);
    await bytes;
    ahead(order);
    return checkedRead(shared.assemble(tasks, owners, await all), source, tasks, 'tasks');
  };
}

/** Begins to read what comes next, once for each window: it has far more tasks than a step. */
function beginAhead(read: (tasks: Int32Array, order: EpochOrder) => void): (order: EpochOrder) => void {
  let begun: Int32Array | undefined;
  return (order) => {
    const next = order.ahead();
    if (next === begun || next.length === 0) return;
    begun = next;
    read(next, order);
  };
}
