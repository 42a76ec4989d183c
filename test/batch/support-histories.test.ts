/** Histories that are the support set: in training, evaluation and serving a row sees what its task knows, and no more. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'tap';
import { fomaml, reptile } from '../../lib/algorithms/registry.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { Dataset, TaskSet } from '../../lib/foundation/contract.js';
import { describeInputs } from '../../lib/batch/features.js';
import { withHistory } from '../../lib/data/history.js';
import { adapt, predict } from '../../lib/meta/inner-loop.js';
import { datasetFromColumns } from '../../lib/data/index.js';
import { createLearner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { loadLearner, saveLearner } from '../../lib/serving/persist.js';
import { random } from '../../lib/foundation/random.js';
import { buildTasks } from '../../lib/tasks/index.js';
import { train } from '../../lib/training/train.js';
import { folder } from '../fixtures/interactions.js';

const MAX = 5;
const MIN_LABEL = 2;
const INNER = { steps: 2, learningRate: 0.1, adapt: ['mlp.*', 'gru.*'] };

/** Users with few items and fewer times: ties within and between support and query. */
function busy(of: 'before' | 'support'): Dataset {
  const stream = random(9, 'support-history');
  const pairs = [...new Set(Array.from({ length: 400 }, () => stream.below(12) * 100 + stream.below(60)))];
  const dataset = datasetFromColumns({
    user: pairs.map((pair) => Math.floor(pair / 100)),
    item: pairs.map((pair) => pair % 100),
    label: pairs.map(() => stream.below(9) / 2),
    time: pairs.map(() => stream.below(15)),
  });
  return withHistory(dataset, { maxLength: MAX, minLabel: MIN_LABEL, of });
}

async function trained(of: 'before' | 'support', algorithm = fomaml(INNER), order: 'random' | 'time' = 'random') {
  const dataset = busy(of);
  const tasks = buildTasks(dataset, { query: 6, order, seed: 3 });
  // Items of every third row are unknown to the model.
  const rows = Int32Array.from({ length: dataset.size }, (_, row) => row).filter((row) => dataset.item[row] % 3 > 0);
  const inputs = describeInputs(
    dataset,
    [
      { name: 'item', dim: 3 },
      { name: 'history', dim: 4 },
    ],
    rows,
  );
  const model = defineModel(
    { inputs, body: { kind: 'gru', gruHidden: 4, hidden: [5], activation: 'tanh' }, head: { loss: 'mse' } },
    { precision: 'float64' },
  );
  const learner = createLearner({ model, algorithm, seed: 4 });
  for await (const _ of train(learner, tasks, { epochs: 1, redraw: order === 'random' })) void _;
  const input = model.spec.inputs[0];
  assert.ok(input.kind === 'categorical');
  const idOf = (item: number) => Math.max(0, input.vocabulary!.indexOf(dataset.items.keys.values[item]));
  return { dataset, tasks, learner, model, idOf };
}

/** A task as plain objects, the histories by their definition. */
function plain({ dataset, tasks, learner, idOf }: Awaited<ReturnType<typeof trained>>, t: number) {
  const time = dataset.time!;
  const support = [...tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1])];
  const query = [...tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1])];
  const history = (known: number[]) =>
    known
      .filter((row) => dataset.label[row] >= MIN_LABEL)
      .sort((a, b) => time[a] - time[b] || a - b)
      .slice(-MAX)
      .map((row) => idOf(dataset.item[row]));
  const rows = (of: number[], known: (row: number) => number[]) => ({
    inputs: { item: of.map((row) => idOf(dataset.item[row])), history: of.map((row) => history(known(row))) },
    labels: of.map((row) => dataset.label[row] - learner.labelOffset),
  });
  return {
    support: rows(support, (row) => support.filter((other) => time[other] < time[row])),
    query: rows(query, () => support),
  };
}

async function checkOutputs(
  tasks: TaskSet,
  found: Float64Array,
  made: Awaited<ReturnType<typeof trained>>,
): Promise<void> {
  const { model, learner } = made;
  for (let t = 0; t < tasks.size; t++) {
    const task = plain(made, t);
    const [fast] = await adapt(model, learner.parameters(), packTasks(model, [task]), { ...INNER, order: 1 });
    const { data } = await predict(model, learner.parameters(), { inputs: task.query.inputs }, fast);
    data.forEach((value, i) => {
      const other = found[tasks.queryOffsets[t] + i];
      assert.ok(
        Math.abs(value + learner.labelOffset - other) < 1e-10,
        `task ${t}, row ${i}: ${other} is not ${value + learner.labelOffset}`,
      );
    });
  }
}

test('evaluation: a query row sees the support, a support row what of it was strictly before', async () => {
  for (const order of ['random', 'time'] as const) {
    const made = await trained('support', undefined, order);
    const { learner, tasks } = made;
    await checkOutputs(tasks, await learner.outputs(tasks, 'after'), made);
  }
});

test('what is in the query changes nothing for the other rows', async () => {
  const made = await trained('support');
  const { learner, tasks } = made;
  const before = await learner.outputs(tasks, 'after');
  // Every query but its first row is gone.
  const firsts = {
    ...tasks,
    queryOffsets: Int32Array.from({ length: tasks.size + 1 }, (_, t) => t),
    queryRows: Int32Array.from({ length: tasks.size }, (_, t) => tasks.queryRows[tasks.queryOffsets[t]]),
  };
  const after = await learner.outputs(firsts, 'after');
  after.forEach((value, t) => assert.ok(Math.abs(value - before[tasks.queryOffsets[t]]) < 1e-12));
});

test('reptile and training go through', async () => {
  const { learner } = await trained('support', reptile(INNER));
  for (const { data } of Object.values(learner.parameters())) assert.ok(data.every(Number.isFinite));
});

for (const of of ['before', 'support'] as const) {
  test(`serving: the history is the support set in the order given (${of}), saved and loaded too`, async () => {
    const { learner, model, idOf, dataset } = await trained(of);
    const row = (id: string) => dataset.items.keys.idOf(id);
    const items = ['7', '1', '30', '12', '2', '44', '8', '31'].filter((id) => row(id) > 0);
    const labels = items.map((_, i) => (i % 3 === 0 ? 1 : 3 + i / 10));
    const ids = items.map((id) => idOf(row(id)));
    const history = (n: number) => ids.filter((_, i) => i < n && labels[i] >= MIN_LABEL).slice(-MAX);
    const support = {
      inputs: { item: ids, history: items.map((_, i) => history(i)) },
      labels: labels.map((y) => y - learner.labelOffset),
    };
    const [fast] = await adapt(model, learner.parameters(), packTasks(model, [{ support, query: support }]), {
      ...INNER,
      order: 1,
    });
    const all = [...dataset.items.keys.values].slice(1);
    const inputs = { item: all.map((id) => idOf(row(id))), history: all.map(() => history(items.length)) };
    const { data } = await predict(model, learner.parameters(), { inputs }, fast);
    const path = join(folder, `${of}.safetensors`);
    await saveLearner(learner, path);
    for (const one of [learner, await loadLearner(path)]) {
      const scores = await (await one.adapt({ items, labels })).predict(all);
      scores.forEach((score, i) =>
        assert.ok(Math.abs(score - data[i] - learner.labelOffset) < 1e-10, `item ${all[i]}`),
      );
      const other = await (
        await one.adapt({ items: [...items].reverse(), labels: [...labels].reverse() })
      ).predict(all);
      assert.ok(
        other.some((score, i) => Math.abs(score - scores[i]) > 1e-6),
        'the order counts',
      );
      assert.ok((await (await one.adapt({ items: [], labels: [] })).predict(all)).every(Number.isFinite));
    }
  });
}

test('explanations adapt again without a row: it leaves the histories of the others too', async () => {
  const { learner } = await trained('support');
  const me = await learner.adapt({ items: ['7', '1', '31'], labels: [4, 1, 3] });
  await assert.rejects(me.explain('8', { method: 'gradient' }), { code: 'INVALID_OPTION' });
  const [score] = await me.predict(['8']);
  for (const { item, influence } of await me.explain('8')) {
    const rest = ['7', '1', '31'].filter((other) => other !== item);
    const labels = rest.map((other) => ({ 7: 4, 1: 1, 31: 3 })[other]!);
    const [without] = await (await learner.adapt({ items: rest, labels })).predict(['8']);
    assert.ok(Math.abs(score - without - influence) < 1e-12, item);
  }
});

test('a history is no key of tasks', async () => {
  assert.throws(() => buildTasks(busy('support'), { by: { column: 'history' }, query: 3 }), {
    code: 'INVALID_OPTION',
    message: /is a sequence feature/,
  });
});
