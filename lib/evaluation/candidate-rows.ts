/** Adds rows at the end of a dataset for interactions that have not taken place, to score items for a user. */
import type { Column, Dataset, SequenceColumn } from '../foundation/contract.js';

/** The most candidates that are scored in one call, so that memory does not grow with the number of tasks. */
export const ROWS_A_CALL = 200_000;

type Numbers = Int32Array | Float32Array | Float64Array;

/**
 * The dataset with `more` interactions added at its end, whose users, items and labels the caller fills in. Their time is the latest
 * of the dataset, and their features are missing.
 */
export function withRoom(dataset: Dataset, more: number): Dataset {
  const { size, context } = dataset;
  const extend = <A extends Numbers>(array: A, length = size + more): A => {
    const longer = new (array.constructor as new (length: number) => A)(length);
    longer.set(array);
    return longer;
  };
  const columns = context.columns.map((column): Column => {
    if (column.kind === 'dense') {
      const { scaling } = column;
      const length = (size + more) * column.size;
      const raw = scaling?.raw && extend(scaling.raw, length).fill(Number.NaN, scaling.raw.length);
      return { ...column, data: extend(column.data, length), ...(raw && { scaling: { ...scaling, raw } }) };
    }
    if (column.kind === 'categorical') return { ...column, data: extend(column.data) };
    return { ...column, offsets: extend(column.offsets, size + more + 1).fill(column.data.length, size) };
  });
  // The added interactions take place at the latest time.
  const now = dataset.time?.reduce((a, b) => Math.max(a, b), -Infinity);
  return {
    ...dataset,
    size: size + more,
    user: extend(dataset.user),
    item: extend(dataset.item),
    label: extend(dataset.label),
    time: dataset.time === undefined ? undefined : extend(dataset.time).fill(now!, size),
    ...(dataset.weight && { weight: extend(dataset.weight).fill(1, size) }),
    context: { ...context, rows: size + more, columns },
  };
}

/** Whether interactions have a history that is not just the support of their task. */
export const hasHistories = ({ context }: Dataset): boolean => context.columns.some(isHistory);
const isHistory = (column: Column): column is SequenceColumn => column.kind === 'sequence' && column.of === 'before';

/** Gives each added row the history of a row of the same user, which `like` names. */
export function withHistoriesOf(extended: Dataset, size: number, like: Int32Array): Dataset {
  const columns = extended.context.columns.map((column): Column => {
    if (!isHistory(column)) return column;
    const offsets = column.offsets.slice();
    for (const [k, row] of like.entries())
      offsets[size + k + 1] = offsets[size + k] + column.offsets[row + 1] - column.offsets[row];
    const data = new Int32Array(offsets[size + like.length]);
    data.set(column.data.subarray(0, offsets[size]));
    for (const [k, row] of like.entries())
      data.set(column.data.subarray(column.offsets[row], column.offsets[row + 1]), offsets[size + k]);
    return { ...column, offsets: offsets.fill(data.length, size + like.length), data };
  });
  return { ...extended, context: { ...extended.context, columns } };
}
