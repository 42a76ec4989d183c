import type { Dataset } from '../foundation/contract.js';
import { checkTraining, itemScores, meanLabel } from './baseline.js';
import type { Baseline } from './baseline.js';

/** Predicts the mean training label everywhere: the floor of rating metrics and, all scores tied, of ranking metrics. */
export function globalMean(dataset: Dataset, trainRows: Int32Array): Baseline {
  checkTraining(dataset, trainRows);
  const values = new Float64Array(dataset.items.rows).fill(meanLabel(dataset, trainRows));
  return itemScores({ name: 'global mean', kind: 'trivial', scores: 'label' }, dataset, values);
}
