/** The types of metrics. To add one, add a record: for query rows in `rating.ts` or `ranking.ts`, for lists in `list-measures.ts`. */
import type { ScoreKind } from '../foundation/contract.js';
import type { Gain } from './ranking.js';
import type { TaskWindow } from './window.js';

/** Whether lower or higher values are better; for some metrics, such as popularity, neither are. */
export type Better = 'lower' | 'higher' | 'neither';

/** The settings that a metric of query rows depends on. */
export interface MetricSettings {
  /** The cut-off: the number of first rows by score that count; NaN for a metric without a cut-off. */
  k: number;
  /** A row is relevant if its label is at least this. */
  threshold: number;
  /** How a label, less `floor`, becomes a gain. */
  gain: Gain;
  floor: number;
}

/** A metric of the query rows of one task. Its key in the table is its name, which `@k` follows if it has `takesK`. */
export interface RowMetric {
  readonly better: 'lower' | 'higher';
  /** The kind of score that it needs: an estimate of the label, a probability of label 1, or any number to sort by. */
  readonly score: ScoreKind;
  readonly takesK?: true;
  /** The value on one task; NaN if the metric is undefined there. */
  compute(window: TaskWindow, settings: MetricSettings): number;
}

/** A custom metric, given to `evaluate`, `evaluateScores` or `train` in place of a name. */
export interface CustomMetric {
  /** The name in tables and results, which must differ from those of the library's metrics. */
  name: string;
  /** Whether lower or higher values are better. */
  better: 'lower' | 'higher';
  /** The kind of score that `compute` needs. */
  score: ScoreKind;
  /**
   * Returns the value on the query rows of one task, of which there is at least one; NaN if the metric is undefined. The arrays are
   * copies, which it may change.
   */
  compute: (labels: Float32Array, scores: Float64Array) => number;
}
