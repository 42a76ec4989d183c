/** Rows of items by id: many at a time are what each is by itself. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import { datasetFromColumns } from '../../lib/index.js';
import { itemRows, rowsInCatalog } from '../../lib/serving/support.js';
import { refuses } from '../fixtures/typed-errors.js';

const catalog = datasetFromColumns({ user: [1, 1, 1, 1, 1], item: [3, 4, 5, 6, 'x7'], label: [1, 1, 1, 1, 1] });
const { keys } = catalog.items;

test('texts, numbers, runs in catalog order and ids that are unknown', async () => {
  const ids = fc.oneof(fc.constantFrom('3', '4', '5', '6', 'x7', 'x8', ''), fc.integer({ min: 2, max: 7 }));
  fc.assert(
    fc.property(fc.array(ids, { maxLength: 12 }), (list) => {
      assert.deepEqual(
        [...rowsInCatalog(catalog, list)],
        list.map((id) => keys.idOf(String(id))),
      );
    }),
  );
  const whole = keys.values.slice(1);
  for (let from = 0; from < whole.length; from++)
    assert.deepEqual([...itemRows(catalog, [...whole.slice(from), '3'], 'items')].at(-1), keys.idOf('3'));
  assert.deepEqual([...itemRows(catalog, whole, 'items')], [1, 2, 3, 4, 5]);
});

test('the first id that is wrong is named, one that is unknown is told apart from one that is none', async () => {
  const unknown: string[] = [];
  assert.deepEqual([...itemRows(catalog, ['3', 'new', 9, 'x7'], 'items', unknown)], [1, 0, 0, 5]);
  assert.deepEqual(unknown, ['new', '9']);
  refuses(() => itemRows(catalog, ['3', 'new', '9'], 'items'), 'INVALID_OPTION', /items\[1\].*"new"/s);
  for (const none of [null, undefined, NaN, '', {}, true])
    refuses(() => itemRows(catalog, ['3', none as string], 'items', []), 'INVALID_OPTION', /items\[1\].*not an id/s);
});
