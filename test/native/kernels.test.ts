/** The instruction sets: errors of the activations, and the same meta-gradients as the naive reference on every shape. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'tap';
import { addon, operations } from '../../lib/foundation/addon.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { Activation, FloatArray, ModelSpec, Precision } from '../../lib/foundation/contract.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { random } from '../../lib/foundation/random.js';
import { rows } from '../fixtures/random-model.js';

// ------------------------------------------------------------------------------------------ activations

/** In the order of the core's enumeration. */
const ACTIVATIONS = ['relu', 'tanh', 'sigmoid', 'softplus'] as const;
const EXACT: Record<(typeof ACTIVATIONS)[number], (x: number) => number> = {
  relu: (x) => (x < 0 ? 0 : x),
  tanh: Math.tanh,
  sigmoid: (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
};
interface Limits {
  bits: number;
  minExponent: number;
  /** Range in which e^x has all its digits. */
  range: number;
  /** Beyond it values are at most this far off: e^−86 (e^−707) stands for everything below. */
  floor: number;
  smallest: number;
  largest: number;
  array: (length: number, f: (i: number) => number) => FloatArray;
}
const LIMITS: Record<Precision, Limits> = {
  float32: {
    bits: 23,
    minExponent: -126,
    range: 80,
    floor: 1e-37,
    smallest: 2 ** -149,
    largest: 3.4028234663852886e38,
    array: (length, f) => Float32Array.from({ length }, (_, i) => f(i)),
  },
  float64: {
    bits: 52,
    minExponent: -1022,
    range: 700,
    floor: 1e-306,
    smallest: 5e-324,
    largest: Number.MAX_VALUE,
    array: (length, f) => Float64Array.from({ length }, (_, i) => f(i)),
  },
};
/**
 * Largest error in units of the last place within the range. Measured over 8 · 10⁵ points: 0, 2.5, 2.5 and 3.3 (float32), 0, 3, 3
 * and 4 (float64, beside a function that is itself off by one).
 */
const MAX_ULP: Record<(typeof ACTIVATIONS)[number], number> = { relu: 0, tanh: 3, sigmoid: 3, softplus: 4 };

for (const precision of ['float32', 'float64'] as const) {
  const { bits, minExponent, range, floor, smallest, largest, array } = LIMITS[precision];
  const apply = (activation: (typeof ACTIVATIONS)[number], x: FloatArray) =>
    operations(precision).applyActivation(activation, x);
  const ulp = (x: number) =>
    2 ** (Math.max(minExponent, x === 0 ? minExponent : Math.floor(Math.log2(Math.abs(x)))) - bits);
  const worst = (activation: (typeof ACTIVATIONS)[number], x: FloatArray) => {
    const y = apply(activation, x);
    let error = 0;
    let at = 0;
    for (let i = 0; i < x.length; i++) {
      const exact = EXACT[activation](x[i]);
      const off = Math.abs(y[i] - exact) / ulp(exact);
      if (!(off <= error)) [error, at] = [off, x[i]];
    }
    return { error, at };
  };

  for (const name of ACTIVATIONS) {
    test(`${name} in ${precision} is exact to ${MAX_ULP[name]} ulp`, async () => {
      const n = 50_000;
      for (const [what, x] of [
        ['wide', array(n, (i) => range * ((2 * i) / n - 1))],
        ['middle', array(n, (i) => 20 * ((2 * i) / n - 1))],
        ['small', array(n, (i) => (i % 2 === 0 ? 1 : -1) * 2 ** (Math.log2(smallest) * (i / n)))],
      ] as const) {
        const { error, at } = worst(name, x);
        assert.ok(error <= MAX_ULP[name], `${what}: ${error} ulp at ${at}`);
      }
    });

    test(`${name} in ${precision} beyond the range of the exponential`, async () => {
      const x = array(
        2000,
        (i) => (i % 2 === 0 ? 1 : -1) * range * 10 ** ((i / 2000) * (Math.log10(largest) - Math.log10(range) - 0.01)),
      );
      const y = apply(name, x);
      x.forEach((xi, i) => {
        const exact = EXACT[name](xi);
        assert.ok(
          Math.abs(y[i] - exact) <= Math.max(floor, MAX_ULP[name] * ulp(exact)),
          `at ${xi}: ${y[i]} is not ${exact}`,
        );
      });
    });

    test(`${name} in ${precision} at the special values`, async () => {
      // In every lane, and in the tail of a vector.
      for (let length = 1; length <= 35; length++) {
        for (const special of [0, -0, NaN, Infinity, -Infinity, smallest, -smallest, largest, -largest]) {
          const exact = EXACT[name](special);
          const at = length - 1;
          const y = apply(
            name,
            array(length, (i) => (i === at ? special : 0.5)),
          );
          assert.equal(y.length, length);
          if (Number.isNaN(exact)) assert.ok(Number.isNaN(y[at]), `${special} gave ${y[at]}`);
          else if (!Number.isFinite(exact) || exact === special) assert.equal(y[at], exact, `${special}`);
          else
            assert.ok(
              Math.abs(y[at] - exact) <= Math.max(floor, MAX_ULP[name] * ulp(exact)),
              `${special} gave ${y[at]}`,
            );
          if (name === 'tanh' && special === 0) assert.ok(Object.is(y[at], special), 'the sign of zero');
          const half = apply(
            name,
            array(1, () => 0.5),
          )[0];
          for (let i = 0; i < at; i++) assert.equal(y[i], half, 'the other lanes');
        }
      }
    });
  }
}

// ------------------------------------------------------------------------------------------ instruction sets

/** Shapes that reach every remainder: rows 1 to 13, widths 1 to 70, with one output and with several. */
function* shapes(): Generator<{ spec: ModelSpec; rows: number; seed: number }> {
  const stream = random(17, 'shapes');
  const activations: Activation[] = ['relu', 'tanh', 'sigmoid', 'softplus', 'identity'];
  for (let i = 0; i < 70; i++) {
    const width = () => 1 + stream.below(70);
    yield {
      seed: i,
      rows: 1 + (i % 13),
      spec: {
        inputs: [
          { name: 'x', kind: 'dense', size: 1 + i },
          { name: 'c', kind: 'categorical', cardinality: 6, dim: 1 + stream.below(20) },
          { name: 'b', kind: 'bag', cardinality: 6, dim: 1 + stream.below(20) },
        ],
        body: {
          kind: 'mlp',
          hidden: i % 3 === 0 ? [] : i % 3 === 1 ? [width()] : [width(), 70 - i],
          activation: activations[i % 5],
        },
        head:
          i % 4 === 0
            ? { loss: 'softmax', classes: 2 + stream.below(30) }
            : i % 4 === 1
              ? { loss: 'bce' }
              : { loss: 'mse' },
      },
    };
  }
}

/** Losses and gradients of all shapes in this process, one after the other. */
async function everything(precision: Precision): Promise<number[][]> {
  const results: number[][] = [];
  for (const { spec, rows: count, seed } of shapes()) {
    const model = defineModel(spec, { precision, threads: 1 });
    const params = model.initialize(seed);
    const task = {
      support: rows(spec, count, random(seed, 'support')),
      query: rows(spec, 1 + ((count * 5) % 13), random(seed, 'query')),
    };
    const learningRate = Object.fromEntries(
      Object.entries(params).map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0.02) }]),
    );
    for (const rate of [0.02, learningRate]) {
      const {
        loss,
        gradient,
        learningRateGradient = {},
      } = await metaGradient(model, params, packTasks(model, [task]), {
        steps: 2,
        learningRate: rate,
        adapt: 'all',
        order: 2,
      });
      results.push([
        loss,
        ...[gradient, learningRateGradient].flatMap((p) => Object.values(p).flatMap(({ data }) => [...data])),
      ]);
    }
  }
  return results;
}

const CHILD = 'INNERLOOP_TEST_KERNELS';
if (process.env[CHILD] !== undefined) {
  process.stdout.write(`\n@@${JSON.stringify([await everything('float32'), await everything('float64')])}@@\n`);
} else {
  test(`meta-gradients on ${addon().isa} are the reference's`, async (t) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url)], {
      env: { ...process.env, INNERLOOP_ISA: 'reference', [CHILD]: '1' },
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
    });
    assert.equal(status, 0, stderr);
    const reference = JSON.parse(stdout.split('@@')[1]) as number[][][];
    for (const [p, precision] of (['float32', 'float64'] as const).entries()) {
      const own = await everything(precision);
      assert.equal(own.length, 140);
      assert.equal(reference[p].length, 140);
      let worst = 0;
      own.forEach((values, i) => {
        assert.equal(values.length, reference[p][i].length);
        const scale = reference[p][i].reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        values.forEach((value, k) => {
          const off = Math.abs(value - reference[p][i][k]) / scale;
          if (!(off <= worst)) worst = off;
        });
      });
      t.comment(`${precision}: largest difference ${worst.toExponential(1)} of the largest entry`);
      assert.ok(worst <= (precision === 'float32' ? 5e-6 : 2e-14), `${precision}: off by ${worst}`);
      if (addon().isa === 'reference') assert.equal(worst, 0);
      else assert.ok(worst > 0, 'the child did not run on another instruction set');
    }
  });
}

test('an instruction set that does not exist is refused with those that do', async () => {
  const script = `import { runtime } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}; try { runtime(); } catch (e) { console.log(e.name, e.code, e.field, e.message); }`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, INNERLOOP_ISA: 'sse9' },
    encoding: 'utf8',
  });
  assert.match(stdout, /^InnerloopError UNSUPPORTED INNERLOOP_ISA .*sse9.*reference/);
});
