/** Lists of recommendations, of one user or of many in one call of the core. */
import { runNative } from '../foundation/addon.js';
import type { NativeIds, NativeLists, NativeRankedUsers } from '../foundation/addon.js';
import { invalid } from '../foundation/check.js';
import type { Column, Dataset } from '../foundation/contract.js';
import { random } from '../foundation/random.js';
import type { Learner } from '../learner/learner.js';
import { ascending, ascendingOnce, CatalogCache } from './catalog-cache.js';
import { diversify } from './diversity.js';
import { amongOf, doneWith, rowsAmong, unknownAmong } from './among.js';
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
const NONE = new Int32Array(0);

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
  const { exclude } = settings;
  const excluded = exclude.length === 0 ? NONE : itemRows(catalog, exclude, 'options.exclude', []);
  return { cache, pool, wanted, excluded };
}

/** @internal The rows that a person's list leaves out. */
export function heldBack({ known }: Person, settings: RecommendSettings, excluded: Int32Array): Int32Array {
  if (!settings.excludeSupport) return ascendingOnce(excluded);
  return excluded.length === 0 ? ascendingOnce(known.items) : ascending([...excluded, ...known.items]);
}

async function rankEach(people: readonly Person[], settings: RecommendSettings, minSupport: number): Promise<List[]> {
  const [{ learner, catalog }] = people;
  const { count, diversity, signal, explore } = settings;
  const isSingle = learner.model.spec.head.loss !== 'softmax';
  // What is at hand is not waited for: each turn of a promise is time of the event loop.
  const ids = isSingle ? amongOf(catalog, settings) : undefined;
  const named = ids instanceof Promise ? await ids : ids;
  const { cache, pool, wanted, excluded } = candidatesOf(people[0], settings, minSupport);
  const among = named === undefined || pool.isEmpty ? rowsAmong(catalog, settings) : named;
  if (pool.isEmpty) return people.map((person) => ({ person, rows: [], scores: [] }));
  const adapted =
    explore === false
      ? people.map(adaptedOf)
      : await Promise.all(people.map(async (person) => drawn(person, explore, signal)));
  const context = contextOf(learner, catalog, settings.context, catalog.items.rows, 'options.context');
  const found = isSingle ? await rankInCore(among) : await rankHere();
  people.forEach(adaptedOf); // A step that began meanwhile may have moved the parameters under it.
  if (diversity === 0) return found;
  return Promise.all(
    found.map(async ({ person, rows, scores, keys }) => {
      const vectors = await itemVectorsOf(learner, catalog, Int32Array.from(rows));
      const order = diversify(keys, vectors, diversity, count);
      return { person, rows: order.map((i) => rows[i]), scores: order.map((i) => scores[i]) };
    }),
  );

  function rankHere(): Promise<RankedList[]> {
    return Promise.all(
      people.map(async (person, u) => {
        const score = (rows: Int32Array) => scoreRows(person, rows, context, signal, adapted[u]);
        const exclude = heldBack(person, settings, excluded);
        const own = rowsAmong(catalog, settings);
        const best = await rankByScores({ catalog, exclude, score }, { pool, among: own, count: wanted });
        const [rows, scores, keys] = [best.rows, best.scores, best.keys].map((values) => Array.from(values));
        return { person, rows, scores, keys };
      }),
    );
  }

  async function rankInCore(from: Int32Array | NativeIds | undefined): Promise<RankedList[]> {
    const { ops } = learner.model;
    const length = from instanceof Int32Array ? from.length : from?.[3];
    const useFeatures = cache.readsItemsAlone && (cache.hasFeatures || length === undefined || length > FEW);
    const nobody = () => rowOf(learner, catalog, NOBODY, undefined);
    const features = useFeatures ? (cache.featuresAtHand ?? (await cache.features(nobody))) : undefined;
    const { filter, boost } = settings;
    const ranker = cache.ranker({ filter, boost, minSupport }, features);
    const users: NativeRankedUsers = [];
    people.forEach((person, u) => {
      const { known } = person;
      const one = features === undefined ? rowOf(learner, catalog, known, context && { ...context, of: 0 }) : undefined;
      users.push(adapted[u], known.bias, heldBack(person, settings, excluded), one);
    });
    const result = await runNative(signal, (token) => ops.rank(ranker, wanted, users, from, token));
    doneWith(from);
    if (!(result instanceof Float64Array)) throw unknownAmong(settings, result);
    return listsOf(people, result);
  }
}

/** @internal With what its items are ranked by. */
interface RankedList extends List {
  keys: number[];
}

function listsOf(people: readonly Person[], numbers: NativeLists): RankedList[] {
  let at = 0;
  return people.map((person) => {
    const [rows, scores, keys]: number[][] = [[], [], []];
    for (let n = numbers[at++]; n > 0; n--) {
      rows.push(numbers[at++]);
      scores.push(numbers[at++]);
      keys.push(numbers[at++]);
    }
    return { person, rows, scores, keys };
  });
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
