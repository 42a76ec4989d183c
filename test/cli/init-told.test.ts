/** `innerloop init` and `inspect` where names and values do not tell: flags, tables of other names, labels that say nothing. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { readConfig } from '../../lib/cli/config.js';
import { guessRoles, sourceOf } from '../../lib/cli/guess.js';
import { openDataset } from '../../lib/index.js';
import { openPeeking } from '../../lib/data/peek.js';
import { commandIn } from '../fixtures/command.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-init-told-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const { run, ok } = commandIn(folder);

test('what has to be told is refused with the flag, which is written into a configuration that trains', async () => {
  const rows = Array.from({ length: 120 }, (_, r) => [r % 12, (r * 7) % 19, 1 + (r % 4)] as const);
  const table = (header: string, cells: (user: number, item: number, of: number) => string, encoding?: 'latin1') => {
    const text = `${header}\n${rows.map((row) => cells(...row)).join('\n')}\n`;
    return encoding === undefined ? text : Buffer.from(text, encoding);
  };
  const behaviors = rows.map(
    ([user, item], k) =>
      `${k}\tU${user}\t11/${13 + (k % 9)}/2019 9:05:58 AM\tN1 N2\t${[0, 1, 2].map((n) => `N${(item + n) % 30}-${Number(n === k % 3)}`).join(' ')}`,
  );
  const movies = Array.from({ length: 20 }, (_, k) => `${k}|Café ${k}|${k % 2 ? 'Action' : 'Comédie'}`);
  for (const [name, text, others] of [
    ['comma', table('user;item;rating', (u, i, of) => `${u};${i};${of},5`), {}],
    ['dates', table('user;item;rating;date', (u, i, of) => `${u};${i};${of};1${of}.02.2012`), {}],
    ['words', table('user;item;liked', (u, i, of) => `${u};${i};${of > 2 ? 'yes' : 'no'}`), {}],
    ['stars', table('user,item,rating', (u, i, of) => `${u},${i},${of} stars`), {}],
    ['latin', table('user;item;rating', (u, i, of) => `${u};Caf\xe9 ${i};${of}`, 'latin1'), {}],
    [
      'accents',
      table('user,item,rating', (u, i, of) => `${u},${i},${of}`),
      { 'u.item': Buffer.from(`${movies.join('\n')}\n`, 'latin1') },
    ],
    ['behaviors', `${behaviors.join('\n')}\n`, {}],
  ] as [string, string | Buffer, Record<string, Buffer>][]) {
    fs.writeFileSync(join(folder, `${name}.tsv`), text);
    for (const [other, bytes] of Object.entries(others)) fs.writeFileSync(join(folder, other), bytes);
    const files = [`${name}.tsv`, ...Object.keys(others)];
    const flags: string[] = [];
    for (let tries = 0; ; tries++) {
      const { code, stderr } = run('init', '--yes', ...files, ...flags, '-o', `${name}.json`);
      if (code === 0) break;
      const advised = Array.from(stderr.matchAll(/add `([^`]+)`/g), (match) => match[1]);
      assert.ok(advised.length > 0 && tries < 3, `${name}: ${stderr}`);
      // Where there is a choice, the last is the right one for these files.
      for (const word of advised.at(-1)!.match(/'[^']*'|\S+/g)!) flags.push(word.replace(/^'|'$/g, ''));
    }
    assert.ok(flags.length >= 2, `${name}: nothing had to be told`);
    if (['comma', 'accents', 'behaviors'].includes(name))
      assert.match(ok('train', '-c', `${name}.json`, '--epochs', '1').stdout, /^test\n/);
    assert.match(ok('inspect', ...files, ...flags).stdout, /^\d+ interactions of 12 users/, name);
  }
  const { data } = await readConfig(join(folder, 'accents.json'));
  assert.deepEqual([data.items!.encoding, data.interactions.encoding], ['latin-1', undefined]);
  const { data: told } = await readConfig(join(folder, 'words.json'));
  assert.deepEqual(told.interactions.label, { column: 'liked', values: { no: 0, yes: 1 } });
});

test('flags say which column is what, and are checked', async () => {
  const rows = Array.from({ length: 200 }, (_, k) => `${k % 20},${(k * 7) % 31},${1 + (k % 5)}`);
  fs.writeFileSync(join(folder, 'told.csv'), `a,b,c\n${rows.join('\n')}\n`);
  ok('init', '--yes', 'told.csv', '--user', 'b', '--item', 'a', '--label', 'none', '-o', 'told.json');
  const { data, model } = await readConfig(join(folder, 'told.json'));
  assert.deepEqual([data.interactions.user, data.interactions.item, data.interactions.label], ['b', 'a', undefined]);
  assert.equal(model.loss, 'bpr');
  for (const [flags, pattern] of [
    [['--user', 'z'], /--user: no such column.*a, b, c/],
    [['--header', 'maybe'], /--header: Expected true or false/],
    [['--nulls', '[1'], /--nulls: Not JSON/],
    [['--label', '{bad'], /--label: Not JSON/],
    [['--encoding', 'told.csv=latn-1'], /did you mean latin-1/],
  ] as const) {
    const { code, stderr } = run('init', '--yes', 'told.csv', ...flags, '-o', 'never.json');
    assert.equal(code, 2, stderr);
    assert.match(stderr, pattern);
  }
});

test('ratings that are all one number are left out, plays are counts, and what is read can be learned from', async () => {
  const rows = Array.from({ length: 200 }, (_, k) => [k % 20, (k * 7) % 31, 1 + (k % 5)]);
  const write = (name: string, header: string, cells: (row: number[]) => string) =>
    fs.writeFileSync(join(folder, name), `${header === '' ? '' : `${header}\n`}${rows.map(cells).join('\n')}\n`);
  write('fives.csv', 'user,item,rating', ([u, i]) => `${u},${i},5`);
  write('plays.csv', 'user,artist,plays', ([u, i, n]) => `${u},${i},${n}`);
  write('texts.csv', '', ([u, i]) => `u${u},i${i}`);
  const saved = [];
  for (const name of ['fives', 'plays', 'texts']) {
    const { stderr } = ok('init', '--yes', `${name}.csv`);
    assert.match(stderr, /positives/);
    if (name === 'fives') assert.match(stderr, /label: none \(left out: every rating is 5\)/);
    const { data } = await readConfig(join(folder, `${name}.json`));
    const { user, item, label, count, header } = data.interactions;
    saved.push([user, item, label, count, header]);
    assert.match(ok('train', '-c', `${name}.json`, '--epochs', '1').stdout, /ndcg@10/);
  }
  assert.deepEqual(saved, [
    ['user', 'item', undefined, undefined, undefined],
    ['user', 'artist', undefined, 'plays', undefined],
    ['user', 'item', undefined, undefined, false],
  ]);
});

test('a table describes whom its ids name, whatever it is called; what happened several times is no table', async () => {
  const rows = Array.from({ length: 200 }, (_, k) => `u${k % 20},i${(k * 7) % 31},${1 + (k % 5)}`);
  fs.writeFileSync(join(folder, 'who.csv'), `user,item,rating\n${rows.join('\n')}\n`);
  const table = (letter: string, count: number) =>
    `key,kind\n${Array.from({ length: count }, (_, k) => `${letter}${k},${k % 3}\n`).join('')}`;
  fs.writeFileSync(join(folder, 'first.csv'), table('u', 20));
  fs.writeFileSync(join(folder, 'second.csv'), table('i', 31));
  for (const files of [['first.csv', 'second.csv'], ['second.csv', 'first.csv'], ['first.csv']]) {
    const { stderr, stdout } = ok('inspect', 'who.csv', ...files);
    assert.match(stderr, /users: first\.csv, id key; (user )?kind \(categorical/);
    if (files.length > 1) assert.match(stderr, /items: second\.csv, id key/);
    assert.match(stdout, /users table  names the user of 100\.0 %/);
  }
  fs.writeFileSync(join(folder, 'tags.csv'), `user,item,tag\n${rows.join('\n')}\n`);
  const { code, stderr } = run('inspect', 'who.csv', 'tags.csv');
  assert.equal(code, 1);
  assert.match(stderr, /tags\.csv is no table of items or users: it has 200 rows of 20 different user/);
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
    const peeking = await openPeeking();
    const table = await peeking.peek(source, 'interactions');
    peeking.close();
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

test('a table of users by items is refused with the statement that makes it rows', async () => {
  const stars = (user: number, item: number) =>
    (user * 7 + item * 3) % 9 < 4 ? undefined : 1 + ((user + item * 5) % 5);
  const users = Array.from({ length: 30 }, (_, u) => u);
  const items = Array.from({ length: 12 }, (_, i) => i);
  const given = users.flatMap((u) =>
    items.flatMap((i) => (stars(u, i) === undefined ? [] : [[u, i, stars(u, i)!] as const])),
  );
  const write = (name: string, header: string, row: (user: number) => unknown[], after = '\n') =>
    fs.writeFileSync(join(folder, name), `${header}${users.map((u) => row(u).join(',')).join('\n')}${after}`);
  write('wide.csv', `user,${items.map((i) => `item${i}`).join(',')}\n`, (u) => [
    `u${u}`,
    ...items.map((i) => stars(u, i) ?? ''),
  ]);
  // As Jester's: no header, first how many were rated, 99 for none, ratings with fractions.
  write('jester.csv', '', (u) => [
    20 + (u % 9),
    ...items.map((i) => (stars(u, i) === undefined ? 99 : (stars(u, i)! - 3.25).toFixed(2))),
  ]);
  for (const [name, nulls, userOf, itemOf, shift] of [
    ['wide.csv', undefined, (u: number) => `u${u}`, (i: number) => `item${i}`, 0],
    [
      'jester.csv',
      ['99'] as string[],
      (u: number) => String(u + 1),
      (i: number) => `column${String(i + 1).padStart(2, '0')}`,
      3.25,
    ],
  ] as const) {
    const { code, stderr } = run('init', '--yes', name, '-o', `${name}.json`);
    assert.equal(code, 1, stderr);
    const pasted = /"interactions": (\{.*?\}), and/.exec(stderr)?.[1];
    assert.ok(pasted !== undefined, stderr);
    const interactions = {
      ...(JSON.parse(pasted) as { sql: string; user: string; item: string; label: string }),
      nulls,
    };
    const dataset = await openDataset({ interactions, missingLabel: 'drop' }, { baseDirectory: folder });
    const found = Array.from(
      dataset.user,
      (user, row) =>
        `${dataset.users.keys.values[user]}/${dataset.items.keys.values[dataset.item[row]]}=${dataset.label[row] + shift}`,
    );
    const right = given.map(([u, i, label]) => `${userOf(u)}/${itemOf(i)}=${label}`);
    assert.deepEqual(found.sort(), right.sort(), name);
  }
  // Ratings with as many features of their own are rows.
  const features = Array.from({ length: 12 }, (_, k) => `f${k}`);
  write('long.csv', `userId,movieId,rating,${features.join(',')}\n`, (u) => [
    u % 6,
    u,
    1 + (u % 5),
    ...features.map((_, k) => (u + k) % 5),
  ]);
  assert.match(ok('inspect', 'long.csv').stdout, /^30 interactions of 6 users/);
});
