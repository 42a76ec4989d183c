/** Columns in memory follow the rules of files: blanks, markers of missing values, positives, counts, parts. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { datasetFromColumns } from '../../lib/data/index.js';
import type { ColumnSource } from '../../lib/data/index.js';
import { file, open, pairs, throws } from '../fixtures/interactions.js';

const source: ColumnSource = {
  user: [' u1 ', 'u1', '\u00a0u2', 'NULL', null, 'u3'],
  item: [1, 2, '1', 1, 2, 'NA'],
  itemFeatures: { id: ['1 ', '2'], features: { g: { kind: 'bag', values: [[' x', 'NaN'], ['y ']] } } },
  missingId: 'drop',
};

test('the same as from a file', async () => {
  const columns = datasetFromColumns(source);
  const read = await open({
    interactions: { from: file('u,i\n u1 ,1\nu1,2\n\u00a0u2,1\nNULL,1\n,2\nu3,NA\n'), user: 'u', item: 'i' },
    items: { from: file('i,g\n1 , x|NaN\n2,y \n'), id: 'i', features: [{ name: 'g', kind: 'bag' }] },
    missingId: 'drop',
  });
  assert.deepEqual(pairs(columns), ['u1/1', 'u1/2', 'u2/1']);
  assert.deepEqual(columns.users.keys.values, ['', 'u1', 'u2', 'u3']);
  for (const key of ['size', 'user', 'item', 'label', 'count', 'notes'] as const)
    assert.deepEqual(columns[key], read[key], key);
  for (const side of ['users', 'items'] as const) {
    assert.deepEqual(columns[side].keys.values, read[side].keys.values);
    assert.deepEqual(columns[side].named, read[side].named);
  }
  const [a, b] = [columns, read].map(
    ({
      items: {
        columns: [bag],
      },
    }) => bag,
  );
  assert.ok(a.kind === 'bag' && b.kind === 'bag');
  assert.deepEqual([a.vocabulary.values, a.data, a.offsets], [b.vocabulary.values, b.data, b.offsets]);
});

test('counts, parts, a core, markers of one’s own; what is wrong is named with its row', (t) => {
  const counted = datasetFromColumns({
    user: [1, 1, 2],
    item: [1, 1, 1],
    count: [2, 3, 1],
    part: ['train', 'train', 'test'],
  });
  assert.deepEqual(
    [[...counted.label], [...counted.count!]],
    [
      [1, 1],
      [5, 1],
    ],
  );
  assert.deepEqual(counted.part!.vocabulary.values, ['', 'test', 'train']);
  const labels = datasetFromColumns({
    user: [1, 2, 3],
    item: [1, 1, 1],
    label: [1, Number.NaN, 2],
    missingLabel: 'drop',
  });
  assert.deepEqual([...labels.label], [1, 2]);
  const core = datasetFromColumns({ user: [1, 1, 2, 2, 3], item: [1, 2, 1, 2, 9], kCore: 2 });
  assert.equal(core.size, 4);
  assert.deepEqual(pairs(datasetFromColumns({ user: ['NA', '-'], item: [1, 1], nulls: ['-'], missingId: 'drop' })), [
    'NA/1',
  ]);
  throws(() => datasetFromColumns({ user: ['a', 'NULL'], item: [1, 2] }), 'INVALID_DATA', /row 2/, /missingId/);
  throws(() => datasetFromColumns({ user: [1], item: [1], count: [0] }), 'INVALID_DATA', /not a count in row 1/);
  throws(
    () => datasetFromColumns({ user: [1], item: [1], label: [Number.NaN] }),
    'INVALID_DATA',
    /row 1/,
    /missingLabel/,
  );
  throws(() => datasetFromColumns({ user: [1], item: [1], unseenItems: 'drop' }), 'INVALID_OPTION', /part/);
  t.end();
});
