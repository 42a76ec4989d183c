import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import { topK } from '../../lib/foundation/top-k.js';

test('top k is the beginning of the stable full order, ties and all', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 70 }),
      (values, k) => {
        const scores = Float64Array.from(values);
        const expected = values.map((_, i) => i).sort((a, b) => values[b] - values[a] || a - b);
        assert.deepEqual([...topK(scores, k)], expected.slice(0, k));
      },
    ),
    { numRuns: 500 },
  );
});
