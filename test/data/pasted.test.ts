/** Files of kinds that are refused or spoken of: what the message says to write is written, and the right values come out. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { DataSource } from '../../lib/data/index.js';
import { file, folder, open, pairs, rejects } from '../fixtures/interactions.js';
import { openPasted } from '../fixtures/paste.js';

const MAPPED = { user: 'u', item: 'i', label: 'r' };
const TIMED = { ...MAPPED, time: 't' };
const times = (...all: string[]) => `u,i,r,t\n${all.map((time, k) => `u${k},i${k},${k + 1},${time}`).join('\n')}\n`;
const labels = (...all: string[]) => `u\ti\tr\n${all.map((label, k) => `u${k}\ti${k}\t${label}`).join('\n')}\n`;

/** What is asked, a file, how many lines have to be pasted, and `user/item=label@time` of every row then. */
type Case = [name: string, path: string, text: string, mapped: object, pasted: number, rows: string[]];
const CASES: Case[] = [
  ['LibSVM by another name', 'a.txt', '1 3:1 50:1\n0 4:1 51:1\n', MAPPED, 1, ['3/50=1', '4/51=0']],
  [
    'LibSVM of rankings: qid and comments',
    'r.libsvm',
    '# made\n4 qid:7 12:1\n2 qid:8 13:1 # x\n',
    { user: 'qid', item: 'index1', label: 'label' },
    0,
    ['7/12=4', '8/13=2'],
  ],
  ['LibFFM by another name', 'f.txt', '1 0:12:1 1:7:1\n0 0:13:1 1:8:1\n', MAPPED, 1, ['12/7=1', '13/8=0']],
  [
    'impressions without their format',
    'behaviors.tsv',
    '1\tU1\t11/15/2019 8:55:22 AM\tN9\tN5-1 N3-0\n',
    { user: 'user', item: 'item', label: 'clicked', time: 'time' },
    2,
    ['U1/N5=1@1573808122', 'U1/N3=0@1573808122'],
  ],
  [
    'text before the header',
    'e.csv',
    'Ratings, as of 2024\n"made by, me"\n\nu;i;r\na;x;4\nb;y;3\n',
    MAPPED,
    1,
    ['a/x=4', 'b/y=3'],
  ],
  ['names in other letters', 'a.csv', 'U,I,R\na,x,4\n', MAPPED, 1, ['a/x=4']],
  ['a mark that is no usual delimiter', 'a.txt', 'u^i^r\na^x^4\n', MAPPED, 0, ['a/x=4']],
  ['two marks', 'b.txt', 'u#;#i#;#r\na#;#x#;#4\n', MAPPED, 0, ['a/x=4']],
  [
    'rows with names, as R writes them',
    'r.csv',
    '"u","i","r"\n"1","a","x",4\n"2","b","y",3\n',
    MAPPED,
    1,
    ['a/x=4', 'b/y=3'],
  ],
  ['a line with a field less', 'l.csv', 'u,i,r\na,x,4\nb,y\nc,z,3\n', MAPPED, 1, ['a/x=4', 'c/z=3']],
  ['ARFF', 'a.arff', '@relation r\n@attribute u string\n@data\na,x,4\nb,y,3\n', MAPPED, 1, ['a/x=4', 'b/y=3']],
  [
    'a table drawn in signs',
    'm.txt',
    '+---+---+---+\n| u | i | r |\n+---+---+---+\n| a | x | 4 |\n+---+---+---+\n',
    MAPPED,
    1,
    ['a/x=4'],
  ],
  ['a text called Parquet', 'a.parquet', 'u,i,r\na,x,4\n', MAPPED, 1, ['a/x=4']],
  ['JSON behind a byte order mark', 'b.json', '\ufeff[{"u":"a","i":"x","r":4}]', MAPPED, 0, ['a/x=4']],
  [
    'a date of MongoDB',
    'm.json',
    '[{"u":"5f","i":"x","r":4,"t":{"$date":"2020-01-01T00:00:00Z"}}]',
    TIMED,
    1,
    ['5f/x=4@1577836800'],
  ],
  ['a number in an object', 'n.json', '[{"u":"a","i":"x","r":{"$numberInt":"4"}}]', MAPPED, 1, ['a/x=4']],
  [
    'a symmetric matrix',
    's.mtx',
    '%%MatrixMarket matrix coordinate real symmetric\n3 3 2\n2 1 5\n3 3 1\n',
    { user: 'row', item: 'column', label: 'value' },
    0,
    ['2/1=5', '1/2=5', '3/3=1'],
  ],
  [
    'no header, and the time in the middle',
    'y.dat',
    '1,2014-04-07T10:51:09.277Z,214536502,0\n2,2014-04-07T10:54:09.868Z,214536500,0\n',
    { user: 'session', item: 'item', time: 'time' },
    1,
    ['1/214536502=1@1396867869.277', '2/214536500=1@1396868049.868'],
  ],
  ['stars', 'l1.tsv', labels('★★★★', '★★☆☆☆', '★★★½'), MAPPED, 1, ['u0/i0=4', 'u1/i1=2', 'u2/i2=3.5']],
  ['thumbs', 'l2.tsv', labels('👍', '👎'), MAPPED, 1, ['u0/i0=1', 'u1/i1=0']],
  ['digits of full width', 'l3.tsv', labels('４', '３'), MAPPED, 1, ['u0/i0=4', 'u1/i1=3']],
  ['thousands in Switzerland', 'l4.tsv', labels("1'200", "3'400.5"), MAPPED, 1, ['u0/i0=1200', 'u1/i1=3400.5']],
  ['a minus sign, a blank that does not break', 'l5.tsv', labels('−4', '3\u00a0'), MAPPED, 0, ['u0/i0=-4', 'u1/i1=3']],
  ['an infinite label', 'l6.tsv', labels('4', 'inf'), MAPPED, 2, ['u0/i0=4']],
  [
    'a missing time',
    't1.csv',
    times('2020-01-01', 'NULL', '2020-01-03'),
    TIMED,
    1,
    ['u0/i0=1@1577836800', 'u2/i2=3@1578009600'],
  ],
  ['a missing number', 't2.csv', times('5', '', '7'), TIMED, 1, ['u0/i0=1@5', 'u2/i2=3@7']],
  ['a day of zeros', 't3.csv', times('2020-01-01', '0000-00-00'), TIMED, 2, ['u0/i0=1@1577836800']],
  [
    'a day that was not',
    't4.csv',
    times('13/01/2020', '30/02/2020', '14/01/2020'),
    TIMED,
    2,
    ['u0/i0=1@1578873600', 'u2/i2=3@1578960000'],
  ],
  [
    'times without marks',
    't5.csv',
    times('20200102T030405', '20200113T030405'),
    TIMED,
    1,
    ['u0/i0=1@1577934245', 'u1/i1=2@1578884645'],
  ],
  [
    'dates of .NET',
    't7.csv',
    times('/Date(1577836800500)/', '/Date(-1000+0200)/'),
    TIMED,
    1,
    ['u0/i0=1@1577836800.5', 'u1/i1=2@-1'],
  ],
  ['weeks', 't6.csv', times('2020-W01-1', '2020-W02-3'), TIMED, 1, ['u0/i0=1@1577664000', 'u1/i1=2@1578441600']],
];

async function read(
  path: string,
  text: string,
  mapped: object,
): Promise<{ rows: string[]; errors: string[]; notes: readonly string[] }> {
  const from = file(text, `pasted/${path}`);
  const { dataset: d, errors } = await openPasted({ interactions: { from, ...mapped } } as DataSource, folder);
  const rows = pairs(d).map((pair, k) => `${pair}=${d.label[k]}${d.time === undefined ? '' : `@${d.time[k]}`}`);
  return { rows, errors, notes: d.notes };
}

for (const [name, path, text, mapped, pasted, rows] of CASES)
  test(name, async () => {
    const found = await read(path, text, mapped);
    assert.deepEqual(found.rows, rows);
    assert.equal(found.errors.length, pasted, found.errors.join('\n'));
  });

test('dates with their time in one number are spoken of, with the pattern', async () => {
  for (const [digits, pattern, seconds] of [
    ['20200102030405', '%Y%m%d%H%M%S', 1577934245],
    ['202001020304', '%Y%m%d%H%M', 1577934240],
  ] as const) {
    const { notes } = await read('digits.csv', times(digits), TIMED);
    assert.ok(
      notes.some((note) => note.includes(`"timeFormat": "${pattern}"`)),
      notes.join('; '),
    );
    const { rows } = await read('digits.csv', times(digits), { ...TIMED, timeFormat: pattern });
    assert.deepEqual(rows, [`u0/i0=1@${seconds}`]);
  }
  const { notes } = await read('epoch.csv', times('1577934245000', '1577934299999'), TIMED);
  assert.deepEqual(notes, [], 'milliseconds are none');
});

test('missing times are dropped among nanoseconds too, whose order stays', async () => {
  const [a, b] = ['1577836800123456789', '1577836800123456790'];
  const from = file(times(b, 'NA', a), 'pasted/ns.csv');
  const d = await open({ interactions: { from, ...TIMED, timeFormat: 'ns' }, missingTime: 'drop' });
  assert.equal(d.size, 2);
  assert.ok(d.time![1] < d.time![0]);
  assert.ok(
    d.notes.some((note) => note.startsWith('1 of 3 interactions have no time')),
    d.notes.join('; '),
  );
  assert.ok(!d.notes.some((note) => note.includes('For nanoseconds')), d.notes.join('; '));
});

test('columns of one name in another order', async () => {
  file('u,i,r\na,x,1\n', 'pasted/parts/1.csv');
  file('i,u,r\nz,c,3\n', 'pasted/parts/2.csv');
  const { dataset } = await openPasted({ interactions: { from: 'pasted/parts/*.csv', ...MAPPED } }, folder);
  assert.deepEqual(pairs(dataset), ['a/x', 'c/z']);
});

test('an item that is in its table twice: the first row', async () => {
  const from = file('u,i,r\na,x,1\nb,z,3\n', 'pasted/twice.csv');
  const items = {
    from: file('i,p\nx,A\nx,B\nz,C\n', 'pasted/items.csv'),
    id: 'i',
    features: [{ name: 'p', kind: 'categorical' as const }],
  };
  const { dataset } = await openPasted({ interactions: { from, ...MAPPED }, items }, folder);
  const [p] = dataset.items.columns;
  assert.ok(p.kind === 'categorical');
  assert.deepEqual(
    Array.from(p.data, (id) => p.vocabulary.values[id]),
    ['', 'A', 'C'],
  );
});

test('counts of 0', async () => {
  const from = file('u,i,n\na,x,0\na,y,2\n', 'pasted/counts.csv');
  const { dataset } = await openPasted({ interactions: { from, user: 'u', item: 'i', count: 'n' } }, folder);
  assert.deepEqual([pairs(dataset), [...dataset.count!]], [['a/y'], [2]]);
});

test('texts in a dense column: the line to write makes numbers of them', async () => {
  const from = file('u,i,r\na,x,1\nb,y,2\nc,z,3\n', 'pasted/dense.csv');
  for (const [text, wanted] of [
    ['x,true\ny,false\nz,true\n', [1, 0, 1]],
    ['x,2020-01-01\ny,2019-05-06\nz,\n', [1577836800, 1557100800, NaN]],
    ['x,0.5 2\ny,1 4\nz,1.5 -3\n', [0.5, 2, 1, 4, 1.5, -3]],
    ['x,"$1,500"\ny,2 USD\nz,3\n', [1500, 2, 3]],
  ] as const) {
    const feature = { name: 'p', kind: 'dense', standardize: false } as const;
    const source = (more: object) => ({
      interactions: { from, ...MAPPED },
      items: { from: file(`i,p\n${text}`, 'pasted/dense-items.csv'), id: 'i', features: [{ ...feature, ...more }] },
    });
    let message = '';
    await open(source({})).catch((error: Error) => (message = error.message));
    const lines = /write in this feature: `([^`]+)`/.exec(message)?.[1];
    assert.ok(lines !== undefined, message);
    const { items } = await open(source(JSON.parse(`{${lines}}`) as object));
    const [p] = items.columns;
    assert.ok(p.kind === 'dense');
    assert.deepEqual([...(p.scaling?.raw ?? p.data)].slice(p.size), wanted, lines);
  }
  const comma = { from: file('i;p\nx;1,5\ny;2,25\nz;3\n', 'pasted/comma.csv'), id: 'i' };
  const features = [{ name: 'p', kind: 'dense' as const, standardize: false }];
  const { dataset } = await openPasted({ interactions: { from, ...MAPPED }, items: { ...comma, features } }, folder);
  const [p] = dataset.items.columns;
  assert.deepEqual(p.kind === 'dense' && [...p.data].slice(1), [1.5, 2.25, 3]);
});

test('a header that has one of the names is one, and lists inside fields do not separate them', async () => {
  await rejects(
    open({ interactions: { from: file('u,item1,item2\na,5,\n', 'pasted/wide.csv'), ...MAPPED } }),
    'MISSING_COLUMN',
    /^(?!.*"header": false)/,
  );
  const movies = file("x::Toy Story::Animation|Children's|Comedy\ny::Jumanji::Adventure\n", 'pasted/movies.dat');
  const from = file('u,i,r\na,x,1\nb,y,2\n', 'pasted/movie-ratings.csv');
  const features = [
    { name: 'title', kind: 'categorical' as const },
    { name: 'genres', kind: 'bag' as const },
  ];
  const items = { from: movies, id: 'i', features };
  const { dataset } = await openPasted({ interactions: { from, ...MAPPED }, items }, folder);
  const genres = dataset.items.columns[1];
  assert.deepEqual(genres.kind === 'bag' && genres.vocabulary.values, [
    '',
    'Adventure',
    'Animation',
    "Children's",
    'Comedy',
  ]);
});

test('what is no table says what it is', async () => {
  const refused = (path: string, text: string, what: RegExp) =>
    rejects(open({ interactions: { from: file(text, `pasted/${path}`), ...MAPPED } }), 'INVALID_DATA', what);
  await refused('dump.sql', "INSERT INTO `r` VALUES ('a','x',4);\n", /dump of a database/);
  await refused('columns.json', '{"u":{"0":"a","1":"b"},"i":{"0":"x","1":"y"},"r":{"0":4,"1":3}}', /orient='records'/);
  await refused('keys.json', '{"a":{"x":4,"y":3},"b":{"x":2}}', /values by their keys.*orient='records'/);
});

test('a field of LibFFM that a line has twice is a list', async () => {
  const from = file('1 0:12:1 1:7:1 2:3:1 2:4:1\n0 0:13:1 1:8:1 2:5:.5\n', 'pasted/lists.ffm');
  const features = [{ name: 'genres', kind: 'bag' as const, column: '2:list' }];
  const d = await open({ interactions: { from, user: '0', item: '1', label: 'label', features } });
  const [genres] = d.context.columns;
  assert.ok(genres.kind === 'bag');
  assert.deepEqual(pairs(d), ['12/7', '13/8']);
  const [texts, { offsets }] = [Array.from(genres.data, (id) => genres.vocabulary.values[id]), genres];
  assert.deepEqual(
    [texts, [...offsets]],
    [
      ['3', '4', '5'],
      [0, 2, 3],
    ],
  );
  await rejects(open({ interactions: { from, user: '2', item: '1', label: 'label' } }), 'MISSING_COLUMN', /"2:list"/);
});

test('what has no labels, and YAML, say what to read in their place', async () => {
  const shown = file('1\tU1\t11/15/2019 8:55:22 AM\tN9\tN5 N3\n', 'pasted/test/behaviors.tsv');
  const mapped = { user: 'user', item: 'item', label: 'clicked', format: 'impressions' as const };
  await rejects(open({ interactions: { from: shown, ...mapped } }), 'INVALID_DATA', /has no labels: read a training/);
  const yaml = file('- u: a\n  i: x\n  r: 4\n', 'pasted/a.yaml');
  await rejects(
    open({ interactions: { from: yaml, ...MAPPED } }),
    'INVALID_DATA',
    /YAML, which is not read.*json\.dump/,
  );
});

test('lines before the table are counted as they stand, blank ones too, in any encoding', async () => {
  const lines = 'Bewertungen für 2024\r\n\r\nu;i;r\r\na;x;4\r\nb;y;5\r\n';
  const from = file(Buffer.from(lines, 'latin1'), 'pasted/title.csv');
  const { dataset, errors } = await openPasted({ interactions: { from, ...MAPPED } }, folder);
  assert.deepEqual(pairs(dataset), ['a/x', 'b/y']);
  assert.equal(errors.length, 2, errors.join('\n'));
  const source = { from, ...MAPPED, encoding: 'latin-1' };
  await rejects(open({ interactions: { ...source, skip: -1 } }), 'INVALID_OPTION', /skip/);
  await rejects(open({ interactions: { ...source, skip: 4 } }), 'MISSING_COLUMN', /"a"|a;x|"b"/);
});
