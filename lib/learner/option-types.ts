/** Written from the tables of options by `npm run options`: change those, not this file. */
import type { RowOptions } from '../batch/option-types.js';
import type { Parameters } from '../foundation/contract.js';
import type { Algorithm } from '../meta/algorithm.js';
import type { Optimizer } from '../meta/outer-update.js';
import type { Model } from '../model/model.js';

/** Options of `createLearner`. */
export interface LearnerOptions {
  /** The model, as `defineModel` returns it. */
  model: Model;
  /** How the learner adapts to a task, such as `maml()` or `ridge()`. */
  algorithm: Algorithm;
  /** Outer optimizer. Default: `adam()`; for `reptile` its paper's, `sgd({ learningRate: 1, schedule: 'linear' })`. */
  optimizer?: Optimizer;
  /** Seed of the initial parameters and of everything random in training. Default: 0. */
  seed?: number;
  /** Start from these instead of fresh parameters. */
  parameters?: Parameters;
  /** How labels are centred and negatives drawn. */
  rows?: RowOptions;
  /**
   * Where calls run: cuda needs the package innerloop-cuda and refuses what does not run there; auto is the GPU where there is
   * one, and model.device.reason says why it is not. Default: the device of the model.
   */
  device?: 'cpu' | 'cuda' | 'auto';
}

/** Options of `estimateTraining`. */
export interface EstimateOptions {
  /** Tasks per outer step. Default: 32. */
  metaBatch?: number;
  /** Copies of the whole state: the best epoch’s, and that of a checkpoint. Default: 2. */
  snapshots?: number;
}

/** Options of `learner.addItemsAsync` and `addUsersAsync`. */
export interface AddingOptions {
  /** Ends the call with ABORTED; the catalog is as it was. */
  signal?: AbortSignal;
}

/** Options of `createLearnerAsync`. */
export interface CreatingOptions {
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
  /** Called with the share of the tables that is drawn. */
  onProgress?: (progress: number) => void;
}
