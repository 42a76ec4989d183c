/** How tasks of a step are read: by this process alone, or by the owners of their shards, who hand them to each other. */
import type { TaskSet } from '../foundation/contract.js';
import type { OrderedGroup } from '../foundation/process-group.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import { checkedRead, readTasks } from '../tasks/task-source.js';
import type { EpochOrder } from './task-sampling.js';

/**
 * Reads the tasks `from … to − 1` of those of a step.
 *
 * @param tasks all of the step
 * @param at which step they are for, should a process not answer
 */
export type Reading = (
  tasks: Int32Array,
  [from, to]: [from: number, to: number],
  order: EpochOrder,
  at: string,
) => Promise<TaskSet>;

export function readingOf(source: TaskSource, group: OrderedGroup | undefined): Reading {
  if (group === undefined || group.size === 1 || source.share === undefined) {
    const ahead = beginAhead((tasks) => source.readAhead?.(tasks));
    return async (tasks, [from, to], order) => {
      const read = from === to ? noTasks(source) : await readTasks(source, tasks.subarray(from, to), 'tasks');
      ahead(order);
      return read;
    };
  }
  const { rank, size } = group;
  const shared = source.share(size);
  const ownedOf = (tasks: Int32Array, owners: Int32Array) => tasks.filter((_, k) => owners[k] === rank);
  const ahead = beginAhead((tasks, order) => shared.readAhead(ownedOf(tasks, order.owners!(tasks, size))));
  return async (tasks, [from, to], order, at) => {
    const owners = order.owners!(tasks, size);
    const bytes = shared.read(ownedOf(tasks, owners));
    // Asked for before anything is awaited, so that exchanges are in one order in all processes.
    const all = group.allGather(bytes, at);
    await bytes;
    ahead(order);
    const own = shared.assemble(tasks, owners, await all, from, to);
    return checkedRead(own, source, tasks.subarray(from, to), 'tasks');
  };
}

/** What a process reads that has nothing to do for a step. */
function noTasks({ tables }: TaskSource): TaskSet {
  const [none, offsets] = [new Int32Array(0), Int32Array.of(0)];
  const rows = { supportOffsets: offsets, supportRows: none, queryOffsets: offsets, queryRows: none };
  return { dataset: tables, size: 0, keys: [], users: none, ...rows };
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
