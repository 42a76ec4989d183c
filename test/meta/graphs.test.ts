/** Metric and amortised learners, and starts that programs generate: derivatives, empty support sets, serving, refusals. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { NameOf, NativeGraphSpec } from '../../lib/foundation/addon.js';
import { ALGORITHMS } from '../../lib/algorithms/registry.js';
import type { Algorithm } from '../../lib/meta/algorithm.js';
import { packTasks } from '../../lib/batch/batch.js';
import type {
  HeadSpec,
  InputSpec,
  LabelledRows,
  ModelSpec,
  Parameters,
  TaskExample,
} from '../../lib/foundation/contract.js';
import { episodeGradient } from '../../lib/meta/episode-gradient.js';
import { graphExtension } from '../../lib/meta/graphs/extension.js';
import type { TaskGraph, Node } from '../../lib/meta/graphs/graph.js';
import { noAdaptation } from '../../lib/meta/inner-loop.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { random } from '../../lib/foundation/random.js';
import type { Random } from '../../lib/foundation/random.js';
import { learnerOf, make, ratings, refuses, rejects, run, tiny } from '../fixtures/family.js';
import { combine, derivative, direction, dot, norm } from '../fixtures/random-model.js';

const INPUTS: InputSpec[] = [
  { name: 'item', kind: 'categorical', cardinality: 6, dim: 3 },
  { name: 'tags', kind: 'bag', cardinality: 4, dim: 2 },
  { name: 'x', kind: 'dense', size: 2 },
];
const spec = (head: HeadSpec, hidden = [5, 4]): ModelSpec => ({
  inputs: INPUTS,
  body: { kind: 'mlp', hidden, activation: 'tanh' },
  head,
});

function rows(head: HeadSpec, n: number, stream: Random): LabelledRows {
  const each = <V>(value: (i: number) => V) => Array.from({ length: n }, (_, i) => value(i));
  const label = (i: number) =>
    head.loss === 'mse'
      ? stream.normal()
      : head.loss === 'softmax' || head.loss === 'episode'
        ? stream.below(3)
        : head.loss === 'bce'
          ? stream.below(2)
          : Number(i % 3 === 0);
  return {
    inputs: {
      item: each(() => stream.below(6)),
      tags: each(() => each(() => stream.below(4)).slice(0, stream.below(3))),
      x: each(() => [stream.normal(), stream.normal()]),
    },
    labels: each(label),
  };
}
/** One of the tasks has no support rows, one a single row, so that a class has none. */
const tasksOf = (head: HeadSpec): TaskExample[] =>
  [0, 1, 5].map((support, t) => ({
    support: rows(head, support, random(4, 'support', t)),
    query: rows(head, 3 + t, random(4, 'query', t)),
  }));

const MSE: HeadSpec = { loss: 'mse' };
const BCE: HeadSpec = { loss: 'bce' };
const SOFTMAX: HeadSpec = { loss: 'softmax', classes: 3 };
const RANKING: HeadSpec[] = [{ loss: 'bpr' }, { loss: 'listwise' }];
/** Algorithms of programs, with the heads that they take. */
const CASES: [keyof typeof ALGORITHMS, HeadSpec[], Record<string, unknown>[]][] = [
  ['protoNets', [MSE, BCE, SOFTMAX, ...RANKING], [{}]],
  ['matchingNets', [MSE, BCE, SOFTMAX], [{}]],
  ['lwa', [MSE, BCE], [{}]],
  ['nlba', [MSE, BCE], [{ hidden: 7 }]],
  ['tanp', [MSE, BCE, SOFTMAX, ...RANKING], [{ latent: 3, hidden: 6, pool: 4, klWeight: 0.3 }]],
  ['mwuf', [MSE, BCE, ...RANKING], [{ hidden: 6 }]],
  [
    'metaEmb',
    [MSE, SOFTMAX],
    [
      { steps: 2, learningRate: 0.1 },
      { steps: 1, learningRate: 0.2, adapt: ['embedding.item.weight', 'mlp.1.*'], coldWeight: 0.4 },
      { steps: 2, learningRate: 0.1, adapt: 'all', coldWeight: 0 },
    ],
  ],
  [
    'mamo',
    [MSE, BCE],
    [
      { steps: 2, learningRate: 0.1, slots: 3, keys: 4 },
      { steps: 2, learningRate: 0.1, adapt: 'all', slots: 2 },
    ],
  ],
];
/** A fresh learner with parameters away from their first values, where more than the derivative of zeros shows. */
function learner(
  name: keyof typeof ALGORITHMS,
  options: object,
  head: HeadSpec,
  hidden?: number[],
): { learner: Learner; params: Parameters } {
  const algorithm = (ALGORITHMS[name] as (o: object) => Algorithm)(options);
  const made = createLearner({
    model: defineModel(spec(head, hidden), { precision: 'float64', threads: 2 }),
    algorithm,
    seed: 5,
  });
  const stream = random(6, 'params');
  const params = made.parameters();
  for (const { data } of Object.values(params)) data.forEach((value, i) => (data[i] = value + 0.3 * stream.normal()));
  return { learner: made, params };
}
const gradientOf = (
  { model, innerLoop }: Learner,
  params: Parameters,
  batch: ReturnType<typeof packTasks>,
  dropout: number,
  inner = {},
) =>
  model.ops.metaGradient({
    store: model.store(params),
    batch: batch.native,
    inner: { ...innerLoop, ...inner, dropout } as never,
    threads: 2,
    direction: 'metaGradient',
  });

for (const [name, heads, variants] of CASES) {
  test(`${name}: the gradient is the derivative of the loss`, async () => {
    for (const head of heads) {
      for (const options of variants) {
        const { learner: it, params } = learner(name, options, head);
        const batch = packTasks(it.model, tasksOf(head));
        const at = async (where: Parameters) =>
          gradientOf({ model: it.model, innerLoop: it.innerLoop() } as never, where, batch, 77);
        const { gradient } = await at(params);
        const g = it.model.named(gradient);
        for (const [tensor, { data }] of Object.entries(g)) assert.ok(data.every(Number.isFinite), tensor);
        const stream = random(8, name);
        let judged = 0;
        for (let i = 0; i < 6; i++) {
          const u = direction(params, stream);
          const { slope, doubt } = await derivative(async (x) => (await at(combine(params, 1, u, x))).loss, 1e-4);
          const scale = Math.max(norm(g), 1e-2);
          if (doubt > 1e-6 * scale) continue; // a kink of relu within the step
          judged++;
          assert.ok(
            Math.abs(slope - dot(g, u)) <= 2e-8 * scale,
            `${head.loss} ${JSON.stringify(options)}: ${slope} is not ${dot(g, u)}, scale ${scale}`,
          );
        }
        assert.ok(judged >= 3, `${judged} of 6 directions were smooth`);
        // Parameters of its own are learned: none is without a gradient.
        for (const tensor of Object.keys(g).filter(
          (key) => !it.model.spec.inputs.some(() => key.startsWith('embedding.') || key.startsWith('mlp.')),
        )) {
          assert.ok(
            g[tensor].data.some((x) => x !== 0),
            `${tensor} gets no gradient`,
          );
        }
      }
    }
  });

  test(`${name}: float32 agrees with float64`, async () => {
    for (const head of heads) {
      const { learner: double, params } = learner(name, variants[0], head);
      const single = createLearner({
        model: defineModel(spec(head)),
        algorithm: double.algorithm,
        seed: 5,
        parameters: params,
      });
      const [a, b] = await Promise.all(
        [double, single].map(async (it) => {
          const { loss, gradient } = await gradientOf(
            { model: it.model, innerLoop: it.innerLoop() } as never,
            params,
            packTasks(it.model, tasksOf(head)),
            77,
          );
          return { loss, gradient: it.model.named(gradient) };
        }),
      );
      assert.ok(Math.abs(a.loss - b.loss) <= 2e-4 * Math.max(1, Math.abs(a.loss)));
      assert.ok(norm(combine(a.gradient, 1, b.gradient, -1)) <= 5e-4 * norm(a.gradient), head.loss);
    }
  });

  test(`${name}: without support rows it predicts as before adaptation`, async () => {
    for (const precision of ['float32', 'float64'] as const) {
      const it = learnerOf(make(name), { precision });
      await run(it, tiny.train, { epochs: 1 });
      const items = Array.from({ length: 40 }, (_, i) => i);
      const nobody = await it.adapt({ items: [], labels: [] });
      const scores = await nobody.predict(items);
      assert.ok(scores.every(Number.isFinite));
      const { dataset, queryRows } = tiny.test;
      const before = await it.outputs(tiny.test, 'before');
      const after = await it.outputs(tiny.test, 'after');
      assert.ok(
        after.some((value, i) => value !== before[i]),
        'support rows count',
      );
      if (name === 'metaEmb' || name === 'mamo') continue; // which start from the support rows' inputs
      const off = Math.max(...queryRows.map((row, i) => Math.abs(before[i] - scores[dataset.item[row] - 1])));
      assert.ok(off <= (precision === 'float64' ? 1e-12 : 1e-5), `off by ${off}`);
    }
  });

  test(`${name}: a personal model predicts what evaluation does, without the support rows at hand`, async () => {
    const it = learnerOf(make(name), { precision: 'float64' });
    await run(it, tiny.train, { epochs: 2 });
    const { dataset, supportOffsets, supportRows, queryOffsets, queryRows } = tiny.test;
    const after = await it.outputs(tiny.test, 'after');
    for (let t = 0; t < tiny.test.size; t++) {
      const support = [...supportRows.subarray(supportOffsets[t], supportOffsets[t + 1])];
      const ids = (list: readonly number[]) => list.map((row) => dataset.items.keys.values[dataset.item[row]]);
      const me = await it.adapt({ items: ids(support), labels: support.map((row) => dataset.label[row]) });
      const query = [...queryRows.subarray(queryOffsets[t], queryOffsets[t + 1])];
      (await me.predict(ids(query))).forEach((score, i) =>
        assert.ok(Math.abs(score - after[queryOffsets[t] + i]) <= 1e-10),
      );
      assert.equal((await me.recommend({ count: 5 })).length, 5);
    }
  });
}

test('divergence names the task and leaves the parameters alone', async () => {
  for (const name of ['protoNets', 'matchingNets', 'lwa', 'nlba', 'tanp', 'mwuf'] as const) {
    const fresh = learnerOf(make(name), { precision: 'float64' });
    const parameters = combine(fresh.parameters(), 1e200);
    const it = createLearner({
      model: defineModel(fresh.model.spec, { precision: 'float64' }),
      algorithm: make(name),
      seed: 3,
      parameters,
    });
    await rejects(run(it, tiny.train), 'DIVERGED', /epoch 1, task \d+/);
    assert.deepEqual(it.parameters(), parameters, name);
    await rejects(it.outputs(tiny.test, 'after'), 'DIVERGED', /task \d+/);
  }
});

test('noise is drawn in training alone, from its key', async () => {
  const { learner: it, params } = learner('tanp', { latent: 3, hidden: 6, klWeight: 0 }, MSE);
  const batch = packTasks(it.model, tasksOf(MSE));
  const loss = async (key: number) =>
    (await gradientOf({ model: it.model, innerLoop: it.innerLoop() } as never, params, batch, key)).loss;
  const [one, again, other, none] = [await loss(1), await loss(1), await loss(2), await loss(0)];
  assert.equal(one, again);
  assert.notEqual(one, other);
  assert.notEqual(one, none);
  // Predictions have no noise at all: two in a row are equal to the bit.
  const trained = learnerOf(make('tanp'));
  await run(trained, tiny.train, { epochs: 1 });
  assert.deepEqual(await trained.outputs(tiny.test, 'after'), await trained.outputs(tiny.test, 'after'));
});

// ------------------------------------------------------------------------------------------ episodeGradient

const EPISODE: HeadSpec = { loss: 'episode', classes: 4 };

test('the episode gradient is the derivative of its loss, an absent class included', async () => {
  const model = defineModel(spec(EPISODE), { precision: 'float64' });
  const tasks = tasksOf(EPISODE);
  const params = model.initialize(3);
  const batch = packTasks(model, tasks);
  for (const method of ['prototypical', 'matching'] as const) {
    const { gradient, taskLosses, probabilities } = await episodeGradient(model, params, batch, { method });
    const u = direction(params, random(9, method));
    const { slope } = await derivative(
      async (x) => (await episodeGradient(model, combine(params, 1, u, x), batch, { method })).loss,
      1e-4,
    );
    assert.ok(Math.abs(slope - dot(gradient, u)) <= 1e-8 * norm(gradient), `${slope} is not ${dot(gradient, u)}`);
    probabilities.forEach(({ shape: [n, classes], data }, t) => {
      const present = new Set(Array.from(tasks[t].support.labels));
      let loss = 0;
      for (let r = 0; r < n; r++) {
        const p = data.subarray(r * classes, (r + 1) * classes);
        let sum = 0;
        for (const value of p) sum += value;
        assert.ok(Math.abs(sum - 1) < 1e-12);
        if (present.size > 0)
          p.forEach((value, c) => assert.ok(present.has(c) || value < 1e-9, `class ${c} has no rows but ${value}`));
        loss -= Math.log(p[tasks[t].query.labels[r]]) / n;
      }
      assert.ok(Math.abs(loss - taskLosses[t]) < 1e-6 * Math.max(1, loss), `${loss} is not ${taskLosses[t]}`);
    });
  }
});

test('the episode head and gradient refuse what they cannot use', async () => {
  const model = defineModel(spec(EPISODE));
  const params = model.initialize(1);
  const batch = packTasks(model, tasksOf(EPISODE));
  await rejects(
    episodeGradient(model, params, batch, { method: 'siamese' as 'matching' }),
    'INVALID_OPTION',
    /options\.method/,
  );
  await rejects(
    episodeGradient(model, params, batch, { methd: 'matching' } as never),
    'UNKNOWN_OPTION',
    /did you mean method\?/,
  );
  const ratings = defineModel(spec(MSE));
  await rejects(
    episodeGradient(ratings, ratings.initialize(1), packTasks(ratings, tasksOf(MSE)), { method: 'matching' }),
    'INVALID_OPTION',
    /model\.head\.loss/,
  );
  const two = defineModel({ ...spec(EPISODE), episode: { classes: 2 } });
  await rejects(
    episodeGradient(two, two.initialize(1), packTasks(two, tasksOf(EPISODE)), { method: 'matching' }),
    'INVALID_OPTION',
    /classes from 0 to 1/,
  );
  await rejects(
    metaGradient(model, params, batch, { steps: 1, learningRate: 0.1, adapt: 'all', order: 2 }),
    'INVALID_OPTION',
    /model\.head\.loss/,
  );
  refuses(() => defineModel({ ...spec(MSE), episode: { classes: 2 } }), 'INVALID_OPTION', /model\.episode/);
  refuses(() => createLearner({ model, algorithm: ALGORITHMS.protoNets() }), 'INVALID_OPTION', /model\.head\.loss/);
  refuses(
    () =>
      packTasks(model, [{ ...tasksOf(EPISODE)[1], query: { ...tasksOf(EPISODE)[1].query, labels: [0.5, 1, 1, 1] } }]),
    'INVALID_OPTION',
    /query\.labels\[0\]/,
  );
});

// ------------------------------------------------------------------------------------------ refusals

test('options and models that an algorithm cannot use are refused by name', async () => {
  const bad: [() => unknown, RegExp][] = [
    [() => ALGORITHMS.protoNets({ thresholds: [] }), /protoNets\.thresholds/],
    [() => ALGORITHMS.protoNets({ thresholds: [1, 1] }), /protoNets\.thresholds\[1\]/],
    [() => learner('protoNets', { thresholds: [0, 1] }, BCE), /protoNets\.thresholds/],
    [() => learner('protoNets', { thresholds: [0] }, SOFTMAX), /protoNets\.thresholds/],
    [() => ALGORITHMS.lwa({ threshold: NaN }), /lwa\.threshold/],
    [() => ALGORITHMS.nlba({ hidden: 0 }), /nlba\.hidden/],
    [() => ALGORITHMS.tanp({ klWeight: -1 }), /tanp\.klWeight/],
    [() => ALGORITHMS.mwuf({ hidden: 1.5 }), /mwuf\.hidden/],
    [() => ALGORITHMS.metaEmb({ coldWeight: 1 }), /metaEmb\.coldWeight/],
    [() => ALGORITHMS.mamo({ slots: 0 }), /mamo\.slots/],
    [() => learner('lwa', {}, SOFTMAX), /model\.head\.loss/],
    [() => learner('matchingNets', {}, { loss: 'bpr' }), /model\.head\.loss/],
    [() => learner('protoNets', {}, { loss: 'mse', also: [{ name: 'b', loss: 'bce' }] }), /model\.head\.also/],
  ];
  for (const [action, pattern] of bad) refuses(action, 'INVALID_OPTION', pattern);
  const two: InputSpec[] = [
    { name: 'user', kind: 'categorical', cardinality: 3, dim: 2 },
    { name: 'item', kind: 'categorical', cardinality: 3, dim: 2 },
  ];
  const mf = defineModel({ inputs: two, body: { kind: 'mf', user: 'user', item: 'item' }, head: MSE });
  for (const [name] of CASES)
    refuses(
      () =>
        createLearner({
          model: mf,
          algorithm: make(name, name === 'metaEmb' ? { adapt: ['embedding.user.weight'] } : {}),
        }),
      'INVALID_OPTION',
      /model\.body\.kind/,
    );
});

/** A program of random operations on whatever fits, all of which counts in the loss. */
function randomProgram(p: TaskGraph, stream: Random, used: Set<string>): void {
  const any = <V>(list: readonly V[]): V => list[stream.below(list.length)];
  const nodes: Node[] = [
    p.outputs('query'),
    p.outputs('support'),
    p.inputs('query', 'test'),
    p.inputs('support', 'test'),
    p.features('support', 'test'),
    p.features('query', 'test'),
    p.labels('support'),
    p.oneHot('support', 3),
    p.byThreshold([-0.5, 0.5]),
    p.constant(0.5, 'support', 2),
    p.count('support'),
    p.noise(3),
    p.parameter('own.a', 3, 4, { kind: 'normal', deviation: 1 }),
    p.parameter('own.b', 1, 4, { kind: 'normal', deviation: 1 }),
    p.lastWeights('test'),
  ];
  const softplus = (x: Node) => p.affine(p.activate(x, 'softplus'), 1, 0.5);
  const squash = (x: Node) => p.activate(x, 'tanh');
  for (let i = 0; i < 14; i++) {
    const [a, b] = [any(nodes), any(nodes)];
    const op = any([
      'linear',
      'unary',
      'affine',
      'add',
      'subtract',
      'multiply',
      'nn',
      'nt',
      'tn',
      'softmax',
      'distance',
      'cosine',
      'sumRows',
      'sumColumns',
      'concat',
      'columns',
      'flatten',
      'meanRows',
    ] as const);
    const width = typeof a.columns === 'number' ? a.columns : 0;
    const broadcasts = (b.rows === a.rows || b.rows === 1) && (b.columns === a.columns || b.columns === 1);
    const made = ((): Node | undefined => {
      switch (op) {
        case 'linear':
          return width > 0 ? p.linear(`own.${i}`, a, 3, { bias: stream.below(2) === 1 }) : undefined;
        case 'unary':
          return any([
            (x: Node) => p.activate(x, any(['tanh', 'sigmoid', 'softplus'])),
            (x: Node) => p.exp(squash(x)),
            (x: Node) => p.log(softplus(x), 0.1),
            (x: Node) => p.reciprocal(softplus(x)),
          ])(a);
        case 'affine':
          return p.affine(a, -0.7, 0.2);
        case 'add':
        case 'subtract':
        case 'multiply':
          return broadcasts ? p[op](a, b) : undefined;
        case 'nn':
          return a.columns === b.rows ? p.product(op, a, b) : undefined;
        case 'nt':
          return a.columns === b.columns ? p.product(op, a, b) : undefined;
        case 'tn':
          return a.rows === b.rows ? p.product(op, a, b) : undefined;
        case 'distance':
        case 'cosine':
          return a.columns === b.columns ? p[op](a, b) : undefined;
        case 'concat':
          return width > 0 && typeof b.columns === 'number' && (b.rows === a.rows || b.rows === 1)
            ? p.concat(a, b, a)
            : undefined;
        case 'columns':
          return width > 1 ? p.columns(a, 1, width - 1) : undefined;
        case 'flatten':
          return width > 0 && typeof a.rows === 'number' ? p.flatten(a) : undefined;
        case 'meanRows':
          return a.rows === 'support' ? p.meanRows(a) : undefined;
        default:
          return p[op](a);
      }
    })();
    if (made === undefined) continue;
    used.add(op);
    nodes.push(squash(made));
    p.auxiliary(p.sumRows(p.sumColumns(squash(made))), 0.1 + stream.uniform());
  }
  p.output(nodes[0]);
}

test('the reverse of every operation is its derivative, without support rows too', async () => {
  const used = new Set<string>();
  for (let i = 0; i < 60; i++) {
    const base = defineModel(spec(MSE), { precision: 'float64' });
    const { tensors, native } = graphExtension(
      base,
      (p) => randomProgram(p, random(14, 'random programs', i), used),
      true,
    );
    const model = base.extend(tensors);
    const { trainingGraph } = native!(model, (name) => model.tensors.findIndex((tensor) => tensor.name === name));
    const params = model.initialize(i);
    const batch = packTasks(model, tasksOf({ loss: 'softmax', classes: 3 })).native;
    const inner = { ...noAdaptation(model), graph: trainingGraph!, dropout: 5 };
    const at = (where: Parameters) =>
      model.ops.metaGradient({ store: model.store(where), batch, inner, threads: 1, direction: 'metaGradient' });
    const gradient = model.named((await at(params)).gradient);
    const u = direction(params, random(15, 'directions', i));
    const { slope, doubt } = await derivative(async (x) => (await at(combine(params, 1, u, x))).loss, 1e-4);
    const scale = Math.max(1, norm(gradient));
    assert.ok(
      doubt < 1e-4 * scale && Math.abs(slope - dot(gradient, u)) <= 1e-8 * scale,
      `program ${i}: ${slope} is not ${dot(gradient, u)}`,
    );
  }
  assert.equal(used.size, 18, `all operations but ${[...used].join(', ')}`);
});

/** Inputs, tensors and options of each operation. */
const ARITY: Record<NameOf<'Op'>, string> = {
  slot: '002',
  labels: '001',
  oneHot: '101',
  parameter: '010',
  constant: '003',
  count: '001',
  noise: '001',
  linear: '120',
  unary: '102',
  affine: '102',
  add: '200',
  subtract: '200',
  multiply: '200',
  product: '201',
  softmax: '100',
  distance: '200',
  cosine: '200',
  sumRows: '100',
  sumColumns: '100',
  concat: '200',
  columns: '102',
  flatten: '100',
};
const OPS = Object.keys(ARITY) as NameOf<'Op'>[];

test('no program that does not fit its model gets past the core, and whatever does runs', async () => {
  const model = defineModel(spec(MSE), { precision: 'float64' });
  const stream = random(12, 'programs');
  const small = () => stream.below(9) - 3;
  const list = (length: number, value: () => number) => Array.from({ length }, value);
  const call = { store: model.store(model.initialize(1)), batch: packTasks(model, tasksOf(MSE)).native, threads: 1 };
  let made = 0;
  let [ran, started] = [0, 0];
  for (let i = 0; i < 20000; i++) {
    const others = Array.from({ length: 1 + stream.below(4) }, (_, n) => {
      const op = OPS[stream.below(OPS.length)];
      const [from, tensors, options] =
        stream.below(8) > 0 ? [...ARITY[op]].map(Number) : [stream.below(3), stream.below(3), stream.below(4)];
      return {
        op,
        in: list(from, () => stream.below(n + 1)),
        tensors: list(tensors, () => stream.below(10) - 1),
        options: list(options, small),
      };
    });
    const starts = stream.below(4) === 0;
    const nodes = [{ op: 'slot' as const, in: [], tensors: [], options: [starts ? -1 : -2, -1] }, ...others];
    const program: NativeGraphSpec = {
      nodes,
      output: starts ? -1 : stream.below(4) > 0 ? 0 : stream.below(nodes.length + 1) - 1,
      classes: stream.below(4) > 0 ? 0 : stream.below(3),
      cold: 0,
      auxiliary: stream.below(4) > 0 ? [] : [{ node: stream.below(nodes.length), weight: 1 }],
      starts: starts ? [{ tensor: stream.below(9), node: stream.below(nodes.length) }] : [],
    };
    try {
      const graph = model.ops.createGraph(model.native, program);
      made++;
      const inner = {
        ...noAdaptation(model),
        fast: new Uint8Array(model.tensors.length).fill(program.starts.length > 0 ? 1 : 0),
        graph,
      };
      await model.ops.metaGradient({ ...call, inner, direction: 'metaGradient' });
      await model.ops.predict({ ...call, inner, before: true, after: true });
      ran++;
      if (starts) started++;
    } catch (error) {
      assert.match(String((error as { code?: string }).code), /^(INVALID_OPTION|DIVERGED)$/, String(error));
    }
  }
  assert.ok(ran > 1000 && started > 10, `${made} fit and ${ran} of them ran, ${started} with starts`);
});

test('a like and a dislike tell users apart', async () => {
  const it = learnerOf(make('protoNets'), { at: ratings });
  await run(it, ratings.train, { epochs: 5 });
  const [a, b] = await Promise.all(
    [
      [5, 1],
      [1, 5],
    ].map(async (labels) => (await it.adapt({ items: [1, 2], labels })).predict([1, 2])),
  );
  assert.ok(a[0] > a[1] && b[1] > b[0], `${a} and ${b}`);
});
