/**
 * Rows of many users at once, for supports that tell nothing but items and labels: they are written where the core reads them,
 * without columns of each user that are then joined.
 */
import type { Dataset, FloatArray } from '../foundation/contract.js';
import { SIDES } from '../batch/features.js';
import { contextNames } from '../batch/given-features.js';
import { userBias } from '../batch/row-rules.js';
import type { Learner } from '../learner/learner.js';
import { lossOf } from '../model/losses.js';
import type { PackedRows } from './packed-rows.js';
import { isInPrecision, isLabel, isWithin } from './labels.js';
import { readsUsers, rowsInCatalog } from './support.js';
import type { Support } from './support.js';

const PLAIN = new Set<string>(['items', 'labels', 'user'] satisfies (keyof Support)[]);

/** @internal What is known of one of them, as PackedSupport has it. */
export interface PlainUser {
  user: number;
  bias: number;
  unknownUser: string | undefined;
  /** Places of the support rows; those of items that training did not have are missing. */
  from: number;
  to: number;
  /** Undefined: none. */
  unknownItems: string[] | undefined;
}

/** @internal */
export class ManyRows {
  readonly #learner: Learner;
  readonly #catalog: Dataset;
  readonly #readsUsers: boolean;
  readonly #users: Int32Array;
  readonly #items: Int32Array;
  readonly #labels: FloatArray;
  /** As given, by row. */
  readonly #given: Float64Array;
  readonly #begin: number[] = [0];
  /** Rows of the items of each list of ids; 0 for those that the catalog lacks. */
  readonly #rowsOf: Map<unknown, Int32Array>;
  #length = 0;

  private constructor(learner: Learner, catalog: Dataset, lists: readonly unknown[]) {
    const rows = lists.reduce<number>((sum, list) => sum + (Array.isArray(list) ? list.length : 0), 0);
    this.#rowsOf = rowsOfLists(catalog, lists);
    this.#learner = learner;
    this.#catalog = catalog;
    this.#readsUsers = readsUsers(learner);
    this.#users = new Int32Array(rows);
    this.#items = new Int32Array(rows);
    this.#labels = learner.model.floats(rows);
    this.#given = new Float64Array(rows);
  }

  /**
   * Undefined where a model needs more than items and labels, or draws negatives.
   * @param lists of item ids, of all supports and queries that will be added, as they stand there
   */
  static for(learner: Learner, catalog: Dataset, lists: readonly unknown[]): ManyRows | undefined {
    const bound = learner.bind(catalog);
    const { head } = learner.model.spec;
    const isPlain =
      bound.sequences.length === 0 &&
      contextNames(bound).length === 0 &&
      (head.also ?? []).length === 0 &&
      lossOf(head).ranks !== true;
    return isPlain ? new ManyRows(learner, catalog, lists) : undefined;
  }

  /**
   * Adds the support rows of a user. Undefined, and nothing is added, where the support tells more than this class reads or where
   * anything of it is wrong: whoever asked then packs it by itself, and says what is wrong.
   */
  support(support: Support): PlainUser | undefined {
    if (typeof support !== 'object' || support === null) return undefined;
    for (const name in support) if (!PLAIN.has(name)) return undefined;
    const { items, labels, user: id } = support;
    if (!Array.isArray(items) || labels?.length !== items.length) return undefined;
    const learner = this.#learner;
    const { head } = learner.model.spec;
    const loss = lossOf(head);
    const { mean, itemBias, range } = learner.rowState;
    const from = this.#length;
    let to = from;
    let unknownItems: string[] | undefined;
    const rows = this.#rowsOf.get(items)!;
    for (let i = 0; i < items.length; i++) {
      const item: unknown = items[i];
      const y: unknown = labels[i];
      if (typeof item !== 'string' && typeof item !== 'number') return undefined;
      if (!isLabel(y, loss, head) || !isWithin(range, y) || !isInPrecision(learner, y)) return undefined;
      const row = rows[i];
      if (row === 0) {
        if (item === '' || (typeof item === 'number' && !Number.isFinite(item))) return undefined;
        (unknownItems ??= []).push(String(item));
        continue;
      }
      this.#items[to] = row;
      this.#given[to++] = y;
    }
    if (id !== undefined && ((typeof id !== 'string' && typeof id !== 'number') || id === '')) return undefined;
    const user = id !== undefined && this.#readsUsers ? this.#catalog.users.keys.idOf(String(id)) : 0;
    const bias =
      itemBias === undefined
        ? 0
        : userBias(learner.rows(this.#catalog), this.#items.subarray(from, to), this.#given.subarray(from, to));
    for (let r = from; r < to; r++) {
      this.#users[r] = user;
      this.#labels[r] = this.#given[r] - mean - (itemBias === undefined ? 0 : itemBias[this.#items[r]] + bias);
    }
    this.#length = to;
    this.#begin.push(to);
    const unknownUser = id !== undefined && this.#readsUsers && user === 0 ? String(id) : undefined;
    return { user, bias, unknownUser, from, to, unknownItems };
  }

  /** No support, or no query. */
  none(): void {
    this.#begin.push(this.#length);
  }

  /** Adds the query rows of the user whose support came before. False where an id is unknown: nothing is added. */
  query(user: number, ids: readonly (string | number)[]): boolean {
    const from = this.#length;
    const rows = this.#rowsOf.get(ids)!;
    if (rows.includes(0)) return false;
    this.#items.set(rows, from);
    this.#users.fill(user, from, (this.#length = from + ids.length));
    this.#begin.push(this.#length);
    return true;
  }

  /** What is added to the outputs of the rows [from, to), which are of one user. */
  center(scores: Float64Array, at: number, from: number, to: number, bias: number): void {
    const { itemBias } = this.#learner.rowState;
    if (itemBias !== undefined)
      for (let r = from; r < to; r++) scores[at + r - from] += itemBias[this.#items[r]] + bias;
  }

  get length(): number {
    return this.#length;
  }

  /** Copies of a user's items and labels as they were given. */
  ofUser({ from, to }: PlainUser): { items: Int32Array; labels: Float64Array } {
    return { items: this.#items.slice(from, to), labels: this.#given.slice(from, to) };
  }

  packed(): PackedRows {
    const n = this.#length;
    const [users, items] = [this.#users.subarray(0, n), this.#items.subarray(0, n)];
    const sides: (Int32Array | number)[] = [];
    sides[SIDES.users] = users;
    sides[SIDES.items] = items;
    sides[SIDES.interactions] = 0;
    sides[SIDES.userId] = users;
    sides[SIDES.itemId] = items;
    const { frame } = this.#learner.bind(this.#catalog);
    return {
      frame,
      rows: { begin: Int32Array.from(this.#begin), sides, overrides: [], labels: this.#labels.subarray(0, n) },
    };
  }
}

/** All lists are looked up together, and one that stands there again is looked up once. */
function rowsOfLists(catalog: Dataset, lists: readonly unknown[]): Map<unknown, Int32Array> {
  const rowsOf = new Map<unknown, Int32Array>();
  const own = [...new Set(lists)].filter((list): list is unknown[] => Array.isArray(list));
  const ids: unknown[] = [];
  for (const list of own) for (let i = 0; i < list.length; i++) ids.push(list[i]);
  const rows = rowsInCatalog(catalog, ids);
  let at = 0;
  for (const list of own) rowsOf.set(list, rows.subarray(at, (at += list.length)));
  return rowsOf;
}
