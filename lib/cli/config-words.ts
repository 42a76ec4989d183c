/** Texts of the schema that follow from the records of losses and metrics. */
import { LIST_METRIC_NAMES, ROW_METRIC_NAMES } from '../evaluation/names.js';
import { LOSSES, lossesWhere } from '../model/losses.js';
import type { Loss } from '../model/losses.js';

/** A default that depends on the loss: `mae (bce: logloss; bpr, listwise: auc)`, the first being that of `mse`. */
export function byLoss(value: (loss: Pick<Loss, 'validation' | 'metrics' | 'brief' | 'threshold'>) => string): string {
  const usual = value(LOSSES.mse);
  const others = new Map<string, string[]>();
  for (const name of lossesWhere(({ isEmbedding }) => !isEmbedding)) {
    const own = value(LOSSES[name]);
    if (own !== usual) others.set(own, [...(others.get(own) ?? []), name]);
  }
  return `${usual} (${[...others].map(([own, names]) => `${names.join(', ')}: ${own}`).join('; ')})`;
}

export const METRIC_NAMES = `${ROW_METRIC_NAMES.join(', ')}; of recommendations from the whole catalog: ${LIST_METRIC_NAMES.join(', ')}`;
