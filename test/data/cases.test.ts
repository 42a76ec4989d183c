/**
 * Files as people have them, one fault each (test/data/cases). What can be read has the right values; what cannot is refused
 * with the lines to write, and with these lines pasted it is read, with the right values.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { openDataset } from '../../lib/data/index.js';
import type { DataSource } from '../../lib/data/index.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import type { BagColumn, CategoricalColumn, Dataset, DenseColumn } from '../../lib/foundation/contract.js';
import { pairs } from '../fixtures/interactions.js';
import { openPasted } from '../fixtures/paste.js';

const baseDirectory = join(packageRoot(), 'test/data/cases');
interface Case {
  name: string;
  source: DataSource;
}
const cases = JSON.parse(readFileSync(join(baseDirectory, 'cases.json'), 'utf8')) as Case[];

const RATINGS = Array.from({ length: 12 }, (_, u) => Array.from({ length: 6 }, (_, i) => [`u${u}`, `i${i}`]))
  .flat()
  .map((pair) => pair.join('/'));
const labels = (d: Dataset): Record<string, number> =>
  Object.fromEntries(pairs(d).map((pair, k) => [pair, d.label[k]]));
const times = (d: Dataset): Record<string, number> => Object.fromEntries(pairs(d).map((pair, k) => [pair, d.time![k]]));
const ids = (table: Dataset['users']): string[] => [...table.keys.values.slice(1)];
const genres = (d: Dataset): string[][] => {
  const { vocabulary, offsets, data } = d.items.columns[0] as BagColumn;
  return Array.from({ length: d.items.rows - 1 }, (_, k) =>
    Array.from(data.subarray(offsets[k + 1], offsets[k + 2]), (id) => vocabulary.values[id]),
  );
};
const isRatings = (d: Dataset): void => {
  assert.deepEqual(pairs(d), RATINGS);
  assert.equal(d.size, 72);
};

/** What is right of each case; `errors` is how often it is refused until its lines are pasted. */
const right: Record<string, { errors?: number; check: (d: Dataset) => void }> = {
  'late-quoted-ids': { check: (d) => assert.deepEqual(labels(d), { 'u/a': 3, 'u/b': 5 }) },
  'late-comma-in-quotes': { check: (d) => assert.deepEqual(labels(d), { 'u/a': 3, 'u/b, c': 5 }) },
  'late-half-stars (sql)': { check: (d) => assert.deepEqual(labels(d), { 'u/a': 3, 'u/b': 2.5 }) },
  'late-leading-zero (sql)': { check: (d) => assert.deepEqual(labels(d), { 'u/7': 3, 'u/07': 5 }) },
  'null-ids': { errors: 1, check: (d) => assert.ok(d.size === 54 && d.notes.some((note) => /^18 of 72/.test(note))) },
  'blank-around-ids': { check: isRatings },
  'float-ids against an items table': {
    errors: 1,
    check: (d) => {
      assert.deepEqual(ids(d.items), ['0', '1', '2', '3', '4', '5']);
      assert.ok((d.items.columns[0] as CategoricalColumn).data.subarray(1).every((id) => id > 0));
    },
  },
  'ids-above-2-64': {
    check: (d) =>
      assert.deepEqual(
        ids(d.users),
        Array.from({ length: 12 }, (_, k) => String(2n ** 64n + BigInt(k))),
      ),
  },
  'uuid-ids (sql)': {
    check: (d) =>
      assert.deepEqual(
        ids(d.users),
        Array.from({ length: 12 }, (_, k) => `0000000${k.toString(16).toUpperCase()}-AAAA-4BBB-8CCC-DDDDEEEEFFFF`),
      ),
  },
  'ids-like-1e5 (sql)': {
    check: (d) => assert.deepEqual(ids(d.users).sort(), Array.from({ length: 12 }, (_, k) => `1e${k}`).sort()),
  },
  'same-header-twice': { errors: 1, check: isRatings },
  'no-header, names as the error offers them': {
    errors: 1,
    check: (d) => {
      assert.equal(d.size, 72);
      assert.deepEqual([pairs(d)[0], d.label[0], d.time![0]], ['1/101', 1, 1577836800]);
    },
  },
  'items-python-lists': {
    check: (d) =>
      assert.deepEqual(genres(d).slice(0, 3), [
        ['Action', 'Comedy'],
        ['Comedy', 'Drama'],
        ['Drama', 'Action'],
      ]),
  },
  'items-json-lists': {
    check: (d) =>
      assert.deepEqual(genres(d).slice(0, 3), [
        ['Action', 'Comedy'],
        ['Comedy', 'Drama'],
        ['Drama', 'Action'],
      ]),
  },
  'watched-minus-1': { check: (d) => assert.ok(d.size === 72 && d.label.includes(-1)) },
  'purchases (sql, 1 AS bought)': {
    check: (d) => assert.ok(d.size === 72 && ids(d.items).every((id) => /^0\d{9}$/.test(id))),
  },
  'missing-label-NULL, missingLabel drop': { check: (d) => assert.equal(d.size, 54) },
  'missing-label-NaN, missingLabel drop': { check: (d) => assert.equal(d.size, 54) },
  'missing-label-N, missingLabel drop': { check: (d) => assert.equal(d.size, 54) },
  'missing-label-NA, missingLabel drop': { check: (d) => assert.equal(d.size, 54) },
  'label-true-false': {
    check: (d) => {
      isRatings(d);
      assert.deepEqual([...d.label.subarray(0, 3)], [0, 0, 1]);
    },
  },
  'label-decimal-comma': {
    errors: 1,
    check: (d) => {
      isRatings(d);
      assert.deepEqual([...d.label.subarray(0, 3)], [1.5, 3.5, 5.5]);
    },
  },
  'label-stars': {
    errors: 1,
    check: (d) => {
      isRatings(d);
      assert.deepEqual([...d.label.subarray(0, 3)], [1.5, 3.5, 5.5]);
    },
  },
  'time-us': {
    errors: 1,
    check: (d) => {
      isRatings(d);
      assert.equal(times(d)['u0/i0'], Date.UTC(2020, 0, 20, 9, 5, 58) / 1000);
      assert.equal(times(d)['u0/i1'], Date.UTC(2020, 1, 20, 9, 5, 58) / 1000);
    },
  },
  'latin-1': {
    errors: 1,
    check: (d) => assert.deepEqual([d.size, ids(d.items)], [72, Array.from({ length: 6 }, (_, k) => `Café ${k}`)]),
  },
  'double-colon': {
    errors: 1,
    check: (d) => assert.deepEqual([d.size, pairs(d)[0], d.label[1], pairs(d)[1]], [72, '1/101', 3, '1/102']),
  },
  'atomic.inter': {
    check: (d) => assert.deepEqual([d.size, pairs(d)[0], d.label[1], d.time![0]], [72, '1/101', 3, 1577836800]),
  },
  'semicolons.tsv': { check: isRatings },
  'items-unknown-number': {
    check: (d) => {
      isRatings(d);
      assert.ok(d.notes.some((note) => /1 of 6 values are texts, such as "Unknown"/.test(note)));
      assert.ok((d.items.columns[0] as DenseColumn).data.every(Number.isFinite));
    },
  },
  'nested.json': {
    errors: 1,
    check: (d) => {
      isRatings(d);
      assert.deepEqual([...d.label.subarray(0, 3)], [1, 3, 5]);
    },
  },
  'python-dicts.json': {
    check: (d) => {
      const { vocabulary, data } = d.items.columns[0] as CategoricalColumn;
      assert.equal(vocabulary.values[data[d.items.keys.idOf('i0')]], "It's no 0");
      assert.ok(d.notes.some((note) => /Python dictionaries/.test(note)));
    },
  },
};

for (const { name, source } of cases) {
  if (name === 'sign-in-page.csv') continue;
  test(name, async () => {
    const { dataset, errors } = await openPasted(source, baseDirectory);
    assert.equal(errors.length, right[name].errors ?? 0, String(errors));
    right[name].check(dataset);
  });
}

test('sign-in-page.csv: a web page is called one', async () => {
  const { source } = cases.find(({ name }) => name === 'sign-in-page.csv')!;
  await assert.rejects(openDataset(source, { baseDirectory }), /sign-in-page\.csv is a web page/);
});
