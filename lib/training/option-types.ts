/** Written from the tables of options by `npm run options`: change those, not this file. */
import type { HideIds } from '../batch/option-types.js';
import type { CustomMetric } from '../evaluation/metric.js';
import type { Candidates } from '../evaluation/option-types.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import type { ProcessGroup } from '../foundation/process-group.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import type { Learner } from '../learner/learner.js';
import type { Algorithm } from '../meta/algorithm.js';
import type { SplitOptions, SupportSize } from '../tasks/option-types.js';
import type { Split } from '../tasks/split.js';
import type { EpochReport } from './train.js';

/**
 * How an epoch’s tasks are drawn; an epoch has as many draws as there are tasks. `uniform`: every task once. `size`: by rows.
 * `loss`: hard tasks more often (curriculum by loss, as in prioritised replay, Schaul et al. 2016); the first epoch is uniform.
 * `stratified`: every value of a categorical or bag column (see `taskGroups`) gets the same share of the draws, however many
 * tasks it has, and within a value all tasks the same.
 */
export type TaskSampling =
  | 'uniform'
  | 'size'
  | 'loss'
  | {
        by: 'size';
        /** p ∝ rows^power, rows being support and query together. Default: 1. */
        power?: number;
      }
  | {
        by: 'loss';
        /**
         * p = (1 − floor)·ℓ^power / Σ ℓ^power + floor / tasks, where ℓ is the running mean of a task’s query loss. Default: 1.
         */
        power?: number;
        /** Of the running mean: ℓ ← decay·ℓ + (1 − decay)·loss at every draw. Default: 0.7. */
        decay?: number;
        /** Share that is drawn evenly. Default: 0.2. */
        floor?: number;
      }
  | {
        by: 'stratified';
        /** A categorical or bag feature; see taskGroups. */
        column: string;
      };

/** Options of `train`. */
export interface TrainOptions {
  /**
   * Passes over the training tasks, after those of earlier trainings; with a checkpoint, in all since it was begun. Default: 10.
   */
  epochs?: number;
  /** Tasks per outer step. Default: 32. */
  metaBatch?: number;
  /** What counts equally in the meta-loss: tasks, or query rows, so that users with many rows weigh more. Default: tasks. */
  weigh?: 'tasks' | 'rows';
  /**
   * Which tasks an epoch draws: every one once, by their rows, by their loss, or every value of a column as often. An epoch has
   * as many draws as there are tasks. Default: uniform.
   */
  sampling?: TaskSampling;
  /**
   * Factor of each task in the meta-loss: positive numbers, one a task, of which only the ratios within a meta-batch matter.
   * Default: equal.
   */
  weights?: Float64Array;
  /**
   * Draw support and query anew in every epoch, keeping their sizes. The draw is random: set it to false for tasks whose query
   * has to stay what it is (the last in time, another domain). Default: true; false for tasks whose support and query the data
   * prescribes.
   */
  redraw?: boolean;
  /**
   * Draw the number of support rows anew as well, for each task and epoch, log-uniformly from min to a fraction of the task’s
   * rows; all its other rows are its query. Trains for users with few interactions and with many alike. Default: the sizes that
   * the tasks were built with.
   */
  supportSize?: SupportSize;
  /** Train on tasks with hidden user or item ids as well, so that the model can do without them (cold items). Default: none. */
  hide?: HideIds;
  /** Tasks to measure after every epoch: in memory, or a source that they are read from a thousand at a time. Default: none. */
  validation?: TaskSet | TaskSource;
  /** Which epoch to keep (and in a configuration to refit for): the best on the validation tasks, or the last. Default: best. */
  keep?: 'best' | 'last';
  /**
   * What the best epoch is chosen by, on the validation tasks: a metric of the query rows by name, such as mae or ndcg@5; in
   * code, also one of one’s own. Default: mae (bce: logloss; bpr, listwise: auc).
   */
  metric?: string | CustomMetric;
  /**
   * What a metric that ranks is of, on the validation tasks: as in evaluate. Default: query; if all labels are the same,
   * catalog.
   */
  candidates?: Candidates;
  /** Stop after so many epochs without a better one; needs validation tasks. Default: never. */
  patience?: number;
  /** File to save the state in after every epoch; if it exists, training goes on from it, to the same bytes. Default: none. */
  checkpoint?: string;
  /**
   * Saves the checkpoint after so many outer steps within an epoch as well: worth it where an epoch takes long. Default: after
   * every epoch only.
   */
  checkpointSteps?: number;
  /**
   * The processes that train together, from joinProcesses: each computes a share of every meta-batch, and all end with the bits
   * that one alone would have. Default: this process alone.
   */
  group?: ProcessGroup;
  /** Ends the training with ABORTED; the checkpoint stays. */
  signal?: AbortSignal;
  /** Called after every outer step with the share of the whole training done. */
  onProgress?: (progress: number, epoch: number) => void;
}

/** Options of `trainStep`. */
export interface TrainStepOptions {
  /** Share of the training done: what a schedule of the optimizer goes by. Default: 0. */
  progress?: number;
  /** Stops the step. */
  signal?: AbortSignal;
}

/** Options of `fit`. */
export interface FitOptions {
  /**
   * An algorithm, such as maml(); or a function that makes the whole learner. Default: the closed form that suits the labels,
   * ridge() for ratings and laplace() for labels that are 0 or 1; for positives alone (no label is mapped: purchases, clicks,
   * plays) maml() on the loss bpr.
   */
  learner?: Algorithm | ((dataset: Dataset, split: Split) => Learner);
  /**
   * How users become tasks. Default: 15 % of the users for validation and 15 % for the test, a third of each one’s rows asked.
   */
  protocol?: SplitOptions;
  /** Seed of the split, the parameters and the training. Default: 0. */
  seed?: number;
  /** Passes over the training tasks; the best by the validation tasks is kept. Default: 20. */
  epochs?: number;
  /** Whether baselines are fitted and stand beside the learner. Default: true. */
  baselines?: boolean;
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
  /** Called after every epoch. */
  onEpoch?: (report: EpochReport) => void;
}
