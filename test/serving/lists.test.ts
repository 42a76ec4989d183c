/** Lists: the items and scores that predict gives, whatever path they take in the core, and what is asked of them. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import {
  anil,
  fineTune,
  laplace,
  lstmMetaLearner,
  maml,
  metaEmb,
  protoNets,
  ridge,
  tanp,
} from '../../lib/algorithms/registry.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import '../../lib/learner/additions.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { random } from '../../lib/foundation/random.js';
import { CatalogCache } from '../../lib/serving/catalog-cache.js';
import { diversify } from '../../lib/serving/diversity.js';
import { MIN_SUPPORT } from '../../lib/serving/options.js';
import { CATALOG, everything, servedLearner } from '../fixtures/catalog.js';
import type { Served } from '../fixtures/catalog.js';

const SUPPORT = { items: [3, 8, 20], labels: [5, 1, 4] };
const CLICKS = { items: [3, 8, 20], labels: [1, 0, 1] };

/** Closed forms over items alone score from kept features, the others run the model; a softmax is ranked outside the core. */
const KINDS: [string, Served, typeof SUPPORT][] = [
  ['ridge', { algorithm: ridge() }, SUPPORT],
  ['ridge in float64', { algorithm: ridge(), precision: 'float64' }, SUPPORT],
  ['ridge on biases', { algorithm: ridge(), rows: { center: 'bias' } }, SUPPORT],
  ['ridge over users', { algorithm: ridge(), inputs: [{ name: 'item', dim: 4 }, { name: 'age' }] }, SUPPORT],
  ['anil', { algorithm: anil() }, SUPPORT],
  ['maml', { algorithm: maml({ steps: 2 }) }, SUPPORT],
  ['fineTune', { algorithm: fineTune() }, SUPPORT],
  ['lstm', { algorithm: lstmMetaLearner() }, SUPPORT],
  ['tanp', { algorithm: tanp() }, SUPPORT],
  ['metaEmb', { algorithm: metaEmb() }, SUPPORT],
  ['laplace', { algorithm: laplace(), head: { loss: 'bce' } }, CLICKS],
  ['protoNets', { algorithm: protoNets(), head: { loss: 'bce' } }, CLICKS],
  ['softmax', { algorithm: maml(), head: { loss: 'softmax', classes: 5 } }, { items: [3, 8, 20], labels: [4, 0, 2] }],
];

const refuses = (action: Promise<unknown>, code: ErrorCode, field?: string) =>
  assert.rejects(action, (error: unknown) => {
    assert.ok(error instanceof InnerloopError, `a raw error escaped: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    if (field !== undefined) assert.equal(error.field, field, error.message);
    return true;
  });

for (const [name, served, support] of KINDS) {
  test(`a list has the scores of predict, to the bit, in their order: ${name}`, async () => {
    const learner = await servedLearner(served);
    const me = await learner.adapt(support);
    const scores = await me.predict(everything);
    const ranked = [...everything].sort((a, b) => scores[b] - scores[a] || a - b);
    const asList = (items: number[]) => items.map((i) => ({ item: String(i), score: scores[i] }));
    const list = await me.recommend({ count: CATALOG, excludeSupport: false, minSupport: 0 });
    assert.deepEqual(list, asList(ranked));
    assert.deepEqual(
      await me.recommend({ count: 7, minSupport: 0 }),
      asList(ranked.filter((i) => !support.items.includes(i)).slice(0, 7)),
    );
    // A few candidates and all of them take different ways.
    const among = [700 - 1, 3, 5, 4, 5, 600];
    const texts = ['699', '2', '5', '4', '5', '600'];
    const asked = { among: texts, count: 9 };
    await me.recommend(asked);
    texts[1] = '7';
    assert.deepEqual(
      await me.recommend(asked),
      await me.recommend({ among: [...texts], count: 9 }),
      'a list that was changed is not the one that was known',
    );
    assert.deepEqual(
      await me.recommend({ among, exclude: [4, 'unheard of'], count: 3 }),
      asList(ranked.filter((i) => [5, 600, 699].includes(i))),
    );
    const stale = { among: [...among, 'unheard of'], count: 3, exclude: [4] };
    await refuses(me.recommend(stale), 'INVALID_OPTION', 'options.among[6]');
    assert.deepEqual(
      await me.recommend({ ...stale, unknown: 'skip' }),
      asList(ranked.filter((i) => [5, 600, 699].includes(i))),
    );
    await refuses(me.recommend(stale), 'INVALID_OPTION', 'options.among[6]');
    assert.deepEqual(await me.recommend({ among: ['unheard of'], unknown: 'skip' }), []);
    // Many ids are looked up in the core.
    const many = everything.filter((i) => i % 3 === 0 || i === 4);
    const best = asList(ranked.filter((i) => many.includes(i) && !support.items.includes(i))).slice(0, 9);
    for (const given of [many, many.map(String), [...many].reverse().concat(many)])
      assert.deepEqual(await me.recommend({ among: given, count: 9 }), best);
    const odd = (row: { item: string }) => Number(row.item) % 2 === 1;
    assert.deepEqual(
      await me.recommend({ among: many, count: 9, filter: odd }),
      await me.recommend({ among: many.filter((i) => i % 2 === 1), count: 9 }),
    );
    const [head, ...tail] = many;
    for (const item of ['unheard of', '4\0', 700, 4.5, '']) {
      const given = [head, item, ...tail];
      await refuses(me.recommend({ among: given }), 'INVALID_OPTION', 'options.among[1]');
      if (item !== '') assert.deepEqual(await me.recommend({ among: given, count: 9, unknown: 'skip' }), best);
      else await refuses(me.recommend({ among: given, unknown: 'skip' }), 'INVALID_OPTION', 'options.among[1]');
    }
    const none = { among: Array.from({ length: 99 }, (_, i) => `no ${i}`) };
    assert.deepEqual(await me.recommend({ ...none, unknown: 'skip' }), []);
    await refuses(me.recommend({ ...none, filter: () => false }), 'INVALID_OPTION', 'options.among[0]');
    const [both] = await learner.recommendMany([me], { count: 7, minSupport: 0 });
    assert.deepEqual(both, await me.recommend({ count: 7, minSupport: 0 }));
  });
}

test('filters, boosts and columns over what the catalog knows of items', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  const me = await learner.adapt(SUPPORT);
  const ask = (options: object) =>
    me.recommend({ count: CATALOG, minSupport: 0, columns: ['genres', 'title', 'year'], ...options });
  const genresOf = (entry: { columns?: Record<string, unknown> }) => entry.columns!['genres'] as string[];
  const all = await ask({});
  assert.equal(all.length, CATALOG - 3);
  for (const { item, columns } of all) assert.equal(columns!['title'], `Title ${item}`);
  const some = await ask({ filter: { genres: { any: ['comedy', 'noir'], none: ['drama'] } } });
  assert.deepEqual(
    some,
    all.filter((one) => !genresOf(one).includes('drama') && genresOf(one).length > 0),
  );
  assert.deepEqual(
    await ask({ filter: { genres: { all: ['comedy', 'noir'] } } }),
    all.filter((one) => ['comedy', 'noir'].every((g) => genresOf(one).includes(g))),
  );
  assert.deepEqual(
    await ask({ filter: { title: ['Title 5', 'Title 6'] } }),
    all.filter(({ item }) => ['5', '6'].includes(item)),
  );
  assert.deepEqual(
    await ask({ filter: { title: 'Title 5' } }),
    all.filter(({ item }) => item === '5'),
  );
  for (const { item, columns } of all) assert.equal(columns!['year'], 1950 + (Number(item) % 70));
  assert.deepEqual(
    await ask({ filter: { year: { min: 1990, max: 1995 } } }),
    all.filter(({ item }) => Number(item) % 70 >= 40 && Number(item) % 70 <= 45),
  );
  let calls = 0;
  const odd = ({ item }: { item: string }) => (calls++, Number(item) % 2 === 1);
  const odds = all.filter(({ item }) => Number(item) % 2 === 1);
  assert.deepEqual(await ask({ filter: odd }), odds);
  assert.deepEqual(await ask({ filter: odd }), odds);
  assert.equal(calls, CATALOG, 'once an item');
  assert.deepEqual(
    await ask({ filter: odd, among: [1, 2, 3, 5] }),
    odds.filter(({ item }) => ['1', '5'].includes(item)),
  );

  const boosted = await ask({ boost: { genres: { noir: 1000, drama: 0.1 } } });
  const isNoir = boosted.map((one) => genresOf(one).includes('noir'));
  assert.equal(isNoir.lastIndexOf(true), isNoir.filter(Boolean).length - 1, 'noir first');
  const scores = new Map(all.map(({ item, score }) => [item, score]));
  for (const { item, score } of boosted) assert.equal(score, scores.get(item), 'the score is without the boost');
  const last = ({ item }: { item: string }) => (item === '77' ? 1e6 : 0);
  assert.equal((await ask({ boost: last }))[0].item, '77');

  await refuses(ask({ filter: { genre: ['noir'] } }), 'UNKNOWN_OPTION', 'options.filter.genre');
  await refuses(ask({ filter: { genres: ['thriller'] } }), 'INVALID_OPTION', 'options.filter.genres[0]');
  await refuses(ask({ filter: { genres: { some: ['noir'] } } }), 'UNKNOWN_OPTION');
  await refuses(ask({ filter: { year: { min: 'x' } } }), 'INVALID_OPTION', 'options.filter.year.min');
  await refuses(ask({ boost: { genres: { thriller: 1 } } }), 'UNKNOWN_OPTION');
  await refuses(ask({ boost: { year: { 1: 1 } } }), 'INVALID_OPTION', 'options.boost.year');
  await refuses(ask({ boost: () => NaN }), 'INVALID_OPTION');
  await refuses(ask({ columns: ['genre'] }), 'UNKNOWN_OPTION', 'options.columns[0]');
});

test('items with little support only make room for others, unless that is asked for', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  const counts = learner.itemCounts!;
  const { keys } = learner.catalog!.items;
  const countOf = (item: string) => counts[keys.idOf(item)];
  const me = await learner.adapt(SUPPORT);
  const list = await me.recommend({ count: 10 });
  assert.equal(list.length, 10);
  for (const { item } of list) assert.ok(countOf(item) >= MIN_SUPPORT, `${item} has ${countOf(item)}`);
  const strict = await me.recommend({ count: CATALOG, minSupport: MIN_SUPPORT });
  assert.ok(strict.length < CATALOG - 3);
  for (const { item } of strict) assert.ok(countOf(item) >= MIN_SUPPORT);
  const whole = await me.recommend({ count: CATALOG });
  assert.equal(whole.length, CATALOG - 3, 'the others follow');
  assert.deepEqual(whole.slice(0, strict.length), strict);
  assert.equal((await me.recommend({ among: everything.slice(-5) })).length, 5, 'whoever names items means them');
  await refuses(me.recommend({ minSupport: -1 }), 'INVALID_OPTION', 'options.minSupport');
});

test('clip returns scores within the range of training, in the order of those before', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  const me = await learner.adapt({ items: [3, 8, 20], labels: [5, 5, 5], outside: 'clip' });
  const { min, max } = learner.rowState.range!;
  const plain = await me.recommend({ count: CATALOG, minSupport: 0 });
  const clipped = await me.recommend({ count: CATALOG, minSupport: 0, clip: true });
  assert.deepEqual(
    clipped,
    plain.map(({ item, score }) => ({ item, score: Math.min(max, Math.max(min, score)) })),
  );
});

test('explore draws from the posterior: its mean is the score, its spread the variance', async () => {
  const learner = await servedLearner({ algorithm: ridge(), precision: 'float64' });
  const me = await learner.adapt(SUPPORT);
  const { mean, variance } = await me.predict([50], { uncertainty: true });
  const draws = 600;
  let [sum, squares] = [0, 0];
  for (let seed = 0; seed < draws; seed++) {
    const [{ score }] = await me.recommend({ among: [50], explore: { seed } });
    sum += score - mean[0];
    squares += (score - mean[0]) ** 2;
  }
  // Of the mean rating alone: without the noise of a single one.
  const expected = variance[0] - learner.noiseVariance!;
  assert.ok(Math.abs(sum / draws) < 4 * Math.sqrt(expected / draws), `mean ${sum / draws}`);
  assert.ok(
    Math.abs(squares / draws / expected - 1) < 4 * Math.sqrt(2 / draws),
    `${squares / draws} is not ${expected}`,
  );
  assert.deepEqual(await me.recommend({ explore: { seed: 5 } }), await me.recommend({ explore: { seed: 5 } }));
  assert.notDeepEqual(await me.recommend({ explore: true }), await me.recommend({ explore: true }));
  const other = await (await servedLearner({ algorithm: maml({ steps: 1 }) })).adapt(SUPPORT);
  await refuses(other.recommend({ explore: true }), 'UNSUPPORTED', 'learner.algorithm');
  await refuses(me.recommend({ explore: { seed: -1 } }), 'INVALID_OPTION', 'options.explore.seed');
});

test('diversity takes what is unlike what was taken', async () => {
  // Two groups of equal directions; the second is a little worse.
  const vectors = Float64Array.of(1, 0, 2, 0, 1, 0, 0, 1, 0, 3);
  const keys = [5, 4.9, 4.8, 4.7, 4.6];
  assert.deepEqual(diversify(keys, vectors, 0, 5), [0, 1, 2, 3, 4]);
  assert.deepEqual(diversify(keys, vectors, 0.5, 2), [0, 3]);
  assert.deepEqual(diversify([], vectors.subarray(0, 0), 0.5, 2), []);
  const learner = await servedLearner({ algorithm: ridge() });
  const me = await learner.adapt(SUPPORT);
  const spread = async (diversity: number) => {
    const list = await me.recommend({ diversity, minSupport: 0 });
    assert.equal(list.length, 10);
    const own = await learner.itemVectors(list.map(({ item }) => item));
    // How near each is to the nearest of those above it, which is what is held back.
    return own.slice(1).reduce((sum, a, k) => sum + Math.max(...own.slice(0, k + 1).map((b) => cosine(a, b))), 0);
  };
  assert.ok((await spread(0.7)) < (await spread(0)));
  for (const diversity of [1, -0.1, NaN])
    await refuses(me.recommend({ diversity }), 'INVALID_OPTION', 'options.diversity');
});

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let k = 0; k < a.length; k++) [ab, aa, bb] = [ab + a[k] * b[k], aa + a[k] ** 2, bb + b[k] ** 2];
  return ab / Math.sqrt(aa * bb);
}

const BODIES: [string, Served][] = [
  ['features of a last layer', { algorithm: ridge() }],
  [
    'embeddings',
    {
      algorithm: maml({ steps: 1 }),
      inputs: [
        { name: 'user', dim: 3 },
        { name: 'item', dim: 3 },
      ],
      body: { kind: 'mf', user: 'user', item: 'item' },
    },
  ],
];
for (const [name, served] of BODIES)
  test(`similar items are those of the nearest vectors: ${name}`, async () => {
    const learner = await servedLearner(served);
    const vectors = await learner.itemVectors(everything);
    const similar = await learner.similarItems(5, { count: 20, columns: ['title'] });
    const expected = everything
      .filter((i) => i !== 5)
      .map((i) => ({ item: String(i), similarity: cosine(vectors[i], vectors[5]) }))
      .sort((a, b) => b.similarity - a.similarity);
    assert.equal(similar.length, 20);
    similar.forEach(({ item, similarity, columns }, k) => {
      assert.ok(Math.abs(similarity - expected[k].similarity) < 1e-6);
      assert.ok(Math.abs(similarity - cosine(vectors[Number(item)], vectors[5])) < 1e-6);
      assert.ok(typeof columns!['title'] === 'string');
    });
    assert.ok(!similar.some(({ item }) => item === '5'));
    assert.equal((await learner.similarItems(5, { count: 1e6 })).length, everything.length - 1);
    await refuses(learner.similarItems('unheard of'), 'INVALID_OPTION', 'item');
    await refuses(learner.similarItems(5, { columns: ['tilte'] }), 'UNKNOWN_OPTION', 'options.columns[0]');
    await refuses(learner.similarItems(5, { signal: AbortSignal.abort() }), 'ABORTED');
  });

test('similar items do not keep the event loop', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  await learner.similarItems(5);
  const features = await CatalogCache.of(learner, learner.catalog!).features(() => assert.fail('they are at hand'));
  assert.ok(learner.model.ops.similarItems(features, { row: 6, count: 1, threads: 1 }) instanceof Promise);
});

test('more filters at once than are kept, on the first request too, are all served', async () => {
  const asked = Array.from({ length: 40 }, (_, i) => ({ count: 3, filter: { year: { min: 1950 + i } } }));
  for (const served of [{ algorithm: ridge() }, { algorithm: maml({ steps: 2 }) }]) {
    const [once, turns] = await Promise.all([servedLearner(served), servedLearner(served)]);
    const [me, same] = [await once.adapt(SUPPORT), await turns.adapt(SUPPORT)];
    const lists = await Promise.all(asked.map((options) => me.recommend(options)));
    for (const [i, options] of asked.entries()) assert.deepEqual(lists[i], await same.recommend(options));
  }
});

test('who was adapted before items came is served beside who came after, at once', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  const before = await learner.adapt(SUPPORT);
  const first = await before.recommend({ minSupport: 0 });
  learner.addItems({ id: ['new'] });
  const after = await learner.adapt(SUPPORT);
  const all = await Promise.all([before, after, after, before, after].map((me) => me.recommend({ minSupport: 0 })));
  assert.deepEqual([all[0], all[3]], [first, first]);
  const cache = CatalogCache.of(learner, learner.catalog!);
  const features = cache.featuresAtHand;
  assert.ok(features !== undefined);
  await before.recommend({ minSupport: 0 });
  assert.equal(CatalogCache.of(learner, learner.catalog!).featuresAtHand, features, 'made once');
  for (let i = 0; i < 3; i++) learner.addItems({ id: [`newer ${i}`] });
  for (const me of [before, await learner.adapt(SUPPORT), after]) assert.equal((await me.recommend()).length, 10);
  learner.dispose();
  for (const me of [before, after]) await refuses(me.recommend(), 'DISPOSED');
});

test('lists of many users are those of each, to the bit, whatever rounding and equal scores do', async () => {
  const stream = random(5, 'lists of many');
  for (const served of [
    { algorithm: ridge() },
    { algorithm: ridge(), precision: 'float64' },
    { algorithm: ridge(), rows: { center: 'bias' } },
    { algorithm: anil() },
  ] satisfies Served[]) {
    const learner = await servedLearner(served);
    // Items that nobody knows have the same features, and the same scores.
    learner.addItems({ id: Array.from({ length: 2000 }, (_, i) => `added ${i}`) });
    const supports = Array.from({ length: 37 }, (_, u) => {
      const items = Array.from({ length: u % 7 }, (__, i) => 20 * i + stream.below(20));
      return { items, labels: items.map(() => 1 + stream.below(5)) };
    });
    const people = await learner.adaptMany(supports);
    const some = [...everything.slice(0, 300), 'added 7', 'added 1999'];
    for (const options of [
      { minSupport: 0 },
      {},
      { count: 1500, minSupport: 0 },
      { count: 3, among: some },
      { filter: { year: { max: 1990 } }, minSupport: 0 },
    ]) {
      const each = [];
      for (const me of people) each.push(await me.recommend(options));
      assert.deepEqual(await learner.recommendMany(people, options), each);
    }
  }
});

test('weights of a support set that float32 cannot hold are refused by name', async () => {
  const [single, double] = [
    await servedLearner({ algorithm: ridge() }),
    await servedLearner({ algorithm: ridge(), precision: 'float64' }),
  ];
  const weights = [1, 1e39, 1];
  await refuses(single.adapt({ ...SUPPORT, weights }), 'INVALID_OPTION', 'support.weights[1]');
  await refuses(single.adaptMany([{ ...SUPPORT, weights }]), 'INVALID_OPTION', 'supports[0].weights[1]');
  assert.equal((await (await double.adapt({ ...SUPPORT, weights })).predict([4])).length, 1);
});

test('a filter is asked of items alone, and answers at once', async () => {
  const me = await (await servedLearner({ algorithm: ridge() })).adapt(SUPPORT);
  const asked: string[] = [];
  await me.recommend({ filter: ({ item }) => (asked.push(item), true) });
  assert.deepEqual(asked, everything.map(String));
  const later = (async () => Promise.resolve(false)) as unknown as () => boolean;
  await refuses(me.recommend({ filter: later }), 'INVALID_OPTION', 'options.filter of 0');
});
