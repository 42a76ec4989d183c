import type { Dataset } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { alsFoldIn } from './als-fold-in.js';
import { yieldToEventLoop, checkTraining } from './baseline.js';
import type { Baseline } from './baseline.js';
import { contentRidge } from './content-ridge.js';
import { ease } from './ease.js';
import { globalMean } from './global-mean.js';
import { itemKnn } from './item-knn.js';
import { itemMean } from './item-mean.js';
import type { BaselineOptions } from './option-types.js';
import { BASELINE_OPTIONS, BASELINES } from './options.js';
import type { BaselineName } from './options.js';
import { hasOneLabel } from './positives.js';
import { popularity } from './popularity.js';
import { userItemBias } from './user-item-bias.js';

/** Beside labels of many values, and beside positives alone, where every label is the same. */
const FOR_RATINGS: readonly BaselineName[] = BASELINES.filter((name) => name !== 'itemKnn' && name !== 'ease');
const FOR_POSITIVES: readonly BaselineName[] = ['popularity', 'itemKnn', 'ease'];

/** The baselines that say something about these labels: of ratings all but `itemKnn` and `ease`, of positives those that rank. */
export function defaultBaselines(dataset: Dataset): readonly BaselineName[] {
  return hasOneLabel(dataset) ? FOR_POSITIVES : FOR_RATINGS;
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
  const given = resolveOptions(options, 'baselines', BASELINE_OPTIONS);
  checkTraining(dataset, trainRows);
  const { include = defaultBaselines(dataset), signal } = given;
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
