/** What a metric is. A new one is one record: of query rows in `rating.ts` or `ranking.ts`, of lists in `list-measures.ts`. */
import type { ScoreKind } from '../foundation/contract.js';
import type { Gain } from './ranking.js';
import type { TaskWindow } from './window.js';

/** Which values are better; of popularity, say, neither are. */
export type Better = 'lower' | 'higher' | 'neither';

/** What the value of a metric of query rows depends on beside the rows. */
export interface MetricSettings {
  /** Rows that count, the first ones by score; NaN for a metric that takes no cut-off. */
  k: number;
  /** A row is relevant if its label is at least this. */
  threshold: number;
  /** How a label, less `floor`, becomes a gain. */
  gain: Gain;
  floor: number;
}

/** A metric of the query rows of one task. Its key in the table is its name; with `takesK`, `@k` follows. */
export interface RowMetric {
  readonly better: 'lower' | 'higher';
  /** What a score has to be: an estimate of the label, a probability of label 1, or any number to sort by. */
  readonly score: ScoreKind;
  readonly takesK?: true;
  /** Value on one task; NaN where the metric is undefined there. */
  compute(window: TaskWindow, settings: MetricSettings): number;
}

/** A metric of one's own, given to `evaluate`, `evaluateScores` or `train` in place of a name. */
export interface CustomMetric {
  /** Stands in tables and results; none of the library's metrics has it. */
  name: string;
  /** Which way is better. */
  better: 'lower' | 'higher';
  /** What `compute` needs a score to be. */
  score: ScoreKind;
  /**
   * Value on the query rows of one task, which has at least one; NaN where the metric is undefined. The arrays are the
   * metric's own copies.
   */
  compute: (labels: Float32Array, scores: Float64Array) => number;
}
