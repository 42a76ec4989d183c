/** Models, parameters and batches: names, shapes, determinism, and a typed error for every bad input. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'tap';
import fc from 'fast-check';
import type { InnerLoop, ModelSpec, Parameters, TaskExample } from '../../lib/foundation/contract.js';
import { packTasks } from '../../lib/batch/batch.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { anyShape, build, identical } from '../fixtures/random-model.js';

const SPEC: ModelSpec = {
  inputs: [
    { name: 'x', kind: 'dense', size: 2 },
    { name: 'item', kind: 'categorical', cardinality: 5, dim: 3 },
    { name: 'tags', kind: 'bag', cardinality: 4, dim: 2, pooling: 'sum' },
  ],
  body: { kind: 'mlp', hidden: [4, 3], activation: 'tanh' },
  head: { loss: 'mse' },
};
const model = defineModel(SPEC);
const params = model.initialize(1);
const task = (): TaskExample => ({
  support: { inputs: { x: [[1, 2]], item: [1], tags: [[]] }, labels: [1] },
  query: {
    inputs: {
      x: [
        [1, 2],
        [0, 1],
      ],
      item: [1, 4],
      tags: [[0, 3, 3], [1]],
    },
    labels: [1, 2],
  },
});
const inner: InnerLoop = { steps: 2, learningRate: 0.1, adapt: 'all', order: 2 };

/** A deep copy of plain data with one value replaced, or removed where it is undefined. */
function edit<T>(of: T, path: (string | number)[], value: unknown): T {
  const copy = structuredClone(of);
  let at = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  const last = path.at(-1)!;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

function isTyped(error: unknown, code: ErrorCode, field: string | undefined, pattern?: RegExp): true {
  assert.ok(error instanceof InnerloopError, `a raw error escaped: ${String(error)}`);
  assert.equal(error.code, code, error.message);
  if (field !== undefined) assert.equal(error.field, field, error.message);
  if (pattern !== undefined) assert.match(error.message, pattern);
  return true;
}
const refuses = (action: () => unknown, code: ErrorCode, field: string | undefined, pattern?: RegExp) =>
  assert.throws(action, (error: unknown) => isTyped(error, code, field, pattern));
const rejects = (action: Promise<unknown>, code: ErrorCode, field: string | undefined, pattern?: RegExp) =>
  assert.rejects(action, (error: unknown) => isTyped(error, code, field, pattern));

// ------------------------------------------------------------------------------------------ what a model is

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

// ------------------------------------------------------------------------------------------ bad models

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

// ------------------------------------------------------------------------------------------ bad tasks

const BAD_IDS = [-1, 5, 0.5, NaN, Infinity, 2 ** 31, 2 ** 32 + 1, 1e300, '1', null, undefined, 1n];

test('a bad task is refused by task, part, input and row', async () => {
  const pack = (path: (string | number)[], value: unknown) => () =>
    packTasks(model, [task(), edit(task(), path, value)]);
  refuses(() => packTasks(model, []), 'EMPTY_DATA', 'tasks');
  refuses(() => packTasks(model, {} as TaskExample[]), 'INVALID_OPTION', 'tasks');
  refuses(() => packTasks({} as Model, [task()]), 'INVALID_OPTION', 'model');
  refuses(() => packTasks(model, [null as unknown as TaskExample]), 'INVALID_OPTION', 'tasks[0]');
  refuses(pack(['suport'], {}), 'UNKNOWN_OPTION', 'tasks[1].suport', /did you mean support\?/);
  refuses(pack(['query'], undefined), 'INVALID_OPTION', 'tasks[1].query');
  refuses(pack(['query', 'label'], [1]), 'UNKNOWN_OPTION', 'tasks[1].query.label', /did you mean labels\?/);
  refuses(pack(['query', 'labels'], undefined), 'INVALID_OPTION', 'tasks[1].query.labels');
  refuses(pack(['query', 'labels'], [1]), 'INVALID_OPTION', 'tasks[1].query.inputs.x', /2 rows/);
  refuses(pack(['query'], { inputs: { x: [], item: [], tags: [] }, labels: [] }), 'EMPTY_DATA', 'tasks[1].query');
  for (const y of [NaN, Infinity, -Infinity, '1', null, undefined, {}])
    refuses(pack(['support', 'labels', 0], y), 'INVALID_OPTION', 'tasks[1].support.labels[0]');
  refuses(pack(['query', 'inputs'], undefined), 'INVALID_OPTION', 'tasks[1].query.inputs');
  refuses(pack(['query', 'inputs', 'tag'], []), 'UNKNOWN_OPTION', 'tasks[1].query.inputs.tag', /did you mean tags\?/);
  refuses(pack(['query', 'inputs', 'item'], undefined), 'INVALID_OPTION', 'tasks[1].query.inputs.item', /missing/);
  refuses(pack(['query', 'inputs', 'item'], '12'), 'INVALID_OPTION', 'tasks[1].query.inputs.item');
  refuses(pack(['query', 'inputs', 'item'], [1, 2, 3]), 'INVALID_OPTION', 'tasks[1].query.inputs.item', /has 3 rows/);
  refuses(pack(['query', 'inputs', 'x', 1], [1]), 'INVALID_OPTION', 'tasks[1].query.inputs.x[1]', /has 1 values/);
  refuses(pack(['query', 'inputs', 'x', 1], 3), 'INVALID_OPTION', 'tasks[1].query.inputs.x[1]');
  refuses(pack(['query', 'inputs', 'x', 1, 0], NaN), 'INVALID_OPTION', 'tasks[1].query.inputs.x[1][0]');
  refuses(pack(['query', 'inputs', 'x', 1, 0], -Infinity), 'INVALID_OPTION', 'tasks[1].query.inputs.x[1][0]');
  refuses(pack(['query', 'inputs', 'tags', 0], 2), 'INVALID_OPTION', 'tasks[1].query.inputs.tags[0]');
  for (const id of BAD_IDS) {
    refuses(
      () => packTasks(model, [edit(task(), ['query', 'inputs', 'item'], [0, id])]),
      'INVALID_OPTION',
      'tasks[0].query.inputs.item[1]',
    );
    refuses(
      () => packTasks(model, [edit(task(), ['query', 'inputs', 'tags'], [[], [0, id === 5 ? 4 : id]])]),
      'INVALID_OPTION',
      'tasks[0].query.inputs.tags[1][1]',
    );
  }
});

test('an array-like of a bad length is refused', async () => {
  for (const length of [-1, 0.5, NaN, 2 ** 53, 1e300, Infinity]) {
    const rows = {
      inputs: { x: { length }, item: { length }, tags: { length } },
      labels: { length },
    } as unknown as TaskExample['query'];
    refuses(() => packTasks(model, [{ support: rows, query: task().query }]), 'INVALID_OPTION', undefined);
  }
});

test('labels must fit the loss', async () => {
  const labelled = (head: ModelSpec['head'], y: number) => () => {
    const own = defineModel({ ...SPEC, head });
    return packTasks(own, [edit(task(), ['query', 'labels'], [0, y])]);
  };
  for (const y of [-0.1, 1.1, 2])
    refuses(labelled({ loss: 'bce' }, y), 'INVALID_OPTION', 'tasks[0].query.labels[1]', /probability/);
  for (const y of [-1, 3, 0.5, 1e300])
    refuses(labelled({ loss: 'softmax', classes: 3 }, y), 'INVALID_OPTION', 'tasks[0].query.labels[1]', /class/);
  labelled({ loss: 'bce' }, 0.25)();
  labelled({ loss: 'softmax', classes: 3 }, 2)();
});

test('a detached buffer reads as empty, a view at an offset and shared memory as what they show', async () => {
  const detached = new Float64Array([1, 2]);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  refuses(
    () =>
      packTasks(
        model,
        [edit(task(), ['query', 'labels'], undefined)].map((t) => ({ ...t, query: { ...t.query, labels: detached } })),
      ),
    'EMPTY_DATA',
    'tasks[0].query',
  );
  const gone = { ...params, 'mlp.2.bias': { shape: [1], data: Float32Array.of(1) } };
  structuredClone(gone['mlp.2.bias'].data.buffer, { transfer: [gone['mlp.2.bias'].data.buffer] });
  await rejects(
    metaGradient(model, gone, packTasks(model, [task()]), inner),
    'INVALID_OPTION',
    'params.mlp.2.bias.data',
    /holds 0 values/,
  );

  const shared = (values: ArrayLike<number>) => {
    const view = new Float32Array(new SharedArrayBuffer(4 * values.length + 12), 8, values.length);
    view.set(values);
    return view;
  };
  const offset = (values: ArrayLike<number>) => {
    const view = new Float32Array(new ArrayBuffer(4 * values.length + 12), 4, values.length);
    view.set(values);
    return view;
  };
  const expected = await metaGradient(model, params, packTasks(model, [task()]), inner);
  for (const view of [shared, offset]) {
    const viewed = Object.fromEntries(
      Object.entries(params).map(([name, { shape, data }]) => [name, { shape, data: view(data) }]),
    );
    const { support, query } = task();
    const batch = packTasks(model, [
      { support, query: { inputs: { ...query.inputs, item: view([1, 4]) }, labels: view([1, 2]) } },
    ]);
    identical((await metaGradient(model, viewed, batch, inner)).gradient, expected.gradient, view.name);
  }
});

// ------------------------------------------------------------------------------------------ bad calls

const BAD_TENSORS: [change: (p: Parameters) => unknown, code: ErrorCode, field: string, pattern?: RegExp][] = [
  [() => null, 'INVALID_OPTION', ''],
  [() => 3, 'INVALID_OPTION', ''],
  [
    (p) => ({ ...p, 'mlp.0.wieght': p['mlp.0.weight'] }),
    'UNKNOWN_OPTION',
    '.mlp.0.wieght',
    /did you mean mlp\.0\.weight\?/,
  ],
  [({ 'mlp.0.bias': _, ...rest }) => rest, 'INVALID_OPTION', '.mlp.0.bias', /missing/],
  [(p) => ({ ...p, 'mlp.0.bias': null }), 'INVALID_OPTION', '.mlp.0.bias'],
  [
    (p) => ({ ...p, 'mlp.0.weight': { ...p['mlp.0.weight'], shape: [7, 4] } }),
    'INVALID_OPTION',
    '.mlp.0.weight.shape',
    /\[4, 7\]/,
  ],
  [(p) => ({ ...p, 'mlp.0.weight': { ...p['mlp.0.weight'], shape: [28] } }), 'INVALID_OPTION', '.mlp.0.weight.shape'],
  [
    (p) => ({ ...p, 'mlp.0.weight': { shape: [4, 7], data: new Float32Array(27) } }),
    'INVALID_OPTION',
    '.mlp.0.weight.data',
    /27 values/,
  ],
  [
    (p) => ({ ...p, 'mlp.0.weight': { shape: [4, 7], data: new Int32Array(28) } }),
    'INVALID_OPTION',
    '.mlp.0.weight.data',
    /Float32Array/,
  ],
  [
    (p) => ({ ...p, 'mlp.0.weight': { shape: [4, 7], data: Array.from(p['mlp.0.weight'].data) } }),
    'INVALID_OPTION',
    '.mlp.0.weight.data',
  ],
];

test('bad parameters are refused by name in every call', async () => {
  const batch = packTasks(model, [task()]);
  const { query } = task();
  for (const [change, code, field, pattern] of BAD_TENSORS) {
    const bad = change(params) as Parameters;
    await rejects(metaGradient(model, bad, batch, inner), code, `params${field}`, pattern);
    await rejects(adapt(model, bad, batch, inner), code, `params${field}`, pattern);
    await rejects(hessianVectorProduct(model, bad, query, params), code, `params${field}`, pattern);
    await rejects(hessianVectorProduct(model, params, query, bad), code, `vector${field}`, pattern);
    if (field !== '') await rejects(predict(model, bad, query), code, `params${field}`, pattern);
    if (field !== '' && pattern?.source !== 'missing')
      await rejects(predict(model, params, query, bad), code, `adapted${field}`, pattern);
  }
  const misspelt = { 'mlp.0.wieght': params['mlp.0.weight'] };
  await rejects(
    predict(model, params, query, misspelt),
    'UNKNOWN_OPTION',
    'adapted.mlp.0.wieght',
    /did you mean mlp\.0\.weight\?/,
  );
  await rejects(predict(model, null as unknown as Parameters, query), 'INVALID_OPTION', undefined);
  await rejects(predict(model, params, query, null as unknown as Parameters), 'INVALID_OPTION', 'adapted');
});

test('a bad inner loop is refused by field', async () => {
  const batch = packTasks(model, [task()]);
  const bad = async (change: object, code: ErrorCode, field: string, pattern?: RegExp) => {
    const loop = { ...inner, ...change };
    await rejects(metaGradient(model, params, batch, loop), code, field, pattern);
    await rejects(adapt(model, params, batch, loop), code, field, pattern);
  };
  for (const steps of [-1, 1.5, NaN, 1e300, 10001, '2', undefined])
    await bad({ steps }, 'INVALID_OPTION', 'innerLoop.steps');
  for (const order of [0, 3, '2', undefined]) await bad({ order }, 'INVALID_OPTION', 'innerLoop.order');
  for (const shrinkage of [-1, NaN, Infinity, '1']) await bad({ shrinkage }, 'INVALID_OPTION', 'innerLoop.shrinkage');
  for (const learningRate of [NaN, Infinity, '0.1', null, undefined])
    await bad({ learningRate }, 'INVALID_OPTION', 'innerLoop.learningRate');
  await bad({ stepts: 1 }, 'UNKNOWN_OPTION', 'innerLoop.stepts', /did you mean steps\?/);
  await bad({ adapt: 'al' }, 'INVALID_OPTION', 'innerLoop.adapt');
  await bad({ adapt: ['mlp.0.wieght'] }, 'UNKNOWN_OPTION', 'innerLoop.adapt[0]', /did you mean mlp\.0\.weight\?/);
  await bad({ adapt: ['mlp.*', 'gru.*'] }, 'UNKNOWN_OPTION', 'innerLoop.adapt[1]', /embedding\.item\.weight/);
  await bad({ adapt: [3] }, 'INVALID_OPTION', 'innerLoop.adapt[0]');
  const steps = (n: number) => ({ shape: [n], data: new Float32Array(n) });
  await bad(
    { adapt: ['mlp.2.*'], learningRate: { 'mlp.2.weight': steps(2) } },
    'INVALID_OPTION',
    'innerLoop.learningRate.mlp.2.bias',
    /missing/,
  );
  await bad(
    { adapt: ['mlp.2.*'], learningRate: { 'mlp.2.weight': steps(3), 'mlp.2.bias': steps(2) } },
    'INVALID_OPTION',
    'innerLoop.learningRate.mlp.2.weight.shape',
    /\[2\]/,
  );
  await bad(
    { adapt: ['mlp.2.bias'], learningRate: { 'mlp.2.bias': steps(2), 'mlp.1.bias': steps(2) } },
    'UNKNOWN_OPTION',
    'innerLoop.learningRate.mlp.1.bias',
  );
  await rejects(metaGradient(model, params, batch, null as unknown as InnerLoop), 'INVALID_OPTION', 'innerLoop');
  await rejects(
    metaGradient(model, params, batch, inner, { direction: 'reptil' as 'reptile' }),
    'INVALID_OPTION',
    'options.direction',
    /did you mean reptile\?/,
  );
  await rejects(
    metaGradient(model, params, batch, inner, { signal: {} as AbortSignal }),
    'INVALID_OPTION',
    'options.signal',
  );
  await rejects(
    predict(model, params, task().query, {}, { sginal: 1 } as object),
    'UNKNOWN_OPTION',
    'options.sginal',
    /did you mean signal\?/,
  );
});

test('models, batches and rows of another kind are refused', async () => {
  const other = defineModel(SPEC);
  const batch = packTasks(other, [task()]);
  await rejects(metaGradient(model, params, batch, inner), 'INVALID_OPTION', 'batch', /another model/);
  await rejects(metaGradient(model, params, {} as typeof batch, inner), 'INVALID_OPTION', 'batch');
  await rejects(metaGradient({} as Model, params, batch, inner), 'INVALID_OPTION', 'model');
  await rejects(predict({} as Model, params, task().query), 'INVALID_OPTION', 'model');
  await rejects(predict(model, params, { inputs: { x: [], item: [], tags: [] } }), 'EMPTY_DATA', 'rows');
  await rejects(
    predict(model, params, { inputs: { x: [[1, 2]], item: [9], tags: [[]] } }),
    'INVALID_OPTION',
    'rows.inputs.item[0]',
  );
  await rejects(hessianVectorProduct(model, params, { ...task().query, labels: [] }, params), 'EMPTY_DATA', 'rows');
});

test('what is not finite is named by its task', async () => {
  const hot = edit(task(), ['query', 'labels'], [1e30, 0]);
  const batch = packTasks(model, [task(), edit(task(), ['support', 'labels'], [1e30]), hot]);
  const wild = { ...inner, steps: 5, learningRate: 1e10 };
  await rejects(metaGradient(model, params, batch, wild), 'DIVERGED', undefined, /task [012]/);
  await rejects(adapt(model, params, batch, wild), 'DIVERGED', undefined, /task [012]/);
  const nan = { ...params, 'mlp.2.bias': { shape: [1], data: Float32Array.of(NaN) } };
  await rejects(metaGradient(model, nan, batch, inner), 'DIVERGED', undefined);
  await rejects(adapt(model, nan, batch, inner), 'DIVERGED', undefined);
});

test('a gradient that is not finite is refused even where the loss is finite', async () => {
  // Loss 1e38 in float64 accumulation, but its gradient 2e19 · 1e30 overflows float32.
  const linear = defineModel({
    inputs: [{ name: 'x', kind: 'dense', size: 1 }],
    body: { kind: 'mlp', hidden: [] },
    head: { loss: 'mse' },
  });
  const own = {
    'mlp.0.weight': { shape: [1, 1], data: Float32Array.of(0) },
    'mlp.0.bias': { shape: [1], data: Float32Array.of(0) },
  };
  const rows = { inputs: { x: [[1e30]] }, labels: [1e19] };
  await rejects(
    metaGradient(linear, own, packTasks(linear, [{ support: rows, query: rows }]), { ...inner, steps: 0 }),
    'DIVERGED',
    undefined,
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

// ------------------------------------------------------------------------------------------ the internal functions

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
