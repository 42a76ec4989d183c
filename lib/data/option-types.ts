/** Written from the tables of options by `npm run options`: change those, not this file. */

/** Options of `openDataset`. */
export interface OpenOptions {
  /** Folder that relative paths start from, in `from` and in SQL. Default: the process’s working directory. */
  baseDirectory?: string;
  /** Threads that DuckDB may use; the dataset does not depend on it. Default: all cores. */
  threads?: number;
  /** Stops the reading; the promise rejects with code ABORTED. */
  signal?: AbortSignal;
}

/** Options of `rowWeights`. */
export interface RowWeightOptions {
  /** Exponential forgetting: weights halve with every `halfLife` of age. Default: age does not count. */
  recency?: {
    /** The age at which a weight is half, in the unit of the time column (seconds for dates). */
    halfLife: number;
    /**
     * The time at which the age is 0; later interactions have age 0 too. Default: the latest time of the interactions that
     * training may see.
     */
    at?: number;
  };
  /**
   * Inverse propensity: interactions that were likely to be observed count less. By popularity, or the name of a column of
   * propensities. Default: all count alike.
   */
  propensity?: PopularityPropensity | { column: string };
  /**
   * Name of a dense column of size 1 of the interactions, items or users, whose values ≥ 0 multiply the weights, in the units of
   * the data. Default: none.
   */
  column?: string;
  /**
   * Confidence: an interaction that took place often (`dataset.count`) more certainly shows a preference, and counts more.
   * Default: counts do not matter.
   */
  confidence?: CountConfidence;
  /** The largest weight, as a multiple of the mean weight; larger ones are reduced to it. Default: no limit. */
  clip?: number;
  /**
   * The interactions that training may see: popularity, latest time, mean and clip are computed from these only. Default: all.
   */
  rows?: Int32Array;
}

/** The probability that an interaction was observed, estimated from the popularity of its item or user. */
export interface PopularityPropensity {
  /** Whose popularity is used. Default: item. */
  of?: 'item' | 'user';
  /** The exponent in p = (n / max n)^power for n interactions; 0 means no correction. Default: 0.5. */
  power?: number;
}

/** How counts become weights. */
export interface CountConfidence {
  /** The factor α. Default: 1. */
  alpha?: number;
  /** linear: 1 + α n for a count n; log: 1 + α ln(1 + n), so that a few very frequent rows do not dominate. Default: log. */
  scale?: 'linear' | 'log';
}

/** Options of `withHistory`. */
export interface HistoryOptions {
  /** The column’s name. Default: history. */
  name?: string;
  /** All items strictly before the interaction, or those of its task’s support set. Default: before. */
  of?: 'before' | 'support';
  /** Keep at most this many items, the most recent ones. Default: 20. */
  maxLength?: number;
  /** Leave out interactions with a smaller label. Default: none are left out. */
  minLabel?: number;
}
