/** The tables of the scenarios' options, which checks, types and docs follow from. */
import type { Baseline } from '../baselines/baseline.js';
import { invalid } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { checkedLater, given, signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import type { Learner } from '../learner/learner.js';
import { byLoss } from '../model/by-loss.js';
import { checkTaskSet } from '../tasks/check.js';
import type { TaskOptions } from '../tasks/index.js';
import { NESTED_OPTIONS } from '../tasks/options.js';
import type { TrainOptions } from '../training/train.js';

/** The fewest source rows of a test user, because without a history there is nothing to transfer. */
export const LEAST_HISTORY = 5;

const COUNTS = { kind: 'list', of: { kind: 'integer', min: 1 }, what: 'numbers', least: 1, isReadonly: true } as const;
const SHOTS = { ...COUNTS, of: { kind: 'integer', min: 0 }, what: 'numbers of support rows', rising: true } as const;

const METRICS = {
  kind: 'list',
  of: { kind: 'text' },
  what: 'metric names',
  isReadonly: true,
  check: checkedLater,
  defaultDoc: byLoss(({ brief }) => brief.join(', ')),
  doc: 'The metrics to measure.',
} as const;
const METRIC = {
  kind: 'text',
  check: checkedLater,
  defaultDoc: byLoss(({ validation }) => validation),
  doc: 'The metric to measure.',
} as const;
const BASELINES = {
  ...given<readonly Baseline[]>('readonly Baseline[]'),
  doc: 'Methods to compare with, from fitBaselines.',
} as const;
const SIGNAL = signalOption('Aborts the call, which then throws ABORTED.');
const TRAIN = {
  ...given<Omit<TrainOptions, 'checkpoint'>>("Omit<TrainOptions, 'checkpoint'>"),
  check: checkedLater,
} as const;
const seed = <const D extends string>(doc: D) => ({ kind: 'integer', min: 0, default: 0, doc }) as const;

const makesLearner = (value: unknown, field: string): void => {
  if (typeof value !== 'function') throw invalid(field, 'not a function', value, 'a function that makes a learner');
};

/** @internal */
export const FEW_SHOT_OPTIONS = {
  ...NESTED_OPTIONS,
  shots: { ...SHOTS, default: [1, 3, 5, 10, 20], doc: 'Numbers of support rows in each task, ascending.' },
  steps: {
    ...COUNTS,
    of: { kind: 'integer', min: 0, max: 10_000 },
    what: 'numbers of steps',
    least: 0,
    default: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    doc: 'Numbers of inner steps to measure at the largest number of shots, for algorithms that take steps.',
  },
  metrics: METRICS,
  baselines: BASELINES,
  signal: SIGNAL,
} as const satisfies OptionTable;

/** @internal */
export const PARTITION_OPTIONS = {
  metrics: METRICS,
  baselines: BASELINES,
  signal: SIGNAL,
} as const satisfies OptionTable;

/** @internal */
export const DRIFT_OPTIONS = {
  learner: {
    ...given<(warmUp: Int32Array) => Learner | Promise<Learner>>('(warmUp: Int32Array) => Learner | Promise<Learner>'),
    required: true,
    check: makesLearner,
    doc: 'Makes an untrained learner, given the rows of the warm-up; every call must return an equal one.',
  },
  tasks: {
    ...given<Omit<TaskOptions, 'rows'>>("Omit<TaskOptions, 'rows'>"),
    required: true,
    check: checkedLater,
    doc: 'How training tasks are made of the warm-up; the size of their support also limits the history that a task adapts to.',
  },
  warmUp: {
    kind: 'number',
    above: 0,
    fraction: true,
    default: 0.5,
    doc: 'The share of the interactions, from the first in time on, that the learner is trained on at the start.',
  },
  blocks: {
    kind: 'integer',
    min: 1,
    max: 10_000,
    default: 8,
    doc: 'The number of blocks in which the other interactions are replayed, equal in rows; rows of the same time stay together.',
  },
  halfLife: {
    kind: 'number',
    above: 0,
    defaultDoc: 'a tenth of the time replayed',
    doc: 'Half-life of the weight of a support row, in units of the dataset’s time (seconds for dates).',
  },
  train: { ...TRAIN, doc: 'Options of the training on the warm-up.' },
  updateEpochs: {
    kind: 'integer',
    min: 1,
    default: 1,
    doc: 'Epochs of training on each block after it was predicted.',
  },
  metric: METRIC,
  signal: SIGNAL,
} as const satisfies OptionTable;

/** @internal */
export const CROSS_DOMAIN_OPTIONS = {
  column: {
    kind: 'text',
    required: true,
    check: checkedLater,
    doc: 'The categorical column of the interactions or items that holds the domain.',
  },
  source: {
    kind: 'text',
    required: true,
    check: checkedLater,
    doc: 'The value of the column for the domain in which test users are known.',
  },
  target: {
    kind: 'text',
    required: true,
    check: checkedLater,
    doc: 'The value of the column for the domain in which test users are new.',
  },
  learner: {
    ...given<(rows: Int32Array) => Learner | Promise<Learner>>('(rows: Int32Array) => Learner | Promise<Learner>'),
    required: true,
    check: makesLearner,
    doc: 'Makes an untrained learner that knows the users and items of the given rows, with the same architecture at every call.',
  },
  shots: { ...SHOTS, default: [0, 1, 3, 5, 10], doc: 'Numbers of target support rows of each test user, ascending.' },
  query: { kind: 'integer', min: 1, default: 10, doc: 'The number of target query rows of each test user.' },
  history: {
    kind: 'integer',
    min: LEAST_HISTORY,
    default: 50,
    doc: 'The most source rows in a support set; if there are more, they are drawn at random.',
  },
  test: {
    kind: 'number',
    above: 0,
    fraction: true,
    default: 0.3,
    doc: 'The share of the users with enough rows in both domains who become test users.',
  },
  train: { ...TRAIN, doc: 'Options of every training.' },
  metric: METRIC,
  seed: seed('Seed of the test users and of all draws.'),
  signal: SIGNAL,
} as const satisfies OptionTable;

/** @internal */
export const NEGATIVE_TRANSFER_OPTIONS = {
  validation: {
    ...given<TaskSet>('TaskSet'),
    check: checkTaskSet,
    defaultDoc: 'no remedy by shrinkage',
    doc: 'Tasks that are neither trained nor reported on, on which the remedies are fitted.',
  },
  metric: {
    ...METRIC,
    doc: 'The metric by which adaptation helps or hurts a task. Only for errors (mae, rmse, logloss) is shrinkage certain to hurt no task that adaptation helps.',
  },
  column: {
    kind: 'text',
    check: checkedLater,
    defaultDoc: 'no alignment',
    doc: 'A categorical or bag column whose values group the tasks for gradient alignment.',
  },
  signal: SIGNAL,
} as const satisfies OptionTable;

/** @internal */
export const ALIGNMENT_OPTIONS = {
  column: {
    kind: 'text',
    required: true,
    doc: 'A categorical or bag column whose values group the tasks; see taskGroups.',
  },
  minimum: { kind: 'integer', min: 2, default: 10, doc: 'Leave out groups with fewer tasks.' },
  groups: { kind: 'integer', min: 2, default: 8, doc: 'The most groups to compare, the largest ones.' },
  seed: seed('Seed of the division of groups into halves.'),
  signal: SIGNAL,
} as const satisfies OptionTable;

/** @internal */
export const EVIDENCE_OPTIONS = {
  count: { kind: 'integer', min: 1, default: 10, doc: 'The number of items to return.' },
  perItem: {
    kind: 'integer',
    min: 1,
    default: 100,
    doc: 'The most interactions of an item that its norm is averaged over; if there are more, they are drawn at random.',
  },
  seed: seed('Seed of that draw.'),
  signal: SIGNAL,
} as const satisfies OptionTable;

/** @internal */
export const ASK_FIRST_OPTIONS = {
  questions: {
    ...COUNTS,
    least: 0,
    what: 'numbers of questions',
    default: [5, 10, 20, 50],
    doc: 'Numbers of questions that each user is asked.',
  },
  metrics: METRICS,
  seed: seed('Seed of the random order.'),
  signal: SIGNAL,
} as const satisfies OptionTable;

/** @internal */
export const SHRINKAGE_OPTIONS = {
  metric: { ...METRIC, doc: 'The metric to choose by.' },
  signal: SIGNAL,
} as const satisfies OptionTable;
