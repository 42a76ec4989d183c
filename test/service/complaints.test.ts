/**
 * What people complain of most who use recommendation servers, one test a complaint. Each names what went wrong elsewhere and holds
 * that it does not here.
 */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'tap';
import { random } from '../../lib/foundation/random.js';
import { dumpLines, openState, restoreLines } from '../../lib/service/index.js';
import type { BodyOf } from '../../lib/service/index.js';
import { prepareTables } from '../../lib/service/state/tables.js';
import type { Served } from '../fixtures/served.js';
import { noSqlite, path, started } from '../fixtures/served.js';

const complaint = (name: string, body: (t: { comment(text: string): void }) => Promise<void>) =>
  test(name, { skip: noSqlite }, body);
const idsOf = ({ items }: { items: { item: string }[] }) => items.map(({ item }) => item);
const everyone = { count: 1000, minSupport: 0 };

complaint('seen, own and hidden items come back, and there is no exclusion list', async () => {
  const { client, close } = await started();
  await client.interact({
    interactions: [
      { user: 'ann', item: '3', value: 5 },
      { user: 'ann', item: '9', value: 1 },
    ],
  });
  await client.putItem('1', { owner: 'ann' });
  await client.putItem('2', { hidden: true });
  for (const list of [
    await client.recommend({ user: 'ann', ...everyone }),
    await client.recommend({ user: 'ann', ...everyone, exclude: ['4'], diversity: 0.2 }),
    await client.recommend({ user: 'ann', ...everyone, explore: { seed: 1 } }),
  ]) {
    const ids = idsOf(list);
    for (const gone of ['3', '9', '1', '2']) assert.ok(!ids.includes(gone), `${gone} in a list by ${list.source}`);
    assert.ok(ids.length >= 690, 'all the others are there');
  }
  assert.ok(!idsOf(await client.recommend({ user: 'ann', ...everyone, exclude: ['4'] })).includes('4'));
  assert.ok(!idsOf(await client.recommend({ count: 1000 })).includes('2'), 'popular lists have no hidden items either');
  assert.ok(
    idsOf(await client.recommend({ user: 'bob', interactions: [{ item: '5', value: 4 }], ...everyone })).includes('1'),
    'an owner is not everybody',
  );
  assert.ok(!idsOf(await client.similar('1', { query: { count: '600' } })).includes('2'));
  // What is wanted is had: seen items by request, hidden ones by being shown again.
  assert.ok(idsOf(await client.recommend({ user: 'ann', ...everyone, excludeSeen: false })).includes('3'));
  await client.putItem('2', { hidden: false });
  assert.ok(idsOf(await client.recommend({ user: 'ann', ...everyone })).includes('2'));
  await close();
});

complaint('cold users all get the same popular list', async () => {
  const { client, close } = await started({ segmentBy: 'town' });
  // By features that the model reads.
  const [young, old] = await Promise.all([1, 59].map((age) => client.recommend({ features: { age }, ...everyone })));
  assert.deepEqual([young.source, old.source], ['features', 'features']);
  assert.notDeepEqual(
    young.items.map(({ score }) => score),
    old.items.map(({ score }) => score),
  );
  // By what is popular in their group.
  const interactions = [];
  for (let u = 0; u < 10; u++) {
    await client.putUser(`n${u}`, { features: { town: 'north' } });
    await client.putUser(`s${u}`, { features: { town: 'south' } });
    interactions.push({ user: `n${u}`, item: '600', value: 4 }, { user: `s${u}`, item: '601', value: 4 });
  }
  await client.interact({ interactions });
  await client.putUser('new in the north', { features: { town: 'north' } });
  const north = await client.recommend({ user: 'new in the north', count: 1 });
  assert.deepEqual([north.source, idsOf(north)], ['group', ['600']]);
  assert.deepEqual(idsOf(await client.recommend({ features: { town: 'south' }, count: 1 })), ['601']);
  await client.putUser('new in the north', { hidden: true });
  assert.equal((await client.recommend({ user: 'new in the north', count: 1 })).source, 'popular', 'nothing is known');
  // By the draw of the posterior, where nothing is known.
  const draws = await Promise.all([1, 2, 3].map((seed) => client.recommend({ explore: { seed }, count: 10 })));
  assert.equal(new Set(draws.map((list) => idsOf(list).join())).size, 3);
  // And by asking: one answer, and the list is theirs.
  const { questions, answers } = await client.questions({ count: 1 });
  const lists = await Promise.all(
    answers.map((value) => client.recommend({ interactions: [{ item: questions[0].item, value }], ...everyone })),
  );
  assert.ok(lists.every(({ source }) => source === 'history'));
  assert.notDeepEqual(
    lists[0].items.map(({ score }) => score),
    lists[1].items.map(({ score }) => score),
  );
  await close();
});

complaint('new items and new events stay invisible until the next batch', async () => {
  const { client, close } = await started();
  const before = await client.recommend({ user: 'ann', count: 50 });
  await client.interact({ interactions: [{ user: 'ann', item: '5', value: 5 }] });
  const after = await client.recommend({ user: 'ann', count: 50 });
  assert.deepEqual([before.source, after.source], ['popular', 'history'], 'in the next list, not in the next hour');
  await client.interact({ interactions: [{ user: 'ann', item: '6', value: 1 }] });
  const next = await client.recommend({ user: 'ann', count: 50 });
  assert.notDeepEqual(
    next.items.map(({ score }) => score),
    after.items.map(({ score }) => score),
  );
  // A new item like one that the person loves is among the first, though nobody has ever seen it.
  await assert.rejects(client.item('fresh'), { status: 404 });
  const { columns } = await client.item('5');
  await client.putItem('fresh', { features: { genres: columns['genres'] as string[] } });
  const list = await client.recommend({ user: 'ann', count: 20 });
  assert.ok(idsOf(list).includes('fresh'), idsOf(list).join());
  const known = await client.predict({ user: 'ann', items: ['fresh'] });
  assert.equal(typeof known.scores[0], 'number');
  await close();
});

complaint('memory grows until the worker is restarted', async (t) => {
  const { client, service, close } = await started({ maxPeople: 50 });
  const stream = random(1, 'test.memory');
  const round = async (n: number) => {
    for (let i = 0; i < n; i++) {
      const user = `u${stream.below(5000)}`;
      const interactions = [{ user, item: String(stream.below(700)), value: 1 + stream.below(5) }];
      await client.interact({ interactions });
      await client.recommend({ user, count: 5 });
    }
  };
  await round(150);
  const { people, evicted } = service.engine.people.held;
  assert.ok(people <= 50 && evicted > 50, `${people} held, ${evicted} given up`);
  await close();
  // By bytes as well.
  const small = await started({ maxMemory: 1 });
  for (let i = 0; i < 2000; i++)
    await small.service.engine.lease((engine) => engine.person({ user: `v${i}` }, undefined));
  const held = small.service.engine.people.held;
  assert.ok(held.bytes <= 2 ** 20 && held.evicted > 0, `${held.bytes} bytes of ${held.people}`);
  t.comment(`${held.people} people without a history in a megabyte`);
  await small.close();
});

complaint('cache servers fail', async () => {
  // There is none: the service connects to nothing, and what it holds in memory is made again from its database.
  const connected: unknown[] = [];
  const { connect } = Socket.prototype;
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
    connected.push(args);
    return (connect as (...args: unknown[]) => Socket).apply(this, args);
  };
  const state = path('db');
  const ask = { user: 'ann', count: 20, explain: 1 };
  const asked = async ({ app }: Served) => {
    // Without a client on the network, every connection is the service's own.
    const { statusCode, body } = await app.fastify.inject({ method: 'POST', url: '/recommendations', payload: ask });
    assert.equal(statusCode, 200, body);
    return (JSON.parse(body) as { items: object[] }).items;
  };
  try {
    const first = await started({ state, maxPeople: 1 });
    const interactions = ['3', '9', '30'].map((item, k) => ({ user: 'ann', item, value: 5 - 2 * k }));
    const payload = { interactions };
    assert.equal((await first.app.fastify.inject({ method: 'POST', url: '/interactions', payload })).statusCode, 200);
    const list = await asked(first);
    assert.equal(first.service.held.people, 1);
    // Another person takes the place in memory, then all of it is gone.
    await first.app.fastify.inject({ method: 'POST', url: '/recommendations', payload: { user: 'bob' } });
    assert.equal(first.service.held.evicted, 1);
    assert.deepEqual(await asked(first), list, 'after an eviction');
    await first.close();
    const second = await started({ state });
    assert.equal(second.service.held.people, 0);
    assert.deepEqual(await asked(second), list, 'after a restart');
    await second.close();
  } finally {
    Socket.prototype.connect = connect;
  }
  assert.deepEqual(connected, []);
});

complaint('dislikes and weights are ignored', async () => {
  const { client, close } = await started();
  const scoreOf = async (value: number, weight: number) => {
    const interactions = [
      { item: '5', value, weight },
      { item: '6', value: 3 },
    ];
    return (await client.predict({ interactions, items: ['5'] })).scores[0]!;
  };
  const [liked, disliked, faint] = [await scoreOf(5, 1), await scoreOf(1, 1), await scoreOf(1, 0.01)];
  assert.ok(disliked < liked, 'a dislike lowers what it is about');
  assert.ok(disliked < faint, 'a small weight moves less');
  assert.ok((await scoreOf(1, 10)) < disliked, 'a large one more');
  // The same by the state.
  await client.interact({
    interactions: [
      { user: 'ann', item: '5', value: 1, weight: 10 },
      { user: 'ann', item: '6', value: 3 },
    ],
  });
  assert.equal((await client.predict({ user: 'ann', items: ['5'] })).scores[0], await scoreOf(1, 10));
  await close();
});

complaint('an empty result is an exception', async () => {
  const { client, close } = await started();
  const interactions = [{ item: '5', value: 5 }];
  for (const who of [{}, { interactions }, { features: { age: 3 } }]) {
    for (const options of [
      { filter: { genres: ['a genre of tomorrow'] } },
      { filter: { year: { min: 9000 } } },
      { among: [] },
      { among: ['unknown'] },
      { among: ['1'], exclude: ['1'] },
      { minSupport: 1_000_000, fallback: [] },
    ]) {
      const list = await client.recommend({ ...who, ...options } as BodyOf<'recommend'>);
      if (!('minSupport' in options)) assert.deepEqual(list.items, [], JSON.stringify([who, options]));
    }
  }
  const { notes } = await client.recommend({ interactions, filter: { genres: ['a genre of tomorrow'] } });
  assert.deepEqual(notes, ['filter.genres: no item has "a genre of tomorrow"'], 'and it says why');
  assert.deepEqual((await client.predict({ items: ['unknown'] })).scores, [null]);
  assert.deepEqual((await client.explain({ item: '1' })).why, []);
  await close();
});

complaint('an import loads nothing, dies on one row or loads half of them', async () => {
  const { client, url, close } = await started();
  const row = (user: string, value: unknown) => JSON.stringify({ user, item: '5', value });
  const send = (kind: string, body: string, errors = 'stop') =>
    fetch(`${url}/import/${kind}?errors=${errors}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-ndjson' },
    });
  const lines = [row('ann', 5), row('bob', 'five'), row('cid', 3), '{', row('dan', 4)].join('\n');
  const stopped = await send('interactions', lines);
  assert.equal(stopped.status, 422);
  const report = (await stopped.json()) as { loaded: number; errors: { line: number; message: string }[] };
  assert.deepEqual([report.loaded, report.errors.map(({ line }) => line)], [0, [2, 4]]);
  assert.match(report.errors[0].message, /value.*"five"/);
  assert.deepEqual((await client.user('ann')).interactions, []);
  const skipped = await send('interactions', lines, 'skip');
  assert.equal(skipped.status, 200);
  assert.equal(((await skipped.json()) as { loaded: number }).loaded, 3);
  assert.equal((await client.recommend({ user: 'dan', count: 1 })).source, 'history', 'and it counts at once');
  const items = JSON.stringify({ id: 'imported', features: { genres: ['noir'] } });
  assert.equal((await send('items', items)).status, 200);
  assert.equal((await client.item('imported')).hidden, false);
  const exported = await (await fetch(`${url}/export/interactions`)).text();
  assert.equal(exported.trimEnd().split('\n').length, 3);
  await close();
});

complaint('results are opaque', async () => {
  const { client, close } = await started();
  await client.interact({
    interactions: [
      { user: 'ann', item: '5', value: 5 },
      { user: 'ann', item: '6', value: 1 },
    ],
  });
  const list = await client.recommend({ user: 'ann', count: 3, explain: 2, uncertainty: true, columns: ['title'] });
  assert.match(list.model, /^[0-9a-f]{8}$/, 'which model');
  assert.equal(list.source, 'history', 'by what');
  for (const { item, why, sd, columns } of list.items) {
    assert.ok(sd! > 0, 'how sure');
    assert.equal(columns!['title'], `Title ${item}`);
    const own = (await client.explain({ user: 'ann', item })).why;
    assert.deepEqual(why, own.slice(0, 2), 'why');
    // An influence is what the score would lose without the interaction.
    const [strongest] = own;
    const other = strongest.item === '5' ? { item: '6', value: 1 } : { item: '5', value: 5 };
    const [all, without] = await Promise.all([
      client.predict({ user: 'ann', items: [item] }),
      client.predict({ interactions: [other], items: [item] }),
    ]);
    assert.ok(Math.abs(all.scores[0]! - without.scores[0]! - strongest.influence) < 1e-6);
  }
  await close();
});

complaint('there is no A/B testing', async () => {
  const experiments = [
    {
      name: 'order',
      variants: [{ name: 'plain' }, { name: 'varied', options: { diversity: 0.6 } }],
      successFrom: 4,
    },
  ];
  const state = path('db');
  const first = await started({ experiments, state });
  const variants = new Map<string, string>();
  for (let u = 0; u < 60; u++) {
    const list = await first.client.recommend({ user: `u${u}`, count: 3 });
    variants.set(`u${u}`, list.variants['order']);
    const value = u % 3 === 0 ? 5 : 2;
    const interaction = { user: `u${u}`, item: list.items[0].item, value, recommendationId: list.recommendationId };
    // The second conversion of a person is not counted again.
    await first.client.interact({ interactions: [interaction, interaction] });
  }
  await first.close();
  const { client, close } = await started({ experiments, state });
  for (const [user, variant] of variants)
    assert.equal((await client.recommend({ user, count: 1 })).variants['order'], variant, 'the same after a restart');
  const [{ variants: results }] = (await client.experiments()).experiments;
  for (const { variant, people, converted } of results) {
    const own = [...variants].filter(([, each]) => each === variant).map(([user]) => Number(user.slice(1)));
    assert.ok(own.length > 15, 'both have people');
    assert.deepEqual([people, converted], [own.length, own.filter((u) => u % 3 === 0).length], variant);
  }
  assert.equal(results[0].comparison, undefined);
  assert.equal(results[1].comparison!.isSignificant, false, 'they differ in nothing that was counted');
  assert.ok(results[1].comparison!.low < 1 && results[1].comparison!.high! > 1);
  await close();
});

complaint('an upgrade means importing again', async () => {
  const location = path('db');
  const { client, close } = await started({ state: location });
  await client.interact({ interactions: [{ user: 'ann', item: '5', value: 5 }] });
  await client.putItem('new', { features: { genres: ['noir'] } });
  const list = await client.recommend({ user: 'ann', count: 5 });
  await close();
  // Tables are brought to the version of the release when they are opened; preparing them again changes nothing.
  const state = await openState(location);
  await prepareTables(state.database);
  const lines: string[] = [];
  for await (const line of dumpLines(state)) lines.push(line);
  await state.close();
  // And a dump goes into another database.
  const other = path('db');
  const restored = await openState(other);
  await restoreLines(
    restored,
    (async function* () {
      yield* lines;
    })(),
  );
  await restored.close();
  const again = await started({ state: other });
  assert.deepEqual((await again.client.recommend({ user: 'ann', count: 5 })).items, list.items);
  assert.deepEqual((await again.client.item('new')).columns['genres'], ['noir']);
  assert.equal((await again.client.givenRecommendation(list.recommendationId)).source, 'history');
  await again.close();
});
