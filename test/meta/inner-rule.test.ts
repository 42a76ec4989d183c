/** Inner rules, proximal terms and multi-step losses against unrolled derivatives and finite differences; options of the inner loop. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import { packTasks } from '../../lib/batch/batch.js';
import type { Activation, InnerLoop, InnerRule, Parameters, TaskExample } from '../../lib/foundation/contract.js';
import { adapt } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { random } from '../../lib/foundation/random.js';
import { anyShape, build, combine, derivative, direction, dot, norm } from '../fixtures/random-model.js';
import type { Case } from '../fixtures/random-model.js';
import { anyExtras, implicitCase, map, withExtras } from '../fixtures/inner-rules.js';

const ALL = ['relu', 'tanh', 'sigmoid', 'softplus', 'identity'] as const satisfies Activation[];
const SMOOTH = ALL.slice(1);
const limitOf = (rule: InnerRule): number => (typeof rule === 'object' && rule.clipNorm) || Infinity;
const RUNS = 40;

const named = (x: Parameters, names: readonly string[]): Parameters =>
  Object.fromEntries(names.map((name) => [name, x[name]]));

/** The numbers of a rule. */
function numbersOf(rule: InnerRule): { kind: string; beta1: number; beta2: number; epsilon: number } {
  if (typeof rule === 'string' || rule.kind === 'sgd') return { kind: 'sgd', beta1: 0, beta2: 0, epsilon: 0 };
  if (rule.kind === 'momentum') return { kind: 'momentum', beta1: rule.momentum!, beta2: 0, epsilon: 0 };
  return { kind: 'adam', beta1: rule.beta1!, beta2: rule.beta2!, epsilon: rule.epsilon! };
}

/**
 * The meta-loss of one task and its derivative along (u, a) in parameters and rates, unrolled by hand in forward mode: every
 * quantity x has a tangent dx. Nothing of the core's way back is in it but products with the support loss's Hessian.
 */
async function unrolled(
  c: Case,
  inner: InnerLoop,
  task: TaskExample,
  u: Parameters,
  a: Parameters | undefined,
  perStep: boolean,
): Promise<{ loss: number; slope: number }> {
  const { model, params } = c;
  const { steps, learningRate, order, shrinkage = 0, proximal = 0, lossWeights } = inner;
  const { kind, beta1, beta2, epsilon } = numbersOf(inner.inner!);
  const fast = Object.keys(
    (
      await adapt(model, params, packTasks(model, [task]), {
        ...inner,
        steps: 0,
        learningRate: 0,
        lossWeights: undefined,
      })
    )[0],
  );
  let theta = named(params, fast);
  let dTheta = named(u, fast);
  const zero = combine(theta, 0);
  let [m, dm, s, ds] = [zero, zero, zero, zero];
  const n = task.support.labels.length;
  const share = n === 0 ? 1 : n / (n + shrinkage);
  let [loss, slope] = [0, 0];
  const add = async (weight: number) => {
    const query = await hessianVectorProduct(model, { ...params, ...theta }, task.query, { ...u, ...dTheta });
    loss += weight * query.loss;
    slope += weight * dot(query.gradient, { ...u, ...dTheta });
  };
  for (let k = 0; k < steps; k++) {
    const at = { ...params, ...theta };
    const { gradient, product } =
      n === 0
        ? { gradient: combine(params, 0), product: combine(params, 0) }
        : await hessianVectorProduct(model, at, task.support, { ...u, ...dTheta });
    const raw = map(
      theta,
      (name, i) => share * gradient[name].data[i] + proximal * (theta[name].data[i] - params[name].data[i]),
    );
    const dRaw = map(theta, (name, i) =>
      order === 1 ? 0 : share * product[name].data[i] + proximal * (dTheta[name].data[i] - u[name].data[i]),
    );
    const [length, limit] = [norm(raw), limitOf(inner.inner!)];
    const cut = length > limit;
    const g = cut ? combine(raw, limit / length) : raw;
    const dLength = cut ? dot(raw, dRaw) / length : 0;
    const dg = cut ? combine(dRaw, limit / length, raw, (-limit * dLength) / length ** 2) : dRaw;
    const mean = kind === 'adam' ? 1 - beta1 : 1;
    [m, dm] = [combine(m, beta1, g, mean), combine(dm, beta1, dg, mean)];
    const [m0, dm0, s0, ds0] = [m, dm, s, ds];
    s = map(theta, (name, i) => beta2 * s0[name].data[i] + (1 - beta2) * g[name].data[i] ** 2);
    ds = map(theta, (name, i) => beta2 * ds0[name].data[i] + 2 * (1 - beta2) * g[name].data[i] * dg[name].data[i]);
    const move = (name: string, i: number): [number, number] => {
      if (kind === 'sgd') return [g[name].data[i], dg[name].data[i]];
      if (kind === 'momentum') return [m0[name].data[i], dm0[name].data[i]];
      const [c1, c2] = [1 - beta1 ** (k + 1), 1 - beta2 ** (k + 1)];
      const root = Math.sqrt(s[name].data[i] / c2);
      const dRoot = root === 0 ? 0 : ds[name].data[i] / c2 / (2 * root);
      const hat = m0[name].data[i] / c1;
      return [
        hat / (root + epsilon),
        dm0[name].data[i] / c1 / (root + epsilon) - (hat * dRoot) / (root + epsilon) ** 2,
      ];
    };
    const rate = (from: number | Parameters | undefined, name: string, i: number): number => {
      if (typeof from !== 'object') return from ?? 0;
      return from[name].data[perStep ? k : i];
    };
    const [before, dBefore] = [theta, dTheta];
    theta = map(before, (name, i) => before[name].data[i] - rate(learningRate, name, i) * move(name, i)[0]);
    dTheta = map(
      before,
      (name, i) =>
        dBefore[name].data[i] - rate(learningRate, name, i) * move(name, i)[1] - rate(a, name, i) * move(name, i)[0],
    );
    if (lossWeights !== undefined && lossWeights[k] !== 0) await add(lossWeights[k]);
  }
  if (lossWeights === undefined || steps === 0) await add(1);
  return { loss, slope };
}

test('every rule, proximal term and multi-step loss has the derivative of its unrolled steps, at both orders', async () =>
  fc.assert(
    fc.asyncProperty(
      anyShape(ALL),
      anyExtras,
      fc.constantFrom(1 as const, 2 as const),
      async (shape, extras, order) => {
        const c = build(shape, 'float64', order);
        const inner = withExtras(c, extras);
        const { loss, gradient, learningRateGradient } = await metaGradient(c.model, c.params, c.batch, inner);
        const u = direction(c.params, c.stream);
        const a = typeof inner.learningRate === 'number' ? undefined : direction(inner.learningRate, c.stream);
        const tasks = await Promise.all(
          c.tasks.map((task) => unrolled(c, inner, task, u, a, shape.rates === 'perStep')),
        );
        const mean = (of: 'loss' | 'slope') => tasks.reduce((sum, task) => sum + task[of], 0) / tasks.length;
        assert.ok(
          Math.abs(loss - mean('loss')) <= 1e-12 * Math.max(1, Math.abs(loss)),
          `loss ${loss} is not ${mean('loss')}`,
        );
        const slope = dot(gradient, u) + (a === undefined ? 0 : dot(learningRateGradient!, a));
        const scale = Math.max(1, norm(gradient), learningRateGradient === undefined ? 0 : norm(learningRateGradient));
        assert.ok(Math.abs(slope - mean('slope')) <= 1e-10 * scale, `slope ${slope} is not ${mean('slope')}`);
      },
    ),
    { seed: 1, numRuns: 3 * RUNS, endOnFailure: true },
  ));

test('every rule, proximal term and multi-step loss has the derivative of finite differences', async () =>
  fc.assert(
    fc.asyncProperty(anyShape(SMOOTH), anyExtras, async (shape, extras) => {
      const c = build({ ...shape, steps: Math.max(1, shape.steps) });
      const inner = withExtras(c, extras);
      const { gradient, learningRateGradient } = await metaGradient(c.model, c.params, c.batch, inner);
      const at = async (params: Parameters, learningRate: InnerLoop['learningRate']) =>
        (await metaGradient(c.model, params, c.batch, { ...inner, learningRate, order: 1 })).loss;
      const u = direction(c.params, c.stream);
      const { slope, doubt } = await derivative((x) => at(combine(c.params, 1, u, x), inner.learningRate), 2e-4);
      const allowed = 1e-7 * Math.max(norm(gradient), 1e-2);
      // |g| in Adam's √ŝ has a kink at 0: a coordinate that crosses it within the step proves nothing.
      // So has a gradient that becomes longer than its limit.
      const judged = (d: number) =>
        (numbersOf(inner.inner!).kind !== 'adam' && limitOf(inner.inner!) === Infinity) || d <= allowed;
      if (judged(doubt))
        assert.ok(Math.abs(slope - dot(gradient, u)) <= allowed, `${dot(gradient, u)} is not ${slope}`);
      if (typeof inner.learningRate === 'number') return;
      const rates = inner.learningRate;
      const a = direction(rates, c.stream);
      const difference = await derivative((x) => at(c.params, combine(rates, 1, a, x)), 2e-4);
      const wide = 1e-7 * Math.max(norm(learningRateGradient!), 1e-2);
      if (judged(difference.doubt))
        assert.ok(
          Math.abs(difference.slope - dot(learningRateGradient!, a)) <= wide,
          `rates: ${dot(learningRateGradient!, a)} is not ${difference.slope}`,
        );
    }),
    { seed: 2, numRuns: RUNS, endOnFailure: true },
  ));

test('float32 agrees with float64', async () =>
  fc.assert(
    fc.asyncProperty(anyShape(ALL), anyExtras, async (shape, extras) => {
      const [a, b] = await Promise.all(
        (['float32', 'float64'] as const).map((precision) => {
          const c = build(shape, precision);
          return metaGradient(c.model, c.params, c.batch, withExtras(c, extras));
        }),
      );
      assert.ok(Math.abs(a.loss - b.loss) <= 2e-4 * Math.max(1e-2, Math.abs(b.loss)));
      const u = direction(b.gradient, random(shape.seed, 'float32'));
      assert.ok(Math.abs(dot(a.gradient, u) - dot(b.gradient, u)) <= 5e-4 * Math.max(1e-2, norm(b.gradient)));
    }),
    { seed: 3, numRuns: RUNS, endOnFailure: true },
  ));

test('a cut that never happens changes nothing, one that always does gives steps of one length', async () => {
  const c = build({ ...fc.sample(anyShape(SMOOTH), { seed: 9, numRuns: 1 })[0], steps: 3, rates: 'scalar' });
  const run = (inner: InnerRule) => metaGradient(c.model, c.params, c.batch, { ...c.inner, inner });
  const [plain, wide, narrow] = [
    await run('sgd'),
    await run({ kind: 'sgd', clipNorm: 1e9 }),
    await run({ kind: 'sgd', clipNorm: 1e-6 }),
  ];
  assert.ok(norm(combine(plain.gradient, 1, wide.gradient, -1)) <= 1e-12 * Math.max(1, norm(plain.gradient)));
  assert.ok(norm(combine(plain.gradient, 1, narrow.gradient, -1)) > 1e-6);
  const one = { ...c.inner, steps: 1, learningRate: 0.5, inner: { kind: 'sgd', clipNorm: 1e-3 } } as const;
  for (const [t, adapted] of (await adapt(c.model, c.params, c.batch, one)).entries()) {
    const moved = norm(combine(adapted, 1, named(c.params, Object.keys(adapted)), -1));
    assert.ok(
      c.tasks[t].support.labels.length === 0 ? moved === 0 : Math.abs(moved - 5e-4) < 1e-12,
      `moved by ${moved}`,
    );
  }
});

test('momentum 0 and no proximal term are plain steps; weights on the last step alone change nothing', async () =>
  fc.assert(
    fc.asyncProperty(anyShape(ALL), async (shape) => {
      const c = build({ ...shape, steps: Math.max(1, shape.steps) });
      const plain = await metaGradient(c.model, c.params, c.batch, c.inner);
      const others: Partial<InnerLoop>[] = [
        { inner: { kind: 'momentum', momentum: 0 } },
        { proximal: 0, inner: { kind: 'sgd' } },
        { lossWeights: Array.from({ length: c.inner.steps }, (_, k) => Number(k === c.inner.steps - 1)) },
      ];
      for (const other of others) {
        const { gradient, loss } = await metaGradient(c.model, c.params, c.batch, { ...c.inner, ...other });
        assert.ok(Math.abs(loss - plain.loss) <= 1e-12 * Math.max(1, loss));
        assert.ok(
          norm(combine(gradient, 1, plain.gradient, -1)) <= 1e-11 * Math.max(1, norm(gradient)),
          JSON.stringify(other),
        );
      }
    }),
    { seed: 4, numRuns: RUNS / 2, endOnFailure: true },
  ));

test('options of the inner loop are checked by name', async () => {
  const { model, params, batch, inner } = implicitCase(1, 'all', 2);
  const attempt = (options: object) => async () =>
    metaGradient(model, params, batch, { ...inner, implicit: undefined, ...options });
  const cases: [object, RegExp][] = [
    [{ inner: 'nesterov' }, /innerLoop\.inner/],
    [{ inner: { kind: 'adam', momentum: 0.5 } }, /innerLoop\.inner\.momentum/],
    [{ inner: { kind: 'momentum', momentum: 1 } }, /innerLoop\.inner\.momentum/],
    [{ inner: { kind: 'adam', epsilon: 0 } }, /innerLoop\.inner\.epsilon/],
    [{ inner: { kind: 'sgd', clipNorm: 0 } }, /innerLoop\.inner\.clipNorm/],
    [{ inner: { kind: 'adam', clipNorm: NaN } }, /innerLoop\.inner\.clipNorm/],
    [{ inner: 3 }, /innerLoop\.inner/],
    [{ proximal: -1 }, /innerLoop\.proximal/],
    [{ lossWeights: [1] }, /innerLoop\.lossWeights.*2, one for each step/],
    [{ lossWeights: [1, NaN] }, /innerLoop\.lossWeights\[1\]/],
    [{ implicit: {}, proximal: 0 }, /innerLoop\.proximal.*implicit/],
    [{ implicit: {}, order: 1 }, /innerLoop\.order/],
    [{ implicit: {}, lossWeights: [0, 1] }, /innerLoop\.lossWeights/],
    [{ implicit: { cgStep: 1 } }, /did you mean cgSteps\?/],
    [{ implicit: { cgSteps: 0 } }, /innerLoop\.implicit\.cgSteps/],
  ];
  for (const [options, pattern] of cases) await assert.rejects(attempt(options), pattern);
});
