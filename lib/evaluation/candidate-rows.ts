/** Interactions that have not happened: rows at the end of a dataset, to score items for a user. */
import type { Column, Dataset, SequenceColumn } from '../foundation/contract.js';

/** Candidates scored by one call: memory does not grow with the number of tasks. */
export const ROWS_A_CALL = 200_000;

type Numbers = Int32Array | Float32Array | Float64Array;

/**
 * The dataset with room for `more` interactions at its end, whose users, items and labels are to be filled in. They happen now,
 * and what an interaction alone would say is missing.
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
  // What is recommended is recommended now.
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

/** Whether an interaction's history is more than its task's support. */
export const hasHistories = ({ context }: Dataset): boolean => context.columns.some(isHistory);
const isHistory = (column: Column): column is SequenceColumn => column.kind === 'sequence' && column.of === 'before';

/** Copies histories and gives each added row that of the row `like` names, which is what the user had before it. */
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
