/**
 * Values of tasks that are read block by block, in the order of the source, so that no more than a block of them is held. Several processes
 * take a run of consecutive blocks each, whose shards they read, and hand the values of their tasks to the others.
 */
import { checkNotAborted } from '../foundation/abort.js';
import type { TaskSet } from '../foundation/contract.js';
import { shareRanges } from '../foundation/process-group.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import { membersOf } from '../learner/ensemble.js';
import type { Ensemble } from '../learner/ensemble.js';
import type { Learner } from '../learner/learner.js';
import { CHUNK } from '../learner/steps.js';
import { sequentialReading } from '../tasks/task-source.js';

/** Tasks that are read at a time: whole chunks, so that outputs have the bits that they have in memory. */
const BLOCK = 4 * CHUNK;

/**
 * Calls `measure` with every block, and joins what it gives of the tasks of each: `columns` numbers a task, column by column.
 *
 * The blocks do not depend on the number of processes, and each is measured by one of them alone, so the values do not either.
 */
export async function valuesOfBlocks(
  learner: Learner | Ensemble,
  source: TaskSource,
  columns: number,
  measure: (tasks: TaskSet, from: number) => Promise<readonly Float64Array[]>,
  field: string,
  signal?: AbortSignal,
): Promise<Float64Array[]> {
  const { size } = source;
  const values = Array.from({ length: columns }, () => new Float64Array(size));
  const members = membersOf(learner);
  const groups = members.map(({ group }) => group);
  const [group] = groups;
  const rangeOf = (rank: number): [from: number, to: number] => {
    const blocks = Math.ceil(size / BLOCK);
    const first = (k: number) => Math.min(size, Math.ceil((k * blocks) / (group?.size ?? 1)) * BLOCK);
    return [first(rank), first(rank + 1)];
  };
  const [first, end] = rangeOf(group?.rank ?? 0);
  const read = sequentialReading(source, field);
  for (const member of members) member.group = undefined;
  try {
    for (let from = first; from < end; from += BLOCK) {
      checkNotAborted(signal, 'measuring was aborted', field);
      const length = Math.min(BLOCK, end - from);
      const tasks = await read(Int32Array.from({ length }, (_, k) => from + k));
      const measured = await measure(tasks, from);
      for (const [c, column] of values.entries()) column.set(measured[c], from);
    }
  } finally {
    members.forEach((member, k) => (member.group = groups[k]));
  }
  if (group !== undefined)
    for (const column of values)
      await shareRanges(group, column, (rank) => [rangeOf(rank)], `measures of ${size} tasks`);
  return values;
}
