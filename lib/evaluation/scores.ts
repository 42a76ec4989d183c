import type { Learner } from '../learner/learner.js';
import { scoresOf } from '../model/scores.js';
import { parseMetric } from './metrics.js';

/** Outputs as what a metric takes: probabilities for `logloss`, else ratings or scores to rank by. @internal */
export function metricScores(learner: Learner, outputs: Float64Array, metric: string): Float64Array {
  const { head } = learner.model.spec;
  if (head.loss === 'bce' && parseMetric(metric).score !== 'order') return outputs.map((o) => 1 / (1 + Math.exp(-o)));
  return scoresOf(head, outputs, 0);
}
