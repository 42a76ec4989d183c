/** Many users in one call, and what becomes of a personal model: updated, stored, moved, disposed of. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { Worker } from 'node:worker_threads';
import { laplace, maml, protoNets, ridge } from '../../lib/algorithms/registry.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import type { PersonalModel } from '../../lib/serving/personal-model.js';
import type { Support } from '../../lib/serving/support.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { catalogData, everything, servedLearner } from '../fixtures/catalog.js';
import type { Served } from '../fixtures/catalog.js';
import { path } from '../fixtures/family.js';

const KINDS: [string, Served][] = [
  ['ridge', { algorithm: ridge() }],
  ['ridge over users', { algorithm: ridge(), inputs: [{ name: 'item', dim: 4 }, { name: 'age' }] }],
  [
    'ridge over users, without features',
    {
      algorithm: ridge(),
      inputs: [
        { name: 'user', dim: 2 },
        { name: 'item', dim: 4 },
      ],
    },
  ],
  ['ridge on biases', { algorithm: ridge(), rows: { center: 'bias' } }],
  ['maml', { algorithm: maml({ steps: 2 }) }],
  ['laplace', { algorithm: laplace(), head: { loss: 'bce' } }],
  ['protoNets', { algorithm: protoNets(), head: { loss: 'bce' } }],
];
/** More than two calls of the core hold; of different sizes, some with nothing, some with features or unknown items. */
const supportsFor = ({ head, inputs }: Served): Support[] =>
  Array.from({ length: 600 }, (_, u) => {
    const items: (string | number)[] = Array.from({ length: u % 7 }, (_, k) => (u * 13 + k * 29) % 700);
    if (u % 11 === 0) items.push('unheard of');
    const labels = items.map((_, k) => (head?.loss === 'bce' ? (u + k) % 2 : 1 + ((u + k) % 5)));
    return {
      items,
      labels,
      ...(inputs?.some(({ name }) => name === 'age') && u % 3 === 0 && { features: { age: u % 50 } }),
      ...(inputs && u % 3 === 1 && { user: 'u1' }),
    };
  });

const typed = (code: string, pattern?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof InnerloopError, `a raw error escaped: ${String(error)}`);
  assert.equal(error.code, code, error.message);
  if (pattern !== undefined) assert.match(error.message, pattern);
  return true;
};

for (const [name, served] of KINDS) {
  test(`many users get what each gets alone: ${name}`, async () => {
    const learner = await servedLearner(served);
    const supports = supportsFor(served);
    const many = await learner.adaptMany(supports);
    const asked = [1, 5, 699];
    const scores = await learner.predictMany(many, asked);
    const direct = await learner.predictMany(
      supports,
      supports.map((_, u) => asked.slice(u % 3)),
    );
    const mixed = [supports[2], many[3], supports[4]];
    const lists = await learner.recommendMany(mixed, { count: 4 });
    assert.equal(many.length, 600);
    for (const u of [0, 1, 2, 3, 4, 255, 256, 511, 512, 599]) {
      const alone = await learner.adapt(supports[u]);
      assert.deepEqual(many[u].unknown, alone.unknown);
      assert.deepEqual(await many[u].predict(asked), await alone.predict(asked), `user ${u}`);
      assert.deepEqual(scores[u], await alone.predict(asked), `user ${u}`);
      // Adapted and scored in one pass: sums in another order.
      (await alone.predict(asked.slice(u % 3))).forEach((score, i) =>
        assert.ok(Math.abs(direct[u][i] - score) < 1e-5, `user ${u}: ${direct[u][i]} is not ${score}`),
      );
      if (u >= 2 && u <= 4) assert.deepEqual(lists[u - 2], await alone.recommend({ count: 4 }));
    }
    assert.deepEqual(await learner.adaptMany([]), []);
    assert.deepEqual(await learner.predictMany([], [1]), []);
    assert.deepEqual(await learner.recommendMany([]), []);
  });
}

test('an error among many says whose it is, and an abort stops what waits', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  const supports = supportsFor({ algorithm: ridge() });
  supports[300] = { items: [1], labels: [NaN] };
  await assert.rejects(learner.adaptMany(supports), typed('INVALID_OPTION', /^supports\[300\]\.labels\[0\]/));
  await assert.rejects(learner.predictMany(supports, [1]), typed('INVALID_OPTION', /^users\[300\]\.labels\[0\]/));
  await assert.rejects(learner.predictMany([supports[1]], [['x']]), typed('INVALID_OPTION', /^items\[0\]\[0\]/));
  await assert.rejects(learner.predictMany([supports[1]], [[1], [2]]), typed('INVALID_OPTION', /^items/));
  const other = await (await servedLearner({ algorithm: ridge() })).adapt({ items: [1], labels: [5] });
  await assert.rejects(learner.predictMany([other], [1]), typed('INVALID_OPTION', /another learner/));
  const controller = new AbortController();
  const waiting = learner.adaptMany(supportsFor({ algorithm: ridge() }), { signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, typed('ABORTED'));
  assert.equal((await learner.adaptMany(supports.slice(0, 10))).length, 10, 'and the turns are given back');
});

test('an update is adapting anew, and leaves the model before it alone', async () => {
  for (const [, served] of KINDS) {
    const learner = await servedLearner(served);
    const y = served.head?.loss === 'bce' ? [1, 0, 1] : [5, 1, 4];
    const me = await learner.adapt({ items: [3, 8], labels: y.slice(0, 2) });
    const before = await me.predict(everything);
    const updated = await me.update(20, y[2]);
    const anew = await learner.adapt({ items: [3, 8, 20], labels: y });
    // Ridge takes the row by itself (update.test.ts), every other learner adapts again: the same to the bit.
    const same = async (a: PersonalModel, b: PersonalModel) => {
      const [x, z] = [await a.predict(everything), await b.predict(everything)];
      if (served.algorithm.name !== 'ridge') assert.deepEqual(x, z);
      else x.forEach((score, i) => assert.ok(Math.abs(score - z[i]) < 1e-5, `${score} is not ${z[i]}`));
    };
    await same(updated, anew);
    assert.deepEqual(await me.predict(everything), before);
    // A second label of an item takes the place of the first.
    const again = await updated.update(3, y[1]);
    const last = await learner.adapt({ items: [8, 20, 3], labels: [y[1], y[2], y[1]] });
    await same(again, last);
  }
});

test('a personal model goes through JSON, to a loaded learner too, and to no other', async () => {
  for (const [name, served] of KINDS) {
    const learner = await servedLearner(served);
    const me = await learner.adapt(supportsFor(served)[5]);
    const scores = await me.predict(everything);
    const json = JSON.parse(JSON.stringify(me)) as ReturnType<typeof me.toJSON>;
    assert.deepEqual(await learner.restore(json).predict(everything), scores, name);
    const file = path();
    await saveLearner(learner, file);
    const loaded = await loadLearner(file);
    assert.deepEqual(await loaded.restore(json).predict(everything), scores, name);
    for (const field of ['adapted', 'digest', 'learner'] as const)
      assert.throws(() => learner.restore({ ...json, [field]: `x${json[field].slice(1)}` }), typed('MODEL_FILE'));
    assert.throws(() => learner.restore({ ...json, support: { items: [], labels: [] } }), typed('MODEL_FILE'));
    for (const garbage of [null, {}, [], 5, { ...json, version: 2 }])
      assert.throws(() => learner.restore(garbage as unknown as typeof json), InnerloopError);
    const stranger = await servedLearner({ ...served, algorithm: maml({ steps: 1, learningRate: 0.02 }) });
    assert.throws(() => stranger.restore(json), typed('MODEL_FILE', /another learner/));
  }
});

test('further training makes JSON of before foreign', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  const json = (await learner.adapt({ items: [1], labels: [5] })).toJSON();
  for await (const _ of train(learner, buildTasks(catalogData('mse'), { query: 4 }), { epochs: 1 })) void _;
  assert.throws(() => learner.restore(json), typed('MODEL_FILE', /more training/));
});

test('a structured clone of a personal model is refused, not empty', async () => {
  const me = await (await servedLearner({ algorithm: ridge() })).adapt({ items: [1], labels: [5] });
  assert.throws(() => structuredClone(me), typed('UNSUPPORTED', /toJSON/));
  const worker = new Worker('', { eval: true });
  assert.throws(() => worker.postMessage(me), typed('UNSUPPORTED', /toJSON/));
  await worker.terminate();
});

test('calls that are under way when a personal model is disposed of come to their end', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  const support = { items: [1, 2], labels: [5, 1] };
  // More than the calls that are packed at a time.
  const many = await learner.adaptMany(Array.from({ length: 700 }, () => support));
  const [me] = many;
  const calls = () => [
    me.predict([1, 3]),
    me.predict([1, 3], { uncertainty: true }),
    me.recommend({ count: 3 }),
    me.recommend({ count: 3, minSupport: 0, explore: { seed: 1 } }),
    me.recommend({ count: 3, diversity: 0.5 }),
    me.explain(3),
    me.update(4, 3).then((more) => more.predict([1, 3])),
    learner.predictMany(many, [1, 3]),
    learner.recommendMany(many, { count: 3 }),
  ];
  const expected = await Promise.all<unknown>(calls());
  const running = Promise.all<unknown>(calls());
  for (const each of many) each.dispose();
  assert.deepEqual(await running, expected);
  for (const call of calls()) await assert.rejects(call, typed('DISPOSED'));
});

test('what was disposed of is refused, at once and for good', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  const support = { items: [1], labels: [5] };
  const [me, other] = await learner.adaptMany([support, support]);
  me.dispose();
  me.dispose();
  await assert.rejects(me.predict([1]), typed('DISPOSED'));
  assert.throws(() => me.predictSync([1]), typed('DISPOSED'));
  await assert.rejects(me.recommend(), typed('DISPOSED'));
  await assert.rejects(me.update(2, 1), typed('DISPOSED'));
  assert.throws(() => me.toJSON(), typed('DISPOSED'));
  await assert.rejects(learner.predictMany([other, me], [1]), typed('DISPOSED'));
  assert.equal((await other.predict([1])).length, 1);
  const running = other.recommend();
  learner.dispose();
  await assert.rejects(learner.adapt(support), typed('DISPOSED', /^learner: was disposed of.*loadLearner/));
  await running.catch(typed('DISPOSED'));
  await assert.rejects(other.predict([1]), typed('DISPOSED'));
  await assert.rejects(learner.adapt(support), typed('DISPOSED'));
});

test('what is given is read at once: lists that change afterwards change nothing', async () => {
  const learner = await servedLearner({ algorithm: ridge() });
  const make = () => ({ items: [3, 8, 20], labels: [5, 1, 4] });
  const spoil = (support: { items: number[]; labels: number[] }) => (
    support.items.splice(0, 2, 1),
    (support.labels.length = 0)
  );
  const others = { items: [4], labels: [2] };
  const expected = [await learner.adapt(make()), await learner.adapt(others)];
  for (const adapt of [
    async (support: ReturnType<typeof make>) => learner.adapt(support),
    async (support: ReturnType<typeof make>) => (await learner.adaptMany([support, others]))[0],
    // Beside one that tells more, each is packed by itself.
    async (support: ReturnType<typeof make>) => (await learner.adaptMany([support, { ...others, weights: [2] }]))[0],
  ]) {
    const support = make();
    const waiting = adapt(support);
    spoil(support);
    assert.deepEqual((await waiting).toJSON(), expected[0].toJSON());
  }
  const [support, lists] = [make(), [[5, 6, 7], [9]]];
  const waiting = learner.predictMany([support, others], lists);
  spoil(support);
  lists[0].length = 1;
  assert.deepEqual(await waiting, [await expected[0].predict([5, 6, 7]), await expected[1].predict([9])]);
});
