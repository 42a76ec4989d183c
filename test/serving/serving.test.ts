/** Personal models: what they predict and recommend, in which order, and what they refuse. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import '../../lib/serving/adapt.js';
import { maml } from '../../lib/algorithms/registry.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { Dataset, HeadSpec, Precision } from '../../lib/foundation/contract.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import type { Recommendation } from '../../lib/serving/ranking.js';
import type { Support } from '../../lib/serving/support.js';
import { random } from '../../lib/foundation/random.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';

/** More items than one chunk of scoring holds; the last ten have features and no ratings. */
const ITEMS = 1300;
const RATED = ITEMS - 10;
const GENRES = ['drama', 'comedy', 'noir'];

function catalog(label: (u: number, i: number) => number): Dataset {
  const [user, item, labels]: (string | number)[][] = [[], [], []];
  for (let u = 0; u < 30; u++)
    for (let i = u; i < RATED; i += 30) (user.push(`u${u}`), item.push(i), labels.push(label(u, i)));
  const ids = Array.from({ length: ITEMS }, (_, i) => i);
  return datasetFromColumns({
    user,
    item,
    label: labels as number[],
    userFeatures: {
      id: Array.from({ length: 30 }, (_, u) => `u${u}`),
      features: { age: { kind: 'dense', values: Array.from({ length: 30 }, (_, u) => u) } },
    },
    itemFeatures: {
      id: ids,
      features: {
        genres: { kind: 'bag', values: ids.map((i) => GENRES.filter((_, g) => (i >> g) % 2 === 1)) },
        size: { kind: 'dense', values: ids.map((i) => Math.sin(i)) },
      },
    },
  });
}

const SCALES: Record<HeadSpec['loss'], (u: number, i: number) => number> = {
  bpr: (u, i) => Number(Math.sin(u + i) > 0),
  listwise: (u, i) => Number(Math.sin(u + i) > 0),
  mse: (u, i) => 3 + Math.sin(u + i),
  bce: (u, i) => Number(Math.sin(u + i) > 0),
  softmax: (u, i) => (u + i) % 3,
  episode: (u, i) => (u + i) % 3,
};

async function learnerOf(head: HeadSpec, precision: Precision = 'float32'): Promise<Learner> {
  const dataset = catalog(SCALES[head.loss]);
  const tasks = buildTasks(dataset, { query: 10 });
  const rows = Int32Array.from({ length: dataset.size }, (_, r) => r);
  const inputs = describeInputs(
    dataset,
    [{ name: 'item', dim: 5 }, { name: 'user', dim: 3 }, { name: 'genres', dim: 2 }, { name: 'size' }, { name: 'age' }],
    rows,
  );
  const model = defineModel(
    { inputs, body: { kind: 'mlp', hidden: [9], activation: 'softplus' }, head },
    { precision },
  );
  const learner = createLearner({ model, algorithm: maml({ steps: 3, learningRate: 0.1 }), seed: 2 });
  for await (const _ of train(learner, tasks, { epochs: 1, metaBatch: 10 })) void _;
  return learner;
}

const HEADS: [HeadSpec, Support][] = [
  [{ loss: 'mse' }, { items: [3, '700', 12], labels: [5, 1, 4] }],
  [{ loss: 'bce' }, { items: [3, '700', 12], labels: [1, 0, 1], user: 'u4' }],
  [
    { loss: 'softmax', classes: 3 },
    { items: [3, '700', 12], labels: Float32Array.of(2, 0, 1) },
  ],
];
const everything = Array.from({ length: ITEMS }, (_, i) => i);
const byScore = (a: Recommendation, b: Recommendation) => b.score - a.score || Number(a.item) - Number(b.item);

async function rejects(
  action: Promise<unknown> | (() => unknown),
  code: ErrorCode,
  field: string | undefined,
  pattern?: RegExp,
): Promise<void> {
  await assert.rejects(
    async () => (typeof action === 'function' ? action() : action),
    (error: unknown) => {
      assert.ok(error instanceof InnerloopError, `a raw error escaped: ${String(error)}`);
      assert.equal(error.code, code, error.message);
      if (field !== undefined) assert.equal(error.field, field, error.message);
      if (pattern !== undefined) assert.match(error.message, pattern);
      return true;
    },
  );
}

for (const [head, support] of HEADS) {
  for (const precision of ['float32', 'float64'] as const) {
    test(`a personal model is the plain inner loop and forward pass (${head.loss}, ${precision})`, async () => {
      const learner = await learnerOf(head, precision);
      const { model, labelOffset } = learner;
      const { items, users } = learner.catalog!;
      assert.ok(head.loss === 'mse' ? labelOffset > 2 : labelOffset === 0);

      const user = support.user === undefined ? 0 : users.keys.idOf(String(support.user));
      const [genres, size] = items.columns;
      assert.ok(genres.kind === 'bag' && size.kind === 'dense' && users.columns[0].kind === 'dense');
      const age = users.columns[0].data[user];
      // Interactions to come have no context yet: "missing".
      const inputs = (ids: (string | number)[]) => {
        const rows = ids.map((id) => items.keys.idOf(String(id)));
        const known = model.spec.inputs[0];
        assert.ok(known.kind === 'categorical');
        return {
          item: rows.map((row) => Math.max(0, known.vocabulary!.indexOf(items.keys.values[row]))),
          user: rows.map(() => user),
          genres: rows.map((row) => [...genres.data.subarray(genres.offsets[row], genres.offsets[row + 1])]),
          size: rows.map((row) => [size.data[row]]),
          age: rows.map(() => [age]),
        };
      };
      const labels = Array.from(support.labels, (y) => y - labelOffset);
      const rows = { inputs: inputs([...support.items]), labels };
      const [fast] = await adapt(model, learner.parameters(), packTasks(model, [{ support: rows, query: rows }]), {
        steps: 3,
        learningRate: 0.1,
        adapt: 'all',
        order: 1,
      });
      const me = await learner.adapt(support);
      const scores = await me.predict(everything);
      const { data } = await predict(model, learner.parameters(), { inputs: inputs(everything) }, fast);
      const tolerance = precision === 'float32' ? 1e-5 : 1e-12;
      for (const i of everything) {
        let expected = data[i] + labelOffset;
        if (head.loss === 'softmax') {
          const p = [0, 1, 2].map((c) => Math.exp(data[3 * i + c]));
          expected = (p[1] + 2 * p[2]) / (p[0] + p[1] + p[2]);
        }
        assert.ok(
          Math.abs(scores[i] - expected) <= tolerance * Math.max(1, Math.abs(expected)),
          `item ${i}: ${scores[i]} is not ${expected}`,
        );
      }
    });
  }

  test(`adapting and predicting at once give what they give later (${head.loss})`, async () => {
    const learner = await learnerOf(head);
    const me = await learner.adapt(support);
    const now = learner.adaptSync(support);
    for (const items of [everything, [5], []]) {
      const later = await me.predict(items);
      for (const one of [now, me]) assert.deepEqual(one.predictSync(items), later);
      assert.deepEqual(await now.predict(items), later);
    }
  });

  test(`predictions do not depend on what else is asked (${head.loss})`, async () => {
    const me = await (await learnerOf(head)).adapt(support);
    const whole = await me.predict(everything);
    assert.equal(whole.length, ITEMS);
    for (const i of [0, 1, 12, 511, 512, 513, 700, 1023, 1024, RATED - 1, RATED, ITEMS - 1]) {
      const [one] = await me.predict([String(i)]);
      assert.ok(Math.abs(one - whole[i]) <= 1e-5, `item ${i}: ${one} is not ${whole[i]}`);
    }
    for (const n of [511, 512, 513, 1024, 1025]) {
      const some = await me.predict(everything.slice(0, n));
      assert.equal(some.length, n);
      some.forEach((score, i) => assert.ok(Math.abs(score - whole[i]) <= 1e-5, `item ${i} of ${n}`));
    }
    assert.deepEqual(
      await me.predict([5, 5, 9]),
      Float64Array.of(...(await me.predict([5, 9, 5])).filter((_, i) => i !== 1), (await me.predict([5, 9, 5]))[1]),
    );
    assert.deepEqual(await me.predict([]), new Float64Array(0));

    const all = await me.recommend({ count: ITEMS, excludeSupport: false });
    assert.equal(all.length, ITEMS);
    assert.deepEqual(all, everything.map((i) => ({ item: String(i), score: whole[i] })).sort(byScore));
    assert.deepEqual(await me.recommend({ count: 3, excludeSupport: false }), all.slice(0, 3));
  });
}

test('recommendations leave out the support, and take only what is asked for', async () => {
  const me = await (await learnerOf({ loss: 'mse' })).adapt(HEADS[0][1]);
  const names = async (options: object) => (await me.recommend(options)).map(({ item }) => item);
  assert.equal((await me.recommend()).length, 10);
  const all = await names({ count: 5000 });
  assert.equal(all.length, ITEMS - 3);
  for (const id of ['3', '700', '12']) assert.ok(!all.includes(id));
  assert.deepEqual(new Set(await names({ among: ['1', 2, 3, 700], count: 9 })), new Set(['1', '2']));
  assert.deepEqual(new Set(await names({ among: [1, 2, 3], excludeSupport: false })), new Set(['1', '2', '3']));
  assert.deepEqual(await names({ among: [3, 700] }), []);
  assert.deepEqual(await names({ among: [] }), []);
  const ordered = await names({ count: 40 });
  assert.deepEqual(
    await names({ count: 40, among: [...everything].reverse() }),
    ordered,
    'the order of `among` does not matter',
  );
  assert.deepEqual(await names({ among: [7, 7, 8] }).then((x) => [...x].sort()), ['7', '8'], 'each item once');
});

test('equal scores come in catalog order', async () => {
  const dataset = catalog(SCALES.mse);
  const rows = Int32Array.from({ length: dataset.size }, (_, r) => r);
  const model = defineModel({
    inputs: describeInputs(dataset, [{ name: 'genres', dim: 2 }], rows),
    body: { kind: 'mlp', hidden: [] },
    head: { loss: 'mse' },
  });
  const learner = createLearner({ model, algorithm: maml({ steps: 2 }) });
  for await (const _ of train(learner, buildTasks(dataset, { query: 5 }), { epochs: 1 })) void _;
  const me = await learner.adapt({ items: [1], labels: [5] });
  const all = await me.recommend({ count: ITEMS, excludeSupport: false });
  assert.equal(new Set(all.map(({ score }) => score)).size, 8, 'eight sets of genres');
  assert.deepEqual(all, [...all].sort(byScore));
  const shuffled = random(1, 'among').shuffle(Int32Array.from(everything));
  assert.deepEqual(await me.recommend({ count: ITEMS, excludeSupport: false, among: [...shuffled] }), all);
});

test('nothing known of a user is an empty support: the shared model', async () => {
  for (const [head] of HEADS) {
    const learner = await learnerOf(head);
    const me = await learner.adapt({ items: [], labels: [] });
    const scores = await me.predict([1, 2, 3]);
    assert.ok(scores.every(Number.isFinite));
    const again = createLearner({
      model: learner.model,
      algorithm: maml({ steps: 0 }),
      parameters: learner.parameters(),
    });
    again.catalog = learner.catalog;
    again.labelOffset = learner.labelOffset;
    assert.deepEqual(scores, await (await again.adapt({ items: [5], labels: [1] })).predict([1, 2, 3]));
    assert.equal((await me.recommend({ count: 5 })).length, 5);
  }
});

test('adapting changes nothing shared, and personal models do not touch each other', async () => {
  const learner = await learnerOf({ loss: 'mse' });
  const before = learner.parameters();
  const [a, b] = await Promise.all([
    learner.adapt({ items: [1, 2], labels: [5, 5] }),
    learner.adapt({ items: [1, 2], labels: [1, 1] }),
  ]);
  const [x, y] = await Promise.all([a.predict([1, 2, 9]), b.predict([1, 2, 9])]);
  assert.ok(x[0] > y[0] && x[1] > y[1]);
  assert.deepEqual(await a.predict([1, 2, 9]), x);
  assert.deepEqual(learner.parameters(), before);
  const many = await Promise.all(
    Array.from({ length: 20 }, () => learner.adapt({ items: [1, 2], labels: [5, 5] }).then((me) => me.recommend())),
  );
  for (const list of many) assert.deepEqual(list, many[0]);
});

test("a known user's features count", async () => {
  const learner = await learnerOf({ loss: 'mse' });
  const support = { items: [1, 2], labels: [5, 1] };
  const [nobody, young, old] = await Promise.all(
    [undefined, 'u0', 'u29'].map(async (user) => (await learner.adapt({ ...support, user })).predict([9])),
  );
  assert.equal(new Set([nobody[0], young[0], old[0]]).size, 3);
});

test('bad supports, items and options are refused by field', async () => {
  const learner = await learnerOf({ loss: 'mse' });
  const support = (change: object) => learner.adapt({ items: [1, 2], labels: [5, 1], ...change });
  await rejects(support({ labels: [5] }), 'INVALID_OPTION', 'support.labels', /2 labels/);
  await rejects(support({ labels: undefined }), 'INVALID_OPTION', 'support.labels');
  await rejects(support({ labels: null }), 'INVALID_OPTION', 'support.labels');
  for (const y of [NaN, Infinity, '5', null, undefined])
    await rejects(support({ labels: [5, y] }), 'INVALID_OPTION', 'support.labels[1]');
  await rejects(support({ items: '12' }), 'INVALID_OPTION', 'support.items');
  for (const id of [13000, 'toString', '__proto__', -1, 1.5])
    await rejects(support({ items: [1, id], unknown: 'error' }), 'INVALID_OPTION', 'support.items[1]', /no such item/);
  for (const id of ['', NaN, null, undefined, {}]) {
    await rejects(support({ items: [1, id] }), 'INVALID_OPTION', 'support.items[1]', /not an id/);
    await rejects(support({ items: [1, id], unknown: 'error' }), 'INVALID_OPTION', 'support.items[1]');
  }
  await rejects(support({ item: [1] }), 'UNKNOWN_OPTION', 'support.item', /did you mean items\?/);
  await rejects(support({ user: 'nobody', unknown: 'error' }), 'INVALID_OPTION', 'support.user');
  for (const user of ['', null, {}]) await rejects(support({ user }), 'INVALID_OPTION', 'support.user');
  await rejects(support({ unknown: 'ignore' }), 'INVALID_OPTION', 'support.unknown');
  await rejects(learner.adapt(null as unknown as Support), 'INVALID_OPTION', 'support');
  await rejects(
    learner.adapt({ items: [1], labels: [5] }, { sginal: 1 } as object),
    'UNKNOWN_OPTION',
    'options.sginal',
  );
  await rejects(
    learner.adapt({ items: [1], labels: [5] }, { signal: 1 } as object),
    'INVALID_OPTION',
    'options.signal',
  );
  await rejects(learner.adapt({ items: [1], labels: [5] }, { signal: AbortSignal.abort() }), 'ABORTED', undefined);

  const me = await support({});
  await rejects(() => me.predict('1' as unknown as string[]), 'INVALID_OPTION', 'items');
  await rejects(() => me.predict([1, 'x']), 'INVALID_OPTION', 'items[1]');
  await rejects(() => me.predict([1], { signal: AbortSignal.abort() }), 'ABORTED', undefined);
  await rejects(() => me.predict([1], { signal: 3 } as object), 'INVALID_OPTION', 'options.signal');
  for (const count of [0, -1, 1.5, NaN, '3'])
    await rejects(me.recommend({ count: count as number }), 'INVALID_OPTION', 'options.count');
  await rejects(me.recommend({ cuont: 3 } as object), 'UNKNOWN_OPTION', 'options.cuont', /did you mean count\?/);
  await rejects(me.recommend({ among: [1, 'x'] }), 'INVALID_OPTION', 'options.among[1]');
  await rejects(me.recommend({ among: 'x' as unknown as string[] }), 'INVALID_OPTION', 'options.among');
  await rejects(
    me.recommend({ excludeSupport: 'no' as unknown as boolean }),
    'INVALID_OPTION',
    'options.excludeSupport',
  );
  await rejects(me.recommend({ signal: AbortSignal.abort() }), 'ABORTED', undefined);

  const fresh = createLearner({ model: learner.model, algorithm: maml() });
  await rejects(fresh.adapt({ items: [1], labels: [5] }), 'INVALID_OPTION', 'learner', /trained or loaded/);
});

test('unknown ids of a history are left out and reported', async () => {
  const learner = await learnerOf({ loss: 'mse' });
  const plain = await learner.adapt({ items: [1, 2], labels: [5, 1] });
  assert.deepEqual(plain.unknown, { items: [], user: undefined });
  const support = { items: [99999, 1, 'gone', 2, -7], labels: [4, 5, 4, 1, 2], user: 'nobody' };
  for (const me of [await learner.adapt(support), learner.adaptSync({ ...support, unknown: 'skip' })]) {
    assert.deepEqual(me.unknown, { items: ['99999', 'gone', '-7'], user: 'nobody' });
    assert.deepEqual(await me.predict([1, 2, 9]), await plain.predict([1, 2, 9]));
  }
  const nothing = await learner.adapt({ items: ['gone'], labels: [5] });
  assert.deepEqual(await nothing.predict([9]), await (await learner.adapt({ items: [], labels: [] })).predict([9]));
  // A label is checked whether its item is known or not.
  await rejects(learner.adapt({ items: ['gone'], labels: [NaN] }), 'INVALID_OPTION', 'support.labels[0]');
});

test('at once means not waiting for a training step, and the same errors', async () => {
  const learner = await learnerOf({ loss: 'mse' });
  const support = { items: [1, 2], labels: [5, 1] };
  const me = learner.adaptSync(support);
  const before = me.predictSync(everything);
  await rejects(() => learner.adaptSync({ items: [1], labels: [NaN] }), 'INVALID_OPTION', 'support.labels[0]');
  await rejects(() => learner.adaptSync(null as unknown as Support), 'INVALID_OPTION', 'support');
  await rejects(() => me.predictSync([1, 'x']), 'INVALID_OPTION', 'items[1]');
  await rejects(() => me.predictSync('1' as unknown as string[]), 'INVALID_OPTION', 'items');
  await rejects(
    () => createLearner({ model: learner.model, algorithm: maml() }).adaptSync(support),
    'INVALID_OPTION',
    'learner',
    /trained or loaded/,
  );
  // Reading beside reading is fine, beside an update it is refused.
  const reading = me.predict(everything);
  assert.deepEqual(me.predictSync(everything), before);
  assert.deepEqual(await reading, before);
  const tasks = buildTasks(catalog(SCALES.mse), { query: 10 });
  let [refused, served] = [0, 0];
  // Steps are short, so that few of them are met at work: training goes on until one was.
  const enough = () => refused > 0 && served > 0 && served + refused > 20;
  let over = false;
  const training = (async () => {
    for await (const _ of train(learner, tasks, { epochs: 2000, metaBatch: 30 })) if (enough()) break;
    over = true;
  })();
  training.catch(() => (over = true));
  while (!over) {
    try {
      assert.ok(learner.adaptSync(support).predictSync([1])[0] > -100);
      served++;
    } catch (error) {
      assert.ok(
        error instanceof InnerloopError &&
          error.code === 'INVALID_OPTION' &&
          /in use by a running call/.test(error.message),
        String(error),
      );
      refused++;
    }
    await new Promise((done) => setImmediate(done));
  }
  await training;
  assert.ok(enough(), `${served} served, ${refused} refused`);

  const diverging = createLearner({
    model: learner.model,
    algorithm: maml({ steps: 60, learningRate: 1e6 }),
    parameters: learner.parameters(),
  });
  diverging.catalog = learner.catalog;
  await rejects(() => diverging.adaptSync(support), 'DIVERGED', 'task 0');
});
