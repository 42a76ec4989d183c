/** What a model is: parameters by name and shape, fresh ones by the seed, predictions row by row; bad specifications are refused by field. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'tap';
import fc from 'fast-check';
import type { ModelSpec } from '../../lib/foundation/contract.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { predict } from '../../lib/meta/inner-loop.js';
import { defineModel } from '../../lib/model/model.js';
import { anyShape, build, identical } from '../fixtures/random-model.js';
import { SPEC, model, params, edit, refuses, rejects } from '../fixtures/small-model.js';

test('parameters have the documented names and shapes', async () => {
  assert.deepEqual(
    model.tensors.map(({ name, shape, embedding }) => [name, [...shape], embedding]),
    [
      ['embedding.item.weight', [5, 3], true],
      ['embedding.tags.weight', [4, 2], true],
      ['mlp.0.weight', [4, 7], false],
      ['mlp.0.bias', [4], false],
      ['mlp.1.weight', [3, 4], false],
      ['mlp.1.bias', [3], false],
      ['mlp.2.weight', [1, 3], false],
      ['mlp.2.bias', [1], false],
    ],
  );
  assert.equal(model.size, 15 + 8 + 28 + 4 + 12 + 3 + 3 + 1);
  assert.deepEqual(
    Object.keys(params),
    model.tensors.map(({ name }) => name),
  );
  const linear = defineModel({
    inputs: [{ name: 'x', kind: 'dense', size: 2 }],
    body: { kind: 'mlp', hidden: [] },
    head: { loss: 'softmax', classes: 3 },
  });
  assert.deepEqual(
    linear.tensors.map(({ name, shape }) => [name, [...shape]]),
    [
      ['mlp.0.weight', [3, 2]],
      ['mlp.0.bias', [3]],
    ],
  );
  assert.equal(linear.outputs, 3);
});

test('fresh parameters depend on the seed alone, and float32 ones are the rounded float64 ones', async () => {
  identical(params, defineModel(SPEC).initialize(1), 'same seed');
  const other = model.initialize(2);
  const double = defineModel(SPEC, { precision: 'float64' }).initialize(1);
  for (const [name, { shape, data }] of Object.entries(params)) {
    assert.ok(data instanceof Float32Array && double[name].data instanceof Float64Array);
    assert.deepEqual(data, Float32Array.from(double[name].data), name);
    assert.notDeepEqual(data, other[name].data, name);
    if (name.startsWith('mlp')) {
      const bound = 1 / Math.sqrt(model.tensors.find((t) => t.name === name.replace('bias', 'weight'))!.shape[1]);
      assert.ok(
        data.every((x) => Math.abs(x) <= bound),
        name,
      );
    }
    assert.equal(
      data.length,
      shape.reduce((a, b) => a * b, 1),
    );
  }
});

test('fresh parameters are spread as documented', async () => {
  const wide = defineModel({
    inputs: [{ name: 'i', kind: 'categorical', cardinality: 2000, dim: 10 }],
    body: { kind: 'mlp', hidden: [1000] },
    head: { loss: 'mse' },
  });
  const { 'embedding.i.weight': embedding, 'mlp.0.weight': weight } = wide.initialize(0);
  const deviation = (x: ArrayLike<number>) => Math.sqrt(Array.from(x).reduce((a, b) => a + b * b, 0) / x.length);
  assert.ok(Math.abs(deviation(embedding.data) - 0.1) < 0.002, String(deviation(embedding.data)));
  assert.ok(Math.abs(deviation(weight.data) - Math.sqrt(1 / 30)) < 0.004, String(deviation(weight.data)));
});

test('a model keeps no hold of the specification', async () => {
  const spec = structuredClone(SPEC);
  const own = defineModel(spec);
  assert.ok(spec.body.kind === 'mlp');
  spec.body.hidden[0] = 99;
  assert.deepEqual(own.spec, SPEC);
});

test('an input may have the name of a property of every object', async () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length']) {
    const own = defineModel({
      inputs: [{ name, kind: 'categorical', cardinality: 2, dim: 1 }],
      body: { kind: 'mlp', hidden: [] },
      head: { loss: 'mse' },
    });
    const rows = { inputs: { [name]: [0, 1] } };
    const { data } = await predict(own, own.initialize(0), rows);
    assert.equal(data.length, 2, name);
    await rejects(predict(own, own.initialize(0), { inputs: {} }), 'INVALID_OPTION', `rows.inputs.${name}`);
  }
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  refuses(
    () =>
      defineModel(JSON.parse(JSON.stringify(SPEC).replace('"body"', '"__proto__":{"polluted":1},"body"')) as ModelSpec),
    'UNKNOWN_OPTION',
    'model.__proto__',
  );
});

const BAD_MODELS: [path: (string | number)[], value: unknown, code: ErrorCode, field: string, pattern?: RegExp][] = [
  [['imputs'], [], 'UNKNOWN_OPTION', 'model.imputs', /did you mean inputs\?/],
  [['inputs'], undefined, 'INVALID_OPTION', 'model.inputs'],
  [['inputs'], [], 'INVALID_OPTION', 'model.inputs', /at least one/],
  [['inputs'], {}, 'INVALID_OPTION', 'model.inputs'],
  [['inputs', 0], null, 'INVALID_OPTION', 'model.inputs[0]'],
  [['inputs', 0, 'name'], '', 'INVALID_OPTION', 'model.inputs[0].name'],
  [['inputs', 0, 'name'], 3, 'INVALID_OPTION', 'model.inputs[0].name'],
  [['inputs', 1, 'name'], 'x', 'INVALID_OPTION', 'model.inputs[1].name', /used twice/],
  [['inputs', 0, 'kind'], 'dens', 'INVALID_OPTION', 'model.inputs[0].kind', /did you mean dense\?/],
  [['inputs', 0, 'dim'], 2, 'UNKNOWN_OPTION', 'model.inputs[0].dim'],
  [['inputs', 1, 'pooling'], 'sum', 'UNKNOWN_OPTION', 'model.inputs[1].pooling'],
  [['inputs', 1, 'cardinalty'], 2, 'UNKNOWN_OPTION', 'model.inputs[1].cardinalty', /did you mean cardinality\?/],
  [['inputs', 2, 'pooling'], 'max', 'INVALID_OPTION', 'model.inputs[2].pooling', /mean, sum/],
  [['inputs', 1, 'vocabulary'], ['', 'a'], 'INVALID_OPTION', 'model.inputs[1].vocabulary', /2 texts/],
  [['inputs', 1, 'vocabulary'], ['', 'a', 'b', 'c', 4], 'INVALID_OPTION', 'model.inputs[1].vocabulary[4]'],
  [['body'], undefined, 'INVALID_OPTION', 'model.body'],
  [['body', 'kind'], 'grue', 'INVALID_OPTION', 'model.body.kind', /did you mean gru\?/],
  [['body', 'hidden'], 64, 'INVALID_OPTION', 'model.body.hidden'],
  [['body', 'activation'], 'rulu', 'INVALID_OPTION', 'model.body.activation', /did you mean relu\?/],
  [['body', 'layers'], 3, 'UNKNOWN_OPTION', 'model.body.layers'],
  [['head'], 'mse', 'INVALID_OPTION', 'model.head'],
  [['head', 'loss'], 'mae', 'INVALID_OPTION', 'model.head.loss', /mse, bce, softmax/],
  [['head', 'classes'], 3, 'INVALID_OPTION', 'model.head.classes'],
  [['head'], { loss: 'softmax' }, 'INVALID_OPTION', 'model.head.classes'],
  [['head'], { loss: 'softmax', classes: 1 }, 'INVALID_OPTION', 'model.head.classes'],
];
const BAD_COUNTS = [0, -1, 1.5, NaN, Infinity, 2 ** 31, 1e300, '3', null, [3], true];
for (const path of [
  ['inputs', 0, 'size'],
  ['inputs', 1, 'dim'],
  ['inputs', 1, 'cardinality'],
  ['body', 'hidden', 1],
]) {
  for (const value of BAD_COUNTS) {
    BAD_MODELS.push([
      path,
      value,
      'INVALID_OPTION',
      path.reduce<string>((text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}.${key}`), 'model'),
    ]);
  }
}

test('a bad model is refused by field', async () => {
  for (const [path, value, code, field, pattern] of BAD_MODELS)
    refuses(() => defineModel(edit(SPEC, path, value)), code, field, pattern);
  for (const spec of [undefined, null, 3, 'mlp', [], new Float32Array(1)])
    refuses(() => defineModel(spec as unknown as ModelSpec), 'INVALID_OPTION', 'model');
  const options = (o: object) => () => defineModel(SPEC, o);
  refuses(options({ precision: 'float16' }), 'INVALID_OPTION', 'options.precision', /float32, float64/);
  refuses(options({ thread: 2 }), 'UNKNOWN_OPTION', 'options.thread', /did you mean threads\?/);
  for (const threads of [0, -1, 1.5, NaN, 1e9, '2']) refuses(options({ threads }), 'INVALID_OPTION', 'options.threads');
  for (const seed of [-1, 0.5, NaN, 2 ** 53, '1', undefined])
    refuses(() => model.initialize(seed as number), 'INVALID_OPTION', 'seed');
});

test('a model too large for memory is refused before anything is allocated', async () => {
  const before = process.memoryUsage().rss;
  refuses(
    () => defineModel(edit(SPEC, ['inputs', 1], { name: 'item', kind: 'categorical', cardinality: 2 ** 30, dim: 2 })),
    'INVALID_OPTION',
    undefined,
    /2\^31/,
  );
  refuses(() => defineModel(edit(SPEC, ['body', 'hidden'], [65536, 65536])), 'INVALID_OPTION', undefined, /2\^31/);
  const half = (name: string) => ({ name, kind: 'categorical', cardinality: 2 ** 30, dim: 1 });
  refuses(() => defineModel(edit(SPEC, ['inputs'], [half('a'), half('b')])), 'INVALID_OPTION', undefined, /2\^31/);
  assert.ok(process.memoryUsage().rss - before < 2 ** 28);
});

test('holes in a specification are refused', async () => {
  refuses(
    () => defineModel({ ...SPEC, inputs: [, SPEC.inputs[0]] as ModelSpec['inputs'] }),
    'INVALID_OPTION',
    'model.inputs[0]',
  );
  refuses(
    () => defineModel({ ...SPEC, body: { kind: 'mlp', hidden: new Array<number>(1) } }),
    'INVALID_OPTION',
    'model.body.hidden[0]',
  );
});

test('predictions of many rows are those of each row', async () => {
  await fc.assert(
    fc.asyncProperty(anyShape(['relu', 'tanh']), async (shape) => {
      const { model: own, params: p, tasks } = build(shape);
      const { inputs } = tasks[0].query;
      const names = Object.keys(inputs);
      const n = tasks[0].query.labels.length;
      const many = 600;
      const repeated = Object.fromEntries(
        names.map((name) => [name, Array.from({ length: many }, (_, r) => inputs[name][r % n])]),
      ) as typeof inputs;
      const whole = await predict(own, p, { inputs: repeated });
      assert.deepEqual(whole.shape, [many, own.outputs]);
      for (let r = 0; r < n; r++) {
        const one = await predict(own, p, {
          inputs: Object.fromEntries(names.map((name) => [name, [inputs[name][r]]])) as typeof inputs,
        });
        for (let at = r; at < many; at += n) {
          for (let o = 0; o < own.outputs; o++) {
            const [a, b] = [whole.data[at * own.outputs + o], one.data[o]];
            assert.ok(Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(b)), `row ${at}: ${a} is not ${b}`);
          }
        }
      }
    }),
    { seed: 5, numRuns: 15 },
  );
});

test('no garbage given to the internal functions ends the process', async () => {
  const script = new URL('../fixtures/native-garbage.js', import.meta.url).pathname;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, '4000', '1'], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  assert.equal(signal, null, stderr);
  assert.equal(status, 0, stderr);
  const { calls, refused, accepted } = JSON.parse(stdout) as { calls: number; refused: number; accepted: number };
  assert.ok(calls >= 4000 && refused > calls / 4 && accepted > calls / 50, stdout);
});
