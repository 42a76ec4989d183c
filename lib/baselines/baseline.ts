import { checkNotAborted } from '../foundation/abort.js';
import { checkTyped } from '../foundation/typed-arrays.js';
import { checkDataset } from '../foundation/check-data.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';

/**
 * A method that needs no meta-learning, to be measured on the same tasks. It is fitted on training interactions; of a
 * task it may read the support rows and the items of the query rows, never a query label and never what training knew of
 * the task's user.
 */
export interface Baseline {
  /** Its name in tables. */
  name: string;
  /** `trivial`: what any method must beat; `classic`: what a practitioner would use instead. */
  kind: 'trivial' | 'classic';
  /** Whether scores estimate labels, or are only good to sort by: leave `mae` and `rmse` out for `order`. */
  scores: 'label' | 'order';
  /** One score per query row, in the order of `tasks.queryRows`. */
  predict(tasks: TaskSet): Float64Array;
}

/** Entries of group g: `entries[offsets[g]] … entries[offsets[g + 1] − 1]`, in input order. */
export interface Groups {
  offsets: Int32Array;
  entries: Int32Array;
}

/** Groups interaction indices by a key column (counting sort). */
export function groupRows(rows: Int32Array, key: Int32Array, groups: number): Groups {
  const offsets = new Int32Array(groups + 1);
  for (let i = 0; i < rows.length; i++) offsets[key[rows[i]] + 1]++;
  for (let g = 0; g < groups; g++) offsets[g + 1] += offsets[g];
  const next = offsets.slice(0, groups);
  const entries = new Int32Array(rows.length);
  for (let i = 0; i < rows.length; i++) entries[next[key[rows[i]]]++] = rows[i];
  return { offsets, entries };
}

/** Number of training interactions of each item. */
export function itemCounts(dataset: Dataset, rows: Int32Array): Float64Array {
  const counts = new Float64Array(dataset.items.rows);
  for (let i = 0; i < rows.length; i++) counts[dataset.item[rows[i]]]++;
  return counts;
}

/** Mean label of the training interactions. */
export function meanLabel(dataset: Dataset, rows: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < rows.length; i++) sum += dataset.label[rows[i]];
  return sum / rows.length;
}

/**
 * @throws EMPTY_DATA without rows, INVALID_OPTION for a row outside the dataset, INVALID_DATA for a label that is not
 *   finite.
 */
export function checkTraining(dataset: Dataset, rows: Int32Array): void {
  checkDataset(dataset, 'dataset');
  checkTyped(rows, 'trainRows', 'Int32Array');
  if (rows.length === 0) throw new InnerloopError('EMPTY_DATA', 'no training interactions', { field: 'trainRows' });
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    if (!(row >= 0 && row < dataset.size)) {
      throw new InnerloopError('INVALID_OPTION', 'not an interaction of the dataset', {
        field: `trainRows[${i}]`,
        value: row,
        expected: `an index in 0 … ${dataset.size - 1}`,
      });
    }
    if (!Number.isFinite(dataset.label[row])) {
      throw new InnerloopError('INVALID_DATA', 'label is not finite', {
        field: `dataset.label[${row}]`,
        value: dataset.label[row],
        expected: 'a finite number',
      });
    }
  }
}

/** Item ids of another dataset mean other items. @throws INVALID_OPTION if the tasks are of another dataset's items. */
export function checkTasks(dataset: Dataset, tasks: TaskSet): void {
  if (tasks.dataset.items === dataset.items) return;
  throw new InnerloopError('INVALID_OPTION', "tasks of another dataset's items", {
    field: 'tasks.dataset',
    expected: 'tasks built from the dataset the baseline was fitted on',
  });
}

/** A baseline whose score is a function of the item alone. */
export function itemScores(baseline: Omit<Baseline, 'predict'>, dataset: Dataset, values: Float64Array): Baseline {
  return {
    ...baseline,
    predict(tasks) {
      checkTasks(dataset, tasks);
      return Float64Array.from(tasks.queryRows, (row) => values[tasks.dataset.item[row]]);
    },
  };
}

/** Lets timers and I/O run between the steps of a long fit. @throws ABORTED if the signal has fired. */
export async function yieldToEventLoop(signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  checkNotAborted(signal, 'fit aborted');
}
