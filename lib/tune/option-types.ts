/** Written from the tables of options by `npm run options`: change those, not this file. */
import type { TuneRun } from './options.js';
import type { Setting } from './space.js';

/** Options of `tune`. */
export interface TuneOptions {
  /**
   * Trains a setting on the training tasks of the split, with the seed, and measures it on the validation tasks. Test tasks have
   * no place here. An `InnerloopError` (a run that diverges) is a failed trial, and the setting is out.
   */
  validation: (setting: Setting, run: TuneRun) => Promise<number>;
  /** Which way the metric is better. Default: lower. */
  better?: 'lower' | 'higher';
  /** Settings that are tried, `start` among them. Default: 20. */
  budget?: number;
  /** Shares of the training that the rounds give, rising, the last one 1. Default: 1/9, 1/3, 1. */
  rungs?: readonly number[];
  /** Of the settings of a round, the share that goes on to the next. Default: 1/3. */
  keep?: number;
  /** Each setting of the last round is trained with each of them, the ones before with the first. Default: [1]. */
  seeds?: readonly number[];
  /** In the last round, on each of these splits. Default: [0]. */
  splits?: readonly number[];
  /** Tried first, and in every round: what is found is at least as good on the validation tasks. Default: nothing is changed. */
  start?: Setting;
  /** Of the draws. Default: 1. */
  seed?: number;
  /** How many measurements run at a time. What is found does not depend on it. Default: 1. */
  parallel?: number;
  /** File that keeps what was measured; if it exists, the search goes on from it. */
  state?: string;
  /**
   * What the measurements depend on beside the options (the data, say): a state of another identity is refused. Default:
   * nothing.
   */
  identity?: string;
  /** Ends the search with ABORTED. */
  signal?: AbortSignal;
}
