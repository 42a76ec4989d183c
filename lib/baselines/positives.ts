/** What the baselines for clicks and purchases are fitted on: who had what, each pair once. */
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { checkTasks, checkTraining, groupRows } from './baseline.js';
import type { Baseline } from './baseline.js';

/** Whether all labels are the same: purchases, clicks, plays, of which nobody said how much. */
export function hasOneLabel({ label, size }: Pick<Dataset, 'label' | 'size'>): boolean {
  for (let row = 1; row < size; row++) if (label[row] !== label[0]) return false;
  return true;
}

export type IsPositive = (label: number) => boolean;

/** @param minLabel the option of `itemKnn` and `ease` */
export function positiveRule(minLabel: number | undefined): IsPositive {
  if (minLabel === undefined) return (label) => label > 0;
  // Labels are float32.
  const least = Math.fround(minLabel);
  return (label) => label >= least;
}

/**
 * The items of each user, as columns of what is known: item `items[c]` of the dataset is column c, and user u had the columns
 * `entries[offsets[u]] … entries[offsets[u + 1] − 1]`, each once and ascending. Users without interactions are left out.
 */
export interface Positives {
  items: Int32Array;
  /** Column of each item row, −1 of an item without interactions. */
  columnOf: Int32Array;
  users: number;
  offsets: Int32Array;
  entries: Int32Array;
  /** Users of each column. */
  counts: Float64Array;
}

/** @throws {InnerloopError} EMPTY_DATA where no row counts; what `checkTraining` refuses */
export function positivesOf(dataset: Dataset, trainRows: Int32Array, isPositive: IsPositive, field: string): Positives {
  checkTraining(dataset, trainRows);
  const rows = trainRows.filter((row) => isPositive(dataset.label[row]));
  if (rows.length === 0)
    throw new InnerloopError('EMPTY_DATA', 'no training interaction counts as positive', {
      field: `${field}.minLabel`,
      expected: 'labels above 0, or a lower minLabel',
    });
  const columnOf = new Int32Array(dataset.items.rows).fill(-1);
  for (const row of rows) columnOf[dataset.item[row]] = 0;
  const items: number[] = [];
  for (let item = 1; item < columnOf.length; item++) if (columnOf[item] === 0) columnOf[item] = items.push(item) - 1;

  const byUser = groupRows(rows, dataset.user, dataset.users.rows);
  const entries = new Int32Array(rows.length);
  const offsets = [0];
  let used = 0;
  for (let u = 0; u + 1 < byUser.offsets.length; u++) {
    const own = byUser.entries
      .subarray(byUser.offsets[u], byUser.offsets[u + 1])
      .map((row) => columnOf[dataset.item[row]]);
    if (own.length === 0) continue;
    own.sort();
    for (let k = 0; k < own.length; k++) if (k === 0 || own[k] !== own[k - 1]) entries[used++] = own[k];
    offsets.push(used);
  }
  const counts = new Float64Array(items.length);
  for (let e = 0; e < used; e++) counts[entries[e]]++;
  return {
    items: Int32Array.from(items),
    columnOf,
    users: offsets.length - 1,
    offsets: Int32Array.from(offsets),
    entries: entries.slice(0, used),
    counts,
  };
}

/**
 * A baseline that scores by the columns a task's support rows hold. An item that training never saw has the score 0.
 *
 * @param scoreTask fills `scores` for the `wanted` columns (−1: unknown) from the `held` ones, each once
 */
export function bySupport(
  name: string,
  dataset: Dataset,
  { columnOf }: Positives,
  isPositive: IsPositive,
  scoreTask: (held: Int32Array, wanted: Int32Array, scores: Float64Array) => void,
): Baseline {
  return {
    name,
    kind: 'classic',
    scores: 'order',
    predict(tasks: TaskSet) {
      checkTasks(dataset, tasks);
      const { item, label } = tasks.dataset;
      const scores = new Float64Array(tasks.queryRows.length);
      for (let t = 0; t < tasks.size; t++) {
        const held = new Set<number>();
        for (let s = tasks.supportOffsets[t]; s < tasks.supportOffsets[t + 1]; s++) {
          const row = tasks.supportRows[s];
          const column = columnOf[item[row]];
          if (column >= 0 && isPositive(label[row])) held.add(column);
        }
        const [from, to] = [tasks.queryOffsets[t], tasks.queryOffsets[t + 1]];
        const wanted = tasks.queryRows.subarray(from, to).map((row) => columnOf[item[row]]);
        scoreTask(Int32Array.from(held).sort(), wanted, scores.subarray(from, to));
      }
      return scores;
    },
  };
}
