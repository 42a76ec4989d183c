/** Scenarios on families of users where the right answer is known. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { Algorithm } from '../../lib/meta/algorithm.js';
import { anil, maml, ridge } from '../../lib/algorithms/registry.js';
import { globalMean } from '../../lib/baselines/global-mean.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { Dataset, TaskSet } from '../../lib/foundation/contract.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { evaluateScores } from '../../lib/evaluation/metrics.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { Learner } from '../../lib/learner/learner.js';
import { metaGradient } from '../../lib/meta/meta-gradient.js';
import { defineModel } from '../../lib/model/model.js';
import { adam } from '../../lib/meta/outer-update.js';
import { random } from '../../lib/foundation/random.js';
import {
  askFirst,
  coldStart,
  crossDomain,
  evidenceCandidates,
  fewShot,
  fitShrinkage,
  gradientAlignment,
  interestDrift,
  negativeTransfer,
  withRecency,
} from '../../lib/scenarios/index.js';
import type { Scenario } from '../../lib/scenarios/index.js';
import { adaptedOutputs } from '../../lib/scenarios/outputs.js';
import { buildTasks, nestedSupport, splitTasks, subsetTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import type { TrainOptions } from '../../lib/training/train.js';
import { learnerOf, make, ratings, refuses, rejects, run } from '../fixtures/family.js';
import { query, support } from '../fixtures/tasks.js';

/** A scenario is what it says: plain JSON with one number per x, and intervals around their mean. */
function assertPlain(scenario: Scenario): void {
  assert.deepEqual(JSON.parse(JSON.stringify(scenario)), scenario);
  for (const { columns, rows } of scenario.tables)
    for (const { cells } of rows) assert.equal(cells.length, columns.length);
  for (const { series } of scenario.charts) {
    assert.ok(series.length > 0);
    for (const { x, y, low, high } of series) {
      assert.deepEqual([y.length, low.length, high.length], [x.length, x.length, x.length]);
      y.forEach((value, i) => low[i] !== null && assert.ok(low[i] <= value! && value! <= high[i]!));
    }
  }
}
const cell = ({ tables }: Scenario, method: string, column: string, table = 0): number => {
  const { columns, rows } = tables[table];
  const row = rows.find((each) => each.method === method);
  assert.ok(row, `${method} is not among ${rows.map((each) => each.method).join(', ')}`);
  return row.cells[columns.findIndex(({ metric }) => metric === column)]!.mean;
};

/** Labels of users' tastes for hidden traits of items; `tasteAt` gives a user's taste at a time. */
interface World {
  users: number;
  items: number;
  rows: number;
  tasteAt?: (user: number, time: number, taste: number[]) => number[];
  noise?: (user: number) => number;
  extra?: (user: number, item: number) => string;
}
function world({ users, items, rows, tasteAt = (_, __, taste) => taste, noise = () => 0.1, extra }: World): Dataset {
  const stream = random(8, 'world');
  const traits = Array.from({ length: items }, () => [stream.normal(), stream.normal()]);
  const data: { user: number[]; item: number[]; label: number[]; time: number[]; extra: string[] } = {
    user: [],
    item: [],
    label: [],
    time: [],
    extra: [],
  };
  for (let u = 0; u < users; u++) {
    const own = random(9, 'world.user', u);
    const taste = [own.normal(), own.normal()];
    own
      .shuffle(Int32Array.from({ length: items }, (_, i) => i))
      .subarray(0, rows)
      .forEach((i, k) => {
        const at = tasteAt(u, k / rows, taste);
        (data.user.push(u), data.item.push(i), data.time.push(k + own.uniform()));
        data.label.push(3 + at[0] * traits[i][0] + at[1] * traits[i][1] + noise(u) * own.normal());
        data.extra.push(extra?.(u, i) ?? '');
      });
  }
  const { extra: values, ...columns } = data;
  return datasetFromColumns({
    ...columns,
    userFeatures: {
      id: Array.from({ length: users }, (_, u) => u),
      features: {
        half: { kind: 'categorical', values: Array.from({ length: users }, (_, u) => (u % 2 === 0 ? 'even' : 'odd')) },
      },
    },
    itemFeatures: {
      id: traits.map((_, i) => i),
      features: { traits: { kind: 'dense', values: traits, standardize: false } },
    },
    ...(extra && { features: { extra: { kind: 'categorical', values } } }),
  });
}
function learnerFor(
  dataset: Dataset,
  rows: Int32Array,
  algorithm: Algorithm,
  inputs: 'traits' | 'item' = 'traits',
): Learner {
  const described = describeInputs(
    dataset,
    [inputs === 'traits' ? { name: 'traits' } : { name: 'item', dim: 4 }],
    rows,
  );
  const model = defineModel({
    inputs: described,
    body: { kind: 'mlp', hidden: [8], activation: 'identity' },
    head: { loss: 'mse' },
  });
  return createLearner({ model, algorithm, optimizer: adam({ learningRate: 0.02 }), seed: 2 });
}
async function trained(learner: Learner, tasks: TaskSet, options: TrainOptions = {}): Promise<Learner> {
  for await (const _ of train(learner, tasks, { epochs: 12, metaBatch: 16, ...options })) continue;
  return learner;
}

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

test('withRecency: weights halve with every half-life, and an old row counts as part of one', async () => {
  const dataset = world({ users: 30, items: 30, rows: 12 });
  const weighted = withRecency(dataset, 8, 4);
  weighted.weight!.forEach((weight, row) =>
    assert.ok(Math.abs(weight - Math.min(1, 2 ** ((dataset.time![row] - 8) / 4))) < 1e-7),
  );
  withRecency(weighted, 8, 4).weight!.forEach((weight, row) =>
    assert.ok(Math.abs(weight - weighted.weight![row] ** 2) < 1e-6, 'times the weights there are'),
  );
  // Weights of ½ throughout are half the rows to a closed form, and nothing to a mean.
  const tasks = buildTasks(dataset, { query: 4 });
  for (const [algorithm, same] of [
    [ridge(), false],
    [maml({ steps: 2, learningRate: 0.1 }), true],
  ] as const) {
    const learner = learnerFor(dataset, tasks.supportRows, algorithm);
    const [plain, half] = await Promise.all(
      [dataset, { ...dataset, weight: new Float32Array(dataset.size).fill(0.5) }].map((each) =>
        learner.outputs({ ...tasks, dataset: each }, 'after'),
      ),
    );
    const distance = plain.reduce((sum, output, i) => sum + Math.abs(output - half[i]), 0) / plain.length;
    assert.ok(same ? distance < 1e-5 : distance > 1e-3, `${algorithm.name} ${distance}`);
  }
  refuses(() => withRecency(dataset, 1, 0), 'INVALID_OPTION', /halfLife/);
});

test('interest drift: recency helps where tastes turn, and costs where they stay', async () => {
  const turning = (_: number, time: number, [a, b]: number[]) => {
    const angle = 6 * time;
    return [a * Math.cos(angle) - b * Math.sin(angle), a * Math.sin(angle) + b * Math.cos(angle)];
  };
  const measured: number[] = [];
  for (const tasteAt of [turning, undefined]) {
    const dataset = world({ users: 60, items: 80, rows: 60, tasteAt, noise: () => 0.3 });
    const scenario = await interestDrift(dataset, {
      learner: (rows) => learnerFor(dataset, rows, ridge()),
      tasks: { query: { fraction: 0.3 } },
      blocks: 5,
      halfLife: 4,
      train: { epochs: 8, metaBatch: 16 },
      metric: 'mae',
    });
    assertPlain(scenario);
    const [still, adapted, recent] = ['static', 'adapted', 'adapted, recent'].map((method) =>
      cell(scenario, method, 'mae'),
    );
    if (tasteAt === undefined) assert.ok(adapted < 0.6 * still, `${adapted} adapted, ${still} not`);
    assert.equal(scenario.charts[0].series[0].x.length, 5);
    measured.push(recent / adapted);
  }
  assert.ok(measured[0] < 0.9, `turning tastes: recency multiplies the error by ${measured[0]}`);
  assert.ok(measured[1] > 1, `steady tastes: recency multiplies the error by ${measured[1]}`);
});

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

test('evidence: popularity × mean gradient norm of one interaction, as written out by the public gradients', async () => {
  const dataset = world({ users: 12, items: 9, rows: 6 });
  const tasks = buildTasks(dataset, { query: 2 });
  const learner = learnerFor(dataset, tasks.supportRows, maml({ steps: 1, learningRate: 0.05, adapt: ['mlp.1.*'] }));
  learner.labelOffset = 3;
  const found = await evidenceCandidates(learner, tasks, { count: 9 });
  const rows = new Set([...tasks.keys.keys()].flatMap((t) => [...support(tasks, t), ...query(tasks, t)]));
  const traits = dataset.items.columns[0].data;
  const expected = new Map<string, { popularity: number; norm: number }>();
  for (let item = 1; item < dataset.items.rows; item++) {
    const own = [...rows].filter((row) => dataset.item[row] === item);
    let norm = 0;
    for (const row of own) {
      const example = {
        inputs: { traits: [[...traits.subarray(2 * item, 2 * item + 2)]] },
        labels: [dataset.label[row] - 3],
      };
      const batch = packTasks(learner.model, [{ support: example, query: example }]);
      const { gradient } = await metaGradient(learner.model, learner.parameters(), batch, {
        steps: 0,
        learningRate: 0,
        adapt: ['mlp.1.*'],
        order: 1,
      });
      norm +=
        Math.sqrt(
          [...gradient['mlp.1.weight'].data, ...gradient['mlp.1.bias'].data].reduce((sum, g) => sum + g * g, 0),
        ) / own.length;
    }
    expected.set(dataset.items.keys.values[item], { popularity: own.length, norm });
  }
  const most = {
    popularity: Math.max(...[...expected.values()].map(({ popularity }) => popularity)),
    norm: Math.max(...[...expected.values()].map(({ norm }) => norm)),
  };
  assert.equal(found.length, 9);
  for (const { item, popularity, norm, score } of found) {
    assert.equal(popularity, expected.get(item)!.popularity / most.popularity);
    assert.ok(
      Math.abs(norm - expected.get(item)!.norm / most.norm) < 1e-4,
      `${norm} ${expected.get(item)!.norm / most.norm}`,
    );
    assert.equal(score, popularity * norm);
  }
  assert.deepEqual(
    found.map(({ score }) => score),
    found.map(({ score }) => score).sort((a, b) => b - a),
  );
  assert.deepEqual(await evidenceCandidates(learner, tasks, { count: 3 }), found.slice(0, 3));
  const few = await evidenceCandidates(learner, tasks, { count: 9, perItem: 1 });
  assert.deepEqual(new Set(few.map(({ item }) => item)), new Set(found.map(({ item }) => item)));
  await rejects(evidenceCandidates(learner, tasks, { count: 0 }), 'INVALID_OPTION', /evidence\.count/);
});

test('asking first: what users are likely to know brings more answers and a smaller error than asking at random', async () => {
  // Items differ in how many users know them.
  const stream = random(5, 'known');
  const base = world({ users: 120, items: 60, rows: 60 });
  const kept = [...base.user.keys()].filter(
    (row) => stream.uniform() < (Number(base.items.keys.values[base.item[row]]) < 15 ? 0.9 : 0.2),
  );
  const column = base.items.columns[0];
  assert.ok(column.kind === 'dense');
  const dataset = datasetFromColumns({
    user: kept.map((row) => base.users.keys.values[base.user[row]]),
    item: kept.map((row) => base.items.keys.values[base.item[row]]),
    label: kept.map((row) => base.label[row]),
    itemFeatures: {
      id: base.items.keys.values.slice(1),
      features: {
        traits: {
          kind: 'dense',
          values: Array.from({ length: 60 }, (_, i) => [...column.data.subarray(2 * i + 2, 2 * i + 4)]),
          standardize: false,
        },
      },
    },
  });
  const { sets, trainRows } = splitTasks(dataset, { protocol: 'users', test: 0.4, seed: 1, tasks: { query: 6 } });
  const learner = await trained(learnerFor(dataset, trainRows, ridge()), sets['train']);
  const candidates = await evidenceCandidates(learner, sets['train'], { count: 60 });
  const scenario = await askFirst(learner, candidates, sets['test'], { questions: [2, 5, 60], metrics: ['mae'] });
  assertPlain(scenario);
  const at = (method: string, count: number) => cell(scenario, method, `mae, ${count} asked`);
  for (const count of [2, 5])
    assert.ok(
      at('popularity × norm', count) < 0.9 * at('random', count),
      `${count}: ${at('popularity × norm', count)} ${at('random', count)}`,
    );
  for (const method of ['popularity', 'norm', 'random'])
    assert.equal(at(method, 60), at('popularity × norm', 60), 'who is asked everything answers everything');
  const whole = await evaluate(learner, sets['test'], { metrics: ['mae'] });
  assert.equal(at('random', 60), whole.methods[1].metrics['mae'].mean);
  await rejects(askFirst(learner, [], sets['test']), 'EMPTY_DATA', /candidates/);
});
