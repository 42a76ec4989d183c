/** Sorting by digits gives what the language's sort gives. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import { sortRows } from '../../lib/foundation/sort-rows.js';

const sameAs = (rows: number[]) =>
  assert.deepEqual([...sortRows(Int32Array.from(rows))], [...Int32Array.from(rows).sort()]);

test('rows are sorted whatever their number and size', async () => {
  for (const most of [0, 1, 2047, 2048, 2 ** 22 - 1, 2 ** 22, 2 ** 31 - 1])
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: most }), { minLength: 120, maxLength: 400 }), sameAs));
  for (const few of [[], [0], [2 ** 31 - 1, 0, 0]]) sameAs(few);
});
