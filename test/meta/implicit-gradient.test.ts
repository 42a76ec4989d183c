/** Implicit gradients against finite differences and against their equation, and gradients through cut steps as those of a function. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { InnerRule, Parameters } from '../../lib/foundation/contract.js';
import { adapt } from '../../lib/meta/inner-loop.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { gauss } from '../fixtures/gauss.js';
import { combine, derivative, direction, dot, norm } from '../fixtures/random-model.js';
import { map, implicitCase } from '../fixtures/inner-rules.js';

test('gradients through cut steps are those of a function: ⟨u, dG·v⟩ = ⟨v, dG·u⟩', async () => {
  const c = implicitCase(11, 'all', 3, { proximal: 0, implicit: undefined, learningRate: 0.5 });
  const [u, v] = [direction(c.params, c.stream), direction(c.params, c.stream)];
  for (const kind of ['sgd', 'momentum', 'adam'] as const) {
    const at = async (order: 1 | 2, along: Parameters, x: number) => {
      const inner: InnerRule = kind === 'adam' ? { kind, clipNorm: 0.2, epsilon: 0.05 } : { kind, clipNorm: 0.2 };
      const params = combine(c.params, 1, along, x);
      return (await metaGradient(c.model, params, c.batch, { ...c.inner, order, inner })).gradient;
    };
    const asymmetry = async (order: 1 | 2) => {
      const slope = async (along: Parameters, onto: Parameters) =>
        (dot(await at(order, along, 1e-5), onto) - dot(await at(order, along, -1e-5), onto)) / 2e-5;
      const [uv, vu] = [await slope(v, u), await slope(u, v)];
      return Math.abs(uv - vu) / Math.max(Math.abs(uv), Math.abs(vu));
    };
    const exact = await asymmetry(2);
    assert.ok(exact < 1e-7, `${kind}: ${exact}`);
    // What holds the inner gradients constant is the gradient of nothing.
    const held = await asymmetry(1);
    assert.ok(held > 1e-3, `${kind}: ${held}`);
  }
});

test('the implicit gradient is the derivative of the loss where the steps reach the minimum', async () => {
  for (const [i, adapted] of (['all', ['mlp.*'], ['embedding.*', 'mlp.1.*'], ['mlp.1.*']] as const).entries()) {
    for (let seed = 1; seed <= 3; seed++) {
      const { model, params, batch, inner, stream } = implicitCase(
        10 * i + seed,
        adapted === 'all' ? 'all' : [...adapted],
        400,
      );
      const { gradient } = await metaGradient(model, params, batch, inner);
      const u = direction(params, stream);
      const { slope } = await derivative(
        async (x) => (await metaGradient(model, combine(params, 1, u, x), batch, inner)).loss,
        1e-3,
      );
      assert.ok(
        Math.abs(slope - dot(gradient, u)) <= 1e-8 * Math.max(1, norm(gradient)),
        `${adapted}: ${dot(gradient, u)} is not ${slope}`,
      );
    }
  }
});

for (const damping of [0, 0.7])
  test(`away from the minimum it is the solution of (I + H/λ + δ I) x = ∇L_Q, slow parameters included, δ = ${damping}`, () =>
    solution(damping));

async function solution(cgDamping: number): Promise<void> {
  const names = ['embedding.c.weight', 'mlp.0.weight', 'mlp.0.bias'];
  const { model, params, tasks, batch, inner } = implicitCase(5, names, 2, {
    implicit: { cgSteps: 200, cgTolerance: 1e-13, cgDamping },
  });
  const { gradient } = await metaGradient(model, params, batch, inner);
  const adapted = await adapt(model, params, batch, inner);
  let expected = combine(params, 0);
  for (const [t, task] of tasks.entries()) {
    const at = { ...params, ...adapted[t] };
    const v = (await hessianVectorProduct(model, at, task.query, combine(params, 0))).gradient;
    if (task.support.labels.length === 0) {
      expected = combine(expected, 1, v, 1 / tasks.length);
      continue;
    }
    const fast = names.flatMap((name) => Array.from(params[name].data, (_, i) => [name, i] as const));
    const unit = (name: string, i: number) => map(params, (n, j) => Number(n === name && i === j));
    const columns = await Promise.all(
      fast.map(async ([name, i]) => (await hessianVectorProduct(model, at, task.support, unit(name, i))).product),
    );
    const matrix = fast.map(([name, i], r) =>
      fast.map((_, c) => (r === c ? 1 + cgDamping : 0) + columns[c][name].data[i] / inner.proximal!),
    );
    const x = gauss(
      matrix,
      fast.map(([name, i]) => v[name].data[i]),
    );
    const mixed = columns.reduce((sum, column, c) => combine(sum, 1, column, -x[c] / inner.proximal!), v);
    const of = map(params, (name, i) =>
      names.includes(name) ? x[fast.findIndex(([n, j]) => n === name && j === i)] : mixed[name].data[i],
    );
    expected = combine(expected, 1, of, 1 / tasks.length);
  }
  assert.ok(norm(combine(gradient, 1, expected, -1)) <= 1e-9 * norm(expected));
}

test('without steps, or with no curvature to follow, the implicit gradient is that of the query loss', async () => {
  const { model, params, batch, inner } = implicitCase(7, 'all', 0);
  const { gradient } = await metaGradient(model, params, batch, inner);
  const plain = await metaGradient(model, params, batch, { ...inner, implicit: undefined });
  assert.ok(norm(combine(gradient, 1, plain.gradient, -1)) <= 1e-14);
});
