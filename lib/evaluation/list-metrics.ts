import { itemCounts } from '../baselines/baseline.js';
import { checkNumber, checkObject, invalid } from '../foundation/check.js';
import type { Column, Dataset } from '../foundation/contract.js';
import { meanInterval } from './intervals.js';
import { categories, distance, featureColumn } from './list-features.js';
import type { RankedLists } from './lists.js';
import type { MetricResult } from './metrics.js';
import { isListMetric, LIST_METRICS, splitName } from './names.js';

export interface ListOptions {
  /** Names, each with the places that count: `coverage@10`. Default: all that the data allow, at the lists' length. */
  metrics?: readonly string[];
  /** Interactions that popularity is counted on; needed by novelty, popularity and popularityLift. */
  trainRows?: Int32Array;
  /** Item feature for diversity and miscalibration. Default: the bag column with the fewest values. */
  features?: string;
  /** A support row belongs to the taste profile if its label is at least this; all rows do where none is. Default 4. */
  threshold?: number;
}
const DEFAULT_THRESHOLD = 4;
/** Share of the profile mixed into the list's distribution, so that a missing genre costs much and not infinity (Steck 2018). */
const STECK_MIX = 0.01;

type Better = 'higher' | 'lower' | 'neither';
interface ListMetric {
  better: Better;
  needs: readonly ('trainRows' | 'features')[];
  compute(context: Context, k: number): MetricResult;
}
interface Context extends RankedLists {
  /** Share of the training users who interacted with each item. */
  share: Float64Array | undefined;
  /** −log₂ of that share, an interaction and a user added so that it is finite. */
  information: Float64Array | undefined;
  column: Column | undefined;
  threshold: number;
}

/** One value a list, and their mean. */
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

/** A value of all lists together. Lists drawn again would not be independent in it, so it has no interval. */
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

/** By {@link LIST_METRICS}. */
const METRICS: Record<string, ListMetric> & Record<(typeof LIST_METRICS)[number], ListMetric> = {
  /** Share of the candidates on any list (Ge, Delgado-Battenfeld & Jannach 2010). */
  coverage: together('higher', (exposure) => exposure.filter((n) => n > 0).length / exposure.length),
  /** Gini coefficient of how often the candidates are recommended: 0 equally, near 1 one alone (Adomavicius & Kwon 2012). */
  gini: together('lower', gini),
  /** Mean self-information −log₂ p of the items (Zhou et al. 2010; Vargas & Castells 2011). */
  novelty: perList('higher', ['trainRows'], ({ information }, items) => average(items, information!)),
  /** Mean share of users who know the items: average recommendation popularity (Yin et al. 2012). */
  popularity: perList('neither', ['trainRows'], ({ share }, items) => average(items, share!)),
  /** (list − profile) / profile of the mean popularity: 0.5 is half as popular again (Abdollahpouri et al. 2019, ΔGAP). */
  popularityLift: { better: 'neither', needs: ['trainRows'], compute: popularityLift },
  /** Mean of 1 − cosine over the pairs of a list (Smyth & McClave 2001; Ziegler et al. 2005). */
  diversity: perList('higher', ['features'], diversity),
  /** KL divergence of the list's categories from the profile's, in nats (Steck 2018). */
  miscalibration: perList('lower', ['features'], miscalibration),
};

/** Reads a list metric's name. @throws UNKNOWN_OPTION, INVALID_OPTION */
export function parseListMetric(name: string): { name: string; better: Better; k: number; needs: ListMetric['needs'] } {
  const { base, k } = splitName(name);
  if (!isListMetric(name))
    throw invalid('evaluation.metrics', 'is measured on query rows, by evaluateScores', name, 'a metric of lists');
  const { better, needs } = METRICS[base];
  return { name, better, k: k!, needs };
}

/**
 * Measures lists of recommendations beyond accuracy. By name, with the first k places of each list: `coverage@k`, `gini@k`,
 * `novelty@k`, `popularity@k`, `popularityLift@k`, `diversity@k`, `miscalibration@k`.
 *
 * ```ts
 * const lists = await rankCatalog((tasks) => learner.outputs(tasks, 'after'), sets.test);
 * const { 'coverage@10': coverage } = evaluateLists(lists, { trainRows });
 * ```
 *
 * @throws UNKNOWN_OPTION, INVALID_OPTION for a k beyond the lists, or for a metric whose data are not given
 */
export function evaluateLists(lists: RankedLists, options: ListOptions = {}): Record<string, MetricResult> {
  checkObject(options, 'evaluation', ['metrics', 'trainRows', 'features', 'threshold']);
  const { dataset } = lists.tasks;
  const { trainRows, features, threshold = DEFAULT_THRESHOLD } = options;
  checkNumber(threshold, 'evaluation.threshold');
  const hasColumn = features !== undefined || dataset.items.columns.some(({ kind }) => kind === 'bag');
  const has = { trainRows: trainRows !== undefined, features: hasColumn };
  const possible = LIST_METRICS.filter((name) => METRICS[name].needs.every((need) => has[need]));
  const names = options.metrics ?? possible.map((name) => `${name}@${lists.count}`);
  const metrics = names.map(parseListMetric);
  for (const { name, k, needs } of metrics) {
    if (k > lists.count)
      throw invalid(
        'evaluation.metrics',
        'counts more places than the lists have',
        name,
        `a cut-off of at most ${lists.count}`,
      );
    if (needs.includes('trainRows') && !has.trainRows) {
      throw invalid(
        'evaluation.trainRows',
        `missing: ${name} counts popularity on them`,
        undefined,
        'the interactions trained on',
      );
    }
  }
  const needsColumn = metrics.some(({ needs }) => needs.includes('features'));
  const context: Context = {
    ...lists,
    ...(trainRows === undefined ? { share: undefined, information: undefined } : popularities(dataset, trainRows)),
    column: needsColumn ? featureColumn(dataset.items, features) : undefined,
    threshold: Math.fround(threshold),
  };
  return Object.fromEntries(metrics.map(({ name, k }) => [name, METRICS[name.replace(/@.*/, '')].compute(context, k)]));
}

function popularities(dataset: Dataset, trainRows: Int32Array): Pick<Context, 'share' | 'information'> {
  const users = new Set<number>();
  for (const row of trainRows) users.add(dataset.user[row]);
  const counts = itemCounts(dataset, trainRows);
  return {
    share: counts.map((n) => n / Math.max(1, users.size)),
    information: counts.map((n) => -Math.log2((n + 1) / (users.size + 1))),
  };
}

/** Σ_i (2i − n − 1) x_(i) / (n Σ x) over x sorted rising, i = 1 … n. */
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

/** Σ_g p(g) ln(p(g) / ((1 − α) q(g) + α p(g))), an item's categories sharing its weight equally. */
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
