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
  /** Support rows a task, ascending. Default: [1,3,5,10,20]. */
  shots?: readonly number[];
  /** Inner steps, for algorithms that take steps, at the largest number of shots. Default: [0,1,2,3,4,5,6,7,8,9,10]. */
  steps?: readonly number[];
  /** What is measured. Default: mae, ndcg@5 (bce: logloss, auc; bpr, listwise: auc, ndcg@5). */
  metrics?: readonly string[];
  /** Methods to stand beside, from fitBaselines. */
  baselines?: readonly Baseline[];
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
}

/** Options of `coldStart`. */
export interface PartitionOptions {
  /** What is measured. Default: mae, ndcg@5 (bce: logloss, auc; bpr, listwise: auc, ndcg@5). */
  metrics?: readonly string[];
  /** Methods to stand beside, from fitBaselines. */
  baselines?: readonly Baseline[];
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
}

/** Options of `interestDrift`. */
export interface DriftOptions {
  /** A fresh learner, told the rows of the warm-up; the same one at every call. */
  learner: (warmUp: Int32Array) => Learner | Promise<Learner>;
  /** The training tasks of the warm-up; their support is also the most history that a task is adapted to. */
  tasks: Omit<TaskOptions, 'rows'>;
  /** Share of the interactions, the first ones, that training starts from. Default: 0.5. */
  warmUp?: number;
  /** The rest is replayed in so many blocks of equally many rows; rows of one time stay together. Default: 8. */
  blocks?: number;
  /**
   * Half-life of the weight of a support row, in units of the dataset’s time (seconds for dates). Default: a tenth of the time
   * replayed.
   */
  halfLife?: number;
  /** Options of the training on the warm-up. */
  train?: Omit<TrainOptions, 'checkpoint'>;
  /** Epochs over a block, after it was predicted. Default: 1. */
  updateEpochs?: number;
  /** What is measured. Default: mae (bce: logloss; bpr, listwise: auc). */
  metric?: string;
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
}

/** Options of `crossDomain`. */
export interface CrossDomainOptions {
  /** The categorical column that holds an interaction’s domain: of the interactions, or of their items. */
  column: string;
  /** Value of the column where users are known. */
  source: string;
  /** Value of the column where users are new. */
  target: string;
  /** A fresh learner that knows the users and items of these rows, the same architecture at every call. */
  learner: (rows: Int32Array) => Learner | Promise<Learner>;
  /** Target support rows of a test user, ascending. Default: [0,1,3,5,10]. */
  shots?: readonly number[];
  /** Target query rows of a test user. Default: 10. */
  query?: number;
  /** At most so many source rows in a support set, drawn at random. Default: 50. */
  history?: number;
  /** Share of the users with enough rows in both domains that are tested on. Default: 0.3. */
  test?: number;
  /** Options of every training. */
  train?: Omit<TrainOptions, 'checkpoint'>;
  /** What is measured. Default: mae (bce: logloss; bpr, listwise: auc). */
  metric?: string;
  /** Seed of the test users and of all draws. Default: 0. */
  seed?: number;
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
}

/** Options of `negativeTransfer`. */
export interface NegativeTransferOptions {
  /** Tasks that neither trained nor are reported on: the remedies are fitted on them. Default: no remedy by shrinkage. */
  validation?: TaskSet;
  /**
   * What a task is hurt in; only for errors (mae, rmse, logloss) is shrinkage certain to hurt no task that was helped. Default:
   * mae (bce: logloss; bpr, listwise: auc).
   */
  metric?: string;
  /** A categorical or bag column whose values group the tasks for gradient alignment. Default: no alignment. */
  column?: string;
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
}

/** Options of `gradientAlignment`. */
export interface AlignmentOptions {
  /** A categorical or bag column whose values group the tasks; see taskGroups. */
  column: string;
  /** Leave out groups with fewer tasks. Default: 10. */
  minimum?: number;
  /** At most so many groups, the largest ones. Default: 8. */
  groups?: number;
  /** Seed of the halves. Default: 0. */
  seed?: number;
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
}

/** Options of `evidenceCandidates`. */
export interface EvidenceOptions {
  /** Items to give. Default: 10. */
  count?: number;
  /** At most so many interactions an item are asked for its norm, drawn at random. Default: 100. */
  perItem?: number;
  /** Seed of that draw. Default: 0. */
  seed?: number;
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
}

/** Options of `askFirst`. */
export interface AskFirstOptions {
  /** Questions a user is asked. Default: [5,10,20,50]. */
  questions?: readonly number[];
  /** What is measured. Default: mae, ndcg@5 (bce: logloss, auc; bpr, listwise: auc, ndcg@5). */
  metrics?: readonly string[];
  /** Seed of the random order. Default: 0. */
  seed?: number;
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
}
