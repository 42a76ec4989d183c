/** Statistics of each item's training rows, as columns that models read as inputs. */
import { checkDataset, checkRowsOf } from '../foundation/check-data.js';
import type { Dataset } from '../foundation/contract.js';
import { denseColumns } from './columns.js';

/** Names of the columns that {@link addItemStatistics} adds. */
export const ITEM_STATISTICS = ['item.popularity', 'item.mean', 'item.spread'] as const;

/**
 * Adds three standardised columns to the items of a dataset, to be named as inputs. For an item with n rows, `item.popularity` is
 * ln(1 + n), `item.mean` the mean of the labels, and `item.spread` their population standard deviation. The mean is missing for an
 * item without rows and the spread for one with fewer than two; a missing value is read as the mean over all items. Existing
 * columns of these names are replaced.
 *
 * ```ts
 * const split = splitTasks(dataset, options);
 * addItemStatistics(dataset, split.trainRows);
 * const inputs = describeInputs(dataset, [{ name: 'item', dim: 8 }, { name: 'item.popularity' }], split.trainRows);
 * ```
 *
 * @param rows interactions that training may see; rows of test users would leak the labels to be predicted
 * @throws {InnerloopError} INVALID_OPTION
 */
export function addItemStatistics(dataset: Dataset, rows: Int32Array): void {
  checkDataset(dataset, 'dataset');
  checkRowsOf(dataset, rows, 'rows');
  const { items, item, label } = dataset;
  const [counts, sums, squares] = [0, 1, 2].map(() => new Float64Array(items.rows));
  for (const row of rows) {
    counts[item[row]]++;
    sums[item[row]] += label[row];
  }
  for (const row of rows) squares[item[row]] += (label[row] - sums[item[row]] / counts[item[row]]) ** 2;
  const values = [
    counts.map((n) => Math.log1p(n)),
    counts.map((n, i) => (n === 0 ? NaN : sums[i] / n)),
    counts.map((n, i) => (n < 2 ? NaN : Math.sqrt(squares[i] / n))),
  ];
  // Row 0 stands for no item.
  for (const column of values) column[0] = NaN;
  const options = { normalize: false, standardize: true, present: false };
  const added = ITEM_STATISTICS.flatMap((name, k) => denseColumns(name, 1, values[k], options, name, 1, []));
  const kept = items.columns.filter(({ name }) => !(ITEM_STATISTICS as readonly string[]).includes(name));
  dataset.items = { ...items, columns: [...kept, ...added] };
}
