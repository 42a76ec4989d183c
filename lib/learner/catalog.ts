/** What a learner keeps of the data that it was trained on. */
import { idsIn } from '../data/vocabulary.js';
import { withoutInteractions } from '../data/columns.js';
import type { Column, Dataset, FeatureTable, TaskSet } from '../foundation/contract.js';

/** The part of a dataset that serving needs: feature tables and vocabularies, no interactions. @internal */
export function catalogOf(dataset: Dataset): Dataset {
  const { users, items, context } = dataset;
  return withoutInteractions(
    {
      users: kept(users),
      items: kept(items, 1),
      context: { rows: 1, keys: context.keys, columns: context.columns.map(usual) },
    },
    1,
  );
}

/** The moments of dense columns stay; their raw numbers do not: a catalog is never brought to those of another table. */
function kept(table: FeatureTable, keep = 0): FeatureTable {
  return { ...table, columns: table.columns.map((column) => withoutRaw(column, keep)) };
}

/** @param keep numbers of a row that stay: what items are filtered by and shown with is in the units of the source */
function withoutRaw(column: Column, keep = 0): Column {
  if (column.kind !== 'dense' || column.scaling === undefined || column.size === keep) return column;
  const { raw: _, ...scaling } = column.scaling;
  return { ...column, scaling };
}

/**
 * The one row that stands for an interaction of which a feature is not told: the mean of a dense column, the most frequent value
 * of a categorical one (of equally many the first), no values of a bag, no history.
 */
function usual(column: Column): Column {
  if (column.kind === 'dense') return { ...withoutRaw(column), data: new Float32Array(column.size) } as Column;
  if (column.kind === 'bag' || column.kind === 'sequence')
    return { ...column, data: new Int32Array(0), offsets: new Int32Array(2) };
  const counts = new Int32Array(column.vocabulary.values.length);
  for (const id of column.data) counts[id]++;
  let best = 0;
  for (let id = 1; id < counts.length; id++) if (counts[id] > (best === 0 ? 0 : counts[best])) best = id;
  return { ...column, data: Int32Array.of(best) };
}

/** How many interactions of the tasks each user or item row of their dataset has. @internal */
export function rowCounts({ dataset, supportRows, queryRows }: TaskSet, side: 'user' | 'item'): Int32Array {
  const counts = new Int32Array(side === 'user' ? dataset.users.rows : dataset.items.rows);
  const ids = dataset[side];
  for (const rows of [supportRows, queryRows]) for (const row of rows) counts[ids[row]]++;
  return counts;
}

/** Counts of the item rows of a dataset, by item row of a catalog. @internal */
export function catalogCounts(counts: Int32Array, { items }: Dataset, catalog: Dataset): Int32Array {
  const { keys } = catalog.items;
  const found = new Int32Array(catalog.items.rows);
  const rowOf = keys === items.keys ? undefined : idsIn(keys, items.keys.values);
  for (let row = 1; row < counts.length; row++) found[rowOf?.[row] ?? row] += counts[row];
  found[0] = 0;
  return found;
}
