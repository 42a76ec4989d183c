/** `innerloop init`: a configuration that trains without editing, for every file of ratings there is. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { readConfig } from '../../lib/cli/config.js';
import { guessRoles, sourceOf } from '../../lib/cli/guess.js';
import { peekTable } from '../../lib/data/peek.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import { commandIn } from '../fixtures/command.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-init-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const { run, ok } = commandIn(folder);
const own = (path: string) => join(packageRoot(), 'data', path);
const shared = (path: string) => join(packageRoot(), '..', 'shared', 'data', path);

/** Files by name: interactions, then tables; the columns found; what a label is. */
const CASES: [string, string[], string[], RegExp][] = [
  ['ratings', [own('ml-latest-small/ratings.csv')], ['userId', 'movieId', 'rating', 'timestamp'], /ratings/],
  [
    'ratings-movies',
    [own('ml-latest-small/ratings.csv'), own('ml-latest-small/movies.csv')],
    ['userId', 'movieId', 'rating', 'timestamp'],
    /ratings/,
  ],
  ['purchases', [own('purchases/purchases.csv')], ['customer', 'sku', 'bought'], /positives/],
  ['amazon', [shared('amazon-music/ratings.parquet')], ['user_id', 'item_id', 'rating', 'timestamp'], /ratings/],
  ['douban', [shared('crossdomain/douban_music.parquet')], ['user_id', 'item_id', 'rating'], /ratings/],
  [
    'ml-1m',
    [shared('ml-1m/ratings.parquet'), shared('ml-1m/users.csv'), shared('ml-1m/items.parquet')],
    ['user_id', 'item_id', 'rating', 'position'],
    /ratings/,
  ],
];

for (const [name, files, columns, kind] of CASES) {
  const missing = files.find((file) => !fs.existsSync(file));
  test(`init, then train: ${name}`, { skip: missing === undefined ? false : `${name} is not here` }, async () => {
    const { stderr, stdout } = ok('init', '--yes', ...files, '-o', `${name}.json`);
    assert.match(stderr.trim().split('\n').at(-1)!, kind);
    assert.match(stdout, new RegExp(`next: innerloop train --config ${name}\\.json`));
    const { data, split, training } = await readConfig(join(folder, `${name}.json`));
    const { user, item, label, time } = data.interactions;
    assert.deepEqual(
      [user, item, label, time].filter((column) => column !== undefined),
      columns,
    );
    assert.ok('test' in split && split.validation === 0.15 && split.test === 0.15);
    assert.equal(training.epochs, 20);
    assert.equal(files.length - 1, Number(data.items !== undefined) + Number(data.users !== undefined));
    const trained = ok('train', '-c', `${name}.json`, '--epochs', '1');
    assert.match(trained.stdout, /^test\n/);
    assert.match(trained.stderr, /validation (mae|ndcg@10) 0\.\d+/);
  });
}

test('a rating or a time that is no number is refused with the line to write, not left out', async () => {
  const rows = Array.from({ length: 40 }, (_, r) => [`u${r % 8}`, `i${r % 5}`, r % 2]);
  const table = (header: string, cells: (of: number) => string) =>
    [header, ...rows.map(([user, item, of]) => `${user};${item};${cells(Number(of))}`)].join('\n');
  for (const [name, text, wanted] of [
    ['comma', table('user;item;rating;date', (of) => `${3 + of},5;11.02.2012`), '{"column":"rating","decimal":","}'],
    ['date', table('user;item;rating;date', (of) => `${3 + of};13.02.2012`), 'timeFormat'],
    [
      'yes',
      table('user;item;liked', (of) => (of === 1 ? 'yes' : 'no')),
      '{"column":"liked","values":{"no":0,"yes":1}}',
    ],
  ]) {
    fs.writeFileSync(join(folder, `${name}.csv`), text);
    // Times are read first by inspect or train.
    for (const command of name === 'date' ? [['inspect']] : [['init', '--yes'], ['inspect']]) {
      const { code, stderr } = run(...command, `${name}.csv`);
      assert.equal(code, 1, `${name}: ${stderr}`);
      assert.ok(stderr.includes(wanted), `${name}: ${stderr}`);
    }
  }
});

test('tables that share a column’s name, and two tables of one side', async () => {
  const write = (name: string, text: string) => fs.writeFileSync(join(folder, name), text);
  const rows = Array.from({ length: 80 }, (_, k) => `${k % 10},${(k * 3) % 16},${(k % 5) + 1}\n`).join('');
  write('r.csv', `userId,itemId,rating\n${rows}`);
  const table = (id: string, count: number) =>
    `${id},status,user\n${Array.from({ length: count }, (_, k) => `${k},${k % 2 ? 'new' : 'old'},${k % 3}\n`).join('')}`;
  write('u.csv', table('userId', 10));
  write('i.csv', table('itemId', 16));
  write('i2.csv', table('itemId', 16));
  ok('init', '--yes', 'r.csv', 'u.csv', 'i.csv', '-o', 'same.json');
  const { data, model } = await readConfig(join(folder, 'same.json'));
  assert.deepEqual(
    model.inputs.map(({ name }) => name),
    ['item', 'status', 'user user', 'item status', 'item user'],
  );
  assert.equal(data.items!.features[0].column, 'status');
  ok('train', '-c', 'same.json', '--epochs', '1');
  const { code, stderr } = run('init', '--yes', 'r.csv', 'i.csv', 'i2.csv', '-o', 'twins.json');
  assert.equal(code, 2);
  assert.match(stderr, /two tables of items: i\.csv and i2\.csv/);
  assert.ok(!fs.existsSync(join(folder, 'twins.json')));
});

test('files without a header, of other separators, and of RecBole are read as they are', async () => {
  const rows = Array.from({ length: 400 }, (_, k) => [
    `${k % 25}`,
    `${(k * 7) % 41}`,
    `${1 + (k % 5)}`,
    `${880000000 + k}`,
  ]);
  const write = (name: string, separator: string, header?: string) =>
    fs.writeFileSync(
      join(folder, name),
      `${header === undefined ? '' : `${header}\n`}${rows.map((row) => row.join(separator)).join('\n')}\n`,
    );
  write('u.data', '\t');
  write('ratings.dat', '::');
  write('plain.csv', ',');
  write('semicolons.csv', ';', 'who;what;stars;at');
  write('small.inter', '\t', 'user_id:token\titem_id:token\trating:float\ttimestamp:float');
  for (const name of ['u.data', 'ratings.dat', 'plain.csv', 'semicolons.csv', 'small.inter']) {
    const source = sourceOf(join(folder, name));
    const table = await peekTable(source, 'interactions');
    assert.deepEqual([name, table.rows, table.columns.length], [name, 400, 4]);
    const roles = guessRoles(table);
    assert.deepEqual(
      (['user', 'item', 'label', 'time'] as const).map((role) =>
        table.columns.findIndex((c) => c.name === roles[role].column),
      ),
      [0, 1, 2, 3],
      name,
    );
  }
  ok('init', '--yes', 'ratings.dat', '-o', 'dat.json');
  assert.match(ok('train', '-c', 'dat.json', '--epochs', '1').stdout, /ridge/);
});

test('a guess by values alone is not taken in silence; a configuration is not replaced', async () => {
  const rows = Array.from({ length: 300 }, (_, k) => `a${k % 20},b${(k * 7) % 31},${1 + (k % 5)}`);
  fs.writeFileSync(join(folder, 'odd.csv'), `alpha,beta,gamma\n${rows.join('\n')}\n`);
  const asked = run('init', 'odd.csv');
  assert.equal(asked.code, 2);
  assert.match(asked.stderr, /user is alpha by its values, item is beta by its values.*--yes to take these guesses/);
  assert.ok(!fs.existsSync(join(folder, 'odd.json')));
  ok('init', '--yes', 'odd.csv');
  const before = fs.readFileSync(join(folder, 'odd.json'), 'utf8');
  assert.match(before, /"user": "alpha", \/\/ by its values/);
  const again = run('init', '--yes', 'odd.csv');
  assert.equal(again.code, 2);
  assert.match(again.stderr, /odd\.json.*another file name/);
  assert.equal(fs.readFileSync(join(folder, 'odd.json'), 'utf8'), before);
  assert.equal(run('init', '--yes', 'nowhere.csv').code, 1);
});
