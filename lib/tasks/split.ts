import { checkDataset } from '../foundation/check-data.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { random } from '../foundation/random.js';
import { divide } from './build.js';
import { groupByKey } from './key.js';
import { DEFAULT_SEED } from './options.js';
import { checkSplit, emptyError, resolveTaskOptions } from './resolve-options.js';
import type { PartitionSplit, PartSplit, SplitOptions, TaskSplit, TimeSplit, UserSplit } from './option-types.js';
import { drawnUsers, partForm, splitParts } from './split-parts.js';
import { splitTime, timeCuts } from './split-time.js';
import type { TimeCuts } from './split-time.js';
import { subsetTasks } from './subset.js';
import { rowsWhere, select } from './select.js';

/** What `splitTasks` returns. */
export interface Split<Sets = Record<string, TaskSet>> {
  /**
   * Task sets by name, which the type knows where the options were written out (`SetsOf`). Protocols `users`, `tasks`, `time`: `train` and, where their fraction is above 0, `validation`, `test`.
   * Protocol `partitions`: `train`, `userCold`, `itemCold`, `bothCold` and, with validation, `validationUserCold`,
   * `validationItemCold`, `validationBothCold`. Protocol `parts`: those of `train`, `validation` and `test` that the data has.
   *
   * No interaction is in two sets, but that support rows of `warm`, and of the sets of protocols `time` and `parts`, may be rows that
   * training or validation used: what was known by then. No query row of another set is ever among `trainRows`, nor is a row
   * of a task held out by protocol `tasks`, if another of the row's tasks is trained on.
   */
  sets: Sets;
  /** All interactions that may be trained on, ascending: also those of users with too few or too many rows for a task. */
  trainRows: Int32Array;
  /**
   * All interactions of each set, ascending, each in one set: what the sets' tasks are made of, and the rows of users with too
   * few or too many for a task. `train` is `trainRows`; `warm` has its query rows.
   */
  rows: Record<string, Int32Array>;
  /** What has to be known: users and rows that were left out, and why. */
  notes: string[];
}

/** Sets that are there if an option is given (a fraction has to be above 0), may be there if it may be, or are not. */
type Given<Options, Option extends string, Name extends string> = Option extends keyof Options
  ? undefined extends Options[Option]
    ? { [name in Name]?: TaskSet }
    : { [name in Name]: TaskSet }
  : unknown;

/** The sets of a split by its options, as far as their type says which there are; else any name. */
export type SetsOf<Options extends SplitOptions> = [Options] extends [{ protocol: 'users' | 'tasks' | 'time' }]
  ? { train: TaskSet } & Given<Options, 'validation', 'validation'> & Given<Options, 'test', 'test'>
  : [Options] extends [{ protocol: 'partitions' }]
    ? { train: TaskSet; userCold: TaskSet; itemCold: TaskSet; bothCold: TaskSet } & Given<Options, 'warm', 'warm'> &
        Given<Options, 'validation', 'validationUserCold' | 'validationItemCold' | 'validationBothCold'>
    : Record<string, TaskSet>;

/**
 * Divides a dataset into task sets for training, validation and test.
 *
 * ```ts
 * splitTasks(dataset, { protocol: 'users', validation: 0.1, test: 0.1, tasks: { query: 10 } });
 * splitTasks(dataset, { protocol: 'time', test: 0.2, tasks: { query: { fraction: 0.3 } } });
 * splitTasks(dataset, { protocol: 'tasks', test: 0.2, tasks: { by: { column: 'genres' }, query: 20 } });
 * splitTasks(dataset, {                                     // MeLU, KDD 2019
 *   protocol: 'partitions',
 *   newUsers: { column: 'status', in: ['new'] },
 *   newItems: { column: 'year', min: 1998 },
 *   tasks: { min: 13, max: 100, query: 10 },
 * });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, MISSING_COLUMN (a selector's feature), EMPTY_DATA (names the
 * set that has no task, or the selector that picks none or all)
 */
export function splitTasks<Options extends SplitOptions>(dataset: Dataset, options: Options): Split<SetsOf<Options>>;
export function splitTasks(dataset: Dataset, options: SplitOptions): Split {
  checkSplit(dataset, options);
  return splitBy(dataset, options, assign(dataset, options));
}

/** Who is in which set: what a split draws, and what a learner keeps of it. */
export interface Membership {
  /** Names of the sets; the first one is trained on. */
  names: string[];
  /** For each user row, the number of its set (`users`), or whether it is known, validation or new (`partitions`). */
  users?: Uint8Array;
  /** For each item row, whether it is known, validation or new (`partitions`). */
  items?: Uint8Array;
  /** For each key of a task, the number of its set (`tasks`). */
  keys?: Uint8Array;
  /** `time`. */
  cuts?: TimeCuts;
}

/** @internal A split, and how it came about: by the split and by each of its sets. */
export interface Origin {
  dataset: Dataset;
  options: SplitOptions;
  membership: Membership;
  /** The stored split that it extends, where it does. */
  extended?: object;
}
const origins = new WeakMap<object, Origin>();

/** Where a split or one of its sets comes from; undefined for what `splitTasks` has not made. @internal */
export const originOf = (made: object): Origin | undefined => origins.get(made);

function assign(dataset: Dataset, options: SplitOptions): Membership {
  checkDataset(dataset, 'dataset');
  switch (options.protocol) {
    case 'users':
      return splitUsers(dataset, options);
    case 'partitions':
      return splitPartitions(dataset, options);
    case 'tasks':
      return splitKeys(dataset, options);
    case 'parts':
      return splitUsers(dataset, options, drawnUsers(dataset, partForm(dataset, options)));
    case 'time':
      return { names: [], cuts: timeCuts(dataset, options) };
  }
}

/** The sets of a dataset whose members are known. @internal */
export function splitBy(dataset: Dataset, options: SplitOptions, membership: Membership, extended?: object): Split {
  const split =
    options.protocol === 'time'
      ? splitTime(dataset, options, membership.cuts!)
      : options.protocol === 'parts'
        ? splitParts(dataset, options, membership.names, membership.users!)
        : build(dataset, options, membership.names, setOfRows(dataset, options, membership), membership.keys);
  for (const made of [split, ...Object.values(split.sets)])
    origins.set(made, { dataset, options, membership, ...(extended && { extended }) });
  return split;
}

/** For every interaction the number of its set. */
function setOfRows(
  dataset: Dataset,
  options: Exclude<SplitOptions, TimeSplit | PartSplit>,
  { users, items, keys }: Membership,
): Uint8Array {
  if (options.protocol === 'users') return Uint8Array.from(dataset.user, (user) => users![user]);
  const set = new Uint8Array(dataset.size);
  if (options.protocol === 'partitions')
    for (let i = 0; i < dataset.size; i++) set[i] = SET_OF_PAIR[users![dataset.user[i]]][items![dataset.item[i]]]!;
  else {
    const { order, offsets, names } = groupByKey(dataset, options.tasks.by ?? 'user', undefined);
    for (let key = 1; key < names.length; key++)
      for (let k = offsets[key]; k < offsets[key + 1]; k++) set[order[k]] = Math.max(set[order[k]], keys![key]);
  }
  return set;
}

/** @internal @param candidates 1 for each user row that is divided; default: those with interactions */
export function splitUsers(
  dataset: Dataset,
  { validation = 0, test = 0, seed = DEFAULT_SEED }: UserSplit | PartSplit,
  candidates = present(dataset.user, dataset.users.rows),
): Membership {
  const users = rowsWhere(candidates);
  random(seed, 'split.users').shuffle(users);
  const { names, set } = deal(users, dataset.users.rows, validation, test, 'users');
  return { names, users: set };
}

/** Set numbers of shuffled keys: first those of validation, then of test, the rest trains. @param total number of all keys */
function deal(
  keys: Int32Array,
  total: number,
  validation: number,
  test: number,
  plural: string,
): { names: string[]; set: Uint8Array } {
  const names = ['train'];
  const set = new Uint8Array(total);
  let next = 0;
  for (const [name, fraction] of [
    ['validation', validation],
    ['test', test],
  ] as const) {
    if (fraction === 0) continue;
    const size = Math.round(fraction * keys.length);
    if (size === 0)
      throw emptyError(
        `split.${name}`,
        `the fraction is less than one of ${keys.length} ${plural}`,
        'a larger fraction',
      );
    names.push(name);
    for (const end = next + size; next < end; next++) set[keys[next]] = names.length - 1;
  }
  return { names, set };
}

/** A row with several keys goes to the last of their sets, so that no row of a held-out task is trained on. */
function splitKeys(dataset: Dataset, { validation = 0, test = 0, seed = DEFAULT_SEED, tasks }: TaskSplit): Membership {
  const { offsets, names: texts, plural } = groupByKey(dataset, tasks.by ?? 'user', undefined);
  const keys = rowsWhere(Uint8Array.from(texts, (_, key) => (key > 0 && offsets[key + 1] > offsets[key] ? 1 : 0)));
  random(seed, 'split.tasks').shuffle(keys);
  const { names, set } = deal(keys, texts.length, validation, test, plural);
  return { names, keys: set };
}

/** What a user or an item is in a partition split. */
const KNOWN = 0;
const VALIDATION = 1;
const NEW = 2;

const PARTITIONS = [
  'train',
  'userCold',
  'itemCold',
  'bothCold',
  'validationUserCold',
  'validationItemCold',
  'validationBothCold',
];

/**
 * The set of a (user, item) pair. Validation users and items are existing ones that were not trained on, so against a
 * new item (or user) they count as existing: they belong to the test sets there.
 */
const SET_OF_PAIR = [
  //             item: known validation new
  /* user known */ [0, 5, 2],
  /* user validation */ [4, 6, 2],
  /* user new */ [1, 1, 3],
];

function splitPartitions(dataset: Dataset, options: PartitionSplit): Membership {
  const { newUsers, newItems, validation, seed = DEFAULT_SEED } = options;
  const status = (
    kind: 'users' | 'items',
    chosen: PartitionSplit['newUsers'],
    held: PartitionSplit['newUsers'] | undefined,
  ): Uint8Array => {
    const table = dataset[kind];
    const candidates = present(kind === 'users' ? dataset.user : dataset.item, table.rows);
    const isNew = select(table, candidates, chosen, seed, kind === 'users' ? 'split.newUsers' : 'split.newItems');
    const existing = candidates.map((flag, row) => (isNew[row] === 1 ? 0 : flag));
    const isHeld = held && select(table, existing, held, seed, `split.validation.${kind}`);
    return candidates.map((_, row) => (isNew[row] === 1 ? NEW : isHeld?.[row] === 1 ? VALIDATION : KNOWN));
  };
  const users = status('users', newUsers, validation?.users);
  const items = status('items', newItems, validation?.items);
  return { names: validation === undefined ? PARTITIONS.slice(0, 4) : PARTITIONS, users, items };
}

function build(
  dataset: Dataset,
  options: Exclude<SplitOptions, TimeSplit | PartSplit>,
  names: readonly string[],
  set: Uint8Array,
  keys: Uint8Array | undefined,
): Split {
  const tasks = resolveTaskOptions(dataset, options.tasks, 'split.tasks', options.seed);
  const sets: Record<string, TaskSet> = {};
  const notes: string[] = [];
  const rows: Record<string, Int32Array> = {};
  for (const [k, name] of names.entries()) {
    rows[name] = rowsWhere(set.map((other) => (other === k ? 1 : 0)));
    const only = keys?.map((other) => (other === k ? 1 : 0));
    const { notes: own, ...built } = divide(dataset, { ...tasks, rows: rows[name], only }, name);
    sets[name] = built;
    notes.push(...own.map((note) => `${name}: ${note}`));
  }
  const warm = options.protocol === 'partitions' ? (options.warm ?? 0) : 0;
  if (warm > 0) {
    const train = sets['train'];
    const count = Math.round(warm * train.size);
    if (count === 0)
      throw emptyError('split.warm', `the fraction is less than one of ${train.size} tasks`, 'a larger fraction');
    const order = random(options.seed ?? DEFAULT_SEED, 'split.warm').shuffle(
      Int32Array.from({ length: train.size }, (_, t) => t),
    );
    sets['warm'] = subsetTasks(train, order.subarray(0, count).sort());
    rows['warm'] = sets['warm'].queryRows.slice().sort();
    rows['train'] = withoutRows(dataset, rows['train'], rows['warm']);
    const { notes: _, ...built } = divide(dataset, { ...tasks, rows: rows['train'] }, 'train');
    sets['train'] = built;
  }
  return { sets, trainRows: rows['train'], rows, notes };
}

/** Rows that are not in `out`, in their order. */
export function withoutRows(dataset: Dataset, rows: Int32Array, out: Int32Array): Int32Array {
  const isOut = new Uint8Array(dataset.size);
  for (const row of out) isOut[row] = 1;
  return rows.filter((row) => isOut[row] === 0);
}

function present(keys: Int32Array, rows: number): Uint8Array {
  const flags = new Uint8Array(rows);
  for (let i = 0; i < keys.length; i++) flags[keys[i]] = 1;
  return flags;
}
