/** The same bits on any number of threads, in any order of calls, whatever memory held before. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { ModelSpec, Parameters, Precision, TaskExample } from '../../lib/foundation/contract.js';
import { packTasks } from '../../lib/batch/batch.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { adam } from '../../lib/meta/outer-update.js';
import { random } from '../../lib/foundation/random.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { maml } from '../../lib/algorithms/registry.js';
import { describeInputs } from '../../lib/batch/features.js';
import type { RateKind } from '../../lib/meta/algorithm.js';
import { identical, rows } from '../fixtures/random-model.js';
import { INNER } from '../fixtures/concurrency.js';

const SPEC: ModelSpec = {
  inputs: [
    { name: 'x', kind: 'dense', size: 9 },
    { name: 'item', kind: 'categorical', cardinality: 40, dim: 5 },
    { name: 'tags', kind: 'bag', cardinality: 12, dim: 3 },
  ],
  body: { kind: 'mlp', hidden: [17, 8] },
  head: { loss: 'mse' },
};

/** `count` ragged tasks: enough chunks for every thread, of different cost. */
const ragged = (count: number): TaskExample[] =>
  Array.from({ length: count }, (_, t) => ({
    support: rows(SPEC, t % 14, random(7, 'support', t)),
    query: rows(SPEC, 1 + (t % 5), random(7, 'query', t)),
  }));

async function everything(model: Model, tasks: TaskExample[]) {
  const params = model.initialize(3);
  const batch = packTasks(model, tasks);
  const learningRate = Object.fromEntries(
    Object.entries(params).map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0.03) }]),
  );
  const second = await metaGradient(model, params, batch, INNER);
  const first = await metaGradient(model, params, batch, { ...INNER, order: 1, learningRate });
  return {
    losses: second.taskLosses,
    gradient: second.gradient,
    first: first.gradient,
    rates: first.learningRateGradient!,
    reptile: (await metaGradient(model, params, batch, INNER, { direction: 'reptile' })).gradient,
    adapted: await adapt(model, params, batch, INNER),
    outputs: (await predict(model, params, { inputs: rows(SPEC, 700, random(7, 'rows')).inputs })).data,
  };
}

for (const precision of ['float32', 'float64'] as const satisfies Precision[]) {
  test(`the same bits on 1, 2, 3 and 8 threads (${precision})`, async () => {
    const tasks = ragged(75);
    const results: Awaited<ReturnType<typeof everything>>[] = [];
    for (const threads of [1, 2, 3, 8]) {
      results.push(await everything(defineModel(SPEC, { precision, threads }), tasks));
    }
    for (const other of results.slice(1)) {
      assert.deepEqual(other.losses, results[0].losses);
      assert.deepEqual(other.outputs, results[0].outputs);
      for (const key of ['gradient', 'first', 'rates', 'reptile'] as const) identical(other[key], results[0][key], key);
      other.adapted.forEach((task, t) => identical(task, results[0].adapted[t], `adapted ${t}`));
    }
  });
}

/** 60 users of 30 items; the parameters after two epochs. */
async function trained(threads: number, rates: RateKind): Promise<Parameters> {
  const stream = random(5, 'data');
  const [user, item, label]: number[][] = [[], [], []];
  for (let u = 0; u < 60; u++)
    for (let i = u % 3; i < 30; i += 2 + (u % 4)) (user.push(u), item.push(i), label.push(stream.normal()));
  const dataset = datasetFromColumns({ user, item, label });
  const tasks = buildTasks(dataset, { query: { fraction: 0.4 } });
  const model = defineModel(
    {
      inputs: describeInputs(
        dataset,
        [
          { name: 'item', dim: 6 },
          { name: 'user', dim: 3 },
        ],
        tasks.queryRows,
      ),
      body: { kind: 'mlp', hidden: [12] },
      head: { loss: 'mse' },
    },
    { threads },
  );
  const learner = createLearner({
    model,
    algorithm: maml({ steps: 2, learningRate: 0.1, rates }),
    optimizer: adam({ clipNorm: 1, weightDecay: 0.01 }),
    seed: 4,
  });
  for await (const _ of train(learner, tasks, { epochs: 2, metaBatch: 13, hide: { item: 0.2 } })) void _;
  return learner.parameters();
}

test('training ends in the same bits on 1, 2 and 8 threads', async () => {
  for (const rates of ['fixed', 'perParameter', 'perStep'] as const) {
    const first = await trained(1, rates);
    for (const threads of [2, 8]) identical(await trained(threads, rates), first, `${rates}, ${threads} threads`);
  }
});

test('twenty calls at once give what they give one by one', async () => {
  const model = defineModel(SPEC, { threads: 2 });
  const params = model.initialize(3);
  const shared = packTasks(model, ragged(20));
  const vector = model.initialize(9);
  const calls = Array.from({ length: 20 }, (_, i) => async (): Promise<Parameters[]> => {
    const batch = i % 2 === 0 ? shared : packTasks(model, ragged(5 + i));
    if (i % 4 === 0) return adapt(model, params, batch, { ...INNER, steps: 1 + (i % 5) });
    if (i % 4 === 1)
      return [(await metaGradient(model, params, batch, { ...INNER, order: (1 + (i % 2)) as 1 | 2 })).gradient];
    if (i % 4 === 2)
      return [(await hessianVectorProduct(model, params, rows(SPEC, 3 + i, random(i, 'rows')), vector)).product];
    return [{ outputs: await predict(model, params, rows(SPEC, 300 * i, random(i, 'rows'))) }];
  });
  const alone: Parameters[][] = [];
  for (const call of calls) alone.push(await call());
  const together = await Promise.all(calls.map((call) => call()));
  together.forEach((result, i) => result.forEach((p, t) => identical(p, alone[i][t], `call ${i}`)));
});

test('the first uses of one batch may come at the same time', async () => {
  const model = defineModel(SPEC, { threads: 2 });
  const params = model.initialize(3);
  const expected = await metaGradient(model, params, packTasks(model, ragged(30)), INNER);
  for (let round = 0; round < 5; round++) {
    const batch = packTasks(model, ragged(30));
    const results = await Promise.all(Array.from({ length: 6 }, () => metaGradient(model, params, batch, INNER)));
    for (const { gradient } of results) identical(gradient, expected.gradient, `round ${round}`);
  }
});

/** An empty support, and tensors whose sizes leave gaps between them in memory. */
test('what an earlier call left in memory does not matter', async () => {
  const own = defineModel(
    { ...SPEC, body: { kind: 'mlp', hidden: [5, 3], activation: 'tanh' } },
    { precision: 'float64', threads: 1 },
  );
  const fresh = own.initialize(1);
  const batch = packTasks(own, [...ragged(8).slice(5), ragged(1)[0]]);
  const wild = Object.fromEntries(
    Object.entries(fresh).map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 1e300) }]),
  );
  const perStep = Object.fromEntries(
    own.tensors.map(({ name }) => [name, { shape: [3], data: Float64Array.of(0.05, 0.05, 0.05) }]),
  );
  const perParameter = Object.fromEntries(
    own.tensors.map(({ name, shape }) => [name, { shape: [...shape], data: fresh[name].data.map(() => 0.05) }]),
  );
  const expected = await adapt(own, fresh, batch, INNER);
  for (let round = 0; round < 20; round++) {
    // Fills the scratch memory of whichever thread takes it with Infinity and NaN.
    await Promise.all(
      Array.from({ length: 4 }, () =>
        assert.rejects(metaGradient(own, wild, batch, { ...INNER }), { code: 'DIVERGED' }),
      ),
    );
    for (const learningRate of [perStep, perParameter]) {
      for (const [t, adapted] of (await adapt(own, fresh, batch, { ...INNER, learningRate })).entries()) {
        for (const [name, { data }] of Object.entries(adapted)) {
          data.forEach((x, i) => assert.ok(Math.abs(x - expected[t][name].data[i]) < 1e-14, `${name}[${i}]`));
        }
      }
    }
  }
});
