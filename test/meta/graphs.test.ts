/** Learners that are graphs of operations: gradients, precisions, empty support sets, personal models, refusals. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { ALGORITHMS } from '../../lib/algorithms/registry.js';
import type { Algorithm } from '../../lib/meta/algorithm.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { HeadSpec, InputSpec, Parameters } from '../../lib/foundation/contract.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { random } from '../../lib/foundation/random.js';
import { learnerOf, make, ratings, refuses, rejects, run, tiny } from '../fixtures/family.js';
import { combine, derivative, direction, dot, norm } from '../fixtures/random-model.js';
import { spec, tasksOf, MSE } from '../fixtures/graph-tasks.js';

const BCE: HeadSpec = { loss: 'bce' };
const SOFTMAX: HeadSpec = { loss: 'softmax', classes: 3 };
const RANKING: HeadSpec[] = [{ loss: 'bpr' }, { loss: 'listwise' }];

/** Algorithms of programs, with the heads that they take. */
const CASES: [keyof typeof ALGORITHMS, HeadSpec[], Record<string, unknown>[]][] = [
  ['protoNets', [MSE, BCE, SOFTMAX, ...RANKING], [{}]],
  ['matchingNets', [MSE, BCE, SOFTMAX], [{}]],
  ['lwa', [MSE, BCE], [{}]],
  ['nlba', [MSE, BCE], [{ hidden: 7 }]],
  ['tanp', [MSE, BCE, SOFTMAX, ...RANKING], [{ latent: 3, hidden: 6, pool: 4, klWeight: 0.3 }]],
  ['mwuf', [MSE, BCE, ...RANKING], [{ hidden: 6 }]],
  [
    'metaEmb',
    [MSE, SOFTMAX],
    [
      { steps: 2, learningRate: 0.1 },
      { steps: 1, learningRate: 0.2, adapt: ['embedding.item.weight', 'mlp.1.*'], coldWeight: 0.4 },
      { steps: 2, learningRate: 0.1, adapt: 'all', coldWeight: 0 },
    ],
  ],
  [
    'mamo',
    [MSE, BCE],
    [
      { steps: 2, learningRate: 0.1, slots: 3, keys: 4 },
      { steps: 2, learningRate: 0.1, adapt: 'all', slots: 2 },
      { steps: 1, learningRate: 0.1, slots: 3, keys: 2, profile: ['x', 'item'] },
    ],
  ],
];

/** A fresh learner with parameters away from their first values, where more than the derivative of zeros shows. */
function learner(
  name: keyof typeof ALGORITHMS,
  options: object,
  head: HeadSpec,
  hidden?: number[],
): { learner: Learner; params: Parameters } {
  const algorithm = (ALGORITHMS[name] as (o: object) => Algorithm)(options);
  const made = createLearner({
    model: defineModel(spec(head, hidden), { precision: 'float64', threads: 2 }),
    algorithm,
    seed: 5,
  });
  const stream = random(6, 'params');
  const params = made.parameters();
  for (const { data } of Object.values(params)) data.forEach((value, i) => (data[i] = value + 0.3 * stream.normal()));
  return { learner: made, params };
}
const gradientOf = (
  { model, innerLoop }: Learner,
  params: Parameters,
  batch: ReturnType<typeof packTasks>,
  dropout: number,
  inner = {},
) =>
  model.ops.metaGradient({
    store: model.store(params),
    batch: batch.native,
    inner: { ...innerLoop, ...inner, dropout } as never,
    threads: 2,
    direction: 'metaGradient',
  });

for (const [name, heads, variants] of CASES) {
  test(`${name}: the gradient is the derivative of the loss`, async () => {
    for (const head of heads) {
      for (const options of variants) {
        const { learner: it, params } = learner(name, options, head);
        const batch = packTasks(it.model, tasksOf(head));
        const at = async (where: Parameters) =>
          gradientOf({ model: it.model, innerLoop: it.innerLoop() } as never, where, batch, 77);
        const { gradient } = await at(params);
        const g = it.model.named(gradient);
        for (const [tensor, { data }] of Object.entries(g)) assert.ok(data.every(Number.isFinite), tensor);
        const stream = random(8, name);
        let judged = 0;
        for (let i = 0; i < 6; i++) {
          const u = direction(params, stream);
          const { slope, doubt } = await derivative(async (x) => (await at(combine(params, 1, u, x))).loss, 1e-4);
          const scale = Math.max(norm(g), 1e-2);
          if (doubt > 1e-6 * scale) continue; // a kink of relu within the step
          judged++;
          assert.ok(
            Math.abs(slope - dot(g, u)) <= 2e-8 * scale,
            `${head.loss} ${JSON.stringify(options)}: ${slope} is not ${dot(g, u)}, scale ${scale}`,
          );
        }
        assert.ok(judged >= 3, `${judged} of 6 directions were smooth`);
        // Parameters of its own are learned: none is without a gradient.
        for (const tensor of Object.keys(g).filter(
          (key) => !it.model.spec.inputs.some(() => key.startsWith('embedding.') || key.startsWith('mlp.')),
        )) {
          assert.ok(
            g[tensor].data.some((x) => x !== 0),
            `${tensor} gets no gradient`,
          );
        }
      }
    }
  });

  test(`${name}: float32 agrees with float64`, async () => {
    for (const head of heads) {
      const { learner: double, params } = learner(name, variants[0], head);
      const single = createLearner({
        model: defineModel(spec(head)),
        algorithm: double.algorithm,
        seed: 5,
        parameters: params,
      });
      const [a, b] = await Promise.all(
        [double, single].map(async (it) => {
          const { loss, gradient } = await gradientOf(
            { model: it.model, innerLoop: it.innerLoop() } as never,
            params,
            packTasks(it.model, tasksOf(head)),
            77,
          );
          return { loss, gradient: it.model.named(gradient) };
        }),
      );
      assert.ok(Math.abs(a.loss - b.loss) <= 2e-4 * Math.max(1, Math.abs(a.loss)));
      assert.ok(norm(combine(a.gradient, 1, b.gradient, -1)) <= 5e-4 * norm(a.gradient), head.loss);
    }
  });

  test(`${name}: without support rows it predicts as before adaptation`, async () => {
    for (const precision of ['float32', 'float64'] as const) {
      const it = learnerOf(make(name), { precision });
      await run(it, tiny.train, { epochs: 1 });
      const items = Array.from({ length: 40 }, (_, i) => i);
      const nobody = await it.adapt({ items: [], labels: [] });
      const scores = await nobody.predict(items);
      assert.ok(scores.every(Number.isFinite));
      const { dataset, queryRows } = tiny.test;
      const before = await it.outputs(tiny.test, 'before');
      const after = await it.outputs(tiny.test, 'after');
      assert.ok(
        after.some((value, i) => value !== before[i]),
        'support rows count',
      );
      if (name === 'metaEmb' || name === 'mamo') continue; // which start from the support rows' inputs
      const off = Math.max(...queryRows.map((row, i) => Math.abs(before[i] - scores[dataset.item[row] - 1])));
      assert.ok(off <= (precision === 'float64' ? 1e-12 : 1e-5), `off by ${off}`);
    }
  });

  test(`${name}: a personal model predicts what evaluation does, without the support rows at hand`, async () => {
    const it = learnerOf(make(name), { precision: 'float64' });
    await run(it, tiny.train, { epochs: 2 });
    const { dataset, supportOffsets, supportRows, queryOffsets, queryRows } = tiny.test;
    const after = await it.outputs(tiny.test, 'after');
    for (let t = 0; t < tiny.test.size; t++) {
      const support = [...supportRows.subarray(supportOffsets[t], supportOffsets[t + 1])];
      const ids = (list: readonly number[]) => list.map((row) => dataset.items.keys.values[dataset.item[row]]);
      const me = await it.adapt({ items: ids(support), labels: support.map((row) => dataset.label[row]) });
      const query = [...queryRows.subarray(queryOffsets[t], queryOffsets[t + 1])];
      (await me.predict(ids(query))).forEach((score, i) =>
        assert.ok(Math.abs(score - after[queryOffsets[t] + i]) <= 1e-10),
      );
      assert.equal((await me.recommend({ count: 5 })).length, 5);
    }
  });
}

test('divergence names the task and leaves the parameters alone', async () => {
  for (const name of ['protoNets', 'matchingNets', 'lwa', 'nlba', 'tanp', 'mwuf'] as const) {
    const fresh = learnerOf(make(name), { precision: 'float64' });
    const parameters = combine(fresh.parameters(), 1e200);
    const it = createLearner({
      model: defineModel(fresh.model.spec, { precision: 'float64' }),
      algorithm: make(name),
      seed: 3,
      parameters,
    });
    await rejects(run(it, tiny.train), 'DIVERGED', /epoch 1, step \d+, task \d+/);
    assert.deepEqual(it.parameters(), parameters, name);
    await rejects(it.outputs(tiny.test, 'after'), 'DIVERGED', /task \d+/);
  }
});

test('noise is drawn in training alone, from its key', async () => {
  const { learner: it, params } = learner('tanp', { latent: 3, hidden: 6, klWeight: 0 }, MSE);
  const batch = packTasks(it.model, tasksOf(MSE));
  const loss = async (key: number) =>
    (await gradientOf({ model: it.model, innerLoop: it.innerLoop() } as never, params, batch, key)).loss;
  const [one, again, other, none] = [await loss(1), await loss(1), await loss(2), await loss(0)];
  assert.equal(one, again);
  assert.notEqual(one, other);
  assert.notEqual(one, none);
  // Predictions have no noise at all: two in a row are equal to the bit.
  const trained = learnerOf(make('tanp'));
  await run(trained, tiny.train, { epochs: 1 });
  assert.deepEqual(await trained.outputs(tiny.test, 'after'), await trained.outputs(tiny.test, 'after'));
});

test('options and models that an algorithm cannot use are refused by name', async () => {
  const bad: [() => unknown, RegExp][] = [
    [() => ALGORITHMS.protoNets({ thresholds: [] }), /protoNets\.thresholds/],
    [() => ALGORITHMS.protoNets({ thresholds: [1, 1] }), /protoNets\.thresholds\[1\]/],
    [() => learner('protoNets', { thresholds: [0, 1] }, BCE), /protoNets\.thresholds/],
    [() => learner('protoNets', { thresholds: [0] }, SOFTMAX), /protoNets\.thresholds/],
    [() => ALGORITHMS.lwa({ threshold: NaN }), /lwa\.threshold/],
    [() => ALGORITHMS.nlba({ hidden: 0 }), /nlba\.hidden/],
    [() => ALGORITHMS.tanp({ klWeight: -1 }), /tanp\.klWeight/],
    [() => ALGORITHMS.mwuf({ hidden: 1.5 }), /mwuf\.hidden/],
    [() => ALGORITHMS.metaEmb({ coldWeight: 1 }), /metaEmb\.coldWeight/],
    [() => ALGORITHMS.mamo({ slots: 0 }), /mamo\.slots/],
    [() => learner('lwa', {}, SOFTMAX), /model\.head\.loss/],
    [() => learner('matchingNets', {}, { loss: 'bpr' }), /model\.head\.loss/],
    [() => learner('protoNets', {}, { loss: 'mse', also: [{ name: 'b', loss: 'bce' }] }), /model\.head\.also/],
  ];
  for (const [action, pattern] of bad) refuses(action, 'INVALID_OPTION', pattern);
  refuses(
    () => learner('mamo', { profile: ['x', 'itm'] }, MSE),
    'UNKNOWN_OPTION',
    /mamo\.profile\[1\].*did you mean item\?/,
  );
  const two: InputSpec[] = [
    { name: 'user', kind: 'categorical', cardinality: 3, dim: 2 },
    { name: 'item', kind: 'categorical', cardinality: 3, dim: 2 },
  ];
  const mf = defineModel({ inputs: two, body: { kind: 'mf', user: 'user', item: 'item' }, head: MSE });
  for (const [name] of CASES)
    refuses(
      () =>
        createLearner({
          model: mf,
          algorithm: make(name, name === 'metaEmb' ? { adapt: ['embedding.user.weight'] } : {}),
        }),
      'INVALID_OPTION',
      /model\.body\.kind/,
    );
});

test('a like and a dislike tell users apart', async () => {
  const it = learnerOf(make('protoNets'), { at: ratings });
  await run(it, ratings.train, { epochs: 5 });
  const [a, b] = await Promise.all(
    [
      [5, 1],
      [1, 5],
    ].map(async (labels) => (await it.adapt({ items: [1, 2], labels })).predict([1, 2])),
  );
  assert.ok(a[0] > a[1] && b[1] > b[0], `${a} and ${b}`);
});
