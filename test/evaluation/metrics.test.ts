import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'tap';
import { fileURLToPath } from 'node:url';
import type { Dataset, FeatureTable, TaskSet } from '../../lib/foundation/contract.js';
import { meanInterval, pairedDifference, studentT } from '../../lib/evaluation/intervals.js';
import { fitMedianDecoder, medianDecoder } from '../../lib/evaluation/median-decode.js';
import { evaluateScores, metricOf, metricsFor, parseMetric } from '../../lib/evaluation/metrics.js';
import { renderMarkdown, renderText, resultTable } from '../../lib/evaluation/result-table.js';
import { random } from '../../lib/foundation/random.js';
import { typed } from '../fixtures/typed-errors.js';

function root(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

function near(actual: number, expected: number, message?: string): void {
  const close = Math.abs(actual - expected) <= 1e-12 * Math.max(1, Math.abs(expected));
  assert.ok(close, `${message ?? ''} ${actual} is not ${expected}`);
}

const of = (name: string, labels: number[], scores: number[], options = {}) =>
  metricOf(name, Float32Array.from(labels), Float64Array.from(scores), options);

/** Tasks that have query rows only, one list of labels each. */
function tasksOf(...labels: number[][]): TaskSet {
  const none: FeatureTable = { rows: 0, keys: { values: [''], idOf: () => 0 }, columns: [] };
  const all = Float32Array.from(labels.flat());
  const zeros = new Int32Array(all.length);
  const dataset: Dataset = {
    size: all.length,
    user: zeros,
    item: zeros,
    label: all,
    time: undefined,
    users: none,
    items: none,
    context: none,
    notes: [],
  };
  const offsets = [0];
  for (const list of labels) offsets.push(offsets[offsets.length - 1] + list.length);
  return {
    dataset,
    size: labels.length,
    keys: labels.map((_, t) => `user ${t}`),
    users: new Int32Array(labels.length),
    supportOffsets: new Int32Array(labels.length + 1),
    supportRows: new Int32Array(0),
    queryOffsets: Int32Array.from(offsets),
    queryRows: Int32Array.from(all, (_, i) => i),
  };
}

test('metrics agree with scikit-learn and with the enumeration of tie orders', async () => {
  interface Case {
    labels: number[];
    scores: number[];
    threshold?: number;
    expected: Record<string, number>;
  }
  const { cases } = JSON.parse(readFileSync(join(root(), 'test/fixtures/metrics.json'), 'utf8')) as { cases: Case[] };
  let checked = 0;
  for (const { labels, scores, threshold, expected } of cases) {
    for (const [key, value] of Object.entries(expected)) {
      const [name, gain] = key.startsWith('linear ') ? [key.slice(7), 'linear'] : [key, 'exponential'];
      near(of(name, labels, scores, { gain, threshold }), value, `${key} of ${JSON.stringify({ labels, scores })}`);
      checked++;
    }
  }
  assert.ok(checked > 350, `only ${checked} values`);
});

test('rating metrics by hand', async () => {
  near(of('mae', [1, 5, 3], [2, 3, 3]), 1);
  near(of('rmse', [1, 5, 3], [2, 3, 3]), Math.sqrt(5 / 3));
  near(of('logloss', [1, 0], [0.8, 0.4]), -(Math.log(0.8) + Math.log(0.6)) / 2);
  near(of('logloss', [1], [0]), -Math.log(1e-15));
  near(of('logloss', [0], [0]), -Math.log1p(-1e-15));
});

test('ranking metrics by hand', async () => {
  // Order by score: labels 3, 5, 4. Exponential gains 7, 31, 15.
  const labels = [5, 4, 3];
  const scores = [0.2, 0.1, 0.3];
  near(of('ndcg@1', labels, scores), 7 / 31);
  near(of('ndcg@2', labels, scores), (7 + 31 / Math.log2(3)) / (31 + 15 / Math.log2(3)));
  near(of('ndcg@1', labels, scores, { gain: 'linear' }), 3 / 5);
  near(of('precision@2', labels, scores), 1 / 2);
  near(of('precision@5', labels, scores), 2 / 5);
  near(of('recall@2', labels, scores), 1 / 2);
  near(of('hitrate@1', labels, scores), 0);
  near(of('mrr@3', labels, scores), 1 / 2);
  near(of('mrr@1', labels, scores), 0);
  near(of('auc', labels, scores), 0);
  near(of('auc', [5, 1, 4, 2], [1, 1, 0, 0]), 0.5);
  near(of('precision@1', labels, scores, { threshold: 3 }), 1);
});

test('nDCG takes any labels: below 0 and far above a rating scale, linearly from the lowest', async () => {
  interface Case {
    labels: number[];
    scores: number[];
    k: number;
    ndcg: number;
  }
  const { negativeGains } = JSON.parse(readFileSync(join(root(), 'test/fixtures/evaluation.json'), 'utf8')) as {
    negativeGains: Case[];
  };
  for (const { labels, scores, k, ndcg } of negativeGains) near(of(`ndcg@${k}`, labels, scores), ndcg);
  assert.ok(negativeGains.some(({ labels }) => Math.min(...labels) < 0));
  near(of('ndcg@2', [900, 100, 0], [1, 2, 3]), 100 / Math.log2(3) / (900 + 100 / Math.log2(3)));
  near(of('ndcg@2', [5, 1, 3], [1, 2, 3]), of('ndcg@2', [5, 1, 3], [1, 2, 3], { gain: 'exponential' }));
  // The lowest label of all tasks counts, so that a label has the same gain in each of them.
  const together = evaluateScores(tasksOf([2, 1], [-1, 0]), Float64Array.of(1, 2, 1, 2), { metrics: ['ndcg@1'] });
  assert.deepEqual([...together['ndcg@1'].perTask], [2 / 3, 1]);
});

test('the Brier score of a task is its mean squared error', async () => {
  near(of('brier', [1, 0], [0.8, 0.4]), (0.04 + 0.16) / 2);
  assert.equal(parseMetric('brier').better, 'lower');
  assert.throws(() => of('brier', [1, 0], [0.5, 1.5]), typed('INVALID_DATA', /\[0, 1\]/));
});

test('a threshold that float32 cannot hold still meets its own label', async () => {
  near(of('precision@1', [0.7, 0.1], [2, 1], { threshold: 0.7 }), 1);
});

test('a constant score gets the mean over random orders', async () => {
  const labels = [5, 1, 4, 2, 3, 4, 1, 5, 2, 2];
  for (const name of ['ndcg@3', 'precision@3', 'recall@3', 'hitrate@3', 'mrr@3', 'auc']) {
    const draws = 20000;
    const stream = random(1, name);
    let sum = 0;
    let squares = 0;
    for (let draw = 0; draw < draws; draw++) {
      const value = of(name, labels, Array.from(stream.shuffle(Int32Array.from(labels, (_, i) => i))));
      sum += value;
      squares += value * value;
    }
    const mean = sum / draws;
    const error = Math.sqrt((squares / draws - mean * mean) / draws);
    const constant = of(
      name,
      labels,
      labels.map(() => 3.7),
    );
    assert.ok(Math.abs(constant - mean) < 5 * error, `${name}: ${constant}, random ${mean} ± ${error}`);
    near(
      of(
        name,
        [...labels].reverse(),
        labels.map(() => 3.7),
      ),
      constant,
      'order of rows',
    );
  }
});

test('tasks without a defined value are left out and counted', async () => {
  const result = evaluateScores(tasksOf([5, 1], [1, 2], [4, 5], []), Float64Array.of(2, 1, 1, 2, 1, 2), {
    metrics: ['mae', 'auc', 'precision@1', 'ndcg@1'],
  });
  assert.equal(result.mae.tasks, 3);
  assert.equal(result.auc.tasks, 1); // one class in the second and third task
  assert.equal(result['precision@1'].tasks, 2); // nothing relevant in the second
  assert.equal(result['ndcg@1'].tasks, 3);
  assert.deepEqual([...result.auc.perTask], [1, NaN, NaN, NaN]);
  assert.deepEqual(Object.keys(result), ['mae', 'auc', 'precision@1', 'ndcg@1']);
  assert.ok(Number.isNaN(result.auc.low) && Number.isNaN(result.auc.high));
  assert.ok(Number.isNaN(of('ndcg@2', [0, 0], [1, 2])));
});

test('intervals: Student t, fewer than two values, paired difference', async () => {
  near(studentT(1), 12.7062047362);
  for (const [degrees, value] of [
    [10, 2.228138852],
    [30, 2.0422724563],
    [1000, 1.9623390808],
  ]) {
    assert.ok(Math.abs(studentT(degrees) - value) < 1e-5, `t(${degrees}) = ${studentT(degrees)}`);
  }
  const interval = meanInterval(Float64Array.of(1, 2, NaN, 3));
  near(interval.mean, 2);
  assert.ok(Math.abs(interval.high - 2 - 4.3026527297 / Math.sqrt(3)) < 1e-9);
  near(interval.mean - interval.low, interval.high - interval.mean);
  assert.equal(interval.tasks, 3);
  assert.deepEqual(meanInterval(Float64Array.of(4)), { mean: 4, low: NaN, high: NaN, tasks: 1 });
  assert.deepEqual(meanInterval(new Float64Array(0)), { mean: NaN, low: NaN, high: NaN, tasks: 0 });

  const base = Float64Array.from({ length: 50 }, (_, i) => i);
  const better = base.map((value, i) => value - 0.1 - 0.01 * (i % 2));
  const paired = pairedDifference(better, { perTask: base });
  assert.ok(paired.high < 0 && Math.abs(paired.mean + 0.105) < 1e-9);
  assert.equal(pairedDifference(Float64Array.of(1, NaN, 2), Float64Array.of(NaN, 1, 1)).tasks, 1);
  assert.throws(
    () => pairedDifference(base, new Float64Array(3)),
    typed('INVALID_OPTION', /different task sets.*50 tasks/),
  );
});

test('95 % intervals cover the true mean about 95 % of the time', async () => {
  const stream = random(3, 'coverage');
  let covered = 0;
  for (let trial = 0; trial < 4000; trial++) {
    const { low, high } = meanInterval(Float64Array.from({ length: 8 }, () => stream.normal()));
    if (low <= 0 && high >= 0) covered++;
  }
  assert.ok(covered > 3730 && covered < 3870, `${covered} of 4000`); // ± 5 standard errors
});

test('names and options are checked', async () => {
  assert.equal(parseMetric('ndcg@10').better, 'higher');
  assert.equal(parseMetric('mae').better, 'lower');
  assert.deepEqual(metricsFor('order', ['mae', 'ndcg@3', 'logloss', 'auc']), ['ndcg@3', 'auc']);
  assert.deepEqual(metricsFor('label', ['mae', 'ndcg@3', 'logloss']), ['mae', 'ndcg@3']);
  assert.throws(() => parseMetric('ndgc@3'), typed('UNKNOWN_OPTION', /did you mean ndcg@3\?.*"ndgc@3"/));
  assert.throws(() => parseMetric('MAE'), typed('UNKNOWN_OPTION', /did you mean mae\?/));
  assert.throws(() => parseMetric('zzzzzzzz'), typed('UNKNOWN_OPTION', /one of mae, mse, rmse/));
  assert.throws(() => parseMetric('toString'), typed('UNKNOWN_OPTION', /no such metric/));
  assert.throws(() => parseMetric('covrage@10'), typed('UNKNOWN_OPTION', /did you mean coverage@10\?/));
  assert.throws(() => parseMetric('coverage@10'), typed('INVALID_OPTION', /lists of recommendations/));
  for (const name of ['ndcg', 'ndcg@0', 'ndcg@1.5', 'ndcg@-1', 'ndcg@', 'ndcg@1e3', 'mae@3']) {
    assert.throws(() => parseMetric(name), typed('INVALID_OPTION', /cut-off/), name);
  }
  const tasks = tasksOf([5, 1], [1, 2]);
  const fine = Float64Array.of(1, 2, 3, 4);
  assert.throws(
    () => evaluateScores(tasks, Float64Array.of(1, 2, NaN, 4)),
    typed('DIVERGED', /task "user 1", query row 0/),
  );
  assert.throws(() => evaluateScores(tasks, fine.slice(1)), typed('INVALID_OPTION', /Float64Array\(4\)/));
  assert.throws(() => evaluateScores(tasks, fine, { metrics: [] }), typed('INVALID_OPTION', /metrics/));
  assert.throws(
    () => evaluateScores(tasks, fine, { treshold: 3 } as object),
    typed('UNKNOWN_OPTION', /did you mean threshold\?/),
  );
  assert.throws(() => evaluateScores(tasks, fine, { threshold: NaN }), typed('INVALID_OPTION', /threshold/));
  assert.throws(() => of('ndcg@1', [-1, 2], [1, 2], { gain: 'exponential' }), typed('INVALID_DATA', /labels ≥ 0/));
  assert.throws(() => of('ndcg@1', [-1, 2], [1, 2], { gain: 'linear' }), typed('INVALID_DATA', /labels ≥ 0/));
  assert.throws(
    () => of('ndcg@1', [2000, 2], [1, 2], { gain: 'exponential' }),
    typed('INVALID_DATA', /gain: 'linear'/),
  );
  assert.throws(
    () => of('ndcg@1', [1, 2], [1, 2], { gain: 'exponental' }),
    typed('INVALID_OPTION', /did you mean exponential\?/),
  );
  assert.throws(() => of('logloss', [1, 0], [0.5, 1.5]), typed('INVALID_DATA', /\[0, 1\]/));
  assert.throws(() => of('logloss', [1, 4], [0.5, 0.5]), typed('INVALID_DATA', /0 or 1/));
});

test('the median decoder finds the thresholds of a planted model', async () => {
  // label = round(score + noise) with median-zero skewed noise: the best label is round(score), not the conditional mean.
  const stream = random(5, 'decoder');
  const size = 20000;
  const scores = Float64Array.from({ length: size }, () => 1 + 4 * stream.uniform());
  const labels = scores.map((score) => {
    const noise = stream.normal();
    return Math.min(5, Math.max(1, Math.round(score + (noise > 0 ? 1.2 : 0.3) * noise)));
  });
  const decoder = fitMedianDecoder(scores, labels);
  assert.deepEqual(decoder.levels, [1, 2, 3, 4, 5]);
  decoder.thresholds.forEach((cut, j) => assert.ok(Math.abs(cut - (j + 1.5)) < 0.15, `threshold ${j}: ${cut}`));
  const fresh = Float64Array.of(-9, 1.2, 2.2, 3.1, 4.2, 4.9, 99);
  assert.deepEqual([...decoder.decode(fresh)], [1, 1, 2, 3, 4, 5, 5]);
  const stored = JSON.parse(JSON.stringify(decoder)) as { levels: number[]; thresholds: number[] };
  assert.deepEqual(medianDecoder(stored.levels, stored.thresholds).decode(fresh), decoder.decode(fresh));
});

test('the median decoder at its limits', async () => {
  const constant = fitMedianDecoder(new Float64Array(5).fill(3.3), [1, 4, 4, 5, 1]);
  assert.deepEqual([...constant.decode(Float64Array.of(3.3))], [4]);
  assert.deepEqual([...fitMedianDecoder(Float64Array.of(1, 2), [3, 3]).decode(Float64Array.of(7))], [3]);
  const random1 = random(6, 'monotone');
  const scores = Float64Array.from({ length: 200 }, () => random1.normal());
  const noise = fitMedianDecoder(
    scores,
    Array.from(scores, () => 1 + random1.below(5)),
  );
  const decoded = noise.decode(scores.slice().sort());
  for (let i = 1; i < decoded.length; i++) assert.ok(decoded[i] >= decoded[i - 1]);
  assert.throws(() => fitMedianDecoder(new Float64Array(0), []), typed('EMPTY_DATA', /nothing to fit/));
  assert.throws(() => fitMedianDecoder(Float64Array.of(1), []), typed('INVALID_DATA', /one label per score/));
  const many = Float64Array.from({ length: 100 }, (_, i) => i);
  assert.throws(() => fitMedianDecoder(many, many), typed('INVALID_DATA', /at most 64/));
  assert.throws(
    () => fitMedianDecoder(many, many, { bandwith: 1 } as object),
    typed('UNKNOWN_OPTION', /did you mean bandwidth\?/),
  );
});

test('a result table prints aligned, marks the best, and is JSON', async () => {
  const cell = (mean: number, half: number) => ({ mean, low: mean - half, high: mean + half, tasks: 9 });
  const table = resultTable(
    [
      { method: 'a', metrics: { mae: cell(0.75, 0.01), 'ndcg@3': cell(0.5, 0.02) } },
      { method: 'popularité', metrics: { 'ndcg@3': cell(0.6, NaN) } },
      { method: 'c', metrics: { mae: cell(0.7, 0.01), 'ndcg@3': cell(NaN, NaN) } },
    ],
    'title',
  );
  assert.deepEqual(JSON.parse(JSON.stringify(table)), table);
  assert.equal(
    renderText(table, { digits: 2 }),
    [
      'title',
      '',
      'method              mae         ndcg@3',
      '----------  -------------  -------------',
      'a           0.75 ± 0.01    0.50 ± 0.02',
      'popularité            -           0.60 *',
      'c           0.70 ± 0.01 *            -',
      '',
      'mean ± half the 95 % interval over tasks; * best of the column (lower is better: mae; higher is',
      'better: ndcg@3)',
      '',
    ].join('\n'),
  );
  const markdown = renderMarkdown(table, { digits: 2 }).split('\n');
  assert.equal(markdown[2], '| method     |             mae |      ndcg@3 |');
  assert.equal(markdown[3], '| ---------- | --------------: | ----------: |');
  assert.equal(markdown[5], '| popularité |               - |    **0.60** |');
  assert.equal(markdown[6], '| c          | **0.70 ± 0.01** |           - |');
});

test('the best rated rows of a task are relevant, in place of a threshold', async () => {
  const labels = Float32Array.of(5, 2, 4, 1, 3);
  const scores = Float64Array.of(1, 9, 8, 7, 0);
  const measured = (name: string, best: number) => metricOf(name, labels, scores, { best });
  // Of the list 2, 4, 1, 5, 3 the rows rated 5 and 4 are relevant: places 2 and 4.
  assert.equal(measured('precision@2', 2), 1 / 2);
  assert.equal(measured('recall@4', 2), 1);
  assert.equal(measured('mrr@5', 2), 1 / 2);
  const dcg = 1 / Math.log2(3) + 1 / Math.log2(5);
  assert.ok(Math.abs(measured('ndcg@5', 2) - dcg / (1 + 1 / Math.log2(3))) < 1e-12);
  assert.equal(
    measured('auc', 2),
    3 / 6,
    'pairs in order: the row rated 4 is above two of three others, the one rated 5 above one',
  );
  assert.ok(Number.isNaN(measured('ndcg@5', 5)), 'any order is as good');
  assert.equal(metricOf('mae', labels, Float64Array.from(labels), { best: 2 }), 0, 'errors are of the ratings');
});

test('of equally rated rows so many are relevant as there is room for, drawn alike for every method', async () => {
  // Two are rated 5 and eight 4: of these, three are among the best five.
  const set = tasksOf(...Array.from({ length: 400 }, () => [5, 5, 4, 4, 4, 4, 4, 4, 4, 4]));
  const scores = Float64Array.from({ length: 4000 }, (_, i) => i % 10);
  const measured = (metric: string, options: object, by = scores) =>
    evaluateScores(set, by, { metrics: [metric], ...options })[metric];
  const all = measured('precision@10', { best: 5 });
  assert.ok(
    all.perTask.every((value) => value === 5 / 10),
    'never more, never fewer',
  );
  // The first three by score are rated 4, and each of the eight has three chances in eight.
  const top = measured('precision@3', { best: 5 });
  assert.ok(Math.abs(top.mean - 3 / 8) < 0.05, `${top.mean}`);
  const other = measured(
    'precision@3',
    { best: 5 },
    scores.map((score) => 2 * score),
  );
  assert.deepEqual(top.perTask, other.perTask);
  assert.throws(() => measured('ndcg@3', { best: 0 }), typed('INVALID_OPTION', /evaluation\.best/));
  assert.throws(() => measured('ndcg@3', { best: 2, gain: 'linear' }), typed('INVALID_OPTION', /evaluation\.gain/));
});
