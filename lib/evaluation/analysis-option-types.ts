/** Written from the tables of options by `npm run options`: change those, not this file. */

/**
 * How often tasks are resampled, groups shuffled or signs flipped, and with which seed: `pairedBootstrap`, `randomizationTest`,
 * `bootstrapIntervals`.
 */
export interface ResampleOptions {
  /** The number of draws. Default: 2000 for intervals, 10000 for tests. */
  resamples?: number;
  /** Seed of the draws. Default: 0. */
  seed?: number;
}

/** Options of `compareMethods`. */
export interface CompareOptions {
  /** The metrics to compare. Default: every metric of the method compared against. */
  metrics?: readonly string[];
  /** Name of the method that all others are compared against. Default: the first. */
  against?: string;
  /** The number of draws. Default: 10000. */
  resamples?: number;
  /** Seed of the draws. Default: 0. */
  seed?: number;
}

/** Options of `compareGroups`. */
export interface GroupOptions {
  /** Groups with fewer tasks get no interval and are left out of the gap. Default: 10. */
  minimum?: number;
  /** The number of draws. Default: 2000. */
  resamples?: number;
  /** Seed of the draws. Default: 0. */
  seed?: number;
}

/** Options of `reliability`. */
export interface ReliabilityOptions {
  /** The number of bins. Default: 10. */
  bins?: number;
  /** Bins of equal width in probability, or of equal numbers of rows. Default: width. */
  by?: 'width' | 'rows';
}

/** Options of `rankCatalog`. */
export interface RankOptions {
  /** The number of items in each list. Default: 10. */
  count?: number;
  /** Rows of the items that may be recommended. Default: the whole catalog. */
  among?: Int32Array;
  /** Aborts the call between tasks. */
  signal?: AbortSignal;
}

/** Options of `evaluateLists`. */
export interface ListOptions {
  /**
   * Names of metrics with their cut-offs, such as `coverage@10`. Default: all that the given data allow, at the lists’ length.
   */
  metrics?: readonly string[];
  /** Interactions in which popularity is counted; needed by novelty, popularity and popularityLift. */
  trainRows?: Int32Array;
  /** Item feature for diversity and miscalibration. Default: the bag column with the fewest values. */
  features?: string;
  /** The label from which on a support row belongs to the taste profile; if no row reaches it, all rows belong. Default: 4. */
  threshold?: number;
}

/** Options of `counterfactual`. */
export interface CounterfactualOptions {
  /**
   * The largest weight π_i / p_i; larger ones are reduced to it, which lowers the variance and adds some bias. Default:
   * Infinity.
   */
  clip?: number;
}

/** Options of `popularityPropensity`. */
export interface PropensityOptions {
  /**
   * The exponent γ in p ∝ (n + 1)^γ: with 1, items are shown in proportion to their interactions; with 0, all equally. Default:
   * 1.
   */
  power?: number;
}

/** Options of `policyValue`. */
export interface PolicyOptions {
  /** The logging policy’s propensities: one for each interaction of the dataset, or one for each row of its items. */
  propensity: Float64Array;
  /** Reward 1 for a label of at least this, else 0. Default: the label itself is the reward. */
  threshold?: number;
  /**
   * Interactions that the doubly robust estimate’s model is fitted on: an item’s mean reward, shrunk to the overall mean.
   * Default: no doubly robust estimate.
   */
  trainRows?: Int32Array;
  /** The number of interactions with the overall mean that are added to each item’s own. Default: 5. */
  shrinkage?: number;
  /**
   * The largest weight π_i / p_i; larger ones are reduced to it, which lowers the variance and adds some bias. Default:
   * Infinity.
   */
  clip?: number;
}

/** Options of `fitMedianDecoder`. */
export interface MedianDecoderOptions {
  /** Standard deviation of the Gaussian kernel, in units of the score. Default: 1.06 · sd(scores) · n^(−1/5). */
  bandwidth?: number;
}

/** Options of `renderText` and `renderMarkdown`. */
export interface RenderOptions {
  /** Digits after the point. Default: 4. */
  digits?: number;
}
