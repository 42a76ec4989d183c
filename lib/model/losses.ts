/** Everything that the library knows of a loss, one record each. Whatever depends on a loss asks its record. */
import type { LOSSES as NATIVE_LOSSES } from '../foundation/addon.js';
import type { LossSpec, ScoreKind } from '../foundation/contract.js';

/** `Head` is the specification of a head with this loss. */
export interface Loss<Head extends LossSpec = LossSpec> {
  /** What the native core computes. An embedding has no loss of its own and takes one that is never asked for. */
  readonly native: (typeof NATIVE_LOSSES)[number];
  /** What it is for, in the configuration's schema. */
  readonly doc: string;
  /** The fewest `classes` that a head has; undefined where a head has no such option. */
  readonly leastClasses?: number;
  /** How many classes its labels are of, where `classWeights` may weigh them. */
  weighs?(head: Head): number;
  /** Only a main head can have it, and only `episodeGradient` can work with it. */
  readonly isEmbedding?: true;
  /** Whether it orders rows: label 1 opens a group, and negatives are drawn for it. */
  readonly ranks?: true;
  /** Whether the mean of the labels is taken from them before they are learned. */
  readonly isCentred?: true;

  /** Whether a finite number is a label. */
  fits(y: number, head: Head): boolean;
  /** What a label is, for messages. */
  labels(head: Head): string;

  /**
   * How outputs become scores: the output itself (`identity`), the output to sort by and its sigmoid as a probability
   * (`logistic`), or the mean class under the softmax of the outputs (`expectedClass`).
   */
  readonly link: 'identity' | 'logistic' | 'expectedClass';
  /** What a score then is, which decides the metrics that can be measured. */
  score(head: Head): ScoreKind;

  /** What the best epoch is chosen by, unless another metric is named. */
  readonly validation: string;
  /** What is measured, unless metrics are named. */
  readonly metrics: readonly string[];
  /** What scenarios draw: `validation`, and one metric of order. */
  readonly brief: readonly string[];
  /** A row is relevant from this label on. Undefined leaves it to the metrics, whose default is for five stars. */
  readonly threshold?: number;

  /** Only of losses that are a sum over rows, each with its own label; undefined for losses of groups. */
  readonly rows?: RowLoss;
}

/** Derivatives and costs of single rows, for explanations and remedies, which work on the outputs of a few rows. */
export interface RowLoss {
  /** ∂ℓ/∂o of a row with outputs o. */
  gradient(o: ArrayLike<number>, y: number): ArrayLike<number>;
  /** The gradient of the score as Σ factor · ∇ℓ at chosen labels: all that the core differentiates are losses. */
  scoreParts(o: ArrayLike<number>): { label: number; factor: number }[];
  /** What a wrong prediction costs a row, in the unit of the `validation` metric; undefined for several outputs. */
  readonly cost?: (o: number, y: number) => number;
}

const RATING = { validation: 'mae', metrics: ['mae', 'rmse', 'ndcg@5'], brief: ['mae', 'ndcg@5'] } as const;
const RANKING = { validation: 'auc', metrics: ['auc', 'ndcg@5'], brief: ['auc', 'ndcg@5'], threshold: 0.5 } as const;

const logistic = (o: number) => 1 / (1 + Math.exp(-o));
const isClass = (y: number, classes = Infinity) => Number.isInteger(y) && y >= 0 && y < classes;

const ranking = {
  ranks: true,
  fits: (y: number) => y === 0 || y === 1,
  labels: () => '1, or 0 for a negative',
  link: 'identity',
  score: () => 'order' as const,
  ...RANKING,
} as const;

export const LOSSES: { readonly [Name in LossSpec['loss']]: Loss<Extract<LossSpec, { loss: Name }>> } = {
  mse: {
    native: 'mse',
    doc: 'for ratings',
    isCentred: true,
    fits: () => true,
    labels: () => 'a finite number',
    link: 'identity',
    score: () => 'label',
    ...RATING,
    rows: {
      gradient: (o, y) => [2 * (o[0] - y)],
      scoreParts: (o) => [{ label: o[0] - 0.5, factor: 1 }], // ∂(o − y)² = 2 (o − y) ∂o
      cost: (o, y) => Math.abs(o - y),
    },
  },
  bce: {
    native: 'bce',
    doc: 'for 0/1',
    weighs: () => 2,
    fits: (y) => y >= 0 && y <= 1,
    labels: () => 'a probability from 0 to 1',
    link: 'logistic',
    score: () => 'probability',
    validation: 'logloss',
    metrics: ['logloss', 'auc'],
    brief: ['logloss', 'auc'],
    threshold: 0.5,
    rows: {
      gradient: (o, y) => [logistic(o[0]) - y],
      scoreParts(o) {
        const p = logistic(o[0]); // ∂loss = (p − y) ∂o
        return [p >= 0.5 ? { label: 0, factor: 1 / p } : { label: 1, factor: 1 / (p - 1) }];
      },
      cost: (o, y) => Math.log1p(Math.exp(-Math.abs(o))) + Math.max(o, 0) - y * o,
    },
  },
  softmax: {
    native: 'softmax',
    doc: 'for classes 0 … classes − 1',
    leastClasses: 2,
    weighs: ({ classes }) => classes,
    fits: (y, { classes }) => isClass(y, classes),
    labels: ({ classes }) => `a class, an integer from 0 to ${classes - 1}`,
    link: 'expectedClass',
    // The mean of classes 0 and 1 is the probability of class 1.
    score: ({ classes }) => (classes === 2 ? 'probability' : 'label'),
    ...RATING,
    rows: {
      gradient: (o, y) => probabilities(o).map((p, c) => p - Number(c === y)),
      // s = Σ c p_c, so ∂s/∂o_c = p_c (c − s); the loss of class y has ∂/∂o_c = p_c − [c = y], and Σ_y p_y (y − s) = 0.
      scoreParts(o) {
        const p = probabilities(o);
        const s = p.reduce((sum, share, c) => sum + share * c, 0);
        return Array.from(p, (share, label) => ({ label, factor: -share * (label - s) }));
      },
    },
  },
  bpr: { native: 'bpr', doc: 'to rank rows labelled 1 before sampled negatives, in pairs', ...ranking },
  listwise: { native: 'listwise', doc: 'to rank rows labelled 1 before sampled negatives, all together', ...ranking },
  episode: {
    native: 'mse',
    doc: 'for episodeGradient',
    leastClasses: 1,
    isEmbedding: true,
    fits: (y) => isClass(y),
    labels: () => 'a class, an integer from 0',
    link: 'identity',
    score: () => 'order',
    ...RANKING,
  },
};
export const LOSS_NAMES = Object.keys(LOSSES) as LossSpec['loss'][];

/** The record of a head's loss, for any specification. @internal */
export function lossOf({ loss }: LossSpec): Loss<LossSpec> {
  return LOSSES[loss];
}

/** Outputs of a head for one row. @internal */
export const outputsOf = (head: LossSpec): number => ('classes' in head ? head.classes : 1);

/** Names of the losses with some property, for messages and for what works with several of them. @internal */
export function lossesWhere(has: (loss: Loss<LossSpec>) => boolean): LossSpec['loss'][] {
  return LOSS_NAMES.filter((name) => has(LOSSES[name] as Loss<LossSpec>));
}

/** The softmax of one row's outputs. @internal */
export function probabilities(outputs: ArrayLike<number>): Float64Array {
  const o = Float64Array.from(outputs);
  const top = o.reduce((a, b) => Math.max(a, b), -Infinity);
  const p = o.map((value) => Math.exp(value - top));
  const total = p.reduce((a, b) => a + b, 0);
  return p.map((share) => share / total);
}
