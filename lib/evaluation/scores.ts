/** Checks which metrics a model can be measured by, and converts its outputs to the scores that they need. */
import { invalid } from '../foundation/check.js';
import type { LossSpec } from '../foundation/contract.js';
import type { Learner } from '../learner/learner.js';
import { lossOf } from '../model/losses.js';
import { scoresAs } from '../model/scores.js';
import type { CustomMetric } from './metric.js';
import { isMeasured, parseMetric } from './metrics.js';
import { isListMetric } from './names.js';

/** The scores that metrics need, made from outputs: probabilities or estimates of labels, or scores to sort by. @internal */
export function metricScores(
  learner: Pick<Learner, 'model'>,
  outputs: Float64Array,
  metric: string | CustomMetric,
): Float64Array {
  return scoresAs(parseMetric(metric).score, learner.model.spec.head, outputs);
}

const MEANINGS = {
  order: 'only put items in order',
  label: 'estimate labels and are no probabilities',
  probability: 'are probabilities',
} as const;

/**
 * Checks that a metric exists and is meaningful for a model with this loss; lists of recommendations can always be measured.
 *
 * @throws {InnerloopError} UNKNOWN_OPTION; INVALID_OPTION for a metric that the loss cannot have, with those that it has by default
 * @internal
 */
export function checkMetric(head: LossSpec, metric: string | CustomMetric, field: string): void {
  if (isListMetric(metric)) return;
  const { name } = parseMetric(metric, {}, field);
  const loss = lossOf(head);
  const score = loss.score(head);
  if (isMeasured(score, metric)) return;
  throw invalid(
    field,
    `means nothing under loss ${head.loss}, whose scores ${MEANINGS[score]}`,
    name,
    `${loss.metrics.join(', ')}, say`,
  );
}
