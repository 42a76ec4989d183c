import type { Column } from '../foundation/contract.js';
import { meanInterval } from './intervals.js';
import { categories, distance } from './list-features.js';
import type { RankedLists } from './lists.js';
import type { Better } from './metric.js';
import type { MetricResult } from './metrics.js';

/** Share of the profile mixed into the list's distribution, so that the cost of a missing genre is large but finite (Steck 2018). */
const STECK_MIX = 0.01;

/** A metric of lists of recommendations. Its key in the table is its name, and `@k` follows. */
export interface ListMetric {
  readonly better: Better;
  readonly needs: readonly ('trainRows' | 'features')[];
  readonly compute: (context: Context, k: number) => MetricResult;
}
/** The data that list metrics are computed from. */
export interface Context extends RankedLists {
  /** Share of the training users who interacted with each item. */
  share: Float64Array | undefined;
  /** −log₂ of that share, with one interaction and one user added so that it is finite. */
  information: Float64Array | undefined;
  column: Column | undefined;
  threshold: number;
}

/** A metric with one value for each list; the result is their mean. */
const perList = (
  better: Better,
  needs: ListMetric['needs'],
  value: (context: Context, items: Int32Array, task: number) => number,
): ListMetric => ({
  better,
  needs,
  compute(context, k) {
    const perTask = Float64Array.from({ length: context.tasks.size }, (_, t) => {
      const items = listOf(context, t, k);
      return items.length === 0 ? NaN : value(context, items, t);
    });
    return { ...meanInterval(perTask), perTask };
  },
});

/** A metric of all lists together. It has no interval, because it is not a mean over independent lists. */
const together = (better: Better, value: (exposure: Float64Array) => number): ListMetric => ({
  better,
  needs: [],
  compute(context, k) {
    const { tasks, candidates, dataset } = { ...context, dataset: context.tasks.dataset };
    const counts = new Float64Array(dataset.items.rows);
    for (let t = 0; t < tasks.size; t++) for (const item of listOf(context, t, k)) counts[item]++;
    const mean = value(Float64Array.from(candidates, (item) => counts[item]));
    return { mean, low: NaN, high: NaN, tasks: tasks.size, perTask: new Float64Array(tasks.size).fill(NaN) };
  },
});

const listOf = ({ items, offsets }: RankedLists, t: number, k: number) =>
  items.subarray(offsets[t], Math.min(offsets[t] + k, offsets[t + 1]));
const average = (items: Int32Array, of: Float64Array) => items.reduce((sum, item) => sum + of[item], 0) / items.length;

/** All metrics of lists, by their names without `@k`. */
export const LIST_METRICS = {
  /** Share of the candidates on any list (Ge, Delgado-Battenfeld & Jannach 2010). */
  coverage: together('higher', (exposure) => exposure.filter((n) => n > 0).length / exposure.length),
  /** Gini coefficient of how often candidates are recommended: 0 if equally often, near 1 if only one is (Adomavicius & Kwon 2012). */
  gini: together('lower', gini),
  /** Mean self-information −log₂ p of the items (Zhou et al. 2010; Vargas & Castells 2011). */
  novelty: perList('higher', ['trainRows'], ({ information }, items) => average(items, information!)),
  /** Mean share of users who know the items: average recommendation popularity (Yin et al. 2012). */
  popularity: perList('neither', ['trainRows'], ({ share }, items) => average(items, share!)),
  /** (list − profile) / profile of the mean popularity; 0.5 means 50 % more popular (Abdollahpouri et al. 2019, ΔGAP). */
  popularityLift: { better: 'neither', needs: ['trainRows'], compute: popularityLift },
  /** Mean of 1 − cosine over the pairs of a list (Smyth & McClave 2001; Ziegler et al. 2005). */
  diversity: perList('higher', ['features'], diversity),
  /** KL divergence of the list's categories from the profile's, in nats (Steck 2018). */
  miscalibration: perList('lower', ['features'], miscalibration),
} as const satisfies Record<string, ListMetric>;

/** Gini coefficient Σ_i (2i − n − 1) x_(i) / (n Σ x), with x in ascending order, i = 1 … n. */
function gini(exposure: Float64Array): number {
  const sorted = exposure.slice().sort();
  const n = sorted.length;
  let [weighted, total] = [0, 0];
  for (let i = 0; i < n; i++) [weighted, total] = [weighted + (2 * i + 1 - n) * sorted[i], total + sorted[i]];
  return weighted / (n * total);
}

const profileOf = ({ tasks: { dataset, supportOffsets, supportRows } }: Context, t: number) =>
  supportRows.subarray(supportOffsets[t], supportOffsets[t + 1]).map((row) => dataset.item[row]);

/** A ratio of means over users; its interval is the delta method's, by the pseudo-values (q − (1 + Δ) p) / p̄ + Δ. */
function popularityLift(context: Context, k: number): MetricResult {
  const share = context.share!;
  const size = context.tasks.size;
  const [list, profile] = [new Float64Array(size), new Float64Array(size)];
  for (let t = 0; t < size; t++) {
    list[t] = average(listOf(context, t, k), share);
    profile[t] = average(profileOf(context, t), share); // NaN without a list or a profile
  }
  const pairs = Float64Array.from(list, (q, t) => q + profile[t]);
  const kept = (values: Float64Array) =>
    meanInterval(values.map((value, t) => (Number.isNaN(pairs[t]) ? NaN : value))).mean;
  const unit = kept(profile);
  const lift = (kept(list) - unit) / unit;
  const perTask = list.map((q, t) => (q - profile[t]) / unit);
  return { ...meanInterval(list.map((q, t) => (q - (1 + lift) * profile[t]) / unit + lift)), perTask };
}

function diversity({ column }: Context, items: Int32Array): number {
  let [sum, pairs] = [0, 0];
  for (let a = 0; a < items.length; a++) {
    for (let b = 0; b < a; b++) {
      const d = distance(column!, items[a], items[b]);
      if (Number.isNaN(d)) continue;
      [sum, pairs] = [sum + d, pairs + 1];
    }
  }
  return pairs === 0 ? NaN : sum / pairs;
}

/** Σ_g p(g) ln(p(g) / ((1 − α) q(g) + α p(g))), where an item's weight is divided equally among its categories. */
function miscalibration(context: Context, items: Int32Array, t: number): number {
  const {
    column,
    threshold,
    tasks: { dataset, supportOffsets, supportRows },
  } = context;
  const support = supportRows.subarray(supportOffsets[t], supportOffsets[t + 1]);
  const liked = support.filter((row) => dataset.label[row] >= threshold);
  const profile = distribution(
    column!,
    (liked.length > 0 ? liked : support).map((row) => dataset.item[row]),
  );
  const list = distribution(column!, items);
  if (profile.size === 0 || list.size === 0) return NaN;
  let divergence = 0;
  for (const [category, p] of profile)
    divergence += p * Math.log(p / ((1 - STECK_MIX) * (list.get(category) ?? 0) + STECK_MIX * p));
  return divergence;
}

function distribution(column: Column, items: Int32Array): Map<number, number> {
  const weight = new Map<number, number>();
  let total = 0;
  for (const item of items) {
    const ids = categories(column, item);
    if (ids.length === 0) continue;
    total++;
    for (const id of ids) weight.set(id, (weight.get(id) ?? 0) + 1 / ids.length);
  }
  return new Map([...weight].map(([id, sum]) => [id, sum / total]));
}
