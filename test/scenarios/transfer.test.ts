/** What carries over to another domain, whom adaptation hurts, and whose gradients disagree, where the right answer is known. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { anil, maml, ridge } from '../../lib/algorithms/registry.js';
import type { TaskSet } from '../../lib/foundation/contract.js';
import { evaluateScores } from '../../lib/evaluation/metrics.js';
import { crossDomain, fitShrinkage, gradientAlignment, negativeTransfer } from '../../lib/scenarios/index.js';
import type { Scenario } from '../../lib/scenarios/index.js';
import { buildTasks, splitTasks, subsetTasks } from '../../lib/tasks/index.js';
import { rejects } from '../fixtures/family.js';
import { assertPlain, cell, world, learnerFor, trained } from '../fixtures/taste-world.js';

test('cross-domain: a shared taste crosses through the history, items that are unknown do not', async () => {
  const dataset = world({ users: 160, items: 60, rows: 45, extra: (_, item) => (item < 30 ? 'books' : 'music') });
  const options = {
    column: 'extra',
    source: 'books',
    target: 'music',
    shots: [0, 1, 5],
    query: 8,
    train: { epochs: 12, metaBatch: 16 },
    learner: (rows: Int32Array) => learnerFor(dataset, rows, ridge(), 'item'),
  };
  const scenario = await crossDomain(dataset, options);
  assertPlain(scenario);
  const at = (method: string, shots: string) => cell(scenario, method, `mae, ${shots}`);
  assert.ok(at('joint, source history', '0 shots') < 0.75 * at('target', '0 shots'), 'history at no shot');
  assert.ok(at('joint, source history', '1 shot') < 0.75 * at('target', '1 shot'), 'history at one shot');
  assert.ok(at('target', '5 shots') < 0.9 * at('target', '0 shots'), 'target shots');
  assert.ok(at('source', '5 shots') > 1.2 * at('target', '5 shots'), 'the source learner knows no target item');
  await rejects(crossDomain(dataset, { ...options, target: 'musik' }), 'INVALID_OPTION', /did you mean music/);
  await rejects(crossDomain(dataset, { ...options, target: 'books' }), 'INVALID_OPTION', /is the source/);
  await rejects(crossDomain(dataset, { ...options, shots: [0, 100] }), 'EMPTY_DATA', /108 target rows/);
  await rejects(crossDomain(dataset, { ...options, column: 'half' }), 'INVALID_OPTION', /no such domain/);
});

const hurtBy = (scenario: Scenario, method: string) => ({
  share: cell(scenario, method, 'share hurt'),
  harm: cell(scenario, method, 'harm'),
  mae: cell(scenario, method, 'mae'),
});
const keep = (tasks: TaskSet, remainder: number) =>
  subsetTasks(
    tasks,
    [...tasks.keys.keys()].filter((t) => Number(tasks.keys[t]) % 2 === remainder),
  );

test('negative transfer: where ratings say little, shrinking hurts fewer, and nobody whom adaptation helps', async () => {
  // A learner trained where four ratings say much, met by users where they say little.
  const [calm, noisy] = [0.1, 2].map((noise) => world({ users: 200, items: 40, rows: 14, noise: () => noise }));
  const tasks = { query: 10, shots: 4 };
  const { sets, trainRows } = splitTasks(noisy, { protocol: 'users', validation: 0.3, test: 0.4, seed: 1, tasks });
  const learner = await trained(
    learnerFor(calm, trainRows, anil({ steps: 5, learningRate: 0.2 })),
    buildTasks(calm, { ...tasks, rows: trainRows }),
  );
  const scenario = await negativeTransfer(learner, sets['test'], { validation: sets['validation'], column: 'half' });
  assertPlain(scenario);
  const shrunk = scenario.tables[0].rows.find(({ method }) => /shrunk \(/.test(method))!.method;
  const [full, less] = [hurtBy(scenario, 'adapted'), hurtBy(scenario, shrunk)];
  assert.equal(hurtBy(scenario, 'not adapted').share, 0);
  assert.ok(full.share > 0.3, JSON.stringify(full));
  assert.ok(
    less.share <= full.share && less.harm < 0.7 * full.harm && less.mae < 0.97 * full.mae,
    JSON.stringify({ full, less }),
  );
  assert.ok(hurtBy(scenario, 'adapted, shrunk and gated').share < less.share);
  assert.match(scenario.notes.join('\n'), /within a value of half/);

  const { c, weight } = await fitShrinkage(learner, sets['validation']);
  assert.ok(c > 0 && weight(0) === 0 && Math.abs(weight(8) - 8 / (8 + c)) < 1e-12);
  const [before, after] = [await learner.outputs(sets['test'], 'before'), await learner.outputs(sets['test'], 'after')];
  const blended = before.map((output, i) => output + weight(4) * (after[i] - output));
  const [base, adapted, mixed] = [before, after, blended].map(
    (scores) => evaluateScores(sets['test'], scores, { metrics: ['mae'] })['mae'].perTask,
  );
  assert.equal(cell(scenario, shrunk, 'mae'), evaluateScores(sets['test'], blended, { metrics: ['mae'] })['mae'].mean);
  base.forEach((value, t) => adapted[t] <= value && assert.ok(mixed[t] <= value + 1e-12, 'a helped task is hurt'));
  const own = await fitShrinkage(
    learner,
    buildTasks(calm, {
      ...tasks,
      rows: Int32Array.from([...sets['validation'].supportRows, ...sets['validation'].queryRows]),
    }),
  );
  assert.ok(own.c < c, `${own.c} where four ratings say much, ${c} where they say little`);
  await rejects(
    negativeTransfer(learner, sets['test'], { validations: sets['validation'] } as object),
    'UNKNOWN_OPTION',
    /did you mean validation/,
  );
});

test('negative transfer: a gate keeps those from adapting who rate at random', async () => {
  const dataset = world({
    users: 240,
    items: 40,
    rows: 22,
    noise: (u) => (u % 2 === 0 ? 0.1 : 4),
    tasteAt: (u, _, [a, b]) => (u % 2 === 0 ? [a, b] : [0, 0]),
  });
  const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', test: 0.4, seed: 1, tasks: { query: 10 } });
  const learner = await trained(
    learnerFor(dataset, trainRows, anil({ steps: 5, learningRate: 0.2 })),
    keep(sets['train'], 0),
  );
  const [steady, random_] = [
    await negativeTransfer(learner, keep(sets['test'], 0)),
    await negativeTransfer(learner, keep(sets['test'], 1)),
  ];
  assert.deepEqual(
    steady.tables[0].rows.map(({ method }) => method),
    ['not adapted', 'adapted', 'adapted, gated'],
    'no validation, no shrinkage',
  );
  const [full, gated] = [hurtBy(random_, 'adapted'), hurtBy(random_, 'adapted, gated')];
  assert.ok(
    full.share > 0.6 && gated.share < 0.6 * full.share && gated.mae < full.mae,
    JSON.stringify({ full, gated }),
  );
  assert.ok(
    hurtBy(steady, 'adapted, gated').mae < 1.02 * hurtBy(steady, 'adapted').mae,
    'those whom adaptation helps keep it',
  );
  assert.ok(hurtBy(steady, 'adapted').mae < 0.5 * hurtBy(steady, 'not adapted').mae);
});

test('gradient alignment: groups that want the opposite pull in opposite directions', async () => {
  const dataset = world({ users: 80, items: 30, rows: 16, tasteAt: (u) => (u % 2 === 0 ? [1, 0.5] : [-1, -0.5]) });
  const tasks = buildTasks(dataset, { query: 8 });
  const learner = learnerFor(dataset, tasks.supportRows, maml({ steps: 1, learningRate: 0.001 }));
  learner.labelOffset = 3;
  const { groups, cosine, within, between, table } = await gradientAlignment(learner, tasks, { column: 'half' });
  assert.deepEqual(groups, [
    { name: 'even', tasks: 40 },
    { name: 'odd', tasks: 40 },
  ]);
  assert.ok(within > 0.8, String(within));
  assert.ok(between < -0.8, String(between));
  assert.ok(Math.abs(cosine[0][1] - cosine[1][0]) < 1e-12);
  assert.equal(table.rows[1].cells[0]!.mean, cosine[1][0]);
  await rejects(gradientAlignment(learner, tasks, { column: 'half', minimum: 41 }), 'EMPTY_DATA', /0 groups of 41/);
  await rejects(gradientAlignment(learner, tasks, { column: 'halve' }), 'MISSING_COLUMN', /did you mean half/);
});
