/** Sizes, ids, labels and buffers that lie are refused before memory is taken or read. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { ModelSpec, Parameters, TaskExample } from '../../lib/foundation/contract.js';
import { estimateTraining, requireMemory } from '../../lib/learner/memory-estimate.js';
import { predict } from '../../lib/meta/inner-loop.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { learnerOf, make, refuses, rejects, tiny } from '../fixtures/family.js';
import { identical } from '../fixtures/random-model.js';
import { SPEC, model, params, inner, part, task, bounded } from '../fixtures/hostile.js';

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
  const { total, held, peak, reading, ...parts } = estimateTraining(learner, tiny.train);
  assert.equal(reading, 0, 'tasks in memory are not read');
  assert.ok(held > 0 && peak > held + total, 'what the process comes to hold is more than it holds and takes');
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
