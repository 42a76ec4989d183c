/** Options of tasks and of splits, as tables. */
import { checkFraction, checkInteger, checkObject, checkOneOf, invalid } from '../foundation/check.js';
import { checkFunction } from '../foundation/check.js';
import { OPEN_OPTIONS } from '../data/options.js';
import { checkedLater, given, signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import type { Selector, UserSplit } from './option-types.js';

/** @internal */
export const DEFAULT_SEED = 0;

const FRACTION = { kind: 'number', above: 0, fraction: true } as const;
const COLUMN = { kind: 'text', required: true, doc: 'A categorical or bag feature.' } as const;

/** @internal */
export const TASK_KEY = {
  kind: 'any',
  of: [
    { kind: 'choice', of: ['user', 'item'] },
    { kind: 'object', fields: { column: COLUMN } },
  ],
  what: 'user, item or { column }',
} as const;
/** @internal */
export const QUERY_SIZE = {
  kind: 'any',
  of: [
    { kind: 'integer', min: 1 },
    { kind: 'choice', of: ['rest', 'part'] },
    {
      kind: 'object',
      fields: { fraction: { ...FRACTION, required: true, doc: 'Of the task’s rows, rounded and at least 1.' } },
    },
    {
      kind: 'object',
      fields: {
        leaveOneOut: {
          kind: 'choice',
          of: ['last', 'each'],
          required: true,
          doc: 'The last row by time (needs a time column), or each row in turn as the query of a task of its own, named key:1, key:2 …, whose support are the other rows; with order time, those before it.',
        },
      },
    },
  ],
  what: "a number of rows, { fraction }, { leaveOneOut }, 'rest' or 'part'",
} as const;

/** How many rows a task has and how they are divided. @internal */
export const TASK_SIZES = {
  min: {
    kind: 'integer',
    min: 2,
    default: 2,
    doc: 'A task needs at least this many rows, query and support together.',
  },
  max: {
    kind: 'integer',
    min: 2,
    defaultDoc: 'no limit',
    doc: 'Users (or items) with more rows than this are left out.',
  },
  query: {
    ...QUERY_SIZE,
    named: 'QuerySize',
    required: true,
    doc: 'Query rows per task; rest: all that are not support, which shots or support says (with order time the first rows); a fraction leaves 1 row (or shots) for the support; part: the rows that the column of parts calls query, or test, the support being those that it calls support, or train.',
    check: resolveQuery,
  },
  shots: {
    kind: 'integer',
    min: 1,
    defaultDoc: 'see support',
    doc: 'Exactly this many support rows (k-shot), drawn as those of support are; tasks with too few rows are left out.',
  },
  support: {
    kind: 'integer',
    min: 1,
    defaultDoc: 'all rows that are not in the query',
    doc: 'At most this many support rows: with order time the most recent before the query, else drawn at random.',
  },
} as const satisfies OptionTable;
/** Sizes of support sets that an epoch draws. @internal */
export const SUPPORT_SIZE = {
  min: {
    kind: 'integer',
    min: 0,
    default: 1,
    doc: 'Fewest support rows; 0 trains for users of whom nothing is known, too.',
  },
  fraction: {
    kind: 'number',
    min: 0,
    fraction: true,
    default: 0.5,
    doc: 'Most support rows, as a share of the task’s rows, rounded down; at least min, and one row is left for the query.',
  },
} as const satisfies OptionTable;

/** The options of tasks that a split has too. @internal */
export const SPLIT_TASK_OPTIONS = {
  by: {
    ...TASK_KEY,
    named: 'TaskKey',
    default: 'user',
    doc: 'What a task is: a user, an item, or a value of a column.',
  },
  ...TASK_SIZES,
  order: {
    kind: 'choice',
    of: ['random', 'time'],
    defaultDoc: 'random; time with leaveOneOut: last',
    doc: 'random draws the query rows; time takes the last ones (needs a time column).',
  },
  seed: { kind: 'integer', min: 0, defaultDoc: '0, or the seed of the split', doc: 'Seed of the draw.' },
} as const satisfies OptionTable;
/** @internal */
export const TASK_OPTIONS = {
  ...SPLIT_TASK_OPTIONS,
  rows: {
    ...given<Int32Array>('Int32Array'),
    defaultDoc: 'all',
    doc: 'Use these interactions only, each at most once.',
  },
} as const satisfies OptionTable;

/** @internal @throws {InnerloopError} INVALID_OPTION */
export function resolveQuery(
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
  if (query === undefined) throw invalid(field, 'missing', query, QUERY_SIZE.what);
  checkInteger(query, field, 1);
  return query;
}

/** @internal */
export const SELECTOR = {
  kind: 'any',
  of: [
    { kind: 'object', fields: { fraction: { ...FRACTION, required: true, doc: 'So many of them, drawn at random.' } } },
    {
      kind: 'object',
      fields: {
        column: { kind: 'text', required: true, doc: 'A categorical or bag column of their feature table.' },
        in: {
          kind: 'list',
          of: { kind: 'any', of: [{ kind: 'text' }, { kind: 'number' }], what: 'a text or a number' },
          what: 'texts or numbers',
          least: 1,
          required: true,
          doc: 'Those with one of these values.',
        },
      },
    },
    {
      kind: 'object',
      fields: {
        column: { kind: 'text', required: true, doc: 'A categorical column of their feature table.' },
        min: {
          kind: 'number',
          defaultDoc: 'no bound',
          doc: 'Those with at least this number; a missing value or other text is not selected.',
        },
        max: { kind: 'number', defaultDoc: 'no bound', doc: 'Those with at most this number.' },
      },
    },
  ],
  what: '{ fraction }, { column, in } or { column, min, max }',
} as const;

const seedOf = <const D extends string>(what: D) =>
  ({
    kind: 'integer',
    min: 0,
    default: DEFAULT_SEED,
    doc: `Seed of ${what}, and of the tasks unless they have one of their own.`,
  }) as const;
const heldOut = <const D extends string>(of: D, set: 'validation' | 'test') =>
  ({ kind: 'number', min: 0, fraction: true, defaultDoc: `no ${set} set`, doc: `Fraction of the ${of}.` }) as const;
const selector = <const D extends string>(doc: D) =>
  ({ ...SELECTOR, named: 'Selector', required: true, doc, check: checkSelector }) as const;
const TASKS = {
  kind: 'object',
  fields: SPLIT_TASK_OPTIONS,
  required: true,
  named: "Omit<TaskOptions, 'rows'>",
} as const;
const tasks = { ...TASKS, doc: 'How the rows of a user become support and query.' } as const;

/** What each protocol does. @internal */
export const SPLIT_PROTOCOLS = {
  users: 'Every user belongs to one set: train, validation or test.',
  tasks:
    'Every task belongs to one set, whatever tasks.by makes a task: known and new users, items or values of a column.',
  time: 'The past is trained on, the future is predicted: one cut in time for all tasks. A test task’s query are its rows from the cut on, its support the rows before, the last support of them.',
  parts:
    'What interactions.part says. Parts train, validation and test are the sets: a task of validation or test asks for its rows there, from its rows in the parts before; where no user has any, its own rows are divided by tasks. Parts support and query divide every task (query: part), and users are drawn for validation and test. Parts such as train-support and test-query say both.',
  partitions: 'Users × items, each existing or new: train, userCold, itemCold, bothCold (MeLU’s protocol).',
} as const;

/** Options of a split by its protocol. @internal */
export const SPLIT_OPTIONS = {
  users: {
    validation: heldOut('users', 'validation'),
    test: heldOut('users', 'test'),
    seed: seedOf('the shuffle'),
    tasks,
  },
  tasks: {
    validation: heldOut('tasks’ keys', 'validation'),
    test: heldOut('tasks’ keys', 'test'),
    seed: seedOf('the shuffle'),
    tasks,
  },
  time: {
    validation: heldOut('interactions, the last ones before the test set', 'validation'),
    test: heldOut('interactions, the last ones; rows of one time stay together', 'test'),
    seed: seedOf('the training tasks’ draws'),
    tasks: { ...TASKS, doc: 'As in buildTasks; query and order are those of the training tasks.' },
  },
  parts: {
    validation: {
      ...heldOut('users that are trained on', 'validation'),
      defaultDoc: 'no more than the parts say',
    },
    test: {
      ...heldOut('users, where the parts are support and query alone', 'test'),
      defaultDoc: 'no more than the parts say',
    },
    seed: seedOf('the draws'),
    tasks,
  },
  partitions: {
    newUsers: selector('Users that training does not see.'),
    newItems: selector('Items that training does not see.'),
    validation: {
      kind: 'object',
      fields: { users: selector('Users held out for validation.'), items: selector('Items held out for validation.') },
      defaultDoc: 'no validation sets',
      doc: 'Chosen among the existing users and items; their rows leave the training set.',
    },
    warm: {
      kind: 'number',
      min: 0,
      fraction: true,
      defaultDoc: 'no such set',
      doc: 'Share of the training tasks whose query rows are held out of training, as the set warm: existing users with existing items.',
    },
    seed: seedOf('the selections'),
    tasks,
  },
} as const satisfies Record<string, OptionTable>;

function checkSelector(selector: unknown, field: string): asserts selector is Selector {
  const expected = SELECTOR.what;
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

/** Options of `nestedSupport`. @internal */
export const NESTED_OPTIONS = {
  order: {
    kind: 'choice',
    of: ['random', 'first', 'last'],
    default: 'random',
    doc: 'Which support rows come first: drawn at random, the first ones of the support, as a new user gives them, or the last ones, the most recent. First and last go by time in tasks built with order time, else by row.',
  },
  seed: { kind: 'integer', min: 0, default: DEFAULT_SEED, doc: 'Seed of the draw.' },
} as const satisfies OptionTable;

/** Options of `sampleTasks`. @internal */
export const SAMPLE_OPTIONS = {
  count: { kind: 'integer', min: 1, required: true, doc: 'How many tasks; all where there are no more.' },
  seed: NESTED_OPTIONS.seed,
} as const satisfies OptionTable;

/** Options of `writeShards`. @internal */
export const SHARD_OPTIONS = {
  split: {
    ...given<UserSplit>('UserSplit'),
    check: checkedLater,
    required: true,
    doc: 'How users become training, validation and test tasks, as in splitTasks.',
  },
  rows: {
    kind: 'integer',
    min: 1,
    max: 2 ** 28,
    default: 2 ** 20,
    doc: 'Interactions of a shard; as many more as its last task has.',
  },
  memory: {
    kind: 'integer',
    min: 2 ** 26,
    default: 2 ** 30,
    doc: 'Bytes that DuckDB may hold while it sorts; it writes the rest to temporary.',
  },
  temporary: { kind: 'text', defaultDoc: 'the folder of the shards', doc: 'Folder for what DuckDB writes meanwhile.' },
  overwrite: { kind: 'boolean', default: false, doc: 'Whether shards that the folder has are written over.' },
  baseDirectory: OPEN_OPTIONS.baseDirectory,
  threads: { ...OPEN_OPTIONS.threads, doc: 'DuckDB’s threads; the shards do not depend on it.' },
  signal: signalOption('Ends the writing with ABORTED.'),
  onProgress: {
    ...given<(progress: number) => void>('(progress: number) => void'),
    check: checkFunction,
    doc: 'Called with the share of the interactions that is written, once they are sorted.',
  },
} as const satisfies OptionTable;

/** Options of `openShards`. @internal */
export const OPEN_SHARDS_OPTIONS = {
  window: {
    kind: 'integer',
    min: 1,
    default: 8,
    doc: 'Shards whose tasks an epoch shuffles together. Twice as many are held.',
  },
} as const satisfies OptionTable;
