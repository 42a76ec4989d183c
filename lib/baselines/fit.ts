import { checkObject, unknownName } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import { alsFoldIn } from './als-fold-in.js';
import type { AlsOptions } from './als-fold-in.js';
import { yieldToEventLoop } from './baseline.js';
import type { Baseline } from './baseline.js';
import { contentRidge } from './content-ridge.js';
import type { ContentRidgeOptions } from './content-ridge.js';
import { globalMean } from './global-mean.js';
import { itemMean } from './item-mean.js';
import type { ItemMeanOptions } from './item-mean.js';
import { popularity } from './popularity.js';
import { userItemBias } from './user-item-bias.js';
import type { UserItemBiasOptions } from './user-item-bias.js';

export const BASELINES = ['globalMean', 'itemMean', 'popularity', 'userItemBias', 'alsFoldIn', 'contentRidge'] as const;
export type BaselineName = (typeof BASELINES)[number];

export interface BaselineOptions {
  /** Which, in this order. Default: all of {@link BASELINES}. */
  include?: readonly BaselineName[];
  itemMean?: ItemMeanOptions;
  userItemBias?: UserItemBiasOptions;
  alsFoldIn?: AlsOptions;
  contentRidge?: ContentRidgeOptions;
  /** Stops between baselines and between the sweeps of ALS. */
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
  checkObject(options, 'baselines', ['include', 'itemMean', 'userItemBias', 'alsFoldIn', 'contentRidge', 'signal']);
  const { include = BASELINES, signal } = options;
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
};
