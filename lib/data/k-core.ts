/** The k-core: users and items with enough interactions (Seidman, "Network structure and minimum degree", 1983). */
import type { Dataset, FeatureTable } from '../foundation/contract.js';
import type { RawInteractions } from './assemble.js';
import { gatherColumn } from './columns.js';
import type { DataRules } from './source.js';
import { createVocabulary } from './vocabulary.js';

/** Clears `keep` for interactions of users or items with too few interactions, until every user and item left has enough. */
export function keepCore(
  { user, item, users, items }: RawInteractions,
  keep: Uint8Array,
  kCore: NonNullable<DataRules['kCore']>,
  notes: string[],
): void {
  const least = typeof kCore === 'number' ? { user: kCore, item: kCore } : { user: 1, item: 1, ...kCore };
  const degree = { user: new Int32Array(users.rows), item: new Int32Array(items.rows) };
  let before = 0;
  for (let i = 0; i < keep.length; i++) {
    if (keep[i] === 0) continue;
    before++;
    degree.user[user[i]]++;
    degree.item[item[i]]++;
  }
  const left = (degrees: Int32Array): number => degrees.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  const had = { user: left(degree.user), item: left(degree.item) };
  let dropped = 0;
  for (let previous = -1; previous !== dropped;) {
    previous = dropped;
    for (let i = 0; i < keep.length; i++) {
      if (keep[i] === 0 || (degree.user[user[i]] >= least.user && degree.item[item[i]] >= least.item)) continue;
      keep[i] = 0;
      degree.user[user[i]]--;
      degree.item[item[i]]--;
      dropped++;
    }
  }
  if (dropped > 0)
    notes.push(
      `kCore: ${dropped} of ${before} interactions are of users with fewer than ${least.user} or items with fewer than ${least.item} and were dropped; ${left(degree.user)} of ${had.user} users and ${left(degree.item)} of ${had.item} items are left`,
    );
}

/** The dataset without users and items that have no interaction, so that only items of the core can be recommended. */
export function withoutUnused(dataset: Dataset): Dataset {
  const users = used(dataset.users, dataset.user);
  const items = used(dataset.items, dataset.item);
  return { ...dataset, user: users.ids, users: users.table, item: items.ids, items: items.table };
}

function used(table: FeatureTable, ids: Int32Array): { table: FeatureTable; ids: Int32Array } {
  const isUsed = new Uint8Array(table.rows);
  isUsed[0] = 1;
  for (const id of ids) isUsed[id] = 1;
  const place = new Int32Array(table.rows);
  const kept: number[] = [];
  for (let id = 0; id < table.rows; id++) if (isUsed[id] === 1) place[id] = kept.push(id) - 1;
  const rows = Int32Array.from(kept);
  return {
    ids: ids.map((id) => place[id]),
    table: {
      rows: kept.length,
      keys: createVocabulary(kept.map((id) => table.keys.values[id])),
      columns: table.columns.map((column) => gatherColumn(column, rows)),
      ...(table.named && { named: table.named.filter((_, id) => isUsed[id] === 1) }),
    },
  };
}
