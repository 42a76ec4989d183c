/** Ranks items by popularity, among all people or in a group, for people without interactions. */
import type { Learner } from '../../learner/learner.js';
import { filterMask } from '../../serving/item-terms.js';
import type { ItemFilter } from '../../serving/item-terms.js';
import type { State } from '../state/state.js';

/** Milliseconds after which a list is counted again. */
const FRESH = 60_000;
/** The most lists that are kept, one for each group. */
const GROUPS = 1000;
/** The most entries of a group's list. */
const LENGTH = 1000;

interface Ranked {
  rows: Int32Array;
  counts: Float64Array;
}

/** A list with the time at which it was counted and the rows that the catalog had then. */
interface Kept {
  at: number;
  rows: number;
  list: Promise<Ranked>;
}

export class Popularity {
  readonly #learner: Learner;
  readonly #state: State | undefined;
  readonly #lists = new Map<string, Kept>();

  constructor(learner: Learner, state: State | undefined) {
    this.#learner = learner;
    this.#state = state;
  }

  /**
   * The most popular items with their numbers of interactions.
   * @param segment the group; undefined for all people, whose counts include those of the training data
   */
  async top(
    segment: string | undefined,
    count: number,
    exclude: ReadonlySet<string>,
    filter: ItemFilter | undefined,
  ): Promise<{ item: string; score: number }[]> {
    const { rows, counts } = await this.#list(segment);
    const catalog = this.#learner.servedCatalog();
    const mask = filter && filterMask(catalog, filter, 'filter');
    const { values } = catalog.items.keys;
    const top: { item: string; score: number }[] = [];
    for (let k = 0; k < rows.length && top.length < count; k++) {
      const item = values[rows[k]];
      if (mask?.[rows[k]] !== 0 && !exclude.has(item)) top.push({ item, score: counts[k] });
    }
    return top;
  }

  #list(segment: string | undefined): Promise<Ranked> {
    const key = JSON.stringify(segment ?? null);
    const { rows } = this.#learner.servedCatalog().items;
    const held = this.#lists.get(key);
    const age = held?.rows === rows ? Date.now() - held.at : Infinity;
    if (age < FRESH) return held!.list;
    const list = this.#count(segment);
    const counted = { at: Date.now(), rows, list };
    if (age < 2 * FRESH) {
      // Counting reads all interactions: requests take the last list until there is a new one. If it fails, it is tried again later.
      held!.at = counted.at - FRESH / 2;
      list.then(
        () => this.#keep(key, counted),
        () => undefined,
      );
      return held!.list;
    }
    list.catch(() => this.#lists.delete(key));
    this.#keep(key, counted);
    return list;
  }

  #keep(key: string, counted: Kept): void {
    this.#lists.delete(key);
    this.#lists.set(key, counted);
    const [oldest] = this.#lists.keys();
    if (this.#lists.size > GROUPS) this.#lists.delete(oldest);
  }

  async #count(segment: string | undefined): Promise<Ranked> {
    const { items } = this.#learner.servedCatalog();
    const counts = new Float64Array(items.rows);
    if (segment === undefined) this.#learner.itemCounts?.forEach((n, row) => row < counts.length && (counts[row] = n));
    const most = segment === undefined ? items.rows : LENGTH;
    for (const { item, count } of (await this.#state?.popular(segment, most)) ?? [])
      counts[items.keys.idOf(item)] += count;
    counts[0] = 0;
    const rows = Int32Array.from(counts, (_, row) => row)
      .filter((row) => counts[row] > 0)
      .sort((a, b) => counts[b] - counts[a] || a - b);
    return { rows, counts: Float64Array.from(rows, (row) => counts[row]) };
  }
}
