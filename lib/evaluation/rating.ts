import type { RowMetric } from './metric.js';
import type { TaskWindow } from './window.js';

/** Mean absolute error of one task. */
function meanAbsoluteError({ labels, scores, start, end }: TaskWindow): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += Math.abs(scores[i] - labels[i]);
  return sum / (end - start);
}

/** Mean squared error of one task. */
function meanSquaredError({ labels, scores, start, end }: TaskWindow): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += (scores[i] - labels[i]) ** 2;
  return sum / (end - start);
}

/** Root of the mean squared error of one task. The mean over tasks of this is not the RMSE of the pooled rows. */
const rootMeanSquaredError = (window: TaskWindow): number => Math.sqrt(meanSquaredError(window));

/** Probabilities are clipped, so that a certain and wrong one costs −log 1e-15 ≈ 34.5 instead of infinity. */
const CLIP = 1e-15;

/** Mean of −y log p − (1 − y) log(1 − p), with p clipped to [1e-15, 1 − 1e-15]. */
function logLoss({ labels, scores, start, end }: TaskWindow): number {
  let sum = 0;
  for (let i = start; i < end; i++) {
    const p = Math.min(Math.max(scores[i], CLIP), 1 - CLIP);
    sum -= labels[i] === 1 ? Math.log(p) : Math.log1p(-p);
  }
  return sum / (end - start);
}

/** The metrics of the distance between labels and estimates or probabilities. */
export const RATING_METRICS = {
  mae: { better: 'lower', score: 'label', compute: meanAbsoluteError },
  mse: { better: 'lower', score: 'label', compute: meanSquaredError },
  rmse: { better: 'lower', score: 'label', compute: rootMeanSquaredError },
  logloss: { better: 'lower', score: 'probability', compute: logLoss },
  /** Mean of (p − y)² for labels y of 0 and 1 (Brier 1950). */
  brier: { better: 'lower', score: 'probability', compute: meanSquaredError },
} as const satisfies Record<string, RowMetric>;
