/** How the service runs: under more requests than it takes, while a model or the catalog changes, and at its end. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { test } from 'tap';
import { maml } from '../../lib/algorithms/maml.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import { saveLearner } from '../../lib/serving/persist.js';
import type { ServiceError } from '../../lib/service/index.js';
import { Gate } from '../../lib/service/engine/gate.js';
import { People } from '../../lib/service/engine/people.js';
import { servedLearner } from '../fixtures/catalog.js';
import { checkRecorded, modelFile, noSqlite, path, started } from '../fixtures/served.js';

test('back pressure: beyond the limit requests are refused at once, the others answered', async () => {
  const { client, close, app, service } = await started({ state: 'none', maxRequests: 4 });
  let open = () => {};
  const isHeld = service.engine.gate.write(() => new Promise<void>((go) => (open = go)));
  let refused = 0;
  const asked = Array.from({ length: 40 }, () =>
    client.recommend({ count: 5 }).catch((error: ServiceError) => {
      refused++;
      assert.equal(error.status, 429);
    }),
  );
  while (refused < 36) await new Promise((go) => setTimeout(go, 5));
  open();
  await isHeld;
  const answers = await Promise.all(asked);
  assert.deepEqual([refused, answers.filter((answer) => answer?.items.length === 5).length], [36, 4]);
  assert.equal(app.metrics.inFlight, 0);
  assert.equal((await client.recommend({ count: 1 })).items.length, 1, 'afterwards it goes on');
  await close();
});

test('a request that takes too long is given up', async () => {
  const { client, close } = await started({ state: 'none', timeout: 1 });
  const people = Array.from({ length: 500 }, (_, i) => ({ interactions: [{ item: String(i), value: 5 }] }));
  await assert.rejects(client.recommendMany({ people, count: 50, explain: 5 }), { status: 503, code: 'ABORTED' });
  await close();
});

test('reload under load: another model takes over, and no request fails', { skip: noSqlite }, async (t) => {
  const model = path('safetensors');
  copyFileSync(await modelFile(), model);
  const { client, close } = await started({ model });
  await client.putItem('added', { features: { genres: ['noir'] } });
  await client.interact({ interactions: [{ user: 'ann', item: '3', value: 5 }] });
  let isOver = false;
  const models = new Set<string>();
  let answered = 0;
  const worker = async (w: number) => {
    for (let i = 0; !isOver; i++) {
      const list = await client.recommend(
        i % 2 === 0 ? { user: 'ann', count: 5 } : { interactions: [{ item: String((w * 31 + i) % 700), value: 4 }] },
      );
      models.add(list.model);
      assert.ok(list.items.length > 0);
      answered++;
    }
  };
  const workers = Array.from({ length: 6 }, (_, w) => worker(w));
  await saveLearner(await servedLearner({ algorithm: maml({ steps: 2, learningRate: 0.01 }) }), model);
  const { before, model: after } = await client.reload();
  assert.notEqual(before, after);
  const held = await client.item('added');
  assert.deepEqual(held.columns['genres'], ['noir'], 'what was added is there');
  while (!models.has(after)) await new Promise((go) => setTimeout(go, 5));
  isOver = true;
  await Promise.all(workers);
  t.comment(`${answered} answers by ${models.size} models`);
  assert.equal(models.size, 2);
  // A file that is no model leaves the one that serves.
  copyFileSync(join(packageRoot(), 'package.json'), model);
  await assert.rejects(client.reload());
  assert.equal((await client.recommend({ user: 'ann', count: 1 })).model, after);
  await close();
});

test('when it ends, what has come is answered and what waits is written', { skip: noSqlite }, async () => {
  const state = path('db');
  const { client, close, app } = await started({ state });
  const asked = Array.from({ length: 20 }, (_, i) => client.recommend({ user: `u${i}`, count: 2 }));
  await new Promise((go) => setTimeout(go, 5));
  app.drain();
  assert.equal(await client.ready().catch((error: ServiceError) => error.status), 503);
  const lists = await Promise.all(asked);
  await close();
  await checkRecorded(lists, state);
});

test('it ends when the last answer is sent, though clients keep their connections open', async () => {
  const { url, app, service, close } = await started({ state: 'none' });
  const agent = new Agent({ keepAlive: true });
  const ask = () =>
    new Promise<[status: number, connection: string | undefined]>((done, fail) =>
      request(
        `${url}/recommendations`,
        { method: 'POST', agent, headers: { 'content-type': 'application/json' } },
        (r) => r.resume().on('end', () => done([r.statusCode!, r.headers.connection])),
      )
        .on('error', fail)
        .end('{}'),
    );
  assert.deepEqual(await ask(), [200, 'keep-alive']);
  let open = () => {};
  const isHeld = service.engine.gate.write(() => new Promise<void>((go) => (open = go)));
  const asked = [ask(), ask()];
  while (app.metrics.inFlight < 2) await new Promise((go) => setTimeout(go, 1));
  const closed = close();
  open();
  await isHeld;
  assert.deepEqual(await Promise.all(asked), [
    [200, 'close'],
    [200, 'close'],
  ]);
  await closed;
  agent.destroy();
});

test('a package that is missing is named with the command that installs it', async () => {
  for (const [name, command] of [
    ['fastify', 'npm install fastify@5'],
    ['pg', 'npm install pg@8'],
  ]) {
    const hook = `export async function resolve(s, c, n) { if (s === '${name}') throw new Error('not installed'); return n(s, c) }`;
    const script = `
      import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
      const { serve } = await import(${JSON.stringify(join(packageRoot(), 'dist', 'lib', 'service', 'index.js'))});
      await serve({ model: process.argv[1], state: ${name === 'pg' ? "'postgres://none'" : "'none'"}, port: 0 })
        .catch((error) => console.log(error.code, error.message));`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script, await modelFile()], {
      encoding: 'utf8',
    });
    assert.match(stdout, new RegExp(`^UNSUPPORTED .*${command}`), name);
  }
});

test('people are held up to a number and a size, the least recently asked for are given up', async () => {
  const people = new People<number[]>({ maxPeople: 3, maxBytes: 1e6 }, (list) => 8 * list.length);
  let made = 0;
  const get = (id: string, size = 1) => people.get(id, async () => (made++, Array<number>(size).fill(0)));
  await Promise.all([get('a'), get('a'), get('b')]);
  assert.equal(made, 2, 'two who ask at the same time wait for one adaptation');
  await get('c');
  await get('a');
  await get('d');
  assert.deepEqual(people.held, { people: 3, bytes: 3 * 520, evicted: 1 });
  await get('a');
  assert.equal(made, 4);
  await get('b');
  assert.equal(made, 5, 'b was the one that was given up');
  await get('big', 2e5);
  assert.equal(people.held.people, 0, 'a size that nobody can have leaves nobody');
  await assert.rejects(
    people.get('x', () => Promise.reject(new Error('none'))),
    /none/,
  );
  assert.deepEqual(people.held.bytes, 0);
});

test('a change of the catalog waits for those who read it, and they for it', async () => {
  const gate = new Gate();
  const log: string[] = [];
  const work = (name: string) => async () => {
    log.push(`${name} in`);
    await new Promise((go) => setTimeout(go, 2));
    log.push(`${name} out`);
  };
  await Promise.all([gate.read(work('r1')), gate.read(work('r2')), gate.write(work('w')), gate.read(work('r3'))]);
  assert.deepEqual(log, ['r1 in', 'r2 in', 'r1 out', 'r2 out', 'w in', 'w out', 'r3 in', 'r3 out']);
});
