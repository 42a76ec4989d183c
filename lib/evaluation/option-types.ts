/** Written from the tables of options by `npm run options`: change those, not this file. */
import type { Baseline } from '../baselines/baseline.js';
import type { TaskSet } from '../foundation/contract.js';
import type { CustomMetric } from './metric.js';

/** What metrics that rank are of; see `candidates` of `evaluate`. */
export type Candidates =
  | 'query'
  | 'catalog'
  | {
        /** The number of items that the user never had, drawn for each task and the same for every method. */
        negatives: number;
        /** Seed of the drawn items. Default: 0. */
        seed?: number;
      };

/** What measuring depends on, whatever is measured. */
export interface MetricOptions {
  /**
   * The label from which on a row is relevant, for auc, precision, recall, hitrate, mrr and map. Default: 4 (bce, bpr, listwise:
   * 0.5).
   */
  threshold?: number;
  /**
   * In place of threshold: the number of best-rated query rows of each task that are relevant; gains in nDCG are then 0 or 1.
   * Ties at the last place are broken at random, in the same way for every method. A task without other rows has no value.
   * Default: threshold says which.
   */
  best?: number;
  /**
   * Gain of a label y in nDCG: exponential is 2^y − 1, linear is y; both refuse labels below 0. Default: exponential if all
   * measured labels are in 0 … 30, as ratings are; else y − min(0, lowest measured label), which is defined for all labels.
   */
  gain?: 'exponential' | 'linear';
}

/** Options of `evaluate`. */
export interface EvaluateOptions {
  /**
   * mae, mse, rmse, logloss, brier, auc, ndcg@k, precision@k, recall@k, hitrate@k, mrr@k, map@k; of recommendations from the
   * whole catalog: coverage@k, gini@k, novelty@k, popularity@k, popularityLift@k, diversity@k, miscalibration@k; in code, also
   * custom metrics. Default: mae, rmse, ndcg@5 (bce: logloss, auc; bpr, listwise: auc, ndcg@5); among candidates, in place of
   * those that rank, hitrate@10, recall@10, map@10, ndcg@10.
   */
  metrics?: readonly (string | CustomMetric)[];
  /**
   * The candidates that ranking metrics rank, in validation too: the query rows of a task (query), its held-out items among all
   * items that its user did not have elsewhere (catalog), or its held-out items among drawn items. Default: query; if all labels
   * are the same, catalog.
   */
  candidates?: Candidates;
  /** Methods to compare with, from fitBaselines. Default: none. */
  baselines?: readonly Baseline[];
  /**
   * Tasks that are neither trained nor reported on, on which a rating decoder is fitted for each method, learner and baselines
   * alike. The MAE of the decoded ratings is then reported too. See fitMedianDecoder. Default: none.
   */
  calibration?: TaskSet;
  /**
   * Groups of users: the name of a categorical feature of users, or in code a group name for each task. Every metric is then
   * also reported by group, with the gap between groups. Default: none.
   */
  groups?: string | readonly string[];
  /** The interactions that were trained on, in which popularity and novelty are counted. */
  trainRows?: Int32Array;
  /** The item feature that diversity@k and miscalibration@k are computed from. Default: the bag column with the fewest values. */
  features?: string;
  /** Aborts the call, which then throws ABORTED. */
  signal?: AbortSignal;
  /**
   * The label from which on a row is relevant, for auc, precision, recall, hitrate, mrr and map. Default: 4 (bce, bpr, listwise:
   * 0.5).
   */
  threshold?: number;
  /**
   * In place of threshold: the number of best-rated query rows of each task that are relevant; gains in nDCG are then 0 or 1.
   * Ties at the last place are broken at random, in the same way for every method. A task without other rows has no value.
   * Default: threshold says which.
   */
  best?: number;
  /**
   * Gain of a label y in nDCG: exponential is 2^y − 1, linear is y; both refuse labels below 0. Default: exponential if all
   * measured labels are in 0 … 30, as ratings are; else y − min(0, lowest measured label), which is defined for all labels.
   */
  gain?: 'exponential' | 'linear';
}

/** Options of `evaluateScores`. */
export interface EvaluationOptions {
  /**
   * mae, mse, rmse, logloss, brier, auc, ndcg@k, precision@k, recall@k, hitrate@k, mrr@k, map@k, or custom metrics. Default:
   * ["mae","rmse","ndcg@1","ndcg@3"].
   */
  metrics?: readonly (string | CustomMetric)[];
  /** The label from which on a row is relevant, for auc, precision, recall, hitrate, mrr and map. Default: 4. */
  threshold?: number;
  /**
   * In place of threshold: the number of best-rated query rows of each task that are relevant; gains in nDCG are then 0 or 1.
   * Ties at the last place are broken at random, in the same way for every method. A task without other rows has no value.
   * Default: threshold says which.
   */
  best?: number;
  /**
   * Gain of a label y in nDCG: exponential is 2^y − 1, linear is y; both refuse labels below 0. Default: exponential if all
   * measured labels are in 0 … 30, as ratings are; else y − min(0, lowest measured label), which is defined for all labels.
   */
  gain?: 'exponential' | 'linear';
}
