/** What is measured of a model unless it is said, by its loss. */
import type { LossSpec } from '../foundation/contract.js';

export interface Standard {
  /** What the command line chooses the best epoch by. */
  validation: string;
  metrics: readonly string[];
  /** A row is relevant from this label on; undefined leaves it to the metrics, which think of five stars. */
  threshold: number | undefined;
}

const RATING: Standard = { validation: 'mae', metrics: ['mae', 'rmse', 'ndcg@5'], threshold: undefined };
const RANKING: Standard = { validation: 'auc', metrics: ['auc', 'ndcg@5'], threshold: 0.5 };
const BY_LOSS: Partial<Record<LossSpec['loss'], Standard>> = {
  bce: { validation: 'logloss', metrics: ['logloss', 'auc'], threshold: 0.5 },
  bpr: RANKING,
  listwise: RANKING,
};

/** @internal */
export function standardOf(loss: LossSpec['loss']): Standard {
  return BY_LOSS[loss] ?? RATING;
}
