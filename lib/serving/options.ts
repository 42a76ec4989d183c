/** What a list of recommendations may be asked for. */
import {
  checkArray,
  checkBoolean,
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkPlain,
  checkSignal,
  invalid,
} from '../foundation/check.js';
import type { FeatureValues } from '../batch/given-features.js';
import type { ItemBoost, ItemFilter } from './item-terms.js';

/** Options of `recommend`. */
export interface RecommendOptions {
  /** Default 10. */
  count?: number;
  /** Only these items, by id. Default: the whole catalog. */
  among?: readonly (string | number)[];
  /** What becomes of ids in `among` that the catalog lacks: refused, or left out of the list. Default `error`. */
  unknown?: 'skip' | 'error';
  /** Not these, by id; ids that the catalog lacks are no matter. */
  exclude?: readonly (string | number)[];
  /** Leave out the items of the support set. Default true. */
  excludeSupport?: boolean;
  /** Only items whose columns satisfy this. */
  filter?: ItemFilter;
  /** What is added to the rank of items, not to the scores that are returned. */
  boost?: ItemBoost;
  /**
   * From 0, the order of the scores, to below 1: how much an item is held back for its likeness to those above it (maximal
   * marginal relevance over item vectors, among the best ten times `count`). Default 0.
   */
  diversity?: number;
  /** Scores are returned within the range of the training labels. The order is that of the scores before. Default false. */
  clip?: boolean;
  /**
   * Only items with so many training interactions. Default: {@link MIN_SUPPORT}, others following where these are fewer than
   * `count`; 0 with `among`.
   */
  minSupport?: number;
  /**
   * Ranks by weights drawn from the posterior of the user's last layer (Thompson sampling), for `ridge` and `laplace`: items
   * about which little is known come up in proportion to the chance that they are best. The scores are those of the draw.
   * `true` draws anew for every call, a seed repeats one. Default false.
   */
  explore?: boolean | { seed: number };
  /** Columns of the items to return beside the ids: titles, say. */
  columns?: readonly string[];
  /** Features of the interactions that are recommended, one object for all. Needed where the model reads any. */
  context?: FeatureValues;
  /** Stops the ranking. */
  signal?: AbortSignal;
}

/**
 * Fewest training interactions of an item that is recommended unasked. An item that one person rated is a guess; a long catalog
 * holds many of them, and the best of many guesses are the luckiest. On validation users of the bundled MovieLens the hit rate
 * of lists of ten over the whole catalog does not fall with it: 0.599 without, 0.602 at 8 and 0.604 at 12 after three ratings,
 * 0.460, 0.471 and 0.482 after twenty (bench/min-support.ts).
 */
export const MIN_SUPPORT = 10;

const NAMES = [
  'count',
  'among',
  'exclude',
  'unknown',
  'excludeSupport',
  'filter',
  'boost',
  'diversity',
  'clip',
  'minSupport',
  'explore',
  'columns',
  'context',
  'signal',
];

/** The options with their defaults. @internal */
export function checkRecommend(options: RecommendOptions) {
  checkObject(options, 'options', NAMES);
  const {
    count = 10,
    among,
    exclude = [],
    excludeSupport = true,
    filter,
    boost,
    unknown = 'error',
    diversity = 0,
    clip = false,
    minSupport,
    explore = false,
    columns = [],
    context,
    signal,
  } = options as RecommendOptions;
  checkInteger(count, 'options.count', 1);
  checkBoolean(excludeSupport, 'options.excludeSupport');
  if (among !== undefined) checkArray(among, 'options.among', 'item ids');
  checkOneOf(unknown, 'options.unknown', ['skip', 'error']);
  checkArray(exclude, 'options.exclude', 'item ids');
  if (filter !== undefined && typeof filter !== 'function') checkPlain(filter, 'options.filter');
  if (boost !== undefined && typeof boost !== 'function') checkPlain(boost, 'options.boost');
  checkNumber(diversity, 'options.diversity', 0, 1);
  if (diversity === 1)
    throw invalid('options.diversity', 'leaves nothing of the scores', diversity, 'a number below 1');
  checkBoolean(clip, 'options.clip');
  if (minSupport !== undefined) checkInteger(minSupport, 'options.minSupport', 0);
  if (typeof explore !== 'boolean') {
    checkObject(explore, 'options.explore', ['seed']);
    checkInteger((explore as { seed: number }).seed, 'options.explore.seed', 0);
  }
  checkArray(columns, 'options.columns', 'columns of the items');
  checkSignal(signal, 'options.signal');
  if (Array.isArray(context))
    throw invalid('options.context', 'not one object for all items', context, 'an object of features');
  return {
    count,
    among,
    unknown,
    exclude,
    excludeSupport,
    filter,
    boost,
    diversity,
    clip,
    minSupport,
    explore,
    columns,
    context,
    signal,
  };
}
/** @internal */
export type RecommendSettings = ReturnType<typeof checkRecommend>;
