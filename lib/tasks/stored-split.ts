/**
 * A split as a learner keeps it: who is in which set, and which rows there were, so that a table that has grown since is divided
 * as it was then. Users and rows are kept as hashes: 17 bytes a user, whatever the ids are, and none of a row.
 */
import type { Column, Dataset, FeatureTable, TaskSet, Vocabulary } from '../foundation/contract.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import { InnerloopError } from '../foundation/errors.js';
import { gather, gatherColumn } from '../data/columns.js';
import { scaledAs } from '../data/scaling.js';
import type { Tables } from '../data/scaling.js';
import { createVocabulary } from '../data/vocabulary.js';
import { groupByKey } from './key.js';
import type { SplitOptions } from './option-types.js';
import { splitBy } from './split.js';
import type { Membership, Origin, Split } from './split.js';

/** A split as it is kept with a learner. */
export interface StoredSplit {
  /** The options that the split was made by. */
  readonly options: SplitOptions;
  /** Which users, items and rows are in which set. */
  readonly membership: Membership;
  /** The users by row of the data that was divided, the unknown one first. */
  readonly users: {
    /** Two words of the id's hash. */
    readonly hash: Int32Array;
    /** Rows that the user had. */
    readonly rows: Int32Array;
    /** A hash of those rows in their order: items, labels and times. */
    readonly digest: Int32Array;
  };
}

const OFFSETS = [0x811c9dc5, 0x2f0b4a27] as const;
const mix = (hash: number, word: number): number => Math.imul(hash ^ word, 0x01000193) ^ (hash >>> 15);

function hashOf(text: string, offset: number): number {
  let hash: number = offset;
  for (let c = 0; c < text.length; c++) hash = mix(hash, text.charCodeAt(c));
  return mix(hash, text.length) | 0;
}

const hashesOf = ({ values }: Vocabulary) => Int32Array.from(values, (text) => hashOf(text, OFFSETS[0]));

/** A function that takes a row of a dataset into the digest of its user. */
function digestOfRow(
  { item, items, label, time }: Dataset,
  names: Int32Array = hashesOf(items.keys),
): (digest: number, row: number) => number {
  const labels = new Int32Array(label.buffer, label.byteOffset, label.length);
  const times = time && new Int32Array(time.buffer, time.byteOffset, 2 * time.length);
  return (digest, row) => {
    let hash = mix(mix(digest, names[item[row]]), labels[row]);
    if (times !== undefined) hash = mix(mix(hash, times[2 * row]), times[2 * row + 1]);
    return hash | 0;
  };
}

/** @internal */
export function storeSplit({ dataset, options, membership }: Origin): StoredSplit {
  const people = new PeopleDigest(dataset.users.keys, dataset.items.keys);
  people.add(dataset);
  return { options, membership, users: people.build() };
}

/** Takes the users of a stored split from datasets on the same tables, each with all rows of its users. @internal */
export class PeopleDigest {
  readonly #users: StoredSplit['users'];
  readonly #items: Int32Array;

  constructor({ values }: Vocabulary, items: Vocabulary) {
    const hash = new Int32Array(2 * values.length);
    values.forEach((text, u) => OFFSETS.forEach((offset, k) => (hash[2 * u + k] = hashOf(text, offset))));
    this.#users = { hash, rows: new Int32Array(values.length), digest: new Int32Array(values.length) };
    this.#items = hashesOf(items);
  }

  add(dataset: Dataset): void {
    const { rows, digest } = this.#users;
    const { user } = dataset;
    const take = digestOfRow(dataset, this.#items);
    for (let row = 0; row < dataset.size; row++) {
      rows[user[row]]++;
      digest[user[row]] = take(digest[user[row]], row);
    }
  }

  build(): StoredSplit['users'] {
    return this.#users;
  }
}

const splitsOfSources = new WeakMap<TaskSource, StoredSplit>();

/** Keeps with a source of tasks how its data was divided. @internal */
export const setSplitOf = (source: TaskSource, split: StoredSplit) => void splitsOfSources.set(source, split);

/** How the data of a source was divided, where that is known. @internal */
export const splitOf = (source: TaskSource): StoredSplit | undefined => splitsOfSources.get(source);

/** A split of today's data by what was stored of an earlier one. */
export interface RestoredSplit extends Split {
  /** The users, items and rows that were divided then, in the order of then. */
  dataset: Dataset;
}

/**
 * Divides a dataset as it was divided when `stored` was made. Rows that have come since, and users and items that are new, are in
 * no set; `notes` counts them. A user whose rows of then are no longer the first of today's, in their order, keeps the set with
 * all rows, and is counted too.
 *
 * @param catalog the learner's, whose items are those of then
 * @throws {InnerloopError} INVALID_DATA if no user of the split is in the dataset, or none of a set makes a task any more
 * @internal
 */
export function restoreSplit(dataset: Dataset, stored: StoredSplit, catalog: Tables): RestoredSplit {
  const { options, membership } = stored;
  const known = knownUsers(dataset, stored);
  const itemOf = translation(dataset.items.keys, catalog.items.keys);
  // Items that were added to the catalog later are in no part of a split that divides items.
  const items = membership.items?.length ?? Infinity;
  const isOfThen = (row: number) => itemOf[row] > 0 && itemOf[row] < items;
  const { kept, changed, newer, strangers } = rowsOfThen(dataset, stored, known, isOfThen);
  if (kept.length === 0) throw otherData();
  const numbers = { known, people: stored.users.rows.length, itemOf, keys: catalog.items.keys };
  const restored = renumbered(scaledAs(dataset, catalog), catalog, numbers, kept);
  const split = splitBy(restored, options, membership);
  const notes = counted([
    [newer, 'rows are newer than the split and in none of its sets'],
    [strangers, 'users are newer than the split and in none of its sets'],
    [changed, CHANGED],
  ]);
  return { ...split, dataset: restored, notes: [...split.notes, ...notes] };
}

/** A split of today's data that an earlier one is part of. */
export interface GrownSplit extends RestoredSplit {
  /** Rows and users that the earlier split did not have, and users whose rows are other ones now. */
  readonly since: { readonly rows: number; readonly users: number; readonly changed: number };
}

/**
 * Divides a dataset for a learner that goes on with it: who was in a set stays there, with all rows of today; users, items and keys
 * of tasks that are new are trained on. The times that a split by time cuts at stay.
 *
 * @throws {InnerloopError} as `restoreSplit`
 * @internal
 */
export function extendSplit(dataset: Dataset, stored: StoredSplit, catalog: Tables): GrownSplit {
  const { options, membership } = stored;
  // A copy, since new users are numbered in it.
  const known = knownUsers(dataset, stored).slice();
  const itemOf = translation(dataset.items.keys, catalog.items.keys);
  const { kept, changed, newer, strangers } = rowsOfThen(dataset, stored, known, (row) => itemOf[row] > 0);
  if (kept.length === 0) throw otherData();
  const people = appended(known, stored.users.rows.length);
  const values = [...catalog.items.keys.values];
  const items = appended(itemOf, values.length, (row) => values.push(dataset.items.keys.values[row]));
  const numbers = {
    known,
    people,
    itemOf,
    keys: items === values.length ? createVocabulary(values) : catalog.items.keys,
  };
  const all = Int32Array.from({ length: dataset.size }, (_, row) => row);
  const grown = renumbered(scaledAs(dataset, catalog), catalog, numbers, all);
  const { users, items: held, keys } = membership;
  const extended: Membership = {
    ...membership,
    ...(users && { users: extendedBy(users, people) }),
    ...(held && { items: extendedBy(held, items) }),
    ...(keys && { keys: extendedBy(keys, groupByKey(grown, options.tasks.by ?? 'user', undefined).names.length) }),
  };
  const split = splitBy(grown, options, extended, stored);
  const notes = counted([
    [newer, 'rows are newer than the split and in the sets of their users'],
    [strangers, 'users are newer than the split and trained on'],
    [changed, CHANGED],
  ]);
  const since = { rows: dataset.size - kept.length, users: strangers, changed };
  // This is the same object, so that a learner can tell where it comes from.
  return Object.assign(split, { dataset: grown, notes: [...split.notes, ...notes], since });
}

const CHANGED = 'users have other rows than when the split was made, and are in their sets with all of them';

const counted = (notes: readonly (readonly [number, string])[]) =>
  notes.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);

const otherData = () =>
  new InnerloopError('INVALID_DATA', 'holds no user of the split that the learner was trained with', {
    field: 'dataset',
    expected: 'the data of then, with whatever was added since',
  });

/** Gives numbers from `first` on to all but the unknown entity that have none. @returns the number after the last */
function appended(numbers: Int32Array, first: number, take: (row: number) => void = () => undefined): number {
  let next = first;
  for (let row = 1; row < numbers.length; row++) {
    if (numbers[row] > 0) continue;
    numbers[row] = next++;
    take(row);
  }
  return next;
}

/** What is new is trained on: set 0, and known. */
function extendedBy(set: Uint8Array, length: number): Uint8Array {
  const extended = new Uint8Array(Math.max(length, set.length));
  extended.set(set);
  return extended;
}

/** Rows of known users by split and dataset are kept, because every evaluation needs them. */
const knownRows = new WeakMap<StoredSplit, WeakMap<Dataset, Int32Array>>();

/** Gives, for each user row of the dataset, the row in the data that was divided, 0 for a user who is new. Not to be written to. */
function knownUsers(dataset: Dataset, stored: StoredSplit): Int32Array {
  const byDataset = knownRows.get(stored) ?? new WeakMap<Dataset, Int32Array>();
  let known = byDataset.get(dataset);
  if (known === undefined) {
    known = matchUsers(dataset, stored);
    knownRows.set(stored, byDataset.set(dataset, known));
  }
  return known;
}

function matchUsers({ users }: Dataset, { users: { hash } }: StoredSplit): Int32Array {
  // A Map holds some 16 million entries.
  const shards = Array.from({ length: 64 }, () => new Map<number, number>());
  const keyOf = (a: number, b: number) => (a >>> 0) * 2 ** 21 + (b >>> 11);
  for (let u = 1; 2 * u < hash.length; u++) shards[hash[2 * u] & 63].set(keyOf(hash[2 * u], hash[2 * u + 1]), u);
  return Int32Array.from(users.keys.values, (text, row) => {
    if (row === 0) return 0;
    const [a, b] = OFFSETS.map((offset) => hashOf(text, offset));
    return shards[a & 63].get(keyOf(a, b)) ?? 0;
  });
}

/** Users of tasks who were trained on, by user row of the dataset; of splits by users alone, others train on part of a user. @internal */
export function trainedUsers({ dataset, users }: Pick<TaskSet, 'dataset' | 'users'>, stored: StoredSplit): Set<number> {
  const { users: sets } = stored.membership;
  if (stored.options.protocol !== 'users' || sets === undefined) return new Set();
  const known = knownUsers(dataset, stored);
  const isTrained = (row: number) => known[row] > 0 && sets[known[row]] === 0 && stored.users.rows[known[row]] > 0;
  return new Set(users.filter(isTrained));
}

/** Gives, for each id of one vocabulary, the id of the same text in another, 0 where it is not there. */
function translation(from: Vocabulary, to: Vocabulary): Int32Array {
  return Int32Array.from(from.values, (text, id) => (id === 0 ? 0 : to.idOf(text)));
}

function rowsOfThen(dataset: Dataset, { users }: StoredSplit, known: Int32Array, isOfThen: (item: number) => boolean) {
  const { user, item } = dataset;
  const seen = new Int32Array(users.rows.length);
  const digest = new Int32Array(users.rows.length);
  const take = digestOfRow(dataset);
  for (let row = 0; row < dataset.size; row++) {
    const u = known[user[row]];
    if (u === 0 || seen[u]++ >= users.rows[u]) continue;
    digest[u] = take(digest[u], row);
  }
  const isChanged = Uint8Array.from(digest, (d, u) => Number(d !== users.digest[u] || seen[u] < users.rows[u]));
  const kept = new Int32Array(dataset.size);
  let [count, newer] = [0, 0];
  seen.fill(0);
  for (let row = 0; row < dataset.size; row++) {
    const u = known[user[row]];
    if (u === 0) continue;
    if ((isChanged[u] === 1 || seen[u]++ < users.rows[u]) && isOfThen(item[row])) kept[count++] = row;
    else newer++;
  }
  const had = (_: number, u: number) => u > 0 && users.rows[u] > 0;
  return {
    kept: kept.slice(0, count),
    changed: isChanged.filter((flag, u) => flag === 1 && had(flag, u)).length,
    newer,
    strangers: known.subarray(1).filter((u) => u === 0).length,
  };
}

/** How users and items are numbered: those of then as they were, then new ones. */
interface Numbers {
  /** By user row of the dataset. */
  known: Int32Array;
  people: number;
  /** By item row of the dataset. */
  itemOf: Int32Array;
  keys: Vocabulary;
}

/** The rows `kept` alone, with users, items and values in the order that they are numbered by. */
function renumbered(
  dataset: Dataset,
  catalog: Tables,
  { known, people, itemOf, keys }: Numbers,
  kept: Int32Array,
): Dataset {
  const { size: _, notes, user, item, label, time, weight, count, part, context } = dataset;
  const texts = Array.from({ length: people }, (__, u) => (u === 0 ? '' : `\0${u}`));
  known.forEach((u, row) => {
    if (u > 0) texts[u] = dataset.users.keys.values[row];
  });
  return {
    size: kept.length,
    user: gather(user, kept).map((row) => known[row]),
    item: gather(item, kept).map((row) => itemOf[row]),
    label: gather(label, kept),
    time: time && gather(time, kept),
    ...(weight && { weight: gather(weight, kept) }),
    ...(count && { count: gather(count, kept) }),
    ...(part && { part: { ...part, data: gather(part.data, kept) } }),
    users: reordered(dataset.users, known, createVocabulary(texts), people, catalog.users),
    items: reordered(dataset.items, itemOf, keys, keys.values.length, catalog.items),
    context: {
      rows: kept.length,
      keys: context.keys,
      columns: context.columns.map((column) => {
        const rows = gatherColumn(column, kept);
        if (rows.kind === 'sequence') return { ...rows, vocabulary: keys, data: rows.data.map((id) => itemOf[id]) };
        return inVocabulary(rows, catalog.context);
      }),
    },
    notes,
  };
}

/** A feature table in another order of rows; entities that are no longer there have all features missing. */
function reordered(
  table: FeatureTable,
  rowOf: Int32Array,
  keys: Vocabulary,
  rows: number,
  as: FeatureTable,
): FeatureTable {
  const from = new Int32Array(rows);
  rowOf.forEach((to, row) => {
    if (to > 0) from[to] = row;
  });
  return { rows, keys, columns: table.columns.map((column) => inVocabulary(gatherColumn(column, from), as)) };
}

/** The ids of then, and new ones after them for texts that are new. */
function inVocabulary(column: Column, { columns }: FeatureTable): Column {
  const as = columns.find(({ name }) => name === column.name);
  if (column.kind === 'dense' || column.kind === 'sequence' || as?.kind !== column.kind) return column;
  const used = new Uint8Array(column.vocabulary.values.length);
  for (const id of column.data) used[id] = 1;
  const values = [...as.vocabulary.values];
  const map = translation(column.vocabulary, as.vocabulary);
  for (let id = 1; id < map.length; id++)
    if (map[id] === 0 && used[id] === 1) map[id] = values.push(column.vocabulary.values[id]) - 1;
  return { ...column, vocabulary: createVocabulary(values), data: column.data.map((id) => map[id]) };
}
