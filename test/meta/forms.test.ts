/** Two forms of one gradient, the Gram form against explicit weights; columns that the rows of a task share; and the form that the core chooses. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { NameOf, NativeInnerLoop } from '../../lib/foundation/addon.js';
import { chosenForm } from '../../lib/bench/operations.js';
import type { InnerLoop, ModelSpec, Parameters } from '../../lib/foundation/contract.js';
import { adapt, selectTensors } from '../../lib/meta/inner-loop.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { packTasks } from '../../lib/batch/batch.js';
import { random } from '../../lib/foundation/random.js';
import type { Random } from '../../lib/foundation/random.js';
import { list, rowsOf, normals, EMBEDDED } from '../fixtures/normal-rows.js';

function assertSame(a: Parameters, b: Parameters, tolerance: number): void {
  assert.deepEqual(Object.keys(a), Object.keys(b));
  for (const [name, { data }] of Object.entries(a)) {
    const scale = Float64Array.from(data).reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    data.forEach((x, i) =>
      assert.ok(Math.abs(x - b[name].data[i]) <= tolerance * scale, `${name}[${i}]: ${x} and ${b[name].data[i]}`),
    );
  }
}

// One rate runs in the Gram form where that is cheaper; the same rate written out per tensor and step never does.
const DENSE: ModelSpec = {
  inputs: [{ name: 'x', kind: 'dense', size: 96 }],
  body: { kind: 'mlp', hidden: [32, 8], activation: 'tanh' },
  head: { loss: 'mse' },
};

for (const [kind, spec] of [
  ['dense inputs', DENSE],
  ['embeddings below', EMBEDDED],
] as const) {
  for (const S of [5, 20, 60]) {
    for (const K of [1, 5, 10]) {
      test(`Gram form equals the direct form: ${kind}, S = ${S}, K = ${K}`, async () => {
        const stream = random(S, kind, K);
        const model = defineModel(spec, { precision: 'float64' });
        const params = normals(model, 0.2, stream);
        const batch = packTasks(
          model,
          list(3, (t) => ({ support: rowsOf(spec, S - t, stream), query: rowsOf(spec, 7 + t, stream) })),
        );
        const rate = 0.05;
        const steps = { shape: [K], data: new Float64Array(K).fill(rate) };
        const adapted = ['mlp.*'];
        const written = Object.fromEntries(
          model.tensors.filter(({ name }) => name.startsWith('mlp.')).map(({ name }) => [name, steps]),
        );
        let gram = 0;
        for (const order of [1, 2] as const) {
          const loop = (learningRate: InnerLoop['learningRate']): InnerLoop => ({
            steps: K,
            learningRate,
            adapt: adapted,
            order,
            shrinkage: 2,
          });
          const one = await metaGradient(model, params, batch, loop(rate));
          const other = await metaGradient(model, params, batch, loop(written));
          assertSame(
            { losses: { shape: [3], data: one.taskLosses } },
            { losses: { shape: [3], data: other.taskLosses } },
            1e-12,
          );
          assertSame(one.gradient, other.gradient, 1e-11);
          if (kind === 'dense inputs') {
            const layers = [
              [96, 32],
              [32, 8],
              [8, 1],
            ].map(([inputs, outputs]) => ({ inputs: inputs, outputs: outputs, weight: true, bias: true }));
            if (chosenForm({ layers, support: S - 1, query: 8, steps: K, order }) === 'gram') gram++;
          }
        }
        assertSame(
          (await adapt(model, params, batch, { steps: K, learningRate: rate, adapt: adapted, order: 1 }))[1],
          (await adapt(model, params, batch, { steps: K, learningRate: written, adapt: adapted, order: 1 }))[1],
          1e-12,
        );
        if (kind === 'dense inputs' && S <= 20)
          assert.ok(gram > 0, 'the Gram form was not chosen: nothing was compared');
      });
    }
  }
}

// What is known of the user is the same in all rows of a task. Where the batch says so, by one row of the users' side, the first
// layer works on it once; where every row names a row of its own with the same content, a gradient finds that out. It does not
// where one task has rows of two users.
const USERS: ModelSpec = {
  inputs: [
    { name: 'age', kind: 'categorical', cardinality: 5, dim: 6 },
    { name: 'item', kind: 'categorical', cardinality: 11, dim: 9 },
    { name: 'income', kind: 'dense', size: 3 },
    { name: 'tags', kind: 'bag', cardinality: 6, dim: 4 },
    { name: 'price', kind: 'dense', size: 5 },
  ],
  body: { kind: 'mlp', hidden: [12, 7], activation: 'tanh' },
  head: { loss: 'mse' },
};

/**
 * One batch three times: users as rows of a side of their own, repeated for every row, and repeated with a task more, of two users, that
 * has no weight; and a batch of one of its rows alone.
 */
function batchesOfUsers(model: Model, sizes: readonly (readonly [number, number])[], stream: Random) {
  const rows = sizes.reduce((sum, [s, q]) => sum + s + q, 0);
  const owner = Int32Array.from(sizes.flatMap(([s, q], t) => list(s + q, () => t)));
  const begin = Int32Array.from([0, ...sizes.flatMap(([s, q]) => [s, q])]).map(
    (
      (sum) => (n) =>
        (sum += n)
    )(0),
  );
  const numbers = (n: number) => Float64Array.from({ length: n }, () => stream.normal());
  const ids = (n: number, below: number) => Int32Array.from({ length: n }, () => stream.below(below));
  const count = sizes.length + 1;
  const tagCounts = list(count, () => stream.below(4));
  const users = { age: ids(count, 5), income: numbers(3 * count), tags: tagCounts.map((n) => ids(n, 6)) };
  const items = { item: ids(rows, 11), price: numbers(5 * rows) };
  const labels = numbers(rows);
  const make = (of: Int32Array, more: 0 | 2 = 0, only?: number) => {
    const bags = Array.from(of, (t) => users.tags[t]);
    const offsets = Int32Array.from([0, ...bags.map(({ length }) => length)]).map(
      (
        (sum) => (n) =>
          (sum += n)
      )(0),
    );
    const frame = model.ops.createFrame(model.native, {
      sides: [of.length, rows + more],
      columns: [
        { side: 0, ids: Int32Array.from(of, (t) => users.age[t]) },
        { side: 1, ids: Int32Array.from([...items.item, ...list(more, () => 0)]) },
        {
          side: 0,
          dense: Float64Array.from(
            { length: 3 * of.length },
            (_, i) => users.income[3 * of[Math.floor(i / 3)] + (i % 3)],
          ),
        },
        { side: 0, ids: Int32Array.from(bags.flatMap((bag) => Array.from(bag))), offsets },
        { side: 1, dense: Float64Array.from([...items.price, ...list(5 * more, () => 0)]) },
      ],
    });
    if (only !== undefined) {
      const row = Int32Array.of(only);
      const begin = Int32Array.of(0, 0, 1);
      return model.ops.createBatch(model.native, frame, {
        begin,
        sides: [row, row],
        labels: labels.slice(only, only + 1),
      });
    }
    const everyRow = Int32Array.from({ length: rows + more }, (_, r) => r);
    return model.ops.createBatch(model.native, frame, {
      begin: more === 0 ? begin : Int32Array.from([...begin, rows + 1, rows + 2]),
      sides: [of.length === rows + more ? everyRow : owner, everyRow],
      labels: Float64Array.from([...labels, ...list(more, () => 0)]),
      weights: Float64Array.from([...list(sizes.length, () => 1 / sizes.length), ...list(more / 2, () => 0)]),
    });
  };
  const byTask = Int32Array.from({ length: sizes.length }, (_, t) => t);
  const unlike = make(Int32Array.from([...owner, 0, sizes.length]), 2);
  return { shared: make(byTask), repeated: make(owner), unlike, row: (r: number) => make(owner, 0, r) };
}

for (const adapted of [['*'], ['mlp.*'], ['mlp.1.*', 'mlp.2.*'], ['embedding.*'], ['mlp.2.*']]) {
  for (const form of ['one rate', 'written out'] as const) {
    test(`what all rows of a task share is worked on once, with the same result: ${adapted.join(', ')} adapted, ${form}`, async () => {
      const stream = random(adapted.length, `users.${adapted.join()}`);
      const model = defineModel(USERS, { precision: 'float64' });
      const params = normals(model, 0.4, stream);
      const store = model.store(params);
      const { shared, repeated, unlike } = batchesOfUsers(
        model,
        [
          [6, 4],
          [1, 3],
          [0, 2],
          [9, 1],
        ],
        stream,
      );
      const fast = selectTensors(model, adapted, 'adapt');
      let differing = 0;
      for (const steps of [1, 3]) {
        for (const order of [1, 2] as const) {
          const rates =
            form === 'one rate'
              ? { rateKind: 'scalar', rate: 0.1 }
              : {
                  rateKind: 'perTensorStep',
                  rate: 0,
                  rates: model.tensors.map((_, t) =>
                    fast[t] ? new Float64Array(steps).fill(0.1) : new Float64Array(0),
                  ),
                };
          const inner = { steps, order, solver: 'gradient', fast, shrinkage: 0, ...rates } as NativeInnerLoop;
          const gradient = async (batch: typeof shared, direction: NameOf<'Direction'>) => {
            const { taskLosses, gradient } = await model.ops.metaGradient({
              store,
              batch,
              inner,
              threads: 2,
              direction,
            });
            return { ...model.named(gradient), losses: { shape: [4], data: taskLosses.subarray(0, 4) } };
          };
          for (const direction of ['metaGradient', 'reptile'] as const) {
            const [one, found, other]: Parameters[] = [
              await gradient(shared, direction),
              await gradient(repeated, direction),
              await gradient(unlike, direction),
            ];
            assertSame(one, other, 1e-12);
            for (const [name, { data }] of Object.entries(one)) assert.deepEqual(found[name].data, data, name);
            for (const [name, { data }] of Object.entries(one))
              if (data.some((x, i) => x !== other[name].data[i])) differing++;
          }
          const outputs = async (batch: typeof shared) => {
            const { before, after } = await model.ops.predict({
              store,
              batch,
              inner,
              threads: 2,
              before: true,
              after: true,
            });
            return { before: { shape: [10], data: before! }, after: { shape: [10], data: after! } };
          };
          assertSame(await outputs(shared), await outputs(repeated), 1e-12);
          const parameters = async (batch: typeof shared) => {
            const all = await model.ops.adapt({ store, batch, inner, threads: 2 });
            return Object.fromEntries(
              all.flatMap((task, t) =>
                model.ops
                  .readAdapted(task, store)
                  .flatMap((data, i) =>
                    data === undefined ? [] : [[`${t}.${model.tensors[i].name}`, { shape: [data.length], data }]],
                  ),
              ),
            );
          };
          assertSame(await parameters(shared), await parameters(repeated), 1e-12);
        }
      }
      assert.ok(differing > 0, 'not a bit differs: both were computed in the same way');
    });
  }
}

test('a Hessian-vector product does the same: it is the mean of those of each row', async () => {
  const stream = random(1, 'users.product');
  const model = defineModel(USERS, { precision: 'float64' });
  const store = model.store(normals(model, 0.4, stream));
  const vector = model.store(normals(model, 1, stream));
  const { shared, repeated, row } = batchesOfUsers(model, [[0, 8]], stream);
  const inner: NativeInnerLoop = {
    steps: 0,
    order: 2,
    solver: 'gradient',
    fast: new Uint8Array(model.tensors.length).fill(1),
    shrinkage: 0,
    rateKind: 'scalar',
    rate: 0,
  };
  const product = async (batch: typeof shared) => {
    const { gradient, product } = await model.ops.hessianVectorProduct({ store, batch, inner, threads: 1, vector });
    return [...gradient, ...product].flatMap((data) => Array.from(data));
  };
  const rows = await Promise.all(list(8, (r) => product(row(r))));
  const mean = rows[0].map((_, i) => rows.reduce((sum, values) => sum + values[i] / 8, 0));
  for (const batch of [shared, repeated]) {
    const values = await product(batch);
    assert.ok(values.some((value) => value !== 0));
    values.forEach((value, i) => assert.ok(Math.abs(value - mean[i]) <= 1e-12, `${value} is not ${mean[i]}`));
  }
});

test('the form that the core says it chooses is the one that runs, to the bit', async () => {
  const ran = new Set<string>();
  for (const [S, K, hidden] of [
    [3, 1, 4],
    [6, 5, 32],
    [24, 2, 8],
    [60, 2, 2],
  ] as const) {
    const spec: ModelSpec = { ...DENSE, body: { kind: 'mlp', hidden: [hidden], activation: 'tanh' } };
    const stream = random(S, 'chosen form', K);
    const model = defineModel(spec, { precision: 'float64' });
    const task = { support: rowsOf(spec, S, stream), query: rowsOf(spec, 5, stream) };
    const gradient = async (form: NameOf<'Form'>) => {
      const { gradient } = await model.ops.metaGradient({
        store: model.store(normals(model, 0.2, random(S, 'parameters'))),
        batch: packTasks(model, [task]).native,
        inner: {
          steps: K,
          order: 2,
          solver: 'gradient',
          fast: new Uint8Array(model.tensors.length).fill(1),
          shrinkage: 0,
          rateKind: 'scalar',
          rate: 0.05,
          form,
        },
        threads: 1,
        direction: 'metaGradient',
      });
      return gradient;
    };
    const layers = [
      [96, hidden],
      [hidden, 1],
    ].map(([inputs, outputs]) => ({ inputs, outputs, weight: true, bias: true }));
    const chosen = chosenForm({ layers, support: S, query: 5, steps: K, order: 2 });
    const [cheaper, same, other] = await Promise.all(
      (['cheaper', chosen, chosen === 'gram' ? 'direct' : 'gram'] as const).map(gradient),
    );
    assert.deepEqual(cheaper, same, chosen);
    assert.notDeepEqual(cheaper, other, 'the forms give the same bits: nothing was told apart');
    ran.add(chosen);
  }
  assert.deepEqual([...ran].sort(), ['direct', 'gram']);
});
