import { InnerloopError } from '../foundation/errors.js';
import type { MetricSettings, RowMetric } from './metric.js';
import { tieEnd } from './window.js';
import type { TaskWindow } from './window.js';

/**
 * Every ranking metric here is the exact expectation over all orders of rows with equal scores, each equally likely. So it does not
 * depend on the order of rows in a file, and a constant predictor gets the value of a random order.
 */

export type Gain = 'exponential' | 'linear';

/**
 * nDCG@k with discount 1 / log2(place + 1) and the gain of label − floor; NaN if no row has a gain (Järvelin & Kekäläinen
 * 2002; ties: McSherry & Najork 2008).
 */
function ndcg(window: TaskWindow, { k, gain, floor }: MetricSettings): number {
  const { labels, order, start, end } = window;
  const gains = new Float64Array(end - start);
  for (let i = start; i < end; i++) gains[i - start] = gainOf(labels[i] - floor, gain);
  let dcg = 0;
  for (let from = start; from < end && from - start < k;) {
    const to = tieEnd(window, from);
    // A row of a tie is at each of the tie's places with the same probability, so the mean gain is multiplied by all discounts.
    let total = 0;
    for (let p = from; p < to; p++) total += gains[order[p] - start];
    let discounts = 0;
    for (let p = from; p < to && p - start < k; p++) discounts += 1 / Math.log2(p - start + 2);
    dcg += (total / (to - from)) * discounts;
    from = to;
  }
  gains.sort();
  let ideal = 0;
  for (let place = 0; place < Math.min(k, gains.length); place++) {
    ideal += gains[gains.length - 1 - place] / Math.log2(place + 2);
  }
  return ideal > 0 ? dcg / ideal : NaN;
}

function gainOf(label: number, gain: Gain): number {
  const value = gain === 'linear' ? label : 2 ** label - 1;
  if (value >= 0 && value < Infinity) return value;
  throw new InnerloopError('INVALID_DATA', `label has no ${gain} gain`, {
    field: 'ndcg',
    value: label,
    expected: label < 0 ? 'labels ≥ 0' : "labels below 1024, or gain: 'linear'",
  });
}

/** Relevant rows of the window: those with label ≥ threshold. */
function relevantRows({ labels, start, end }: TaskWindow, threshold: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if (labels[i] >= threshold) count++;
  return count;
}

/** Relevant rows at places from … to − 1 of the order. */
function relevantIn({ labels, order }: TaskWindow, from: number, to: number, threshold: number): number {
  let count = 0;
  for (let p = from; p < to; p++) if (labels[order[p]] >= threshold) count++;
  return count;
}

/** Expected number of relevant rows among the first k places. */
function expectedHits(window: TaskWindow, k: number, threshold: number): number {
  const { start, end } = window;
  let hits = 0;
  for (let from = start; from < end && from - start < k;) {
    const to = tieEnd(window, from);
    const inside = Math.min(to, start + k) - from;
    hits += (relevantIn(window, from, to, threshold) * inside) / (to - from);
    from = to;
  }
  return hits;
}

/** Relevant rows among the first k, divided by k (also if the task has fewer than k rows); NaN without a relevant row. */
function precision(window: TaskWindow, { k, threshold }: MetricSettings): number {
  return relevantRows(window, threshold) === 0 ? NaN : expectedHits(window, k, threshold) / k;
}

/** Relevant rows among the first k, divided by all relevant rows; NaN without a relevant row. */
function recall(window: TaskWindow, { k, threshold }: MetricSettings): number {
  return expectedHits(window, k, threshold) / (relevantRows(window, threshold) || NaN);
}

/** Probability that a relevant row is among the first k; NaN without a relevant row. */
function hitRate(window: TaskWindow, { k, threshold }: MetricSettings): number {
  return firstHit(window, k, threshold, () => 1);
}

/** Expected 1 / place of the first relevant row, 0 beyond place k; NaN without a relevant row. */
function reciprocalRank(window: TaskWindow, { k, threshold }: MetricSettings): number {
  return firstHit(window, k, threshold, (place) => 1 / place);
}

/**
 * Average precision: Σ over places p ≤ k of P(p is relevant) · E(relevant up to p | p is relevant) / p, divided by min(k, relevant
 * rows); NaN without a relevant row.
 */
function averagePrecision(window: TaskWindow, { k, threshold }: MetricSettings): number {
  const { start, end } = window;
  const all = relevantRows(window, threshold);
  if (all === 0) return NaN;
  let sum = 0;
  let before = 0; // relevant rows at places before the current tie
  for (let from = start; from < end && from - start < k;) {
    const to = tieEnd(window, from);
    const size = to - from;
    const relevant = relevantIn(window, from, to, threshold);
    // Of the other size − 1 rows of the tie, relevant − 1 are relevant; this is their expected share among the rows before a place.
    const share = size > 1 ? (relevant - 1) / (size - 1) : 0;
    for (let p = from; relevant > 0 && p < to && p - start < k; p++)
      sum += ((relevant / size) * (before + 1 + (p - from) * share)) / (p - start + 1);
    before += relevant;
    from = to;
  }
  return sum / Math.min(k, all);
}

/** Σ over places p ≤ k of P(the first relevant row is at p) · value(p). */
function firstHit(window: TaskWindow, k: number, threshold: number, value: (place: number) => number): number {
  const { start, end } = window;
  if (relevantRows(window, threshold) === 0) return NaN;
  for (let from = start; from < end && from - start < k;) {
    const to = tieEnd(window, from);
    const relevant = relevantIn(window, from, to, threshold);
    if (relevant > 0) {
      // The tie's rows are drawn without replacement; `none` is P(no relevant row before place p).
      let none = 1;
      let sum = 0;
      for (let p = from; none > 0 && p < to && p - start < k; p++) {
        const hit = relevant / (to - p);
        sum += none * hit * value(p - start + 1);
        none *= 1 - hit;
      }
      return sum;
    }
    from = to;
  }
  return 0;
}

/**
 * Probability that a relevant row scores above one that is not, ties counting ½ (the Mann-Whitney statistic); NaN
 * unless the task has both.
 */
function auc(window: TaskWindow, { threshold }: MetricSettings): number {
  const { start, end } = window;
  const relevant = relevantRows(window, threshold);
  const others = end - start - relevant;
  if (relevant === 0 || others === 0) return NaN;
  let above = 0; // relevant rows at places before the current tie
  let wins = 0;
  for (let from = start; from < end;) {
    const to = tieEnd(window, from);
    const hits = relevantIn(window, from, to, threshold);
    wins += (to - from - hits) * (above + hits / 2);
    above += hits;
    from = to;
  }
  return wins / relevant / others;
}

const atK = (compute: RowMetric['compute']) => ({ better: 'higher', score: 'order', takesK: true, compute }) as const;

/** The metrics of the order of rows by score. */
export const RANKING_METRICS = {
  auc: { better: 'higher', score: 'order', compute: auc },
  ndcg: atK(ndcg),
  precision: atK(precision),
  recall: atK(recall),
  hitrate: atK(hitRate),
  mrr: atK(reciprocalRank),
  map: atK(averagePrecision),
} as const satisfies Record<string, RowMetric>;
