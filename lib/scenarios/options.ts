/** Options of the scenarios, as tables. */
import type { Baseline } from '../baselines/baseline.js';
import { checkSignal, invalid } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { checkedLater, given } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import type { Learner } from '../learner/learner.js';
import { byLoss } from '../model/by-loss.js';
import { checkTaskSet } from '../tasks/check.js';
import type { TaskOptions } from '../tasks/index.js';
import { NESTED_OPTIONS } from '../tasks/options.js';
import type { TrainOptions } from '../training/train.js';

/** Fewest source rows of a test user: without a history there is nothing to transfer. */
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
  doc: 'What is measured.',
} as const;
const METRIC = {
  kind: 'text',
  check: checkedLater,
  defaultDoc: byLoss(({ validation }) => validation),
  doc: 'What is measured.',
} as const;
const BASELINES = {
  ...given<readonly Baseline[]>('readonly Baseline[]'),
  doc: 'Methods to stand beside, from fitBaselines.',
} as const;
const SIGNAL = {
  ...given<AbortSignal>('AbortSignal'),
  check: checkSignal,
  doc: 'Ends the call with ABORTED.',
} as const;
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
  shots: { ...SHOTS, default: [1, 3, 5, 10, 20], doc: 'Support rows a task, ascending.' },
  steps: {
    ...COUNTS,
    of: { kind: 'integer', min: 0, max: 10_000 },
    what: 'numbers of steps',
    least: 0,
    default: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    doc: 'Inner steps, for algorithms that take steps, at the largest number of shots.',
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
    doc: 'A fresh learner, told the rows of the warm-up; the same one at every call.',
  },
  tasks: {
    ...given<Omit<TaskOptions, 'rows'>>("Omit<TaskOptions, 'rows'>"),
    required: true,
    check: checkedLater,
    doc: 'The training tasks of the warm-up; their support is also the most history that a task is adapted to.',
  },
  warmUp: {
    kind: 'number',
    above: 0,
    fraction: true,
    default: 0.5,
    doc: 'Share of the interactions, the first ones, that training starts from.',
  },
  blocks: {
    kind: 'integer',
    min: 1,
    max: 10_000,
    default: 8,
    doc: 'The rest is replayed in so many blocks of equally many rows; rows of one time stay together.',
  },
  halfLife: {
    kind: 'number',
    above: 0,
    defaultDoc: 'a tenth of the time replayed',
    doc: 'Half-life of the weight of a support row, in units of the dataset’s time (seconds for dates).',
  },
  train: { ...TRAIN, doc: 'Options of the training on the warm-up.' },
  updateEpochs: { kind: 'integer', min: 1, default: 1, doc: 'Epochs over a block, after it was predicted.' },
  metric: METRIC,
  signal: SIGNAL,
} as const satisfies OptionTable;

/** @internal */
export const CROSS_DOMAIN_OPTIONS = {
  column: {
    kind: 'text',
    required: true,
    check: checkedLater,
    doc: 'The categorical column that holds an interaction’s domain: of the interactions, or of their items.',
  },
  source: { kind: 'text', required: true, check: checkedLater, doc: 'Value of the column where users are known.' },
  target: { kind: 'text', required: true, check: checkedLater, doc: 'Value of the column where users are new.' },
  learner: {
    ...given<(rows: Int32Array) => Learner | Promise<Learner>>('(rows: Int32Array) => Learner | Promise<Learner>'),
    required: true,
    check: makesLearner,
    doc: 'A fresh learner that knows the users and items of these rows, the same architecture at every call.',
  },
  shots: { ...SHOTS, default: [0, 1, 3, 5, 10], doc: 'Target support rows of a test user, ascending.' },
  query: { kind: 'integer', min: 1, default: 10, doc: 'Target query rows of a test user.' },
  history: {
    kind: 'integer',
    min: LEAST_HISTORY,
    default: 50,
    doc: 'At most so many source rows in a support set, drawn at random.',
  },
  test: {
    kind: 'number',
    above: 0,
    fraction: true,
    default: 0.3,
    doc: 'Share of the users with enough rows in both domains that are tested on.',
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
    doc: 'Tasks that neither trained nor are reported on: the remedies are fitted on them.',
  },
  metric: {
    ...METRIC,
    doc: 'What a task is hurt in; only for errors (mae, rmse, logloss) is shrinkage certain to hurt no task that was helped.',
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
  groups: { kind: 'integer', min: 2, default: 8, doc: 'At most so many groups, the largest ones.' },
  seed: seed('Seed of the halves.'),
  signal: SIGNAL,
} as const satisfies OptionTable;

/** @internal */
export const EVIDENCE_OPTIONS = {
  count: { kind: 'integer', min: 1, default: 10, doc: 'Items to give.' },
  perItem: {
    kind: 'integer',
    min: 1,
    default: 100,
    doc: 'At most so many interactions an item are asked for its norm, drawn at random.',
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
    doc: 'Questions a user is asked.',
  },
  metrics: METRICS,
  seed: seed('Seed of the random order.'),
  signal: SIGNAL,
} as const satisfies OptionTable;
