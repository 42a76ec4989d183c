/** The reference vectors on the device: those of what it supports, to the tolerances of the processor. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { packTasks } from '../../lib/batch/batch.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import type { InnerLoop, ModelSpec, Parameters, TaskExample } from '../../lib/foundation/contract.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { emulations, missing, realPlugin, use } from './plugins.js';
import type { Plugin } from './plugins.js';

type Plain = Record<string, { shape: number[]; data: number[] }>;
interface Golden {
  name: string;
  method?: string;
  model: ModelSpec;
  adapt: 'all' | string[];
  innerLoop: { steps: number; learningRate: number | string };
  params: Plain;
  tasks: TaskExample[];
  learningRates?: Plain;
  expected: {
    taskLosses: number[];
    loss: number;
    secondOrder: Plain;
    firstOrder: Plain;
    learningRateGradient?: Plain;
    adapted: Plain[];
    queryOutputs: (number | number[])[][];
    reptileDirection?: Plain;
    supportLossTask0: number;
    supportGradientTask0: Plain;
    hvpTask0: { vector: Plain; product: Plain };
  };
}

const folder = join(packageRoot(), 'test', 'golden');
/** Bodies that the device does not do. */
const UNSUPPORTED = ['fm', 'gru'];
const TOLERANCE = { float64: 1e-9, float32: 2e-4 } as const;
const tensors = (plain: Plain): Parameters =>
  Object.fromEntries(
    Object.entries(plain).map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }]),
  );

/** Largest difference relative to the largest entry of the expected tensor. */
function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: length`);
  const scale = Math.max(...Array.from(expected, Math.abs), 0);
  for (let i = 0; i < expected.length; i++)
    assert.ok(
      Math.abs(actual[i] - expected[i]) <= tolerance * scale,
      `${what}[${i}]: ${actual[i]} is not ${expected[i]} (scale ${scale})`,
    );
}
function closeAll(actual: Parameters, expected: Plain, tolerance: number, what: string): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), what);
  for (const [name, { data }] of Object.entries(expected)) close(actual[name].data, data, tolerance, `${what} ${name}`);
}

async function check(golden: Golden, precision: 'float32' | 'float64'): Promise<void> {
  const { expected, tasks } = golden;
  const tolerance = TOLERANCE[precision];
  const model = defineModel(golden.model, { precision, device: 'cuda' });
  const params = tensors(golden.params);
  const batch = packTasks(model, tasks);
  const { steps, learningRate } = golden.innerLoop;
  const inner = (order: 1 | 2): InnerLoop => ({
    steps,
    learningRate: typeof learningRate === 'number' ? learningRate : tensors(golden.learningRates!),
    adapt: golden.adapt,
    order,
  });
  const second = await metaGradient(model, params, batch, inner(2));
  close([second.loss], [expected.loss], tolerance, 'loss');
  close(second.taskLosses, expected.taskLosses, tolerance, 'task losses');
  closeAll(second.gradient, expected.secondOrder, tolerance, 'second order');
  if (expected.learningRateGradient !== undefined)
    closeAll(second.learningRateGradient!, expected.learningRateGradient, tolerance, 'rates');
  closeAll(
    (await metaGradient(model, params, batch, inner(1))).gradient,
    expected.firstOrder,
    tolerance,
    'first order',
  );
  for (const [t, task] of (await adapt(model, params, batch, inner(1))).entries()) {
    closeAll(task, expected.adapted[t], tolerance, `adapted ${t}`);
    const outputs = await predict(model, params, { inputs: tasks[t].query.inputs }, task);
    close(outputs.data, expected.queryOutputs[t].flat(), tolerance, `query outputs ${t}`);
  }
  if (expected.reptileDirection !== undefined) {
    const { gradient } = await metaGradient(model, params, batch, inner(1), { direction: 'reptile' });
    for (const [name, { data }] of Object.entries(expected.reptileDirection))
      close(gradient[name].data, data, tolerance, `reptile ${name}`);
  }
  const { vector, product } = expected.hvpTask0;
  const hvp = await hessianVectorProduct(model, params, tasks[0].support, tensors(vector));
  close([hvp.loss], [expected.supportLossTask0], tolerance, 'support loss');
  closeAll(hvp.gradient, expected.supportGradientTask0, tolerance, 'support gradient');
  closeAll(hvp.product, product, tolerance, 'Hessian-vector product');
}

const cases = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Golden)
  .filter(({ method }) => method === undefined);
const supported = cases.filter(({ model }) => !UNSUPPORTED.includes(model.body.kind));

function suite(plugin: Plugin): void {
  for (const golden of supported)
    for (const precision of ['float64', 'float32'] as const)
      test(`golden ${golden.name} ${precision} on ${plugin.name}`, async () => {
        use(plugin);
        return check(golden, precision);
      });
}

if (missing !== undefined) test('golden cases by emulation', { skip: missing }, () => {});
test('there are golden cases to check', async () => assert.ok(supported.length >= 12));
emulations.forEach(suite);
const gpu = realPlugin();
if (typeof gpu === 'string') test('golden cases on a GPU', { skip: gpu }, () => {});
else suite(gpu);
