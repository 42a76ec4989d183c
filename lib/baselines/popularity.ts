import type { Dataset } from '../foundation/contract.js';
import { checkTraining, itemCounts, itemScores } from './baseline.js';
import type { Baseline } from './baseline.js';

/** Ranks by the item's number of training interactions. It estimates no label. */
export function popularity(dataset: Dataset, trainRows: Int32Array): Baseline {
  checkTraining(dataset, trainRows);
  return itemScores({ name: 'popularity', kind: 'trivial', scores: 'order' }, dataset, itemCounts(dataset, trainRows));
}
