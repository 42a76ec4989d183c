/** Learners on the device: trained as on the processor, to rounding; repeated, saved, resumed and served. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { anil, fomaml, joint, laplace, maml, melu, metaSgd, reptile, ridge } from '../../lib/algorithms/registry.js';
import type { Parameters } from '../../lib/foundation/contract.js';
import type { DeviceOption } from '../../lib/foundation/device.js';
import { runManifest } from '../../lib/learner/manifest.js';
import type { Algorithm } from '../../lib/meta/algorithm.js';
import { adam, sgd } from '../../lib/meta/outer-update.js';
import type { Optimizer } from '../../lib/meta/outer-update.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { train } from '../../lib/training/train.js';
import { learnerOf, path, rejects, run, sameState, tiny, tinyClicks } from '../fixtures/family.js';
import { distance, norm } from '../fixtures/random-model.js';
import { emulations, missing, realPlugin, use } from './plugins.js';
import type { Plugin } from './plugins.js';

const ALGORITHMS: readonly Algorithm[] = [
  maml({ steps: 3, learningRate: 0.05 }),
  fomaml({ steps: 2, learningRate: 0.05 }),
  anil({ steps: 3, learningRate: 0.05 }),
  melu({ steps: 2, learningRate: 0.05 }),
  metaSgd({ steps: 2, learningRate: 0.05 }),
  maml({ steps: 2, learningRate: 0.05, rates: 'perStep', shrinkage: 2 }),
  reptile({ steps: 3, learningRate: 0.05 }),
  ridge(),
  ridge({ covariance: 'full' }),
  laplace(),
  laplace({ covariance: 'full' }),
  joint(),
];
const OPTIMIZERS: Record<string, Optimizer> = {
  'Adam with all that it takes': adam({
    learningRate: 0.01,
    weightDecay: 0.02,
    l2: 1e-3,
    maxNorm: 0.5,
    clipNorm: 0.05,
  }),
  'SGD with momentum': sgd({ learningRate: 0.05, momentum: 0.8, l2: 1e-3 }),
};

const dataOf = ({ solver }: Algorithm) => (solver === 'laplace' ? tinyClicks : tiny);

const trained = async (algorithm: Algorithm, device: DeviceOption, optimizer?: Optimizer) => {
  const learner = learnerOf(algorithm, { precision: 'float64' }, { device, ...(optimizer && { optimizer }) });
  await run(learner, dataOf(algorithm).train, { epochs: 3 });
  return learner;
};
function close(actual: Parameters, expected: Parameters, what: string): void {
  const off = distance(actual, expected);
  assert.ok(off <= 1e-9 * Math.max(1, norm(expected)), `${what} is off by ${off}`);
}

function suite(plugin: Plugin): void {
  const name = ({ name: own, options }: Algorithm) => `${own} ${JSON.stringify(options)}`;
  for (const algorithm of ALGORITHMS)
    test(`${name(algorithm)} on ${plugin.name}: trains and predicts as the processor does`, async () => {
      use(plugin);
      const [cpu, cuda] = [await trained(algorithm, 'cpu'), await trained(algorithm, 'cuda')];
      close(cuda.parameters(), cpu.parameters(), 'a parameter');
      const { test: held } = dataOf(algorithm);
      const [expected, actual] = [await cpu.outputs(held, 'after'), await cuda.outputs(held, 'after')];
      assert.ok(expected.every((y, i) => Math.abs(y - actual[i]) <= 1e-8));
      const before = [await cpu.outputs(held, 'before'), await cuda.outputs(held, 'before')];
      assert.ok(before[0].every((y, i) => Math.abs(y - before[1][i]) <= 1e-8));
      if (algorithm.solver !== 'ridge' && algorithm.solver !== 'laplace') return;
      const [a, b] = [await cpu.uncertainty(held), await cuda.uncertainty(held)];
      assert.ok(a.variance.every((v, i) => Math.abs(v - b.variance[i]) <= 1e-8 * v));
    });

  for (const [what, optimizer] of Object.entries(OPTIMIZERS))
    test(`${what} on ${plugin.name}: steps as the processor does`, async () => {
      use(plugin);
      const [cpu, cuda] = await Promise.all(
        (['cpu', 'cuda'] as const).map((device) => trained(maml({ steps: 1, learningRate: 0.05 }), device, optimizer)),
      );
      close(cuda.parameters(), cpu.parameters(), 'a parameter');
    });

  test(`training on ${plugin.name} repeats, and resumes from a checkpoint, to the bit; the manifest names the device`, async () => {
    use(plugin);
    const algorithm = metaSgd({ steps: 2, learningRate: 0.05 });
    const whole = learnerOf(algorithm, {}, { device: 'cuda' });
    await run(whole, tiny.train, { epochs: 4 });
    const checkpoint = path();
    const first = learnerOf(algorithm, {}, { device: 'cuda' });
    for await (const { epoch } of train(first, tiny.train, { epochs: 4, metaBatch: 8, checkpoint }))
      if (epoch === 2) break;
    const resumed = learnerOf(algorithm, {}, { device: 'cuda' });
    await run(resumed, tiny.train, { epochs: 4, checkpoint });
    sameState(resumed, whole, 'resumed');
    assert.match(runManifest(whole)!.device[0], /^cuda: /);
  });

  test(`a learner trained on ${plugin.name} is saved, loaded here and there, and serves`, async () => {
    use(plugin);
    for (const algorithm of [maml({ steps: 2, learningRate: 0.05 }), ridge()]) {
      const file = path();
      await saveLearner(await trained(algorithm, 'cuda'), file);
      const scores: number[][] = [];
      for (const device of ['cpu', 'cuda'] as const) {
        const learner = await loadLearner(file, { device });
        const items = learner.catalog!.items.keys.values.slice(1, 5);
        const me = await learner.adapt({ items, labels: [5, 1, 4, 2] });
        scores.push([...(await me.predict(learner.catalog!.items.keys.values.slice(3, 12)))]);
        if (algorithm.solver === 'ridge')
          scores.at(-1)!.push(...(await me.predict(items, { uncertainty: true })).variance);
      }
      assert.ok(scores[0].every((y, i) => Math.abs(y - scores[1][i]) <= 1e-8));
    }
  });

  test(`a training that diverges on ${plugin.name} names the task and changes nothing`, async () => {
    use(plugin);
    const learner = learnerOf(maml({ steps: 4, learningRate: 1e12 }), {}, { device: 'cuda' });
    const before = learner.parameters();
    await rejects(run(learner, tiny.train), 'DIVERGED');
    assert.equal(distance(learner.parameters(), before), 0);
  });
}

if (missing !== undefined) test('training by emulation', { skip: missing }, () => {});
emulations.slice(0, 1).forEach(suite);
const gpu = realPlugin();
if (typeof gpu === 'string') test('training on a GPU', { skip: gpu }, () => {});
else suite(gpu);
