/** The result of a scenario: tables as `evaluate` makes them, series to plot, and notes on how to read them. */
import { checkArray, checkString, invalid } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import type { Interval } from '../evaluation/intervals.js';
import { evaluateScores, parseMetric } from '../evaluation/metrics.js';
import type { MetricResult } from '../evaluation/metrics.js';
import type { ResultTable, TableCell, TableColumn } from '../evaluation/result-table.js';
import { Learner } from '../learner/learner.js';
import { checkMetric, metricScores } from '../evaluation/scores.js';
import { lossOf } from '../model/losses.js';
import { adaptedOutputs } from './outputs.js';
import type { Adaptation } from './outputs.js';

/** A line of a chart; `low` and `high` are the ends of 95 % intervals, null where there is none. */
export interface Series {
  /** The method or group that the line is of. */
  name: string;
  /** Values on the x-axis. */
  x: number[];
  /** Values on the y-axis; null where there is none. */
  y: (number | null)[];
  /** Lower ends of the 95 % intervals; null where there is none. */
  low: (number | null)[];
  /** Upper ends of the 95 % intervals; null where there is none. */
  high: (number | null)[];
}
/** Lines over one axis, as a scenario returns them. */
export interface Chart {
  /** The chart's title. */
  title: string;
  /** Names of the values 0, 1, … of x, if x is not a number. */
  names?: string[];
  /** Name of the x-axis. */
  x: string;
  /** Name of the y-axis. */
  y: string;
  /** The lines. */
  series: Series[];
}
/** The result of a scenario as plain JSON, without NaN and typed arrays. */
export interface Scenario {
  /** The scenario's name. */
  name: string;
  /** The results as tables. */
  tables: ResultTable[];
  /** The results as charts. */
  charts: Chart[];
  /** Notes that are needed to read the results, each a sentence. */
  notes: string[];
}

export type Metrics = Record<string, MetricResult>;

/** The given metric names, checked, or the default ones of the learner's loss. */
export function metricsOf(learner: Learner, metrics: readonly string[] | undefined, field: string): readonly string[] {
  const { head } = learner.model.spec;
  if (metrics === undefined) return lossOf(head).brief;
  checkArray(metrics, field, 'metric names');
  if (metrics.length === 0) throw invalid(field, 'empty', metrics, 'at least one metric');
  for (const [k, name] of metrics.entries()) metricOf(learner, name, `${field}[${k}]`);
  return metrics;
}

/** The given metric name, checked, or the metric that the learner's epochs are chosen by. */
export function metricOf(learner: Learner, metric: string | undefined, field: string): string {
  const { head } = learner.model.spec;
  if (metric === undefined) return lossOf(head).validation;
  checkString(metric, field);
  checkMetric(head, metric, field);
  parseMetric(metric, {}, field);
  return metric;
}

export function checkLearner(learner: unknown, field = 'learner'): asserts learner is Learner {
  if (!(learner instanceof Learner)) throw invalid(field, 'not a learner', learner, 'what createLearner returned');
}

/** The entries of an object, which must have at least one. */
export function entriesOf<T>(given: Record<string, T>, field: string, what: string): [string, T][] {
  const entries = typeof given === 'object' && given !== null ? Object.entries(given) : [];
  if (entries.length === 0) throw invalid(field, 'empty', given, `${what} by name`);
  return entries;
}

/** The metrics of a learner's predictions, adapted as `adaptation` says. */
export async function measure(
  learner: Learner,
  tasks: TaskSet,
  metrics: readonly string[],
  adaptation: Adaptation,
  signal?: AbortSignal,
): Promise<Metrics> {
  return measureOutputs(learner, tasks, await adaptedOutputs(learner, tasks, adaptation, signal), metrics);
}

/** The metrics of outputs, of which there is one for each query row. */
export function measureOutputs(
  learner: Learner,
  tasks: TaskSet,
  outputs: Float64Array,
  metrics: readonly string[],
): Metrics {
  const { threshold } = lossOf(learner.model.spec.head);
  const measured: Metrics = {};
  for (const metric of metrics) {
    Object.assign(
      measured,
      evaluateScores(tasks, metricScores(learner, outputs, metric), { metrics: [metric], threshold }),
    );
  }
  return measured;
}

export function cellOf({ mean, low, high, tasks }: Interval): TableCell | null {
  if (!Number.isFinite(mean)) return null;
  const half = (high - low) / 2;
  return { mean, half: Number.isFinite(half) ? half : null, tasks };
}

export function tableOf(
  title: string,
  columns: TableColumn[],
  rows: [method: string, results: (Interval | undefined)[]][],
): ResultTable {
  return {
    title,
    columns,
    rows: rows.map(([method, results]) => ({
      method,
      cells: results.map((result) => (result === undefined ? null : cellOf(result))),
    })),
  };
}

export function seriesOf(name: string, points: readonly (readonly [x: number, result: Interval])[]): Series {
  const number = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    name,
    x: points.map(([x]) => x),
    y: points.map(([, { mean }]) => number(mean)),
    low: points.map(([, { low }]) => number(low)),
    high: points.map(([, { high }]) => number(high)),
  };
}

/** Whether lower or higher values of a metric are better. */
export const betterOf = (metric: string): TableColumn['better'] => parseMetric(metric).better;
