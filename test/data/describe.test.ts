/** What is said of a dataset: its numbers, what looks like something else, and that it fits a terminal whatever the data holds. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { datasetFromColumns, describeDataset } from '../../lib/index.js';
import { file, folder, open, pairs, ratings, throws } from '../fixtures/interactions.js';
import { openPasted } from '../fixtures/paste.js';
import { commandIn } from '../fixtures/command.js';

const RATINGS =
  'u,i,r,t,s\n1,a,2,1577836800,train\n1,b,3,1577923200,train\n2,a,2,1578009600,test\n3,z,5,1578096000,test\n';

test('numbers: sizes, spreads, time, labels, parts, features and what they reach', async () => {
  const d = await open({
    ...ratings(RATINGS, { time: 't', part: 's' }),
    items: {
      from: file('i,g,y\na,x|y,1990\nb,,NA\nc,x,2000\n'),
      id: 'i',
      features: [
        { name: 'g', kind: 'bag' },
        { name: 'y', kind: 'dense' },
      ],
    },
  });
  const { text, notes, ...described } = describeDataset(d);
  assert.deepEqual(described, {
    interactions: 4,
    users: 3,
    items: 3,
    idle: { users: 0, items: 1 },
    perUser: { least: 1, median: 1, most: 2 },
    perItem: { least: 1, median: 1, most: 2 },
    time: { first: 1577836800, last: 1578096000, unit: 's' },
    labels: [
      { from: 2, to: 2, count: 2 },
      { from: 3, to: 3, count: 1 },
      { from: 5, to: 5, count: 1 },
    ],
    unrated: undefined,
    found: { users: undefined, items: 0.75 },
    features: [
      { of: 'item', name: 'g', kind: 'bag', size: 2, missing: 2 },
      { of: 'item', name: 'y', kind: 'dense', size: 1, missing: 2 },
    ],
    parts: { test: 2, train: 2 },
  });
  assert.deepEqual(notes, d.notes);
  for (const part of [
    /^4 interactions of 3 users with 3 items/,
    /2020-01-01 to 2020-01-04/,
    /item of 75\.0 %/,
    /missing of 2 items/,
  ])
    assert.match(text, part);
});

test('many labels come in ten ranges that hold all of them', (t) => {
  const label = Array.from({ length: 500 }, (_, k) => k / 10);
  const d = datasetFromColumns({ user: label.map((_, k) => k % 7), item: label.map((_, k) => k), label });
  const { labels } = describeDataset(d);
  assert.equal(labels.length, 10);
  assert.deepEqual(
    labels.map(({ count }) => count),
    new Array<number>(10).fill(50),
  );
  t.end();
});

test('the shares of a list have as many decimals as its smallest one', (t) => {
  const shares = (counts: readonly number[]) => {
    const label = counts.flatMap((count, value) => new Array<number>(count).fill(value));
    const d = datasetFromColumns({ user: label.map((_, k) => k % 97), item: label.map((_, k) => k), label });
    return Array.from(describeDataset(d).text.matchAll(/ {2}([\d.]+) %(?: █+)?$/gm), (match) => match[1]);
  };
  assert.deepEqual(shares([5, 15, 80]), ['5.0', '15.0', '80.0']);
  assert.deepEqual(shares([2, 998, 4000]), ['0.040', '19.960', '80.000']);
  t.end();
});

test('labels that look like "not rated" are named, and leave when the lines are pasted', async () => {
  const text = (value: string) => `u,i,r\n1,a,${value}\n2,b,7\n3,c,10\n4,d,3\n`;
  for (const value of ['-1', '0', '-1.0']) {
    const source = ratings(text(value));
    const { notes } = await open(source);
    assert.match(notes.join(), /1 of 4 labels are (-1|0), the others from 3 to 10/);
    const nulls = /"nulls": (\[.*?\])`/.exec(notes.join())![1];
    const again = { ...source, interactions: { ...source.interactions, nulls: JSON.parse(nulls) as string[] } };
    const { dataset } = await openPasted(again, folder);
    assert.deepEqual(pairs(dataset), ['2/b', '3/c', '4/d']);
  }
  for (const labels of [
    [0, 1],
    [0, 0.5, 1, 5],
    [-1, 1],
    [-2, -1, 0, 1],
  ]) {
    const d = await open(ratings(`u,i,r\n${labels.map((label, k) => `${k},a,${label}\n`).join('')}`));
    assert.deepEqual(d.notes, [], labels.join());
  }
  assert.match((await open(ratings('u,i,r\n1,a,1\n2,b,1\n'))).notes.join(), /all 2 labels are 1/);
});

test('times that are dates written as numbers, or of two units', async () => {
  const times = (a: string, b: string) => open(ratings(`u,i,r,t\n1,a,1,${a}\n2,b,2,${b}\n`, { time: 't' }));
  const dated = await times('20200131', '20200201');
  assert.match(dated.notes.join(), /"timeFormat": "%Y%m%d"/);
  assert.match((await times('1577836800', '1577836800123')).notes.join(), /no common order/);
  for (const [a, b] of [
    ['1577836800', '1577836801'],
    ['1', '20200201'],
    ['1577836800000', '1577836800123'],
  ])
    assert.deepEqual((await times(a, b)).notes, []);
  assert.match(describeDataset(await times('1577836800000', '1577836800123')).text, /as numbers of ms since 1970/);
});

test('ids in another spelling than some of the table’s are named with both', async () => {
  const d = await open({
    ...ratings('u,i,r\n1,a,2\n1,B,3\n2,007,2\n2,3.0,4\n'),
    items: { from: file('i,g\na,x\nb,y\n7,z\n3,z\n'), id: 'i', features: [{ name: 'g', kind: 'categorical' }] },
  });
  for (const [here, there] of [
    ['B', 'b'],
    ['007', '7'],
    ['3\\.0', '3'],
  ])
    assert.match(d.notes.join('\n'), new RegExp(`1 items .* such as "${here}" there as "${there}"`));
});

test('lines fit 100 columns and hold no control characters, whatever names and notes do', (t) => {
  const evil = 'x\u001b[31m\u202ered\n<script>\u0000';
  const d = datasetFromColumns({
    user: ['a', 'b'],
    item: ['a', 'b'],
    label: [1, 2],
    itemFeatures: { id: ['a', 'b'], features: { [evil]: { kind: 'categorical', values: ['p', 'q'] } } },
  });
  d.notes.push(`a note of ${evil} and ${'long'.repeat(100)}`);
  const { text } = describeDataset(d);
  assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
  for (const line of text.split('\n')) assert.ok([...line].length <= 100, line);
  throws(() => describeDataset({} as never), 'INVALID_OPTION');
  t.end();
});

test('innerloop inspect says it of files and of a configuration, and train before it trains', (t) => {
  const { ok, run } = commandIn(folder);
  file(RATINGS, 'inspect.csv');
  const files = ok('inspect', 'inspect.csv');
  assert.match(files.stderr, /user: u \(by its name\)/);
  assert.match(files.stdout, /^4 interactions of 3 users with 3 items/);
  const { interactions, labels } = JSON.parse(ok('inspect', 'inspect.csv', '--json').stdout) as {
    interactions: number;
    labels: unknown[];
  };
  assert.deepEqual([interactions, labels.length], [4, 3]);
  const rows = Array.from({ length: 60 }, (_, k) => `${k % 10},${k % 6},${(k % 4) + 1}\n`).join('');
  file(`u,i,r\n${rows}`, 'many.csv');
  ok('init', '--yes', 'many.csv', '-o', 'many.json');
  const configured = ok('inspect', '-c', 'many.json').stdout;
  const trained = ok('train', '-c', 'many.json', '--epochs', '1').stderr;
  assert.ok(trained.includes(configured.trim()));
  assert.equal(run('inspect').code, 2);
  t.end();
});
