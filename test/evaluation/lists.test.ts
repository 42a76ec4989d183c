/** Lists of recommendations: how the catalog is ranked, and what is measured of the lists beyond accuracy. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import '../../lib/serving/adapt.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import { maml } from '../../lib/algorithms/registry.js';
import { fitBaselines } from '../../lib/baselines/fit.js';
import type { Dataset, TaskSet } from '../../lib/foundation/contract.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { evaluateLists } from '../../lib/evaluation/list-metrics.js';
import { rankCatalog } from '../../lib/evaluation/lists.js';
import type { RankedLists } from '../../lib/evaluation/lists.js';
import { renderText } from '../../lib/evaluation/result-table.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { typed } from '../fixtures/typed-errors.js';

function near(actual: number, expected: number, message = ''): void {
  assert.ok(
    Math.abs(actual - expected) <= 1e-12 * Math.max(1, Math.abs(expected)),
    `${message} ${actual} is not ${expected}`,
  );
}

interface Fixture {
  users: number;
  items: number;
  k: number;
  train: [number, number][];
  bags: number[][];
  support: number[][];
  labels: number[][];
  ranked: number[][];
  coverage: number;
  gini: number;
  novelty: number[];
  popularity: number[];
  popularityLift: number;
  diversity: number[];
  miscalibration: number[];
}
const fixture = (
  JSON.parse(readFileSync(join(packageRoot(), 'test/fixtures/evaluation.json'), 'utf8')) as { lists: Fixture }
).lists;

/** The fixture as a dataset: its training interactions, then the support rows of new users. Item i is row i. */
function fixtureLists(): { lists: RankedLists; trainRows: Int32Array } {
  const { train: rows, support, labels, bags, items, ranked, k, users } = fixture;
  const ids = Array.from({ length: items }, (_, i) => `i${i + 1}`);
  const dataset = datasetFromColumns({
    user: [...rows.map(([u]) => `t${u}`), ...support.flatMap((list, u) => list.map(() => `u${u}`))],
    item: [...rows.map(([, i]) => `i${i}`), ...support.flat().map((i) => `i${i}`)],
    label: [...rows.map(() => 3), ...labels.flat()],
    itemFeatures: {
      id: ids,
      features: { genres: { kind: 'bag', values: bags.slice(1).map((bag) => bag.map((g) => `g${g}`)) } },
    },
  });
  const rowOf = (item: number) => dataset.items.keys.idOf(`i${item}`);
  const tasks: TaskSet = {
    dataset,
    size: users,
    keys: support.map((_, u) => `u${u}`),
    users: Int32Array.from(support, (_, u) => dataset.users.keys.idOf(`u${u}`)),
    supportOffsets: Int32Array.from({ length: users + 1 }, (_, u) => 6 * u),
    supportRows: Int32Array.from({ length: 6 * users }, (_, i) => rows.length + i),
    queryOffsets: new Int32Array(users + 1),
    queryRows: new Int32Array(0),
  };
  const lists: RankedLists = {
    tasks,
    count: k,
    offsets: Int32Array.from({ length: users + 1 }, (_, u) => k * u),
    items: Int32Array.from(ranked.flat(), rowOf),
    scores: new Float64Array(k * users),
    candidates: Int32Array.from({ length: items }, (_, i) => i + 1),
  };
  return { lists, trainRows: Int32Array.from(rows, (_, i) => i) };
}

test('coverage, Gini, novelty, popularity, diversity and calibration agree with NumPy and SciPy', async () => {
  const { lists, trainRows } = fixtureLists();
  const results = evaluateLists(lists, { trainRows });
  assert.deepEqual(Object.keys(results), [
    'coverage@5',
    'gini@5',
    'novelty@5',
    'popularity@5',
    'popularityLift@5',
    'diversity@5',
    'miscalibration@5',
  ]);
  near(results['coverage@5'].mean, fixture.coverage);
  near(results['gini@5'].mean, fixture.gini);
  near(results['popularityLift@5'].mean, fixture.popularityLift);
  for (const name of ['novelty', 'popularity', 'diversity', 'miscalibration'] as const) {
    const { perTask, mean, low, high, tasks } = results[`${name}@5`];
    fixture[name].forEach((value, t) => near(perTask[t], value, `${name} of list ${t}`));
    near(mean, fixture[name].reduce((a, b) => a + b, 0) / fixture.users);
    assert.ok(low < mean && mean < high && tasks === fixture.users);
  }
  const lift = results['popularityLift@5'];
  near(lift.perTask.reduce((a, b) => a + b, 0) / fixture.users, lift.mean);
  assert.ok(lift.low < lift.mean && lift.mean < lift.high);
  assert.ok(Number.isNaN(results['coverage@5'].low), 'a number of the whole has no spread between tasks');
});

test('metrics of lists at their ends', async () => {
  const { lists, trainRows } = fixtureLists();
  const top = (k: number) => evaluateLists(lists, { trainRows, metrics: [`coverage@${k}`, `gini@${k}`] });
  assert.ok(top(1)['coverage@1'].mean < top(5)['coverage@5'].mean);
  near(top(1)['coverage@1'].mean, new Set(fixture.ranked.map(([first]) => first)).size / fixture.items);
  // All lists the same item: 1 − 1/n. Every item once: 0.
  const same = { ...lists, items: new Int32Array(lists.items.length).fill(3), candidates: Int32Array.of(1, 2, 3, 4) };
  near(evaluateLists(same, { metrics: ['gini@1'] })['gini@1'].mean, 3 / 4);
  const all = { ...lists, items: Int32Array.from(lists.items, (_, i) => 1 + (i % 30)) };
  near(evaluateLists(all, { metrics: ['gini@5'] })['gini@5'].mean, 0);
  // Lists of the profile itself are calibrated, and not more popular than it.
  const { tasks } = lists;
  const profile = {
    ...lists,
    count: 6,
    offsets: tasks.supportOffsets,
    items: tasks.supportRows.map((row) => tasks.dataset.item[row]),
  };
  const own = evaluateLists(profile, { trainRows, metrics: ['miscalibration@6', 'popularityLift@6'], threshold: -1 });
  near(own['miscalibration@6'].mean, 0);
  near(own['popularityLift@6'].mean, 0);
});

test('names, and data that a metric needs, are checked', async () => {
  const { lists, trainRows } = fixtureLists();
  const fails = (options: object, expected: ErrorCode, pattern: RegExp) =>
    assert.throws(() => evaluateLists(lists, options), typed(expected, pattern));
  fails({ metrics: ['novlety@5'] }, 'UNKNOWN_OPTION', /did you mean novelty@5\?/);
  fails({ metrics: ['mae'] }, 'INVALID_OPTION', /query rows/);
  fails({ metrics: ['coverage'] }, 'INVALID_OPTION', /cut-off/);
  fails({ metrics: ['coverage@6'] }, 'INVALID_OPTION', /at most 5/);
  fails({ metrics: ['novelty@5'] }, 'INVALID_OPTION', /trainRows: missing/);
  fails({ trainRows, features: 'genre' }, 'UNKNOWN_OPTION', /did you mean genres\?/);
  assert.deepEqual(
    Object.keys(evaluateLists(lists)),
    ['coverage@5', 'gini@5', 'diversity@5', 'miscalibration@5'],
    'those that need nothing more',
  );
});

/** 40 users × 60 items with groups, features of interactions, and clicks or ratings. */
function smallDataset(clicks: boolean): Dataset {
  const [user, item, label, hour]: number[][] = [[], [], [], []];
  for (let u = 0; u < 40; u++) {
    for (let i = u % 3; i < 60; i += 3) {
      if (clicks) label.push(Number(Math.sin(u * 7 + i) > 0.3));
      else label.push(3 + Math.sin(u + i) + (u % 2));
      (user.push(u), item.push(i), hour.push((u + i) % 24));
    }
  }
  return datasetFromColumns({
    user,
    item,
    label,
    userFeatures: {
      id: Array.from({ length: 40 }, (_, u) => u),
      features: {
        gender: { kind: 'categorical', values: Array.from({ length: 40 }, (_, u) => (u % 2 ? 'F' : 'M')) },
        age: { kind: 'dense', values: Array.from({ length: 40 }, (_, u) => u) },
      },
    },
    itemFeatures: {
      id: Array.from({ length: 60 }, (_, i) => i),
      features: { genres: { kind: 'bag', values: Array.from({ length: 60 }, (_, i) => [`g${i % 4}`, `g${i % 7}`]) } },
    },
    features: { hour: { kind: 'categorical', values: hour.map(String) }, weight: { kind: 'dense', values: hour } },
  });
}

test('the catalog is ranked without the support items, in chunks as in one piece', async () => {
  const dataset = smallDataset(false);
  const tasks = buildTasks(dataset, { query: 4 });
  const seen: number[] = [];
  const score = (set: TaskSet) => {
    seen.push(set.size);
    // What is recommended has no hour and no weight yet.
    const [hour, weight] = set.dataset.context.columns;
    assert.ok(hour.kind === 'categorical' && weight.kind === 'dense' && set.dataset.context.rows === set.dataset.size);
    for (const row of set.queryRows) assert.ok(hour.data[row] === 0 && weight.data[row] === 0);
    return Float64Array.from(set.queryRows, (row) => Math.sin(17 * set.dataset.user[row] + 3 * set.dataset.item[row]));
  };
  const lists = await rankCatalog(score, tasks, { count: 7 });
  assert.deepEqual(seen, [40]);
  for (let t = 0; t < tasks.size; t++) {
    const support = new Set(
      Array.from(
        tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]),
        (row) => dataset.item[row],
      ),
    );
    const all = Array.from({ length: 60 }, (_, i) => i + 1).filter((i) => !support.has(i));
    const value = (i: number) => Math.sin(17 * tasks.users[t] + 3 * i);
    const expected = all.sort((a, b) => value(b) - value(a)).slice(0, 7);
    assert.deepEqual([...lists.items.subarray(lists.offsets[t], lists.offsets[t + 1])], expected);
    assert.equal(lists.scores[lists.offsets[t]], value(expected[0]));
  }
  const among = Int32Array.of(5, 9, 20);
  const few = await rankCatalog(score, tasks, { among });
  for (const item of few.items) assert.ok(among.includes(item));
  assert.ok(few.offsets.every((end, t) => t === 0 || end - few.offsets[t - 1] <= 3));
  await assert.rejects(
    rankCatalog(() => new Float64Array(40 * 60).fill(NaN), tasks),
    typed('DIVERGED', /task 0/),
  );
  await assert.rejects(rankCatalog(score, tasks, { among: Int32Array.of(61) }), typed('INVALID_OPTION', /among\[0\]/));
  await assert.rejects(rankCatalog(score, tasks, { signal: AbortSignal.abort() }), typed('ABORTED', /aborted/));
});

test('evaluate ranks the catalog as recommend does', async () => {
  const dataset = smallDataset(false);
  const tasks = buildTasks(dataset, { query: 4 });
  const trainRows = Int32Array.from({ length: dataset.size }, (_, row) => row);
  const inputs = describeInputs(
    dataset,
    [
      { name: 'item', dim: 4 },
      { name: 'user', dim: 2 },
      { name: 'genres', dim: 3 },
    ],
    trainRows,
  );
  const model = defineModel({ inputs, body: { kind: 'mlp', hidden: [6] }, head: { loss: 'mse' } });
  const learner = createLearner({ model, algorithm: maml({ steps: 2, learningRate: 0.05 }), seed: 1 });
  for await (const _ of train(learner, tasks, { epochs: 2, redraw: false })) void _;
  const lists = await rankCatalog((set) => learner.outputs(set, 'after'), tasks, { count: 5 });
  const idOf = (item: number) => dataset.items.keys.values[item];
  for (const t of [0, 13, 39]) {
    const rows = tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]);
    const me = await learner.adapt({
      items: Array.from(rows, (row) => idOf(dataset.item[row])),
      labels: Array.from(rows, (row) => dataset.label[row]),
      user: tasks.keys[t],
    });
    const own = await me.recommend({ count: 5 });
    assert.deepEqual(
      own.map(({ item }) => item),
      Array.from(lists.items.subarray(lists.offsets[t], lists.offsets[t + 1]), idOf),
    );
    own.forEach(({ score }, i) => assert.ok(Math.abs(score - lists.scores[lists.offsets[t] + i]) < 1e-5));
  }
  const baselines = await fitBaselines(dataset, trainRows, { include: ['popularity', 'itemMean'] });
  const metrics = ['mae', 'ndcg@3', 'coverage@5', 'novelty@5', 'miscalibration@5'];
  const { methods, table } = await evaluate(learner, tasks, {
    metrics,
    baselines,
    trainRows,
    groups: 'gender',
    features: 'genres',
  });
  assert.deepEqual(
    methods.map(({ method }) => method),
    ['maml, not adapted', 'maml', 'popularity', 'item mean'],
  );
  assert.deepEqual(
    methods[1].metrics['novelty@5'],
    evaluateLists(lists, { metrics: ['novelty@5'], trainRows })['novelty@5'],
  );
  const popular = methods.find(({ method }) => method === 'popularity')!;
  assert.equal(popular.metrics['mae'], undefined);
  assert.ok(popular.metrics['coverage@5'].mean > 0);
  assert.deepEqual(
    table.columns.map(({ better }) => better),
    ['lower', 'higher', 'higher', 'higher', 'lower'],
  );
  assert.match(renderText(table), /coverage@5/);
  assert.deepEqual(
    Object.keys(methods[1].groups!),
    ['mae', 'ndcg@3', 'novelty@5', 'miscalibration@5'],
    'metrics that have a value a task',
  );
  const { groups, gap } = methods[1].groups!['mae'];
  assert.deepEqual(
    groups.map(({ group, tasks: n }) => [group, n]),
    [
      ['M', 20],
      ['F', 20],
    ],
  );
  near(groups[0].mean / 2 + groups[1].mean / 2, methods[1].metrics['mae'].mean);
  assert.ok(gap !== undefined && gap.mean >= 0 && gap.p > 0 && gap.p <= 1);
  await assert.rejects(evaluate(learner, tasks, { metrics: ['novelty@5'] }), typed('INVALID_OPTION', /trainRows/));
  await assert.rejects(
    evaluate(learner, tasks, { groups: 'gneder' }),
    typed('MISSING_COLUMN', /did you mean gender\?/),
  );
  await assert.rejects(evaluate(learner, tasks, { groups: 'age' }), typed('INVALID_OPTION', /categorical/));
  await assert.rejects(evaluate(learner, tasks, { groups: ['a'] }), typed('INVALID_OPTION', /40 names/));
});

test('a click model reports its reliability', async () => {
  const dataset = smallDataset(true);
  const tasks = buildTasks(dataset, { query: 4 });
  const inputs = describeInputs(
    dataset,
    [{ name: 'item', dim: 4 }],
    Int32Array.from({ length: dataset.size }, (_, row) => row),
  );
  const learner = createLearner({
    model: defineModel({ inputs, body: { kind: 'mlp', hidden: [] }, head: { loss: 'bce' } }),
    algorithm: maml({ steps: 1 }),
    seed: 1,
  });
  for await (const _ of train(learner, tasks, { epochs: 1, redraw: false })) void _;
  const { methods } = await evaluate(learner, tasks, { metrics: ['auc', 'brier'] });
  for (const { metrics, reliability } of methods) {
    assert.ok(reliability !== undefined && reliability.ece >= 0 && reliability.ece <= reliability.mce);
    assert.equal(
      reliability.bins.reduce((sum, { rows }) => sum + rows, 0),
      tasks.queryRows.length,
    );
    // Every task has four query rows: the mean over tasks is the mean over rows.
    near(metrics['brier'].mean, reliability.brier);
  }
});
