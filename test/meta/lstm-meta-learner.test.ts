/** The LSTM meta-learner, against its equations written out and finite differences. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { lstmMetaLearner } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { ModelSpec, Parameters, TaskExample, Tensor } from '../../lib/foundation/contract.js';
import { hessianVectorProduct, metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import type { Model } from '../../lib/model/model.js';
import { random } from '../../lib/foundation/random.js';
import { combine, derivative, direction, distance, dot, norm, vector } from '../fixtures/random-model.js';
import { SPEC, on, tasksOf, sigmoid } from '../fixtures/solvers.js';

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
