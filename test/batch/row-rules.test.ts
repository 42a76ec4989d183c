/** Labels centred on biases, weighted rows, sampled negatives, second heads: from the dataset to the predictions. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml } from '../../lib/algorithms/registry.js';
import type { Dataset, HeadSpec, TaskSet } from '../../lib/foundation/contract.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import type { LearnerOptions } from '../../lib/learner/option-types.js';
import type { Learner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { adam, sgd } from '../../lib/meta/outer-update.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { random } from '../../lib/foundation/random.js';
import {
  fitRows,
  itemBiasFor,
  jointBias,
  rowContext,
  rowRules,
  rowsOfStatistics,
  userBias,
} from '../../lib/batch/row-rules.js';
import { buildTasks, subsetTasks } from '../../lib/tasks/index.js';
import { statisticsOf, taskSource } from '../../lib/tasks/task-source.js';
import { train } from '../../lib/training/train.js';
import { path, refuses, rejects } from '../fixtures/family.js';

const USERS = 30;
const ITEMS = 12;
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Every user with eight of twelve items. @param labelOf by user and item */
function dataset(
  labelOf: (user: number, item: number) => number,
  features: Parameters<typeof datasetFromColumns>[0]['features'] = {},
): Dataset {
  const pairs = range(USERS).flatMap((u) =>
    Array.from(
      random(1, 'items', u)
        .shuffle(Int32Array.from(range(ITEMS)))
        .subarray(0, 8),
      (i) => [u, i] as const,
    ),
  );
  return datasetFromColumns({
    user: pairs.map(([u]) => u),
    item: pairs.map(([, i]) => i),
    label: pairs.map(([u, i]) => labelOf(u, i)),
    features,
  });
}

function learnerOf(data: Dataset, head: HeadSpec, more: Partial<LearnerOptions> = {}): Learner {
  const rows = Int32Array.from(range(data.size));
  const model = defineModel(
    { inputs: describeInputs(data, [{ name: 'item', dim: 4 }], rows), body: { kind: 'mlp', hidden: [] }, head },
    { precision: 'float64' },
  );
  return createLearner({
    model,
    algorithm: maml({ steps: 1, learningRate: 0.1 }),
    optimizer: adam({ learningRate: 0.02 }),
    seed: 5,
    ...more,
  });
}

async function run(learner: Learner, tasks: TaskSet, epochs: number): Promise<number[]> {
  const losses: number[] = [];
  for await (const { loss } of train(learner, tasks, { epochs, metaBatch: 8 })) losses.push(loss);
  return losses;
}

const itemTaste = (i: number) => Math.sin(3 * i);
const userTaste = (u: number) => Math.cos(5 * u);

test('centred on biases, labels are what no user or item mean explains', async () => {
  const data = dataset((u, i) => 3 + userTaste(u) + itemTaste(i));
  const tasks = buildTasks(data, { query: 3 });
  const zero = (learner: Learner) =>
    Object.fromEntries(
      Object.entries(learner.parameters()).map(([name, tensor]) => [
        name,
        { shape: tensor.shape, data: new Float64Array(tensor.data.length) },
      ]),
    );
  const plain = learnerOf(data, { loss: 'mse' });
  // With parameters of 0 and no steps the predictions are the centres themselves.
  const start = { parameters: zero(plain), algorithm: maml({ steps: 0 }) };
  const error = async (rows: LearnerOptions['rows']) => {
    const learner = learnerOf(data, { loss: 'mse' }, { ...start, ...(rows && { rows }) });
    learner.rowState = fitRows(learner.rowRules, 'mse', tasks);
    const outputs = await learner.outputs(tasks, 'after');
    return outputs.reduce((sum, o, k) => sum + Math.abs(o - data.label[tasks.queryRows[k]]), 0) / outputs.length;
  };
  const [mean, damped, bare] = [
    await error(undefined),
    await error({ center: 'bias' }),
    await error({ center: 'bias', damping: 0 }),
  ];
  assert.ok(damped < 0.6 * mean, `${damped} against ${mean} of the mean`);
  assert.ok(bare < 0.2 * mean, `${bare} against ${mean}: users and items are additive`);
});

test('biases are those of the training rows and the support rows, by hand', async () => {
  const data = datasetFromColumns({
    user: [1, 1, 1, 2, 2, 2],
    item: ['a', 'b', 'c', 'a', 'b', 'd'],
    label: [5, 3, 4, 3, 1, 2],
  });
  const tasks = buildTasks(data, { query: 1, order: 'random', seed: 2 });
  const rules = rowRules({ center: 'bias', damping: 1 }, 'mse', 'rows');
  const state = fitRows(rules, 'mse', tasks);
  assert.equal(state.mean, 3);
  const bias = (text: string) => state.itemBias![data.items.keys.idOf(text)];
  assert.deepEqual(['a', 'b', 'c', 'd'].map(bias), [2 / 3, -2 / 3, 1 / 2, -1 / 2]);
});

test('in training a row is centred by the other rows of its item and of its user alone, by hand and in what is learned', async () => {
  const data = datasetFromColumns({
    user: [1, 1, 1, 2, 2, 2],
    item: ['a', 'b', 'c', 'a', 'b', 'd'],
    label: [5, 3, 4, 3, 1, 2],
  });
  const tasks = buildTasks(data, { query: 1, order: 'random', seed: 2 });
  const rules = rowRules({ center: 'bias', damping: 1 }, 'mse', 'rows');
  const context = rowContext(rules, fitRows(rules, 'mse', tasks), 1);
  const item = (text: string) => data.items.keys.idOf(text);
  // Of the 5 of a there remains the 3, which is the mean itself; of the 3 the 5: (5 − 3) / (1 + 1).
  assert.deepEqual(
    [itemBiasFor(context, item('a'), 5, true), itemBiasFor(context, item('a'), 3, true)].map((b) =>
      Math.abs(b) < 1e-12 ? 0 : b,
    ),
    [0, 1],
  );
  assert.equal(itemBiasFor(context, item('c'), 4, true), 0, 'a row that is alone has no others');
  assert.equal(itemBiasFor(context, item('c'), 4, false), 0.5, 'a new user’s row has it');
  // The user: ((5 − 3 − 0) + (3 − 3 − (1 − 3) / 2)) / (2 + 1).
  assert.ok(Math.abs(userBias(context, [item('a'), item('b')], [5, 3], true) - 1) < 1e-12);
  assert.ok(Math.abs(userBias(context, [item('a'), item('b')], [5, 3]) - (2 - 2 / 3 + 2 / 3) / 3) < 1e-12);

  // What training sees: with parameters of 0 and no steps its loss is that of the centred labels.
  const noise = dataset((u, i) => 3 + random(2, 'noise', u * ITEMS + i).normal());
  const own = buildTasks(noise, { query: 3 });
  const plain = learnerOf(noise, { loss: 'mse' });
  const zero = Object.fromEntries(
    Object.entries(plain.parameters()).map(([name, { shape, data: values }]) => [
      name,
      { shape, data: new Float64Array(values.length) },
    ]),
  );
  const algorithm = maml({ steps: 0 });
  const learner = learnerOf(
    noise,
    { loss: 'mse' },
    { rows: { center: 'bias', damping: 2 }, parameters: zero, algorithm },
  );
  const reports = train(learner, own, { epochs: 1, metaBatch: own.size, redraw: false });
  const { value } = await reports.next();
  const all = rowContext(learner.rowRules, fitRows(learner.rowRules, 'mse', own), 1);
  const lossOf = (isTraining: boolean) =>
    range(own.size).reduce((sum, t) => {
      const [support, query] = [
        own.supportRows.subarray(own.supportOffsets[t], own.supportOffsets[t + 1]),
        own.queryRows.subarray(own.queryOffsets[t], own.queryOffsets[t + 1]),
      ];
      const bias = userBias(
        all,
        support.map((row) => noise.item[row]),
        [...support].map((row) => noise.label[row]),
        isTraining,
      );
      const squares = [...query].map((row) => {
        const y = noise.label[row];
        return (y - all.state.mean - itemBiasFor(all, noise.item[row], y, isTraining) - bias) ** 2;
      });
      return sum + squares.reduce((x, y) => x + y, 0) / squares.length / own.size;
    }, 0);
  const { loss } = value!;
  assert.ok(Math.abs(loss - lossOf(true)) < 1e-9, `${loss} is not ${lossOf(true)}`);
  assert.ok(loss > 1.02 * lossOf(false), 'with the own labels in the centres rows seem explained');
});

test('joint biases minimise the squared error with those of the tasks: no bias of an item may move', async () => {
  // Strict users rate all items, the others the last six alone.
  const strict = (u: number) => u % 2 === 0;
  const pairs = range(USERS).flatMap((u) =>
    range(strict(u) ? ITEMS : 6).map((i) => [u, strict(u) ? i : i + 6] as const),
  );
  const noise = random(3, 'noise');
  const data = datasetFromColumns({
    user: pairs.map(([u]) => u),
    item: pairs.map(([, i]) => i),
    label: pairs.map(([u, i]) => 3 - (strict(u) ? 1 : 0) + itemTaste(i) + 0.1 * noise.normal()),
  });
  const tasks = buildTasks(data, { query: 3 });
  const rows = { center: 'jointBias', damping: 2 } as const;
  const rules = rowRules(rows, 'mse', 'rows');
  const state = fitRows(rules, 'mse', tasks);
  const parts = (t: number) => [
    tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]),
    tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]),
  ];
  /** The objective in the biases of the items, at the best ones of the tasks. */
  const objective = (bias: Float64Array) =>
    range(tasks.size).reduce(
      (sum, t) => {
        const left = parts(t).flatMap((part) =>
          [...part].map((row) => data.label[row] - state.mean - bias[data.item[row]]),
        );
        const own = left.reduce((x, y) => x + y, 0) / (left.length + 2);
        return sum + left.reduce((x, e) => x + (e - own) ** 2, 2 * own ** 2);
      },
      2 * bias.reduce((x, b) => x + b ** 2, 0),
    );
  const slopes = (bias: Float64Array) =>
    range(bias.length).map((i) => {
      const moved = (by: number) => objective(bias.map((b, j) => (i === j ? b + by : b)));
      return (moved(1e-3) - moved(-1e-3)) / 2e-3;
    });
  const steepest = (bias: Float64Array) => Math.max(...slopes(bias).map(Math.abs));
  const apart = fitRows(rowRules({ center: 'bias', damping: 2 }, 'mse', 'rows'), 'mse', tasks);
  assert.ok(steepest(state.itemBias!) < 1e-4, `${steepest(state.itemBias!)} is no minimum`);
  assert.ok(steepest(apart.itemBias!) > 1, 'biases of one after the other are none');

  // A row is left out of the bias of its item, at the bias of its task.
  const context = rowContext(rules, state, 1);
  const [row] = parts(0)[1];
  const own = jointBias(context, data, parts(0));
  const [item, y] = [data.item[row], data.label[row]];
  const others = range(tasks.size).flatMap((t) =>
    parts(t).flatMap((part) =>
      [...part]
        .filter((r) => r !== row && data.item[r] === item)
        .map((r) => data.label[r] - state.mean - jointBias(context, data, parts(t))),
    ),
  );
  const expected = others.reduce((x, e) => x + e, 0) / (others.length + 2);
  assert.ok(Math.abs(itemBiasFor(context, item, y, true, own) - expected) < 1e-5);
  assert.equal(itemBiasFor(context, item, y, false), state.itemBias![item]);

  // What training sees of it: at parameters of 0 and no steps, the squares of the centred labels.
  const plain = learnerOf(data, { loss: 'mse' });
  const zero = Object.fromEntries(
    Object.entries(plain.parameters()).map(([name, { shape, data: values }]) => [
      name,
      { shape, data: new Float64Array(values.length) },
    ]),
  );
  const learner = learnerOf(data, { loss: 'mse' }, { rows, parameters: zero, algorithm: maml({ steps: 0 }) });
  const { value } = await train(learner, tasks, { epochs: 1, metaBatch: tasks.size, redraw: false }).next();
  const loss = range(tasks.size).reduce((sum, t) => {
    const b = jointBias(context, data, parts(t));
    const centred = (r: number) =>
      data.label[r] - state.mean - itemBiasFor(context, data.item[r], data.label[r], true, b);
    const [support, query] = parts(t).map((part) => [...part].map(centred));
    const user = support.reduce((x, e) => x + e, 0) / (support.length + 2);
    return sum + query.reduce((x, e) => x + (e - user) ** 2, 0) / query.length / tasks.size;
  }, 0);
  assert.ok(Math.abs(value!.loss - loss) < 1e-9, `${value!.loss} is not ${loss}`);

  const statistics = await statisticsOf(taskSource(tasks), 'tasks', undefined);
  assert.throws(
    () => rowsOfStatistics(rules, 'mse', statistics),
    /learner\.rows\.center.*tasks in memory.*jointBias.*'bias', or tasks in memory/,
  );
});

test('the range of ratings is that of the training tasks, not of other rows of the data', async () => {
  const data = datasetFromColumns({
    user: [1, 1, 1, 2, 2, 2],
    item: ['a', 'b', 'c', 'a', 'b', 'd'],
    label: [2, 3, 4, 1, 5, 2],
  });
  const tasks = buildTasks(data, { query: 1 });
  const rules = rowRules({}, 'mse', 'rows');
  assert.deepEqual(fitRows(rules, 'mse', tasks).range, { min: 1, max: 5 });
  assert.deepEqual(fitRows(rules, 'mse', subsetTasks(tasks, [0])).range, { min: 2, max: 4 });
});

test('centred learners save, load and personalise as they were trained', async () => {
  const data = dataset((u, i) => 3 + userTaste(u) + itemTaste(i) + 0.3 * Math.sin(u * i));
  const tasks = buildTasks(data, { query: 3 });
  const learner = learnerOf(data, { loss: 'mse' }, { rows: { center: 'bias', damping: 2 } });
  const losses = await run(learner, tasks, 5);
  assert.ok(losses[4] < losses[0]);
  const file = path();
  await saveLearner(learner, file);
  const loaded = await loadLearner(file);
  assert.deepEqual(loaded.rowRules, learner.rowRules);
  assert.deepEqual(await loaded.outputs(tasks, 'after'), await learner.outputs(tasks, 'after'));
  // One user through the serving path.
  const [t] = [4];
  const support = Array.from(tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]));
  const query = Array.from(tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]));
  const ids = (rows: number[]) => rows.map((row) => data.items.keys.values[data.item[row]]);
  for (const each of [learner, loaded]) {
    const me = await each.adapt({ items: ids(support), labels: support.map((row) => data.label[row]) });
    const expected = (await each.outputs(tasks, 'after')).subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]);
    (await me.predict(ids(query))).forEach((score, k) =>
      assert.ok(Math.abs(score - expected[k]) < 1e-9, `${score} is not ${expected[k]}`),
    );
  }
});

test('rows of weight 0 teach nothing', async () => {
  const clean = dataset((u, i) => 3 + userTaste(u) + itemTaste(i));
  const noisy = { ...clean, label: Float32Array.from(clean.label, (y, r) => (r % 5 === 0 ? 100 : y)) };
  const weight = Float32Array.from(clean.label, (_, r) => (r % 5 === 0 ? 0 : 1));
  const outcome = async (data: Dataset) => {
    const learner = learnerOf(data, { loss: 'mse' }, { optimizer: sgd({ learningRate: 0.02 }) });
    // The mean of all labels sees no weights: fix it, to see the losses alone.
    const tasks = buildTasks(data, { query: 3 });
    await run(learner, tasks, 1);
    return { learner, tasks };
  };
  const a = await outcome({ ...clean, weight });
  const b = await outcome({ ...noisy, weight });
  const none = await outcome(noisy);
  const difference = (x: Learner, y: Learner) =>
    Math.max(
      ...Object.entries(x.parameters()).map(([name, { data }]) =>
        Math.max(...data.map((v, i) => Math.abs(v - y.parameters()[name].data[i]))),
      ),
    );
  // The labels differ by a constant, the noise's share of the mean, which a weighted model can only see through its bias.
  assert.ok(difference(b.learner, none.learner) > 10 * Math.max(1e-3, difference(a.learner, b.learner) / 20));
  const exact = async (data: Dataset) => {
    const learner = learnerOf(data, { loss: 'mse' });
    learner.labelOffset = 3;
    return learner.outputs(buildTasks(data, { query: 3 }), 'after');
  };
  assert.deepEqual(await exact({ ...clean, weight }), await exact({ ...noisy, weight }));
  assert.notDeepEqual(await exact(clean), await exact(noisy));
});

test('negatives are items of the training tasks that the task does not hold, anew in each epoch', async () => {
  const data = dataset((u, i) => Number(Math.sin(u + 2 * i) > -0.5));
  const tasks = buildTasks(data, { query: 3 });
  const rules = rowRules({ negatives: 3 }, 'bpr', 'rows');
  const state = fitRows(rules, 'bpr', tasks);
  assert.equal(
    state.seen!.reduce((a, b) => a + b, 0),
    ITEMS,
  );
  const context = rowContext(rules, state, 1);
  assert.equal(context.candidates.length, ITEMS);
  for (const loss of ['bpr', 'listwise'] as const) {
    const taste = dataset((u, i) => Number(itemTaste(i) > 0 || (u + i) % 7 === 0));
    const own = buildTasks(taste, { query: 3 });
    const learner = learnerOf(taste, { loss }, { rows: { negatives: 3 } });
    const losses = await run(learner, own, 30);
    assert.ok(losses.at(-1)! < losses[0], `${loss}: from ${losses[0]} to ${losses.at(-1)}`);
    // Items that users like on the whole come before others.
    const outputs = await learner.outputs(own, 'before');
    const meanOf = (label: number) => {
      const chosen = Array.from(outputs).filter((_, k) => taste.label[own.queryRows[k]] === label);
      return chosen.reduce((a, b) => a + b, 0) / chosen.length;
    };
    assert.ok(meanOf(1) > meanOf(0) + 0.5, `${loss}: ${meanOf(1)} against ${meanOf(0)}`);
    const file = path();
    await saveLearner(learner, file);
    assert.deepEqual(await (await loadLearner(file)).outputs(own, 'after'), await learner.outputs(own, 'after'));
    const me = await learner.adapt({ items: [0, 1], labels: [1, 1] });
    assert.ok((await me.predict([2, 3])).every(Number.isFinite));
  }
});

test('a second head learns its own labels and leaves the first its own', async () => {
  const clicks = (data: Dataset) =>
    Float32Array.from(data.item, (row) => Number(itemTaste(Number(data.items.keys.values[row])) > 0));
  const bare = dataset((u) => 3 + userTaste(u));
  const data = dataset((u) => 3 + userTaste(u), {
    click: { kind: 'dense', values: Array.from(clicks(bare)), standardize: false },
  });
  const tasks = buildTasks(data, { query: 3 });
  const learner = learnerOf(data, { loss: 'mse', also: [{ name: 'click', loss: 'bce', weight: 0.5 }] });
  const losses = await run(learner, tasks, 40);
  assert.ok(losses.at(-1)! < 0.7 * losses[0], `from ${losses[0]} to ${losses.at(-1)}`);
  assert.equal(
    (await learner.outputs(tasks, 'after')).length,
    tasks.queryRows.length,
    'the first head alone is reported',
  );
  await rejects(
    run(learnerOf(data, { loss: 'mse', also: [{ name: 'clik', loss: 'bce' }] }), tasks, 1),
    'MISSING_COLUMN',
    /did you mean click/,
  );
});

test('row options are checked', async () => {
  const data = dataset(() => 1);
  const make = (head: HeadSpec, rows: object) => () => learnerOf(data, head, { rows });
  refuses(make({ loss: 'bce' }, { center: 'bias' }), 'INVALID_OPTION', /learner\.rows\.center/);
  refuses(make({ loss: 'mse' }, { negatives: 3 }), 'INVALID_OPTION', /learner\.rows\.negatives/);
  refuses(make({ loss: 'bpr' }, { negatives: -1 }), 'INVALID_OPTION', /learner\.rows\.negatives/);
  refuses(make({ loss: 'mse' }, { damping: NaN }), 'INVALID_OPTION', /learner\.rows\.damping/);
  refuses(make({ loss: 'mse' }, { centre: 'bias' }), 'UNKNOWN_OPTION', /did you mean center/);
});

test('labels of 0 and 1 are relevant from one half on: the validation AUC of their losses is a number', async () => {
  const data = dataset((_, i) => Number(itemTaste(i) > 0));
  const tasks = buildTasks(data, { query: 6 });
  for (const loss of ['bce', 'bpr', 'listwise'] as const) {
    for await (const { validation } of train(learnerOf(data, { loss }), tasks, {
      epochs: 2,
      metric: 'auc',
      validation: tasks,
    })) {
      assert.ok(validation! > 0.5 && validation! <= 1, `${loss}: ${validation}`);
    }
  }
});
