/** The outer optimizers against their textbook forms in plain float64, through the training of a learner. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { RateKind } from '../../lib/meta/algorithm.js';
import { maml } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { InnerLoop, LabelledRows, Parameters, TaskSet } from '../../lib/foundation/contract.js';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { adam, sgd } from '../../lib/meta/outer-update.js';
import type { Optimizer } from '../../lib/meta/outer-update.js';
import { random } from '../../lib/foundation/random.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { combine, distance, norm } from '../fixtures/random-model.js';

// ------------------------------------------------------------------------------------------ the reference

/** Rows of an embedding that a step touches; a tensor that is not named is touched as a whole. */
type Touched = Record<string, Set<number>>;

/**
 * SGD with momentum and Adam with decoupled weight decay; moments decay at every step, parameters move where touched. L2 that a
 * row missed while no step touched it comes with the next step that does.
 */
class Reference {
  readonly values: Parameters;
  readonly #first: Parameters;
  readonly #second: Parameters;
  /** By parameter: the last step that moved it. */
  readonly #last: Parameters;
  #step = 0;
  constructor(start: Parameters) {
    this.values = combine(start, 1);
    this.#first = combine(start, 0);
    this.#second = combine(start, 0);
    this.#last = combine(start, 0);
  }
  update(gradient: Parameters, touched: Touched, o: Optimizer, rate: number, decay: (name: string) => number): void {
    this.#step++;
    const length = norm(gradient);
    const scale = o.clipNorm !== undefined && length > o.clipNorm ? o.clipNorm / length : 1;
    for (const [name, { shape, data: p }] of Object.entries(this.values)) {
      const [m, v] = [this.#first[name].data, this.#second[name].data];
      for (let i = 0; i < p.length; i++) {
        const isTouched = touched[name] === undefined || touched[name].has(Math.floor(i / shape[1]));
        let g = gradient[name].data[i] * scale;
        assert.ok(isTouched || g === 0, `${name}[${i}] has a gradient and is not in the batch`);
        if (isTouched) {
          assert.ok(o.l2 === undefined || typeof o.l2 === 'number', 'one number');
          g += (o.l2 ?? 0) * (this.#step - this.#last[name].data[i]) * p[i];
          this.#last[name].data[i] = this.#step;
        }
        let move: number;
        if (o.name === 'sgd') {
          m[i] = o.momentum * m[i] + g;
          move = rate * m[i];
        } else {
          m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
          v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
          const [mean, variance] = [m[i] / (1 - o.beta1 ** this.#step), v[i] / (1 - o.beta2 ** this.#step)];
          move = (rate * mean) / (Math.sqrt(variance) + o.epsilon);
        }
        if (isTouched) p[i] -= move + rate * decay(name) * p[i];
      }
    }
  }
}

// ------------------------------------------------------------------------------------------ tiny users

const USERS = 12;
const ITEMS = 9;
const dataset = (() => {
  const stream = random(1, 'labels');
  const [user, item, label]: number[][] = [[], [], []];
  for (let u = 0; u < USERS; u++)
    for (let k = 0; k < 4; k++) (user.push(u), item.push((u + 2 * k) % ITEMS), label.push(stream.normal()));
  return datasetFromColumns({
    user,
    item,
    label,
    itemFeatures: {
      id: Array.from({ length: ITEMS }, (_, i) => i),
      features: { size: { kind: 'dense', values: Array.from({ length: ITEMS }, (_, i) => Math.sin(i)) } },
    },
  });
})();
const tasks: TaskSet = buildTasks(dataset, { query: 2, seed: 2 });
const model = defineModel(
  {
    inputs: describeInputs(
      dataset,
      [{ name: 'item', dim: 3 }, { name: 'size' }],
      Int32Array.from({ length: dataset.size }, (_, r) => r),
    ),
    body: { kind: 'mlp', hidden: [4], activation: 'tanh' },
    head: { loss: 'mse' },
  },
  { precision: 'float64' },
);
const size = dataset.items.columns[0];
const offset = dataset.label.reduce((a, b) => a + b, 0) / dataset.size;
const ALPHA = 0.1;
const STEPS = 2;
const SEED = 5;

const rowsOf = (rows: Int32Array): LabelledRows => {
  const items = Array.from(rows, (r) => dataset.item[r]);
  return {
    inputs: { item: items, size: items.map((i) => [size.data[i]]) },
    labels: Array.from(rows, (r) => dataset.label[r] - offset),
  };
};
const examples = Array.from({ length: tasks.size }, (_, t) => ({
  support: rowsOf(tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1])),
  query: rowsOf(tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1])),
}));

const constant = (shapeOf: (shape: readonly number[]) => number[]): Parameters =>
  Object.fromEntries(
    model.tensors.map(({ name, shape }) => {
      const own = shapeOf(shape);
      return [name, { shape: own, data: new Float64Array(own.reduce((a, b) => a * b, 1)).fill(ALPHA) }];
    }),
  );

/** Trains and follows it with the reference; the largest distance of any parameter or rate, after any epoch. */
async function compare(
  optimizer: Optimizer,
  metaBatch: number,
  rates: RateKind,
  decay: (name: string) => number,
  factor: (progress: number) => number,
) {
  const epochs = 4;
  const learner = createLearner({
    model,
    algorithm: maml({ steps: STEPS, learningRate: ALPHA, rates }),
    optimizer,
    seed: SEED,
  });
  const reference = new Reference(model.initialize(SEED));
  const rateReference = new Reference(constant((shape) => (rates === 'perStep' ? [STEPS] : [...shape])));
  const rateOptimizer = adam({ clipNorm: rates === 'perStep' ? undefined : optimizer.clipNorm });
  let off = 0;
  let clipped = 0;
  for await (const { epoch, gradientNorm } of train(learner, tasks, { epochs, metaBatch, redraw: false })) {
    const order = random(SEED, 'train.order', epoch).shuffle(Int32Array.from({ length: tasks.size }, (_, t) => t));
    const steps = Math.ceil(tasks.size / metaBatch);
    let norms = 0;
    for (let s = 0; s < steps; s++) {
      const chosen = Array.from(order.subarray(s * metaBatch, (s + 1) * metaBatch), (t) => examples[t]);
      const inner: InnerLoop = {
        steps: STEPS,
        learningRate: rates === 'fixed' ? ALPHA : rateReference.values,
        adapt: 'all',
        order: 2,
      };
      const { gradient, learningRateGradient } = await metaGradient(
        model,
        reference.values,
        packTasks(model, chosen),
        inner,
      );
      const items = new Set(
        chosen.flatMap(({ support, query }) => [support, query].flatMap(({ inputs }) => inputs['item'] as number[])),
      );
      const touched = { 'embedding.item.weight': items };
      const rate = optimizer.learningRate * factor((epoch - 1 + s / steps) / epochs);
      if (rates !== 'fixed')
        rateReference.update(
          learningRateGradient!,
          rates === 'perStep' ? {} : touched,
          rateOptimizer,
          rate * ALPHA,
          () => 0,
        );
      reference.update(gradient, touched, optimizer, rate, decay);
      norms += norm(gradient) / steps;
      if (optimizer.clipNorm !== undefined && norm(gradient) > optimizer.clipNorm) clipped++;
    }
    off = Math.max(off, distance(learner.parameters(), reference.values), Math.abs(norms - gradientNorm));
    if (rates === 'perParameter') off = Math.max(off, distance(model.read(learner.rateStore!), rateReference.values));
    if (rates === 'perStep') {
      const expected = Object.values(rateReference.values).flatMap(({ data }) => [...data]);
      expected.forEach((x, i) => (off = Math.max(off, Math.abs(learner.stepRates![i] - x))));
    }
  }
  assert.ok(distance(learner.parameters(), model.initialize(SEED)) > 1e-3, 'nothing was learned');
  return { off, clipped };
}

const none = () => 0;
const flat = () => 1;
const CASES: [
  what: string,
  optimizer: Optimizer,
  decay?: (name: string) => number,
  factor?: (progress: number) => number,
][] = [
  ['sgd', sgd({ learningRate: 0.05 })],
  ['sgd with momentum', sgd({ learningRate: 0.05, momentum: 0.8 })],
  ['sgd with weight decay', sgd({ learningRate: 0.05, momentum: 0.5, weightDecay: 0.1 }), () => 0.1],
  ['adam', adam({ learningRate: 0.02 })],
  ['adam with other moments', adam({ learningRate: 0.02, beta1: 0.5, beta2: 0.8, epsilon: 1e-3 })],
  ['adam without moments', adam({ learningRate: 0.02, beta1: 0, beta2: 0 })],
  ['clipping', adam({ learningRate: 0.02, clipNorm: 0.5 })],
  ['clipping sgd', sgd({ learningRate: 0.1, momentum: 0.9, clipNorm: 0.5 })],
  ['weight decay', adam({ learningRate: 0.02, weightDecay: 0.3 }), () => 0.3],
  ['l2', sgd({ learningRate: 0.05, l2: 0.2 })],
  ['l2 with momentum', sgd({ learningRate: 0.05, momentum: 0.7, l2: 0.2 })],
  ['l2 with adam', adam({ learningRate: 0.02, l2: 0.2 })],
  ['l2 with clipping', adam({ learningRate: 0.02, l2: 0.2, clipNorm: 0.5 })],
  [
    'weight decay by name, the last match counts',
    adam({ learningRate: 0.02, weightDecay: { '*': 0.1, 'mlp.*': 0.5, 'mlp.1.bias': 0 } }),
    (name) => (name === 'mlp.1.bias' ? 0 : name.startsWith('mlp.') ? 0.5 : 0.1),
  ],
  ['a linear schedule', adam({ learningRate: 0.02, schedule: 'linear' }), none, (x) => 1 - x],
  [
    'a cosine schedule',
    sgd({ learningRate: 0.05, schedule: 'cosine' }),
    none,
    (x) => 0.5 * (1 + Math.cos(Math.PI * x)),
  ],
];

for (const [what, optimizer, decay = none, factor = flat] of CASES) {
  test(`the update is the textbook's: ${what}`, async () => {
    // One batch an epoch touches all rows; batches of one and of five touch few, so that others miss steps.
    for (const metaBatch of [USERS, 1, 5]) {
      const { off, clipped } = await compare(optimizer, metaBatch, 'fixed', decay, factor);
      assert.ok(off <= 1e-12, `batches of ${metaBatch}: off by ${off}`);
      if (optimizer.clipNorm !== undefined) assert.ok(clipped > 0, 'nothing was clipped');
    }
  });
}

test('learned rates follow Adam in proportion to where they start', async () => {
  for (const rates of ['perParameter', 'perStep'] as const) {
    for (const optimizer of [
      adam({ learningRate: 0.02 }),
      sgd({ learningRate: 0.02, schedule: 'linear' }),
      adam({ learningRate: 0.02, clipNorm: 0.3 }),
    ]) {
      for (const metaBatch of [USERS, 5]) {
        const { off } = await compare(
          optimizer,
          metaBatch,
          rates,
          none,
          optimizer.schedule === 'linear' ? (x) => 1 - x : flat,
        );
        assert.ok(off <= 1e-9, `${rates}, ${optimizer.name}, batches of ${metaBatch}: off by ${off}`);
      }
    }
  }
});

test('rows longer than maxNorm are scaled back, others are left alone', async () => {
  const LIMIT = 0.15;
  for (const optimizer of [
    adam({ learningRate: 0.02, maxNorm: LIMIT }),
    sgd({ learningRate: 0.3, maxNorm: { 'embedding.*': LIMIT } }),
  ]) {
    const limited = createLearner({ model, algorithm: maml({ steps: 1, learningRate: ALPHA }), optimizer, seed: SEED });
    const free = createLearner({
      model,
      algorithm: maml({ steps: 1, learningRate: ALPHA }),
      optimizer: { ...optimizer, maxNorm: 0 },
      seed: SEED,
    });
    for (const learner of [limited, free])
      for await (const report of train(learner, tasks, { epochs: 1, metaBatch: USERS, redraw: false }))
        assert.ok(report);
    const table = (learner: typeof limited) => learner.parameters()['embedding.item.weight'];
    const [a, b] = [table(limited), table(free)];
    const [, dim] = a.shape as [number, number];
    let long = 0;
    for (let r = 1; r * dim < a.data.length; r++) {
      const [row, whole] = [a, b].map(({ data }) => data.subarray(r * dim, (r + 1) * dim));
      const length = Math.hypot(...whole);
      const factor = length > LIMIT ? LIMIT / length : 1;
      if (factor < 1) long++;
      // One batch of all users touches every row but that of unknown items.
      row.forEach((x, i) => assert.ok(Math.abs(x - whole[i] * factor) < 1e-12, `row ${r}: ${x}`));
    }
    assert.ok(long > 0, 'no row was long enough');
  }
  assert.throws(
    () => createLearner({ model, algorithm: maml(), optimizer: adam({ maxNorm: { 'mlp.*': 1 } }) }),
    /maxNorm.*mlp\.0\.weight is not an embedding table/,
  );
});

test('rows that no batch touches keep their bits', async () => {
  for (const optimizer of [adam({ learningRate: 0.1, weightDecay: 0.5 }), sgd({ momentum: 0.9, weightDecay: 0.5 })]) {
    for (const precision of ['float32', 'float64'] as const) {
      const own = defineModel(model.spec, { precision });
      const learner = createLearner({
        model: own,
        algorithm: maml({ steps: 1, rates: 'perParameter' }),
        optimizer,
        seed: SEED,
      });
      // Users 0 and 1 have rated the items 0 to 7 (table rows are the ids + 1; row 0 is "unknown").
      const few = buildTasks(dataset, { query: 2, rows: Int32Array.from({ length: 8 }, (_, r) => r) });
      const met = new Set([...few.supportRows, ...few.queryRows].map((row) => dataset.item[row]));
      assert.equal(met.size, ITEMS - 1);
      for await (const _ of train(learner, few, { epochs: 3, metaBatch: 2 })) void _;
      const [before, after] = [own.initialize(SEED), learner.parameters()].map((p) => p['embedding.item.weight'].data);
      const rates = own.read(learner.rateStore!)['embedding.item.weight'].data;
      const start = precision === 'float32' ? Math.fround(0.01) : 0.01;
      for (let i = 0; i < before.length; i++) {
        const row = Math.floor(i / 3);
        if (met.has(row)) assert.notEqual(after[i], before[i], `row ${row} was met`);
        else assert.ok(Object.is(after[i], before[i]) && rates[i] === start, `row ${row} was never met`);
      }
    }
  }
});

test('optimizer options are checked by name', async () => {
  const bads: [() => unknown, RegExp][] = [
    [() => adam({ learningrate: 1 } as object), /adam\.learningrate.*did you mean learningRate\?/],
    [() => adam({ momentum: 0.9 } as object), /adam\.momentum/],
    [() => sgd({ beta1: 0.9 } as object), /sgd\.beta1/],
    [() => adam({ learningRate: 0 }), /adam\.learningRate/],
    [() => adam({ learningRate: NaN }), /adam\.learningRate/],
    [() => adam({ beta1: 1 }), /adam\.beta1/],
    [() => adam({ beta2: -0.1 }), /adam\.beta2/],
    [() => adam({ epsilon: 0 }), /adam\.epsilon/],
    [() => sgd({ momentum: 1 }), /sgd\.momentum/],
    [() => sgd({ clipNorm: 0 }), /sgd\.clipNorm/],
    [() => sgd({ schedule: 'cosin' as 'cosine' }), /sgd\.schedule.*did you mean cosine\?/],
    [() => sgd({ weightDecay: -1 }), /sgd\.weightDecay/],
    [() => sgd({ weightDecay: { 'mlp.*': NaN } }), /sgd\.weightDecay\.mlp/],
    [() => sgd({ weightDecay: null as unknown as number }), /sgd\.weightDecay/],
    [() => adam(null as unknown as object), /adam/],
  ];
  for (const [action, pattern] of bads) {
    assert.throws(action, (error: unknown) => {
      assert.ok(error instanceof InnerloopError, `a raw error escaped: ${String(error)}`);
      assert.match(error.message, pattern);
      return true;
    });
  }
});
