import { invalid, unknownName } from '../foundation/check.js';

/** Of the query rows, all of them: `mae`. */
export const ROW_METRICS = ['mae', 'rmse', 'logloss', 'brier', 'auc'] as const;
/** Of the first k query rows by score: `ndcg@5`. */
export const RANKING_METRICS = ['ndcg', 'precision', 'recall', 'hitrate', 'mrr'] as const;
/** Of the first k items of lists of recommendations: `coverage@10`. */
export const LIST_METRICS = [
  'coverage',
  'gini',
  'novelty',
  'popularity',
  'popularityLift',
  'diversity',
  'miscalibration',
] as const;

const AT_K: readonly string[] = [...RANKING_METRICS, ...LIST_METRICS];

/** Whether a metric is one of lists of recommendations. */
export function isListMetric(name: unknown): name is string {
  const base = typeof name === 'string' ? name.replace(/@.*/, '') : '';
  return LIST_METRICS.some((known) => known === base);
}

/**
 * The two parts of a metric's name, such as `ndcg` and 3; plain ones have no k.
 * @throws UNKNOWN_OPTION for a name that is none (the message holds the nearest), INVALID_OPTION for a bad k
 */
export function splitName(name: unknown): { base: string; k: number | undefined } {
  const field = 'evaluation.metrics';
  if (typeof name !== 'string') throw invalid(field, 'not a metric name', name, 'a text such as "ndcg@3"');
  const at = name.indexOf('@');
  const base = at < 0 ? name : name.slice(0, at);
  const takesK = AT_K.includes(base);
  if (!takesK && !ROW_METRICS.some((known) => known === base)) {
    const cutOff = at < 0 ? '@k' : name.slice(at);
    throw unknownName(field, 'no such metric', name, [...ROW_METRICS, ...AT_K.map((known) => known + cutOff)]);
  }
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
