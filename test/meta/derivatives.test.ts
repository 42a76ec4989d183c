/** Derivatives of random models against finite differences and the identities that they must satisfy. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import type { Activation, InnerLoop, Parameters, TaskExample } from '../../lib/foundation/contract.js';
import { packTasks } from '../../lib/batch/batch.js';
import { adapt } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import {
  adapted,
  anyShape,
  build,
  combine,
  derivative,
  direction,
  distance,
  dot,
  identical,
  norm,
  symmetricProducts,
  vector,
} from '../fixtures/random-model.js';
import type { Case, Shape } from '../fixtures/random-model.js';

const SMOOTH = ['tanh', 'sigmoid', 'softplus', 'identity'] as const satisfies Activation[];
const ALL = ['relu', ...SMOOTH] as const satisfies Activation[];
/** The step, and the tolerance beside the gradient's length, for smooth functions and for relu, whose kinks are to be missed. */
const DIFFERENCES = { smooth: { h: 2e-4, tolerance: 1e-7 }, relu: { h: 1e-6, tolerance: 1e-6 } } as const;
const RUNS = 40;
/** A difference whose step crosses a kink of relu proves nothing; more of them than this and the test would not either. */
const MAX_KINKED = 4;

/** Checks a property of random shapes; `check` returns false for one that it could not judge. */
async function property(
  seed: number,
  activations: readonly Activation[],
  check: (shape: Shape) => Promise<boolean | void>,
): Promise<void> {
  let skipped = 0;
  const judged = async (shape: Shape) => {
    if ((await check(shape)) === false) skipped++;
  };
  await fc.assert(fc.asyncProperty(anyShape(activations), judged), { seed, numRuns: RUNS, endOnFailure: false });
  assert.ok(skipped <= MAX_KINKED, `${skipped} of ${RUNS} cases could not be judged`);
}

/** Whether f's derivative at 0 is `expected`; false if a kink lies in the way. @param scale of the derivative */
async function matches(
  f: (x: number) => Promise<number>,
  expected: number,
  scale: number,
  shape: Shape,
  what: string,
): Promise<boolean> {
  const { h, tolerance } = DIFFERENCES[shape.activation === 'relu' ? 'relu' : 'smooth'];
  const allowed = tolerance * Math.max(scale, 1e-2);
  const { slope, doubt } = await derivative(f, h);
  if (shape.activation === 'relu' && doubt > allowed / 4) return false;
  assert.ok(
    Math.abs(slope - expected) <= allowed,
    `${what}: the difference is ${slope}, not ${expected} (scale ${scale})`,
  );
  return true;
}

const loss = async ({ model, batch }: Case, params: Parameters, inner: InnerLoop) =>
  (await metaGradient(model, params, batch, { ...inner, order: 1 })).loss;
const asRates = ({ learningRate }: InnerLoop): Parameters | undefined =>
  typeof learningRate === 'number' ? undefined : learningRate;

for (const [kind, activations, seed] of [
  ['smooth', SMOOTH, 11],
  ['relu', ['relu'], 12],
] as const) {
  test(`the exact meta-gradient is the derivative of the loss (${kind})`, async () =>
    property(seed, activations, async (shape) => {
      const c = build(shape);
      const { gradient } = await metaGradient(c.model, c.params, c.batch, c.inner);
      for (let i = 0; i < 2; i++) {
        const u = direction(c.params, c.stream);
        const f = (x: number) => loss(c, combine(c.params, 1, u, x), c.inner);
        if (!(await matches(f, dot(gradient, u), norm(gradient), shape, 'gradient'))) return false;
      }
    }));

  test(`the exact gradient of the rates is the derivative of the loss (${kind})`, async () =>
    property(seed + 10, activations, async (shape) => {
      const c = build({ ...shape, rates: shape.rates === 'scalar' ? 'perStep' : shape.rates });
      const { learningRateGradient } = await metaGradient(c.model, c.params, c.batch, c.inner);
      const rates = asRates(c.inner)!;
      assert.deepEqual(Object.keys(learningRateGradient!).sort(), Object.keys(rates).sort());
      for (const [name, { shape: own }] of Object.entries(rates))
        assert.deepEqual(learningRateGradient![name].shape, own);
      const u = direction(rates, c.stream);
      const f = (x: number) => loss(c, c.params, { ...c.inner, learningRate: combine(rates, 1, u, x) });
      return matches(f, dot(learningRateGradient!, u), norm(learningRateGradient!), shape, 'rates');
    }));

  test(`the first-order gradient is the derivative of the query loss at a constant displacement (${kind})`, async () =>
    property(seed + 20, activations, async (shape) => {
      const c = build(shape, 'float64', 1);
      const { gradient } = await metaGradient(c.model, c.params, c.batch, c.inner);
      const after = (await adapt(c.model, c.params, c.batch, c.inner)).map((fast) => ({ ...c.params, ...fast }));
      const u = direction(c.params, c.stream);
      const f = async (x: number) => {
        const losses = await Promise.all(
          c.tasks.map((task, t) => loss(single(c, task), combine(after[t], 1, u, x), { ...c.inner, ...NO_STEPS })),
        );
        return losses.reduce((a, b) => a + b, 0) / losses.length;
      };
      return matches(f, dot(gradient, u), norm(gradient), shape, 'first order');
    }));
}

const NO_STEPS = { steps: 0, learningRate: 0 } as const;
const single = (c: Case, task: TaskExample): Case => ({ ...c, tasks: [task], batch: packTasks(c.model, [task]) });

test('the first-order gradient of the rates is −∇L_Q ∘ g_k', async () =>
  property(41, ALL, async (shape) => {
    const c = build(
      { ...shape, steps: Math.max(1, shape.steps), rates: shape.rates === 'scalar' ? 'perStep' : shape.rates },
      'float64',
      1,
    );
    const rates = asRates(c.inner)!;
    const { learningRateGradient } = await metaGradient(c.model, c.params, c.batch, c.inner);
    const expected = combine(rates, 0);
    for (const task of c.tasks) {
      const one = single(c, task);
      /** θ_k, from an inner loop of k steps. */
      const thetas: Parameters[] = [];
      for (let k = 0; k <= c.inner.steps; k++) {
        const learningRate =
          shape.rates === 'perParameter'
            ? rates
            : Object.fromEntries(
                Object.entries(rates).map(([name, { data }]) => [name, { shape: [k], data: data.slice(0, k) }]),
              );
        const [fast] = await adapt(c.model, c.params, one.batch, { ...c.inner, steps: k, learningRate });
        thetas.push({ ...c.params, ...fast });
      }
      const v = (await metaGradient(c.model, thetas[c.inner.steps], one.batch, { ...c.inner, ...NO_STEPS })).gradient;
      for (const [name, into] of Object.entries(expected)) {
        for (let k = 0; k < c.inner.steps; k++) {
          v[name].data.forEach((vi, i) => {
            const at = shape.rates === 'perParameter' ? i : k;
            const g = (thetas[k][name].data[i] - thetas[k + 1][name].data[i]) / rates[name].data[at];
            into.data[at] -= (vi * g) / c.tasks.length;
          });
        }
      }
    }
    const off = distance(learningRateGradient!, expected);
    assert.ok(off <= 1e-10 * Math.max(1, norm(expected)), `off by ${off}`);
  }));

test('the Hessian is symmetric and its product linear', async () =>
  property(51, ALL, async (shape) => {
    const { model, params, tasks, stream } = build(shape);
    const rows = tasks[0].query;
    const [u, v] = [vector(model, stream), vector(model, stream)];
    const product = async (w: Parameters) => (await hessianVectorProduct(model, params, rows, w)).product;
    const [hu, hv] = await symmetricProducts(product, u, v);
    const mixed = await product(combine(u, 0.7, v, -1.3));
    const sum = combine(hu, 0.7, hv, -1.3);
    assert.ok(distance(mixed, sum) <= 1e-12 * Math.max(1, norm(hu) + norm(hv)), `off by ${distance(mixed, sum)}`);
  }));

test('a Hessian-vector product is the derivative of the gradient', async () =>
  property(52, ALL, async (shape) => {
    const { model, params, tasks, stream } = build(shape);
    const rows = tasks[0].query;
    const v = direction(params, stream);
    const u = direction(params, stream);
    const at = (x: number) => hessianVectorProduct(model, combine(params, 1, v, x), rows, v);
    const { loss: value, gradient, product } = await at(0);
    const slope = async (x: number) => dot((await at(x)).gradient, u);
    if (!(await matches(slope, dot(product, u), Math.max(norm(product), norm(gradient)), shape, 'product')))
      return false;
    return matches(
      async (x) => (await at(x)).loss,
      dot(gradient, v),
      Math.max(norm(gradient), Math.abs(value)),
      shape,
      'gradient',
    );
  }));

test('float32 agrees with float64', async () =>
  property(61, ALL, async (shape) => {
    const [single32, double] = [build(shape, 'float32'), build(shape)];
    for (const order of [1, 2] as const) {
      const [a, b] = await Promise.all(
        [single32, double].map((c) => metaGradient(c.model, c.params, c.batch, { ...c.inner, order })),
      );
      assert.ok(
        Math.abs(a.loss - b.loss) <= 2e-4 * Math.max(Math.abs(b.loss), 1e-3),
        `loss ${a.loss} is not ${b.loss}`,
      );
      const off = distance(a.gradient, b.gradient);
      assert.ok(
        off <= 2e-4 * Math.max(largest(b.gradient), 1e-3),
        `order ${order}: off by ${off} of ${largest(b.gradient)}`,
      );
      if (b.learningRateGradient === undefined) continue;
      const ratesOff = distance(a.learningRateGradient!, b.learningRateGradient);
      assert.ok(
        ratesOff <= 2e-4 * Math.max(largest(b.learningRateGradient), 1e-3),
        `rates, order ${order}: off by ${ratesOff}`,
      );
    }
  }));

const largest = (x: Parameters): number => distance(x, combine(x, 0));

test('the gradient of a batch is the mean over its tasks, in any order', async () =>
  property(71, ALL, async (shape) => {
    for (const order of [1, 2] as const) {
      const c = build(shape, 'float64', order);
      const whole = await metaGradient(c.model, c.params, c.batch, c.inner);
      let mean = combine(c.params, 0);
      let rates = asRates(c.inner) && combine(asRates(c.inner)!, 0);
      for (const [t, task] of c.tasks.entries()) {
        const one = await metaGradient(c.model, c.params, single(c, task).batch, c.inner);
        // Not to the bit: which form of the inner loop a batch takes depends on its average task.
        assert.ok(Math.abs(one.loss - whole.taskLosses[t]) <= 1e-13 * Math.max(1, one.loss), `task ${t}`);
        mean = combine(mean, 1, one.gradient, 1 / c.tasks.length);
        rates &&= combine(rates, 1, one.learningRateGradient, 1 / c.tasks.length);
      }
      const scale = 1e-13 * Math.max(1, norm(whole.gradient));
      assert.ok(distance(whole.gradient, mean) <= scale, `order ${order}: off by ${distance(whole.gradient, mean)}`);
      if (rates) assert.ok(distance(whole.learningRateGradient!, rates) <= scale * 10, 'rates');

      const backward = await metaGradient(c.model, c.params, packTasks(c.model, [...c.tasks].reverse()), c.inner);
      assert.deepEqual([...backward.taskLosses].reverse(), [...whole.taskLosses]);
      assert.ok(distance(whole.gradient, backward.gradient) <= scale, 'reversed tasks');
    }
  }));

test('without steps the meta-gradient is the plain gradient of the query loss', async () =>
  property(81, ALL, async (shape) => {
    const c = build({ ...shape, steps: 0 });
    const [first, second] = await Promise.all(
      ([1, 2] as const).map((order) => metaGradient(c.model, c.params, c.batch, { ...c.inner, order })),
    );
    identical(first.gradient, second.gradient, 'orders');
    let mean = combine(c.params, 0);
    for (const [t, { query }] of c.tasks.entries()) {
      const plain = await hessianVectorProduct(c.model, c.params, query, c.params);
      assert.ok(Math.abs(plain.loss - second.taskLosses[t]) <= 1e-14 * Math.max(1, plain.loss));
      mean = combine(mean, 1, plain.gradient, 1 / c.tasks.length);
    }
    assert.ok(
      distance(second.gradient, mean) <= 1e-13 * Math.max(1, norm(mean)),
      `off by ${distance(second.gradient, mean)}`,
    );
    const [untouched] = await adapt(c.model, c.params, c.batch, c.inner);
    identical(
      untouched,
      Object.fromEntries(adapted(c.model, c.inner.adapt).map(({ name }) => [name, c.params[name]])),
      'adapt',
    );
  }));

test("Reptile's direction is the mean displacement", async () =>
  property(91, ALL, async (shape) => {
    const c = build(shape, 'float64', 1);
    const { gradient } = await metaGradient(c.model, c.params, c.batch, c.inner, { direction: 'reptile' });
    let mean = combine(c.params, 0);
    for (const fast of await adapt(c.model, c.params, c.batch, c.inner)) {
      mean = combine(mean, 1, combine(c.params, 1, { ...c.params, ...fast }, -1), 1 / c.tasks.length);
    }
    assert.ok(distance(gradient, mean) <= 1e-14, `off by ${distance(gradient, mean)}`);
  }));
