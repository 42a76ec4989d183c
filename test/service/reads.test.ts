/** What requests wait for: no commit and no query of a whole table, and a count of popularity only where there is none. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { test } from 'tap';
import { loadLearner } from '../../lib/serving/persist.js';
import { mapAtOnce } from '../../lib/service/at-once.js';
import { openState } from '../../lib/service/index.js';
import { openSqlite } from '../../lib/service/state/sqlite.js';
import type { State } from '../../lib/service/state/state.js';
import { Popularity } from '../../lib/service/engine/popularity.js';
import { newListId } from '../../lib/service/list-id.js';
import { modelFile, noSqlite, path } from '../fixtures/served.js';

/** A query that takes some tenths of a second. */
const LONG =
  'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT COUNT(*) AS n FROM n';

test(
  'SQLite: a look-up waits neither for a transaction nor for a scan, and sees what was written',
  { skip: noSqlite },
  async () => {
    const state = await openState(path('db'));
    const { database } = state;
    await state.add([
      { user: 'u', item: '3', value: 4, weight: 1, time: 1, event: null, context: null, recommendation: null },
    ]);
    const done: string[] = [];
    const note = (name: string) => () => void done.push(name);
    const [, scanned] = await Promise.all([
      database.transaction([{ sql: LONG, params: [] }]).then(note('transaction')),
      database.scan(LONG).then((rows) => (note('scan')(), rows)),
      state.history('u', 10).then(({ length }) => done.push(`history of ${length}`)),
    ]);
    assert.equal(done[0], 'history of 1');
    assert.deepEqual(scanned, [{ n: 2_000_000 }]);
    // Of queries that are sent together, only the wrong one fails.
    const [right, wrong] = await Promise.allSettled([database.all('SELECT 1 AS x'), database.all('SELECT nothing')]);
    assert.deepEqual(right, { status: 'fulfilled', value: [{ x: 1 }] });
    assert.equal(wrong.status, 'rejected');
    await assert.rejects(database.all('DELETE FROM interactions'), /readonly/, 'what reads does not write');
    await state.close();
  },
);

test('SQLite: a thread that has ended is replaced, and only what it had fails', { skip: noSqlite }, async () => {
  const at = path('db');
  const database = await openSqlite(at, true);
  const insert = (x: number) => database.transaction([{ sql: 'INSERT INTO t VALUES (?)', params: [x] }]);
  await database.transaction([{ sql: 'CREATE TABLE t (x)', params: [] }]);
  await insert(1);
  const count = 'SELECT COUNT(*) AS n FROM t';
  await database.scan(count);
  const before = database.threads();
  assert.equal(before.length, 3);
  const scanned = assert.rejects(database.scan(LONG), { code: 'IO', status: 503 });
  for (const thread of before) await thread.terminate();
  await scanned;
  await insert(2);
  assert.deepEqual(await database.all(count), [{ n: 2 }]);
  assert.deepEqual(await database.scan(count), [{ n: 2 }]);
  const after = database.threads();
  assert.equal(after.length, 3);
  assert.ok(after.every((thread) => !before.includes(thread)));
  await assert.rejects(openSqlite(at, true), /another service/, 'the file is owned again');
  await database.close();
  // What comes too late opens nothing.
  await assert.rejects(insert(3), { code: 'IO', status: 503 });
  await (await openSqlite(at, true)).close();
});

test(
  'SQLite: what was written is copied from the log to the file, and the log begins anew',
  { skip: noSqlite },
  async () => {
    const at = path('db');
    const database = await openSqlite(at, false);
    await database.transaction([{ sql: 'CREATE TABLE t (x)', params: [] }]);
    const write = (bytes: number) =>
      database.transaction([{ sql: 'INSERT INTO t VALUES (?)', params: ['x'.repeat(bytes)] }]);
    // The number of times that it has begun anew.
    const begun = () => readFileSync(`${at}-wal`).readUInt32BE(12);
    const before = begun();
    // As many pages as there may be before the log begins anew, and not as many as make a commit copy them.
    for (let i = 0; i < 24; i++) await write(2 ** 20);
    while (begun() === before) {
      await write(100);
      await new Promise((go) => setTimeout(go, 20));
    }
    assert.ok(statSync(at).size > 24 * 2 ** 20);
    await database.close();
    assert.ok(!existsSync(`${at}-wal`), 'closed in order');
  },
);

test('a batch of work that waits for nothing leaves the event loop to others now and then', async () => {
  let turns = 0;
  let isDone = false;
  const count = () => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const work = (value: number) => {
    const until = performance.now() + 1;
    while (performance.now() < until);
    return Promise.resolve(2 * value);
  };
  const results = await mapAtOnce(
    Array.from({ length: 100 }, (_, i) => i),
    8,
    work,
  );
  isDone = true;
  assert.deepEqual(
    results,
    Array.from({ length: 100 }, (_, i) => 2 * i),
  );
  assert.ok(turns >= 5, `${turns} turns of the event loop`);
});

test('popularity is counted again after a minute, and requests take the last list meanwhile', async () => {
  const learner = await loadLearner(await modelFile());
  let counted = 0;
  let count: () => Promise<{ item: string; count: number }[]> = () => Promise.resolve([{ item: '3', count: 1e6 }]);
  const popular = () => (counted++, count());
  const popularity = new Popularity(learner, { popular } as unknown as State);
  const best = async () => (await popularity.top(undefined, 1, new Set(), undefined))[0].item;
  const { now } = Date;
  let at = now();
  Date.now = () => at;
  try {
    assert.deepEqual([await best(), await best(), counted], ['3', '3', 1]);
    let finish = () => {};
    count = () => new Promise((done) => (finish = () => done([{ item: '4', count: 1e6 }])));
    at += 61_000;
    assert.deepEqual([await best(), await best(), counted], ['3', '3', 2], 'the last list, while it is counted once');
    finish();
    await new Promise((go) => setImmediate(go));
    assert.deepEqual([await best(), counted], ['4', 2]);
    // A list that nobody has asked for in long is not given any more.
    at += 3_600_000;
    const waiting = best();
    finish();
    assert.deepEqual([await waiting, counted], ['4', 3]);
  } finally {
    Date.now = now;
  }
});

test('ids of lists are UUIDs in the order of time', async () => {
  const ids = [1, 2, 2 ** 40, 2 ** 40 + 1].map(newListId);
  assert.deepEqual([...ids].sort(), ids);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.notEqual(newListId(5), newListId(5));
});
