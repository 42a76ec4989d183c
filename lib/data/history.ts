/** Histories: the items of a user's earlier interactions as a feature of each interaction. */
import { checkDataset } from '../foundation/check-data.js';
import { invalid } from '../foundation/check.js';
import type { Dataset, SequenceColumn } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { groupRows } from '../foundation/group-rows.js';
import { resolveOptions } from '../foundation/options.js';
import { HISTORY_OPTIONS } from './options.js';
import type { HistoryOptions } from './option-types.js';
import { sortByTime } from '../foundation/sort-by-time.js';

export type { HistoryOptions };

/**
 * Returns the dataset with a sequence column in its context. For interaction r of user u at time t it holds
 *
 *     h(r) = the items of u's interactions at times < t (with label ≥ minLabel), oldest first, the last `maxLength` of them
 *
 * Only strictly earlier interactions count: those at the same time do not see each other, and keep the file's order in later
 * histories. An item that the model does not know has id 0 and keeps its place in the sequence.
 *
 * `of: 'before'` does not depend on the split into support and query. With tasks of order `time` that are not redrawn every epoch
 * (`redraw: false`), a query row's history holds the support and query rows before it, as when a user is followed from one
 * interaction to the next. With random queries, a support row may come after a query row: its history then contains that row's
 * item, and with `minLabel` reveals something of that row's label. In that case use `of: 'support'`:
 *
 *     h(r) = the items of the task's support rows, oldest first; for a support row, only those at times < t
 *
 * which holds only what the task may know. A personal model's history is its support set, in the order given.
 *
 * ```ts
 * const dataset = withHistory(await openDataset(source), { maxLength: 50 });
 * ```
 *
 * It takes a counting sort by user and a sort by time within the users that need one: O(n log n) time, at most n · maxLength ids.
 *
 * @throws {InnerloopError} INVALID_OPTION (no time, a name that is taken …), UNKNOWN_OPTION, UNSUPPORTED (over 2³¹ − 1 ids)
 */
export function withHistory(dataset: Dataset, options: HistoryOptions = {}): Dataset {
  const { name, of, maxLength, minLabel } = resolveOptions(options, 'history', HISTORY_OPTIONS);
  checkDataset(dataset, 'dataset');
  const { context } = dataset;
  if (context.columns.some((column) => column.name === name))
    throw invalid('history.name', 'the context has such a column', name, 'another name');
  if (dataset.time === undefined)
    throw invalid('history', 'the dataset has no time', undefined, 'interactions.time mapped to a column');
  const ids =
    of === 'before'
      ? itemsBefore(dataset, dataset.time, maxLength, minLabel)
      : { offsets: new Int32Array(dataset.size + 1), data: new Int32Array(0) };
  const column: SequenceColumn = {
    kind: 'sequence',
    name,
    vocabulary: dataset.items.keys,
    maxLength,
    minLabel,
    of,
    ...ids,
  };
  return { ...dataset, context: { ...context, columns: [...context.columns, column] } };
}

function itemsBefore(
  { size, user, item, label, users }: Dataset,
  time: Float64Array,
  maxLength: number,
  minLabel: number | undefined,
) {
  const groups = groupRows(user, users.rows, undefined);
  // `kept` holds the kept items of all users one after the other, each user's in time order; a history is a window of it.
  const kept = new Int32Array(size);
  const windowEnd = new Int32Array(size);
  const offsets = new Int32Array(size + 1);
  let total = 0;
  let end = 0;
  for (let u = 0; u < users.rows; u++) {
    const rows = groups.order.subarray(groups.offsets[u], groups.offsets[u + 1]);
    sortByTime(rows, time);
    const begin = end;
    for (let k = 0; k < rows.length;) {
      const now = time[rows[k]];
      const past = end;
      const length = Math.min(past - begin, maxLength);
      for (; k < rows.length && time[rows[k]] === now; k++) {
        const row = rows[k];
        windowEnd[row] = past;
        offsets[row + 1] = length;
        total += length;
        if (minLabel === undefined || label[row] >= minLabel) kept[end++] = item[row]!;
      }
    }
  }
  if (total > 2 ** 31 - 1) {
    throw new InnerloopError('UNSUPPORTED', 'the histories are too long', {
      field: 'history.maxLength',
      value: `${total} ids`,
      expected: 'at most 2³¹ − 1: a smaller maxLength',
    });
  }
  for (let row = 0; row < size; row++) offsets[row + 1] += offsets[row];
  const data = new Int32Array(total);
  for (let row = 0; row < size; row++) {
    const past = windowEnd[row];
    data.set(kept.subarray(past - (offsets[row + 1] - offsets[row]), past), offsets[row]);
  }
  return { offsets, data };
}
