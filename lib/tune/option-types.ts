/** Written from the tables of options by `npm run options`: change those, not this file. */
import type { ProcessGroup } from '../foundation/process-group.js';
import type { TuneRun } from './options.js';
import type { Setting } from './space.js';

/** Options of `tune`. */
export interface TuneOptions {
  /**
   * Trains a setting on the training tasks of the split, with the seed, and returns its metric on the validation tasks; test
   * tasks must not be used. If it throws an `InnerloopError` (when training diverges, say), the trial failed and the setting is
   * dropped.
   */
  validation: (setting: Setting, run: TuneRun) => Promise<number>;
  /** Whether lower or higher values of the metric are better. Default: lower. */
  better?: 'lower' | 'higher';
  /** The number of settings that are tried, `start` among them. Default: 20. */
  budget?: number;
  /** The share of the training that each round gives, ascending; the last one is 1. Default: 1/9, 1/3, 1. */
  rungs?: readonly number[];
  /** The share of the settings of a round that goes on to the next. Default: 1/3. */
  keep?: number;
  /**
   * Seeds of the learner. In the last round each setting is trained with every seed, in earlier rounds with the first only.
   * Default: [1].
   */
  seeds?: readonly number[];
  /** Seeds of the split. The last round uses every split, earlier rounds the first only. Default: [0]. */
  splits?: readonly number[];
  /**
   * The setting that is tried first and in every round, so that the result is at least as good on the validation tasks. Default:
   * nothing is changed.
   */
  start?: Setting;
  /** Seed of the drawn settings. Default: 1. */
  seed?: number;
  /** How many measurements run at a time; the result does not depend on it. Default: 1. */
  parallel?: number;
  /**
   * The processes that share the search, from joinProcesses: each makes `parallel` measurements at a time, that of rank 0 keeps
   * the state, and all yield the same trials. Each of them has to read all trials. Default: this process alone.
   */
  group?: ProcessGroup;
  /** Path of a file that keeps the measurements; if it exists, the search goes on from it. */
  state?: string;
  /**
   * A text for what the measurements depend on besides the options, such as the data; a state of another identity is refused.
   * Default: nothing.
   */
  identity?: string;
  /** Ends the search with ABORTED. */
  signal?: AbortSignal;
}
