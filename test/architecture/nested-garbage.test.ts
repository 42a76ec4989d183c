/**
 * Garbage at every place inside valid arguments: options of options, entries of lists, supports of users. A call ends well or with an
 * `InnerloopError`, in seconds.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import * as L from '../../lib/index.js';

// Some garbage is a good name of a file.
const folder = mkdtempSync(join(tmpdir(), 'innerloop-garbage-'));
process.chdir(folder);
process.on('exit', () => {
  process.chdir(tmpdir());
  rmSync(folder, { recursive: true, force: true });
});

const rows = Array.from({ length: 240 }, (_, i) => i);
const dataset = L.datasetFromColumns({
  user: rows.map((i) => `u${i % 12}`),
  item: rows.map((i) => `i${(i * 7 + Math.floor(i / 12)) % 20}`),
  label: rows.map((i) => 1 + (i % 5)),
  duplicates: 'last',
});
const split = L.splitTasks(dataset, { protocol: 'users', validation: 0.2, test: 0.2, tasks: { query: 3 } });
const { train, validation, test: held } = split.sets;
const inputs = L.describeInputs(dataset, [{ name: 'item', dim: 2 }], split.trainRows);
const model = L.defineModel({ inputs, body: { kind: 'mlp', hidden: [3] }, head: { loss: 'mse' } }, { threads: 1 });
const learner = L.createLearner({ model, algorithm: L.ridge(), seed: 1 });
for await (const report of L.train(learner, train, { epochs: 1, metaBatch: 8 })) void report;
const me = await learner.adapt({ items: ['i1', 'i2'], labels: [1, 5] });
const numbers = (n: number) => Float64Array.from({ length: n }, (_, i) => i % 3);

type Call = [(...args: never[]) => unknown, unknown[]];
const support = { items: ['i1'], labels: [1], context: {}, features: {}, weights: [1], outside: 'clip' };
const ranking = {
  count: 2,
  among: ['i1'],
  exclude: ['i1'],
  filter: () => true,
  boost: () => 1,
  diversity: 0.2,
  explore: { seed: 1 },
  clip: true,
  minSupport: 1,
  columns: ['x'],
};
const CALLS: Record<string, Call> = {
  adam: [L.adam, [{ learningRate: 0.1, schedule: { kind: 'cosine' } }]],
  defineModel: [
    L.defineModel,
    [
      {
        inputs: [
          { name: 'x', kind: 'dense', size: 2 },
          { name: 'c', kind: 'categorical', cardinality: 3, dim: 2 },
        ],
        body: { kind: 'mlp', hidden: [3], activation: 'relu' },
        head: { loss: 'mse', auxiliary: [{ name: 'a', loss: 'mse', weight: 0.1 }] },
      },
      { threads: 1, precision: 'float32' },
    ],
  ],
  createLearner: [
    L.createLearner,
    [{ model, algorithm: L.maml(), optimizer: L.adam(), seed: 1, rows: { weights: { positive: 2 } } }],
  ],
  datasetFromColumns: [
    L.datasetFromColumns,
    [
      {
        user: ['a', 'b'],
        item: ['x', 'y'],
        label: [1, 2],
        time: [1, 2],
        itemFeatures: { id: ['x', 'y'], features: { g: { kind: 'bag', values: [['a'], ['b']] } } },
      },
    ],
  ],
  openDataset: [
    L.openDataset,
    [
      {
        interactions: {
          from: join(folder, 'none.csv'),
          columns: { user: 'a', item: 'b', label: { column: 'c', values: { x: 1 } } },
          nulls: [''],
        },
        items: { from: join(folder, 'none.csv') },
      },
    ],
  ],
  describeInputs: [L.describeInputs, [dataset, [{ name: 'item', dim: 2 }], split.trainRows]],
  buildTasks: [L.buildTasks, [dataset, { query: 3, min: 4 }]],
  splitTasks: [L.splitTasks, [dataset, { protocol: 'users', test: 0.2, seed: 1, tasks: { query: 3, min: 4 } }]],
  train: [
    L.train,
    [
      L.createLearner({ model, algorithm: L.maml(), seed: 1 }),
      train,
      { epochs: 1, metaBatch: 4, validation, metric: 'mae', patience: 2, hide: { rate: 0.1 }, weigh: 'rows' },
    ],
  ],
  evaluate: [L.evaluate, [learner, held, { metrics: ['mae'], candidates: { kind: 'task' } }]],
  evaluateScores: [L.evaluateScores, [held, { a: numbers(held.queryRows.length) }, { metrics: ['mae'] }]],
  compareMethods: [L.compareMethods, [{ a: [1, 2, 3], b: [2, 3, 4] }]],
  estimateTraining: [L.estimateTraining, [learner, train, { metaBatch: 3, snapshots: 1 }]],
  saveLearner: [L.saveLearner, [learner, join(folder, 'none', 'model.safetensors')]],
  loadLearner: [L.loadLearner, [join(folder, 'none'), { threads: 1 }]],
  'learner.adapt': [learner.adapt.bind(learner), [support, { signal: undefined }]],
  'learner.adaptMany': [learner.adaptMany.bind(learner), [[support], {}]],
  'learner.predictMany': [learner.predictMany.bind(learner), [[{ support, items: ['i1'] }], {}]],
  'learner.recommendMany': [learner.recommendMany.bind(learner), [[support], ranking]],
  'learner.similarItems': [learner.similarItems.bind(learner), ['i1', { count: 2 }]],
  'learner.itemVectors': [learner.itemVectors.bind(learner), [['i1']]],
  'learner.addItems': [learner.addItems.bind(learner), [{ id: ['i1'], features: {} }]],
  'learner.restore': [learner.restore.bind(learner), [me.toJSON()]],
  'learner.outputs': [learner.outputs.bind(learner), [held, 'after']],
  'learner.estimateNoise': [learner.estimateNoise.bind(learner), [held]],
  'me.predict': [me.predict.bind(me), [['i1'], { uncertainty: true, context: {} }]],
  'me.recommend': [me.recommend.bind(me), [ranking]],
  'me.explain': [me.explain.bind(me), ['i1', {}]],
  'me.update': [me.update.bind(me), ['i1', 1, {}]],
};
// Every algorithm with every option that it has.
for (const [name, factory] of Object.entries(L.ALGORITHMS))
  CALLS[name] = [factory, [Object.fromEntries(Object.keys(factory.options).map((option) => [option, undefined]))]];

const circle: { self?: unknown } = {};
circle.self = circle;
let deep: unknown = {};
for (let i = 0; i < 1000; i++) deep = { a: deep };
const GARBAGE: unknown[] = [
  undefined,
  null,
  true,
  NaN,
  Infinity,
  -1,
  0,
  1.5,
  2 ** 53,
  1e308,
  '',
  ' ',
  'none',
  '__proto__',
  {},
  [],
  [null],
  [{}],
  [[[]]],
  [NaN, -1],
  ['i1', {}],
  { a: { b: { c: 1 } } },
  { length: 1e9 },
  { size: 3, dataset: {} },
  JSON.parse('{"__proto__": 1, "constructor": 1}'),
  10n,
  Symbol('s'),
  () => undefined,
  new Float32Array(2),
  new Uint8Array(0),
  new Date(NaN),
  new Map([[1, 2]]),
  new Error('e'),
  /x/,
  Object.create(null),
  circle,
  deep,
];

/** What is built here, not handles: those are replaced as a whole. */
const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  ![dataset, train, validation, held].some((handle) => handle === value) &&
  (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype);

function* paths(value: unknown, depth = 0): Generator<string[]> {
  if (!isPlain(value) || depth > 5) return;
  for (const key of Object.keys(value)) {
    yield [key];
    for (const path of paths(value[key], depth + 1)) yield [key, ...path];
  }
}

/** A copy with something else at a path. */
function put(value: unknown, [key, ...rest]: string[], junk: unknown): unknown {
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<string, unknown>;
  copy[key] = rest.length === 0 ? junk : put(copy[key], rest, junk);
  return copy;
}

for (const [name, [call, args]] of Object.entries(CALLS)) {
  test(`${name}: garbage at every place inside its arguments`, async (t) => {
    let calls = 0;
    for (const path of paths(args)) {
      for (const [k, junk] of GARBAGE.entries()) {
        const started = performance.now();
        try {
          const result: unknown = await call(...(put(args, path, junk) as never[]));
          if (typeof result === 'object' && result !== null && Symbol.asyncIterator in result)
            for await (const report of result as AsyncIterable<unknown>) if (report !== undefined) break;
        } catch (error) {
          const text = String((error as Error)?.stack ?? error).slice(0, 400);
          assert.ok(error instanceof L.InnerloopError, `${path.join('.')} = garbage ${k}: ${text}`);
        }
        calls++;
        assert.ok(performance.now() - started < 60_000, `${path.join('.')} = garbage ${k} went on and on`);
      }
    }
    assert.ok(calls > 0);
    t.comment(`${calls} calls`);
  });
}
