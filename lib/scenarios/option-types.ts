/** Written from the tables of options by `npm run options`: change those, not this file. */
import type { Baseline } from '../baselines/baseline.js';
import type { TaskSet } from '../foundation/contract.js';
import type { Learner } from '../learner/learner.js';
import type { TaskOptions } from '../tasks/option-types.js';
import type { TrainOptions } from '../training/option-types.js';

/** Options of `fewShot`. */
export interface FewShotOptions {
  /**
   * Which support rows come first: drawn at random, the first ones of the support, as a new user gives them, or the last ones,
   * the most recent. First and last go by time in tasks built with order time, else by row. Default: random.
   */
  order?: 'random' | 'first' | 'last';
  /** Seed of the draw. Default: 0. */
  seed?: number;
  /** Numbers of support rows in each task, ascending. Default: [1,3,5,10,20]. */
  shots?: readonly number[];
  /**
   * Numbers of inner steps to measure at the largest number of shots, for algorithms that take steps. Default:
   * [0,1,2,3,4,5,6,7,8,9,10].
   */
  steps?: readonly number[];
  /** The metrics to measure. Default: mae, ndcg@5 (bce: logloss, auc; bpr, listwise: auc, ndcg@5). */
  metrics?: readonly string[];
  /** Methods to compare with, from fitBaselines. */
  baselines?: readonly Baseline[];
  /** Aborts the call, which then throws ABORTED. */
  signal?: AbortSignal;
}

/** Options of `coldStart`. */
export interface PartitionOptions {
  /** The metrics to measure. Default: mae, ndcg@5 (bce: logloss, auc; bpr, listwise: auc, ndcg@5). */
  metrics?: readonly string[];
  /** Methods to compare with, from fitBaselines. */
  baselines?: readonly Baseline[];
  /** Aborts the call, which then throws ABORTED. */
  signal?: AbortSignal;
}

/** Options of `interestDrift`. */
export interface DriftOptions {
  /** Makes an untrained learner, given the rows of the warm-up; every call must return an equal one. */
  learner: (warmUp: Int32Array) => Learner | Promise<Learner>;
  /** How training tasks are made of the warm-up; the size of their support also limits the history that a task adapts to. */
  tasks: Omit<TaskOptions, 'rows'>;
  /** The share of the interactions, from the first in time on, that the learner is trained on at the start. Default: 0.5. */
  warmUp?: number;
  /**
   * The number of blocks in which the other interactions are replayed, equal in rows; rows of the same time stay together.
   * Default: 8.
   */
  blocks?: number;
  /**
   * Half-life of the weight of a support row, in units of the dataset’s time (seconds for dates). Default: a tenth of the time
   * replayed.
   */
  halfLife?: number;
  /** Options of the training on the warm-up. */
  train?: Omit<TrainOptions, 'checkpoint'>;
  /** Epochs of training on each block after it was predicted. Default: 1. */
  updateEpochs?: number;
  /** The metric to measure. Default: mae (bce: logloss; bpr, listwise: auc). */
  metric?: string;
  /** Aborts the call, which then throws ABORTED. */
  signal?: AbortSignal;
}

/** Options of `crossDomain`. */
export interface CrossDomainOptions {
  /** The categorical column of the interactions or items that holds the domain. */
  column: string;
  /** The value of the column for the domain in which test users are known. */
  source: string;
  /** The value of the column for the domain in which test users are new. */
  target: string;
  /** Makes an untrained learner that knows the users and items of the given rows, with the same architecture at every call. */
  learner: (rows: Int32Array) => Learner | Promise<Learner>;
  /** Numbers of target support rows of each test user, ascending. Default: [0,1,3,5,10]. */
  shots?: readonly number[];
  /** The number of target query rows of each test user. Default: 10. */
  query?: number;
  /** The most source rows in a support set; if there are more, they are drawn at random. Default: 50. */
  history?: number;
  /** The share of the users with enough rows in both domains who become test users. Default: 0.3. */
  test?: number;
  /** Options of every training. */
  train?: Omit<TrainOptions, 'checkpoint'>;
  /** The metric to measure. Default: mae (bce: logloss; bpr, listwise: auc). */
  metric?: string;
  /** Seed of the test users and of all draws. Default: 0. */
  seed?: number;
  /** Aborts the call, which then throws ABORTED. */
  signal?: AbortSignal;
}

/** Options of `negativeTransfer`. */
export interface NegativeTransferOptions {
  /** Tasks that are neither trained nor reported on, on which the remedies are fitted. Default: no remedy by shrinkage. */
  validation?: TaskSet;
  /**
   * The metric by which adaptation helps or hurts a task. Only for errors (mae, rmse, logloss) is shrinkage certain to hurt no
   * task that adaptation helps. Default: mae (bce: logloss; bpr, listwise: auc).
   */
  metric?: string;
  /** A categorical or bag column whose values group the tasks for gradient alignment. Default: no alignment. */
  column?: string;
  /** Aborts the call, which then throws ABORTED. */
  signal?: AbortSignal;
}

/** Options of `fitShrinkage`. */
export interface ShrinkageOptions {
  /** The metric to choose by. Default: mae (bce: logloss; bpr, listwise: auc). */
  metric?: string;
  /** Aborts the call, which then throws ABORTED. */
  signal?: AbortSignal;
}

/** Options of `gradientAlignment`. */
export interface AlignmentOptions {
  /** A categorical or bag column whose values group the tasks; see taskGroups. */
  column: string;
  /** Leave out groups with fewer tasks. Default: 10. */
  minimum?: number;
  /** The most groups to compare, the largest ones. Default: 8. */
  groups?: number;
  /** Seed of the division of groups into halves. Default: 0. */
  seed?: number;
  /** Aborts the call, which then throws ABORTED. */
  signal?: AbortSignal;
}

/** Options of `evidenceCandidates`. */
export interface EvidenceOptions {
  /** The number of items to return. Default: 10. */
  count?: number;
  /**
   * The most interactions of an item that its norm is averaged over; if there are more, they are drawn at random. Default: 100.
   */
  perItem?: number;
  /** Seed of that draw. Default: 0. */
  seed?: number;
  /** Aborts the call, which then throws ABORTED. */
  signal?: AbortSignal;
}

/** Options of `askFirst`. */
export interface AskFirstOptions {
  /** Numbers of questions that each user is asked. Default: [5,10,20,50]. */
  questions?: readonly number[];
  /** The metrics to measure. Default: mae, ndcg@5 (bce: logloss, auc; bpr, listwise: auc, ndcg@5). */
  metrics?: readonly string[];
  /** Seed of the random order. Default: 0. */
  seed?: number;
  /** Aborts the call, which then throws ABORTED. */
  signal?: AbortSignal;
}
