/** Measures lists of recommendations beyond accuracy. */
import { checkRowsOf } from '../foundation/check-data.js';
import { checkLists } from './lists.js';
import { itemCounts } from '../baselines/baseline.js';
import { invalid } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { LIST_OPTIONS } from './analysis-options.js';
import type { ListOptions } from './analysis-option-types.js';
import { featureColumn } from './list-features.js';
import { LIST_METRICS } from './list-measures.js';
import type { Context, ListMetric } from './list-measures.js';
import type { RankedLists } from './lists.js';
import type { MetricResult } from './metrics.js';
import { listMetric, splitName } from './names.js';

export type { ListOptions };

/** Reads a list metric's name. @throws UNKNOWN_OPTION, INVALID_OPTION */
export function parseListMetric(name: string): ListMetric & { name: string; k: number } {
  const { base, k } = splitName(name);
  const metric = listMetric(base);
  if (metric === undefined)
    throw invalid('evaluation.metrics', 'is measured on query rows, by evaluateScores', name, 'a metric of lists');
  return { name, k: k!, ...metric };
}

/**
 * Measures lists of recommendations beyond accuracy. The metrics, over the first k places of each list, are `coverage@k`, `gini@k`,
 * `novelty@k`, `popularity@k`, `popularityLift@k`, `diversity@k` and `miscalibration@k`.
 *
 * ```ts
 * const lists = await rankCatalog((tasks) => learner.outputs(tasks, 'after'), sets.test);
 * const { 'coverage@10': coverage } = evaluateLists(lists, { trainRows });
 * ```
 *
 * @throws UNKNOWN_OPTION; INVALID_OPTION if k exceeds the length of the lists, or if the data that a metric needs are not given
 */
export function evaluateLists(lists: RankedLists, options: ListOptions = {}): Record<string, MetricResult> {
  const given = resolveOptions(options, 'evaluation', LIST_OPTIONS);
  checkLists(lists, 'lists');
  const { dataset } = lists.tasks;
  const { trainRows, features, threshold } = given;
  const hasColumn = features !== undefined || dataset.items.columns.some(({ kind }) => kind === 'bag');
  const has = { trainRows: trainRows !== undefined, features: hasColumn };
  const possible = Object.entries(LIST_METRICS).filter(([, { needs }]) => needs.every((need) => has[need]));
  if (trainRows !== undefined) checkRowsOf(dataset, trainRows, 'evaluation.trainRows');
  const names = given.metrics ?? possible.map(([name]) => `${name}@${lists.count}`);
  const metrics = names.map(parseListMetric);
  for (const { name, k, needs } of metrics) {
    if (k > lists.count)
      throw invalid(
        'evaluation.metrics',
        'counts more places than the lists have',
        name,
        `a cut-off of at most ${lists.count}`,
      );
    if (needs.includes('trainRows') && !has.trainRows) {
      throw invalid(
        'evaluation.trainRows',
        `missing: ${name} counts popularity on them`,
        undefined,
        'the interactions trained on',
      );
    }
  }
  const needsColumn = metrics.some(({ needs }) => needs.includes('features'));
  const context: Context = {
    ...lists,
    ...(trainRows === undefined ? { share: undefined, information: undefined } : popularities(dataset, trainRows)),
    column: needsColumn ? featureColumn(dataset.items, features) : undefined,
    threshold: Math.fround(threshold),
  };
  return Object.fromEntries(metrics.map(({ name, k, compute }) => [name, compute(context, k)]));
}

function popularities(dataset: Dataset, trainRows: Int32Array): Pick<Context, 'share' | 'information'> {
  const users = new Set<number>();
  for (const row of trainRows) users.add(dataset.user[row]);
  const counts = itemCounts(dataset, trainRows);
  return {
    share: counts.map((n) => n / Math.max(1, users.size)),
    information: counts.map((n) => -Math.log2((n + 1) / (users.size + 1))),
  };
}
