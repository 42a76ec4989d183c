/** What comes from outside the types: refused by name, before memory is taken, with nothing changed in the process. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { maml, reptile } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import { parseConfig } from '../../lib/cli/config.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import type { InnerLoop, ModelSpec, Parameters, TaskExample } from '../../lib/foundation/contract.js';
import { estimateTraining, requireMemory } from '../../lib/learner/memory-estimate.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { adam, sgd } from '../../lib/meta/outer-update.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { decodeSafetensors } from '../../lib/files/safetensors.js';
import { encodeSealed } from '../../lib/files/sealed.js';
import { buildTasks, splitTasks, subsetTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { learnerOf, make, refuses, rejects, run, sameState, tiny } from '../fixtures/family.js';
import { identical } from '../fixtures/random-model.js';

const SPEC: ModelSpec = {
  inputs: [
    { name: 'x', kind: 'dense', size: 2 },
    { name: 'c', kind: 'categorical', cardinality: 5, dim: 3 },
    { name: 'b', kind: 'bag', cardinality: 5, dim: 2 },
  ],
  body: { kind: 'mlp', hidden: [4] },
  head: { loss: 'mse' },
};
const model = defineModel(SPEC, { threads: 1 });
const params = model.initialize(1);
const inner: InnerLoop = { steps: 1, learningRate: 0.1, adapt: 'all', order: 2 };
const part = () => ({
  inputs: {
    x: [
      [1, 2],
      [3, 4],
    ],
    c: [0, 4] as ArrayLike<number>,
    b: [[1], []] as ArrayLike<ArrayLike<number>>,
  },
  labels: [1, 2] as ArrayLike<number>,
});
const task = (): TaskExample => ({ support: part(), query: part() });

/** Memory of typed arrays and of the process that an action leaves it with, or takes at its peak as far as JavaScript can see. */
async function bounded(action: () => unknown): Promise<void> {
  const before = process.memoryUsage();
  await action();
  const after = process.memoryUsage();
  assert.ok(
    after.arrayBuffers - before.arrayBuffers < 64 * 2 ** 20 && after.rss - before.rss < 128 * 2 ** 20,
    `took ${after.rss - before.rss} bytes`,
  );
}

// ------------------------------------------------------------------------------------------ sizes

const HUGE = [
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  1e300,
  Infinity,
  -Infinity,
  NaN,
  -1,
  -0.5,
  0.5,
  '7',
  [7],
  { valueOf: () => 7 },
  null,
  true,
  7n,
];

test('sizes that are no sizes, or whose products overflow, are refused before memory is taken', async () => {
  await bounded(() => {
    for (const value of HUGE) {
      const size = value as number;
      const specs: ModelSpec[] = [
        { ...SPEC, inputs: [{ name: 'x', kind: 'dense', size }] },
        { ...SPEC, inputs: [{ name: 'c', kind: 'categorical', cardinality: size, dim: 1 }] },
        { ...SPEC, inputs: [{ name: 'c', kind: 'categorical', cardinality: 1, dim: size }] },
        { ...SPEC, inputs: [{ name: 'b', kind: 'bag', cardinality: size, dim: 1 }] },
        { ...SPEC, body: { kind: 'mlp', hidden: [size] } },
        { ...SPEC, head: { loss: 'softmax', classes: size } },
      ];
      for (const spec of specs) refuses(() => defineModel(spec), 'INVALID_OPTION');
      refuses(() => defineModel(SPEC, { threads: size }), 'INVALID_OPTION');
      if (value !== Infinity) refuses(() => maml({ steps: size }), 'INVALID_OPTION');
    }
    // Every size is legal by itself.
    const products: Partial<ModelSpec>[] = [
      { inputs: [{ name: 'c', kind: 'categorical', cardinality: 2 ** 31 - 1, dim: 65536 }] },
      { inputs: [{ name: 'c', kind: 'categorical', cardinality: 2 ** 31 - 1, dim: 2 }] },
      {
        inputs: Array.from({ length: 40 }, (_, i) => ({
          name: `c${i}`,
          kind: 'categorical' as const,
          cardinality: 2 ** 20,
          dim: 64,
        })),
      },
      { body: { kind: 'mlp', hidden: [65536, 65536] } },
      { body: { kind: 'mlp', hidden: [65536] }, head: { loss: 'softmax', classes: 65536 } },
    ];
    for (const change of products) refuses(() => defineModel({ ...SPEC, ...change }), 'INVALID_OPTION', /2\^31/);
  });
});

test('lists that lie about their length are refused before memory is taken', async () => {
  const lengths = [2 ** 31, 2 ** 32 + 1, 2 ** 40, 2 ** 53 - 1, -1, 0.5, NaN, Infinity, '2', null, undefined, {}];
  await bounded(async () => {
    for (const length of lengths) {
      const list = { length } as ArrayLike<number>;
      const lists = { length } as unknown as ArrayLike<ArrayLike<number>>;
      for (const inputs of [
        { ...part().inputs, c: list },
        { ...part().inputs, x: lists },
        { ...part().inputs, b: lists },
        { ...part().inputs, x: [list, list] },
        { ...part().inputs, b: [list, list] },
      ]) {
        refuses(() => packTasks(model, [{ support: part(), query: { ...part(), inputs } }]), 'INVALID_OPTION');
        await rejects(predict(model, params, { inputs }), 'INVALID_OPTION');
      }
      refuses(() => packTasks(model, [{ support: part(), query: { ...part(), labels: list } }]), 'INVALID_OPTION');
      refuses(() => datasetFromColumns({ user: list, item: list, label: list }), 'INVALID_OPTION');
      const tags = { kind: 'bag' as const, values: [list as unknown as ArrayLike<string>] };
      refuses(
        () => datasetFromColumns({ user: [1], item: [1], label: [1], itemFeatures: { id: [1], features: { tags } } }),
        'INVALID_DATA',
      );
      const numbers = { kind: 'dense' as const, values: [lists as unknown as ArrayLike<number>] };
      refuses(
        () =>
          datasetFromColumns({ user: [1], item: [1], label: [1], itemFeatures: { id: [1], features: { numbers } } }),
        'INVALID_DATA',
      );
    }
  });
});

test('a run that cannot fit is refused with what it needs and what there is', async () => {
  const learner = learnerOf(make('maml'));
  const { total, ...parts } = estimateTraining(learner, tiny.train);
  assert.ok(Object.values(parts).every((bytes) => bytes > 0));
  assert.equal(
    total,
    Object.values(parts).reduce((a, b) => a + b, 0),
  );
  requireMemory(total, 'train');
  refuses(
    () => requireMemory(total, 'train', total - 1),
    'UNSUPPORTED',
    /train: does not fit in memory; got "about .*B"; expected at most .*metaBatch/,
  );
  refuses(() => requireMemory(2 ** 60, 'train'), 'UNSUPPORTED', /1\d{3}000 TB|TB/);
});

// ------------------------------------------------------------------------------------------ values and buffers

test('ids that are no ids, and labels that are no numbers, name the task, input and row', async () => {
  for (const id of [
    -1,
    5,
    0.5,
    NaN,
    Infinity,
    2 ** 31,
    2 ** 32,
    -(2 ** 31),
    '1',
    null,
    undefined,
    {},
    [1],
    true,
    1n,
    Symbol('id'),
  ]) {
    const [c, b] = [
      [0, id],
      [[1], [0, id]],
    ] as unknown as [number[], number[][]];
    refuses(
      () => packTasks(model, [task(), { support: { ...part(), inputs: { ...part().inputs, c } }, query: part() }]),
      'INVALID_OPTION',
      /tasks\[1\]\.support\.inputs\.c\[1\]/,
    );
    refuses(
      () => packTasks(model, [{ support: part(), query: { ...part(), inputs: { ...part().inputs, b } } }]),
      'INVALID_OPTION',
      /tasks\[0\]\.query\.inputs\.b\[1\]\[1\]/,
    );
  }
  for (const label of [NaN, Infinity, -Infinity, '1', null, undefined, {}, 1n]) {
    const labels = [1, label] as number[];
    refuses(
      () => packTasks(model, [{ support: part(), query: { ...part(), labels } }]),
      'INVALID_OPTION',
      /labels\[1\]/,
    );
  }
});

/** Typed arrays whose memory is not what it seems. */
function detached<A extends Float32Array | Float64Array | Int32Array>(array: A): A {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}
type Resizable = ArrayBuffer & { resize(size: number): void };
const resizable = (size: number, max: number) =>
  new (ArrayBuffer as unknown as new (n: number, o: object) => Resizable)(size, { maxByteLength: max });

test('detached and shrunk buffers are refused; shared ones and views with offsets are read where they begin', async () => {
  const expected = await metaGradient(model, params, packTasks(model, [task()]), inner);
  const gone = detached(Float64Array.of(1, 2));
  refuses(() => packTasks(model, [{ support: part(), query: { ...part(), labels: gone } }]), 'EMPTY_DATA');
  refuses(
    () =>
      packTasks(model, [
        { support: part(), query: { ...part(), inputs: { ...part().inputs, c: detached(Int32Array.of(0, 4)) } } },
      ]),
    'INVALID_OPTION',
    /has 0 rows/,
  );
  const name = 'mlp.0.weight';
  const without = {
    ...params,
    [name]: { ...params[name], data: detached(params[name].data.slice() as Float32Array) },
  };
  await rejects(
    metaGradient(model, without, packTasks(model, [task()]), inner),
    'INVALID_OPTION',
    /mlp\.0\.weight.*0 values/,
  );
  const shrunk = resizable(8, 64);
  const view = new Int32Array(shrunk);
  view.set([0, 4]);
  shrunk.resize(4);
  refuses(
    () => packTasks(model, [{ support: part(), query: { ...part(), inputs: { ...part().inputs, c: view } } }]),
    'INVALID_OPTION',
    /has 1 rows/,
  );

  const at = <A extends Int32Array | Float32Array>(
    type: new (buffer: ArrayBufferLike, offset: number, length: number) => A,
    buffer: ArrayBufferLike,
    values: ArrayLike<number>,
  ): A => {
    const array = new type(buffer, 8, values.length);
    array.set(values);
    return array;
  };
  for (const make of [
    (n: number) => new SharedArrayBuffer(n),
    (n: number) => new ArrayBuffer(n),
    (n: number) => resizable(n, 4 * n),
  ]) {
    const strange = (): TaskExample['query'] => ({
      inputs: {
        ...part().inputs,
        c: at(Int32Array, make(64), [0, 4]),
        x: [at(Float32Array, make(64), [1, 2]), at(Float32Array, make(64), [3, 4])],
      },
      labels: at(Float32Array, make(64), [1, 2]),
    });
    const moved: Parameters = Object.fromEntries(
      Object.entries(params).map(([key, { shape, data }]) => [
        key,
        { shape, data: at(Float32Array, make(8 + data.byteLength), data) },
      ]),
    );
    const result = await metaGradient(
      model,
      moved,
      packTasks(model, [{ support: strange(), query: strange() }]),
      inner,
    );
    identical(result.gradient, expected.gradient, 'a view with an offset');
  }
});

test('values that change while they are read cannot put anything else into the core', async () => {
  let reads = 0;
  const growing = new Proxy([0, 4], {
    get: (target, key) => (key === 'length' ? 2 + reads++ : Reflect.get(target, key)),
  });
  const flipping = {
    length: 2,
    get 0() {
      return reads++ % 2 === 0 ? 1 : 1e9;
    },
    get 1() {
      return 1;
    },
  };
  for (const c of [growing, flipping] as ArrayLike<number>[]) {
    for (let round = 0; round < 8; round++) {
      try {
        const batch = packTasks(model, [{ support: part(), query: { ...part(), inputs: { ...part().inputs, c } } }]);
        const { loss } = await metaGradient(model, params, batch, inner);
        assert.ok(Number.isFinite(loss));
      } catch (error) {
        refuses(() => {
          throw error;
        }, 'INVALID_OPTION');
      }
    }
  }
});

// ------------------------------------------------------------------------------------------ names

/** What JSON.parse makes of it: an own property of that name, unlike in a literal. */
const polluted = (extra: object) => ({
  ...extra,
  ...(JSON.parse('{"constructor": {"prototype": {"hostile": 1}}}') as object),
});
function withProto(extra: object): object {
  const value = JSON.parse('{"__proto__": {"hostile": 1, "steps": 3}}') as object;
  for (const [key, entry] of Object.entries(extra))
    Object.defineProperty(value, key, { value: entry, enumerable: true });
  return value;
}

test('__proto__ and constructor are unknown options everywhere, and change no prototype', async () => {
  const learner = learnerOf(make('maml'));
  learner.catalog = tiny.dataset;
  const batch = packTasks(model, [task()]);
  for (const hostile of [withProto, polluted]) {
    const actions: (() => unknown)[] = [
      () => defineModel(hostile(SPEC) as ModelSpec),
      () => defineModel({ ...SPEC, head: hostile(SPEC.head) } as ModelSpec),
      () => defineModel({ ...SPEC, body: hostile(SPEC.body) } as ModelSpec),
      () => defineModel({ ...SPEC, inputs: [hostile(SPEC.inputs[0])] } as ModelSpec),
      () => defineModel(SPEC, hostile({})),
      () => packTasks(model, [hostile(task()) as TaskExample]),
      () => packTasks(model, [{ ...task(), query: hostile(part()) } as TaskExample]),
      () => packTasks(model, [{ ...task(), query: { ...part(), inputs: hostile(part().inputs) } }]),
      () => maml(hostile({})),
      () => reptile(hostile({})),
      () => adam(hostile({})),
      () => sgd(hostile({})),
      () => createLearner(hostile({ model, algorithm: maml() }) as never),
      () => metaGradient(model, hostile(params), batch, inner),
      () => metaGradient(model, params, batch, hostile(inner) as InnerLoop),
      () => metaGradient(model, params, batch, { ...inner, learningRate: hostile(params) }),
      () => adapt(model, params, batch, inner, hostile({})),
      () => predict(model, params, part(), hostile({})),
      () => hessianVectorProduct(model, params, part(), hostile(params)),
      () => run(learner, tiny.train, hostile({})),
      () => run(learner, tiny.train, { hide: hostile({}) }),
      () => evaluate(learner, tiny.test, hostile({})),
      () => learner.adapt(hostile({ items: [], labels: [] }) as never),
      () => datasetFromColumns(hostile({ user: [1], item: [1], label: [1] }) as never),
      () => buildTasks(tiny.dataset, hostile({ query: 1 }) as never),
      () => splitTasks(tiny.dataset, hostile({ protocol: 'users', tasks: { query: 1 } }) as never),
      () => loadLearner('none', hostile({})),
    ];
    for (const [i, action] of actions.entries()) {
      await rejects((async () => action())(), 'UNKNOWN_OPTION', /__proto__|constructor/).catch((error: unknown) => {
        throw new Error(`action ${i}: ${String(error)}`);
      });
    }
  }
  assert.equal(({} as Record<string, unknown>)['hostile'], undefined);
});

test('a configuration with __proto__ in any object is refused', async () => {
  const config = readFileSync(join(packageRoot(), 'bench/ml-1m.json'), 'utf8');
  parseConfig(JSON.parse(config));
  let tried = 0;
  for (let at = config.indexOf('{'); at >= 0; at = config.indexOf('{', at + 1)) {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const comma = /^\s*\}/.test(config.slice(at + 1)) ? '' : ',';
      const hostile: unknown = JSON.parse(
        `${config.slice(0, at + 1)}"${key}": {"hostile": 1}${comma}${config.slice(at + 1)}`,
      );
      // In a map of names to numbers any name may stand, but not for an object.
      const isMap = key !== '__proto__' && /"(weightDecay|l2)": $/.test(config.slice(0, at));
      refuses(() => parseConfig(hostile), isMap ? 'INVALID_OPTION' : 'UNKNOWN_OPTION');
      tried++;
    }
  }
  assert.ok(tried > 20, `only ${tried} objects`);
  assert.equal(({} as Record<string, unknown>)['hostile'], undefined);
});

test('names and paths of files: nothing is written or read elsewhere', async () => {
  const root = mkdtempSync(join(tmpdir(), 'innerloop-hostile-'));
  try {
    const folder = join(root, 'a', 'b');
    for (const path of ['', 7, null, {}, ['x']]) {
      await rejects(
        run(learnerOf(make('maml')), tiny.train, { checkpoint: path as string }),
        'INVALID_OPTION',
        /checkpoint/,
      );
    }
    for (const path of ['x\0y', join(folder, 'x'), 'n'.repeat(300)]) {
      await rejects(run(learnerOf(make('maml')), tiny.train, { checkpoint: path }), 'IO');
      await rejects(saveLearner(learnerOf(make('maml')), path), 'IO');
      await rejects(loadLearner(path), path.length > 100 || path.includes('\0') ? 'IO' : 'MISSING_FILE');
    }
    assert.deepEqual(readdirSync(root), []);

    // Names of columns and ids that are paths elsewhere stay names.
    const evil = '../../evil';
    const dataset = datasetFromColumns({
      user: [evil, evil, evil, '/etc/x', '/etc/x', '/etc/x'],
      item: [evil, 'b', '__proto__', evil, 'b', '__proto__'],
      label: [1, 2, 3, 3, 2, 1],
      itemFeatures: { id: [evil, 'b', '__proto__'], features: { [evil]: { kind: 'dense', values: [1, 2, 3] } } },
    });
    const tasks = buildTasks(dataset, { query: 1 });
    const own = defineModel({
      inputs: [{ name: evil, kind: 'dense', size: 1 }],
      body: { kind: 'mlp', hidden: [] },
      head: { loss: 'mse' },
    });
    const learner = createLearner({ model: own, algorithm: maml() });
    for await (const _ of train(learner, tasks, { epochs: 1 })) void _;
    const file = join(root, 'model');
    await saveLearner(learner, file);
    const loaded = await loadLearner(file);
    assert.deepEqual(
      await (await loaded.adapt({ items: ['__proto__'], labels: [1] })).recommend(),
      await (await learner.adapt({ items: ['__proto__'], labels: [1] })).recommend(),
    );
    assert.deepEqual(readdirSync(root), ['model']);

    // A stranger's files with the names of ours are neither followed nor removed.
    writeFileSync(join(root, '.model.1.tmp'), 'x');
    symlinkSync('/etc/hostname', join(root, '.model.99999999.0123456789abcdef.tmp'));
    await saveLearner(learner, file);
    assert.deepEqual(readdirSync(root).sort(), ['.model.1.tmp', '.model.99999999.0123456789abcdef.tmp', 'model']);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('a model file that asks for gigabytes is refused before they are taken', async () => {
  const root = mkdtempSync(join(tmpdir(), 'innerloop-hostile-'));
  try {
    const file = join(root, 'model');
    const learner = learnerOf(make('maml'));
    await saveLearner(learner, file);
    const { tensors, metadata } = decodeSafetensors(readFileSync(file), file);
    const manifest = JSON.parse(metadata['manifest']) as {
      model: { inputs: { kind: string; cardinality?: number; vocabulary?: unknown }[]; body: { hidden: number[] } };
    };
    for (const spoil of [
      (m: typeof manifest) =>
        m.model.inputs.forEach(
          (input) => input.kind !== 'dense' && ((input.cardinality = 2 ** 28), delete input.vocabulary),
        ),
      (m: typeof manifest) => (m.model.body.hidden = [30000, 30000]),
      (m: typeof manifest) => (m.model.body.hidden = [65536, 65536]),
      (m: typeof manifest) => Object.defineProperty(m.model, '__proto__', { value: {}, enumerable: true }),
    ]) {
      const copy = structuredClone(manifest);
      spoil(copy);
      writeFileSync(file, Buffer.concat(encodeSealed(tensors, { ...metadata, manifest: JSON.stringify(copy) })));
      await bounded(() => rejects(loadLearner(file), 'MODEL_FILE'));
    }
  } finally {
    rmSync(root, { recursive: true });
  }
});

// ------------------------------------------------------------------------------------------ numbers

/** Twelve users of whom one has a feature that no gradient survives. */
function withCulprit() {
  const [user, item, label]: number[][] = [[], [], []];
  for (let u = 0; u < 12; u++) for (let i = 0; i < 8; i++) (user.push(u), item.push(i), label.push((u * i) % 5));
  const values = Array.from({ length: 12 }, (_, u) => (u === 7 ? 1e30 : 1));
  const dataset = datasetFromColumns({
    user,
    item,
    label,
    userFeatures: { id: values.map((_, u) => u), features: { age: { kind: 'dense', values, standardize: false } } },
  });
  const tasks = buildTasks(dataset, { query: 3 });
  return { tasks, sound: subsetTasks(tasks, [0, 1, 2, 3]), culprit: tasks.keys[7] };
}

test('a task that diverges is named, and neither parameters nor moments nor rates change', async () => {
  const { tasks, sound, culprit } = withCulprit();
  const linear = defineModel({
    inputs: [{ name: 'age', kind: 'dense', size: 1 }],
    body: { kind: 'mlp', hidden: [3], activation: 'identity' },
    head: { loss: 'mse' },
  });
  for (const rates of ['fixed', 'perParameter', 'perStep'] as const) {
    const [learner, untouched] = [0, 1].map(() =>
      createLearner({ model: linear, algorithm: maml({ steps: 2, learningRate: 0.01, rates }), seed: 3 }),
    );
    await rejects(
      run(learner, tasks, { epochs: 1, metaBatch: 1000 }),
      'DIVERGED',
      new RegExp(`epoch 1, task ${culprit}\\b`),
    );
    learner.labelOffset = untouched.labelOffset;
    sameState(learner, untouched, rates);
    // The same learner goes on with sound tasks.
    await run(learner, sound, { epochs: 1 });
    assert.ok(Object.values(learner.parameters()).every(({ data }) => data.every(Number.isFinite)));
  }
});

test('finite gradients beyond the range of the numbers never make a parameter infinite', async () => {
  for (const optimizer of [
    sgd({ learningRate: 1e38 }),
    adam({ learningRate: 1e38 }),
    sgd({ learningRate: 1e30, momentum: 0.9 }),
  ]) {
    const learner = learnerOf(make('fomaml'), {}, { optimizer });
    await rejects(run(learner, tiny.train, { epochs: 20 }), 'DIVERGED');
    for (const [name, { data }] of Object.entries(learner.parameters()))
      assert.ok(data.every(Number.isFinite), `${optimizer.name}: ${name}`);
  }
});
