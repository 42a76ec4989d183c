/** What a user did before: the items of earlier interactions as a feature of each interaction. */
import { checkInteger, checkNumber, checkObject, checkString, invalid } from './check.js';
import type { Dataset, SequenceColumn } from './contract.js';
import { InnerloopError } from './errors.js';
import { groupRows } from './interactions/assemble.js';
import { DEFAULT_MAX_LENGTH } from './interactions/feature-spec.js';
import { sortByTime } from './tasks/rows.js';

export interface HistoryOptions {
  /** The column's name. Default `history`. */
  name?: string;
  /** At most so many items, the most recent ones. Default 20. */
  maxLength?: number;
  /** Leave out interactions with a smaller label. Default: none are left out. */
  minLabel?: number;
}

/**
 * The dataset with a sequence column in its context: for interaction r of user u at time t,
 *
 *     h(r) = the items of u's interactions at times < t (with label ≥ minLabel), oldest first, the last `maxLength` of them
 *
 * Strictly earlier only: interactions of one time do not see each other. Those of different items at one time keep the
 * file's order in later histories. An item that the model does not know is id 0 there, so the order stays whole.
 *
 * A history knows nothing of support and query: it is what the past was. With tasks of order `time` that no epoch redraws
 * (`redraw: false`) a query row's history holds the support and the query rows before it, as when a user is followed from
 * one interaction to the next. With random queries a support row may come after a query row and see its item, and with
 * `minLabel` learn something of its label: do not use it there.
 *
 * ```ts
 * const dataset = withHistory(await openDataset(source), { maxLength: 50 });
 * ```
 *
 * One counting sort by user and a sort by time within users that need one: O(n log n), and at most n · maxLength ids.
 *
 * @throws {InnerloopError} INVALID_OPTION (no time, a name that is taken …), UNKNOWN_OPTION, UNSUPPORTED (over 2³¹ − 1 ids)
 */
export function withHistory(dataset: Dataset, options: HistoryOptions = {}): Dataset {
  checkObject(options, 'history', ['name', 'maxLength', 'minLabel']);
  const { name = 'history', maxLength = DEFAULT_MAX_LENGTH, minLabel } = options;
  checkString(name, 'history.name');
  checkInteger(maxLength, 'history.maxLength', 1, 65536);
  if (minLabel !== undefined) checkNumber(minLabel, 'history.minLabel');
  const { context } = dataset;
  if (context.columns.some((column) => column.name === name)) throw invalid('history.name', 'the context has such a column', name, 'another name');
  const column = historyColumn(dataset, name, maxLength, minLabel);
  return { ...dataset, context: { ...context, columns: [...context.columns, column] } };
}

/** @internal */
export function historyColumn(dataset: Dataset, name: string, maxLength: number, minLabel: number | undefined): SequenceColumn {
  const { size, user, item, label, time, users, items } = dataset;
  if (time === undefined) throw invalid(`history (${name})`, 'the dataset has no time', undefined, 'interactions.time mapped to a column');
  const groups = groupRows(user, users.rows, undefined);
  // Kept items of all users one after the other, each user's in time order: a history is a window of this list.
  const kept = new Int32Array(size);
  const windowEnd = new Int32Array(size);
  const offsets = new Int32Array(size + 1);
  let total = 0;
  let end = 0;
  for (let u = 0; u < users.rows; u++) {
    const rows = groups.order.subarray(groups.offsets[u], groups.offsets[u + 1]);
    sortByTime(rows, time);
    const begin = end;
    for (let k = 0; k < rows.length; ) {
      const now = time[rows[k]!]!;
      const past = end;
      const length = Math.min(past - begin, maxLength);
      for (; k < rows.length && time[rows[k]!]! === now; k++) {
        const row = rows[k]!;
        windowEnd[row] = past;
        offsets[row + 1] = length;
        total += length;
        if (minLabel === undefined || label[row]! >= minLabel) kept[end++] = item[row]!;
      }
    }
  }
  if (total > 2 ** 31 - 1) {
    throw new InnerloopError('UNSUPPORTED', 'the histories are too long', { field: `history (${name})`, value: `${total} ids`, expected: 'at most 2³¹ − 1: a smaller maxLength' });
  }
  for (let row = 0; row < size; row++) offsets[row + 1]! += offsets[row]!;
  const data = new Int32Array(total);
  for (let row = 0; row < size; row++) {
    const past = windowEnd[row]!;
    data.set(kept.subarray(past - (offsets[row + 1]! - offsets[row]!), past), offsets[row]);
  }
  return { kind: 'sequence', name, vocabulary: items.keys, maxLength, minLabel, offsets, data };
}
