/** Few-shot curves and cold start: each point is what `evaluate` measures. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { globalMean } from '../../lib/baselines/global-mean.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { coldStart, fewShot } from '../../lib/scenarios/index.js';
import { adaptedOutputs } from '../../lib/scenarios/outputs.js';
import { nestedSupport } from '../../lib/tasks/index.js';
import { learnerOf, make, ratings, rejects, run } from '../fixtures/family.js';
import { assertPlain, cell } from '../fixtures/taste-world.js';

test('few-shot: the curve falls, its ends are evaluate’s, and one query serves all points', async () => {
  const [gradient, closed] = [
    learnerOf(make('maml', { rates: 'perStep' }), { at: ratings }),
    learnerOf(make('ridge'), { at: ratings }),
  ];
  for (const learner of [gradient, closed]) await run(learner, ratings.train, { epochs: 12 });
  const baselines = [globalMean(ratings.dataset, ratings.trainRows)];
  const scenario = await fewShot({ maml: gradient, ridge: closed }, ratings.test, {
    shots: [1, 2, 4, 8],
    steps: [0, 1, 3, 6],
    metrics: ['mae', 'rmse'],
    baselines,
    seed: 4,
  });
  assertPlain(scenario);
  assert.equal(scenario.tables.length, 4);
  for (const name of ['maml', 'ridge']) {
    assert.ok(cell(scenario, name, 'mae, 8 shots') < 0.8 * cell(scenario, name, 'mae, 1 shot'), name);
    assert.ok(cell(scenario, name, 'mae, 8 shots') < 0.8 * cell(scenario, name, 'mae, 0 shots'), name);
  }
  const flat = scenario.charts[0].series.find(({ name }) => name === 'global mean')!.y;
  assert.equal(new Set(flat).size, 1, 'a method without support rows has one value: the query is the same');
  assert.deepEqual(scenario.charts[0].series.find(({ name }) => name === 'global mean')!.x, [0, 1, 2, 4, 8]);
  assert.equal(cell(scenario, 'global mean', 'mae, 0 shots'), cell(scenario, 'global mean', 'mae, 8 shots'));
  const [, , , eight] = nestedSupport(ratings.test, [1, 2, 4, 8], { seed: 4 });
  const { methods } = await evaluate(gradient, eight, { metrics: ['mae'] });
  assert.equal(cell(scenario, 'maml', 'mae, 0 shots'), methods[0].metrics['mae'].mean);
  assert.equal(cell(scenario, 'maml', 'mae, 8 shots'), methods[1].metrics['mae'].mean);
  // Three steps are the algorithm's own; the others are fewer, and more with the last rate.
  assert.equal(cell(scenario, 'maml', 'mae, 3 steps', 2), methods[1].metrics['mae'].mean);
  assert.equal(cell(scenario, 'maml', 'mae, 0 steps', 2), methods[0].metrics['mae'].mean);
  assert.ok(cell(scenario, 'maml', 'mae, 1 step', 2) < cell(scenario, 'maml', 'mae, 0 steps', 2));
  assert.notEqual(cell(scenario, 'maml', 'mae, 6 steps', 2), cell(scenario, 'maml', 'mae, 3 steps', 2));
  assert.deepEqual(
    scenario.tables[2].rows.map(({ method }) => method),
    ['maml'],
    'a closed form has no steps',
  );
  await rejects(fewShot({}, ratings.test), 'INVALID_OPTION', /learners/);
  await rejects(fewShot({ maml: gradient }, ratings.test, { shots: [500] }), 'EMPTY_DATA', /500 support rows/);
  await rejects(
    fewShot({ maml: gradient }, ratings.test, { shot: [1] } as object),
    'UNKNOWN_OPTION',
    /did you mean shots/,
  );
});

test('inner options of a scenario are those of an algorithm made with them', async () => {
  const learner = learnerOf(make('maml'), { at: ratings });
  await run(learner, ratings.train, { epochs: 2 });
  const other = learnerOf(
    make('maml', { steps: 7, shrinkage: 2.5 }),
    { at: ratings },
    { parameters: learner.parameters() },
  );
  other.labelOffset = learner.labelOffset;
  assert.deepEqual(
    await adaptedOutputs(learner, ratings.test, { when: 'after', steps: 7, shrinkage: 2.5 }),
    await other.outputs(ratings.test, 'after'),
  );
});

test('cold start: each set as evaluate measures it', async () => {
  const learner = learnerOf(make('maml'), { at: ratings });
  await run(learner, ratings.train, { epochs: 3 });
  const sets = { known: ratings.validation, cold: ratings.test };
  const scenario = await coldStart(learner, sets, {
    metrics: ['mae', 'rmse'],
    baselines: [globalMean(ratings.dataset, ratings.trainRows)],
  });
  assertPlain(scenario);
  for (const [name, tasks] of Object.entries(sets)) {
    const { methods } = await evaluate(learner, tasks, { metrics: ['mae', 'rmse'] });
    for (const { method, metrics } of methods) {
      assert.equal(cell(scenario, method, `mae, ${name}`), metrics['mae'].mean);
      assert.equal(cell(scenario, method, `rmse, ${name}`, 1), metrics['rmse'].mean);
    }
  }
});
