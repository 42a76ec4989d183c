/** Last layers in closed form, `ridge` and `laplace`: stationary, differentiable, and with the posterior that they claim. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { Algorithm } from '../../lib/meta/algorithm.js';
import { laplace, ridge } from '../../lib/algorithms/registry.js';
import type { ModelSpec, Parameters, TaskExample } from '../../lib/foundation/contract.js';
import { hessianVectorProduct } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { random } from '../../lib/foundation/random.js';
import { gauss } from '../fixtures/gauss.js';
import { combine, derivative, direction, distance, dot, norm, vector } from '../fixtures/random-model.js';
import { SPEC, on, tasksOf, sigmoid } from '../fixtures/solvers.js';

const LIKES: ModelSpec = { ...SPEC, head: { loss: 'bce' } };

const CLOSED: [string, Algorithm, ModelSpec][] = (['diagonal', 'full'] as const).flatMap(
  (covariance): [string, Algorithm, ModelSpec][] => [
    [`ridge, ${covariance}`, ridge({ covariance }), SPEC],
    [`laplace, ${covariance}`, laplace({ covariance }), LIKES],
  ],
);

const PROFILE = ['x', 'c'];
CLOSED.push(
  ['ridge, a prior mean by profile', ridge({ profile: PROFILE }), SPEC],
  ['ridge, full, a prior mean by profile', ridge({ covariance: 'full', profile: PROFILE }), SPEC],
  ['laplace, a prior mean by profile', laplace({ profile: PROFILE }), LIKES],
);

/** The mean over a task's support rows of what PROFILE names, 0 without any. */
function profileOf(params: Parameters, { inputs, labels }: TaskExample['support']): number[] {
  const table = params['embedding.c.weight'];
  const width = table.shape[1];
  const rows = Array.from(labels, (_, i) => [
    ...(inputs['x'] as number[][])[i],
    ...Array.from(table.data).slice(width * (inputs['c'] as number[])[i], width * ((inputs['c'] as number[])[i] + 1)),
  ]);
  return Array.from(
    { length: 2 + width },
    (_, j) => rows.reduce((sum, row) => sum + row[j], 0) / Math.max(1, rows.length),
  );
}

/** w̄ + U p, the bias last. */
function priorMean(params: Parameters, support: TaskExample['support']): number[] {
  const shared = [...params['mlp.1.weight'].data, ...params['mlp.1.bias'].data];
  const change = params['prior.profile.weight'];
  if (change === undefined) return shared;
  const p = profileOf(params, support);
  return shared.map((w, i) => p.reduce((sum, x, j) => sum + change.data[i * p.length + j] * x, w));
}

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
      const mean = priorMean(params, task.support);
      const delta = flat(adapted).map((w, i) => w - mean[i]);
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

test('a prior mean by profile is that of a plain ridge whose last layer is w̄ + U p, and so is its derivative', async () => {
  const [profiled, plain] = [on(ridge({ profile: PROFILE }), SPEC), on(ridge(), SPEC)];
  const params = vector(profiled.model, random(5, 'params'));
  const { 'prior.profile.weight': change, ...shared } = params;
  for (const [t, task] of tasksOf(SPEC, 5, [1, 3, 14]).entries()) {
    const mean = priorMean(params, task.support);
    const at = {
      ...shared,
      'mlp.1.weight': { ...params['mlp.1.weight'], data: Float64Array.from(mean.slice(0, -1)) },
      'mlp.1.bias': { ...params['mlp.1.bias'], data: Float64Array.from(mean.slice(-1)) },
    };
    assert.ok(distance(await profiled.adapt(params, task), await plain.adapt(at, task)) <= 1e-12, `task ${t}`);
    const [a, b] = [await profiled.gradient(params, [task]), await plain.gradient(at, [task])];
    assert.ok(Math.abs(a.loss - b.loss) <= 1e-12 * b.loss);
    const own = [...b.gradient['mlp.1.weight'].data, ...b.gradient['mlp.1.bias'].data];
    const p = profileOf(params, task.support);
    const expected = { shape: change.shape, data: Float64Array.from(own.flatMap((g) => p.map((x) => g * x))) };
    const profile = { 'prior.profile.weight': a.gradient['prior.profile.weight'] };
    assert.ok(distance(profile, { 'prior.profile.weight': expected }) <= 1e-10 * norm(b.gradient), `task ${t}`);
  }
  assert.throws(() => on(ridge({ profile: ['y'] }), SPEC), /ridge\.profile\[0\].*no such input/);
});

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
