/** The default metrics: those of the loss, or for held-out items among candidates. */
import { hasOneLabel } from '../baselines/positives.js';
import { invalid } from '../foundation/check.js';
import type { LossSpec, TaskSet } from '../foundation/contract.js';
import { lossOf } from '../model/losses.js';
import type { Loss } from '../model/losses.js';
import type { Candidates } from './candidates.js';
import type { CustomMetric } from './metric.js';
import { parseMetric } from './metrics.js';
import { isListMetric } from './names.js';

export type Standard = Pick<Loss, 'validation' | 'metrics' | 'threshold'>;

/** @internal */
export const AMONG_CANDIDATES = ['hitrate@10', 'recall@10', 'map@10', 'ndcg@10'] as const;
const VALIDATION_AMONG_CANDIDATES = 'ndcg@10';

/** @internal */
export function standardFor(head: LossSpec, tasks: Pick<TaskSet, 'dataset'>, candidates: Candidates): Standard {
  const { validation, metrics, threshold, ranks } = lossOf(head);
  if (candidates === 'query') return { validation, metrics, threshold };
  const onlyRanks = ranks === true || hasOneLabel(tasks.dataset);
  const others = onlyRanks ? [] : metrics.filter((name) => parseMetric(name).score !== 'order');
  return {
    validation: onlyRanks ? VALIDATION_AMONG_CANDIDATES : validation,
    metrics: [...others, ...AMONG_CANDIDATES],
    threshold,
  };
}

/** Refuses errors of estimates if all labels are the same. @throws {InnerloopError} INVALID_OPTION @internal */
export function checkVaried(metric: string | CustomMetric, { dataset }: Pick<TaskSet, 'dataset'>, field: string): void {
  if (typeof metric !== 'string' || isListMetric(metric) || parseMetric(metric).score === 'order') return;
  if (hasOneLabel(dataset))
    throw invalid(
      field,
      `says nothing where every label is ${dataset.label[0]}`,
      metric,
      `metrics that rank, such as ${AMONG_CANDIDATES.join(', ')}`,
    );
}
