/** Resident parameters: the same numbers as plain ones, of tables the rows that were read, at the cost of what was read. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { packTasks } from '../../lib/batch/batch.js';
import type { InnerLoop, ModelSpec, Parameters, SparseParameters } from '../../lib/foundation/contract.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { random } from '../../lib/foundation/random.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { residentParameters } from '../../lib/meta/resident.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';

const spec = (cardinality: number): ModelSpec => ({
  inputs: [
    { name: 'item', kind: 'categorical', cardinality, dim: 3 },
    { name: 'tags', kind: 'bag', cardinality: 9, dim: 2 },
    { name: 'x', kind: 'dense', size: 2 },
  ],
  body: { kind: 'mlp', hidden: [5], activation: 'tanh' },
  head: { loss: 'mse' },
});
const rows = (count: number, cardinality: number, seed: number) => {
  const stream = random(seed, 'resident');
  const each = <X>(make: () => X) => Array.from({ length: count }, make);
  return {
    inputs: {
      item: each(() => stream.below(cardinality)),
      tags: each(() => [stream.below(9), stream.below(9)]),
      x: each(() => [stream.normal(), stream.normal()]),
    },
    labels: each(() => stream.normal()),
  };
};
const batchOf = (model: Model, cardinality: number) =>
  packTasks(
    model,
    [1, 2, 3].map((t) => ({ support: rows(2 * t - 2, cardinality, t), query: rows(4, cardinality, 9 + t) })),
  );
const inner = (adapted: InnerLoop['adapt']): InnerLoop => ({ steps: 2, learningRate: 0.1, adapt: adapted, order: 2 });

/** In full: of the rows that are not there what `rest` has, or zeros. */
function dense(model: Model, sparse: SparseParameters, rest: Parameters = {}): Parameters {
  const all: Parameters = {};
  for (const [name, tensor] of Object.entries(sparse)) {
    const { shape } = tensor;
    if (!('rows' in tensor)) {
      all[name] = tensor;
      continue;
    }
    const data = model.floats(rest[name]?.data ?? shape.reduce((a, b) => a * b, 1));
    const width = shape[1];
    assert.equal(new Set(tensor.rows).size, tensor.rows.length, 'a row comes once');
    tensor.rows.forEach((row, r) => data.set(tensor.data.subarray(r * width, (r + 1) * width), row * width));
    all[name] = { shape, data };
  }
  return all;
}

test('resident parameters give what plain ones give, to the bit, densely and sparsely', async () => {
  for (const precision of ['float32', 'float64'] as const)
    for (const adapted of ['all', ['mlp.*']] as const) {
      const model = defineModel(spec(50), { precision });
      const params = model.initialize(1);
      const batch = batchOf(model, 50);
      const loop = inner(adapted as InnerLoop['adapt']);
      using resident = residentParameters(model, params);
      const plain = await metaGradient(model, params, batch, loop);
      const there = await metaGradient(model, resident, batch, loop, { tables: 'sparse' });
      assert.deepEqual(await metaGradient(model, resident, batch, loop), plain);
      assert.deepEqual({ ...there, gradient: dense(model, there.gradient) }, plain);
      const table = there.gradient['embedding.item.weight'];
      assert.ok(
        'rows' in table && table.rows.length > 3 && table.rows.length < 25 && !('rows' in there.gradient['mlp.0.bias']),
      );

      const tasks = await adapt(model, params, batch, loop);
      assert.deepEqual(await adapt(model, resident, batch, loop), tasks);
      const sparse = await adapt(model, resident, batch, loop, { tables: 'sparse' });
      assert.deepEqual(
        sparse.map((task) => dense(model, task, params)),
        tasks,
      );
      const some = rows(6, 50, 77);
      assert.deepEqual(await predict(model, resident, some), await predict(model, params, some));
      assert.deepEqual(await predict(model, resident, some, tasks[2]), await predict(model, params, some, tasks[2]));
      const vector = model.initialize(2);
      const product = await hessianVectorProduct(model, params, some, vector);
      const again = await hessianVectorProduct(model, resident, some, residentParameters(model, vector), {
        tables: 'sparse',
      });
      assert.deepEqual(dense(model, again.product), product.product);
      assert.deepEqual(dense(model, again.gradient), product.gradient);
    }
});

test('rates by parameter have sparse gradients too', async () => {
  const model = defineModel(spec(50), { precision: 'float64' });
  const params = model.initialize(1);
  const rates = model.initialize(3);
  const loop = { ...inner('all'), learningRate: rates };
  const plain = await metaGradient(model, params, batchOf(model, 50), loop);
  const sparse = await metaGradient(model, params, batchOf(model, 50), loop, { tables: 'sparse' });
  assert.ok('rows' in sparse.learningRateGradient!['embedding.item.weight']);
  assert.deepEqual(dense(model, sparse.learningRateGradient!), plain.learningRateGradient);
});

test('add is a step: by rows, by tensor, and of nothing where anything is wrong', async () => {
  const model = defineModel(spec(50), { precision: 'float64' });
  const params = model.initialize(1);
  const resident = residentParameters(model, params);
  const { gradient } = await metaGradient(model, resident, batchOf(model, 50), inner('all'), { tables: 'sparse' });
  resident.add(gradient, -0.5);
  const full = dense(model, gradient);
  for (const [name, { data }] of Object.entries(resident.read()))
    data.forEach((value, i) => assert.equal(value, params[name].data[i] + -0.5 * full[name].data[i], name));
  const before = resident.read();
  const refuses = (changes: unknown, code: string, field: RegExp) =>
    assert.throws(
      () => resident.add({ 'mlp.0.bias': { shape: [5], data: new Float64Array(5).fill(1) }, ...(changes as object) }),
      (error: unknown) => error instanceof InnerloopError && error.code === code && field.test(error.message),
    );
  const table = 'embedding.item.weight';
  const three = new Float64Array(3);
  refuses({ [table]: { shape: [50, 3], rows: Int32Array.of(50), data: three } }, 'INVALID_OPTION', /rows.*0 to 49/);
  refuses({ [table]: { shape: [50, 3], rows: Int32Array.of(1, 2), data: three } }, 'INVALID_OPTION', /6 values/);
  refuses({ 'mlp.0.weight': { shape: [5, 7], rows: Int32Array.of(1), data: three } }, 'INVALID_OPTION', /no table/);
  refuses({ [table]: null }, 'INVALID_OPTION', /embedding\.item/);
  refuses({ other: { shape: [1], data: three } }, 'UNKNOWN_OPTION', /changes\.other/);
  assert.deepEqual(resident.read(), before);
  await assert.rejects(
    metaGradient(defineModel(spec(50)), resident, batchOf(model, 50), inner('all')),
    /another model/,
  );
  resident.dispose();
  await assert.rejects(metaGradient(model, resident, batchOf(model, 50), inner('all')), { code: 'DISPOSED' });
  assert.throws(() => resident.read(), { code: 'DISPOSED' });
});

test('a call on resident parameters costs what its batch reads, whatever the tables hold', async (t) => {
  const cardinality = 1_000_000;
  const model = defineModel(spec(cardinality));
  const params = model.initialize(1, ['mlp.0.bias']);
  for (const { name, shape } of model.tensors) params[name] ??= model.zeros(shape);
  const resident = residentParameters(model, params);
  const batch = batchOf(model, cardinality);
  const milliseconds = async (times: number, call: () => Promise<unknown>) => {
    await call();
    const before = process.cpuUsage();
    for (let i = 0; i < times; i++) await call();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / times;
  };
  const plain = await milliseconds(5, () => metaGradient(model, params, batch, inner('all')));
  const own = await milliseconds(200, () => metaGradient(model, resident, batch, inner('all'), { tables: 'sparse' }));
  const adapted = await milliseconds(200, () => adapt(model, resident, batch, inner('all'), { tables: 'sparse' }));
  t.comment(`${plain.toFixed(2)} ms with plain parameters; resident ${own.toFixed(3)}, adapt ${adapted.toFixed(3)} ms`);
  assert.ok(own < plain / 10 && adapted < plain / 10, `${own} and ${adapted} of ${plain} ms`);
});
