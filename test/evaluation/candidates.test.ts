/** Held-out items among candidates: purchases and clicks, of which every label is the same. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { maml } from '../../lib/algorithms/registry.js';
import { fitBaselines } from '../../lib/baselines/fit.js';
import { describeInputs } from '../../lib/batch/features.js';
import { datasetFromColumns, withHistory } from '../../lib/data/index.js';
import { defaultCandidates, evaluateCandidates } from '../../lib/evaluation/candidates.js';
import { evaluate } from '../../lib/evaluation/evaluate.js';
import { metricOf } from '../../lib/evaluation/metrics.js';
import { renderMarkdown, renderText } from '../../lib/evaluation/result-table.js';
import type { SequenceColumn, TaskSet } from '../../lib/foundation/contract.js';
import { random } from '../../lib/foundation/random.js';
import { createLearner } from '../../lib/learner/learner.js';
import { defineModel } from '../../lib/model/model.js';
import { buildTasks, subsetTasks } from '../../lib/tasks/index.js';
import { rejects } from '../fixtures/interactions.js';

/** Every user has `each` of the items, in a time of their own; the label of row r by `label`. */
function purchases(users: number, items: number, each: number, label: (row: number) => number = () => 1) {
  const stream = random(3, 'candidates test', users);
  const rows: { user: string; item: string }[] = [];
  for (let u = 0; u < users; u++) {
    const all = Int32Array.from({ length: items }, (_, i) => i);
    stream.sample(all, each);
    for (const item of all.subarray(items - each)) rows.push({ user: `u${u}`, item: `i${item}` });
  }
  return datasetFromColumns({
    user: rows.map(({ user }) => user),
    item: rows.map(({ item }) => item),
    label: rows.map((_, row) => label(row)),
    time: rows.map((_, row) => row),
  });
}
/** A score of the item alone, all different. */
const scoreOf = (item: number) => Math.sin(item * 12.9898) * 1000;
const byItem = (tasks: TaskSet) => Float64Array.from(tasks.queryRows, (row) => scoreOf(tasks.dataset.item[row]));
const METRICS = ['hitrate@5', 'recall@5', 'map@5', 'ndcg@5', 'mrr@5', 'auc'];

test('the whole catalogue: every metric is that of the ranked list of all items the user had nowhere else', async () => {
  const dataset = purchases(30, 40, 9);
  const tasks = buildTasks(dataset, { query: 3, support: 4, seed: 1 });
  const results = await evaluateCandidates(byItem, tasks, { candidates: 'catalog', metrics: METRICS, threshold: 4 });
  for (let t = 0; t < tasks.size; t++) {
    const query = [...tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1])].map(
      (row) => dataset.item[row],
    );
    // Two of the nine are neither support nor query: the user had them, so they are no candidates.
    const had = new Set(
      [...dataset.item.keys()].filter((row) => dataset.user[row] === tasks.users[t]).map((row) => dataset.item[row]),
    );
    assert.equal(had.size, 9);
    const list = Array.from({ length: 40 }, (_, i) => i + 1).filter((item) => query.includes(item) || !had.has(item));
    list.sort((a, b) => scoreOf(b) - scoreOf(a));
    const places = query.map((item) => list.indexOf(item) + 1).sort((a, b) => a - b);
    const first = places.filter((place) => place <= 5);
    const expected: Record<string, number> = {
      'hitrate@5': first.length > 0 ? 1 : 0,
      'recall@5': first.length / 3,
      'map@5': first.reduce((sum, place, k) => sum + (k + 1) / place, 0) / 3,
      'ndcg@5':
        first.reduce((sum, place) => sum + 1 / Math.log2(place + 1), 0) / (1 + 1 / Math.log2(3) + 1 / Math.log2(4)),
      'mrr@5': first.length > 0 ? 1 / first[0] : 0,
      auc: places.reduce((sum, place, k) => sum + (list.length - place - (2 - k)), 0) / (3 * (list.length - 3)),
    };
    for (const [name, value] of Object.entries(expected))
      assert.ok(
        Math.abs(results[name].perTask[t] - value) < 1e-12,
        `task ${t}, ${name}: ${results[name].perTask[t]}, ${value}`,
      );
  }
  assert.ok(results['hitrate@5'].mean > 0 && results['hitrate@5'].mean < 1);
});

test('drawn items: never one the user had, the same for every method and beside any other task', async () => {
  const dataset = purchases(25, 60, 8);
  const tasks = buildTasks(dataset, { query: 2, seed: 1 });
  const seen: number[][] = [];
  const watch = (part: TaskSet) => {
    for (let t = 0; t < part.size; t++)
      seen.push(
        [...part.queryRows.subarray(part.queryOffsets[t], part.queryOffsets[t + 1])].map(
          (row) => part.dataset.item[row],
        ),
      );
    return byItem(part);
  };
  const options = { candidates: { negatives: 10 }, metrics: ['recall@3'], threshold: 0.5 };
  const all = await evaluateCandidates(watch, tasks, options);
  assert.equal(seen.length, tasks.size);
  for (const [t, items] of seen.entries()) {
    assert.equal(new Set(items).size, 12, 'two held out, ten drawn, all different');
    const had = [...dataset.item.keys()]
      .filter((row) => dataset.user[row] === tasks.users[t])
      .map((row) => dataset.item[row]);
    assert.ok(items.slice(2).every((item) => !had.includes(item)));
  }
  const few = await evaluateCandidates(watch, subsetTasks(tasks, [7, 3]), options);
  assert.deepEqual([...few['recall@3'].perTask], [all['recall@3'].perTask[7], all['recall@3'].perTask[3]]);
  assert.deepEqual(seen.slice(-2), [seen[7], seen[3]]);
  const other = await evaluateCandidates(byItem, tasks, { ...options, candidates: { negatives: 10, seed: 5 } });
  assert.notDeepEqual(other['recall@3'].perTask, all['recall@3'].perTask);
  await rejects(
    evaluateCandidates(byItem, tasks, { ...options, candidates: { negatives: 60 } }),
    'INVALID_OPTION',
    /candidates\.negatives/,
    /at most \d+, or candidates: 'catalog'/,
  );
  const items = buildTasks(dataset, { by: 'item', query: 1 });
  await rejects(evaluateCandidates(byItem, items, options), 'INVALID_OPTION', /tasks of users/);
});

test('more candidates than one call takes: the parts give what each task gives alone', async () => {
  const dataset = purchases(400, 1000, 5);
  const tasks = buildTasks(dataset, { query: 1, seed: 1 });
  let calls = 0;
  const counted = (part: TaskSet) => (calls++, byItem(part));
  const options = { candidates: 'catalog', metrics: ['mrr@50'], threshold: 0.5 } as const;
  const all = await evaluateCandidates(counted, tasks, options);
  assert.equal(calls, 2);
  for (const t of [0, 1, 200, 230, 231, 232, 399]) {
    const alone = await evaluateCandidates(byItem, subsetTasks(tasks, [t]), options);
    assert.equal(alone['mrr@50'].perTask[0], all['mrr@50'].perTask[t], `task ${t}`);
  }
});

test('of ratings, held-out items count from the threshold on; a history is that of the first held-out row', async () => {
  const rated = withHistory(
    purchases(12, 20, 6, (row) => 1 + (row % 5)),
    { name: 'past', maxLength: 9 },
  );
  const tasks = buildTasks(rated, { query: 3, order: 'time' });
  const column = (part: TaskSet) => part.dataset.context.columns.find(({ name }) => name === 'past') as SequenceColumn;
  const historyOf = (part: TaskSet, row: number) => [
    ...column(part).data.subarray(column(part).offsets[row], column(part).offsets[row + 1]),
  ];
  const watch = (part: TaskSet) => {
    for (let t = 0; t < part.size; t++) {
      const first = tasks.queryRows[tasks.queryOffsets[t]];
      for (const row of part.queryRows.subarray(part.queryOffsets[t], part.queryOffsets[t + 1]))
        assert.deepEqual(historyOf(part, row), historyOf(tasks, first));
      assert.equal(historyOf(tasks, first).length, 3);
    }
    return byItem(part);
  };
  const results = await evaluateCandidates(watch, tasks, {
    candidates: 'catalog',
    metrics: ['recall@20'],
    threshold: 4,
  });
  const liked = (t: number) =>
    [...tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1])].filter(
      (row) => rated.label[row] >= 4,
    );
  results['recall@20'].perTask.forEach((value, t) => assert.equal(value, liked(t).length === 0 ? NaN : 1));
});

test('average precision is the mean over all orders of equal scores', async () => {
  const labels = Float32Array.of(1, 0, 1, 0, 1, 0);
  const scores = Float64Array.of(3, 3, 3, 2, 1, 1);
  const orders = permutations([0, 1, 2, 3, 4, 5]).filter((order) =>
    order.every((row, place) => place === 0 || scores[order[place - 1]] >= scores[row]),
  );
  assert.equal(orders.length, 12);
  for (const k of [1, 2, 3, 4, 5, 6, 9]) {
    const values = orders.map((order) => {
      let [hits, sum] = [0, 0];
      order.slice(0, k).forEach((row, place) => {
        if (labels[row] === 1) sum += ++hits / (place + 1);
      });
      return sum / Math.min(k, 3);
    });
    const expected = values.reduce((a, b) => a + b, 0) / values.length;
    const actual = metricOf(`map@${k}`, labels, scores, { threshold: 0.5 });
    assert.ok(Math.abs(actual - expected) < 1e-12, `map@${k}: ${actual}, ${expected}`);
  }
  assert.ok(Number.isNaN(metricOf('map@3', new Float32Array(2), Float64Array.of(1, 2), { threshold: 0.5 })));
});

function permutations(of: number[]): number[][] {
  return of.length < 2
    ? [of]
    : of.flatMap((first) => permutations(of.filter((x) => x !== first)).map((rest) => [first, ...rest]));
}

test('evaluate: positives are ranked in the catalogue, which the table says; a column that says nothing is named', async () => {
  const dataset = purchases(40, 30, 8);
  const tasks = buildTasks(dataset, { query: 2, seed: 1 });
  const model = defineModel({
    inputs: describeInputs(dataset, [{ name: 'item', dim: 2 }], Int32Array.from(dataset.user.keys())),
    body: { kind: 'mlp', hidden: [] },
    head: { loss: 'bpr' },
  });
  const learner = createLearner({ model, algorithm: maml({ steps: 1 }) });
  const baselines = await fitBaselines(dataset, tasks.supportRows);
  assert.equal(defaultCandidates(tasks), 'catalog');

  const { methods, table } = await evaluate(learner, tasks, { baselines });
  assert.deepEqual(Object.keys(methods[0].metrics), ['hitrate@10', 'recall@10', 'map@10', 'ndcg@10']);
  assert.deepEqual(
    methods.map(({ method }) => method),
    ['maml, not adapted', 'maml', 'popularity', 'item kNN', 'EASE'],
  );
  assert.match(renderText(table), /whole catalogue: 30 items, without those the user had elsewhere/);
  assert.match(renderMarkdown(table), /\n\nHeld-out items ranked among the whole catalogue/);

  const drawn = await evaluate(learner, tasks, { candidates: { negatives: 15 } });
  assert.match(renderText(drawn.table), /among 15 items drawn/);
  const value = ({ methods: all }: typeof drawn) => all[1].metrics['ndcg@10'].mean;
  assert.ok(value(drawn) > value({ methods, table }), 'fewer candidates are easier');

  const among = await evaluate(learner, tasks, { candidates: 'query', metrics: ['hitrate@10', 'auc'] });
  assert.match(renderText(among.table), /hitrate@10: 1 for every method/);
  assert.match(
    renderText(among.table).replaceAll('\n', ' '),
    /auc: undefined for every task.*evaluation\.candidates: "catalog"/,
  );
  assert.ok(
    renderText(among.table)
      .split('\n')
      .every((line) => line.length <= 100),
  );
  await rejects(evaluate(learner, tasks, { metrics: ['mae'] }), 'INVALID_OPTION', /only put items in order/);
  await rejects(evaluate(learner, tasks, { candidates: 'all' as 'catalog' }), 'INVALID_OPTION', /candidates/);
  await rejects(evaluate(learner, tasks, { candidates: { negatives: 0 } }), 'INVALID_OPTION', /candidates\.negatives/);
});

test('evaluate: ratings keep their metrics, and are ranked among candidates where that is asked', async () => {
  const dataset = purchases(30, 25, 8, (row) => 1 + (row % 5));
  const tasks = buildTasks(dataset, { query: 3, seed: 1 });
  assert.equal(defaultCandidates(tasks), 'query');
  const model = defineModel({
    inputs: describeInputs(dataset, [{ name: 'item', dim: 2 }], Int32Array.from(dataset.user.keys())),
    body: { kind: 'mlp', hidden: [] },
    head: { loss: 'mse' },
  });
  const learner = createLearner({ model, algorithm: maml({ steps: 1 }) });
  const plain = await evaluate(learner, tasks);
  assert.deepEqual(Object.keys(plain.methods[0].metrics), ['mae', 'rmse', 'ndcg@5']);
  assert.equal(plain.table.notes, undefined);
  const catalog = await evaluate(learner, tasks, { candidates: 'catalog' });
  assert.deepEqual(Object.keys(catalog.methods[0].metrics), [
    'mae',
    'rmse',
    'hitrate@10',
    'recall@10',
    'map@10',
    'ndcg@10',
  ]);
  assert.deepEqual(catalog.methods[1].metrics['mae'], plain.methods[1].metrics['mae']);
});
