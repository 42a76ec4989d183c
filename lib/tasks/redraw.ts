/** Support and query of tasks drawn anew, which is what an epoch of training sees. */
import { checkInteger, checkSeed, invalid } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import type { Random } from '../foundation/random.js';
import { fillTask } from './build.js';
import { checkAnyTaskSet } from './check.js';
import { SUPPORT_SIZE } from './options.js';
import type { SupportSize } from './option-types.js';

/**
 * The same tasks with support and query drawn anew from the rows of each: a fresh draw per epoch, at their sizes or, with
 * `supportSize`, at sizes that are drawn too. The result depends on (seed, epoch, the rows of each task), not on how they were divided
 * before.
 *
 * A size s has a probability ∝ 1 / s (log-uniform): about as many tasks have one support row as two to three and as four to seven, so
 * that a learner trains for users who have just arrived as much as for those who have long been there. The other rows are the query.
 *
 * @param epoch an integer ≥ 0
 */
export function redrawQuery(tasks: TaskSet, seed: number, epoch: number, supportSize?: SupportSize): TaskSet {
  checkAnyTaskSet(tasks, 'tasks');
  checkSeed(seed, 'seed');
  checkInteger(epoch, 'epoch', 0);
  if (tasks.prescribed === true)
    throw invalid('tasks', 'have their support and query prescribed', tasks.keys, 'tasks whose query is drawn');
  const sizes = supportSize && resolveOptions(supportSize, 'supportSize', SUPPORT_SIZE);
  return redrawSome(
    tasks,
    Int32Array.from({ length: tasks.size }, (_, t) => t),
    random(seed, 'redraw', epoch),
    sizes,
  );
}

/**
 * {@link redrawQuery} of some tasks of a set: each is drawn as it would be among the others.
 *
 * @param numbers of the tasks in their set
 * @param stream of the epoch
 * @internal
 */
export function redrawSome(
  tasks: TaskSet,
  numbers: Int32Array,
  stream: Random,
  sizes: Required<SupportSize> | undefined,
): TaskSet {
  const offsets = sizes && drawSizes(tasks, numbers, sizes, stream);
  const redrawn = {
    ...tasks,
    ...offsets,
    supportRows: new Int32Array(offsets?.supportOffsets[tasks.size] ?? tasks.supportRows.length),
    queryRows: new Int32Array(offsets?.queryOffsets[tasks.size] ?? tasks.queryRows.length),
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
    fillTask(redrawn, t, rows, stream.child('task', numbers[t]));
  }
  return redrawn;
}

function drawSizes(
  tasks: TaskSet,
  numbers: Int32Array,
  { min, fraction }: Required<SupportSize>,
  stream: Random,
): Pick<TaskSet, 'supportOffsets' | 'queryOffsets'> {
  const supportOffsets = new Int32Array(tasks.size + 1);
  const queryOffsets = new Int32Array(tasks.size + 1);
  for (let t = 0; t < tasks.size; t++) {
    const rows = sizeOf(tasks, t);
    const most = Math.min(rows - 1, Math.max(min, Math.floor(fraction * rows)));
    const least = Math.min(min, most);
    const support = harmonic(least, most, stream.child('size', numbers[t]).uniform());
    supportOffsets[t + 1] = supportOffsets[t] + support;
    queryOffsets[t + 1] = queryOffsets[t] + rows - support;
  }
  return { supportOffsets, queryOffsets };
}

/** A number from `least` to `most`, s with probability ∝ 1 / s (of s + 1 where 0 is one of them): sums and quotients, the same everywhere. */
function harmonic(least: number, most: number, share: number): number {
  const shift = least === 0 ? 1 : 0;
  let total = 0;
  for (let size = least; size <= most; size++) total += 1 / (size + shift);
  let rest = share * total;
  for (let size = least; size < most; size++) {
    rest -= 1 / (size + shift);
    if (rest < 0) return size;
  }
  return most;
}

function sizeOf(tasks: TaskSet, t: number): number {
  return tasks.supportOffsets[t + 1] - tasks.supportOffsets[t] + tasks.queryOffsets[t + 1] - tasks.queryOffsets[t];
}
