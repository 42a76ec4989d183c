/** Dense content of users and items: matrices in files and in memory, joined by id, with what is missing masked. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import type { Dataset, DenseColumn, FeatureTable } from '../../lib/foundation/contract.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { random } from '../../lib/foundation/random.js';
import { encodeSafetensors } from '../../lib/files/safetensors.js';
import { file, folder, open, ratings, rejects, throws } from '../fixtures/interactions.js';
import { matrix, npy } from '../fixtures/npy.js';

const RATINGS = 'u,i,r\nann,7,1\nann,10,2\nbob,07,3\n';
const withItems = (items: unknown) => open({ ...ratings(RATINGS), items });
const dense = (table: FeatureTable, name: string): DenseColumn => {
  const column = table.columns.find((each) => each.name === name);
  assert.ok(column?.kind === 'dense', `no dense column ${name}`);
  return column;
};
/** Numbers of each item by id; those of the reserved row under ''. */
const byId = ({ items }: Dataset, name: string): Record<string, number[]> => {
  const { size, data } = dense(items, name);
  return Object.fromEntries(items.keys.values.map((id, row) => [id, [...data.subarray(row * size, (row + 1) * size)]]));
};

test('a .npy matrix joins by id: without a table its ids are the items, in vocabulary order', async () => {
  const text = file(matrix(Float32Array.of(1, 2, 3, 4, 5, 6), 2), 'text.npy');
  const ids = file('10\r\nnew\r\n07\r\n', 'ids.txt');
  const d = await withItems({
    features: [{ name: 'text', kind: 'dense', file: text, ids, standardize: false, present: true }],
  });
  assert.deepEqual([...d.items.keys.values], ['', '07', '10', '7', 'new']);
  assert.deepEqual(byId(d, 'text'), { '': [0, 0], '07': [5, 6], 10: [1, 2], 7: [0, 0], new: [3, 4] });
  assert.deepEqual(byId(d, 'text.present'), { '': [0], '07': [1], 10: [1], 7: [0], new: [1] });
  assert.deepEqual(
    d.items.columns.map(({ name }) => name),
    ['text', 'text.present'],
  );
  assert.match(d.notes.join('\n'), /\(text\): 2 of 8 values are missing, read as 0/);
});

test('ids from lists, tables, arrays of integers and tensors read the same', async () => {
  const values = Float64Array.of(1, 2, 3, 4);
  const text = file(matrix(values, 2), 'two.npy');
  const table = file('place,id\n1,10\n2,7\n', 'place.csv');
  const safetensors = 'content.safetensors';
  const tensors = { embeddings: { shape: [2, 2], data: values }, ids: { shape: [2], data: Int32Array.of(10, 7) } };
  writeFileSync(join(folder, safetensors), Buffer.concat(encodeSafetensors(tensors, {})));
  const sources = [
    { file: text, ids: file('["10", 7]', 'ids.json') },
    { file: text, ids: file('10\n7', 'bare.txt') },
    { file: text, ids: { from: table, column: 'id' } },
    { file: text, ids: { sql: `SELECT id FROM '${table}' ORDER BY place`, column: 'id' } },
    { file: text, ids: file(npy('<i4', [2], new Uint8Array(Int32Array.of(10, 7).buffer)), 'i4.npy') },
    { file: text, ids: file(npy('<i8', [2], new Uint8Array(BigInt64Array.of(10n, 7n).buffer)), 'i8.npy') },
    { file: safetensors, ids: { tensor: 'ids' } },
    { file: safetensors, tensor: 'embeddings', ids: { tensor: 'ids' } },
  ];
  for (const source of sources) {
    const d = await withItems({ features: [{ name: 'text', kind: 'dense', size: 2, standardize: false, ...source }] });
    assert.deepEqual(byId(d, 'text'), { '': [0, 0], '07': [0, 0], 7: [3, 4], 10: [1, 2] }, JSON.stringify(source));
  }
});

/** A safetensors file of tensors of any element type. */
function tensorsFile(
  name: string,
  tensors: Record<string, { dtype: string; shape: number[]; bytes: Uint8Array }>,
): string {
  let end = 0;
  const header = Object.entries(tensors).map(
    ([key, { dtype, shape, bytes }]) => [key, { dtype, shape, data_offsets: [end, (end += bytes.length)] }] as const,
  );
  const text = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(join(folder, name), Buffer.concat([prefix, text, ...Object.values(tensors).map(({ bytes }) => bytes)]));
  return name;
}

test('safetensors of others: float16 and bfloat16 features, int64 ids', async () => {
  const bytes = (array: Uint16Array | BigInt64Array) => new Uint8Array(array.buffer);
  const ids = { dtype: 'I64', shape: [2], bytes: bytes(BigInt64Array.of(10n, 7n)) };
  const halves = {
    F16: Uint16Array.of(0x3c00, 0xc000, 0x4200, 0x3555), // 1, −2, 3, 0.333251953125
    BF16: Uint16Array.of(0x3f80, 0xc000, 0x4040, 0x3eab), // 1, −2, 3, 0.333984375
  };
  for (const [dtype, third] of [
    ['F16', 0.333251953125],
    ['BF16', 0.333984375],
  ] as const) {
    const name = tensorsFile(`${dtype}.safetensors`, {
      text: { dtype, shape: [2, 2], bytes: bytes(halves[dtype]) },
      ids,
    });
    const d = await withItems({
      features: [{ name: 'text', kind: 'dense', file: name, standardize: false, ids: { tensor: 'ids' } }],
    });
    assert.deepEqual(byId(d, 'text'), { '': [0, 0], '07': [0, 0], 7: [3, third], 10: [1, -2] }, dtype);
  }
  const whole = tensorsFile('whole.safetensors', { text: { ...ids, shape: [2, 1] }, ids });
  await rejects(
    withItems({ features: [{ name: 'text', kind: 'dense', file: whole, ids: { tensor: 'ids' } }] }),
    'INVALID_DATA',
    /BigInt64 of shape/,
  );
});

test('beside a table: rows in its order without ids, strangers left out with them; modalities are inputs of their own', async () => {
  const from = file('id,genres\n10,a|b\n9,b\n7,a\n', 'movies.csv');
  const text = file(matrix(Float32Array.of(1, 2, 3), 1), 'column.npy');
  const image = file(matrix(Float32Array.of(5, 6, 7, 8), 2), 'image.npy');
  const ids = file('7\nunheard of\n', 'some.txt');
  const d = await withItems({
    from,
    id: 'id',
    features: [
      { name: 'text', kind: 'dense', file: text, standardize: false },
      { name: 'genres', kind: 'bag' },
      { name: 'image', kind: 'dense', file: image, ids, standardize: false, present: true },
    ],
  });
  assert.deepEqual(
    d.items.columns.map(({ name }) => name),
    ['text', 'genres', 'image', 'image.present'],
  );
  assert.deepEqual(
    [...d.items.keys.values],
    ['', '07', '7', '9', '10'].sort((a, b) => Number(a) - Number(b) || a.localeCompare(b)),
  );
  assert.deepEqual(byId(d, 'text'), { '': [0], '07': [0], 7: [3], 9: [2], 10: [1] });
  assert.deepEqual(byId(d, 'image'), { '': [0, 0], '07': [0, 0], 7: [5, 6], 9: [0, 0], 10: [0, 0] });
  assert.deepEqual(byId(d, 'image.present'), { '': [0], '07': [0], 7: [1], 9: [0], 10: [0] });
  assert.match(d.notes.join('\n'), /\(image\): 1 of 2 rows belong to ids of no table/);
});

test('users and interactions have content too; that of interactions follows dropped and repeated rows', async () => {
  const image = file(matrix(Float32Array.of(1, 2, 3, 4, 5), 1), 'rows.npy');
  const d = await open({
    ...ratings('u,i,r\na,x,1\na,y,\na,x,2\nb,x,4\nb,y,5\n', {
      features: [{ name: 'image', kind: 'dense', file: image, standardize: false }],
    }),
    users: {
      features: [{ name: 'taste', kind: 'dense', file: image, ids: file('["a","b","c","d","e"]', 'users.json') }],
    },
    missingLabel: 'drop',
  });
  assert.deepEqual([...dense(d.context, 'image').data], [3, 4, 5]);
  assert.deepEqual([...d.users.keys.values], ['', 'a', 'b', 'c', 'd', 'e']);
  const short = ratings('u,i,r\na,x,1\n', { features: [{ name: 'image', kind: 'dense', file: image }] });
  await rejects(open(short), 'INVALID_DATA', /interactions\.features\[0\]/, /5 rows/, /expected 1 rows/);
});

test('standardize: mean 0 and variance 1 over the rows present; normalize: rows of length 1, before it', async () => {
  const stream = random(4, 'content');
  const n = 50;
  const size = 3;
  const values = Float32Array.from({ length: n * size }, (_, k) => stream.normal() * (1 + (k % size)) + 5);
  values.fill(0, 0, size);
  const ids = Array.from({ length: n }, (_, row) => `i${row}`);
  const make = (options: object) => {
    const d = datasetFromColumns({
      user: ['u', 'u'],
      item: ['i3', 'missing'],
      label: [1, 2],
      itemFeatures: {
        features: { text: { kind: 'dense', values: { shape: [n, size], data: values.slice() }, ids, ...options } },
      },
    });
    return byId(d, 'text');
  };
  const close = (a: number, b: number, what: string) => assert.ok(Math.abs(a - b) < 1e-5, `${what}: ${a} is not ${b}`);
  const norm = (row: number[]) => Math.hypot(...row);
  const plain = make({ standardize: false });
  ids.forEach((id, row) => assert.deepEqual(plain[id], [...values.subarray(row * size, (row + 1) * size)]));
  const normal = make({ normalize: true });
  ids.forEach((id, row) => close(norm(normal[id]), row === 0 ? 0 : 1, id));
  const checkMoments = (standard: Record<string, number[]>) => {
    for (let c = 0; c < size; c++) {
      close(ids.reduce((sum, id) => sum + standard[id][c], 0) / n, 0, 'mean');
      close(ids.reduce((sum, id) => sum + standard[id][c] ** 2, 0) / n, 1, 'variance');
    }
    assert.deepEqual(
      [standard['missing'], standard['']],
      [
        [0, 0, 0],
        [0, 0, 0],
      ],
    );
  };
  checkMoments(make({}));
  const both = make({ normalize: true, standardize: true });
  checkMoments(both);
  // The same affine map of the normalised rows in each column.
  for (let c = 0; c < size; c++) {
    const slope = (both['i2'][c] - both['i1'][c]) / (normal['i2'][c] - normal['i1'][c]);
    for (const id of ids)
      assert.ok(Math.abs(both[id][c] - both['i1'][c] - slope * (normal[id][c] - normal['i1'][c])) < 1e-4, id);
  }
});

test('a list column masks and normalises like a matrix; a number has presence too', async () => {
  const items = {
    sql: "SELECT * FROM (VALUES ('7', [3.0, 4.0], 2), ('10', NULL, NULL), ('07', [0.0, 2.0], 4)) t(id, v, x)",
    id: 'id',
    features: [
      { name: 'v', kind: 'dense', normalize: true, present: true },
      { name: 'x', kind: 'dense', present: true },
    ],
  };
  const d = await withItems(items);
  assert.deepEqual(byId(d, 'v'), { '': [0, 0], '07': [0, 1], 7: [Math.fround(0.6), Math.fround(0.8)], 10: [0, 0] });
  assert.deepEqual(byId(d, 'v.present'), { '': [0], '07': [1], 7: [1], 10: [0] });
  assert.deepEqual(byId(d, 'x'), { '': [0], '07': [1], 7: [-1], 10: [0] });
  assert.deepEqual(byId(d, 'x.present'), { '': [0], '07': [1], 7: [1], 10: [0] });
});

test('files and memory give the same bytes', async () => {
  const values = Float32Array.from({ length: 12 }, (_, k) => Math.sin(k));
  const ids = ['10', 'z', '7'];
  const a = await withItems({
    features: [
      {
        name: 'text',
        kind: 'dense',
        file: file(matrix(values, 4), 'same.npy'),
        ids: file(ids.join('\n'), 'same.txt'),
        present: true,
      },
    ],
  });
  const b = datasetFromColumns({
    user: ['ann', 'ann', 'bob'],
    item: ['7', '10', '07'],
    label: [1, 2, 3],
    itemFeatures: {
      features: { text: { kind: 'dense', values: { shape: [3, 4], data: values }, ids, present: true } },
    },
  });
  assert.deepEqual(b.items.keys.values, a.items.keys.values);
  for (const name of ['text', 'text.present']) assert.deepEqual(dense(b.items, name), dense(a.items, name));
});

test('bad files, ids and values are refused by name', async () => {
  const feature = (change: object, more: object = {}) =>
    withItems({ ...more, features: [{ name: 't', kind: 'dense', file: 'ok.npy', ids: 'ok.txt', ...change }] });
  file(matrix(Float32Array.of(1, 2, 3, 4), 2), 'ok.npy');
  file('7\n10\n', 'ok.txt');
  await feature({});
  await rejects(feature({ file: 'none.npy' }), 'MISSING_FILE', /items\.features\[0\]\.file/, /none\.npy/);
  await rejects(feature({ ids: 'none.txt' }), 'MISSING_FILE', /items\.features\[0\]\.ids/);
  await rejects(feature({ ids: file('7\n', 'one.txt') }), 'INVALID_DATA', /2 rows/, /expected 1 rows, one for each id/);
  await rejects(feature({ ids: file('7\n7\n', 'twice.txt') }), 'INVALID_DATA', /ids: the id is in rows 1 and 2/, /"7"/);
  await rejects(
    feature({ ids: file('x\nx\n', 'strangers.txt') }, { sql: "SELECT '7' id", id: 'id' }),
    'INVALID_DATA',
    /rows 1 and 2/,
  );
  await rejects(feature({ ids: file('7\n\n10\n', 'gap.txt') }), 'INVALID_DATA', /not an id in row 2/);
  await rejects(feature({ ids: file('[7, null]', 'null.json') }), 'INVALID_DATA', /not an id in row 2/);
  await rejects(
    feature({ ids: file('[7, 12345678901234567890]', 'rounded.json') }),
    'INVALID_DATA',
    /not an id in row 2/,
  );
  await rejects(feature({ ids: file('{"7": 1}', 'object.json') }), 'INVALID_DATA', /not a list/);
  await rejects(feature({ ids: file('[7,', 'cut.json') }), 'INVALID_DATA', /cannot be read/);
  await rejects(feature({ ids: file(Buffer.of(0x37, 0xff), 'latin.txt') }), 'INVALID_DATA', /UTF-8/);
  await rejects(
    feature({ ids: file(matrix(Float32Array.of(7, 10), 1), 'floats.npy') }),
    'INVALID_DATA',
    /holds no ids/,
  );
  await rejects(
    feature({ ids: { from: 'place.csv', column: 'idd' } }),
    'MISSING_COLUMN',
    /ids\.column/,
    /did you mean "id"/,
  );
  for (const [bad, text] of [
    [NaN, /NaN/],
    [Infinity, /Infinity/],
    [-1e39, /-1e\+39/],
  ] as const) {
    await rejects(
      feature({ file: file(matrix(Float64Array.of(1, 2, 3, bad), 2), 'bad.npy') }),
      'INVALID_DATA',
      /row 2, column 2/,
      text,
    );
  }
  await rejects(feature({ size: 3 }), 'INVALID_DATA', /shape \(2, 2\)/, /\(rows, 3\)/);
  await rejects(
    feature({ file: file(npy('<f4', [4], new Uint8Array(16)), 'flat.npy') }),
    'INVALID_DATA',
    /shape \(4\)/,
  );
  await rejects(
    feature({ file: file(npy('<i4', [2, 2], new Uint8Array(16)), 'whole.npy') }),
    'INVALID_DATA',
    /Int32/,
    /floating-point/,
  );
  await rejects(feature({ file: file('not numpy', 'text.npy') }), 'INVALID_DATA', /not a \.npy file/);
  await rejects(feature({ file: file('not tensors', 'bad.safetensors') }), 'INVALID_DATA', /safetensors/);
  await rejects(
    feature({ file: 'content.safetensors', tensor: 'embedings', ids: undefined }, { sql: 'SELECT 7 id', id: 'id' }),
    'INVALID_DATA',
    /did you mean embeddings\?/,
  );
  await rejects(
    feature({ file: 'content.safetensors', ids: { tensor: 'embeddings' } }),
    'INVALID_DATA',
    /holds no ids/,
  );

  await rejects(feature({ file: 'ok.csv' }), 'INVALID_OPTION', /\.npy or \.safetensors/);
  await rejects(feature({ ids: 'ids.csv' }), 'INVALID_OPTION', /\{ from, column \}/);
  await rejects(feature({ ids: { from: 'place.csv' } }), 'INVALID_OPTION', /ids\.column/);
  await rejects(feature({ ids: { column: 'id' } }), 'INVALID_OPTION', /exactly one of from and sql/);
  await rejects(feature({ ids: { tensor: 'ids' } }), 'INVALID_OPTION', /a \.npy file holds one array/);
  await rejects(feature({ tensor: 'x' }), 'INVALID_OPTION', /a \.npy file holds one array/);
  await rejects(feature({ column: 'x' }), 'INVALID_OPTION', /both column and file/);
  await rejects(feature({ kind: 'bag' }), 'INVALID_OPTION', /does not apply to a bag/);
  await rejects(feature({ normalise: true }), 'UNKNOWN_OPTION', /did you mean normalize\?/);
  await rejects(feature({ file: undefined }), 'INVALID_OPTION', /has no effect without a file/);
  await rejects(feature({ ids: undefined }), 'INVALID_OPTION', /needs a table of items/);
  await rejects(
    open(ratings(RATINGS, { features: [{ name: 't', kind: 'dense', file: 'ok.npy', ids: 'ok.txt' }] })),
    'INVALID_OPTION',
    /interactions have no ids/,
  );
  await rejects(
    withItems({
      features: [
        { name: 't', kind: 'dense', file: 'ok.npy', ids: 'ok.txt', present: true },
        { name: 't.present', kind: 'dense', file: 'ok.npy', ids: 'ok.txt' },
      ],
    }),
    'INVALID_OPTION',
    /used twice/,
  );
});

test('matrices in memory are refused by name', async () => {
  const make =
    (feature: object, more: object = {}) =>
    () =>
      datasetFromColumns({
        user: ['u'],
        item: ['x'],
        label: [1],
        itemFeatures: {
          ...more,
          features: {
            t: { kind: 'dense', ids: ['x', 'y'], values: { shape: [2, 1], data: Float32Array.of(1, 2) }, ...feature },
          },
        },
      } as never);
  make({})();
  throws(
    make({ values: { shape: [2, 2], data: Float32Array.of(1, 2) } }),
    'INVALID_OPTION',
    /itemFeatures\.features\.t\.values/,
  );
  throws(make({ values: { shape: [2], data: Float32Array.of(1, 2) } }), 'INVALID_OPTION', /\[rows, size\]/);
  throws(make({ values: { shape: [2, 1], data: [1, 2] } }), 'INVALID_OPTION', /\[rows, size\]/);
  throws(make({ values: { shape: [2, 1], data: Float32Array.of(1, NaN) } }), 'INVALID_DATA', /row 2, column 1/);
  throws(make({ ids: ['x'] }), 'INVALID_DATA', /expected 1 rows/);
  throws(make({ ids: ['x', 'x'] }), 'INVALID_DATA', /rows 1 and 2/);
  throws(make({ ids: undefined }), 'INVALID_OPTION', /t\.ids/);
  throws(make({ present: 'yes' }), 'INVALID_OPTION', /t\.present/);
  throws(make({ ids: undefined }, { id: ['x'] }), 'INVALID_DATA', /2 rows/);
  throws(
    () =>
      datasetFromColumns({
        user: ['u'],
        item: ['x'],
        label: [1],
        features: { t: { kind: 'dense', values: [1], ids: ['x'] } },
      }),
    'INVALID_OPTION',
    /interactions have no ids/,
  );
});
