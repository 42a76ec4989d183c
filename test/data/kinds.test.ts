/** Files that were once read wrong without a word, and others of their kinds: read right, or refused with the lines to write. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { gzipSync } from 'node:zlib';
import type { DataSource } from '../../lib/data/index.js';
import { file, folder, open, pairs, ratings, rejects } from '../fixtures/interactions.js';
import { openPasted } from '../fixtures/paste.js';
import { zstd } from '../fixtures/zstd.js';

const positives = (text: string | Buffer, name?: string, more: object = {}): DataSource => ({
  interactions: { from: file(text, name), user: 'u', item: 'i', ...more },
});
const pasted = async (source: DataSource): Promise<string[]> => pairs((await openPasted(source, folder)).dataset);

test('what stands before the header: empty lines and sep=', async () => {
  const same = ['1/a', '2/b'];
  for (const text of [
    '\n\nu,i\n1,a\n2,b\n',
    '  \r\n\r\nu,i\r\n1,a\r\n2,b\r\n',
    'sep=;\nu;i\n1;a\n2;b\n',
    '\ufeffsep=,\r\nu,i\r\n1,a\r\n2,b\r\n',
    '"sep=\t"\nu\ti\n1\ta\n2\tb\n',
  ])
    assert.deepEqual(pairs(await open(positives(text))), same, JSON.stringify(text));
  file('\nu,i\n1,a\n', 'parts/1.csv');
  file('u,i\n2,b\n', 'parts/2.csv');
  await rejects(
    open({ interactions: { from: 'parts/*.csv', user: 'u', item: 'i' } }),
    'INVALID_DATA',
    /as many lines before it/,
  );
});

test('comments are left out where an option says so, and spoken of where none does', async () => {
  const text = 'u,i\n1,a\n# x,y\n2,"b\n# c"\n';
  const read = await open(positives(text));
  assert.deepEqual(pairs(read), ['1/a', '# x/y', '2/b\n# c']);
  assert.match(read.notes.join(), /begin with #.*"comment": "#"/);
  assert.deepEqual(pairs(await open(positives(text, undefined, { comment: '#' }))), ['1/a', '2/b\n# c']);
  for (const other of ['# made by x\nu,i\n1,a\n', 'u,i\n1,a\n# made by x\n', '% one\nu,i\n1,a\n'])
    assert.deepEqual(await pasted(positives(other)), ['1/a'], other);
});

test('a quote that is never closed is refused with its line; inches are no quotes', async () => {
  for (const rows of [300, 30_000])
    await rejects(
      open(positives(`u,i\n1,"a\nb"\n${'1,a\n'.repeat(rows)}2,"b\n3,c\n`)),
      'INVALID_DATA',
      new RegExp(`line ${rows + 4} of`),
      /never closed/,
    );
  await rejects(open(positives(gzipSync('u,i\n1,a\n2,"b\n3,c\n'), 'open.csv.gz')), 'INVALID_DATA', /never closed/);
  assert.deepEqual(pairs(await open(positives('u,i\n1,5" disc\n2,"7"" disc"\n3,c\n'))), [
    '1/5" disc',
    '2/7" disc',
    '3/c',
  ]);
  assert.deepEqual(await pasted(positives('u,i\n1,"a\n2,b\n')), ['1/"a', '2/b']);
});

test('zstd files are read whole or not at all', async () => {
  const whole = zstd(['u,i\n1,a\n', '2,b\n', '3,c\n']);
  assert.deepEqual(pairs(await open(positives(whole, 'whole.csv.zst'))), ['1/a', '2/b', '3/c']);
  for (let end = whole.length - 1; end > 22; end -= 5)
    await rejects(open(positives(whole.subarray(0, end), `cut${end}.csv.zst`)), 'INVALID_DATA', /ends before/);
});

test('other forms than tables name their format: histories, blocks, runs of blanks, archives', async () => {
  const same = ['0/1', '0/2', '1/2'];
  assert.deepEqual(await pasted(positives('0 1 2\n1 2\n2\n', 'train.txt')), same);
  assert.deepEqual(await pasted(positives('0: 1 2\n1: 2\n', 'colon.txt')), same);
  const netflix = positives('7:\n1,5,2005-09-06\n2,3,2005-09-07\n8:\n1,4,2005-09-08\n', 'netflix.txt');
  assert.deepEqual(await pasted(netflix), ['1/7', '2/7', '1/8']);
  assert.deepEqual(await pasted(positives('u   i\n1   a\n22  b\n', 'padded.txt')), ['1/a', '22/b']);
  const tar = Buffer.alloc(1024);
  tar.write('u.csv');
  tar.write('ustar', 257);
  await rejects(open(positives(tar, 'x.tar')), 'UNSUPPORTED', /tar -xf/);
  await rejects(open(positives(Buffer.from('fffe0000750000002c000000', 'hex'), 'u32.csv')), 'UNSUPPORTED', /iconv/);
});

test('JSON: ids that are lists or objects, entries without names, other shapes', async () => {
  const json = (text: string, more: object = {}): DataSource => positives(text, `j${++count}.jsonl`, more);
  assert.deepEqual(await pasted(json('{"u":1,"i":["a","b"]}\n{"u":2,"i":["a"]}\n')), ['1/a', '1/b', '2/a']);
  assert.deepEqual(await pasted(json('{"u":{"$oid":"5F"},"i":"a"}\n')), ['5F/a']);
  assert.deepEqual(await pasted(json('{"user":{"id":"007"},"i":"a"}\n', { user: 'user.id' })), ['007/a']);
  assert.deepEqual(pairs(await open(json('{"u":1,"i":["a","b"]}\n', { path: 'i' }))), ['1/a', '1/b']);
  await rejects(open(json('{"columns":["u","i"],"data":[[1,"a"]]}\n')), 'INVALID_DATA', /orient='records'/);
  await rejects(open(json('[[1,"a"],[2,"b"]]\n')), 'INVALID_DATA', /orient='records'/);
  await rejects(open(json('')), 'EMPTY_DATA', /is empty/);
});
let count = 0;

test('ids that all stand in quotes of another kind are spoken of', async () => {
  const source = positives("u,i\n'1','a'\n'2','b'\n");
  const { notes } = await open(source);
  assert.match(notes.join(), /every id of the users.*"quote": "'"/);
  assert.deepEqual(pairs(await open(positives("u,i\n'1','a'\n'2','b'\n", undefined, { quote: "'" }))), ['1/a', '2/b']);
});

test('labels: advice for a unit never takes a sign or a fraction away', async () => {
  for (const [text, want] of [
    ['1,a,4/10\n1,b,10/10\n', [4, 10]],
    ['1,a,1_000\n1,b,12_345\n', [1000, 12345]],
    ['1,a,$5\n1,b,$7.50\n', [5, 7.5]],
  ] as const)
    assert.deepEqual([...(await openPasted(ratings(`u,i,r\n${text}`), folder)).dataset.label], [...want], text);
  // A minus sign of its own is one.
  assert.deepEqual([...(await open(ratings('u,i,r\n1,a,2\n1,b,−1\n'))).label], [2, -1]);
  for (const text of ['3½', '5-Mar', '(5)'])
    await rejects(open(ratings(`u,i,r\n1,a,2\n1,b,${text}\n`)), 'INVALID_DATA', /^(?!.*"unit")/);
});

test('lists in text: sets, NumPy, PostgreSQL, in quotes of their own, between line breaks', async () => {
  const genres = async (values: readonly string[], separator?: string): Promise<string[]> => {
    const quoted = values.map((value, k) => `${'abc'[k]},"${value.replaceAll('"', '""')}"\n`).join('');
    const features = [{ name: 'g', kind: 'bag', separator }];
    const d = await open({
      ...ratings('u,i,r\n1,a,2\n2,b,3\n1,c,4\n'),
      items: { from: file(`i,g\n${quoted}`), id: 'i', features },
    });
    const [bag] = d.items.columns;
    assert.ok(bag.kind === 'bag');
    return [...bag.vocabulary.values.slice(1), ...d.notes.filter((note) => note.includes('"separator"'))];
  };
  for (const values of [
    ["{'Action', 'X, Y'}", 'set()', "{'Action'}"],
    ["['Action' 'X, Y']", '[]', "['Action']"],
    ['{Action,"X, Y"}', '{}', '{Action}'],
    [`"['Action', 'X, Y']"`, '"[]"', `"['Action']"`],
  ])
    assert.deepEqual(await genres(values), ['Action', 'X, Y'], values[0]);
  assert.match((await genres(['x\ny', 'x', 'y'])).join(), /"separator": "\\n"/);
  assert.deepEqual(await genres(['x\ny', 'x', 'y'], '\n'), ['x', 'y']);
});

test('numbers with units and marks in a dense column: the expression to write', async () => {
  const table = (text: string, sql?: string) => ({
    ...ratings('u,i,r\n1,a,2\n2,b,3\n'),
    items: { from: file(text), id: 'i', features: [{ name: 'p', kind: 'dense', standardize: false, sql }] },
  });
  for (const text of ['i,p\na,"$1,000"\nb,$2\n', 'i,p\na,1000 min\nb,2 min\n']) {
    const error = await open(table(text)).then(
      () => assert.fail('was read'),
      (thrown: Error) => thrown.message,
    );
    const lines = /`("sql": .*)`/.exec(error)![1];
    const { sql } = JSON.parse(`{${lines}}`) as { sql: string };
    const [column] = (await open(table(text, sql))).items.columns;
    assert.ok(column.kind === 'dense');
    assert.deepEqual([...column.data].slice(1), [1000, 2]);
  }
});
