/** What the options of inner loops mean to a learner: it learns, repeats, resumes and serves with each of them. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { innerLoopOfEpoch } from '../../lib/meta/algorithm.js';
import type { Algorithm } from '../../lib/meta/algorithm.js';
import {
  imaml,
  laplace,
  lstmMetaLearner,
  maml,
  mamlPlusPlus,
  melu,
  metaSgd,
  reptile,
  ridge,
} from '../../lib/algorithms/registry.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { train } from '../../lib/training/train.js';
import {
  isTyped,
  learnerOf,
  path,
  ratings,
  refuses,
  rejects,
  run,
  sameState,
  stage,
  tiny,
} from '../fixtures/family.js';

const VARIANTS: Record<string, Algorithm> = {
  momentum: maml({ steps: 3, learningRate: 0.05, inner: { kind: 'momentum', momentum: 0.5 } }),
  adam: maml({ steps: 4, learningRate: 0.1, inner: { kind: 'adam', epsilon: 0.1 } }),
  'adam, learned rates': maml({ steps: 3, learningRate: 0.1, rates: 'perStep', inner: { kind: 'adam', epsilon: 0.1 } }),
  proximal: maml({ steps: 3, learningRate: 0.1, proximal: 0.3 }),
  'multi-step loss, order annealing': maml({
    steps: 3,
    learningRate: 0.1,
    multiStepLoss: { epochs: 4 },
    orderAnnealing: { epochs: 2 },
  }),
  'multi-step loss at first order': maml({ steps: 3, learningRate: 0.1, order: 1, multiStepLoss: { epochs: 5 } }),
  'implicit, momentum': imaml({ steps: 8, learningRate: 0.05, lambda: 0.3, inner: 'momentum', cgSteps: 3 }),
  'reptile, adam': reptile({ steps: 5, learningRate: 0.05, inner: { kind: 'adam', epsilon: 0.1 } }),
  'ridge, full covariance': ridge({ covariance: 'full' }),
  'ridge, a prior mean by profile': ridge({ profile: ['traits'] }),
};

for (const [name, algorithm] of Object.entries(VARIANTS)) {
  test(`${name}: learns users it never met`, async () => {
    const learner = learnerOf(algorithm, { at: ratings });
    await run(learner, ratings.train, { epochs: 15 });
    const [before, after] = (await evaluate(learner, ratings.test, { metrics: ['mae'] })).methods.map(
      ({ metrics }) => metrics['mae'].mean,
    );
    assert.ok(after < 0.8 * before, `${after} adapted, ${before} not`);
  });

  test(`${name}: interrupted after any epoch and resumed on other threads, the same bytes; saved and loaded, the same learner`, async () => {
    const whole = learnerOf(algorithm);
    await run(whole, tiny.train, { epochs: 6 });
    const checkpoint = path();
    let last = learnerOf(algorithm, { threads: 1 });
    for (let epoch = 1; epoch <= 6; epoch++) {
      last = learnerOf(algorithm, { threads: 1 + (epoch % 3) });
      for await (const report of train(last, tiny.train, { epochs: 6, metaBatch: 8, checkpoint }))
        if (report.epoch === epoch) break;
    }
    last = learnerOf(algorithm);
    await run(last, tiny.train, { epochs: 6, checkpoint });
    sameState(last, whole, name);
    const file = path();
    await saveLearner(whole, file);
    const loaded = await loadLearner(file);
    assert.deepEqual(loaded.algorithm, whole.algorithm);
    assert.deepEqual(await loaded.outputs(tiny.test, 'after'), await whole.outputs(tiny.test, 'after'));
  });
}

test('multi-step weights fall from equal to the last step alone, and the order rises, by epoch', async () => {
  const { model } = learnerOf(maml());
  const algorithm = maml({ steps: 4, multiStepLoss: { epochs: 3 }, orderAnnealing: { epochs: 2 } });
  const at = (epoch: number) => innerLoopOfEpoch(algorithm, model, epoch);
  const expected = [[0.25, 0.25, 0.25, 0.25], [1 / 6, 1 / 6, 1 / 6, 0.5], [1 / 12, 1 / 12, 1 / 12, 0.75], undefined];
  expected.forEach((weights, e) => {
    const { lossWeights, order } = at(e + 1);
    assert.equal(order, e < 2 ? 1 : 2);
    if (weights === undefined) return assert.equal(lossWeights, undefined);
    weights.forEach((w, k) => assert.ok(Math.abs(lossWeights![k] - w) <= 1e-7));
  });
  assert.deepEqual(innerLoopOfEpoch(maml({ order: 1 }), model, 1), { order: 1 });
  assert.equal(innerLoopOfEpoch(mamlPlusPlus(), model, 1).order, 1);
  assert.equal(innerLoopOfEpoch(mamlPlusPlus({ orderAnnealing: { epochs: 0 } }), model, 1).order, 2);
});

test('training follows the schedule of its epochs', async () => {
  // One epoch of first order is that of fomaml; then they part.
  const losses = async (algorithm: Algorithm) =>
    (await run(learnerOf(algorithm), tiny.train, { epochs: 3 })).map(({ loss }) => loss);
  const [annealed, first, second] = await Promise.all(
    [
      maml({ steps: 2, learningRate: 0.1, orderAnnealing: { epochs: 1 } }),
      maml({ steps: 2, learningRate: 0.1, order: 1 }),
      maml({ steps: 2, learningRate: 0.1 }),
    ].map(losses),
  );
  assert.equal(annealed[0], first[0]);
  assert.notEqual(annealed[2], first[2]);
  assert.notEqual(annealed[0], second[0]);
});

test('presets are what they say', async () => {
  assert.equal(metaSgd().rates, 'perParameter');
  assert.equal(mamlPlusPlus().rates, 'perStep');
  const learner = learnerOf(melu());
  const fast = learner.innerLoop().fast;
  learner.model.tensors.forEach(({ name }, t) => assert.equal(fast[t], Number(!name.startsWith('embedding.')), name));
  assert.equal(melu().steps, 1);
});

test('options of the algorithms are checked by name', async () => {
  refuses(() => maml({ inner: 'nesterov' as 'adam' }), 'INVALID_OPTION', /maml\.inner/);
  refuses(() => maml({ inner: { kind: 'adam', beta1: 1 } }), 'INVALID_OPTION', /maml\.inner\.beta1/);
  refuses(() => maml({ proximal: -1 }), 'INVALID_OPTION', /maml\.proximal/);
  refuses(
    () => maml({ multiStepLoss: { epoch: 3 } as never }),
    'UNKNOWN_OPTION',
    /maml\.multiStepLoss.*did you mean epochs\?/,
  );
  refuses(
    () => mamlPlusPlus({ orderAnnealing: { epochs: -1 } }),
    'INVALID_OPTION',
    /mamlPlusPlus\.orderAnnealing\.epochs/,
  );
  refuses(() => metaSgd({ rates: 'fixed' } as never), 'UNKNOWN_OPTION', /metaSgd\.rates/);
  refuses(() => imaml({ lambda: 0 }), 'INVALID_OPTION', /imaml\.lambda/);
  refuses(() => imaml({ cgSteps: 0 }), 'INVALID_OPTION', /imaml\.cgSteps/);
  refuses(() => ridge({ covariance: 'ful' as 'full' }), 'INVALID_OPTION', /did you mean full\?/);
  refuses(() => laplace({ probit: 1 as never }), 'INVALID_OPTION', /laplace\.probit/);
  refuses(() => lstmMetaLearner({ hidden: 0 }), 'INVALID_OPTION', /lstmMetaLearner\.hidden/);
});

// ------------------------------------------------------------------------------------------ uncertainty

test('the predictive variance of ridge is calibrated: 90 % intervals hold about 90 % of unseen ratings', async () => {
  const learner = learnerOf(ridge(), { at: ratings });
  await rejects(learner.uncertainty(ratings.test), 'UNSUPPORTED', /noiseVariance/);
  await run(learner, ratings.train, { epochs: 15 });
  assert.ok(learner.noiseVariance! > 0);
  const { mean, variance } = await learner.uncertainty(ratings.test);
  assert.deepEqual(mean, await learner.outputs(ratings.test, 'after'));
  const { dataset, queryRows } = ratings.test;
  const held =
    Array.from(queryRows).filter((row, i) => Math.abs(dataset.label[row] - mean[i]) <= 1.645 * Math.sqrt(variance[i]))
      .length / queryRows.length;
  assert.ok(held > 0.8 && held < 0.97, `${held} held`);

  // Of users that training met the residuals are smaller: with validation tasks the noise is theirs.
  const held0 = learner.noiseVariance!;
  const validated = learnerOf(ridge(), { at: ratings });
  await run(validated, ratings.train, { epochs: 15, validation: ratings.test, keep: 'last' });
  assert.ok(validated.noiseVariance! > held0, `${validated.noiseVariance} with validation, ${held0} without`);
  assert.equal(await learner.estimateNoise(ratings.test), validated.noiseVariance);
  learner.noiseVariance = held0;

  // A user of many ratings is known better than one of few, and a loaded learner knows the same.
  const items = Array.from({ length: 20 }, (_, i) => i);
  const few = await learner.adapt({ items: items.slice(0, 2), labels: [5, 1] });
  const many = await learner.adapt({ items: items.slice(0, 15), labels: items.slice(0, 15).map((i) => 1 + (i % 5)) });
  const [a, b] = await Promise.all([few, many].map((me) => me.predict(items, { uncertainty: true })));
  a.variance.forEach((v, i) => assert.ok(v > b.variance[i] && b.variance[i] > learner.noiseVariance!));
  assert.deepEqual(a.mean, await few.predict(items));
  const file = path();
  await saveLearner(learner, file);
  const loaded = await loadLearner(file);
  assert.equal(loaded.noiseVariance, learner.noiseVariance);
  assert.deepEqual(
    await (await loaded.adapt({ items: [0, 1], labels: [5, 1] })).predict(items, { uncertainty: true }),
    a,
  );
});

test('laplace moderates its probabilities where it is asked to', async () => {
  const clicks = stage('bce');
  const [plain, moderated] = [
    learnerOf(laplace(), { at: clicks }),
    learnerOf(laplace({ probit: true }), { at: clicks }),
  ];
  for (const learner of [plain, moderated]) await run(learner, clicks.train, { epochs: 10 });
  sameState(plain, moderated, 'training does not know of it');
  const [logits, { mean, variance }] = [
    await plain.outputs(clicks.test, 'after'),
    await moderated.uncertainty(clicks.test),
  ];
  mean.forEach((o, i) => assert.ok(Math.abs(o - logits[i] / Math.sqrt(1 + (Math.PI / 8) * variance[i])) <= 1e-12));
  assert.deepEqual(await moderated.outputs(clicks.test, 'before'), await plain.outputs(clicks.test, 'before'));
  const [a, b] = await Promise.all(
    [plain, moderated].map(async (learner) =>
      (await learner.adapt({ items: [0, 1, 2], labels: [1, 0, 1] })).predict([3, 4, 5], { uncertainty: true }),
    ),
  );
  assert.deepEqual(a.variance, b.variance);
  const me = await moderated.adapt({ items: [0, 1, 2], labels: [1, 0, 1] });
  assert.deepEqual(await me.predict([3, 4, 5]), b.mean);
  assert.equal((await me.recommend({ count: 3 })).length, 3);
  a.mean.forEach((o, i) => assert.ok(Math.abs(b.mean[i] - o / Math.sqrt(1 + (Math.PI / 8) * a.variance[i])) <= 1e-12));
});

test('an algorithm without a posterior says that it is not sure of anything', async () => {
  const learner = learnerOf(maml());
  await rejects(learner.uncertainty(tiny.test), 'UNSUPPORTED', /maml.*ridge or laplace/);
  await rejects(learner.estimateNoise(tiny.test), 'UNSUPPORTED', /ridge/);
  learner.catalog = tiny.dataset;
  const me = await learner.adapt({ items: [1], labels: [3] });
  await assert.rejects(me.predict([2], { uncertainty: true }), (error: unknown) => isTyped(error, 'UNSUPPORTED'));
});
