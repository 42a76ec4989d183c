/** Options of learners. */
import type { RowOptions } from '../batch/row-rules.js';
import type { Parameters } from '../foundation/contract.js';
import type { ModelOptions } from '../foundation/option-types.js';
import type { Algorithm } from '../meta/algorithm.js';
import type { Optimizer } from '../meta/outer-update.js';
import type { Model } from '../model/model.js';

/** What `createLearner` takes. */
export interface LearnerOptions extends Pick<ModelOptions, 'device'> {
  /** The model, as `defineModel` returns it. */
  model: Model;
  /** How the learner adapts to a task, such as `maml()` or `ridge()`. */
  algorithm: Algorithm;
  /** Outer optimizer. Default `adam()`. */
  optimizer?: Optimizer;
  /** Seed of the initial parameters and of everything random in training. Default 0. */
  seed?: number;
  /** Start from these instead of fresh parameters. */
  parameters?: Parameters;
  /** How labels are centred and negatives drawn. */
  rows?: RowOptions;
}
