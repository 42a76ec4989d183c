import { InnerloopError } from '../foundation/errors.js';
import { partsOf } from '../data/parts.js';
import { checkDataset } from '../foundation/check-data.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { random } from '../foundation/random.js';
import type { Random } from '../foundation/random.js';
import { groupByKey, nameKey } from './key.js';
import type { Grouping } from './key.js';
import { emptyError, resolveTaskOptions } from './resolve-options.js';
import type { TaskOptions } from './option-types.js';
import type { ResolvedTaskOptions } from './resolve-options.js';
import { sortByTime } from '../foundation/sort-by-time.js';
import { TaskSetBuilder } from './task-set-builder.js';

/** A task set, and what the rules left out of it. */
export interface BuiltTasks extends TaskSet {
  /** What has to be known: users that were left out, and why. */
  notes: string[];
}

/**
 * Groups interactions into tasks and divides each into support and query rows.
 *
 * The draw of a task depends on (seed, its key, its rows) only, not on which other tasks there are. Within support and
 * query, rows ascend by index, or by time with order `time`. Tasks are in the order of the vocabulary.
 *
 * ```ts
 * const tasks = buildTasks(dataset, { min: 13, max: 100, query: 10, seed: 1 });
 * const genres = buildTasks(dataset, { by: { column: 'genres' }, query: { fraction: 0.5 }, shots: 20 });
 * const next = buildTasks(dataset, { query: { leaveOneOut: 'last' } });
 * const asGiven = buildTasks(dataset, { query: 'part' });      // a column says what is support and what is query
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION, MISSING_COLUMN, EMPTY_DATA if no user (item, value) has enough rows
 */
export function buildTasks(dataset: Dataset, options: TaskOptions): BuiltTasks {
  checkDataset(dataset, 'dataset');
  return divide(dataset, resolveTaskOptions(dataset, options, 'tasks'), 'tasks');
}

/** {@link buildTasks} on checked options. @param name of the set, for messages */
export function divide(dataset: Dataset, options: ResolvedTaskOptions, name: string): BuiltTasks {
  const grouping = groupByKey(dataset, options.by, options.rows);
  const { order, offsets, names, plural } = grouping;
  const { kept, ...left } = selectOwners(grouping, options);
  const notes: string[] = [];
  noteLeft({ ...left, kept: kept.length }, options, plural, notes);
  if (kept.length === 0) {
    const limit = options.max === Number.POSITIVE_INFINITY ? 'or more' : `to ${options.max}`;
    const expected = `${plural} with ${Math.max(options.min, smallest(options))} ${limit} rows (min is ${options.min})`;
    throw emptyError(name, `no ${nameKey(options.by)} makes a task; ${distribution(grouping)}`, expected);
  }
  const isUser = options.by === 'user';
  const rowsOf = (owner: number): Int32Array => {
    const rows = order.subarray(offsets[owner], offsets[owner + 1]);
    return options.order === 'time' ? sortByTime(rows, dataset.time!) : rows;
  };
  const streamOf = (owner: number) => streamFor(options, owner);
  const { query } = options;
  if (query === 'part') {
    const { tasks, skipped } = partTasks(dataset, options, kept, names, rowsOf, streamOf);
    if (tasks.size === 0)
      throw emptyError(name, `no ${nameKey(options.by)} has support and query rows by its parts`, 'some of each');
    if (skipped > 0)
      notes.push(`${skipped} of ${kept.length} ${plural} left out: no support or no query row in their parts`);
    return { ...tasks, notes };
  }
  if (query === 'each') {
    const tasks = new TaskSetBuilder();
    for (const owner of kept)
      leaveEachOut(tasks, names[owner], isUser ? owner : 0, rowsOf(owner), options, streamOf(owner));
    return { ...tasks.build(dataset), notes };
  }

  return { ...taskOfEach(dataset, options, grouping, kept, query), notes };
}

/** The draw of a task; undefined where its rows are taken by time. */
const streamFor = ({ order, seed }: ResolvedTaskOptions, owner: number): Random | undefined =>
  order === 'time' ? undefined : random(seed, 'tasks', owner);

/** Users of a part of the data, by what became of them. */
export type UsersLeft = Record<'kept' | 'few' | 'many', number>;

/** {@link divide} of the users that are in a part of the data with all of their rows: the tasks that they would be in the whole. */
export function divideUsers(
  dataset: Dataset,
  options: ResolvedTaskOptions & { query: number | { fraction: number } | 'rest' },
): { tasks: TaskSet; left: UsersLeft } {
  const grouping = groupByKey(dataset, 'user', options.rows);
  const { kept, few, many } = selectOwners(grouping, options);
  const tasks = taskOfEach(dataset, options, grouping, kept, options.query);
  return { tasks, left: { kept: kept.length, few, many } };
}

/** One task an owner, with the sizes that the options say. */
function taskOfEach(
  dataset: Dataset,
  options: ResolvedTaskOptions,
  { order, offsets, names }: Grouping,
  kept: Int32Array,
  query: number | { fraction: number } | 'rest',
): TaskSet {
  const supportOffsets = new Int32Array(kept.length + 1);
  const queryOffsets = new Int32Array(kept.length + 1);
  for (let t = 0; t < kept.length; t++) {
    const size = offsets[kept[t] + 1] - offsets[kept[t]];
    const queries =
      query === 'rest' ? size - Math.min(options.support, size - 1) : queryRows(size, query, options.leastSupport);
    queryOffsets[t + 1] = queryOffsets[t] + queries;
    supportOffsets[t + 1] = supportOffsets[t] + Math.min(options.support, size - queries);
  }
  const tasks: TaskSet = {
    dataset,
    size: kept.length,
    keys: Array.from(kept, (owner) => names[owner]),
    users: options.by === 'user' ? kept : new Int32Array(kept.length),
    supportOffsets,
    supportRows: new Int32Array(supportOffsets[kept.length]),
    queryOffsets,
    queryRows: new Int32Array(queryOffsets[kept.length]),
  };
  for (let t = 0; t < kept.length; t++) {
    const rows = order.subarray(offsets[kept[t]], offsets[kept[t] + 1]);
    const own = options.order === 'time' ? sortByTime(rows, dataset.time!) : rows;
    fillTask(tasks, t, own, streamFor(options, kept[t]));
  }
  return tasks;
}

/** Query rows, then support rows, are the last ones of `rows`; with a stream a sample of them is drawn there first. @internal */
export function fillTask(tasks: TaskSet, t: number, rows: Int32Array, stream: Random | undefined): void {
  const query = tasks.queryRows.subarray(tasks.queryOffsets[t], tasks.queryOffsets[t + 1]);
  const support = tasks.supportRows.subarray(tasks.supportOffsets[t], tasks.supportOffsets[t + 1]);
  const split = rows.length - query.length;
  stream?.sample(rows, query.length + (split > support.length ? support.length : 0));
  query.set(rows.subarray(split));
  support.set(rows.subarray(split - support.length, split));
  if (stream === undefined) return;
  query.sort();
  support.sort();
}

/** A task for each of an owner's rows; in time order, for each that has enough rows before it. */
function leaveEachOut(
  tasks: TaskSetBuilder,
  key: string,
  user: number,
  rows: Int32Array,
  { support, leastSupport }: ResolvedTaskOptions,
  stream: Random | undefined,
): void {
  for (let i = stream === undefined ? leastSupport : 0; i < rows.length; i++) {
    const others = new Int32Array(stream === undefined ? i : rows.length - 1);
    others.set(rows.subarray(0, i));
    if (stream !== undefined) {
      others.set(rows.subarray(i + 1), i);
      if (support < others.length) stream.child('leave', i).sample(others, support);
    }
    const kept = others.subarray(Math.max(0, others.length - support));
    tasks.add(`${key}:${i + 1}`, user, stream === undefined ? kept : kept.sort(), rows.subarray(i, i + 1));
  }
}

/** Tasks whose query rows are those that the data calls so. */
function partTasks(
  dataset: Dataset,
  options: ResolvedTaskOptions,
  kept: Int32Array,
  names: readonly string[],
  rowsOf: (owner: number) => Int32Array,
  streamOf: (owner: number) => Random | undefined,
): { tasks: TaskSet; skipped: number } {
  const isQuery = queryParts(dataset);
  const ids = dataset.part!.data;
  const tasks = new TaskSetBuilder();
  let skipped = 0;
  for (const owner of kept) {
    const rows = rowsOf(owner);
    const query = rows.filter((row) => isQuery[ids[row]]);
    let support = rows.filter((row) => !isQuery[ids[row]]);
    if (query.length === 0 || support.length < options.leastSupport) {
      skipped++;
      continue;
    }
    if (support.length > options.support) {
      streamOf(owner)?.sample(support, options.support);
      support = support.subarray(support.length - options.support);
      if (options.order !== 'time') support.sort();
    }
    tasks.add(names[owner], options.by === 'user' ? owner : 0, support, query);
  }
  return { tasks: { ...tasks.build(dataset), prescribed: true }, skipped };
}

/** Tells, for each id of a part, whether its rows are asked for. */
function queryParts({ part }: Dataset): boolean[] {
  const parts = partsOf(part!);
  if (parts.some(({ role }) => role !== undefined)) return parts.map(({ role }) => role === 'query');
  const names = part!.vocabulary.values;
  if (parts.some(({ set }) => set === 'validation') || !parts.some(({ set }) => set === 'test'))
    throw new InnerloopError('INVALID_DATA', 'the parts do not say what is asked of a task', {
      field: 'interactions.part',
      value: names.slice(1),
      expected: "support and query, or train and test; a validation part goes with split.protocol 'parts'",
    });
  return parts.map(({ set }) => set === 'test');
}

function queryRows(size: number, query: number | { fraction: number }, leastSupport: number): number {
  if (typeof query === 'number') return query;
  return Math.max(1, Math.min(size - leastSupport, Math.round(size * query.fraction)));
}

/** Fewest rows that leave enough for the support. */
function smallest({ query, leastSupport }: ResolvedTaskOptions): number {
  return (typeof query === 'number' ? query : 1) + leastSupport;
}

function selectOwners(
  { offsets }: Grouping,
  options: ResolvedTaskOptions,
): { kept: Int32Array; few: number; many: number } {
  const least = Math.max(options.min, smallest(options));
  const kept: number[] = [];
  let few = 0;
  let many = 0;
  for (let owner = 1; owner + 1 < offsets.length; owner++) {
    const size = offsets[owner + 1] - offsets[owner];
    if (size === 0 || options.only?.[owner] === 0) continue;
    if (size < least) few++;
    else if (size > options.max) many++;
    else kept.push(owner);
  }
  return { kept: Int32Array.from(kept), few, many };
}

/** Says who was left out. */
export function noteLeft(
  { kept, few, many }: UsersLeft,
  options: ResolvedTaskOptions,
  plural: string,
  notes: string[],
): void {
  const total = kept + few + many;
  const least = Math.max(options.min, smallest(options));
  if (few > 0) notes.push(`${few} of ${total} ${plural} left out: fewer than ${least} rows`);
  if (many > 0) notes.push(`${many} of ${total} ${plural} left out: more than ${options.max} rows`);
}

const BOUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** How many users have how many rows, for the message that none has enough. */
function distribution({ offsets, plural }: Grouping): string {
  const counts = new Array<number>(BOUNDS.length).fill(0);
  for (let owner = 1; owner + 1 < offsets.length; owner++) {
    const size = offsets[owner + 1] - offsets[owner];
    let bin = BOUNDS.length - 1;
    while (bin >= 0 && BOUNDS[bin] > size) bin--;
    if (bin >= 0) counts[bin]++;
  }
  const parts = counts.flatMap((count, bin) => {
    if (count === 0) return [];
    const low = BOUNDS[bin];
    const high = BOUNDS[bin + 1];
    return [
      `${count} with ${high === undefined ? `${low} or more` : high === low + 1 ? String(low) : `${low} to ${high - 1}`}`,
    ];
  });
  return parts.length === 0 ? `there are no rows` : `${plural} by number of rows: ${parts.join(', ')}`;
}
