import type { Dataset } from '../foundation/contract.js';
import { resolveOptions } from '../foundation/options.js';
import { checkTraining, itemScores, meanLabel } from './baseline.js';
import type { Baseline } from './baseline.js';
import type { ItemMeanOptions } from './option-types.js';
import { OPTIONS_OF } from './options.js';

/** μ + Σ(y − μ) / (n + λ) over the item's n training labels; μ for an item never seen. */
export function itemMean(dataset: Dataset, trainRows: Int32Array, options: ItemMeanOptions = {}): Baseline {
  const { shrinkage } = resolveOptions(options, 'itemMean', OPTIONS_OF.itemMean);
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
