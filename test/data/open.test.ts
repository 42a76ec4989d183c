import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'tap';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { packageRoot } from '../../lib/foundation/addon.js';
import type { BagColumn, CategoricalColumn, DenseColumn } from '../../lib/foundation/contract.js';
import { datasetFromColumns, openDataset } from '../../lib/data/index.js';
import { random } from '../../lib/foundation/random.js';
import { file, folder, open, pairs, ratings, rejects } from '../fixtures/interactions.js';

test('csv: ids stay text, vocabularies are in order, rows in file order', async () => {
  const d = await open(ratings('u,i,r\n007,b,1\n7,a,2.5\n10,é,3\n7,b,-1e2\n'));
  assert.deepEqual([...d.users.keys.values], ['', '007', '7', '10']);
  assert.deepEqual([...d.items.keys.values], ['', 'a', 'b', 'é']);
  assert.deepEqual(pairs(d), ['007/b', '7/a', '10/é', '7/b']);
  assert.deepEqual([...d.label], [1, 2.5, 3, -100]);
  assert.equal(d.time, undefined);
  assert.equal(d.users.keys.idOf('10'), 3);
  assert.equal(d.users.keys.idOf('11'), 0);
  assert.equal(d.users.keys.idOf(''), 0);
  assert.deepEqual({ rows: d.context.rows, columns: d.context.columns }, { rows: 4, columns: [] });
});

test('identifiers and paths are quoted: a"b, it\'s.csv, [x].csv, a column of spaces', async () => {
  const name = file(`"a""b", ,"r'",select\n1,x,2,5\n`, "it's [x]*.csv");
  const d = await open({ interactions: { from: name, user: 'a"b', item: 'select', label: "r'" } });
  assert.deepEqual(pairs(d), ['1/5']);
});

test('tsv, ndjson, json, gz and parquet read the same', async () => {
  const expected = ['1/x', '2/y'];
  const rows = '[{"u":"1","i":"x","r":4},{"u":"2","i":"y","r":5}]';
  const parquet = join(folder, 'same.parquet');
  await duck(`COPY (SELECT * FROM (VALUES ('1','x',4), ('2','y',5)) t(u,i,r)) TO '${parquet}' (FORMAT parquet)`);
  for (const from of [
    file('u\ti\tr\n1\tx\t4\n2\ty\t5\n', 'same.tsv'),
    file('{"u":"1","i":"x","r":4}\n{"u":"2","i":"y","r":5}\n', 'same.ndjson'),
    file(rows, 'same.json'),
    file(gzipSync('u,i,r\n1,x,4\n2,y,5\n'), 'same.csv.gz'),
    parquet,
  ]) {
    const d = await open({ interactions: { from, user: 'u', item: 'i', label: 'r' } });
    assert.deepEqual(pairs(d), expected, from);
    assert.deepEqual([...d.label], [4, 5], from);
  }
});

test('json: ids that look like dates or UUIDs keep their spelling', async () => {
  const from = file('{"u":"2020-01-01","i":"00A0EEBC-9C0B-4EF8-BB6D-6BB9BD380A11","r":1}\n', 'spelling.ndjson');
  const d = await open({ interactions: { from, user: 'u', item: 'i', label: 'r' } });
  assert.deepEqual(pairs(d), ['2020-01-01/00A0EEBC-9C0B-4EF8-BB6D-6BB9BD380A11']);
});

async function duck(sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(sql);
  connection.closeSync();
  instance.closeSync();
}

test('a glob reads its files in path order; SQL finds relative files and may end in ; or a comment', async () => {
  file('u,i,r\n2,x,2\n', 'parts/b.csv');
  file('u,i,r\n1,x,1\n', 'parts/a.csv');
  const d = await open({ interactions: { from: 'parts/*.csv', user: 'u', item: 'i', label: 'r' } });
  assert.deepEqual(pairs(d), ['1/x', '2/x']);
  for (const tail of [';', ' -- the first part']) {
    const sql = `SELECT u AS who, i, r * 2 AS r FROM 'parts/a.csv'${tail}`;
    const s = await open({ interactions: { sql, user: 'who', item: 'i', label: 'r' } });
    assert.deepEqual([pairs(s), [...s.label]], [['1/x'], [2]]);
  }
});

test('time: numbers, dates and timestamps (Unix seconds)', async () => {
  const times = async (text: string): Promise<number[]> => [
    ...(await open(ratings(`u,i,r,t\n${text}`, { time: 't' }))).time!,
  ];
  assert.deepEqual(await times('1,a,1,5.5\n1,b,1,-2\n'), [5.5, -2]);
  assert.deepEqual(await times('1,a,1,1970-01-02\n1,b,1,1970-01-01\n'), [86400, 0]);
  assert.deepEqual(await times('1,a,1,1970-01-01 00:01:00\n1,b,1,2000-01-01 00:00:00.5\n'), [60, 946684800.5]);
  const sql = "SELECT 'u' u, 'i' i, 1 r, TIMESTAMPTZ '1970-01-01 01:00:00+01' t";
  assert.deepEqual(
    [...(await open({ interactions: { sql, user: 'u', item: 'i', label: 'r', time: 't' } })).time!],
    [0],
  );
});

test('duplicates: last, first, mean, error; by time where there is one', async () => {
  const text = 'u,i,r,t\n1,a,1,30\n1,b,5,1\n1,a,2,10\n2,a,9,1\n1,a,6,20\n';
  const read = async (duplicates: string | undefined, time: boolean): Promise<string> => {
    const d = await open({ ...ratings(text, time ? { time: 't' } : {}), duplicates });
    assert.equal(d.notes.filter((note) => /2 of 5 interactions repeat/.test(note)).length, 1, String(d.notes));
    assert.equal(d.size, 3);
    return pairs(d)
      .map((id, k) => `${id}=${d.label[k]}`)
      .join(' ');
  };
  assert.equal(await read(undefined, false), '1/b=5 2/a=9 1/a=6');
  assert.equal(await read('last', true), '1/a=1 1/b=5 2/a=9');
  assert.equal(await read('first', false), '1/a=1 1/b=5 2/a=9');
  assert.equal(await read('first', true), '1/b=5 1/a=2 2/a=9');
  assert.equal(await read('mean', false), '1/b=5 2/a=9 1/a=3');
  assert.equal(await read('mean', true), '1/a=3 1/b=5 2/a=9');
  // A tie in time goes by file order.
  for (const [duplicates, kept] of [
    ['last', 2],
    ['first', 1],
  ] as const) {
    const d = await open({ ...ratings('u,i,r,t\n1,a,1,5\n1,a,2,5\n', { time: 't' }), duplicates });
    assert.deepEqual([...d.label], [kept]);
  }
  await rejects(open({ ...ratings(text), duplicates: 'error' }), 'INVALID_DATA', /"1".*"a".*rows 1 and 3/);
});

test('missing labels: error, or dropped with a note, together with their context', async () => {
  const text = 'u,i,r,c\n1,a,,x\n1,b,5,y\n3,b,,x\n';
  await rejects(open(ratings(text)), 'INVALID_DATA', /"r", row 1 /, /missingLabel/);
  const d = await open({
    ...ratings(text, {
      features: [
        { name: 'c', kind: 'categorical' },
        { name: 'bag', column: 'c', kind: 'bag' },
      ],
    }),
    missingLabel: 'drop',
  });
  assert.deepEqual(pairs(d), ['1/b']);
  assert.match(d.notes.join(), /2 of 3 interactions have no label/);
  assert.deepEqual([...(d.context.columns[0] as CategoricalColumn).data], [2]);
  assert.deepEqual([...(d.context.columns[1] as BagColumn).offsets], [0, 1]);
  assert.equal(d.context.rows, 1);
  await rejects(open({ ...ratings('u,i,r\n1,a,\n'), missingLabel: 'drop' }), 'EMPTY_DATA');
  await rejects(open({ ...ratings('u,i,r\n1,a,good\n'), missingLabel: 'drop' }), 'INVALID_DATA', /"good"/);
});

test('features: categories, bags, dense numbers, expressions, minimum counts, entities of one table only', async () => {
  const users = file('id,zip,age,tags\n9,02139,20, red | blue|\n1,02139,,red\n5,10001,40,\n', 'users.csv');
  const d = await open({
    ...ratings('u,i,r\n1,a,1\n7,b,2\n'),
    users: {
      from: users,
      id: 'id',
      features: [
        { name: 'zip', kind: 'categorical' },
        { name: 'area', kind: 'categorical', column: 'zip', minCount: 2 },
        { name: 'tags', kind: 'bag' },
        { name: 'age', kind: 'dense' },
        { name: 'raw', kind: 'dense', column: 'age', standardize: false },
        { name: 'decade', kind: 'categorical', sql: 'age // 10' },
      ],
    },
  });
  assert.deepEqual([...d.users.keys.values], ['', '1', '5', '7', '9']);
  assert.equal(d.users.rows, 5);
  const [zip, area, tags, age, raw, decade] = d.users.columns as [
    CategoricalColumn,
    CategoricalColumn,
    BagColumn,
    DenseColumn,
    DenseColumn,
    CategoricalColumn,
  ];
  assert.deepEqual(
    [[...zip.vocabulary.values], [...zip.data]],
    [
      ['', '02139', '10001'],
      [0, 1, 2, 0, 1],
    ],
  );
  assert.deepEqual(
    [[...area.vocabulary.values], [...area.data]],
    [
      ['', '02139'],
      [0, 1, 0, 0, 1],
    ],
  );
  assert.deepEqual(
    [[...tags.vocabulary.values], [...tags.offsets], [...tags.data]],
    [
      ['', 'blue', 'red'],
      [0, 0, 1, 1, 1, 3],
      [2, 2, 1],
    ],
  );
  assert.deepEqual([age.size, [...age.data]], [1, [0, 0, 1, 0, -1]]);
  assert.deepEqual([...raw.data], [0, 0, 40, 0, 20]);
  assert.deepEqual(
    [[...decade.vocabulary.values], [...decade.data]],
    [
      ['', '2', '4'],
      [0, 0, 2, 0, 1],
    ],
  );
  assert.match(d.notes.join('\n'), /1 of 4 users have no row in the user table/);
  assert.match(d.notes.join('\n'), /\(age\): 2 of 4 values are missing, read as the mean/);
});

test('list columns: bags as they are, dense vectors with and without size', async () => {
  const items = {
    sql: "SELECT * FROM (VALUES ('a', ['y','x','y'], [1.0, 2.0]), ('b', NULL, [3.0, 6.0]), ('c', [], NULL)) t(id, g, v)",
    id: 'id',
  };
  const d = await open({
    ...ratings('u,i,r\n1,a,1\n'),
    items: {
      ...items,
      features: [
        { name: 'g', kind: 'bag' },
        { name: 'v', kind: 'dense' },
      ],
    },
  });
  const [g, v] = d.items.columns as [BagColumn, DenseColumn];
  assert.deepEqual(
    [[...g.offsets], [...g.data]],
    [
      [0, 0, 3, 3, 3],
      [2, 1, 2],
    ],
  );
  assert.deepEqual([v.size, [...v.data]], [2, [0, 0, -1, -1, 1, 1, 0, 0]]);
  const wrong = { ...items, features: [{ name: 'v', kind: 'dense', size: 3 }] };
  await rejects(
    open({ ...ratings('u,i,r\n1,a,1\n'), items: wrong }),
    'INVALID_DATA',
    /features\[0\]/,
    /3 numbers in every list/,
  );
});

test('the same bytes in every run and for any number of threads', async () => {
  let text = 'u,i,r,g,x\n';
  const stream = random(1, 'data');
  for (let k = 0; k < 60000; k++)
    text += `${stream.below(4000)},n${stream.below(900)},${stream.below(5)},${stream.below(9)}|${stream.below(9)},${stream.below(1e6) / 7}\n`;
  const source = ratings(text, {
    features: [
      { name: 'g', kind: 'bag' },
      { name: 'x', kind: 'dense' },
    ],
  });
  const sql = `SELECT u, i, max(r) AS r, any_value(g) AS g, sum(x) AS x FROM '${source.interactions.from}' GROUP BY u, i`;
  for (const interactions of [source.interactions, { ...source.interactions, from: undefined, sql }]) {
    const runs = [];
    for (const threads of [1, 2, 4, 2]) {
      runs.push(await openDataset({ ...source, interactions }, { baseDirectory: folder, threads }));
    }
    for (const run of runs.slice(1)) {
      assert.deepEqual(
        [run.user, run.item, run.label, run.users.keys.values],
        [runs[0].user, runs[0].item, runs[0].label, runs[0].users.keys.values],
      );
      for (const [k, column] of run.context.columns.entries())
        assert.deepEqual(column.data, runs[0].context.columns[k].data);
    }
  }
});

// ------------------------------------------------------------------------------------------------------------ columns

test('datasetFromColumns agrees with openDataset on the same data', async () => {
  const ids = ['10', '9', '-3', '007', '7', '0'];
  const names = ['b', 'a', '\u{1f600}', '\uffee', 'Z', 'é'];
  const stream = random(2, 'columns');
  const n = 400;
  const pick = (list: string[]): string[] => Array.from({ length: n }, () => list[stream.below(list.length)]);
  const user = pick(ids);
  const item = pick(names);
  const label = Array.from({ length: n }, () => stream.below(9) / 2);
  const time = Array.from({ length: n }, () => stream.below(50));
  const tags = pick(['p|q', 'q', '', 'r|p']);
  const csv = user.map((u, k) => `${u},${item[k]},${label[k]},${time[k]},${tags[k]}`).join('\n');
  const users = 'id,age,job\n9,30,x\n10,,y\n77,50,\n007,45,x\n';
  for (const duplicates of ['last', 'first', 'mean'] as const) {
    const a = await open({
      ...ratings(`u,i,r,t,g\n${csv}\n`, { time: 't', features: [{ name: 'g', kind: 'bag' }] }),
      users: {
        from: file(users),
        id: 'id',
        features: [
          { name: 'age', kind: 'dense' },
          { name: 'job', kind: 'categorical', minCount: 2 },
        ],
      },
      duplicates,
    });
    const b = datasetFromColumns({
      user,
      item,
      label,
      time,
      duplicates,
      features: { g: { kind: 'bag', values: tags.map((text) => (text === '' ? null : text.split('|'))) } },
      userFeatures: {
        id: [9, '10', 77, '007'],
        features: {
          age: { kind: 'dense', values: [30, null, 50, 45] },
          job: { kind: 'categorical', values: ['x', 'y', null, 'x'], minCount: 2 },
        },
      },
    });
    assert.ok(a.size < n && a.size > 10);
    assert.deepEqual([b.size, b.user, b.item, b.label, b.time], [a.size, a.user, a.item, a.label, a.time]);
    assert.deepEqual([b.users.keys.values, b.items.keys.values], [a.users.keys.values, a.items.keys.values]);
    for (const table of ['users', 'context'] as const) {
      for (const [k, column] of a[table].columns.entries())
        assert.deepEqual(b[table].columns[k].data, column.data, column.name);
    }
    assert.deepEqual((b.context.columns[0] as BagColumn).offsets, (a.context.columns[0] as BagColumn).offsets);
  }
});

// -------------------------------------------------------------------------------------------------------- real data

test('MovieLens latest-small, as bundled', async () => {
  const data = join(packageRoot(), 'data/ml-latest-small');
  const d = await openDataset(
    {
      interactions: { from: 'ratings.csv', user: 'userId', item: 'movieId', label: 'rating', time: 'timestamp' },
      items: {
        from: 'movies.csv',
        id: 'movieId',
        features: [
          { name: 'genres', kind: 'bag' },
          { name: 'year', kind: 'categorical', sql: "regexp_extract(title, '\\((\\d{4})\\)\\s*$', 1)" },
        ],
      },
    },
    { baseDirectory: data },
  );
  assert.deepEqual([d.size, d.users.rows - 1, d.items.rows - 1], [100836, 610, 9742]);
  assert.deepEqual(d.notes, []);
  const [genres, year] = d.items.columns as [BagColumn, CategoricalColumn];
  const toyStory = d.items.keys.idOf('1');
  assert.deepEqual(
    Array.from(
      genres.data.subarray(genres.offsets[toyStory], genres.offsets[toyStory + 1]),
      (id) => genres.vocabulary.values[id],
    ),
    ['Adventure', 'Animation', 'Children', 'Comedy', 'Fantasy'],
  );
  assert.equal(genres.vocabulary.values.length, 21);
  assert.equal(year.vocabulary.values[year.data[toyStory]], '1995');
  // The first and last lines of ratings.csv.
  assert.deepEqual([pairs(d)[0], d.label[0], d.time![0]], ['1/1', 4, 964982703]);
  assert.deepEqual([pairs(d).at(-1), d.label.at(-1), d.time!.at(-1)], ['610/170875', 3, 1493846415]);
});
