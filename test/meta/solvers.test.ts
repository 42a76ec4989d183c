/** Solvers that are no gradient steps: last layers in closed form and the LSTM meta-learner, against definitions and differences. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import '../../lib/serving/adapt.js';
import { innerLoopOf } from '../../lib/meta/algorithm.js';
import type { Algorithm } from '../../lib/meta/algorithm.js';
import { laplace, lstmMetaLearner, ridge } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { ModelSpec, Parameters, TaskExample, Tensor } from '../../lib/foundation/contract.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { random } from '../../lib/foundation/random.js';
import { gauss } from '../fixtures/gauss.js';
import { combine, derivative, direction, distance, dot, norm, rows, vector } from '../fixtures/random-model.js';

const SPEC: ModelSpec = {
  inputs: [
    { name: 'c', kind: 'categorical', cardinality: 5, dim: 3 },
    { name: 'b', kind: 'bag', cardinality: 4, dim: 2 },
    { name: 'x', kind: 'dense', size: 2 },
  ],
  body: { kind: 'mlp', hidden: [6], activation: 'tanh' },
  head: { loss: 'mse' },
};
const LIKES: ModelSpec = { ...SPEC, head: { loss: 'bce' } };

/** An algorithm on a model, as a learner runs it. */
function on(algorithm: Algorithm, spec: ModelSpec, precision: 'float32' | 'float64' = 'float64') {
  const given = defineModel(spec, { precision });
  const extension = algorithm.extend!(given);
  const model = given.extend(extension.tensors);
  const inner = innerLoopOf(algorithm, model, extension);
  const call = (params: Parameters, tasks: TaskExample[]) => ({
    store: model.store(params),
    batch: packTasks(model, tasks).native,
    inner,
    threads: 2,
  });
  return {
    model,
    async gradient(params: Parameters, tasks: TaskExample[]) {
      const { loss, gradient } = await model.ops.metaGradient({ ...call(params, tasks), direction: 'metaGradient' });
      return { loss, gradient: model.named(gradient) };
    },
    /** Query outputs and aᵀ M⁻¹ a, adapting on the way and from an adapted task. */
    async variances(params: Parameters, task: TaskExample) {
      const both = call(params, [task]);
      const after = await model.ops.predict({ ...both, before: false, after: true, variance: true });
      const [adapted] = await model.ops.adapt(both);
      const before = await model.ops.predict({ ...both, adapted, before: true, after: false, variance: true });
      assert.deepEqual(before.variance, after.variance);
      assert.deepEqual(before.before, after.after);
      return { outputs: [...after.after!], variance: [...after.variance!] };
    },
    /** aᵀ M⁻¹ a of the query rows, and their outputs under weights drawn by given normal numbers; all from packed parameters. */
    async packed(params: Parameters, task: TaskExample) {
      const both = call(params, [task]);
      const [adapted] = await model.ops.adapt({ ...both, packed: true, factor: true });
      const selection = { fast: inner.fast };
      const predict = { ...both, selection, before: true, after: false };
      const { variance } = await model.ops.predict({ ...predict, adapted: [adapted], variance: true });
      const draw = (normals: Float64Array) => {
        const options = { store: both.store, adapted: [adapted] as const, selection, normals, scale: 1 };
        return [
          ...model.ops.predictSync({ ...predict, adapted: [model.ops.sampleAdapted(model.native, options)] }).before!,
        ];
      };
      return { variance: [...variance!], draw };
    },
    async adapt(params: Parameters, task: TaskExample) {
      const { store, ...rest } = call(params, [task]);
      const [adapted] = await model.ops.adapt({ store, ...rest });
      return model.named(model.ops.readAdapted(adapted, store));
    },
  };
}

const tasksOf = (spec: ModelSpec, seed: number, sizes: readonly number[], weighted = false): TaskExample[] =>
  sizes.map((n, t) => ({
    support: rows(spec, n, random(seed, 'support', t), weighted),
    query: rows(spec, 2 + t, random(seed, 'query', t), weighted),
  }));

// ------------------------------------------------------------------------------------------ last layers in closed form

const CLOSED: [string, Algorithm, ModelSpec][] = (['diagonal', 'full'] as const).flatMap(
  (covariance): [string, Algorithm, ModelSpec][] => [
    [`ridge, ${covariance}`, ridge({ covariance }), SPEC],
    [`laplace, ${covariance}`, laplace({ covariance }), LIKES],
  ],
);

/** Λ = L Lᵀ from the parameters of the prior. */
function precisionOf(params: Parameters): number[][] {
  const ell = params['prior.logPrecision'].data;
  const d = ell.length;
  const factor = params['prior.factor']?.data;
  const lower = Array.from({ length: d }, (_, i) =>
    Array.from({ length: d }, (_, j) => (i === j ? Math.exp(ell[i] / 2) : j < i && factor ? factor[i * d + j] : 0)),
  );
  return lower.map((a) => lower.map((b) => a.reduce((sum, x, k) => sum + x * b[k], 0)));
}

for (const [name, algorithm, spec] of CLOSED) {
  test(`${name}: the meta-gradient is that of finite differences, the prior's included`, async () => {
    const { model, gradient: gradientOf } = on(algorithm, spec);
    for (let seed = 1; seed <= 6; seed++) {
      const stream = random(seed, name);
      const params = vector(model, random(seed, 'params'));
      const tasks = tasksOf(spec, seed, [0, 1, 4, 12], seed % 2 === 0);
      const { gradient } = await gradientOf(params, tasks);
      for (const { name: tensor } of model.tensors) {
        const u = direction({ [tensor]: params[tensor] }, stream);
        const moved = (x: number) => ({ ...params, ...combine({ [tensor]: params[tensor] }, 1, u, x) });
        const { slope } = await derivative(async (x) => (await gradientOf(moved(x), tasks)).loss, 1e-3);
        const along = dot({ [tensor]: gradient[tensor] }, u);
        assert.ok(
          Math.abs(slope - along) <= 1e-8 * Math.max(1, norm(gradient)),
          `seed ${seed}, ${tensor}: ${along} is not ${slope}`,
        );
      }
    }
  });

  test(`${name}: the adapted layer is stationary, and without support the prior mean`, async () => {
    const { model, adapt } = on(algorithm, spec);
    const given = defineModel(spec, { precision: 'float64' });
    for (let seed = 1; seed <= 6; seed++) {
      const params = vector(model, random(seed, 'params'));
      const [none, task] = tasksOf(spec, seed, [0, 3 * seed], seed % 2 === 0);
      const own = (p: Parameters) => Object.fromEntries(given.tensors.map((t) => [t.name, p[t.name]]));
      assert.ok(
        distance(await adapt(params, none), {
          'mlp.1.weight': params['mlp.1.weight'],
          'mlp.1.bias': params['mlp.1.bias'],
        }) <= 1e-15,
      );
      const adapted = await adapt(params, task);
      const { gradient } = await hessianVectorProduct(
        given,
        { ...own(params), ...adapted },
        task.support,
        combine(own(params), 0),
      );
      const weights = task.support.weights as number[] | undefined;
      const total = weights?.reduce((a, b) => a + b, 0) ?? 3 * seed;
      const flat = (p: Parameters) => [...p['mlp.1.weight'].data, ...p['mlp.1.bias'].data];
      const delta = flat(adapted).map((w, i) => w - flat(params)[i]);
      // mse has (o − y)², the likelihood half of it.
      const scale = spec.head.loss === 'mse' ? total / 2 : total;
      const force = precisionOf(params).map(
        (row, i) => scale * flat(gradient)[i] + row.reduce((sum, x, j) => sum + x * delta[j], 0),
      );
      for (const f of force) assert.ok(Math.abs(f) <= 1e-9, `seed ${seed}: ${f} is left`);
    }
  });

  test(`${name}: float32 agrees with float64`, async () => {
    const [a, b] = [on(algorithm, spec, 'float32'), on(algorithm, spec)];
    const params = vector(b.model, random(3, 'params'));
    const tasks = tasksOf(spec, 3, [2, 9]);
    const [x, y] = await Promise.all([a.gradient(params, tasks), b.gradient(params, tasks)]);
    assert.ok(Math.abs(x.loss - y.loss) <= 1e-5 * y.loss);
    assert.ok(distance(x.gradient, y.gradient) <= 2e-4 * norm(y.gradient));
  });
}

for (const covariance of ['diagonal', 'full'] as const) {
  test(`the variance of a prediction is aᵀ M⁻¹ a, ${covariance}`, async () => {
    const line = (loss: 'mse' | 'bce'): ModelSpec => ({
      inputs: [{ name: 'x', kind: 'dense', size: 3 }],
      body: { kind: 'mlp', hidden: [] },
      head: { loss },
    });
    for (const [algorithm, spec] of [
      [ridge({ covariance }), line('mse')],
      [laplace({ covariance }), line('bce')],
    ] as const) {
      const { model, variances, adapt } = on(algorithm, spec);
      const params = vector(model, random(1, 'params'));
      // Fewer rows than the four weights, and more.
      for (const n of [0, 1, 3, 6]) {
        const [task] = tasksOf(spec, n, [n]);
        const features = (of: 'support' | 'query') => (task[of].inputs['x'] as number[][]).map((x) => [...x, 1]);
        const adapted = await adapt(params, task);
        const w = [...adapted['mlp.0.weight'].data, adapted['mlp.0.bias'].data[0]];
        const output = (a: number[]) => a.reduce((sum, x, i) => sum + x * w[i], 0);
        const m = precisionOf(params);
        for (const a of features('support')) {
          const p = sigmoid(output(a));
          const s = spec.head.loss === 'mse' ? 1 : p * (1 - p);
          m.forEach((row, i) => row.forEach((_, j) => (row[j] += s * a[i] * a[j])));
        }
        const { outputs, variance } = await variances(params, task);
        features('query').forEach((a, i) => {
          assert.ok(Math.abs(outputs[i] - output(a)) <= 1e-12);
          const expected = gauss(m, a).reduce((sum, x, j) => sum + x * a[j], 0);
          assert.ok(Math.abs(variance[i] - expected) <= 1e-12 * expected, `${variance[i]} is not ${expected}`);
        });
      }
    }
  });
}

for (const covariance of ['diagonal', 'full'] as const) {
  test(`draws from the posterior have the covariance M⁻¹, ${covariance}`, async () => {
    for (const [algorithm, spec] of [
      [ridge({ covariance }), SPEC],
      [laplace({ covariance }), LIKES],
    ] as const) {
      const { model, packed } = on(algorithm, spec);
      const params = vector(model, random(1, 'params'));
      const d = params['prior.logPrecision'].data.length;
      for (const n of [0, 1, d - 1, d, 12]) {
        const [task] = tasksOf(spec, n, [n]);
        const { draw, variance } = await packed(params, task);
        // Linear in the normal numbers: x = B z, so that B Bᵀ must be M⁻¹ in every direction a of the query rows.
        const origin = draw(new Float64Array(d));
        const columns = Array.from({ length: d }, (_, i) => {
          const moved = draw(Float64Array.from({ length: d }, (_, j) => Number(i === j)));
          return moved.map((x, j) => x - origin[j]);
        });
        variance.forEach((expected, row) => {
          const found = columns.reduce((sum, x) => sum + x[row] ** 2, 0);
          assert.ok(Math.abs(found - expected) <= 1e-9 * expected, `${n} rows: ${found} is not ${expected}`);
        });
      }
    }
  });
}

test('the full covariance with no factor is the diagonal one', async () => {
  const [full, diagonal] = [on(ridge({ covariance: 'full' }), SPEC), on(ridge(), SPEC)];
  const params = vector(diagonal.model, random(1, 'params'));
  const tasks = tasksOf(SPEC, 1, [5, 9]);
  const d = params['prior.logPrecision'].data.length;
  const [a, b] = [
    await full.gradient({ ...params, 'prior.factor': { shape: [d, d], data: new Float64Array(d * d) } }, tasks),
    await diagonal.gradient(params, tasks),
  ];
  assert.ok(Math.abs(a.loss - b.loss) <= 1e-13);
  const { 'prior.factor': factor, ...others } = a.gradient;
  assert.ok(distance(others, b.gradient) <= 1e-12);
  factor.data.forEach((g, i) =>
    assert.equal(g !== 0, i % d < Math.floor(i / d), `entry ${i}: the upper triangle has no part in it`),
  );
});

test('laplace converges on labels that a line separates, and on extreme priors', async () => {
  const { model, adapt, gradient } = on(laplace(), LIKES);
  for (const log of [-12, 12]) {
    const params = vector(model, random(2, 'params'));
    params['prior.logPrecision'].data.fill(log);
    const [task] = tasksOf(LIKES, 2, [20]);
    task.support.labels = Array.from({ length: 20 }, (_, i) =>
      Number((task.support.inputs['x'] as number[][])[i][0] > 0),
    );
    const adapted = await adapt(params, task);
    for (const { data } of Object.values(adapted)) assert.ok(data.every(Number.isFinite));
    assert.ok(Number.isFinite((await gradient(params, [task])).loss));
  }
});

// ------------------------------------------------------------------------------------------ the LSTM meta-learner

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
function preprocess(x: number): [number, number] {
  return Math.abs(x) >= Math.exp(-10) ? [Math.log(Math.abs(x)) / 10, Math.sign(x)] : [-1, Math.exp(10) * x];
}

/** θ_K of every coordinate from θ_0, the gradients and losses of the steps, and the weights, written out from the paper. */
function unrolled(p: Parameters, theta: Parameters, gradients: Parameters[], losses: number[]): Parameters {
  const [wih, whh, bias] = ['lstm.weight_ih', 'lstm.weight_hh', 'lstm.bias'].map((name) => p[name].data);
  const H = bias.length / 4;
  const gate = (kind: string, h: number[], value: number, before: number) => {
    const w = p[`lstm.${kind}.weight`].data;
    return sigmoid(
      h.reduce((sum, x, j) => sum + x * w[j], 0) + w[H] * value + w[H + 1] * before + p[`lstm.${kind}.bias`].data[0],
    );
  };
  return Object.fromEntries(
    Object.entries(theta).map(([name, { shape, data }]) => [
      name,
      {
        shape,
        data: Float64Array.from(data, (start, i) => {
          // A row of a table that the support rows do not touch.
          if (name.startsWith('embedding.') && gradients.every((g) => rowOf(g[name], i).every((x) => x === 0)))
            return start;
          let [value, f, inGate] = [start, 0, 0];
          let h = new Array<number>(H).fill(0);
          let c = new Array<number>(H).fill(0);
          gradients.forEach((g, k) => {
            const x = [...preprocess(g[name].data[i]), ...preprocess(losses[k])];
            const before = h;
            const z = Array.from(
              { length: 4 * H },
              (_, r) =>
                bias[r] +
                x.reduce((s, v, j) => s + v * wih[4 * r + j], 0) +
                before.reduce((s, v, j) => s + v * whh[H * r + j], 0),
            );
            c = c.map((old, j) => sigmoid(z[H + j]) * old + sigmoid(z[j]) * Math.tanh(z[2 * H + j]));
            h = c.map((cell, j) => sigmoid(z[3 * H + j]) * Math.tanh(cell));
            [f, inGate] = [gate('forget', h, value, f), gate('input', h, value, inGate)];
            value = f * value - inGate * g[name].data[i];
          });
          return value;
        }),
      },
    ]),
  );
}

const rowOf = ({ shape, data }: Tensor, i: number) =>
  data.subarray(Math.floor(i / shape[1]) * shape[1], (Math.floor(i / shape[1]) + 1) * shape[1]);

/** Gradient and loss of the support rows on the way: what the meta-learner reads. */
async function path(
  model: Model,
  params: Parameters,
  names: string[],
  task: TaskExample,
  steps: number,
  shrinkage: number,
) {
  const plain = defineModel(model.spec, { precision: 'float64' });
  const own = Object.fromEntries(plain.tensors.map(({ name }) => [name, params[name]]));
  let theta = Object.fromEntries(names.map((name) => [name, params[name]]));
  const start = theta;
  const [gradients, losses]: [Parameters[], number[]] = [[], []];
  const share = task.support.labels.length / (task.support.labels.length + shrinkage);
  for (let k = 0; k < steps; k++) {
    const { loss, gradient } = await hessianVectorProduct(plain, { ...own, ...theta }, task.support, combine(own, 0));
    gradients.push(combine(Object.fromEntries(names.map((name) => [name, gradient[name]])), share));
    losses.push(share * loss);
    theta = unrolled(params, start, gradients, losses);
  }
  return { plain, own, start, theta, gradients, losses };
}

for (const [what, adapted] of [
  ['all parameters', 'all'],
  ['the network', ['mlp.*']],
  ['the last layer', ['mlp.1.*']],
] as const) {
  test(`lstmMetaLearner adapts ${what} as written out, with the gradient of its gates`, async () => {
    for (const [seed, steps, hidden] of [
      [1, 1, 3],
      [2, 4, 5],
      [3, 3, 1],
    ] as const) {
      const {
        model,
        adapt,
        gradient: gradientOf,
      } = on(lstmMetaLearner({ steps, hidden, adapt: adapted === 'all' ? 'all' : [...adapted], shrinkage: 1 }), SPEC);
      const stream = random(seed, what);
      const params = vector(model, random(seed, 'params'));
      const [none, task] = tasksOf(SPEC, seed, [0, 7]);
      const names = Object.keys(await adapt(params, none));
      assert.deepEqual(
        names,
        model.tensors
          .map(({ name }) => name)
          .filter(
            (name) =>
              !name.startsWith('lstm.') && (adapted === 'all' || adapted.some((a) => name.startsWith(a.slice(0, -1)))),
          ),
      );
      const { plain, own, start, theta, gradients, losses } = await path(model, params, names, task, steps, 1);
      assert.ok(distance(await adapt(params, none), start) === 0, 'no support, no step');
      assert.ok(distance(await adapt(params, task), theta) <= 1e-12);

      const { gradient, loss } = await gradientOf(params, [task]);
      const query = async (p: Parameters) => {
        const after = unrolled(p, Object.fromEntries(names.map((name) => [name, p[name]])), gradients, losses);
        const at = { ...Object.fromEntries(Object.keys(own).map((name) => [name, p[name]])), ...after };
        return (
          await metaGradient(plain, at, packTasks(plain, [task]), {
            steps: 0,
            learningRate: 1,
            adapt: 'all',
            order: 1,
          })
        ).loss;
      };
      assert.ok(Math.abs((await query(params)) - loss) <= 1e-12);
      for (const { name: tensor } of model.tensors) {
        const u = direction({ [tensor]: params[tensor] }, stream);
        const { slope } = await derivative(
          (x) => query({ ...params, ...combine({ [tensor]: params[tensor] }, 1, u, x) }),
          1e-3,
        );
        const along = dot({ [tensor]: gradient[tensor] }, u);
        assert.ok(
          Math.abs(slope - along) <= 1e-9 * Math.max(1, norm(gradient)),
          `${what}, seed ${seed}, ${tensor}: ${along} is not ${slope}`,
        );
      }
    }
  });
}

test('lstmMetaLearner on more coordinates than a block', async () => {
  const wide: ModelSpec = { ...SPEC, body: { kind: 'mlp', hidden: [40, 9], activation: 'tanh' } };
  const { model, adapt, gradient } = on(lstmMetaLearner({ steps: 3, hidden: 4 }), wide);
  const params = vector(model, random(1, 'params'));
  const [task] = tasksOf(wide, 1, [6]);
  const names = Object.keys(await adapt(params, task));
  const { theta, start, gradients, losses } = await path(model, params, names, task, 3, 0);
  assert.ok(names.reduce((sum, name) => sum + start[name].data.length, 0) > 600);
  assert.ok(distance(await adapt(params, task), theta) <= 1e-12);
  // The tasks' own rows alone: two halves of one batch are its mean.
  const [one, two] = [await gradient(params, [task]), await gradient(params, [task, task])];
  assert.ok(distance(one.gradient, two.gradient) <= 1e-13 * norm(one.gradient));
  assert.equal(gradients.length, losses.length);
});
