/** What ran is what is saved: algorithms of one's own, changed copies, and the options behind every factory. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { checkOption, docOf } from '../../lib/foundation/options.js';
import type { OptionTable } from '../../lib/foundation/options.js';
import { ALGORITHMS, anil, maml, mamo, ridge } from '../../lib/algorithms/registry.js';
import { evaluate } from '../../lib/evaluation/index.js';
import { createLearner } from '../../lib/learner/index.js';
import { defineAlgorithm } from '../../lib/meta/index.js';
import type { Algorithm, TaskGraph } from '../../lib/meta/index.js';
import { loadLearner, saveLearner } from '../../lib/serving/index.js';
import { learnerOf, NAMES, path, ratings, refuses, rejects, run, sameState, tiny } from '../fixtures/family.js';

test('a changed copy of an algorithm is refused when the learner is made, with what to write instead', async () => {
  const { model } = learnerOf(maml());
  const learner = (algorithm: object) => () => createLearner({ model, algorithm: algorithm as Algorithm });
  refuses(learner({ ...maml(), order: 1 }), 'INVALID_OPTION', /learner\.algorithm.*maml\(\{ order: 1 \}\)/);
  refuses(learner({ ...ridge(), steps: 3 }), 'INVALID_OPTION', /defineAlgorithm\(\{ name: '…', steps: 3 \}\)/);
  refuses(learner({ ...maml(), extend: () => ({ tensors: [] }) }), 'INVALID_OPTION', /copy of maml/);
  refuses(learner({ ...maml() }), 'INVALID_OPTION', /copy of maml/);
  refuses(learner({ ...maml(), name: 'mine' }), 'INVALID_OPTION', /not an algorithm/);
  refuses(learner({ name: 'maml' }), 'INVALID_OPTION', /not an algorithm/);
  for (const name of NAMES) {
    const algorithm = ALGORITHMS[name]();
    assert.throws(() => Object.assign(algorithm, { steps: 9 }), TypeError, name);
    assert.throws(() => Object.assign(algorithm.options, { steps: 9 }), TypeError, name);
  }
});

test('an algorithm of gradient steps of one’s own trains, is saved whole and loads as it was', async () => {
  const own = defineAlgorithm({
    name: 'careful',
    steps: 3,
    learningRate: 0.1,
    adapt: ['@last'],
    rates: 'perStep',
    proximal: 0.1,
    order: 1,
    multiStepLoss: { epochs: 2 },
  });
  const learner = learnerOf(own, { at: ratings });
  await run(learner, ratings.train, { epochs: 12 });
  const [before, after] = (await evaluate(learner, ratings.test, { metrics: ['mae'] })).methods;
  assert.equal(after.method, 'careful');
  assert.ok(after.metrics['mae'].mean < 0.8 * before.metrics['mae'].mean);
  const file = path();
  await saveLearner(learner, file);
  const loaded = await loadLearner(file);
  assert.deepEqual(loaded.algorithm, own);
  sameState(loaded, learner, 'loaded');
  assert.deepEqual(await loaded.outputs(ratings.test, 'after'), await learner.outputs(ratings.test, 'after'));
});

test('the same options under another name train the same bytes as the library’s own algorithm', async () => {
  const options = { steps: 2, learningRate: 0.1, adapt: ['mlp.*'], shrinkage: 1 };
  const [own, library] = [learnerOf(defineAlgorithm({ name: 'own', ...options })), learnerOf(maml(options))];
  await run(own, tiny.train);
  await run(library, tiny.train);
  sameState(own, library, 'own');
});

/** The mean of what the user’s ratings are above the model’s own output, shrunk. */
const shrunkMean = (g: TaskGraph) => {
  const kappa = g.exp(g.parameter('own.logRows', 1, 1, { kind: 'constant', value: 0 }));
  const above = g.sumRows(g.subtract(g.labels('support'), g.outputs('support')));
  const mean = g.multiply(above, g.reciprocal(g.add(g.count('support'), kappa)));
  g.output(g.add(g.outputs('query'), mean));
};

test('a graph of one’s own learns; its file needs the algorithm again, and takes no other', async () => {
  const own = defineAlgorithm({ name: 'shrunkMean', graph: shrunkMean });
  const learner = learnerOf(own, { at: ratings });
  const reports = await run(learner, ratings.train, { epochs: 6 });
  assert.ok(reports[5].loss < reports[0].loss);
  assert.ok('own.logRows' in learner.parameters());
  const file = path();
  await saveLearner(learner, file);
  await rejects(loadLearner(file), 'INVALID_OPTION', /options\.algorithm.*shrunkMean is a function/);
  await rejects(loadLearner(file, { algorithm: maml() }), 'INVALID_OPTION', /not that of the file/);
  await rejects(loadLearner(file, { algorithm: { ...own } }), 'INVALID_OPTION', /options\.algorithm/);
  const loaded = await loadLearner(file, { algorithm: own });
  assert.deepEqual(await loaded.outputs(ratings.test, 'after'), await learner.outputs(ratings.test, 'after'));
});

test('a graph may make the start of gradient steps', async () => {
  const start = (g: TaskGraph) =>
    g.start('mlp.1.bias', g.linear('own.start', g.meanRows(g.inputs('support')), 1, { scale: 0.1 }));
  const own = defineAlgorithm({ name: 'started', steps: 3, learningRate: 0.1, adapt: ['@last'], graph: start });
  const learner = learnerOf(own);
  const reports = await run(learner, tiny.train, { epochs: 8 });
  assert.ok(reports[7].loss < reports[0].loss);
  assert.equal(own.steps, 3);
});

test('specifications are checked when the algorithm is made', async () => {
  const define = (spec: object) => () => defineAlgorithm(spec as never);
  refuses(define({}), 'INVALID_OPTION', /algorithm\.name/);
  refuses(define({ name: 'x', step: 3 }), 'UNKNOWN_OPTION', /did you mean steps\?/);
  refuses(define({ ...maml(), order: 1 }), 'UNKNOWN_OPTION', /algorithm\.options/);
  refuses(define({ name: 'x', order: 3 }), 'INVALID_OPTION', /algorithm\.order/);
  refuses(define({ name: 'x', graph: 3 }), 'INVALID_OPTION', /algorithm\.graph/);
  refuses(define({ name: 'x', direction: 'reptile', rates: 'perStep' }), 'INVALID_OPTION', /algorithm\.rates/);
  refuses(define({ name: 'x', direction: 'joint', graph: shrunkMean }), 'INVALID_OPTION', /algorithm\.graph/);
  for (const spec of [null, undefined, 3, 'maml', []]) refuses(define(spec as unknown as object), 'INVALID_OPTION');
  refuses(() => learnerOf(defineAlgorithm({ name: 'x', adapt: ['none'] })), 'UNKNOWN_OPTION', /x\.adapt/);
});

test('options are kept with their defaults, so that a later version runs what was saved', async () => {
  assert.deepEqual(anil({ steps: 2 }).options['adapt'], ['@last']);
  assert.equal(maml().options['learningRate'], 0.01);
  assert.equal(mamo().options['slots'], 8);
});

test('every option of every algorithm has a text, and a default of its own kind', async () => {
  for (const name of NAMES) {
    for (const [option, spec] of Object.entries(ALGORITHMS[name].options as OptionTable)) {
      assert.match(docOf(spec), /^[A-Z2λ].*\.$/u, `${name}.${option}`);
      if (spec.default !== undefined) checkOption(spec.default, `${name}.${option}`, spec);
      else assert.ok(spec.defaultDoc !== undefined, `${name}.${option} says what stands for it`);
    }
  }
});
