/** Written from the tables of options by `npm run options`: change those, not this file. */

/** Options of `itemMean`. */
export interface ItemMeanOptions {
  /** λ: the number of interactions at the global mean that each item is given. Default: 5. */
  shrinkage?: number;
}

/** Options of `userItemBias`. */
export interface UserItemBiasOptions {
  /** Ridge λ on item biases. Default: 5. */
  itemRegularization?: number;
  /** Ridge λ on user biases, in training and for a task. Default: 5. */
  userRegularization?: number;
  /** Alternating sweeps over users and items. Default: 15. */
  sweeps?: number;
}

/** Options of `alsFoldIn`. */
export interface AlsFoldInOptions {
  /** Latent factors. Default: 16. */
  factors?: number;
  /** λ on factors, for each interaction of the user or item: the penalty is λ n |p|² (ALS-WR). Default: 0.08. */
  regularization?: number;
  /** λ on biases, per user or item. Default: 3. */
  biasRegularization?: number;
  /** Alternating sweeps over items and users. Default: 10. */
  sweeps?: number;
  /** Of the initial user factors. Default: 1. */
  seed?: number;
}

/** Options of `contentRidge`. */
export interface ContentRidgeOptions {
  /** λ on the content weights. Default: 150. */
  regularization?: number;
  /**
   * κ: how many interactions weigh as much as the content when an item’s bias is estimated from both, and where further
   * interactions of an item stop adding weight to the content regression. Default: 5.
   */
  shrinkage?: number;
  /** λ on a task’s intercept. Default: 5. */
  userRegularization?: number;
  /** λ on a task’s taste for each value of the taste column. Default: 20. */
  tasteRegularization?: number;
  /** Item bag column whose values a user likes or dislikes (genres). Default: the one of the smallest vocabulary. */
  tasteColumn?: string;
}

/** Options of `itemKnn`. */
export interface ItemKnnOptions {
  /** Neighbours kept of each item. Default: 100. */
  neighbours?: number;
  /** h, added to the norm: items that few users had are less similar to anything. Default: 10. */
  shrinkage?: number;
  /**
   * A row counts as an interaction if its label is at least this. Default: every label above 0, so that a click that did not
   * happen (0) and a film not yet rated (−1) do not count, and every rating does.
   */
  minLabel?: number;
}

/** Options of `ease`. */
export interface EaseOptions {
  /** λ on the item-to-item weights; sparse data want less, long histories more. Default: 100. */
  regularization?: number;
  /** Bytes that the matrices may take. Default: what is available. */
  memory?: number;
  /**
   * A row counts as an interaction if its label is at least this. Default: every label above 0, so that a click that did not
   * happen (0) and a film not yet rated (−1) do not count, and every rating does.
   */
  minLabel?: number;
}

/** Options of `fitBaselines`. */
export interface BaselineOptions {
  /**
   * Which baselines, in this order. Default: of ratings all but `itemKnn` and `ease`; where every label is the same,
   * `popularity`, `itemKnn`, `ease`.
   */
  include?: readonly ('globalMean' | 'itemMean' | 'popularity' | 'userItemBias' | 'alsFoldIn' | 'contentRidge' | 'itemKnn' | 'ease')[];
  /** How `itemMean` is fitted. */
  itemMean?: ItemMeanOptions;
  /** How `userItemBias` is fitted. */
  userItemBias?: UserItemBiasOptions;
  /** How `alsFoldIn` is fitted. */
  alsFoldIn?: AlsFoldInOptions;
  /** How `contentRidge` is fitted. */
  contentRidge?: ContentRidgeOptions;
  /** How `itemKnn` is fitted. */
  itemKnn?: ItemKnnOptions;
  /** How `ease` is fitted. */
  ease?: EaseOptions;
  /** Stops between baselines and between the steps of a long fit. */
  signal?: AbortSignal;
}
