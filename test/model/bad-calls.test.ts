/** A typed error for every bad argument of a call, and for what is not finite in its course. */
import { test } from 'tap';
import type { InnerLoop, Parameters } from '../../lib/foundation/contract.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { SPEC, model, params, task, inner, edit, rejects } from '../fixtures/small-model.js';

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
  await rejects(
    adapt(model, params, batch, inner, { direction: 'reptile' } as object),
    'UNKNOWN_OPTION',
    'options.direction',
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
