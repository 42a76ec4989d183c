import { checkObject, checkOneOf, checkString, invalid } from '../foundation/check.js';
import type { ScoreKind, TaskSet } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { random } from '../foundation/random.js';
import { InnerloopError, show } from '../foundation/errors.js';
import type { ErrorCode } from '../foundation/errors.js';
import { meanInterval } from './intervals.js';
import type { Interval } from './intervals.js';
import type { CustomMetric, MetricSettings } from './metric.js';
import { isListMetric, rowMetric, splitName } from './names.js';
import { DEFAULT_THRESHOLD, EVALUATION_OPTIONS, METRIC_OPTIONS } from './metric-options.js';
import type { EvaluationOptions, MetricOptions } from './option-types.js';
import { checkTyped, isTyped } from '../foundation/typed-arrays.js';
import { checkAnyTaskSet } from '../tasks/check.js';
import { sortWindow } from './window.js';
import type { TaskWindow } from './window.js';

export type { EvaluationOptions, MetricOptions };

/** The largest label with an exponential gain by default; above it 2^y − 1 only keeps the order. Rating scales end far below. */
const HIGHEST_RATING = 30;

export interface Metric {
  /** The metric as it was written: `mae`, `ndcg@3`. */
  name: string;
  better: 'lower' | 'higher';
  score: ScoreKind;
  /** Value on one task; NaN where the metric is undefined there. */
  compute(window: TaskWindow): number;
}

/** The mean of a metric over tasks with its 95 % interval ({@link meanInterval}), and the values of the tasks. */
export interface MetricResult extends Interval {
  /** The value of each task; NaN where the metric is undefined (no query row, no relevant row, one class only). */
  perTask: Float64Array;
  /** Of a custom metric: whether lower or higher values are better; for the library's metrics it follows from the name. */
  better?: 'lower' | 'higher';
}

/**
 * Reads a metric: by its name, `mae`, `mse`, `rmse`, `logloss`, `brier`, `auc`, or `ndcg@k`, `precision@k`, `recall@k`, `hitrate@k`,
 * `mrr@k`, `map@k` with an integer k ≥ 1; or a custom metric.
 *
 * @throws UNKNOWN_OPTION for another name (the message has the nearest), INVALID_OPTION for a bad k or option.
 */
export function parseMetric(
  metric: string | CustomMetric,
  options: MetricOptions = {},
  field = 'evaluation.metrics',
): Metric {
  const settings = resolveOptions(options, 'evaluation', METRIC_OPTIONS);
  return build(metric, settingsOf(settings, new Float32Array(0)), field);
}

type Settings = Omit<MetricSettings, 'k'>;

/** Fills in the defaults of the settings. @param labels all measured labels, on whose range the default gain depends */
function settingsOf(options: MetricOptions, labels: Float32Array): Settings {
  const { threshold = DEFAULT_THRESHOLD, gain, best } = options;
  if (best !== undefined) {
    if (gain !== undefined)
      throw invalid('evaluation.gain', 'stands beside best, whose gains are 0 or 1', gain, 'one of the two');
    return { threshold: 1, gain: 'linear', floor: 0 };
  }
  let [low, high] = [0, 0];
  for (const label of labels) [low, high] = [Math.min(low, label), Math.max(high, label)];
  const isRating = low === 0 && high <= HIGHEST_RATING;
  return {
    // Labels are float32: 0.7 must be relevant at threshold 0.7 although float32(0.7) < 0.7.
    threshold: Math.fround(threshold),
    gain: gain ?? (isRating ? 'exponential' : 'linear'),
    floor: gain === undefined ? low : 0,
  };
}

function build(metric: string | CustomMetric, settings: Settings, field: string): Metric {
  if (typeof metric === 'object' && metric !== null) return custom(metric, field);
  const { base, k = NaN } = splitName(metric, field);
  const record = rowMetric(base);
  if (record === undefined)
    throw invalid(
      field,
      'is measured on lists of recommendations, by evaluate or evaluateLists',
      metric,
      'a metric of query rows',
    );
  const { better, score } = record;
  return { name: metric, better, score, compute: (window) => record.compute(window, { ...settings, k }) };
}

function custom(metric: CustomMetric, field: string): Metric {
  checkObject(metric, field, ['name', 'better', 'score', 'compute']);
  const { name, better, score, compute } = metric;
  checkString(name, `${field}.name`);
  if (rowMetric(name.replace(/@.*/, '')) !== undefined || isListMetric(name))
    throw invalid(`${field}.name`, "is one of the library's metrics", name, 'another name');
  checkOneOf(better, `${field}.better`, ['lower', 'higher']);
  checkOneOf(score, `${field}.score`, ['label', 'probability', 'order']);
  if (typeof compute !== 'function')
    throw invalid(`${field}.compute`, 'not a function', compute, 'a function of the labels and scores of a task');
  return {
    name,
    better,
    score,
    compute({ labels, scores, start, end }) {
      const value: unknown = compute(labels.slice(start, end), scores.slice(start, end));
      if (typeof value !== 'number') throw invalid(`${field}.compute`, 'gave no number', value, 'a number, or NaN');
      return value;
    },
  };
}

/** For each kind of score, the kinds of metrics that can measure it. */
const MEASURED_BY: Readonly<Record<ScoreKind, readonly ScoreKind[]>> = {
  order: ['order'],
  label: ['order', 'label'],
  probability: ['order', 'label', 'probability'],
};

/** Whether a metric is meaningful for scores of this kind: a ranking score has no mae, and only a probability has a logloss. */
export function isMeasured(score: ScoreKind, metric: string | CustomMetric): boolean {
  return MEASURED_BY[score].includes(parseMetric(metric).score);
}

/** The metrics that are meaningful for a method with this kind of score, without metrics of lists. */
export function metricsFor<M extends string | CustomMetric>(score: ScoreKind, metrics: readonly M[]): M[] {
  return metrics.filter((metric) => !isListMetric(metric) && isMeasured(score, metric));
}

/** The labels of all query rows in task order, which a method's scores correspond to position by position. */
export function queryLabels(tasks: TaskSet): Float32Array {
  const labels = new Float32Array(tasks.queryRows.length);
  for (let i = 0; i < labels.length; i++) labels[i] = tasks.dataset.label[tasks.queryRows[i]];
  return labels;
}

/**
 * Measures one method by computing each metric on each task's query rows, and the mean over the tasks where it is defined.
 *
 * @param score one number per query row, in the order of `tasks.queryRows`.
 * @returns the results by metric name, in the order of `metrics`; `tasks` is the number of tasks in a mean.
 * @throws DIVERGED for a score that is not finite (the task is named), UNKNOWN_OPTION and INVALID_OPTION for options,
 *   INVALID_DATA if labels or scores do not fit a metric (logloss, brier: labels 0/1, scores in [0, 1]; ndcg with a gain: labels
 *   ≥ 0).
 */
export function evaluateScores(
  tasks: TaskSet,
  score: Float64Array,
  options: EvaluationOptions = {},
): Record<string, MetricResult> {
  checkAnyTaskSet(tasks, 'tasks');
  return measure({ labels: queryLabels(tasks), scores: score, offsets: tasks.queryOffsets, keys: tasks.keys }, options);
}

/** Computes one metric on one list of rows: `metricOf('ndcg@3', labels, scores)`. NaN if it is undefined. */
export function metricOf(
  name: string,
  labels: Float32Array,
  scores: Float64Array,
  options: MetricOptions = {},
): number {
  checkTyped(labels, 'labels', 'Float32Array');
  checkObject(options, 'options', Object.keys(METRIC_OPTIONS));
  const rows = { labels, scores, offsets: Int32Array.of(0, labels.length), keys: [''] };
  return Object.values(measure(rows, { ...options, metrics: [name] }))[0].perTask[0];
}

/** Task t's query rows are positions `offsets[t] … offsets[t + 1] − 1` of labels and scores. */
interface ScoredRows {
  labels: Float32Array;
  scores: Float64Array;
  offsets: Int32Array;
  keys: string[];
}

function measure(rows: ScoredRows, options: EvaluationOptions): Record<string, MetricResult> {
  const { metrics: names, ...rest } = resolveOptions(options, 'evaluation', EVALUATION_OPTIONS);
  const settings = settingsOf(rest, rows.labels);
  // Array.from is used because map would skip holes in the array.
  const metrics = Array.from(names, (metric: string | CustomMetric) => build(metric, settings, 'evaluation.metrics'));
  checkScores(rows, metrics);

  const { labels, scores, offsets } = rows;
  const window: TaskWindow = { labels, scores, order: new Int32Array(scores.length), start: 0, end: 0 };
  const sorted = metrics.some((metric) => metric.score === 'order');
  const { best } = rest;
  const relevance = best === undefined ? labels : bestRated(rows, best);
  const perTask = metrics.map(() => new Float64Array(offsets.length - 1).fill(NaN));
  for (let t = 0; t < offsets.length - 1; t++) {
    window.start = offsets[t];
    window.end = offsets[t + 1];
    if (window.start === window.end) continue;
    if (sorted) sortWindow(window);
    // If all rows of a task are among the best, every order is equally good and the metric says nothing.
    const isTrivial = best !== undefined && window.end - window.start <= best;
    for (let m = 0; m < metrics.length; m++) {
      // Custom metrics get the labels themselves.
      if (best === undefined || metrics[m].score !== 'order' || typeof names[m] !== 'string')
        perTask[m][t] = metrics[m].compute(window);
      else if (!isTrivial) perTask[m][t] = metrics[m].compute({ ...window, labels: relevance });
    }
  }
  return Object.fromEntries(
    metrics.map(({ name, better }, m) => [
      name,
      { ...meanInterval(perTask[m]), perTask: perTask[m], ...(typeof names[m] !== 'string' && { better }) },
    ]),
  );
}

/** 1 for the `count` best-rated rows of each task, else 0; ties at the last place are broken by a random draw for each task. */
function bestRated({ labels, offsets }: ScoredRows, count: number): Float32Array {
  const relevant = new Float32Array(labels.length);
  for (let t = 0; t < offsets.length - 1; t++) {
    const rows = Int32Array.from({ length: offsets[t + 1] - offsets[t] }, (_, i) => offsets[t] + i);
    const drawn = random(0, 'evaluation.best', t).shuffle(rows);
    const ranked = Array.from(drawn).sort((a, b) => labels[b] - labels[a]);
    for (const row of ranked.slice(0, count)) relevant[row] = 1;
  }
  return relevant;
}

function checkScores({ labels, scores, offsets, keys }: ScoredRows, metrics: Metric[]): void {
  if (!isTyped(scores, 'Float64Array') || scores.length !== labels.length) {
    throw invalid('score', 'not one score per query row', scores, `Float64Array(${labels.length})`);
  }
  const probabilities = metrics.some((metric) => metric.score === 'probability');
  for (let t = 0; t < offsets.length - 1; t++) {
    for (let i = offsets[t]; i < offsets[t + 1]; i++) {
      const fail = (code: ErrorCode, what: string, value: number, expected: string) =>
        new InnerloopError(code, what, {
          field: `task ${show(keys[t])}, query row ${i - offsets[t]}`,
          value,
          expected,
        });
      if (!Number.isFinite(scores[i])) throw fail('DIVERGED', 'score is not finite', scores[i], 'a finite number');
      if (!probabilities) continue;
      if (scores[i] < 0 || scores[i] > 1) {
        throw fail('INVALID_DATA', 'probability metric of a score that is none', scores[i], 'a number in [0, 1]');
      }
      if (labels[i] !== 0 && labels[i] !== 1) {
        throw fail('INVALID_DATA', 'probability metric of a label that is not binary', labels[i], '0 or 1');
      }
    }
  }
}
