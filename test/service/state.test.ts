/** State in SQLite and in a real PostgreSQL server: nothing that was acknowledged is lost, nothing is half-loaded, people can go. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { packageRoot } from '../../lib/foundation/addon.js';
import type { InnerloopError } from '../../lib/foundation/errors.js';
import { loadLearner } from '../../lib/serving/persist.js';
import { createClient, dumpLines, exportLines, importLines, openState, restoreLines } from '../../lib/service/index.js';
import type { ServeOptions } from '../../lib/service/index.js';
import { rulesOf } from '../../lib/service/engine/rules.js';
import { givenList, Recorder } from '../../lib/service/recorder.js';
import { Writer } from '../../lib/service/state/writer.js';
import { modelFile, noPostgres, noSqlite, path, PostgresServer } from '../fixtures/served.js';

const learner = await loadLearner(await modelFile());
const rules = rulesOf(learner, 'age');

async function* lines(...rows: (object | string)[]) {
  for (const row of rows) yield typeof row === 'string' ? row : JSON.stringify(row);
}
async function all(generator: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const line of generator) found.push(line);
  return found;
}
const stay = (user: string, item: string, more: object = {}) => ({
  user,
  item,
  value: 4,
  weight: 1,
  time: 1000,
  event: null,
  context: null,
  recommendation: null,
  ...more,
});

const server = noPostgres === false ? new PostgresServer() : undefined;
process.on('exit', () => server?.remove());

/** Each test has a database of its own; those of PostgreSQL take turns, and begin by emptying it. */
const databases = [
  { name: 'SQLite', skip: noSqlite, location: async () => path('db') },
  {
    name: 'PostgreSQL',
    skip: noPostgres,
    location: async () => {
      const state = await openState(server!.url);
      await state.database.transaction([
        { sql: 'DROP SCHEMA public CASCADE', params: [] },
        { sql: 'CREATE SCHEMA public', params: [] },
      ]);
      await state.close();
      return server!.url;
    },
  },
] as const;

for (const { name, skip, location } of databases) {
  test(`${name}: what is written is there when it is opened again, in order`, { skip }, async () => {
    const at = await location();
    const state = await openState(at);
    const rows = [
      stay('ann', '1', { value: 4.5, weight: 0.25, context: { place: ['a', 'ü\n'] }, event: 'e1' }),
      stay('ann', '2', { time: 2 ** 45, recommendation: 'r1' }),
      stay('bob', "'; DROP TABLE items; --"),
    ];
    assert.equal(await state.add(rows), 3);
    assert.equal(await state.add([rows[0]]), 0, 'an event that is sent twice counts once');
    await state.putPerson({ id: 'ann', features: { age: 7 }, segment: '7', hidden: false });
    await state.putPerson({ id: 'ann', features: { age: 8 }, segment: '8', hidden: true });
    await state.putItems([{ id: 'x', features: { genres: ['noir'] }, owner: 'bob', hidden: true }]);
    await state.close();
    const again = await openState(at);
    assert.deepEqual(await again.history('ann', 10), rows.slice(0, 2));
    assert.deepEqual(await again.history('ann', 1), [rows[1]], 'the latest ones');
    assert.deepEqual(await again.history('bob', 10), [rows[2]]);
    assert.deepEqual(await again.person('ann'), { id: 'ann', features: { age: 8 }, segment: '8', hidden: true });
    assert.deepEqual(await again.items(), [{ id: 'x', features: { genres: ['noir'] }, owner: 'bob', hidden: true }]);
    await again.close();
  });

  test(`${name}: popularity, of all and of a group; those who are hidden do not count`, { skip }, async () => {
    const state = await openState(await location());
    for (const [id, segment, hidden] of [
      ['a', 'old', false],
      ['b', 'young', false],
      ['c', 'old', true],
    ] as const)
      await state.putPerson({ id, features: {}, segment, hidden });
    await state.add([stay('a', '1'), stay('b', '1'), stay('b', '2'), stay('c', '3'), stay('d', '1')]);
    assert.deepEqual(await state.popular(undefined, 10), [
      { item: '1', count: 3 },
      { item: '2', count: 1 },
    ]);
    assert.deepEqual(await state.popular('old', 10), [{ item: '1', count: 1 }]);
    await state.close();
  });

  test(`${name}: a person is deleted by one call, old interactions by another`, { skip }, async () => {
    const state = await openState(await location());
    await state.add([stay('ann', '1'), stay('ann', '2'), stay('bob', '1', { time: 10 }), stay('bob', '2')]);
    await state.putPerson({ id: 'ann', features: {}, segment: null, hidden: false });
    assert.equal(await state.forget('ann'), 2);
    assert.deepEqual(await state.history('ann', 10), []);
    assert.equal(await state.person('ann'), undefined);
    assert.equal(await state.forgetBefore(1000), 1);
    assert.deepEqual(await state.history('bob', 10), [stay('bob', '2')]);
    await state.close();
  });

  test(
    `${name}: an import with a wrong row loads nothing and names every wrong row; skip loads the others`,
    { skip },
    async () => {
      const state = await openState(await location());
      const good = Array.from({ length: 450 }, (_, i) => ({ user: `u${i}`, item: String(i), value: 3 }));
      const rows = [
        ...good,
        'not JSON',
        { user: 'ann', item: '1' },
        { user: 'ann', item: '1', value: 9 },
        { user: 'ann', item: '1', value: 3, wieght: 1 },
        '',
        { user: 'ann', item: '1', value: 3, time: '2026-01-02T00:00:00Z' },
      ];
      const stopped = await importLines(state, 'interactions', lines(...rows), rules);
      assert.deepEqual(
        { ...stopped, errors: stopped.errors.map(({ line }) => line) },
        {
          rows: 455,
          loaded: 0,
          refused: 4,
          errors: [451, 452, 453, 454],
        },
      );
      assert.match(stopped.errors[3].message, /wieght.*did you mean weight/);
      assert.deepEqual(await all(exportLines(state, 'interactions')), []);
      const skipped = await importLines(state, 'interactions', lines(...rows), rules, { errors: 'skip' });
      assert.equal(skipped.loaded, 451);
      assert.equal((await state.history('ann', 10))[0].time, Date.UTC(2026, 0, 2));
      // What comes in is read in full before it counts: a file that breaks off loads nothing.
      async function* broken() {
        yield* lines(...good);
        throw new Error('the connection ended');
      }
      await assert.rejects(importLines(state, 'interactions', broken(), rules), /the connection ended/);
      assert.equal((await all(exportLines(state, 'interactions'))).length, 451);
      for (const table of ['interactions', 'people', 'items'])
        assert.deepEqual(await state.database.all(`SELECT * FROM staged_${table}`), [], 'nothing is left behind');
      await state.close();
    },
  );

  test(
    `${name}: what is exported is imported as it was; of users and items the last line counts`,
    { skip },
    async () => {
      const state = await openState(await location());
      await state.add([stay('ann', '1', { event: 'e', weight: 2 }), stay('bob', '2')]);
      const items = await importLines(
        state,
        'items',
        lines(
          { id: 'x', features: { genres: ['noir'] } },
          { id: 'x', features: {}, hidden: true },
          { id: 'y', owner: 'bob' },
        ),
        rules,
      );
      assert.equal(items.loaded, 3);
      assert.equal((await importLines(state, 'users', lines({ id: 'ann', features: { age: 3 } }), rules)).loaded, 1);
      assert.equal((await state.person('ann'))?.segment, '3');
      assert.deepEqual(
        (await state.items()).map(({ id, hidden }) => [id, hidden]),
        [
          ['x', true],
          ['y', false],
        ],
      );
      const exported = await all(exportLines(state, 'interactions'));
      await state.forget('ann');
      const again = await importLines(state, 'interactions', lines(...exported), rules);
      assert.equal(again.loaded, 2, "bob's has no event, and is taken for another one");
      assert.deepEqual(await state.history('ann', 10), [stay('ann', '1', { event: 'e', weight: 2 })]);
      await state.close();
    },
  );

  test(`${name}: a dump is restored elsewhere; one that is cut off leaves nothing`, { skip }, async () => {
    const state = await openState(await location());
    await state.add([stay('ann', '1', { event: 'e', context: { a: 1 } }), stay('bob', '2')]);
    await state.putPerson({ id: 'ann', features: { age: 3 }, segment: null, hidden: false });
    await state.putItems([{ id: 'x', features: {}, owner: null, hidden: true }]);
    const dump = await all(dumpLines(state));
    const other = await openState(noSqlite === false ? path('db') : await location());
    await assert.rejects(restoreLines(other, lines(...dump.slice(0, -1))), { code: 'INVALID_DATA' });
    assert.equal((await all(dumpLines(other))).length, 2, 'only the first line and the last');
    assert.equal(await restoreLines(other, lines(...dump)), 4);
    assert.deepEqual(await all(dumpLines(other)), dump);
    await assert.rejects(restoreLines(other, lines(...dump)), /is not empty/);
    await Promise.all([state.close(), other.close()]);
  });

  test(`${name}: a failed statement fails alone; the others of its moment are written`, { skip }, async () => {
    const state = await openState(await location());
    const writer = new Writer(state.database);
    const insert = (id: string) =>
      writer.write([{ sql: "INSERT INTO items (id, features, hidden) VALUES (?, '{}', 0)", params: [id] }]);
    const results = await Promise.allSettled([insert('a'), insert('b'), insert('a'), insert('c')]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(
      (await state.items()).map(({ id }) => id),
      ['a', 'b', 'c'],
    );
    await state.close();
  });

  test(
    `${name}: lists are written together, as they were given, and a flush ends while others come`,
    { skip },
    async () => {
      const state = await openState(await location());
      const recorder = new Recorder(state);
      const list = (id: string, user: string | null, variant: string, items: string[]) => {
        const record = {
          id,
          user,
          time: 2 ** 41 + items.length,
          items,
          source: 'history',
          variants: { 'a "b"': variant },
        };
        recorder.add(givenList(record));
        return record;
      };
      const given = [
        list('1', 'ü', 'x', ["'; --", '日本', '"\n\\', '1.0', '7']),
        list('2', 'ü', 'y', []),
        list('3', null, 'x', ['0'.repeat(100_000)]),
      ];
      let isFlushed = false;
      const others = (async () => {
        for (let i = 10; !isFlushed; i++) {
          // No more than may wait, however long the flush takes.
          if (i < 1000) list(String(i), null, 'x', [String(i)]);
          await new Promise((go) => setImmediate(go));
        }
      })();
      await recorder.flush();
      isFlushed = true;
      for (const record of given) assert.deepEqual(await state.recommendation(record.id), record);
      const outcomes = await state.database.all('SELECT experiment, person, variant, exposed, converted FROM outcomes');
      assert.deepEqual(outcomes, [
        { experiment: 'a "b"', person: 'ü', variant: 'x', exposed: given[0].time, converted: null },
      ]);
      await others;
      list('4', 'bob', 'x', ['1']);
      await recorder.before(['eve']);
      assert.equal(await state.recommendation('4'), undefined, 'nothing of eve waits');
      await recorder.before(['bob']);
      assert.equal((await state.recommendation('4'))?.user, 'bob');
      assert.equal(recorder.dropped, 0);
      await state.close();
    },
  );

  test(`${name}: after kill -9 every acknowledged interaction is there`, { skip }, async (t) => {
    const options = { model: await modelFile(), state: await location() };
    const victim = await start(options);
    const client = createClient({ url: victim.url });
    const acknowledged: string[] = [];
    let isAlive = true;
    const sender = async (s: number) => {
      for (let i = 0; isAlive; i++) {
        const event = `${s}.${i}`;
        try {
          await client.interact({ interactions: [{ user: `u${s}`, item: String(i % 700), value: 3, event }] });
          acknowledged.push(event);
        } catch {
          return;
        }
      }
    };
    const senders = Array.from({ length: 8 }, (_, s) => sender(s));
    while (acknowledged.length < 200) await new Promise((go) => setTimeout(go, 10));
    victim.child.kill('SIGKILL');
    isAlive = false;
    await Promise.all(senders);
    // The server of a database may go too.
    if (name === 'PostgreSQL') {
      server!.crash();
      server!.start();
    }
    const state = await openState(options.state);
    const rows = await state.database.all('SELECT event FROM interactions');
    const kept = new Set(rows.map(({ event }) => event));
    t.comment(`${acknowledged.length} were acknowledged, ${kept.size} are kept`);
    assert.deepEqual(
      acknowledged.filter((event) => !kept.has(event)),
      [],
    );
    await state.close();
    // And the service starts on it.
    const next = await start(options);
    const { interactions } = await createClient({ url: next.url }).user('u0');
    assert.ok(interactions.length > 0);
    next.child.kill('SIGTERM');
    assert.equal(await new Promise((done) => next.child.on('exit', done)), 0, 'ends in order when it is asked to');
  });
}

test('SQLite: a state of a later release is refused, a damaged file named', { skip: noSqlite }, async () => {
  const at = path('db');
  const state = await openState(at);
  await state.database.transaction([{ sql: "UPDATE meta SET value = '99' WHERE name = 'schema'", params: [] }]);
  await state.close();
  await assert.rejects(openState(at), { code: 'UNSUPPORTED', message: /later release/ });
  await assert.rejects(openState(join(packageRoot(), 'package.json')), (error: InnerloopError) => error.code === 'IO');
  await assert.rejects(openState('/no/such/folder/state.db'), { code: 'IO' });
  assert.ok(readFileSync(join(packageRoot(), 'package.json'), 'utf8').startsWith('{'), 'it is as it was');
});

test('a database that cannot be reached is named without its password', { skip: noPostgres }, async () => {
  await assert.rejects(openState('postgresql://ann:secret@127.0.0.1:9/none'), (error: InnerloopError) => {
    assert.equal(error.code, 'IO');
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});

async function start(options: Partial<ServeOptions>): Promise<{ child: ChildProcess; url: string }> {
  const script = join(packageRoot(), 'dist', 'test', 'service', 'victim.js');
  const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((done, fail) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => done(text.trim()));
    child.once('exit', () => fail(new Error('the service did not start')));
  });
  return { child, url };
}
