/** Written from the tables of options by `npm run options`: change those, not this file. */
import type { Baseline } from '../baselines/baseline.js';
import type { TaskSet } from '../foundation/contract.js';
import type { CustomMetric } from './metric.js';

/** What metrics that rank are of; see `candidates` of `evaluate`. */
export type Candidates =
  | 'query'
  | 'catalog'
  | {
        /** So many items that the user never had, drawn for each task and the same for every method. */
        negatives: number;
        /** Of the draw. Default: 0. */
        seed?: number;
      };

/** What measuring depends on, whatever is measured. */
export interface MetricOptions {
  /**
   * A row is relevant if its label is at least this: auc, precision, recall, hitrate, mrr, map. Default: 4 (bce, bpr, listwise:
   * 0.5).
   */
  threshold?: number;
  /**
   * In place of threshold: of the query rows of a task the so many best rated are relevant, and gains in nDCG are 0 or 1. Which
   * of equally rated rows are among them is drawn, the same for every method; a task with no other rows has no value. Default:
   * threshold says which.
   */
  best?: number;
  /**
   * Gain of a label y in nDCG: exponential is 2^y − 1, linear is y; both refuse labels below 0. Default: exponential where all
   * labels measured are in 0 … 30, as ratings are; else y − min(0, lowest label measured), which any labels have.
   */
  gain?: 'exponential' | 'linear';
}

/** Options of `evaluate`. */
export interface EvaluateOptions {
  /**
   * mae, mse, rmse, logloss, brier, auc, ndcg@k, precision@k, recall@k, hitrate@k, mrr@k, map@k; of recommendations from the
   * whole catalog: coverage@k, gini@k, novelty@k, popularity@k, popularityLift@k, diversity@k, miscalibration@k; in code, also
   * metrics of one’s own. Default: mae, rmse, ndcg@5 (bce: logloss, auc; bpr, listwise: auc, ndcg@5); among candidates, in place
   * of those that rank, hitrate@10, recall@10, map@10, ndcg@10.
   */
  metrics?: readonly (string | CustomMetric)[];
  /**
   * What metrics that rank are of, in validation too: the query rows of a task among themselves (query), its held-out items
   * among all items but those that its user had elsewhere (catalog), or among drawn items. Default: query; where every label is
   * the same, catalog.
   */
  candidates?: Candidates;
  /** Methods to stand beside, from fitBaselines. Default: none. */
  baselines?: readonly Baseline[];
  /**
   * Tasks that neither trained nor are reported on: on them each method’s rating decoder is fitted, and the MAE of the decoded
   * ratings is reported as well, for the learner and the baselines alike. See fitMedianDecoder. Default: none.
   */
  calibration?: TaskSet;
  /**
   * Groups of users: a categorical feature of theirs, or in code one name a task. Every metric is reported by group too, with
   * the gap between them. Default: none.
   */
  groups?: string | readonly string[];
  /** Interactions trained on, which metrics of popularity and novelty count. */
  trainRows?: Int32Array;
  /** Item feature for diversity@k and miscalibration@k. Default: the bag column with the fewest values. */
  features?: string;
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
  /**
   * A row is relevant if its label is at least this: auc, precision, recall, hitrate, mrr, map. Default: 4 (bce, bpr, listwise:
   * 0.5).
   */
  threshold?: number;
  /**
   * In place of threshold: of the query rows of a task the so many best rated are relevant, and gains in nDCG are 0 or 1. Which
   * of equally rated rows are among them is drawn, the same for every method; a task with no other rows has no value. Default:
   * threshold says which.
   */
  best?: number;
  /**
   * Gain of a label y in nDCG: exponential is 2^y − 1, linear is y; both refuse labels below 0. Default: exponential where all
   * labels measured are in 0 … 30, as ratings are; else y − min(0, lowest label measured), which any labels have.
   */
  gain?: 'exponential' | 'linear';
}
