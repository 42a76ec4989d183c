/** Measures one method on one task set, by metrics of query rows, of candidates, and of lists. */
import { invalid } from '../foundation/check.js';
import type { ScoreKind, TaskSet } from '../foundation/contract.js';
import { describeCandidates, evaluateCandidates } from './candidates.js';
import type { Candidates } from './candidates.js';
import { evaluateLists, parseListMetric } from './list-metrics.js';
import { rankCatalog } from './lists.js';
import type { Scorer } from './lists.js';
import type { CustomMetric } from './metric.js';
import { DEFAULT_THRESHOLD } from './metric-options.js';
import { evaluateScores, metricsFor, parseMetric } from './metrics.js';
import type { MetricOptions, MetricResult } from './metrics.js';
import { isListMetric } from './names.js';

export interface Measured extends MetricOptions {
  metrics: readonly (string | CustomMetric)[];
  /** Default `query`. */
  candidates?: Candidates | undefined;
  /** Whether all labels are the same, where the tasks are a part of those that are measured. Default: whether theirs are. */
  hasOneLabel?: boolean | undefined;
  trainRows?: Int32Array | undefined;
  features?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Whether a metric is computed from the ranking of candidates and not from the query rows. */
export const isAmong = (candidates: Candidates, metric: string | CustomMetric): boolean =>
  candidates !== 'query' && !isListMetric(metric) && parseMetric(metric).score === 'order';

/**
 * Measures one method.
 * @param scores the method's scores of the query rows, which are of the given kind
 * @param rank scores the rows of any task set by the same method
 */
export async function measureMethod(
  tasks: TaskSet,
  kind: ScoreKind,
  scores: Float64Array,
  rank: Scorer,
  options: Measured,
): Promise<Record<string, MetricResult>> {
  const { candidates = 'query', threshold = DEFAULT_THRESHOLD, gain, best, trainRows, features, signal } = options;
  const { hasOneLabel } = options;
  const metrics = metricsFor(kind, options.metrics);
  const among = metrics.filter((metric) => isAmong(candidates, metric));
  if (best !== undefined && candidates !== 'query')
    throw invalid('evaluation.best', 'applies to query rows only', best, "candidates: 'query', or threshold");
  const own = metrics.filter((metric) => !isAmong(candidates, metric));
  const found = own.length === 0 ? {} : evaluateScores(tasks, scores, { metrics: own, threshold, gain, best });
  if (candidates !== 'query' && among.length > 0)
    Object.assign(
      found,
      await evaluateCandidates(rank, tasks, { candidates, metrics: among, threshold, hasOneLabel, signal }),
    );
  // The results are in the order in which the metrics were requested.
  const results = Object.fromEntries(
    metrics.map((metric) => parseMetric(metric).name).map((name) => [name, found[name]]),
  );
  const lists = options.metrics.filter(isListMetric);
  if (lists.length > 0) {
    const count = Math.max(...lists.map((name) => parseListMetric(name).k));
    const ranked = await rankCatalog(rank, tasks, { count, signal });
    Object.assign(results, evaluateLists(ranked, { metrics: lists, trainRows, features, threshold }));
  }
  return results;
}

const REMEDY =
  'evaluation.candidates: "catalog" ranks held-out items among all items, { "negatives": 100 } among drawn ones';

/** The notes under a table of results: what was ranked, and which columns cannot tell methods apart, with the remedy. */
export function notesOf(
  tasks: Pick<TaskSet, 'dataset'>,
  { metrics, candidates = 'query' }: Pick<Measured, 'metrics' | 'candidates'>,
  results: readonly Record<string, MetricResult>[],
): string[] {
  const ranking = metrics
    .filter((metric): metric is string => typeof metric === 'string' && !isListMetric(metric))
    .filter((name) => parseMetric(name).score === 'order');
  const where = (test: (value: number) => boolean) =>
    ranking.filter((name) => {
      const values = results.flatMap((result) => (result[name] === undefined ? [] : [...result[name].perTask]));
      return values.length > 0 && values.every(test);
    });
  const nowhere = where(Number.isNaN);
  const perfect = where((value) => value === 1 || Number.isNaN(value)).filter((name) => !nowhere.includes(name));
  if (candidates !== 'query')
    return [
      ...(ranking.length === 0 ? [] : [describeCandidates(candidates, tasks)]),
      ...(perfect.length === 0
        ? []
        : [`${perfect.join(', ')}: 1 for every method; choose a smaller @k, or more candidates.`]),
    ];
  const notes: string[] = [];
  if (perfect.length > 0)
    notes.push(`${perfect.join(', ')}: 1 for every method, as any order of these query rows reaches it; ${REMEDY}.`);
  if (nowhere.length > 0)
    notes.push(
      `${nowhere.join(', ')}: undefined for every task, as no query has both relevant rows and others; ${REMEDY}, or set evaluation.threshold.`,
    );
  return notes;
}
