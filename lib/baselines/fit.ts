import { checkObject, unknownName, checkArray, checkSignal } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import type { SearchSpace } from '../foundation/options.js';
import { ALS_SEARCH, alsFoldIn } from './als-fold-in.js';
import type { AlsOptions } from './als-fold-in.js';
import { yieldToEventLoop, checkTraining } from './baseline.js';
import type { Baseline } from './baseline.js';
import { CONTENT_RIDGE_SEARCH, contentRidge } from './content-ridge.js';
import type { ContentRidgeOptions } from './content-ridge.js';
import { EASE_SEARCH, ease } from './ease.js';
import type { EaseOptions } from './ease.js';
import { globalMean } from './global-mean.js';
import { ITEM_KNN_SEARCH, itemKnn } from './item-knn.js';
import type { ItemKnnOptions } from './item-knn.js';
import { ITEM_MEAN_SEARCH, itemMean } from './item-mean.js';
import type { ItemMeanOptions } from './item-mean.js';
import { hasOneLabel } from './positives.js';
import { popularity } from './popularity.js';
import { USER_ITEM_BIAS_SEARCH, userItemBias } from './user-item-bias.js';
import type { UserItemBiasOptions } from './user-item-bias.js';

export const BASELINES = [
  'globalMean',
  'itemMean',
  'popularity',
  'userItemBias',
  'alsFoldIn',
  'contentRidge',
  'itemKnn',
  'ease',
] as const;
export type BaselineName = (typeof BASELINES)[number];

/** What a search tries of each; those that have no options have nothing to search. @internal */
export const BASELINE_SEARCH: Readonly<Record<BaselineName, SearchSpace>> = {
  globalMean: {},
  itemMean: ITEM_MEAN_SEARCH,
  popularity: {},
  userItemBias: USER_ITEM_BIAS_SEARCH,
  alsFoldIn: ALS_SEARCH,
  contentRidge: CONTENT_RIDGE_SEARCH,
  itemKnn: ITEM_KNN_SEARCH,
  ease: EASE_SEARCH,
};

/** Beside labels of many values, and beside positives alone, where every label is the same. */
const FOR_RATINGS: readonly BaselineName[] = BASELINES.filter((name) => name !== 'itemKnn' && name !== 'ease');
const FOR_POSITIVES: readonly BaselineName[] = ['popularity', 'itemKnn', 'ease'];

/** The baselines that say something about these labels: of ratings all but `itemKnn` and `ease`, of positives those that rank. */
export function defaultBaselines(dataset: Dataset): readonly BaselineName[] {
  return hasOneLabel(dataset) ? FOR_POSITIVES : FOR_RATINGS;
}

export interface BaselineOptions {
  /** Which of {@link BASELINES}, in this order. Default: of ratings all but `itemKnn` and `ease`; where every label is the same, `popularity`, `itemKnn`, `ease`. */
  include?: readonly BaselineName[];
  itemMean?: ItemMeanOptions;
  userItemBias?: UserItemBiasOptions;
  alsFoldIn?: AlsOptions;
  contentRidge?: ContentRidgeOptions;
  itemKnn?: ItemKnnOptions;
  ease?: EaseOptions;
  /** Stops between baselines and between the steps of a long fit. */
  signal?: AbortSignal;
}

/**
 * Fits baselines on training interactions.
 *
 * @param trainRows interaction indices; leave out every row that is a query row of the tasks to be measured.
 * @throws UNKNOWN_OPTION for a baseline or option that does not exist, EMPTY_DATA without rows, ABORTED.
 */
export async function fitBaselines(
  dataset: Dataset,
  trainRows: Int32Array,
  options: BaselineOptions = {},
): Promise<Baseline[]> {
  checkObject(options, 'baselines', [
    'include',
    'itemMean',
    'userItemBias',
    'alsFoldIn',
    'contentRidge',
    'itemKnn',
    'ease',
    'signal',
  ]);
  checkTraining(dataset, trainRows);
  const { include = defaultBaselines(dataset), signal } = options;
  checkArray(include, 'baselines.include', 'names');
  checkSignal(signal, 'baselines.signal');
  for (const name of include) {
    if (!BASELINES.includes(name)) throw unknownName('baselines.include', 'no such baseline', name, BASELINES);
  }
  const fitted: Baseline[] = [];
  for (const name of include) {
    await yieldToEventLoop(signal);
    fitted.push(await FITS[name](dataset, trainRows, options));
  }
  return fitted;
}

type Fit = (dataset: Dataset, rows: Int32Array, options: BaselineOptions) => Baseline | Promise<Baseline>;

const FITS: Record<BaselineName, Fit> = {
  globalMean,
  popularity,
  itemMean: (dataset, rows, options) => itemMean(dataset, rows, options.itemMean),
  userItemBias: (dataset, rows, options) => userItemBias(dataset, rows, options.userItemBias),
  alsFoldIn: (dataset, rows, options) => alsFoldIn(dataset, rows, options.alsFoldIn, options.signal),
  contentRidge: (dataset, rows, options) => contentRidge(dataset, rows, options.contentRidge),
  itemKnn: (dataset, rows, options) => itemKnn(dataset, rows, options.itemKnn, options.signal),
  ease: (dataset, rows, options) => ease(dataset, rows, options.ease, options.signal),
};
