/** Lists of recommendations, of one user or of many in one call of the core. */
import { runNative } from '../foundation/addon.js';
import type { NativeIds, NativeLists } from '../foundation/addon.js';
import { invalid } from '../foundation/check.js';
import type { Column, Dataset } from '../foundation/contract.js';
import { random } from '../foundation/random.js';
import type { Learner } from '../learner/learner.js';
import { ascending, CatalogCache, ITEM_SIDES, readsItemsAlone } from './catalog-cache.js';
import { diversify } from './diversity.js';
import { amongOf, rowsAmong, unknownAmong } from './among.js';
import { itemColumns, valuesOf } from './item-terms.js';
import type { ItemRecord } from './item-terms.js';
import { itemVectorsOf } from './item-vectors.js';
import { MIN_SUPPORT } from './options.js';
import type { RecommendSettings } from './options.js';
import { adaptedOf, certainOf, NOBODY, rowOf, selectionOf } from './person.js';
import type { Person } from './person.js';
import { rankByScores, scoreRows } from './score-rows.js';
import { contextOf, itemRows, packSupport } from './support.js';

/** An item of a list. */
export interface Recommendation {
  /** The item's id. */
  item: string;
  /** The predicted rating, or the score that items are ranked by; a boost is not part of it. */
  score: number;
  /** Of the item, where `columns` were asked for. */
  columns?: Omit<ItemRecord, 'item'>;
}

/** Below so many candidates the model runs on each of them, rather than on the whole catalog first. */
const FEW = 4096;
/** Candidates that diversity chooses among, for each item of the list. */
const WIDTH_OF_CHOICE = 10;

/** @internal Every person of one learner. @param rank makes the lists: by the model of each person, unless it is an ensemble's */
export async function recommendTo(
  people: readonly Person[],
  settings: RecommendSettings,
  rank: Ranking = rankEach,
): Promise<Recommendation[][]> {
  if (people.length === 0) return [];
  const [{ learner, catalog }] = people;
  const columns = itemColumns(catalog, settings.columns, 'options.columns');
  const { minSupport, among, count } = settings;
  const least = minSupport ?? (among === undefined && learner.itemCounts !== undefined ? MIN_SUPPORT : 0);
  if (minSupport !== undefined && minSupport > 0 && learner.itemCounts === undefined)
    throw invalid('options.minSupport', 'is not known of the items', minSupport, '0, or a learner that was trained');
  const lists = await rank(people, settings, least);
  // By default items with little support only make room for others: a small catalog is recommended all the same.
  const short = minSupport === undefined && least > 0 ? lists.filter(({ rows }) => rows.length < count) : [];
  if (short.length > 0) {
    const whole = await rank(
      short.map(({ person }) => person),
      settings,
      0,
    );
    short.forEach((list, k) => fill(list, whole[k], count));
  }
  return lists.map((list) => described(list, columns, settings, learner, catalog));
}

/** @internal The best items for each person, of those with so many training interactions. */
export type Ranking = (people: readonly Person[], settings: RecommendSettings, minSupport: number) => Promise<List[]>;

/** @internal */
export interface List {
  person: Person;
  rows: number[];
  scores: number[];
}

function fill(list: List, whole: List, count: number): void {
  const held = new Set(list.rows);
  whole.rows.forEach((row, i) => {
    if (list.rows.length >= count || held.has(row)) return;
    list.rows.push(row);
    list.scores.push(whole.scores[i]);
  });
}

function described(
  { rows, scores }: List,
  columns: readonly Column[],
  { clip }: RecommendSettings,
  { rowState: { range } }: Learner,
  { items }: Dataset,
): Recommendation[] {
  return rows.map((row, i) => ({
    item: items.keys.values[row],
    score: clip && range !== undefined ? Math.min(range.max, Math.max(range.min, scores[i])) : scores[i],
    ...(columns.length > 0 && { columns: valuesOf(columns, row) }),
  }));
}

/** @internal What a list is chosen from, for all people of a learner. */
export function candidatesOf({ learner, catalog }: Person, settings: RecommendSettings, minSupport: number) {
  const { filter, boost, count, diversity } = settings;
  const cache = CatalogCache.of(learner, catalog);
  const pool = cache.pool({ filter, boost, minSupport });
  const wanted = diversity > 0 ? count * WIDTH_OF_CHOICE : count;
  return { cache, pool, wanted, excluded: itemRows(catalog, settings.exclude, 'options.exclude', []) };
}

/** @internal The rows that a person's list leaves out. */
export const heldBack = ({ known }: Person, settings: RecommendSettings, excluded: Int32Array): Int32Array =>
  ascending(settings.excludeSupport ? [...excluded, ...known.items] : excluded);

async function rankEach(people: readonly Person[], settings: RecommendSettings, minSupport: number): Promise<List[]> {
  const [{ learner, catalog }] = people;
  const { count, diversity, signal } = settings;
  const isSingle = learner.model.spec.head.loss !== 'softmax';
  const named = isSingle ? await amongOf(catalog, settings) : undefined;
  const { cache, pool, wanted, excluded } = candidatesOf(people[0], settings, minSupport);
  const among = named === undefined || pool.isEmpty ? rowsAmong(catalog, settings) : named;
  if (pool.isEmpty) return people.map((person) => ({ person, rows: [], scores: [] }));
  const requests = await Promise.all(
    people.map(async (person) => ({
      person,
      adapted: settings.explore === false ? adaptedOf(person) : await drawn(person, settings.explore, signal),
      exclude: heldBack(person, settings, excluded),
    })),
  );
  const context = contextOf(learner, catalog, settings.context, catalog.items.rows, 'options.context');
  const lists = isSingle
    ? await rankInCore(among)
    : await Promise.all(
        requests.map(({ person, adapted, exclude }) => {
          const score = (rows: Int32Array) => scoreRows(person, rows, context, signal, adapted);
          return rankByScores(
            { catalog, exclude, score },
            { pool, among: rowsAmong(catalog, settings), count: wanted },
          );
        }),
      );
  people.forEach(adaptedOf); // A step that began meanwhile may have moved the parameters under it.
  const found = people.map((person, u): List & { keys: number[] } => {
    const { rows, scores, keys } = lists[u];
    return { person, rows: Array.from(rows), scores: Array.from(scores), keys: Array.from(keys) };
  });
  if (diversity === 0) return found;
  return Promise.all(
    found.map(async ({ person, rows, scores, keys }) => {
      const vectors = await itemVectorsOf(learner, catalog, Int32Array.from(rows));
      const order = diversify(keys, vectors, diversity, count);
      return { person, rows: order.map((i) => rows[i]), scores: order.map((i) => scores[i]) };
    }),
  );

  async function rankInCore(from: Int32Array | NativeIds | undefined) {
    const { model, store } = learner;
    const length = from instanceof Int32Array ? from.length : from?.lengths.length;
    const { mean } = learner.rows(catalog).state;
    const useFeatures =
      readsItemsAlone(learner, catalog) && (cache.hasFeatures || length === undefined || length > FEW);
    const nobody = () => rowOf(learner, catalog, NOBODY, undefined);
    const features = useFeatures ? await cache.features(nobody) : undefined;
    const users = requests.map(({ person: { known }, exclude }) => ({
      bias: known.bias,
      exclude,
      ...(features === undefined && { one: rowOf(learner, catalog, known, context && { ...context, of: 0 as const }) }),
    }));
    const result = await runNative(signal, (token) =>
      model.ops.rank({
        store,
        threads: model.threads,
        token,
        pool: pool.native,
        among: from,
        count: wanted,
        mean,
        moderated: learner.isModerated,
        ...(features === undefined ? { frame: learner.bind(catalog).frame } : { features }),
        itemSides: ITEM_SIDES,
        adapted: requests.map(({ adapted }) => adapted),
        selection: selectionOf(learner),
        users,
      }),
    );
    if (result.unknown !== undefined) throw unknownAmong(from as NativeIds, settings, result.unknown);
    return requests.map((_, u) => listOf(result, u));
  }
}

function listOf({ width, rows, scores, keys, counts }: NativeLists, u: number) {
  const [from, to] = [u * width, u * width + counts[u]];
  return { rows: rows.subarray(from, to), scores: scores.subarray(from, to), keys: keys.subarray(from, to) };
}

let draws = 0;

/** Adapted parameters whose last layer is drawn from its posterior. */
async function drawn(
  person: Person,
  explore: true | { seed: number },
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { learner, catalog, support } = person;
  learner.checkUncertainty();
  const certain = await certainOf(person, () => packSupport(learner, catalog, support).packed, signal);
  const { model } = learner;
  const { shape } = model.tensors.find(({ name }) => name === model.head!.weight)!;
  // Unseeded draws differ from call to call, and between processes.
  const seed = explore === true ? Math.floor(Math.random() * 2 ** 32) : explore.seed;
  const stream = random(seed, 'serving.explore', explore === true ? draws++ : 0);
  const normals = Float64Array.from({ length: shape[1] + 1 }, () => stream.normal());
  const scale = Math.sqrt(learner.noiseVariance ?? 1);
  return model.ops.sampleAdapted(model.native, {
    store: learner.store,
    adapted: [certain],
    selection: selectionOf(learner),
    normals,
    scale,
  });
}
