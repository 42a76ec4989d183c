/** Random models and tasks on the device: equal to the processor, to finite differences, and to themselves to the bit. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import { packTasks } from '../../lib/batch/batch.js';
import type { InnerLoop, ModelSpec, Parameters } from '../../lib/foundation/contract.js';
import type { DeviceOption } from '../../lib/foundation/device.js';
import { random } from '../../lib/foundation/random.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import {
  anyShape,
  build,
  combine,
  derivative,
  direction,
  distance,
  dot,
  identical,
  norm,
  rows,
  symmetricProducts,
  vector,
} from '../fixtures/random-model.js';
import type { Shape } from '../fixtures/random-model.js';
import { anyExtras, implicitCase, withExtras } from '../fixtures/inner-rules.js';
import type { Extras } from '../fixtures/inner-rules.js';
import { emulations, missing, realPlugin, use } from './plugins.js';
import type { Plugin } from './plugins.js';

/** The long form is that of `npm run test:all`. */
const RUNS = process.env['INNERLOOP_TEST_ALL'] === undefined ? 25 : 150;
const BODIES: readonly Shape['body'][] = ['mlp', 'mf', 'neumf', 'twoTower', 'fm'];
const smooth = anyShape(['tanh', 'sigmoid', 'softplus', 'identity']).map(supported);
const any = anyShape(['relu', 'tanh', 'sigmoid', 'softplus', 'identity']).map(supported);

/** The nearest shape that the device does all of. */
function supported(shape: Shape): Shape {
  return { ...shape, also: false, body: BODIES.includes(shape.body) ? shape.body : 'mlp' };
}

function close(actual: Parameters, expected: Parameters, tolerance: number, what: string): void {
  const off = distance(actual, expected);
  assert.ok(off <= tolerance * Math.max(1, norm(expected)), `${what} is off by ${off}`);
}

/** Everything that the device computes for a case, as tensors; with extras, of another inner loop. */
async function everything(shape: Shape, device: DeviceOption, extras?: Extras): Promise<Record<string, Parameters>> {
  const built = build(shape);
  const { model: onCpu, params, tasks, stream } = built;
  const inner = extras === undefined ? built.inner : withExtras(built, extras);
  const model = defineModel(onCpu.spec, { precision: 'float64', threads: 2, device });
  const batch = packTasks(model, tasks);
  const result: Record<string, Parameters> = {};
  const numbers = (values: ArrayLike<number>) => ({
    values: { shape: [values.length], data: Float64Array.from(values) },
  });
  for (const order of [1, 2] as const) {
    const of = await metaGradient(model, params, batch, { ...inner, order });
    result[`gradient of order ${order}`] = of.gradient;
    result[`losses of order ${order}`] = numbers([of.loss, ...of.taskLosses]);
    if (of.learningRateGradient !== undefined) result[`rates of order ${order}`] = of.learningRateGradient;
  }
  if (shape.rates === 'scalar')
    result['reptile'] = (await metaGradient(model, params, batch, inner, { direction: 'reptile' })).gradient;
  for (const [t, task] of (await adapt(model, params, batch, inner)).entries()) {
    result[`adapted ${t}`] = task;
    const { data } = await predict(model, params, { inputs: tasks[t].query.inputs }, task);
    result[`outputs ${t}`] = numbers(data);
  }
  const hvp = await hessianVectorProduct(model, params, tasks[0].query, vector(model, stream));
  Object.assign(result, {
    product: hvp.product,
    'gradient of rows': hvp.gradient,
    'loss of rows': numbers([hvp.loss]),
  });
  return result;
}

function compare(plugin: Plugin, expectedOn: DeviceOption, check: typeof close | typeof identical, seed: number): void {
  test(`random models on ${plugin.name} are as on ${expectedOn === 'cpu' ? 'the processor' : 'the emulation'}`, () =>
    fc.assert(
      fc.asyncProperty(any, fc.option(anyExtras, { nil: undefined }), async (shape, extras) => {
        if (expectedOn === 'cuda') use(emulations[0]);
        const expected = await everything(shape, expectedOn, extras);
        use(plugin);
        const actual = await everything(shape, 'cuda', extras);
        assert.deepEqual(Object.keys(actual), Object.keys(expected));
        for (const [name, tensors] of Object.entries(expected)) {
          if (check === identical) identical(actual[name], tensors, name);
          else close(actual[name], tensors, 1e-10, name);
        }
      }),
      { seed, numRuns: RUNS, endOnFailure: true },
    ));
}

/** Wide enough for every way through the products, and for tasks that share blocks. */
const wide: ModelSpec = {
  inputs: [
    { name: 'x', kind: 'dense', size: 70 },
    { name: 'item', kind: 'categorical', cardinality: 40, dim: 9 },
    { name: 'genres', kind: 'bag', cardinality: 12, dim: 5, pooling: 'mean' },
  ],
  body: { kind: 'mlp', hidden: [33, 17], activation: 'tanh' },
  head: { loss: 'mse' },
};
const towers: ModelSpec = {
  inputs: [...wide.inputs, { name: 'user', kind: 'categorical', cardinality: 6, dim: 4 }],
  body: { kind: 'twoTower', user: ['user'], item: ['x', 'item', 'genres'], hidden: [12], width: 5, activation: 'relu' },
  head: { loss: 'bce' },
};
const dropping: ModelSpec = { ...wide, body: { kind: 'mlp', hidden: [9, 8], activation: 'relu', dropout: 0.3 } };

function larger(plugin: Plugin): void {
  for (const [name, spec, adapts] of [
    ['an mlp, embeddings adapted', wide, 'all'],
    ['an mlp, its network adapted', wide, ['mlp.*']],
    ['an mlp, its last layer adapted', wide, ['mlp.2.*']],
    ['two towers', towers, ['user.*', 'item.*']],
    ['dropout', dropping, ['mlp.*']],
  ] as const) {
    for (const learningRate of [0.05, 'rates'] as const) {
      test(`${name}, ${learningRate === 0.05 ? 'one rate' : 'a rate per parameter'}: ${plugin.name} is as the processor`, async () => {
        use(plugin);
        const [cpu, cuda] = (['cpu', 'cuda'] as const).map((device) =>
          defineModel(spec, { precision: 'float64', device }),
        );
        const tasks = Array.from({ length: 9 }, (_, t) => ({
          support: rows(spec, [21, 0, 1, 40, 7, 12, 3, 20, 5][t], random(5, 'support', t)),
          query: rows(spec, [10, 3, 70, 1, 5, 9, 2, 4, 6][t], random(5, 'query', t)),
        }));
        const params = vector(cpu, random(5, 'params'));
        const selected = cpu.tensors.filter(
          (tensor) => adapts === 'all' || adapts.some((a) => tensor.name.startsWith(a.slice(0, -1))),
        );
        const rates = Object.fromEntries(
          selected.map((tensor) => [
            tensor.name,
            {
              shape: [...tensor.shape],
              data: vector(cpu, random(6, 'rates'))[tensor.name].data.map((v) => 0.05 + 0.02 * v),
            },
          ]),
        );
        const inner: InnerLoop = {
          steps: 3,
          order: 2,
          adapt: adapts === 'all' ? 'all' : [...adapts],
          learningRate: learningRate === 'rates' ? rates : learningRate,
          ...(name === 'dropout' && { dropout: 77 }),
        };
        const [expected, actual] = await Promise.all(
          [cpu, cuda].map((model) => metaGradient(model, params, packTasks(model, tasks), inner)),
        );
        close(actual.gradient, expected.gradient, 1e-11, 'gradient');
        assert.ok(norm(expected.gradient) > 1e-3);
        if (learningRate === 'rates')
          close(actual.learningRateGradient!, expected.learningRateGradient!, 1e-11, 'gradient of the rates');
      });
    }
  }
}

function implicit(plugin: Plugin): void {
  for (const [name, adapts, options] of [
    ['all adapts', 'all', {}],
    ['the network adapts', ['mlp.*'], {}],
    ['five steps of conjugate gradients', 'all', { implicit: { cgSteps: 5, cgTolerance: 1e-13 } }],
    ['damped', ['mlp.*'], { implicit: { cgSteps: 200, cgTolerance: 1e-13, cgDamping: 0.4 } }],
    ['momentum', 'all', { inner: { kind: 'momentum', momentum: 0.5 } }],
    ['no steps', 'all', { steps: 0 }],
  ] as const)
    test(`implicit gradients, ${name}: ${plugin.name} is as the processor`, async () => {
      use(plugin);
      const {
        model: cpu,
        params,
        tasks,
        inner,
      } = implicitCase(17, adapts === 'all' ? adapts : [...adapts], 30, options);
      const cuda = defineModel(cpu.spec, { precision: 'float64', device: 'cuda' });
      const [expected, actual] = await Promise.all(
        [cpu, cuda].map((model) => metaGradient(model, params, packTasks(model, tasks), inner)),
      );
      close(actual.gradient, expected.gradient, 1e-10, 'gradient');
      assert.ok(norm(expected.gradient) > 1e-3);
    });
}

function derivatives(plugin: Plugin): void {
  test(`the meta-gradient on ${plugin.name} is the derivative of its loss`, () =>
    fc.assert(
      fc.asyncProperty(smooth, async (shape) => {
        use(plugin);
        const { model: onCpu, params, tasks, inner, stream } = build(shape);
        const model = defineModel(onCpu.spec, { precision: 'float64', device: 'cuda' });
        const batch = packTasks(model, tasks);
        const { gradient } = await metaGradient(model, params, batch, inner);
        const u = direction(params, stream);
        const { slope } = await derivative(
          async (x) => (await metaGradient(model, combine(params, 1, u, x), batch, { ...inner, order: 1 })).loss,
          2e-4,
        );
        const expected = dot(gradient, u);
        assert.ok(Math.abs(slope - expected) <= 1e-7 * Math.max(norm(gradient), 1e-2), `${slope} is not ${expected}`);
      }),
      { seed: 71, numRuns: RUNS, endOnFailure: true },
    ));
  test(`the Hessian on ${plugin.name} is symmetric`, () =>
    fc.assert(
      fc.asyncProperty(any, async (shape) => {
        use(plugin);
        const { model: onCpu, params, tasks, stream } = build(shape);
        const model = defineModel(onCpu.spec, { precision: 'float64', device: 'cuda' });
        const product = async (w: Parameters) => (await hessianVectorProduct(model, params, tasks[0].query, w)).product;
        await symmetricProducts(product, vector(model, stream), vector(model, stream));
      }),
      { seed: 72, numRuns: RUNS, endOnFailure: true },
    ));
}

if (missing !== undefined) {
  test('the device against the processor', { skip: missing }, () => {});
} else {
  const [first, ...others] = emulations;
  compare(first, 'cpu', close, 81);
  // What a lane may not do, read what another writes, gives other bits in another order; where memory lies must not matter.
  for (const plugin of others) compare(plugin, 'cuda', identical, 82);
  larger(first);
  implicit(first);
  derivatives(first);
}
const gpu = realPlugin();
if (typeof gpu === 'string') {
  test('random models on a GPU', { skip: gpu }, () => {});
} else {
  compare(gpu, 'cpu', close, 83);
  larger(gpu);
  implicit(gpu);
  derivatives(gpu);
}
