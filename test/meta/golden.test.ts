/** Float64 results of an independent autograd, through the public API, in both precisions. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { addon, packageRoot } from '../../lib/foundation/addon.js';
import type { InnerLoop, ModelSpec, Parameters, Precision, TaskExample } from '../../lib/foundation/contract.js';
import { episodeGradient } from '../../lib/meta/episode-gradient.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { packTasks } from '../../lib/batch/batch.js';

interface PlainTensor {
  shape: number[];
  data: number[];
}
type Plain = Record<string, PlainTensor>;
interface Golden {
  name: string;
  method?: 'prototypical' | 'matching';
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
    learningRateGradientFirstOrder?: Plain;
    adapted: Plain[];
    queryOutputs: number[][] | number[][][];
    reptileDirection?: Plain;
    supportLossTask0: number;
    supportGradientTask0: Plain;
    hvpTask0: { vector: Plain; product: Plain };
  };
}

const folder = join(packageRoot(), 'test', 'golden');
const TOLERANCE: Record<Precision, number> = { float64: 1e-9, float32: 2e-4 };
const tensors = (plain: Plain): Parameters =>
  Object.fromEntries(
    Object.entries(plain).map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }]),
  );

/** Largest difference relative to the largest entry of the expected tensor. */
function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: length`);
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]);
    assert.ok(error <= tolerance * scale, `${what}[${i}]: ${actual[i]} is not ${expected[i]} (scale ${scale})`);
  }
}
function closeAll(actual: Parameters, expected: Plain, tolerance: number, what: string): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), what);
  for (const [name, { shape, data }] of Object.entries(expected)) {
    assert.deepEqual(actual[name].shape, shape, `${what} ${name}: shape`);
    close(actual[name].data, data, tolerance, `${what} ${name}`);
  }
}

const cases = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Golden);
test('there are golden cases to check', async () => assert.ok(cases.length >= 16));
for (const golden of cases) {
  const { method } = golden;
  for (const precision of ['float64', 'float32'] as const) {
    test(`golden ${golden.name} ${precision}`, async () =>
      method === undefined
        ? check(golden, precision)
        : checkEpisode(golden as unknown as GoldenEpisode, method, precision));
  }
}

// What the vectors are made by gives them again.
const python = ['/usr/bin/python3', 'python3'].find(
  (command) => spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);
// Once, not once for each instruction set.
if (addon().isa === addon().isas[0])
  test('test/golden/make.py computes the vectors', async (t) => {
    if (python === undefined) return t.plan(0, 'no Python with PyTorch (Debian: python3-torch)');
    const { status, stdout, stderr } = spawnSync(python, [join(folder, 'make.py'), '--check'], { encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, new RegExp(`^${cases.length} of ${cases.length} files agree`, 'm'));
  });

interface GoldenEpisode extends Omit<Golden, 'expected'> {
  expected: { loss: number; taskLosses: number[]; probabilities: number[][][]; gradient: Plain };
}

async function checkEpisode(
  { model: spec, params, tasks, expected }: GoldenEpisode,
  method: 'prototypical' | 'matching',
  precision: Precision,
): Promise<void> {
  const tolerance = TOLERANCE[precision];
  const model = defineModel(spec, { precision });
  const { loss, taskLosses, probabilities, gradient } = await episodeGradient(
    model,
    tensors(params),
    packTasks(model, tasks),
    { method },
  );
  close([loss], [expected.loss], tolerance, 'loss');
  close(taskLosses, expected.taskLosses, tolerance, 'taskLosses');
  assert.equal(probabilities.length, tasks.length);
  probabilities.forEach(({ shape, data }, t) => {
    assert.deepEqual(shape, [tasks[t].query.labels.length, spec.episode!.classes]);
    close(data, expected.probabilities[t].flat(), tolerance, `probabilities ${t}`);
  });
  // A bias that moves every embedding alike moves no distance: its gradient is 0, and what both sides hold is rounding.
  const largest = Math.max(...Object.values(expected.gradient).flatMap(({ data }) => data.map(Math.abs)));
  const isZero = ([, { data }]: [string, PlainTensor]) => data.every((x) => Math.abs(x) < 1e-15 * largest);
  assert.deepEqual(Object.keys(gradient).sort(), Object.keys(expected.gradient).sort());
  for (const [name, { data }] of Object.entries(expected.gradient).filter(isZero)) {
    assert.ok(
      gradient[name].data.every((x) => Math.abs(x) <= tolerance * largest),
      `${name} is not 0`,
    );
    assert.equal(data.length, gradient[name].data.length);
    delete gradient[name];
  }
  closeAll(
    gradient,
    Object.fromEntries(Object.entries(expected.gradient).filter((entry) => !isZero(entry))),
    tolerance,
    'gradient',
  );
}

async function check(golden: Golden, precision: Precision): Promise<void> {
  const { expected } = golden;
  const tolerance = TOLERANCE[precision];
  const model = defineModel(golden.model, { precision });
  const params = tensors(golden.params);
  const batch = packTasks(model, golden.tasks);
  const { steps, learningRate } = golden.innerLoop;
  const inner = (order: 1 | 2): InnerLoop => ({
    steps,
    learningRate: typeof learningRate === 'number' ? learningRate : tensors(golden.learningRates!),
    adapt: golden.adapt,
    order,
  });

  const second = await metaGradient(model, params, batch, inner(2));
  close([second.loss], [expected.loss], tolerance, 'loss');
  close(second.taskLosses, expected.taskLosses, tolerance, 'taskLosses');
  closeAll(second.gradient, expected.secondOrder, tolerance, 'second order');
  const first = await metaGradient(model, params, batch, inner(1));
  closeAll(first.gradient, expected.firstOrder, tolerance, 'first order');
  if (expected.learningRateGradient !== undefined) {
    closeAll(second.learningRateGradient!, expected.learningRateGradient, tolerance, 'rates, second order');
    closeAll(first.learningRateGradient!, expected.learningRateGradientFirstOrder!, tolerance, 'rates, first order');
  } else {
    assert.equal(second.learningRateGradient, undefined);
  }

  const adapted = await adapt(model, params, batch, inner(1));
  assert.equal(adapted.length, golden.tasks.length);
  for (const [t, task] of adapted.entries()) {
    closeAll(task, expected.adapted[t], tolerance, `adapted ${t}`);
    const outputs = await predict(model, params, { inputs: golden.tasks[t].query.inputs }, task);
    close(outputs.data, expected.queryOutputs[t].flat(), tolerance, `query outputs ${t}`);
  }
  if (expected.reptileDirection !== undefined) {
    const reptile = await metaGradient(model, params, batch, inner(1), { direction: 'reptile' });
    for (const [name, { data }] of Object.entries(expected.reptileDirection)) {
      close(reptile.gradient[name].data, data, tolerance, `reptile ${name}`);
    }
  }

  const { vector, product } = expected.hvpTask0;
  const hvp = await hessianVectorProduct(model, params, golden.tasks[0].support, tensors(vector));
  close([hvp.loss], [expected.supportLossTask0], tolerance, 'support loss');
  closeAll(hvp.gradient, expected.supportGradientTask0, tolerance, 'support gradient');
  closeAll(hvp.product, product, tolerance, 'Hessian-vector product');
}
