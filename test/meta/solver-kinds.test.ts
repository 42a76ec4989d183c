/** Kinds of faults that hide where a solver is run to convergence: few conjugate gradients, and Newton steps that overshoot. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import '../../lib/serving/adapt.js';
import { laplace } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { InnerLoop, ModelSpec, Parameters, TaskExample } from '../../lib/foundation/contract.js';
import { innerLoopOf } from '../../lib/meta/algorithm.js';
import { adapt } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { random } from '../../lib/foundation/random.js';
import { rows, vector } from '../fixtures/random-model.js';

const line = (loss: 'mse' | 'bce', size: number): ModelSpec => ({
  inputs: [{ name: 'x', kind: 'dense', size }],
  body: { kind: 'mlp', hidden: [] },
  head: { loss },
});
const flat = (p: Parameters): number[] => [...p['mlp.0.weight'].data, ...p['mlp.0.bias'].data];
const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0);

/** x after so many steps of conjugate gradients for A x = v, from 0 (Hestenes & Stiefel 1952). */
function conjugateGradients(A: number[][], v: number[], steps: number): number[] {
  let [x, r, p] = [v.map(() => 0), [...v], [...v]];
  for (let i = 0; i < steps; i++) {
    const ap = A.map((row) => dot(row, p));
    const step = dot(r, r) / dot(p, ap);
    x = x.map((value, j) => value + step * p[j]);
    const next = r.map((value, j) => value - step * ap[j]);
    const beta = dot(next, next) / dot(r, r);
    p = next.map((value, j) => value + beta * p[j]);
    r = next;
  }
  return x;
}

test('implicit: every number of conjugate-gradient steps gives what the method gives by hand', async () => {
  const spec = line('mse', 6);
  const model = defineModel(spec, { precision: 'float64' });
  const lambda = 0.05;
  for (let seed = 1; seed <= 3; seed++) {
    const params = vector(model, random(seed, 'params'));
    const task: TaskExample = {
      support: rows(spec, 9, random(seed, 'support')),
      query: rows(spec, 5, random(seed, 'query')),
    };
    // Eigenvalues far apart, so that steepest descent would be far from there.
    (task.support.inputs['x'] as number[][]).forEach((x) => x.forEach((_, j) => (x[j] *= 3 ** -j)));
    const batch = packTasks(model, [task]);
    const inner = (steps: number, cgSteps?: number): InnerLoop => ({
      steps,
      learningRate: 0.05,
      adapt: 'all',
      order: 2,
      proximal: lambda,
      ...(cgSteps !== undefined && { implicit: { cgSteps, cgTolerance: 0 } }),
    });
    const [theta] = await adapt(model, params, batch, inner(10));
    const at = { ...params, ...theta };
    const { gradient: outer } = await metaGradient(model, at, batch, {
      steps: 0,
      learningRate: 1,
      adapt: 'all',
      order: 1,
    });
    const v = flat(outer);
    const unit = (i: number): Parameters => {
      const w = new Float64Array(6);
      const b = new Float64Array(1);
      if (i < 6) w[i] = 1;
      else b[0] = 1;
      return { 'mlp.0.weight': { shape: [1, 6], data: w }, 'mlp.0.bias': { shape: [1], data: b } };
    };
    const A: number[][] = [];
    for (let i = 0; i < v.length; i++) {
      const { product } = await hessianVectorProduct(model, at, task.support, unit(i));
      A.push(flat(product).map((h, j) => Number(i === j) + h / lambda));
    }
    for (const cgSteps of [1, 2, 3, 5]) {
      const { gradient } = await metaGradient(model, params, batch, inner(10, cgSteps));
      const expected = conjugateGradients(A, v, cgSteps);
      const scale = Math.max(...expected.map(Math.abs));
      flat(gradient).forEach((g, i) =>
        assert.ok(Math.abs(g - expected[i]) <= 1e-9 * scale, `${cgSteps} steps, entry ${i}: ${g}, not ${expected[i]}`),
      );
    }
  }
});

test('laplace: a weak prior on the wrong side, where full Newton steps go to and fro for ever', async () => {
  const spec = line('bce', 1);
  const algorithm = laplace();
  const given = defineModel(spec, { precision: 'float64' });
  const extension = algorithm.extend!(given);
  const model = given.extend(extension.tensors);
  const inner = innerLoopOf(algorithm, model, extension);
  const task: TaskExample = {
    support: { inputs: { x: [[1], [1], [-1], [-1], [2]] }, labels: [1, 1, 0, 0, 1] },
    query: { inputs: { x: [[1]] }, labels: [1] },
  };
  for (const mean of [-8, -12, -20]) {
    const params = vector(model, random(1, 'params'));
    params['mlp.0.weight'].data.fill(mean);
    params['mlp.0.bias'].data.fill(0);
    params['prior.logPrecision'].data.fill(Math.log(0.01));
    const store = model.store(params);
    const [adapted] = await model.ops.adapt({ store, batch: packTasks(model, [task]).native, inner, threads: 1 });
    const [w, b] = flat(model.named(model.ops.readAdapted(adapted, store)));
    // The mode: Σ (p − y) a + Λ (w − w̄) = 0.
    const x = task.support.inputs['x'] as number[][];
    const residual = x.map(([a], i) => 1 / (1 + Math.exp(-(w * a + b))) - (task.support.labels as number[])[i]);
    const force = [
      residual.reduce((sum, e, i) => sum + e * x[i][0], 0.01 * (w - mean)),
      residual.reduce((sum, e) => sum + e, 0.01 * b),
    ];
    for (const f of force) assert.ok(Math.abs(f) <= 1e-8, `prior mean ${mean}: at ${w}, ${b} there is ${f} left`);
  }
});
