import { checkNumber, checkObject, checkOneOf, invalid } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { InnerloopError, show } from '../foundation/errors.js';
import type { ErrorCode } from '../foundation/errors.js';
import { meanInterval } from './intervals.js';
import type { Interval } from './intervals.js';
import { isListMetric, splitName } from './names.js';
import type { RANKING_METRICS, ROW_METRICS } from './names.js';
import { auc, hitRate, ndcg, precision, recall, reciprocalRank } from './ranking.js';
import type { Gain } from './ranking.js';
import { brierScore, logLoss, meanAbsoluteError, rootMeanSquaredError } from './rating.js';
import { sortWindow } from './window.js';
import type { TaskWindow } from './window.js';

export interface MetricOptions {
  /** A row is relevant if its label is at least this: auc, precision, recall, hitrate, mrr. Default 4. */
  threshold?: number;
  /**
   * Gain of a label y in nDCG: `exponential` is 2^y − 1, `linear` is y; both refuse labels below 0. Default: exponential
   * where all labels measured are in 0 … 30, as ratings are; else y − min(0, lowest label measured), which any labels have.
   */
  gain?: Gain;
}
export interface EvaluationOptions extends MetricOptions {
  /** Names as {@link parseMetric} reads them. Default `mae`, `rmse`, `ndcg@1`, `ndcg@3`. */
  metrics?: readonly string[];
}
const DEFAULT_METRICS = ['mae', 'rmse', 'ndcg@1', 'ndcg@3'] as const;
const DEFAULT_THRESHOLD = 4;
/** Beyond this 2^y − 1 no longer tells labels apart but by their order; rating scales end far below. */
const HIGHEST_RATING = 30;

export interface Metric {
  /** As written: `mae`, `ndcg@3`. */
  name: string;
  better: 'lower' | 'higher';
  /** What a score must be: a label's estimate, a probability of label 1, or any number to sort by. */
  score: 'label' | 'probability' | 'order';
  /** Value on one task; NaN where the metric is undefined there. */
  compute(window: TaskWindow): number;
}

/** Mean over tasks with a 95 % interval ({@link meanInterval}), and what it is the mean of. */
export interface MetricResult extends Interval {
  /** Value of each task; NaN where the metric is undefined (no query row, no relevant row, one class only). */
  perTask: Float64Array;
}

/** A gain, and what is subtracted from labels before it. */
interface Settings {
  threshold: number;
  gain: Gain;
  floor: number;
}
type Build = (k: number, settings: Settings) => Omit<Metric, 'name'>;
type Cut = (window: TaskWindow, k: number, threshold: number) => number;

const cut =
  (compute: Cut): Build =>
  (k, { threshold }) => ({ better: 'higher', score: 'order', compute: (window) => compute(window, k, threshold) });

const PLAIN: Record<string, Build> & Record<(typeof ROW_METRICS)[number], Build> = {
  mae: () => ({ better: 'lower', score: 'label', compute: meanAbsoluteError }),
  rmse: () => ({ better: 'lower', score: 'label', compute: rootMeanSquaredError }),
  logloss: () => ({ better: 'lower', score: 'probability', compute: logLoss }),
  brier: () => ({ better: 'lower', score: 'probability', compute: brierScore }),
  auc: (_, { threshold }) => ({ better: 'higher', score: 'order', compute: (window) => auc(window, threshold) }),
};
const AT_K: Record<string, Build> & Record<(typeof RANKING_METRICS)[number], Build> = {
  ndcg: (k, { gain, floor }) => ({
    better: 'higher',
    score: 'order',
    compute: (window) => ndcg(window, k, gain, floor),
  }),
  precision: cut(precision),
  recall: cut(recall),
  hitrate: cut(hitRate),
  mrr: cut(reciprocalRank),
};

/**
 * Reads a metric's name: `mae`, `rmse`, `logloss`, `brier`, `auc`, or `ndcg@k`, `precision@k`, `recall@k`, `hitrate@k`,
 * `mrr@k` with an integer k ≥ 1.
 *
 * @throws UNKNOWN_OPTION for another name (the message holds the nearest), INVALID_OPTION for a bad k or option.
 */
export function parseMetric(name: string, options: MetricOptions = {}): Metric {
  return build(name, settingsOf(options, new Float32Array(0)));
}

/** @param labels all that are measured: the default gain depends on their range */
function settingsOf(options: MetricOptions, labels: Float32Array): Settings {
  checkObject(options, 'evaluation', ['threshold', 'gain']);
  const { threshold = DEFAULT_THRESHOLD, gain } = options;
  checkNumber(threshold, 'evaluation.threshold');
  if (gain !== undefined) checkOneOf(gain, 'evaluation.gain', ['exponential', 'linear']);
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

function build(name: string, settings: Settings): Metric {
  const { base, k } = splitName(name);
  if (isListMetric(name))
    throw invalid(
      'evaluation.metrics',
      'is measured on lists of recommendations, by evaluate or evaluateLists',
      name,
      'a metric of query rows',
    );
  return { name, ...(k === undefined ? PLAIN[base] : AT_K[base])(k ?? NaN, settings) };
}

/**
 * The metrics among `names` that mean something for a method with this kind of score: a ranking score has no mae, and
 * only a probability has a logloss. Metrics of lists are left out.
 */
export function metricsFor(score: Metric['score'], names: readonly string[]): string[] {
  const fits: Record<Metric['score'], readonly string[]> = {
    order: ['order'],
    label: ['order', 'label'],
    probability: ['order', 'label', 'probability'],
  };
  return names.filter((name) => !isListMetric(name) && fits[score].includes(parseMetric(name).score));
}

/** Labels of all query rows, in task order: beside these, position by position, stand a method's scores. */
export function queryLabels(tasks: TaskSet): Float32Array {
  const labels = new Float32Array(tasks.queryRows.length);
  for (let i = 0; i < labels.length; i++) labels[i] = tasks.dataset.label[tasks.queryRows[i]];
  return labels;
}

/**
 * Measures one method: each metric on each task's query rows, then the mean over the tasks where it is defined.
 *
 * @param score one number per query row, in the order of `tasks.queryRows`.
 * @returns by metric name, in the order asked for; `tasks` of a metric counts the tasks in its mean.
 * @throws DIVERGED for a score that is not finite (the task is named), UNKNOWN_OPTION and INVALID_OPTION for options,
 *   INVALID_DATA where labels or scores do not fit a metric (logloss, brier: labels 0/1, scores in [0, 1]; ndcg with a gain: labels
 *   ≥ 0).
 */
export function evaluateScores(
  tasks: TaskSet,
  score: Float64Array,
  options: EvaluationOptions = {},
): Record<string, MetricResult> {
  return measure({ labels: queryLabels(tasks), scores: score, offsets: tasks.queryOffsets, keys: tasks.keys }, options);
}

/** One metric on one list of rows, outside any task set: `metricOf('ndcg@3', labels, scores)`. NaN where undefined. */
export function metricOf(
  name: string,
  labels: Float32Array,
  scores: Float64Array,
  options: MetricOptions = {},
): number {
  const rows = { labels, scores, offsets: Int32Array.of(0, labels.length), keys: [''] };
  return measure(rows, { ...options, metrics: [name] })[name].perTask[0];
}

/** Task t's query rows are positions `offsets[t] … offsets[t + 1] − 1` of labels and scores. */
interface ScoredRows {
  labels: Float32Array;
  scores: Float64Array;
  offsets: Int32Array;
  keys: string[];
}

function measure(rows: ScoredRows, options: EvaluationOptions): Record<string, MetricResult> {
  checkObject(options, 'evaluation', ['metrics', 'threshold', 'gain']);
  const { metrics: names = DEFAULT_METRICS, ...rest } = options;
  if (!Array.isArray(names) || names.length === 0)
    throw invalid('evaluation.metrics', 'no metrics', names, 'a list of metric names');
  const settings = settingsOf(rest, rows.labels);
  // Not map, which passes over holes.
  const metrics = Array.from(names, (name: string) => build(name, settings));
  checkScores(rows, metrics);

  const { labels, scores, offsets } = rows;
  const window: TaskWindow = { labels, scores, order: new Int32Array(scores.length), start: 0, end: 0 };
  const sorted = metrics.some((metric) => metric.score === 'order');
  const perTask = metrics.map(() => new Float64Array(offsets.length - 1).fill(NaN));
  for (let t = 0; t < offsets.length - 1; t++) {
    window.start = offsets[t];
    window.end = offsets[t + 1];
    if (window.start === window.end) continue;
    if (sorted) sortWindow(window);
    for (let m = 0; m < metrics.length; m++) perTask[m][t] = metrics[m].compute(window);
  }
  return Object.fromEntries(metrics.map(({ name }, m) => [name, { ...meanInterval(perTask[m]), perTask: perTask[m] }]));
}

function checkScores({ labels, scores, offsets, keys }: ScoredRows, metrics: Metric[]): void {
  if (!(scores instanceof Float64Array) || scores.length !== labels.length) {
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
