/** What is worked on once a catalog and version of a learner, not once a request: item features, and pools of candidates. */
import { runNative, runNativeSync } from '../foundation/addon.js';
import type { NativeItemFeatures, NativeItemPool, NativeRanker, NativeRows } from '../foundation/addon.js';
import type { Dataset, FloatArray } from '../foundation/contract.js';
import { sortRows } from '../foundation/sort-rows.js';
import { SIDES } from '../batch/features.js';
import { rowsWhere } from '../tasks/select.js';
import { preparedNoAdaptation } from '../meta/inner-loop.js';
import type { Learner } from '../learner/learner.js';
import { boostTerms, filterMask } from './item-terms.js';
import type { ItemBoost, ItemFilter } from './item-terms.js';
import { selectionOf } from './person.js';

/** Sides of a batch that name an item. @internal */
export const ITEM_SIDES = [SIDES.items, SIDES.itemId] as const;
/** Features of a larger catalog are not kept: the model then runs on every candidate. */
const MOST_FEATURE_BYTES = 2 ** 30;
/** Pools kept; beyond that the oldest is given up. */
const POOLS = 16;
/** Catalogs of a learner whose features and pools are kept. */
const CATALOGS = 2;

/** Which items are candidates, as a request says it. @internal */
export interface PoolOptions {
  filter: ItemFilter | undefined;
  boost: ItemBoost | undefined;
  minSupport: number;
}

/** @internal */
export interface Pool {
  native: NativeItemPool;
  /** Rows that are candidates; undefined: all from 1. */
  allowed: Uint8Array | undefined;
  /** Whether no row is a candidate. */
  isEmpty: boolean;
  /** Added to the rank, by row. */
  boost: Float64Array | undefined;
  /** What ranks its items by features, and by the model. */
  rankers: { byFeatures?: NativeRanker; byModel?: NativeRanker };
}

/** @internal */
export class CatalogCache {
  /** Whether items have the same features for everybody. */
  readonly readsItemsAlone: boolean;
  static readonly #caches = new WeakMap<Learner, CatalogCache[]>();
  readonly #learner: Learner;
  readonly #catalog: Dataset;
  readonly #version: number;
  #features: Promise<NativeItemFeatures> | undefined;
  #made: NativeItemFeatures | undefined;
  #vectors: NativeItemFeatures | undefined;
  readonly #pools = new Map<string, Pool>();
  /** Numbers of functions, which have no text to tell them apart. */
  readonly #functions = new WeakMap<object, number>();
  #numbered = 0;

  private constructor(learner: Learner, catalog: Dataset) {
    this.#learner = learner;
    this.#catalog = catalog;
    this.#version = learner.version;
    this.readsItemsAlone = readsItemsAlone(learner, catalog);
  }

  /** That of the learner as it is now. Those of the last catalogs are kept: who was adapted before items came has the one before. */
  static of(learner: Learner, catalog: Dataset): CatalogCache {
    let caches = CatalogCache.#caches.get(learner);
    if (caches === undefined) CatalogCache.#caches.set(learner, (caches = []));
    if (caches[0]?.isOf(learner, catalog)) return caches[0];
    const known = caches.find((cache) => cache.isOf(learner, catalog));
    const kept = caches.filter((cache) => cache !== known && cache.#version === learner.version).slice(0, CATALOGS - 1);
    for (const cache of caches) if (cache !== known && !kept.includes(cache)) cache.dispose();
    const cache = known ?? new CatalogCache(learner, catalog);
    CatalogCache.#caches.set(learner, [cache, ...kept]);
    return cache;
  }

  static disposeOf(learner: Learner): void {
    for (const cache of CatalogCache.#caches.get(learner) ?? []) cache.dispose();
    CatalogCache.#caches.delete(learner);
  }

  private isOf(learner: Learner, catalog: Dataset): boolean {
    return this.#version === learner.version && this.#catalog === catalog;
  }

  dispose(): void {
    const { ops } = this.#learner.model;
    for (const pool of this.#pools.values()) this.#release(pool);
    this.#pools.clear();
    this.#features?.then((features) => ops.release(features)).catch(() => undefined);
    this.#features = this.#made = undefined;
    if (this.#vectors !== undefined) ops.release(this.#vectors);
    this.#vectors = undefined;
  }

  #release({ native, rankers: { byFeatures, byModel } }: Pool): void {
    const { ops } = this.#learner.model;
    for (const handle of [native, byFeatures, byModel]) if (handle !== undefined) ops.release(handle);
  }

  /** Whether features are at hand, or being made. */
  get hasFeatures(): boolean {
    return this.#features !== undefined;
  }

  /** Features, where they have been made. */
  get featuresAtHand(): NativeItemFeatures | undefined {
    return this.#made;
  }

  /**
   * What ranks the items of a pool, which is looked up again: while a request waited for features others may have taken its place.
   * @param features where it ranks by those
   */
  ranker(options: PoolOptions, features: NativeItemFeatures | undefined): NativeRanker {
    const pool = this.pool(options);
    const { rankers } = pool;
    if (features === undefined) return (rankers.byModel ??= this.#rankerOf(pool, undefined));
    return (rankers.byFeatures ??= this.#rankerOf(pool, features));
  }

  #rankerOf({ native: pool }: Pool, features: NativeItemFeatures | undefined): NativeRanker {
    const [learner, catalog] = [this.#learner, this.#catalog];
    const { model, store, isModerated: moderated } = learner;
    const ranking = {
      store,
      threads: model.threads,
      pool,
      mean: learner.rows(catalog).state.mean,
      moderated,
      ...(features === undefined ? { frame: learner.bind(catalog).frame } : { features }),
      itemSides: ITEM_SIDES,
      selection: selectionOf(learner),
    };
    return runNativeSync(() => model.ops.createRanker(ranking));
  }

  /**
   * What the last layer reads of every item, for a user of whom nothing is known.
   * @param one a row of such a user
   */
  features(one: () => NativeRows): Promise<NativeItemFeatures> {
    return (this.#features ??= this.#compute(one()).then(
      (features) => {
        // Undefined where the cache was disposed of meanwhile.
        if (this.#features !== undefined) this.#made = features;
        return features;
      },
      (error: unknown) => {
        this.#features = undefined;
        throw error;
      },
    ));
  }

  #compute(rows: NativeRows): Promise<NativeItemFeatures> {
    const { model, store } = this.#learner;
    const { frame } = this.#learner.bind(this.#catalog);
    const items = this.#catalog.items.rows;
    // Under no signal: others may wait for it too.
    return runNative(undefined, (token) =>
      model.ops.createItemFeatures({
        store,
        frame,
        rows,
        inner: preparedNoAdaptation(model),
        threads: model.threads,
        token,
        items,
        itemSides: ITEM_SIDES,
      }),
    );
  }

  /** Vectors of every item that are no features of a last layer. @param make [items, width] */
  vectorsBy(make: () => FloatArray): NativeItemFeatures {
    return (this.#vectors ??= this.#learner.model.ops.createItemVectors(make(), this.#catalog.items.rows));
  }

  /** [rows, width] of features. */
  async vectors(one: () => NativeRows, rows: Int32Array): Promise<FloatArray> {
    return this.#learner.model.ops.readItemFeatures(await this.features(one), rows);
  }

  /** Candidates with what is added to their outputs and ranks. */
  pool({ filter, boost, minSupport }: PoolOptions): Pool {
    const isPlain = filter === undefined && boost === undefined;
    const key = isPlain ? `${minSupport}` : JSON.stringify([this.#keyOf(filter), this.#keyOf(boost), minSupport]);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = this.#create({ filter, boost, minSupport });
      const [oldest] = this.#pools.keys();
      if (this.#pools.size === POOLS) {
        this.#release(this.#pools.get(oldest)!);
        this.#pools.delete(oldest);
      }
      this.#pools.set(key, pool);
    }
    return pool;
  }

  #create({ filter, boost: terms, minSupport }: PoolOptions): Pool {
    const { items } = this.#catalog;
    const { itemBias } = this.#learner.rows(this.#catalog).state;
    const counts = minSupport > 0 ? this.#learner.itemCounts : undefined;
    let allowed = filter && filterMask(this.#catalog, filter, 'options.filter');
    if (counts !== undefined) {
      allowed ??= new Uint8Array(items.rows).fill(1);
      for (let row = 1; row < items.rows; row++) if ((counts[row] ?? 0) < minSupport) allowed[row] = 0;
    }
    if (allowed !== undefined) allowed[0] = 0;
    const boost = terms && boostTerms(this.#catalog, terms, 'options.boost');
    const native = this.#learner.model.ops.createItemPool({
      items: items.rows,
      rows: allowed && rowsWhere(allowed),
      offset: itemBias,
      boost,
    });
    return { native, allowed, isEmpty: allowed?.includes(1) === false, boost, rankers: {} };
  }

  #keyOf(terms: object | undefined): unknown {
    if (typeof terms !== 'function') return terms ?? null;
    let number = this.#functions.get(terms);
    if (number === undefined) this.#functions.set(terms, (number = ++this.#numbered));
    return number;
  }
}

/** Each row once. @internal */
export function ascending(rows: ArrayLike<number>): Int32Array {
  const sorted = sortRows(Int32Array.from(rows));
  let n = 0;
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[n++] = sorted[i];
  return sorted.subarray(0, n);
}

const sorted = new WeakMap<Int32Array, Int32Array>();

/** The same of rows that are not changed any more, which are sorted once. @internal */
export function ascendingOnce(rows: Int32Array): Int32Array {
  let own = sorted.get(rows);
  if (own === undefined) sorted.set(rows, (own = ascending(rows)));
  return own;
}

/**
 * Whether items have the same features for everybody: nothing but the last layer adapts, and everything that the model reads
 * is of the item. A score is then one dot product with features that are worked on once.
 */
function readsItemsAlone(learner: Learner, { users, items }: Dataset): boolean {
  const { model } = learner;
  const { head, outputs, tensors } = model;
  const inner = learner.innerLoop();
  // On a device every item goes through the model, in large batches.
  if (
    model.device.kind !== 'cpu' ||
    head === undefined ||
    outputs !== 1 ||
    learner.isModerated ||
    inner.graph !== undefined
  )
    return false;
  if (tensors.some(({ name }, t) => inner.fast[t] === 1 && name !== head.weight && name !== head.bias)) return false;
  const width = tensors.find(({ name }) => name === head.weight)!.shape[1];
  if (items.rows * width * (model.precision === 'float32' ? 4 : 8) > MOST_FEATURE_BYTES) return false;
  const isIn = (table: typeof items, name: string) => table.columns.some((column) => column.name === name);
  return model.spec.inputs.every(({ name }) => name === 'item' || (isIn(items, name) && !isIn(users, name)));
}
