/** The loss of a configuration, and whether its metrics can be measured of a model with that loss. */
import type { LossSpec } from '../foundation/contract.js';
import { parseMetric } from '../evaluation/metrics.js';
import { checkMetric } from '../evaluation/scores.js';
import type { Config } from './config.js';

type Loss = Config['model']['loss'];
export const lossSpec = (loss: Loss): LossSpec =>
  typeof loss === 'object' ? { loss: 'softmax', classes: loss.softmax } : ({ loss } as LossSpec);

/** Checks the metrics of a configuration by the loss of its model, before the training that faults would be found after. */
export function checkMetrics({ model, evaluation, training }: Config): void {
  const head = lossSpec(model.loss);
  evaluation.metrics?.forEach((name, k) => checkMetric(head, name, `evaluation.metrics[${k}]`));
  if (training.metric === undefined) return;
  checkMetric(head, training.metric, 'training.metric');
  parseMetric(training.metric, {}, 'training.metric');
}
