import { checkNumber, checkObject } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import type { SearchSpace } from '../foundation/options.js';
import { checkTraining, itemScores, meanLabel } from './baseline.js';
import type { Baseline } from './baseline.js';

export interface ItemMeanOptions {
  /** λ ≥ 0: the number of interactions at the global mean that each item is given. Default 5. */
  shrinkage?: number;
}
const DEFAULT_SHRINKAGE = 5;
/** What a search tries. @internal */
export const ITEM_MEAN_SEARCH = { shrinkage: { log: [0.5, 50] } } as const satisfies SearchSpace;

/** μ + Σ(y − μ) / (n + λ) over the item's n training labels; μ for an item never seen. */
export function itemMean(dataset: Dataset, trainRows: Int32Array, options: ItemMeanOptions = {}): Baseline {
  checkObject(options, 'itemMean', ['shrinkage']);
  const { shrinkage = DEFAULT_SHRINKAGE } = options;
  checkNumber(shrinkage, 'itemMean.shrinkage', 0);
  checkTraining(dataset, trainRows);
  const mean = meanLabel(dataset, trainRows);
  const sums = new Float64Array(dataset.items.rows);
  const counts = new Float64Array(dataset.items.rows);
  for (let i = 0; i < trainRows.length; i++) {
    const item = dataset.item[trainRows[i]];
    sums[item] += dataset.label[trainRows[i]] - mean;
    counts[item]++;
  }
  const values = sums.map((sum, item) => (counts[item] === 0 ? mean : mean + sum / (counts[item] + shrinkage)));
  return itemScores({ name: 'item mean', kind: 'trivial', scores: 'label' }, dataset, values);
}
