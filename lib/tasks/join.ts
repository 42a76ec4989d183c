import { checkArray, invalid } from '../foundation/check.js';
import { checkAnyTaskSet } from './check.js';
import type { TaskSet } from '../foundation/contract.js';

/**
 * Several task sets of one dataset as one, in order.
 * @throws {InnerloopError} INVALID_OPTION without a set, or for sets of different datasets
 */
export function joinTasks(sets: readonly TaskSet[]): TaskSet {
  checkArray(sets, 'sets', 'task sets');
  for (const [k, set] of sets.entries()) checkAnyTaskSet(set, `sets[${k}]`);
  const [first] = sets;
  if (first === undefined) throw invalid('sets', 'empty', sets, 'at least one task set');
  if (sets.length === 1) return first;
  sets.forEach(({ dataset }, k) => {
    if (dataset !== first.dataset)
      throw invalid(`sets[${k}]`, 'of another dataset', dataset, 'task sets of one dataset');
  });
  return {
    dataset: first.dataset,
    size: sets.reduce((sum, { size }) => sum + size, 0),
    keys: sets.flatMap(({ keys }) => keys),
    users: joinArrays(sets.map(({ users }) => users)),
    supportOffsets: joinOffsets(sets.map(({ supportOffsets }) => supportOffsets)),
    supportRows: joinArrays(sets.map(({ supportRows }) => supportRows)),
    queryOffsets: joinOffsets(sets.map(({ queryOffsets }) => queryOffsets)),
    queryRows: joinArrays(sets.map(({ queryRows }) => queryRows)),
    ...(sets.some(({ prescribed }) => prescribed) && { prescribed: true }),
  };
}

function joinArrays(arrays: readonly Int32Array[]): Int32Array {
  const joined = new Int32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    joined.set(array, at);
    at += array.length;
  }
  return joined;
}

function joinOffsets(arrays: readonly Int32Array[]): Int32Array {
  let base = 0;
  return joinArrays(
    arrays.map((offsets, k) => {
      const moved = offsets.subarray(k === 0 ? 0 : 1).map((offset) => offset + base);
      base += offsets[offsets.length - 1];
      return moved;
    }),
  );
}
