import { bagColumn } from '../baselines/item-features.js';
import { invalid, unknownName } from '../foundation/check.js';
import type { Column, FeatureTable } from '../foundation/contract.js';

/** The column that lists are described by: the named one, or without a name the bag with the smallest vocabulary, such as genres. */
export function featureColumn(items: FeatureTable, name: string | undefined): Column {
  const field = 'evaluation.features';
  if (name === undefined) {
    const bag = bagColumn(items, undefined);
    if (bag === undefined)
      throw invalid(field, 'missing', undefined, 'the name of an item feature: the items have no lists such as genres');
    return bag;
  }
  const column = items.columns.find((each) => each.name === name);
  if (column === undefined)
    throw unknownName(
      field,
      'no such item feature',
      name,
      items.columns.map((each) => each.name),
    );
  return column;
}

/** The distinct ids of one item in a categorical or bag column, without id 0, which means missing. */
export function categories(column: Column, item: number): Int32Array {
  if (column.kind === 'dense')
    throw invalid('evaluation.features', 'is a dense feature', column.name, 'a categorical or bag feature');
  const ids =
    column.kind === 'categorical'
      ? column.data.subarray(item, item + 1)
      : column.data.subarray(column.offsets[item], column.offsets[item + 1]);
  return ids.filter((id, i) => id !== 0 && ids.indexOf(id) === i);
}

/** 1 − cosine of two items' features (0/1 indicators of categories); NaN if either has no category. */
export function distance(column: Column, a: number, b: number): number {
  if (column.kind === 'dense') {
    const { data, size } = column;
    let [ab, aa, bb] = [0, 0, 0];
    for (let d = 0; d < size; d++) {
      const [x, y] = [data[a * size + d], data[b * size + d]];
      [ab, aa, bb] = [ab + x * y, aa + x * x, bb + y * y];
    }
    return 1 - ab / Math.sqrt(aa * bb);
  }
  const [left, right] = [categories(column, a), categories(column, b)];
  let shared = 0;
  for (const id of left) if (right.includes(id)) shared++;
  return 1 - shared / Math.sqrt(left.length * right.length);
}
