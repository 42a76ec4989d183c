/** Defaults that follow from the loss, in words. */
import { LOSSES, lossesWhere } from './losses.js';
import type { Loss } from './losses.js';

/** A default that depends on the loss: `mae (bce: logloss; bpr, listwise: auc)`, the first being that of `mse`. @internal */
export function byLoss(value: (loss: Pick<Loss, 'validation' | 'metrics' | 'brief' | 'threshold'>) => string): string {
  const usual = value(LOSSES.mse);
  const others = new Map<string, string[]>();
  for (const name of lossesWhere(({ isEmbedding }) => !isEmbedding)) {
    const text = value(LOSSES[name]);
    if (text !== usual) others.set(text, [...(others.get(text) ?? []), name]);
  }
  return `${usual} (${[...others].map(([text, names]) => `${names.join(', ')}: ${text}`).join('; ')})`;
}
