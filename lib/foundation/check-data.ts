/** Datasets as arguments: whether a value is one, before anything reads its columns. */
import { invalid } from './check.js';
import type { Dataset, FeatureTable } from './contract.js';
import { InnerloopError } from './errors.js';
import { isTyped } from './typed-arrays.js';

/** Weights that were checked, which is work for every row. */
const checked = new WeakSet<Float32Array>();

/**
 * @throws {InnerloopError} INVALID_OPTION for what is no dataset, INVALID_DATA naming the row of a weight that is negative or not finite
 * @internal
 */
export function checkDataset(value: unknown, field: string): asserts value is Dataset {
  const { size, user, item, label, time, weight, users, items, context } = (value ?? {}) as Partial<Dataset>;
  const isDataset =
    typeof value === 'object' &&
    typeof size === 'number' &&
    [user, item].every((column) => isTyped(column, 'Int32Array') && column.length === size) &&
    isTyped(label, 'Float32Array') &&
    label.length === size &&
    (time === undefined || (isTyped(time, 'Float64Array') && time.length === size)) &&
    [users, items, context].every(isTable);
  if (!isDataset) throw invalid(field, 'not a dataset', value, 'what openDataset or datasetFromColumns returned');
  if (weight === undefined || checked.has(weight)) return;
  if (!isTyped(weight, 'Float32Array') || weight.length !== size)
    throw invalid(`${field}.weight`, 'not one weight a row', weight, `Float32Array(${size})`);
  const row = weight.findIndex((w) => !(w >= 0 && w < Infinity));
  if (row >= 0)
    throw new InnerloopError('INVALID_DATA', `row ${row + 1} has no valid weight`, {
      field: `${field}.weight[${row}]`,
      value: weight[row],
      expected: 'a finite number ≥ 0',
    });
  checked.add(weight);
}

/** Rows of a dataset: of its interactions, by number. @internal */
export function checkRowsOf({ size }: Dataset, rows: unknown, field: string): asserts rows is Int32Array {
  if (!isTyped(rows, 'Int32Array')) throw invalid(field, 'not rows of the dataset', rows, 'an Int32Array');
  const bad = rows.findIndex((row) => row < 0 || row >= size);
  if (bad >= 0) throw invalid(`${field}[${bad}]`, 'not a row of the dataset', rows[bad], `0 … ${size - 1}`);
}

function isTable(table: unknown): table is FeatureTable {
  const { rows, keys, columns } = (table ?? {}) as Partial<FeatureTable>;
  return (
    typeof rows === 'number' &&
    typeof keys === 'object' &&
    keys !== null &&
    Array.isArray(columns) &&
    columns.every((column: unknown) => typeof column === 'object' && column !== null)
  );
}
