/** `serve` with worker threads: the same answers as without, and what happens when one ends. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from 'tap';
import { maml } from '../../lib/algorithms/maml.js';
import { saveLearner } from '../../lib/serving/persist.js';
import type { ServiceError } from '../../lib/service/index.js';
import { servedLearner } from '../fixtures/catalog.js';
import type { Served } from '../fixtures/served.js';
import { checkRecorded, modelFile, noSqlite, path, started } from '../fixtures/served.js';

const metricOf = async (url: string, name: string) => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^innerloop_${name} (\\S+)$`, 'm').exec(text)?.[1]);
};
const everyone = { count: 1000, minSupport: 0 };

/** What clients send to a service, and its answers without what differs by call. */
async function conversation({ client }: Served): Promise<unknown[]> {
  const answers: unknown[] = [];
  const keep = async (answer: Promise<object>) => {
    const plain = await answer.catch(({ status, code, message, field }: ServiceError) => ({
      status,
      code,
      message,
      field,
    }));
    const text = JSON.stringify(plain, (key, value: unknown) =>
      key === 'recommendationId' || key === 'milliseconds' || key === 'loaded' ? undefined : value,
    );
    answers.push(JSON.parse(text));
  };
  const people = Array.from({ length: 12 }, (_, u) => ({ user: `u${u}` }));
  const session = {
    interactions: [
      { item: '3', value: 5, weight: 2 },
      { item: '9', value: 1 },
    ],
  };
  await keep(client.recommend({ user: 'u1', count: 5 }));
  await client.interact({
    interactions: people.flatMap(({ user }, u) => [
      { user, item: String(1 + 7 * u), value: 5 },
      { user, item: String(2 + 9 * u), value: 1 + (u % 5) },
    ]),
  });
  for (const { user } of people) await keep(client.recommend({ user, count: 20, explain: 2, uncertainty: true }));
  await keep(client.recommendMany({ people: [...people, session, { features: { age: 30 } }, {}], count: 4 }));
  await keep(client.predict({ ...session, items: ['1', 'none', '2'], uncertainty: true }));
  await keep(client.predictMany({ people, items: ['1', '2', '600'] }));
  await keep(client.explain({ user: 'u3', item: '40' }));
  await keep(client.similar('1', { query: { count: '4' } }));
  await keep(client.similar('1'));
  await keep(client.questions({ user: 'u2', count: 3 }));
  // What changes is seen by the next request, whichever thread answers it.
  await client.putItem('fresh', { features: { genres: ['noir'] }, owner: 'u4' });
  await client.putItem('2', { hidden: true });
  await client.putUser('u5', { features: { age: 50 } });
  for (const { user } of people) await keep(client.recommend({ user, ...everyone }));
  await client.interact({ interactions: [{ user: 'u6', item: 'fresh', value: 5 }] });
  await keep(client.recommend({ user: 'u6', ...everyone }));
  await client.forget('u7');
  await keep(client.recommend({ user: 'u7', count: 3 }));
  await keep(client.item('fresh'));
  // And what is wrong is named alike.
  await keep(client.explain({ user: 'u3', item: 'none' }));
  await keep(client.recommend({ interactions: [{ item: '3', value: 9 }] }));
  await keep(client.recommend({ columns: ['titel'] }));
  await keep(client.recommendMany({ people: [{}, { features: { agee: 1 } }] }));
  await keep(client.health());
  return answers;
}

test('worker threads give the same answers, and see every change at once', { skip: noSqlite }, async () => {
  const experiments = [
    { name: 'order', variants: [{ name: 'plain' }, { name: 'varied', options: { diversity: 0.5 } }] },
  ];
  const [plain, threaded] = [await started({ experiments }), await started({ experiments, workers: 3 })];
  const [expected, found] = [await conversation(plain), await conversation(threaded)];
  expected.forEach((answer, k) => assert.deepEqual(found[k], answer, `answer ${k}`));
  assert.equal(await metricOf(threaded.url, 'workers'), 3);
  assert.equal(threaded.service.engine.people.held.people, 0, 'the models are held by the workers');
  assert.ok(threaded.service.pool!.threads.length === 3 && threaded.service.pool!.held.people > 0);
  // Lists are recorded, so that feedback can refer to them, and experiments count.
  const list = await threaded.client.recommend({ user: 'u1', count: 3 });
  const given = await threaded.client.givenRecommendation(list.recommendationId);
  assert.deepEqual(
    given.items,
    list.items.map(({ item }) => item),
  );
  const [{ variants }] = (await threaded.client.experiments()).experiments;
  assert.deepEqual((await plain.client.experiments()).experiments[0].variants, variants);
  await Promise.all([plain.close(), threaded.close()]);
});

test('a worker that ends is replaced; its requests get 503 and may be sent again', { skip: noSqlite }, async () => {
  const state = path('db');
  const { client, url, app, service, close } = await started({ workers: 2, state, timeout: 60_000 });
  await client.putItem('added', { features: { genres: ['noir'] } });
  await client.interact({ interactions: [{ user: 'ann', item: '3', value: 5 }] });
  const before = await client.recommend({ user: 'ann', ...everyone });
  const people = Array.from({ length: 100 }, (_, i) => ({ interactions: [{ item: String(1 + i), value: 5 }] }));
  const asked = Array.from({ length: 4 }, () =>
    client.recommendMany({ people, count: 20, explain: 1 }).then(
      ({ recommendations }) => recommendations.length,
      ({ status, code, message }: ServiceError) => {
        assert.match(message, /worker thread .* has ended.*expected the same request again/);
        return [status, code];
      },
    ),
  );
  while (app.metrics.inFlight < asked.length) await wait(0);
  await service.pool!.threads[0].terminate();
  const outcomes = await Promise.all(asked);
  assert.ok(
    outcomes.some((each) => each === 100),
    'the other worker answered its requests',
  );
  for (const each of outcomes) if (each !== 100) assert.deepEqual(each, [503, 'ABORTED']);
  // Meanwhile the other thread answers, and interactions are kept.
  await client.interact({ interactions: [{ user: 'bob', item: '4', value: 5 }] });
  assert.deepEqual((await client.recommend({ user: 'ann', ...everyone })).items, before.items);
  while ((await metricOf(url, 'workers')) < 2) await wait(20);
  assert.equal(await metricOf(url, 'workers_replaced_total'), 1);
  // The new one has the items that were added, and the history.
  for (let i = 0; i < 4; i++) {
    const list = await client.recommend({ user: ['ann', 'b', 'c', 'd'][i], ...everyone, fallback: ['prior'] });
    assert.ok(list.items.some(({ item }) => item === 'added'));
    if (i === 0) assert.deepEqual(list.items, before.items);
  }
  // When all have ended, the thread of the server answers until they are back.
  await Promise.all(service.pool!.threads.map((thread) => thread.terminate()));
  assert.deepEqual((await client.recommend({ user: 'ann', ...everyone })).items, before.items);
  while ((await metricOf(url, 'workers')) < 2) await wait(20);
  assert.equal((await client.user('bob')).interactions.length, 1);
  await close();
});

test(
  'reload with worker threads: no request fails, and all threads serve the new model',
  { skip: noSqlite },
  async () => {
    const model = path('safetensors');
    copyFileSync(await modelFile(), model);
    const { client, service, close } = await started({ model, workers: 2, timeout: 60_000 });
    await client.interact({ interactions: [{ user: 'ann', item: '3', value: 5 }] });
    const models = new Set<string>();
    let isOver = false;
    const worker = async (w: number) => {
      for (let i = 0; !isOver; i++) {
        const who =
          i % 2 === 0 ? { user: `u${w}` } : { interactions: [{ item: String(1 + ((w * 31 + i) % 700)), value: 4 }] };
        const list = await client.recommend({ ...who, count: 3 });
        models.add(list.model);
        assert.equal(list.items.length, 3);
        await wait(2);
      }
    };
    const workers = Array.from({ length: 4 }, (_, w) => worker(w));
    const old = service.pool!;
    await saveLearner(await servedLearner({ algorithm: maml({ steps: 2, learningRate: 0.01 }) }), model);
    // An item that is added while the new threads load is there in all of them.
    const [{ before, model: after }] = await Promise.all([
      client.reload(),
      client.putItem('meanwhile', { features: { genres: ['noir'] } }),
    ]);
    assert.notEqual(before, after);
    for (let i = 0; i < 20; i++) {
      const { model: by, scores } = await client.predict({ user: `v${i}`, items: ['meanwhile'] });
      assert.equal(by, after, 'after the reload no thread has the old model');
      assert.equal(typeof scores[0], 'number');
    }
    isOver = true;
    await Promise.all(workers);
    assert.ok(models.has(before));
    while (old.counts.ready > 0) await wait(10);
    // A thread that ends after the file has changed is not replaced by one with another model, until the next reload.
    copyFileSync(await modelFile(), model);
    await service.pool!.threads[1].terminate();
    await wait(1500);
    assert.equal(service.pool!.counts.ready, 1);
    assert.equal((await client.recommend({ user: 'ann', count: 1 })).model, after);
    assert.equal((await client.reload()).model, before);
    assert.equal(service.pool!.counts.ready, 2);
    // A file that is no model leaves the threads as they are.
    copyFileSync(new URL(import.meta.url).pathname, model);
    await assert.rejects(client.reload());
    assert.equal((await client.recommend({ user: 'ann', count: 1 })).model, before);
    await close();
  },
);

test('the limits of people and time hold over all threads', { skip: noSqlite }, async () => {
  const { client, service, close } = await started({ workers: 2, maxPeople: 40 });
  const interactions = Array.from({ length: 150 }, (_, u) => ({ user: `u${u}`, item: String(1 + u), value: 4 }));
  await client.interact({ interactions });
  for (const { user } of interactions) await client.recommend({ user, count: 1 });
  const { people, evicted, bytes } = service.held;
  assert.ok(people <= 40 && people > 20 && evicted >= 110 && bytes > 0, JSON.stringify(service.held));
  assert.equal((await client.health()).people, people);
  await close();
  const slow = await started({ workers: 1, timeout: 1, state: 'none' });
  const people2 = Array.from({ length: 500 }, (_, i) => ({ interactions: [{ item: String(1 + i), value: 5 }] }));
  await assert.rejects(slow.client.recommendMany({ people: people2, count: 50, explain: 5 }), {
    status: 503,
    code: 'ABORTED',
  });
  await slow.close();
  await assert.rejects(started({ workers: 3, maxPeople: 2, state: 'none' }), { field: 'options.workers' });
  await assert.rejects(started({ workers: 1, device: 'auto', state: 'none' }), { field: 'options.workers' });
  await assert.rejects(started({ workers: 1, state: 'none', model: path('none') }), { code: 'MISSING_FILE' });
});

test('when it ends, the threads answer what has come, and lists are recorded', { skip: noSqlite }, async () => {
  const state = path('db');
  const { client, app, close } = await started({ state, workers: 2 });
  let answered = 0;
  const asked = Array.from({ length: 20 }, async (_, i) => {
    const list = await client.recommend({ user: `u${i}`, count: 2 });
    answered++;
    return list;
  });
  // Not before the last of them has reached the service, which then takes no more.
  while (answered + app.metrics.inFlight < 20) await wait(1);
  await close();
  const lists = await Promise.all(asked);
  await checkRecorded(lists, state);
});
