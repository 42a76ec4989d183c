/** Merges or drops repeated interactions of the same user and item. */
import { InnerloopError } from '../foundation/errors.js';
import { groupRows } from '../foundation/group-rows.js';
import type { RawInteractions } from './assemble.js';
import type { DuplicateRule } from './source-option-types.js';

/** The columns whose values merging may change. */
export interface MergedValues {
  label: Float32Array;
  count: Float32Array | undefined;
  weight: Float32Array | undefined;
}

/**
 * Clears `keep` for all but one row of every (user, item) pair and returns how many it cleared. A counting sort by user
 * and one slot per item: O(rows + users + items), no hashing.
 */
export function mergeDuplicates(
  raw: RawInteractions,
  values: MergedValues,
  keep: Uint8Array,
  rule: DuplicateRule,
  hasLabel: boolean,
): number {
  const { user, item, time } = raw;
  const { order, offsets } = groupRows(user, raw.users.rows, undefined);
  const winner = new Int32Array(raw.items.rows).fill(-1);
  const merged = mergedColumns(values, rule, hasLabel);
  const sums = merged.map(() => new Float64Array(raw.items.rows));
  const times = new Int32Array(merged.length === 0 ? 0 : raw.items.rows);
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
      for (let m = 0; m < merged.length; m++) sums[m][slot] = (other < 0 ? 0 : sums[m][slot]) + merged[m][row];
      if (merged.length > 0) times[slot] = (other < 0 ? 0 : times[slot]) + 1;
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
      if (cleared > clearedBefore && winner[slot] >= 0 && times[slot] > 1)
        for (let m = 0; m < merged.length; m++) {
          const value = Math.fround(rule === 'mean' ? sums[m][slot] / times[slot] : sums[m][slot]);
          if (!Number.isFinite(value)) throw tooLarge(raw, winner[slot], sums[m][slot]);
          merged[m][winner[slot]] = value;
        }
      winner[slot] = -1;
    }
  }
  return cleared;
}

/** The columns that a rule combines over repeated rows; every other column keeps the value of the row that is kept. */
function mergedColumns({ label, count, weight }: MergedValues, rule: DuplicateRule, hasLabel: boolean): Float32Array[] {
  if (rule === 'mean') return [label];
  if (rule !== 'sum') return [];
  return [hasLabel ? label : undefined, count, weight].filter((values) => values !== undefined);
}

function tooLarge(raw: RawInteractions, row: number, sum: number): InnerloopError {
  const [user, item] = [raw.users.keys.values[raw.user[row]], raw.items.keys.values[raw.item[row]]];
  return new InnerloopError(
    'INVALID_DATA',
    `the sum of user ${JSON.stringify(user)} and item ${JSON.stringify(item)} is larger than float32 holds`,
    { field: 'interactions', value: sum, expected: 'smaller labels, counts and weights, such as divided in sql' },
  );
}

function duplicateError(raw: RawInteractions, first: number, second: number): InnerloopError {
  const user = raw.users.keys.values[raw.user[first]];
  const item = raw.items.keys.values[raw.item[first]];
  return new InnerloopError(
    'INVALID_DATA',
    `user ${JSON.stringify(user)} and item ${JSON.stringify(item)} are in rows ${first + 1} and ${second + 1}`,
    {
      field: 'interactions',
      expected: "each pair once (or another rule: duplicates: 'last', 'first', 'mean' or 'sum')",
    },
  );
}
