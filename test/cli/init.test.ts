/** `innerloop init`: a configuration that trains without editing, for every file of ratings there is. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { readConfig } from '../../lib/cli/config.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import { commandIn } from '../fixtures/command.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-init-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const { ok } = commandIn(folder);
const own = (path: string) => join(packageRoot(), 'data', path);
const shared = (path: string) => join(packageRoot(), '..', 'shared', 'data', path);

const LATEST = ['userId', 'movieId', 'rating', 'timestamp'];
const ML_1M = ['user_id', 'item_id', 'rating', 'position'];
/** Files by name: interactions, then tables; the columns found; what a label is. */
const CASES: [string, string[], string[], RegExp][] = [
  ['ratings', [own('ml-latest-small/ratings.csv')], LATEST, /ratings/],
  ['ratings-movies', [own('ml-latest-small/ratings.csv'), own('ml-latest-small/movies.csv')], LATEST, /ratings/],
  ['ratings-links', [own('ml-latest-small/ratings.csv'), own('ml-latest-small/links.csv')], LATEST, /ratings/],
  ['tags', [own('ml-latest-small/tags.csv')], ['userId', 'movieId', 'timestamp'], /positives/],
  [
    'tags-movies',
    [own('ml-latest-small/tags.csv'), own('ml-latest-small/movies.csv')],
    ['userId', 'movieId', 'timestamp'],
    /positives/,
  ],
  ['purchases', [own('purchases/purchases.csv')], ['customer', 'sku', 'bought'], /positives/],
  ['amazon', [shared('amazon-music/ratings.parquet')], ['user_id', 'item_id', 'rating', 'timestamp'], /ratings/],
  ['douban-music', [shared('crossdomain/douban_music.parquet')], ['user_id', 'item_id', 'rating'], /ratings/],
  ['douban-book', [shared('crossdomain/douban_book.parquet')], ['user_id', 'item_id', 'rating'], /ratings/],
  ['ml-1m-alone', [shared('ml-1m/ratings.parquet')], ML_1M, /ratings/],
  ['ml-1m', ['ratings.parquet', 'users.csv', 'items.parquet'].map((file) => shared(`ml-1m/${file}`)), ML_1M, /ratings/],
  [
    'ml-1m-melu',
    ['ratings.parquet', 'melu_items.csv', 'melu_users.csv'].map((file) => shared(`ml-1m/${file}`)),
    ML_1M,
    /ratings/,
  ],
];

/** Files that are bundled need no second run. */
const isSame = (path: string, other: string): boolean =>
  fs.existsSync(other) && fs.readFileSync(path).equals(fs.readFileSync(other));

test('every file of data and of ../shared/data is among the cases', (t) => {
  const used = new Set(CASES.flatMap(([, files]) => files));
  for (const folder of [own('.'), shared('.')].filter((each) => fs.existsSync(each)))
    for (const name of fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      if (/\.(csv|parquet)$/.test(name))
        assert.ok(used.has(join(folder, name)) || isSame(join(folder, name), own(name)), name);
  t.end();
});

/** One of each kind of label and of file; the others are a part of `npm run test:all`. */
const OFTEN = ['ratings-movies', 'tags-movies', 'purchases', 'amazon'];

for (const [name, files, columns, kind] of CASES) {
  const missing = files.find((file) => !fs.existsSync(file));
  const isLeftOut = !OFTEN.includes(name) && process.env['INNERLOOP_TEST_ALL'] === undefined;
  const skip = missing !== undefined ? `${name} is not here` : isLeftOut && `${name}: a part of npm run test:all`;
  test(`init, then train: ${name}`, { skip }, async () => {
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
