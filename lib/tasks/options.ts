import { isTyped } from '../foundation/typed-arrays.js';
import type { Dataset } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { checkFraction, checkInteger, checkObject, checkOneOf, checkSeed, invalid } from '../foundation/check.js';
import { checkKey } from './key.js';
import type { TaskKey } from './key.js';

export interface TaskOptions {
  /** What a task is: users, items, or the values of a column. Default `user`. */
  by?: TaskKey;
  /** A task needs at least this many rows, query and support together. Default 2. */
  min?: number;
  /** Users (or items) with more rows than this are left out. Default: no limit. */
  max?: number;
  /**
   * Query rows per task; `rest`: all that are not support, which `shots` or `support` says (with order `time` the first rows); as a fraction of the task's rows it is rounded, at least 1, and leaves 1 (or `shots`) for the support.
   * Leave-one-out: the `last` row by time is the query (needs a time column), or `each` row in turn is that of a task of its
   * own, named `key:1`, `key:2` …, whose support are the other rows; with order `time`, those before it.
   */
  query: QuerySize;
  /** Exactly this many support rows (k-shot), drawn as `support` is; tasks with too few rows are left out. */
  shots?: number;
  /**
   * At most this many support rows: with order `time` the most recent before the query, else drawn at random.
   * Default: all rows that are not in the query.
   */
  support?: number;
  /** `random` draws the query rows; `time` takes the last ones (needs a time column). Default `random`. */
  order?: 'random' | 'time';
  /** Seed of the draw: an integer ≥ 0. Default 0. */
  seed?: number;
  /** Use these interactions only, each at most once. Default: all. */
  rows?: Int32Array;
}

/** `part`: the rows that the column of parts calls query, or test; the support are those that it calls support, or train. */
export type QuerySize = number | 'rest' | 'part' | { fraction: number } | { leaveOneOut: 'last' | 'each' };

export interface ResolvedTaskOptions {
  by: TaskKey;
  min: number;
  max: number;
  query: number | { fraction: number } | 'each' | 'rest' | 'part';
  /** At most, and at least, so many support rows. */
  support: number;
  leastSupport: number;
  order: 'random' | 'time';
  seed: number;
  rows: Int32Array | undefined;
  /** 1 for the keys that become tasks. Default: all. */
  only?: Uint8Array;
}

export const DEFAULT_SEED = 0;

/** Validates task options and fills in their defaults. */
export function resolveTaskOptions(
  dataset: Dataset,
  options: unknown,
  field: string,
  defaultSeed = DEFAULT_SEED,
): ResolvedTaskOptions {
  checkObject(options, field, ['by', 'min', 'max', 'query', 'shots', 'support', 'order', 'seed', 'rows']);
  const { by = 'user', min = 2, max, shots, support, seed = defaultSeed, rows } = options;
  checkKey(dataset, by, `${field}.by`);
  checkInteger(min, `${field}.min`, 2);
  if (max !== undefined) checkInteger(max, `${field}.max`, min);
  if (support !== undefined) checkInteger(support, `${field}.support`, 1);
  if (shots !== undefined) {
    checkInteger(shots, `${field}.shots`, 1);
    if (support !== undefined) throw invalid(`${field}.shots`, 'does not go with support', shots, 'one of them');
  }
  checkSeed(seed, `${field}.seed`);
  const query = resolveQuery(options['query'], `${field}.query`);
  const { order = query === 'last' ? 'time' : 'random' } = options;
  checkOneOf(order, `${field}.order`, ['random', 'time']);
  if (query === 'last' && order !== 'time')
    throw invalid(`${field}.order`, 'does not go with the last row by time', order, "'time'");
  if (order === 'time' && dataset.time === undefined) {
    throw invalid(
      query === 'last' ? `${field}.query.leaveOneOut` : `${field}.order`,
      'the dataset has no time',
      query === 'last' ? query : order,
      "order: 'random', or interactions.time mapped to a column",
    );
  }
  if (query === 'part' && dataset.part === undefined)
    throw invalid(`${field}.query`, 'the dataset has no parts', query, 'interactions.part mapped to a column');
  if (query === 'rest' && shots === undefined && support === undefined)
    throw invalid(`${field}.query`, 'is the rest of what no option says', query, `${field}.shots or ${field}.support`);
  return {
    by,
    min,
    max: max ?? Number.POSITIVE_INFINITY,
    query: query === 'last' ? 1 : query,
    support: shots ?? support ?? Number.POSITIVE_INFINITY,
    leastSupport: shots ?? 1,
    order,
    seed,
    rows: checkRows(dataset, rows, `${field}.rows`),
  };
}

function resolveQuery(
  query: unknown,
  field: string,
): number | { fraction: number } | 'last' | 'each' | 'rest' | 'part' {
  if (query === 'rest' || query === 'part') return query;
  if (typeof query === 'object' && query !== null) {
    checkObject(query, field, ['fraction', 'leaveOneOut']);
    const { fraction, leaveOneOut } = query;
    if (leaveOneOut !== undefined) {
      checkOneOf(leaveOneOut, `${field}.leaveOneOut`, ['last', 'each']);
      if (fraction !== undefined) throw invalid(field, 'has both fraction and leaveOneOut', query, 'one of them');
      return leaveOneOut;
    }
    checkFraction(fraction, `${field}.fraction`);
    return { fraction };
  }
  if (query === undefined)
    throw invalid(field, 'missing', query, "a number of rows, { fraction }, { leaveOneOut }, 'rest' or 'part'");
  checkInteger(query, field, 1);
  return query;
}

/** A row that came twice could be support and query at once. */
function checkRows(dataset: Dataset, rows: unknown, field: string): Int32Array | undefined {
  if (rows === undefined) return undefined;
  if (!isTyped(rows, 'Int32Array'))
    throw invalid(field, 'not an Int32Array', rows, 'an Int32Array of interaction indices');
  const seen = new Uint8Array(dataset.size);
  for (let k = 0; k < rows.length; k++) {
    const row = rows[k];
    if (row < 0 || row >= dataset.size) {
      throw invalid(`${field}[${k}]`, 'not an interaction', row, `an index from 0 to ${dataset.size - 1}`);
    }
    if (seen[row] === 1) throw invalid(`${field}[${k}]`, 'comes twice', row, 'each interaction once');
    seen[row] = 1;
  }
  return rows;
}

/** A subset of users or items. */
export type Selector =
  /** So many of them, drawn at random. */
  | { fraction: number }
  /** Those with one of these texts in a categorical or bag column of their feature table. */
  | { column: string; in: (string | number)[] }
  /** Those with a number from `min` to `max` in a categorical column; a missing value or other text is not selected. */
  | { column: string; min?: number; max?: number };

/** Every user belongs to one set. */
export interface UserSplit {
  protocol: 'users';
  /** Fraction of the users. Default: no validation set. */
  validation?: number;
  /** Fraction of the users. Default: no test set. */
  test?: number;
  /** Of the shuffle, and of the tasks unless they have one of their own. Default 0. */
  seed?: number;
  tasks: Omit<TaskOptions, 'rows'>;
}

/** MeLU's protocol: users × items, each existing or new. */
export interface PartitionSplit {
  protocol: 'partitions';
  newUsers: Selector;
  newItems: Selector;
  /** Chosen among the existing users and items; their rows leave the training set. Default: no validation sets. */
  validation?: { users: Selector; items: Selector };
  /**
   * Share of the training tasks whose query rows are held out of training, as the set `warm`: existing users with existing
   * items. Default: no such set.
   */
  warm?: number;
  /** Of the selections, and of the tasks unless they have one of their own. Default 0. */
  seed?: number;
  tasks: Omit<TaskOptions, 'rows'>;
}

/** Every task belongs to one set: known and new users, items or values of a column, by `tasks.by`. */
export interface TaskSplit {
  protocol: 'tasks';
  /** Fraction of the tasks' keys. Default: no validation set. */
  validation?: number;
  /** Fraction of the tasks' keys. Default: no test set. */
  test?: number;
  /** Of the shuffle, and of the tasks unless they have one of their own. Default 0. */
  seed?: number;
  tasks: Omit<TaskOptions, 'rows'>;
}

/**
 * The past is trained on, the future is predicted: one cut in time for all tasks. A test task's query are its rows from the
 * cut on, its support the rows before, the last `support` of them.
 */
export interface TimeSplit {
  protocol: 'time';
  /** Fraction of the interactions, the last ones before the test set. Default: no validation set. */
  validation?: number;
  /** Fraction of the interactions, the last ones; rows of one time stay together. Default: no test set. */
  test?: number;
  /** Of the training tasks, unless they have one of their own. Default 0. */
  seed?: number;
  /** `query` and `order` are those of the training tasks. */
  tasks: Omit<TaskOptions, 'rows'>;
}

/**
 * The split that the data prescribes (`interactions.part`). Parts train, validation and test are the sets: a task of validation
 * or test asks for its rows there, from its rows in the parts before; where no user has any, its own rows are divided by `tasks`.
 * Parts support and query divide every task (`query: 'part'`), and users are drawn for validation and test. Parts such as
 * train-support and test-query say both.
 */
export interface PartSplit {
  protocol: 'parts';
  /** Fraction of the users that are trained on. Default: no more than the parts say. */
  validation?: number;
  /** Fraction of the users, where the parts are support and query alone. Default: no more than the parts say. */
  test?: number;
  /** Of the draws. Default 0. */
  seed?: number;
  tasks: Omit<TaskOptions, 'rows'>;
}

export type SplitOptions = UserSplit | PartitionSplit | TaskSplit | TimeSplit | PartSplit;

/** Validates split options; what depends on the data is checked where it is used. */
export function checkSplit(dataset: Dataset, options: unknown): asserts options is SplitOptions {
  checkObject(options, 'split', ['protocol', 'validation', 'test', 'newUsers', 'newItems', 'warm', 'seed', 'tasks']);
  const { protocol, seed, tasks, validation } = options;
  checkOneOf(protocol, 'split.protocol', ['users', 'partitions', 'tasks', 'time', 'parts']);
  checkObject(
    options,
    'split',
    protocol === 'partitions'
      ? ['protocol', 'newUsers', 'newItems', 'validation', 'warm', 'seed', 'tasks']
      : ['protocol', 'validation', 'test', 'seed', 'tasks'],
  );
  if (seed !== undefined) checkSeed(seed, 'split.seed');
  checkObject(tasks, 'split.tasks', ['by', 'min', 'max', 'query', 'shots', 'support', 'order', 'seed']);
  resolveTaskOptions(dataset, tasks, 'split.tasks');
  if (protocol !== 'partitions') {
    const { test } = options;
    if (validation !== undefined) checkFraction(validation, 'split.validation', true);
    if (test !== undefined) checkFraction(test, 'split.test', true);
    if (Number(validation ?? 0) + Number(test ?? 0) >= 1) {
      throw invalid(
        'split',
        `validation and test leave no ${protocol === 'users' || protocol === 'parts' ? 'user' : protocol === 'time' ? 'row' : 'task'} to train on`,
        Number(validation ?? 0) + Number(test ?? 0),
        'fractions that sum to less than 1',
      );
    }
    if (protocol === 'users' && tasks['by'] === 'item')
      throw invalid('split.tasks.by', 'does not go with protocol users', 'item', "by: 'user', or protocol: 'tasks'");
    if (protocol === 'parts' && dataset.part === undefined)
      throw invalid('split.protocol', 'the dataset has no parts', protocol, 'interactions.part mapped to a column');
    if (protocol === 'time' && dataset.time === undefined)
      throw invalid('split.protocol', 'the dataset has no time', protocol, 'interactions.time mapped to a column');
    return;
  }
  if (options['warm'] !== undefined) checkFraction(options['warm'], 'split.warm', true);
  checkSelector(options['newUsers'], 'split.newUsers');
  checkSelector(options['newItems'], 'split.newItems');
  if (validation === undefined) return;
  checkObject(validation, 'split.validation', ['users', 'items']);
  checkSelector(validation['users'], 'split.validation.users');
  checkSelector(validation['items'], 'split.validation.items');
}

function checkSelector(selector: unknown, field: string): asserts selector is Selector {
  const expected = '{ fraction }, { column, in } or { column, min, max }';
  if (selector === undefined) throw invalid(field, 'missing', selector, expected);
  checkObject(selector, field, ['fraction', 'column', 'in', 'min', 'max']);
  const { fraction, column, in: texts, min, max } = selector;
  const isRange = min !== undefined || max !== undefined;
  if (
    [fraction !== undefined, texts !== undefined, isRange].filter(Boolean).length !== 1 ||
    (fraction === undefined) === (column === undefined)
  ) {
    throw invalid(field, 'not a selector', selector, expected);
  }
  if (fraction !== undefined) checkFraction(fraction, `${field}.fraction`);
  if (column !== undefined && typeof column !== 'string')
    throw invalid(`${field}.column`, 'not a name', column, 'the name of a feature');
  if (
    texts !== undefined &&
    (!Array.isArray(texts) ||
      texts.length === 0 ||
      texts.some((text) => typeof text !== 'string' && typeof text !== 'number'))
  ) {
    throw invalid(`${field}.in`, 'not a list of values', texts, 'an array of at least one text or number');
  }
  for (const [name, bound] of [
    ['min', min],
    ['max', max],
  ] as const) {
    if (bound !== undefined && (typeof bound !== 'number' || !Number.isFinite(bound)))
      throw invalid(`${field}.${name}`, 'not a number', bound, 'a finite number');
  }
  if (typeof min === 'number' && typeof max === 'number' && min > max)
    throw invalid(field, `min ${min} is above max ${max}`, selector, 'min ≤ max');
}

export function emptyError(field: string, what: string, expected: string): InnerloopError {
  return new InnerloopError('EMPTY_DATA', what, { field, expected });
}
