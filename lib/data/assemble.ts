import type { Dataset } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { groupRows } from '../foundation/group-rows.js';
import { contextTable, gather, gatherColumn } from './columns.js';
import { DEFAULT_DUPLICATES } from './source.js';
import type { DataRules, DuplicateRule } from './source.js';

/** Interactions in file order, before the rules for missing labels and duplicates. A missing label is NaN. */
export type RawInteractions = Omit<Dataset, 'size' | 'notes'>;

/** Applies the rules for missing labels and duplicates; what remains keeps the file order. */
export function assemble(raw: RawInteractions, rules: DataRules, notes: string[]): Dataset {
  const rows = raw.user.length;
  const keep = new Uint8Array(rows).fill(1);
  const label = raw.label.slice();
  let missing = 0;
  for (let i = 0; i < rows; i++) {
    if (!Number.isNaN(label[i])) continue;
    keep[i] = 0;
    missing++;
  }
  if (missing > 0) notes.push(`${missing} of ${rows} interactions have no label and were dropped`);
  const rule = rules.duplicates ?? DEFAULT_DUPLICATES;
  const duplicates = markDuplicates(raw, label, keep, rule);
  if (duplicates > 0) {
    const what = rule === 'mean' ? 'merged into the last one with the mean label' : `dropped; the ${rule} one was kept`;
    notes.push(`${duplicates} of ${rows} interactions repeat a user and an item and were ${what}`);
  }
  const size = rows - missing - duplicates;
  if (size === 0)
    throw new InnerloopError('EMPTY_DATA', 'no interaction has a label', {
      field: 'interactions',
      expected: 'at least one row',
    });
  const { user, item, time, users, items, context } = raw;
  if (size === rows) return { size, user, item, label, time, users, items, context, notes };
  const kept = new Int32Array(size);
  for (let i = 0, k = 0; i < rows; i++) if (keep[i] === 1) kept[k++] = i;
  return {
    size,
    user: gather(user, kept),
    item: gather(item, kept),
    label: gather(label, kept),
    time: time === undefined ? undefined : gather(time, kept),
    users,
    items,
    context: contextTable(
      context.columns.map((column) => gatherColumn(column, kept)),
      size,
    ),
    notes,
  };
}

/**
 * Clears `keep` for all but one row of every (user, item) pair and returns how many it cleared. A counting sort by user
 * and one slot per item: O(rows + users + items), no hashing.
 */
function markDuplicates(raw: RawInteractions, label: Float32Array, keep: Uint8Array, rule: DuplicateRule): number {
  const { user, item, time } = raw;
  const { order, offsets } = groupRows(user, raw.users.rows, undefined);
  const winner = new Int32Array(raw.items.rows).fill(-1);
  const sum = new Float64Array(rule === 'mean' ? raw.items.rows : 0);
  const count = new Int32Array(rule === 'mean' ? raw.items.rows : 0);
  let cleared = 0;
  for (let u = 0; u < raw.users.rows; u++) {
    const start = offsets[u];
    const end = offsets[u + 1];
    const clearedBefore = cleared;
    for (let k = start; k < end; k++) {
      const row = order[k];
      if (keep[row] === 0) continue;
      const slot = item[row];
      const other = winner[slot];
      if (rule === 'mean') {
        sum[slot] = (other < 0 ? 0 : sum[slot]) + label[row];
        count[slot] = (other < 0 ? 0 : count[slot]) + 1;
      }
      if (other < 0) {
        winner[slot] = row;
        continue;
      }
      if (rule === 'error') throw duplicateError(raw, other, row);
      // Rows of a user come in file order, so a tie in time goes to the later row for `last`, the earlier for `first`.
      const later = time === undefined || time[row] >= time[other];
      const earlier = time !== undefined && time[row] < time[other];
      const replaces = rule === 'first' ? earlier : later;
      keep[replaces ? other : row] = 0;
      if (replaces) winner[slot] = row;
      cleared++;
    }
    for (let k = start; k < end; k++) {
      const slot = item[order[k]];
      if (rule === 'mean' && cleared > clearedBefore && winner[slot] >= 0 && count[slot] > 1) {
        label[winner[slot]] = sum[slot] / count[slot];
      }
      winner[slot] = -1;
    }
  }
  return cleared;
}

function duplicateError(raw: RawInteractions, first: number, second: number): InnerloopError {
  const user = raw.users.keys.values[raw.user[first]];
  const item = raw.items.keys.values[raw.item[first]];
  return new InnerloopError(
    'INVALID_DATA',
    `user ${JSON.stringify(user)} and item ${JSON.stringify(item)} are in rows ${first + 1} and ${second + 1}`,
    {
      field: 'interactions',
      expected: "each pair once (or another rule: duplicates: 'last', 'first' or 'mean')",
    },
  );
}
