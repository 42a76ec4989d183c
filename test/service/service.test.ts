/** The service over HTTP: what it answers, and what it refuses. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import Fastify from 'fastify';
import { test } from 'tap';
import { loadLearner } from '../../lib/serving/persist.js';
import { createClient, OPERATIONS } from '../../lib/service/index.js';
import type { OperationName, ServiceError } from '../../lib/service/index.js';
import { modelFile, noSqlite, started } from '../fixtures/served.js';

/** Answers are held against the schemas that OpenAPI publishes, by the validator that checks bodies. */
const checker = Fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false, strict: false } } });
for (const [name, { answer }] of Object.entries(OPERATIONS))
  checker.post(`/${name}`, { schema: { body: answer } }, () => 'fits');
async function fits(name: OperationName, answer: unknown): Promise<void> {
  const { body } = await checker.inject({ method: 'POST', url: `/${name}`, payload: answer as object });
  assert.equal(body, 'fits', `${name}: ${body}\n${JSON.stringify(answer)}`);
}

/** Two variants of the order of a list. */
const EXPERIMENTS = [{ name: 'order', variants: [{ name: 'plain' }, { name: 'varied', options: { diversity: 0.5 } }] }];

test('every operation answers what its schema says', { skip: noSqlite }, async () => {
  const { client, url, close } = await started({ segmentBy: 'age', experiments: EXPERIMENTS });
  const seen = new Set<string>();
  const checked = async <A>(name: OperationName, answer: Promise<A>): Promise<A> => {
    await fits(name, await answer);
    seen.add(name);
    return answer;
  };
  const interactions = [
    { user: 'ann', item: '3', value: 5, event: 'e', weight: 2, time: '2026-01-01T00:00:00Z' },
    { user: 'ann', item: '7', value: 1 },
    { user: 'ann', item: 'of tomorrow', value: 1 },
  ];
  assert.deepEqual(await checked('interact', client.interact({ interactions })), {
    added: 3,
    unknownItems: ['of tomorrow'],
  });
  const list = await checked(
    'recommend',
    client.recommend({ user: 'ann', count: 5, uncertainty: true, explain: 2, columns: ['title', 'genres'] }),
  );
  assert.equal(list.source, 'history');
  assert.equal(list.items.length, 5);
  for (const { sd, why, columns } of list.items) {
    assert.ok(sd! > 0);
    assert.deepEqual(why!.map(({ item }) => item).sort(), ['3', '7']);
    assert.equal(typeof columns!['title'], 'string');
  }
  const given = await checked('givenRecommendation', client.givenRecommendation(list.recommendationId));
  assert.deepEqual(
    given.items,
    list.items.map(({ item }) => item),
  );
  const people = [{ user: 'ann' }, { interactions: [{ item: '3', value: 5 }] }, { features: { age: 20 } }, {}];
  const { recommendations } = await checked('recommendMany', client.recommendMany({ people, count: 3 }));
  assert.deepEqual(
    recommendations.map(({ source }) => source),
    ['history', 'history', 'features', 'popular'],
  );
  const { scores, unknown } = await checked(
    'predict',
    client.predict({ user: 'ann', items: ['1', 'none', '2'], uncertainty: true }),
  );
  assert.equal(scores[1], null);
  assert.deepEqual(unknown, ['none']);
  const many = await checked('predictMany', client.predictMany({ people, items: ['1', '2'] }));
  assert.equal(many.scores[0][0], scores[0], 'one by one or together');
  await checked('explain', client.explain({ user: 'ann', item: '1' }));
  const { items } = await checked('similar', client.similar('1', { query: { count: '4' } }));
  assert.equal(items.length, 4);
  const { questions } = await checked('questions', client.questions({ user: 'ann', count: 4, columns: ['title'] }));
  assert.ok(
    questions.every(({ item }) => item !== '3'),
    'nothing that was answered',
  );
  await checked('putItem', client.putItem('new', { features: { genres: ['noir'] }, owner: 'ann' }));
  assert.equal((await checked('item', client.item('new'))).interactions, 0);
  await checked('putUser', client.putUser('ann', { features: { age: 30 } }));
  const user = await checked('user', client.user('ann'));
  assert.deepEqual(user.features, { age: 30 });
  assert.equal(user.interactions.length, 3);
  await checked('experiments', client.experiments());
  await checked('reload', client.reload());
  await checked('health', client.health());
  await checked('ready', client.ready());
  assert.deepEqual(await checked('forget', client.forget('ann')), { interactions: 3 });
  assert.deepEqual([...seen].sort(), Object.keys(OPERATIONS).sort(), 'every one of them');

  const document = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, object> };
  for (const { path: address, method } of Object.values(OPERATIONS))
    assert.ok(method.toLowerCase() in document.paths[address], address);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /^innerloop_requests_total\{operation="recommend",status="200"\} 1$/m);
  assert.match(metrics, /^innerloop_request_seconds_count\{operation="predict"\} 1$/m);
  assert.match(metrics, /^innerloop_interactions_total 3$/m);
  assert.match(metrics, /^innerloop_lists_total\{source="history"\} 3$/m);
  const helps = [...metrics.matchAll(/^# HELP \S+ (.+)$/gm)].map(([, help]) => help);
  assert.equal(new Set(helps).size, helps.length, 'each metric has its own help');
  assert.doesNotMatch(metrics, /NaN|undefined|\bann\b/);
  await close();
});

test(
  'the list is that of the library; options that the request gives stand above a variant',
  { skip: noSqlite },
  async () => {
    const learner = await loadLearner(await modelFile());
    const { client, close } = await started();
    const interactions = [
      { item: '3', value: 5, weight: 3 },
      { item: '8', value: 2 },
    ];
    const me = await learner.adapt({ items: ['3', '8'], labels: [5, 2], weights: [3, 1] });
    for (const options of [
      { count: 7 },
      { count: 5, exclude: ['1', '9'], filter: { genres: ['noir'] }, boost: { genres: { drama: 0.5 } } },
      { count: 5, diversity: 0.6 },
      { count: 5, minSupport: 0, among: ['1', '2', '30', '31', '32', '500'] },
      { count: 5, explore: { seed: 4 } },
    ]) {
      const { items } = await client.recommend({ interactions, ...options });
      assert.deepEqual(items, await me.recommend(options), JSON.stringify(options));
    }
    await close();
  },
);

test(
  'numbers of items are in the units of the data: in answers, and in filters to the last digit',
  { skip: noSqlite },
  async () => {
    const { client, close } = await started();
    const yearOf = (item: string) => 1950 + (Number(item) % 70);
    for (const who of [{ interactions: [{ item: '3', value: 5 }] }, {}]) {
      const { items } = await client.recommend({
        ...who,
        count: 1000,
        minSupport: 0,
        fallback: ['prior'],
        filter: { year: { min: 1960, max: 1963 } },
        columns: ['year'],
      });
      assert.equal(items.length, 40);
      for (const { item, columns } of items) {
        assert.equal(columns!['year'], yearOf(item));
        assert.ok(yearOf(item) >= 1960 && yearOf(item) <= 1963);
      }
    }
    assert.equal((await client.item('12')).columns['year'], 1962);
    await client.putItem('new', { features: { year: 1961 } });
    assert.equal((await client.item('new')).columns['year'], 1961);
    await close();
  },
);

test('what is wrong is named, with the field', { skip: noSqlite }, async () => {
  const { client, url, close } = await started();
  const refused = async (body: object, status: number, code: string, field: string) =>
    assert.rejects(client.recommend(body), (error: ServiceError) => {
      assert.deepEqual([error.status, error.code, error.field], [status, code, field], error.message);
      return true;
    });
  await refused({ user: 1 }, 400, 'INVALID_OPTION', 'user');
  await refused({ usre: 'ann' }, 400, 'UNKNOWN_OPTION', 'usre');
  await refused({ count: 0 }, 400, 'INVALID_OPTION', 'count');
  await refused({ filter: { genre: 'noir' } }, 400, 'UNKNOWN_OPTION', 'filter.genre');
  await refused({ interactions: [{ item: '3', value: 9 }] }, 400, 'INVALID_OPTION', 'interactions[0].value');
  await refused({ interactions: [{ item: '3' }] }, 400, 'INVALID_OPTION', 'interactions[0].value');
  await refused({ interactions: [{ value: 3 }] }, 400, 'INVALID_OPTION', 'interactions[0].item');
  await refused({ features: { agee: 3 } }, 400, 'UNKNOWN_OPTION', 'features.agee');
  for (const who of [
    { interactions: [{ item: '3', value: 3 }] },
    { fallback: ['popular' as const] },
    { filter: { genres: 'none' } },
  ])
    await refused({ ...who, columns: ['titel'] }, 400, 'UNKNOWN_OPTION', 'columns[0]');
  await assert.rejects(client.questions({ columns: ['titel'] }), { status: 400, field: 'columns[0]' });
  await assert.rejects(client.item('none'), { status: 404 });
  await assert.rejects(client.givenRecommendation('none'), { status: 404 });
  const post = (body: string, type: string) =>
    fetch(`${url}/recommendations`, { method: 'POST', body, headers: { 'content-type': type } });
  assert.equal((await post('{', 'application/json')).status, 400);
  assert.equal((await post('{}', 'text/plain')).status, 415, 'what a form of another site can send');
  assert.equal((await post(`{"user":"${'x'.repeat(9 * 2 ** 20)}"}`, 'application/json')).status, 413);
  assert.equal((await fetch(`${url}/nothing`)).status, 404);
  await close();
});

test('a bad value of a column is refused, whether or not popularity is counted by it', { skip: noSqlite }, async () => {
  for (const segmentBy of ['age', 'town', undefined]) {
    const { client, url, close } = await started({ segmentBy });
    const refused = { status: 400, code: 'INVALID_OPTION' };
    await assert.rejects(client.putUser('ann', { features: { age: 'seven' } }), {
      ...refused,
      field: 'user.features.age',
    });
    await assert.rejects(client.recommend({ features: { age: 'seven' } }), { ...refused, field: 'features.age' });
    const lines = `${JSON.stringify({ id: 'ann', features: { age: 'seven' } })}\n`;
    const type = { 'content-type': 'application/x-ndjson' };
    const imported = await fetch(`${url}/import/users`, { method: 'POST', body: lines, headers: type });
    assert.equal(imported.status, 422);
    assert.deepEqual((await client.user('ann')).features, {}, 'nothing of it was kept');
    await client.putUser('ann', { features: { age: 7, ...(segmentBy === 'town' && { town: 'north' }) } });
    await close();
  }
});

test('an operation answers 404 where its description says so, and nowhere else', { skip: noSqlite }, async () => {
  const { url, close } = await started();
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { responses: object }>>;
  };
  const bodies: Partial<Record<OperationName, object>> = {
    predict: { items: ['none'] },
    predictMany: { people: [{}], items: ['none'] },
    explain: { item: 'none' },
    recommendMany: { people: [{}] },
    interact: { interactions: [{ user: 'none', item: 'none', value: 3 }] },
  };
  // What adds to the state comes last.
  const names = (Object.keys(OPERATIONS) as OperationName[]).sort(
    (a, b) => Number(OPERATIONS[a].method === 'PUT') - Number(OPERATIONS[b].method === 'PUT'),
  );
  for (const name of names) {
    const { method, path: address, ...rest } = OPERATIONS[name];
    const body = 'body' in rest ? JSON.stringify(bodies[name] ?? {}) : undefined;
    const { status } = await fetch(`${url}${address.replace('{id}', 'none')}`, {
      method,
      ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
    });
    const { responses } = paths[address][method.toLowerCase()];
    assert.equal(status, '404' in responses ? 404 : 200, name);
  }
  assert.ok('422' in paths['/import/{kind}']['post'].responses);
  await close();
});

test('only this machine, by its own name, or whoever has the token', { skip: noSqlite }, async () => {
  const options = { model: await modelFile(), state: 'none', port: 0 };
  await assert.rejects(started({ ...options, host: '0.0.0.0' }), { code: 'INVALID_OPTION', field: 'options.host' });
  const open = await started(options);
  const status = await new Promise<number>((done, fail) => {
    const { port } = new URL(open.url);
    request({ port, host: '127.0.0.1', path: '/health', headers: { host: 'evil.example' } }, (response) => {
      response.resume();
      done(response.statusCode!);
    })
      .on('error', fail)
      .end();
  });
  assert.equal(status, 403, 'a name of another site that points here');
  await open.close();
  const { client, url, close } = await started({ ...options, token: 'open sesame' });
  assert.equal((await client.recommend({ count: 1 })).items.length, 1);
  await assert.rejects(createClient({ url }).recommend({}), { status: 401 });
  await assert.rejects(createClient({ url, token: 'open' }).recommend({}), { status: 401 });
  assert.equal((await fetch(`${url}/metrics`)).status, 401);
  assert.equal((await fetch(`${url}/health`)).status, 200, 'a probe needs none');
  await close();
});

test('without a state only what needs one is missing', async () => {
  const { client, close } = await started({ state: 'none' });
  assert.equal((await client.recommend({ interactions: [{ item: '3', value: 5 }], count: 2 })).source, 'history');
  assert.equal((await client.recommend({ user: 'ann', count: 2 })).source, 'popular');
  await assert.rejects(client.interact({ interactions: [{ user: 'a', item: '1', value: 1 }] }), { status: 404 });
  await close();
});
