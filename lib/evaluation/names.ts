/** All metrics by name. Each is defined by its record, and the lists and messages here are made from the records. */
import { invalid, unknownName } from '../foundation/check.js';
import { LIST_METRICS } from './list-measures.js';
import type { ListMetric } from './list-measures.js';
import type { RowMetric } from './metric.js';
import { RANKING_METRICS } from './ranking.js';
import { RATING_METRICS } from './rating.js';

/** Metrics of query rows, such as `mae` and `ndcg@5`. */
const ROWS: Readonly<Record<string, RowMetric>> = { ...RATING_METRICS, ...RANKING_METRICS };
/** Metrics of lists of recommendations, such as `coverage@10`. */
const LISTS: Readonly<Record<string, ListMetric>> = LIST_METRICS;

/** The names as they are written in messages: `mae`, `ndcg@k`. @internal */
export const ROW_METRIC_NAMES = Object.entries(ROWS).map(([name, { takesK }]) => (takesK ? `${name}@k` : name));
/** @internal */
export const LIST_METRIC_NAMES = Object.keys(LISTS).map((name) => `${name}@k`);

/** All metrics in one text. @internal */
export const METRIC_NAMES = `${ROW_METRIC_NAMES.join(', ')}; of recommendations from the whole catalog: ${LIST_METRIC_NAMES.join(', ')}`;

/** The record of a metric of query rows, or undefined. @internal */
export const rowMetric = (base: string): RowMetric | undefined => (Object.hasOwn(ROWS, base) ? ROWS[base] : undefined);
/** The record of a metric of lists, or undefined. @internal */
export const listMetric = (base: string): ListMetric | undefined =>
  Object.hasOwn(LISTS, base) ? LISTS[base] : undefined;

/** Whether a metric is one of lists of recommendations. */
export function isListMetric(name: unknown): name is string {
  return typeof name === 'string' && listMetric(name.replace(/@.*/, '')) !== undefined;
}

/**
 * The two parts of a metric's name, such as `ndcg` and 3; k is undefined for metrics without a cut-off.
 * @throws UNKNOWN_OPTION for an unknown name (the message has the nearest), INVALID_OPTION for a bad k
 */
export function splitName(name: unknown, field = 'evaluation.metrics'): { base: string; k: number | undefined } {
  if (typeof name !== 'string') throw invalid(field, 'not a metric name', name, 'a text such as "ndcg@3"');
  const at = name.indexOf('@');
  const base = at < 0 ? name : name.slice(0, at);
  const found = rowMetric(base);
  if (found === undefined && listMetric(base) === undefined) {
    const cutOff = at < 0 ? '@k' : name.slice(at);
    const known = [...ROW_METRIC_NAMES, ...LIST_METRIC_NAMES].map((each) => each.replace('@k', cutOff));
    throw unknownName(field, 'no such metric', name, known);
  }
  const takesK = found === undefined || found.takesK === true;
  const k = at < 0 ? NaN : Number(name.slice(at + 1));
  if (takesK ? !/^@[1-9]\d*$/.test(name.slice(base.length)) || !Number.isSafeInteger(k) : at >= 0) {
    throw invalid(
      field,
      takesK ? 'no valid cut-off' : 'takes no cut-off',
      name,
      takesK ? `${base}@k with an integer k ≥ 1` : base,
    );
  }
  return { base, k: takesK ? k : undefined };
}
