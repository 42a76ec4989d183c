/** What a service meets that nobody planned: broken requests, numbers and ids of any size, a full disk, a second service. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'tap';
import { dumpLines, openState } from '../../lib/service/index.js';
import type { ServiceError } from '../../lib/service/index.js';
import { main } from '../fixtures/command.js';
import { modelFile, noSqlite, path, started } from '../fixtures/served.js';

interface Answer {
  error: { code: string; message: string };
}

test('broken requests are answered in the form of all errors, which says what to do', { skip: noSqlite }, async () => {
  const { url, close } = await started();
  const refused = async (address: string, init: RequestInit, status: number, code: string, message: RegExp) => {
    const response = await fetch(`${url}${address}`, init);
    const { error } = (await response.json()) as Answer;
    assert.deepEqual([response.status, error.code], [status, code], `${address}: ${error.message}`);
    assert.match(error.message, message);
  };
  const post = (body: string, type = 'application/json') => ({
    method: 'POST',
    body,
    headers: { 'content-type': type },
  });
  await refused('/recommendations', post('{"user":'), 400, 'INVALID_DATA', /body: not JSON/);
  await refused('/recommendations', post('{"count":NaN}'), 400, 'INVALID_DATA', /NaN/);
  await refused('/recommendations', post(''), 400, 'INVALID_DATA', /body: empty/);
  await refused('/recommendations', post('{"__proto__":{"count":1}}'), 400, 'INVALID_DATA', /__proto__/);
  await refused('/recommendations', post('[]'), 400, 'INVALID_OPTION', /body: must be object/);
  await refused(
    '/recommendations',
    post('a=b', 'application/x-www-form-urlencoded'),
    415,
    'INVALID_DATA',
    /application\/json/,
  );
  await refused('/recommendations', post(`"${'x'.repeat(9 * 2 ** 20)}"`), 413, 'INVALID_DATA', /8 MiB.*\/import/);
  await refused('/import/items', post('{}'), 415, 'INVALID_DATA', /x-ndjson/);
  await refused('/', {}, 404, 'NOT_FOUND', /openapi\.json/);
  await refused('/users/%E0%A4%A', {}, 400, 'INVALID_DATA', /not a valid URL/);
  await refused(`/users/${'x'.repeat(6000)}`, {}, 414, 'INVALID_DATA', /too long/);
  await close();
});

test(
  'ids of 512 characters of any script are ids everywhere; longer and broken ones are refused',
  { skip: noSqlite },
  async () => {
    const { client, url, service, close } = await started();
    for (const id of [
      'x'.repeat(512),
      '電'.repeat(512),
      '🎬'.repeat(256),
      'a b',
      '../../etc',
      'a/b?c#d',
      '%',
      '__proto__',
      'constructor',
    ]) {
      await client.putUser(id, { features: { age: 30 } });
      await client.interact({ interactions: [{ user: id, item: '3', value: 5 }] });
      assert.equal((await client.user(id)).interactions.length, 1, id);
      assert.equal((await client.recommend({ user: id, count: 1 })).source, 'history', id);
      assert.equal((await client.forget(id)).interactions, 1, id);
      await client.putItem(id, { features: { genres: ['noir'] } });
      assert.equal((await client.item(id)).id, id);
    }
    const wrong = ['x'.repeat(513), 'a\0b', '\ud800', ' ', 'a '];
    for (const id of wrong) {
      await assert.rejects(client.interact({ interactions: [{ user: id, item: '3', value: 5 }] }), { status: 400 });
      // It would get the list of somebody who is unknown.
      await assert.rejects(client.recommend({ user: id }), { status: 400, field: 'user' }, id);
      const lines = `${JSON.stringify({ user: id, item: '3', value: 5 })}\n`;
      const headers = { 'content-type': 'application/x-ndjson' };
      assert.equal((await fetch(`${url}/import/interactions`, { method: 'POST', body: lines, headers })).status, 422);
    }
    assert.equal(await (await fetch(`${url}/export/interactions`)).text(), '');
    // What data would read as a missing id is no item's.
    for (const id of ['NA', 'null', ' a']) {
      await assert.rejects(
        client.putItem(id, { features: { genres: ['noir'] } }),
        { status: 400, field: 'item.id' },
        id,
      );
      assert.deepEqual(await service.state!.items([id]), []);
    }
    await close();
  },
);

test('numbers that the model cannot hold are refused before anything is stored', { skip: noSqlite }, async () => {
  const state = path('db');
  const { client, close } = await started({ state });
  const refused = { status: 400, code: 'INVALID_OPTION' };
  await assert.rejects(client.putItem('huge', { features: { year: 1e39 } }), {
    ...refused,
    field: 'item.features.year',
  });
  await assert.rejects(client.putUser('ann', { features: { age: 1e39 } }), { ...refused, field: 'user.features.age' });
  await assert.rejects(client.recommend({ features: { age: -1e39 } }), { ...refused, field: 'features.age' });
  const interaction = { user: 'ann', item: '3', value: 5 };
  for (const wrong of [{ weight: 1e300 }, { weight: -1 }, { time: -1 }, { time: 1e16 }, { value: 1e300 }]) {
    const [field] = Object.keys(wrong);
    const expected = { ...refused, field: `interactions[0].${field}` };
    await assert.rejects(client.interact({ interactions: [{ ...interaction, ...wrong }] }), expected);
  }
  await client.interact({ interactions: [{ ...interaction, weight: 1e6 }] });
  const { items } = await client.recommend({ user: 'ann', count: 700 });
  assert.ok(
    items.every(({ score }) => Number.isFinite(score)),
    'the largest weight is usable',
  );
  await assert.rejects(client.item('huge'), { status: 404 });
  await close();
  // A state of an earlier release may hold what is refused now. The service starts, and serves the item without the value.
  const before = await openState(state);
  await before.putItems([{ id: 'huge', features: { year: 1e39, genres: ['noir'] }, owner: null, hidden: false }]);
  await before.putItems([{ id: 'NA', features: {}, owner: null, hidden: false }]);
  await before.putItems([{ id: '5', features: { year: 1e39 }, owner: null, hidden: true }]);
  await before.add([
    { user: 'bob', item: '3', value: 5, weight: 1e300, time: 0, event: null, context: null, recommendation: null },
  ]);
  await before.close();
  const again = await started({ state });
  assert.match(again.service.engine.unread!, /all of 3 items .*items\["5"\]\.features\.year.*float32/);
  assert.deepEqual((await again.client.item('huge')).columns['genres'], ['noir']);
  assert.equal((await again.client.item('5')).hidden, true);
  assert.ok(
    (await again.client.recommend({ user: 'bob', count: 5 })).items.every(({ score }) => Number.isFinite(score)),
  );
  await again.close();
});

test(
  'a full disk: writes are refused with 503, lists go on, and nothing that was acknowledged is lost',
  { skip: noSqlite },
  async () => {
    const state = path('db');
    const { client, url, service, close } = await started({ state });
    const { database } = service.state!;
    // SQLite reports a database of its greatest size as a full disk. The limit is that of the connection that writes.
    const limitTo = (pages: number) => database.transaction([{ sql: `PRAGMA max_page_count = ${pages}`, params: [] }]);
    const [row] = await database.all('PRAGMA page_count');
    await limitTo(Number(row['page_count']) + 20);
    let acknowledged = 0;
    let refusal: ServiceError | undefined;
    const send = (n: number) =>
      client.interact({
        interactions: Array.from({ length: 50 }, (_, k) => ({
          user: `u${n}`,
          item: '3',
          value: 4,
          event: `${n} ${k}`,
        })),
      });
    let n = 0;
    for (; refusal === undefined; n++)
      await send(n).then(
        ({ added }) => (acknowledged += added),
        (error: ServiceError) => (refusal = error),
      );
    assert.deepEqual([refusal.status, refusal.code, refusal.field], [503, 'IO', 'state']);
    assert.match(refusal.message, /database or disk is full/);
    assert.ok(acknowledged > 0 && acknowledged % 50 === 0, 'a request is stored as a whole or not at all');
    assert.equal((await client.recommend({ user: 'u0', count: 1 })).source, 'history');
    await assert.rejects(send(n), { status: 503 });
    await limitTo(1_000_000);
    acknowledged += (await send(n)).added;
    const rows = (await (await fetch(`${url}/export/interactions`)).text()).trim().split('\n');
    assert.equal(rows.length, acknowledged);
    await close();
  },
);

test('a second service on a file of SQLite or on a port is refused; a dump is not', { skip: noSqlite }, async () => {
  const [model, state] = [await modelFile(), path('db')];
  const args = ['serve', '-m', model, '-s', state, '--port', '0', '--json', '--log-level', 'silent'];
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { url } = JSON.parse(line.toString()) as { url: string };
  await assert.rejects(started({ state }), { code: 'IO', field: state, what: /another service keeps its state/ });
  await assert.rejects(started({ state: path('db'), port: Number(new URL(url).port) }), {
    code: 'IO',
    field: 'options.port',
    what: 'is used by another process',
  });
  const other = await openState(state);
  let lines = 0;
  for await (const _ of dumpLines(other)) lines++;
  assert.equal(lines, 2);
  await other.close();
  // However the first one ends, the file is free afterwards.
  child.kill('SIGKILL');
  await once(child, 'exit');
  const next = await started({ state });
  await next.close();
  await assert.rejects(started({ state: 'mysql://ann:secret@host/db' }), (error: Error) => {
    assert.match(error.message, /no such kind of database; got "mysql:\/\/"/);
    return true;
  });
});

test(
  'what a list does not say by itself: a user of whom nothing is known, items that the model has not, a filter by its name in the request',
  { skip: noSqlite },
  async () => {
    const { client, close } = await started();
    const notes = async (user?: string) =>
      (await client.recommend({ count: 2, ...(user !== undefined && { user }) })).notes;
    assert.deepEqual(await notes('nobody'), [
      'user: nothing is known of "nobody", so that the list is not a personal one',
    ]);
    assert.deepEqual(await notes(), []);
    const session = async (...items: string[]) =>
      (await client.recommend({ count: 2, interactions: items.map((item) => ({ item, value: 5 })) })).notes;
    assert.deepEqual(await session('3', '5'), []);
    assert.deepEqual(await session('3', 'tt01', 'tt01', 'tt02'), [
      'interactions: the model has no item "tt01" and 1 more, so it learns nothing of that',
    ]);
    await client.interact({ interactions: [{ user: 'nobody', item: '3', value: 5 }] });
    assert.deepEqual(await notes('nobody'), []);
    await assert.rejects(client.recommend({ filter: { genre: 'noir' } }), (error: ServiceError) => {
      assert.equal(error.field, 'filter.genre');
      assert.match(error.message, /^filter\.genre: .*did you mean genres/);
      return true;
    });
    await close();
  },
);
