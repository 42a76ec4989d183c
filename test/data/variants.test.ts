/** More files of the kinds in test/data/cases: as text, with what they hold or the reason why they are refused. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { gzipSync } from 'node:zlib';
import type { DataSource } from '../../lib/data/index.js';
import { file, folder, open, pairs, ratings, rejects } from '../fixtures/interactions.js';
import { openPasted } from '../fixtures/paste.js';

/** `user/item=label` of every interaction, and `@time`. */
async function read(source: unknown): Promise<string[]> {
  const d = await open(source);
  return pairs(d).map((pair, k) => `${pair}=${d.label[k]}${d.time === undefined ? '' : `@${d.time[k]}`}`);
}

test('layouts: byte order mark, line ends, blanks in the header, separators, encodings, gzip members', async () => {
  const same = ['1/a=2', '2/b=3'];
  const utf16 = Buffer.from('\ufeffu,i,r\n1,a,2\n2,b,3\n', 'utf16le');
  for (const text of [
    '\ufeffu,i,r\n1,a,2\n2,b,3\n',
    'u,i,r\r\n1,a,2\r\n2,b,3\r\n',
    'u,i,r\r\n1,a,2\n2,"b",3\r\n',
    'u,i,r\r1,a,2\r2,b,3\r',
    'u , i, r \n1,a,2\n2,b,3\n',
    'u|i|r\n1|a|2\n2|b|3\n',
    'u;i;r\n1;a;2\n2;b;3\n',
  ])
    assert.deepEqual(await read(ratings(text)), same, JSON.stringify(text));
  for (const bytes of [utf16, Buffer.concat([gzipSync('u,i,r\n1,a,2\n'), gzipSync('2,b,3\n')])])
    assert.deepEqual(await read({ interactions: { from: file(bytes), user: 'u', item: 'i', label: 'r' } }), same);
  const gbk = Buffer.concat([Buffer.from('u,i,r\n1,'), Buffer.from([0xd6, 0xd0, 0xce, 0xc4]), Buffer.from(',2\n')]);
  const source = { interactions: { from: file(gbk), user: 'u', item: 'i', label: 'r' } } as DataSource;
  assert.deepEqual(pairs((await openPasted(source, folder)).dataset), ['1/中文']);
});

test('a first quote far behind the first rows, in a file between tabs too', async () => {
  const text = `u\ti\tr\n${'1\ta\t2\n'.repeat(21000)}"2"\t"b ""x"""\t3\n`;
  const d = await open({ interactions: { from: file(text, 'late.tsv'), user: 'u', item: 'i', label: 'r' } });
  assert.deepEqual(pairs(d), ['1/a', '2/b "x"']);
});

test('quotes: RFC 4180, or refused with the lines for quotes that are text and for backslashes', async () => {
  assert.deepEqual(await read(ratings('u,i,r\n1,"a\nb",2\n')), ['1/a\nb=2']);
  const raw = ratings('u,i,r\n1,"Weird" Al,2\n');
  assert.deepEqual(pairs((await openPasted(raw, folder)).dataset), ['1/"Weird" Al']);
  const escaped = 'u,i,r\n1,"a \\"b\\" c",2\n';
  await rejects(open(ratings(escaped)), 'INVALID_DATA', /"escape": "\\\\"/);
  assert.deepEqual(await read(ratings(escaped, { escape: '\\' })), ['1/a "b" c=2']);
  // The likelier remedy is the first one.
  assert.deepEqual(pairs((await openPasted(ratings(escaped), folder)).dataset), ['1/a "b" c']);
});

test('labels: units, thousands, words and shares, with what the error says pasted', async () => {
  for (const [text, want] of [
    ['1,a,1 star\n1,b,2.5 stars\n', [1, 2.5]],
    ['1,a,60 %\n1,b,5%\n', [60, 5]],
    ['1,a,5 out of 5\n1,b,3.5 out of 5\n', [5, 3.5]],
    ['1,a,4/5\n1,b,3/5\n', [4, 3]],
    ['1,a,yes\n1,b,no\n', [1, 0]],
    ['1,a,"1,234.5"\n1,b,"12,345,678"\n', [1234.5, 12345678]],
    ['1,a,"1.234,5"\n1,b,"12.345.678,0"\n', [1234.5, 12345678]],
  ] as const) {
    const { dataset } = await openPasted(ratings(`u,i,r\n${text}`), folder);
    assert.deepEqual([...dataset.label], [...want], text);
  }
  for (const text of ['1e400', '1_000', '?'])
    await rejects(open(ratings(`u,i,r\n1,a,2\n1,b,${text}\n`)), 'INVALID_DATA', /row 2 /);
});

test('times: nanoseconds keep their order, offsets count, other orders of day and month are asked for', async () => {
  const times = async (rows: string[], more: object = {}): Promise<number[]> => {
    const text = `u,i,r,t\n${rows.map((row, k) => `1,i${k},1,"${row}"\n`).join('')}`;
    return [...(await openPasted(ratings(text, { time: 't', ...more }), folder)).dataset.time!];
  };
  const [a, b, c] = await times(['1577836800000000001', '1577836800000000000', '1577836800000000002']);
  assert.ok(b < a && a < c);
  const [x, y] = await times(['2020-01-01T00:00:00.123456789Z', '2020-01-01T00:00:00.123456788Z']);
  assert.ok(y < x);
  assert.deepEqual(await times(['1577836800123'], { timeFormat: 'ms' }), [1577836800.123]);
  assert.deepEqual(await times(['2020-01-01T00:00:00+02:00', '2020-01-01T00:00:00Z']), [1577829600, 1577836800]);
  assert.deepEqual(await times(['31/12/2020', '01/02/2020']), [1609372800, 1580515200]);
  assert.deepEqual(await times(['Jan 3, 2020', 'Feb 13, 2020']), [1578009600, 1581552000]);
  for (const text of [
    'Fri, 31 Jan 2020 10:00:00 GMT',
    'Fri Jan 31 10:00:00 UTC 2020',
    '2020-01-31T10',
    '2020-01-31T10:00:00Z[UTC]',
  ])
    assert.deepEqual(await times([text]), [1580464800], text);
  assert.deepEqual(await times(['2020年01月31日']), [1580428800]);
  assert.deepEqual(await times(['2020-01', '2020-02']), [1577836800, 1580515200]);
  assert.deepEqual(await times(['9999-12-31', '2020-02-29']), [253402214400, 1582934400]);
  const both = ratings('u,i,r,t\n1,a,1,03/04/2020\n', { time: 't' });
  await rejects(open(both), 'INVALID_DATA', /%d\/%m\/%Y.*%m\/%d\/%Y/);
  await rejects(open(ratings('u,i,r,t\n1,a,1,2019-02-29\n', { time: 't' })), 'INVALID_DATA', /row 1 /);
});

test('interactions as they are: without labels, counts, parts, k-core, missing ids', async () => {
  const d = await open({ interactions: { from: file('u,i\n1,a\n1,a\n1,b\n2,b\n'), user: 'u', item: 'i' } });
  assert.deepEqual(
    [pairs(d), [...d.label], [...d.count!]],
    [
      ['1/a', '1/b', '2/b'],
      [1, 1, 1],
      [2, 1, 1],
    ],
  );
  const counted = await open({
    ...ratings('u,i,r,n\n1,a,1,2\n1,a,2,3\n', { count: 'n' }),
    duplicates: 'sum',
  });
  assert.deepEqual([[...counted.label], [...counted.count!]], [[3], [5]]);
  const core = await open({ ...ratings('u,i,r\n1,a,2\n1,b,3\n2,a,1\n2,b,1\n3,c,1\n'), kCore: 2 });
  assert.deepEqual([core.size, core.items.rows, core.users.rows], [4, 3, 3]);
  const parts = await open({
    ...ratings('u,i,r,s\n1,a,2,train\n1,b,3,test\n2,a,1,test\n', { part: 's' }),
    unseenItems: 'drop',
  });
  assert.deepEqual(
    Array.from(parts.part!.data, (id) => parts.part!.vocabulary.values[id]),
    ['train', 'test'],
  );
  const some = 'u,i,r\n1,a,2\nNULL,b,3\n,c,1\n2,\\N,1\n';
  assert.deepEqual(await read({ ...ratings(some), missingId: 'drop' }), ['1/a=2']);
  await rejects(open(ratings(some)), 'INVALID_DATA', /row 2 /, /2 rows have none/, /missingId/);
  assert.deepEqual(await read({ ...ratings('u,i,r\nNA,a,2\n', { nulls: [] }) }), ['NA/a=2']);
});

test('files without a header lose no row', async () => {
  const rows = 'u1,i1,5\nu2,i2,3\n';
  const { dataset } = await openPasted(ratings(rows, { user: 'u1', item: 'i1', label: '5' }), folder);
  assert.deepEqual(pairs(dataset), ['u1/i1', 'u2/i2']);
  assert.deepEqual(await read(ratings(rows, { header: false, user: '1', item: '2', label: '3' })), [
    'u1/i1=5',
    'u2/i2=3',
  ]);
  await rejects(open(ratings('u,i,r\n1,a,2\n', { columns: ['u', 'i', 'r'] })), 'INVALID_DATA', /looks like names/);
  await rejects(open(ratings('ID,id,r\n1,a,2\n', { user: 'ID', item: 'id' })), 'INVALID_DATA', /two columns/);
});

test('sql over files: ids as written, numbers as numbers, DuckDB’s own options only with types that are stated', async () => {
  const from = file('user,item,r\n007,1e5,3\n7,2,4.5\n', 'sql/a.csv');
  file('1::2::3\n', 'sql/h.dat');
  const sql = (text: string): unknown => ({ interactions: { sql: text, user: 'user', item: 'item', label: 'r' } });
  assert.deepEqual(await read(sql(`SELECT user, item, r * 2 AS r FROM '${from}' WHERE r > 3`)), ['7/2=9']);
  assert.deepEqual(
    await read(sql(`WITH x AS (SELECT user AS q, item, r FROM read_csv('${from}')) SELECT q AS user, item, r FROM x`)),
    ['007/1e5=3', '7/2=4.5'],
  );
  const headless =
    "SELECT column0 AS user, column1 AS item, column2 AS r FROM read_csv('sql/h.dat', delim = '::', header = false)";
  assert.deepEqual(await read(sql(headless)), ['1/2=3']);
  await rejects(open(sql(`SELECT * FROM read_csv('${from}', skip = 0)`)), 'INVALID_DATA', /all_varchar = true/);
  assert.deepEqual(await read(sql(`SELECT * FROM read_csv('${from}', skip = 0, all_varchar = true)`)), [
    '007/1e5=3',
    '7/2=4.5',
  ]);
});

test('sql over files: what an id or a text is only compared with, or averaged from, stays a number', async () => {
  const from = file('user,item,r\n07,1,4.5\n7,2,2\n07,3,3\n', 'sql/b.csv');
  const dataset = await open({
    interactions: {
      sql: `SELECT 'x' || user AS u, CASE WHEN r > 2.5 THEN item ELSE item END AS i, r FROM '${from}'`,
      user: 'u',
      item: 'i',
      label: 'r',
    },
    users: {
      sql: `SELECT 'x' || user AS u, if(avg(r) < 3.5, 'strict', 'kind') AS level FROM '${from}' GROUP BY user`,
      id: 'u',
      features: [{ name: 'level', kind: 'categorical' }],
    },
  });
  assert.deepEqual(pairs(dataset), ['x07/1', 'x7/2', 'x07/3']);
  const [level] = dataset.users.columns;
  assert.ok(level.kind === 'categorical');
  assert.deepEqual(
    Array.from(level.data, (value) => level.vocabulary.values[value]),
    ['', 'kind', 'strict'],
  );
});
