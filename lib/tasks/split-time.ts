import type { Dataset, TaskSet } from '../foundation/contract.js';
import { divide } from './build.js';
import { groupByKey } from './key.js';
import { DEFAULT_SEED } from './options.js';
import { emptyError, resolveTaskOptions } from './resolve-options.js';
import type { TimeSplit } from './option-types.js';
import type { ResolvedTaskOptions } from './resolve-options.js';
import { sortByTime } from '../foundation/sort-by-time.js';
import { TaskSetBuilder } from './task-set-builder.js';
import type { Split } from './split.js';

/** Times from which the rows of validation and of test begin. */
export type TimeCuts = readonly [validation: number, test: number];

export function timeCuts(dataset: Dataset, { validation = 0, test = 0 }: TimeSplit): TimeCuts {
  const sorted = dataset.time!.slice().sort();
  // Rows of one time are on one side of a cut.
  const cutOf = (share: number) => (share >= 1 ? Number.POSITIVE_INFINITY : sorted[Math.floor(share * sorted.length)]);
  const testCut = cutOf(1 - test);
  return [validation === 0 ? testCut : cutOf(1 - test - validation), testCut];
}

/** {@link TimeSplit} on checked options. */
export function splitTime(
  dataset: Dataset,
  { validation = 0, test = 0, seed = DEFAULT_SEED, tasks: given }: TimeSplit,
  [validationCut, testCut]: TimeCuts,
): Split {
  const time = dataset.time!;
  const tasks = resolveTaskOptions(dataset, given, 'split.tasks', seed);
  const trainRows = rowsBetween(time, Number.NEGATIVE_INFINITY, validationCut);
  const { notes: own, ...train } = divide(dataset, { ...tasks, rows: trainRows }, 'train');
  const sets: Record<string, TaskSet> = { train };
  const rows: Record<string, Int32Array> = { train: trainRows };
  const notes = own.map((note) => `train: ${note}`);
  for (const [name, from, to] of [
    ['validation', validationCut, testCut],
    ['test', testCut, Number.POSITIVE_INFINITY],
  ] as const) {
    if ((name === 'validation' ? validation : test) === 0) continue;
    rows[name] = rowsBetween(time, from, to);
    sets[name] = windowTasks(dataset, tasks, from, to);
    if (sets[name].size > 0) continue;
    throw emptyError(
      `split.${name}`,
      `no task has a row from time ${from} on and ${tasks.leastSupport} before`,
      'a larger fraction, or fewer shots',
    );
  }
  return { sets, trainRows, rows, notes };
}

/** Tasks with query rows from `from` until before `to`, and rows before `from` as their support. */
export function windowTasks(dataset: Dataset, options: ResolvedTaskOptions, from: number, to: number): TaskSet {
  const time = dataset.time!;
  const { order, offsets, names } = groupByKey(dataset, options.by, options.rows);
  const tasks = new TaskSetBuilder();
  for (let key = 1; key < names.length; key++) {
    const rows = sortByTime(order.subarray(offsets[key], offsets[key + 1]), time);
    let start = 0;
    while (start < rows.length && time[rows[start]] < from) start++;
    let end = start;
    while (end < rows.length && time[rows[end]] < to) end++;
    if (end === start || start < options.leastSupport || end < options.min || end > options.max) continue;
    const support = rows.subarray(Math.max(0, start - options.support), start);
    tasks.add(names[key], options.by === 'user' ? key : 0, support, rows.subarray(start, end));
  }
  return tasks.build(dataset);
}

function rowsBetween(time: Float64Array, from: number, to: number): Int32Array {
  const rows = new Int32Array(time.length);
  let count = 0;
  for (let row = 0; row < time.length; row++) if (time[row] >= from && time[row] < to) rows[count++] = row;
  return rows.slice(0, count);
}
