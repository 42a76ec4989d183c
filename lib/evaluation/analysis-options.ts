/** The tables of the options of what stands beside `evaluate`, which checks, types and docs follow from. */
import { checkArray, checkNumber } from '../foundation/check.js';
import { checkedLater, given, signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { DEFAULT_THRESHOLD } from './metric-options.js';

/** How often tasks are resampled, groups shuffled or signs flipped, and with which seed. */
const resample = <const N extends number>(resamples: N) =>
  ({
    resamples: { kind: 'integer', min: 1, max: 10_000_000, default: resamples, doc: 'The number of draws.' },
    seed: { kind: 'integer', min: 0, default: 0, doc: 'Seed of the draws.' },
  }) as const;
/** Draws of an interval. @internal */
export const INTERVAL_DRAWS = resample(2000);
/** Draws of a test, whose p-values are read to more digits than ends of intervals. @internal */
export const TEST_DRAWS = resample(10_000);
/** The same option where it may be of either; what it is of says which default stands. @internal */
export const RESAMPLE_OPTIONS = {
  ...INTERVAL_DRAWS,
  resamples: {
    kind: 'integer',
    min: 1,
    max: 10_000_000,
    defaultDoc: `${INTERVAL_DRAWS.resamples.default} for intervals, ${TEST_DRAWS.resamples.default} for tests`,
    doc: INTERVAL_DRAWS.resamples.doc,
  },
} as const satisfies OptionTable;

/** The fewest values for an interval; fewer say too little about their spread. */
const LEAST_TASKS = 10;

/** @internal */
export const GROUP_OPTIONS = {
  minimum: {
    kind: 'integer',
    min: LEAST_TASKS,
    default: LEAST_TASKS,
    doc: 'Groups with fewer tasks get no interval and are left out of the gap.',
  },
  ...INTERVAL_DRAWS,
} as const satisfies OptionTable;

/** @internal */
export const COMPARE_OPTIONS = {
  // Whether they were measured is checked with the methods.
  metrics: {
    kind: 'list',
    of: { kind: 'text' },
    what: 'metric names',
    isReadonly: true,
    check: (value, field) => checkArray(value, field, 'metric names'),
    defaultDoc: 'every metric of the method compared against',
    doc: 'The metrics to compare.',
  },
  against: {
    kind: 'text',
    defaultDoc: 'the first',
    doc: 'Name of the method that all others are compared against.',
  },
  ...TEST_DRAWS,
} as const satisfies OptionTable;

/** @internal */
export const RELIABILITY_OPTIONS = {
  bins: { kind: 'integer', min: 1, max: 10_000, default: 10, doc: 'The number of bins.' },
  by: {
    kind: 'choice',
    of: ['width', 'rows'],
    default: 'width',
    doc: 'Bins of equal width in probability, or of equal numbers of rows.',
  },
} as const satisfies OptionTable;

/** @internal */
export const RANK_OPTIONS = {
  count: { kind: 'integer', min: 1, default: 10, doc: 'The number of items in each list.' },
  // Whether these are items is checked with the tasks.
  among: {
    ...given<Int32Array>('Int32Array'),
    check: checkedLater,
    defaultDoc: 'the whole catalog',
    doc: 'Rows of the items that may be recommended.',
  },
  signal: signalOption('Aborts the call between tasks.'),
} as const satisfies OptionTable;

/** @internal */
export const LIST_OPTIONS = {
  metrics: {
    kind: 'list',
    of: { kind: 'text' },
    what: 'metric names',
    isReadonly: true,
    check: (value, field) => checkArray(value, field, 'metric names'),
    defaultDoc: 'all that the given data allow, at the lists’ length',
    doc: 'Names of metrics with their cut-offs, such as `coverage@10`.',
  },
  // Whether these are rows of the dataset is checked with the lists.
  trainRows: {
    ...given<Int32Array>('Int32Array'),
    check: checkedLater,
    doc: 'Interactions in which popularity is counted; needed by novelty, popularity and popularityLift.',
  },
  features: {
    kind: 'text',
    defaultDoc: 'the bag column with the fewest values',
    doc: 'Item feature for diversity and miscalibration.',
  },
  threshold: {
    kind: 'number',
    default: DEFAULT_THRESHOLD,
    doc: 'The label from which on a support row belongs to the taste profile; if no row reaches it, all rows belong.',
  },
} as const satisfies OptionTable;

/** @internal */
export const COUNTERFACTUAL_OPTIONS = {
  clip: {
    kind: 'number',
    above: 0,
    check: (value, field) => {
      if (value !== Infinity) checkNumber(value, field, 0, undefined, true);
    },
    defaultDoc: 'Infinity',
    doc: 'The largest weight π_i / p_i; larger ones are reduced to it, which lowers the variance and adds some bias.',
  },
} as const satisfies OptionTable;

/** @internal */
export const PROPENSITY_OPTIONS = {
  power: {
    kind: 'number',
    min: 0,
    default: 1,
    doc: 'The exponent γ in p ∝ (n + 1)^γ: with 1, items are shown in proportion to their interactions; with 0, all equally.',
  },
} as const satisfies OptionTable;

/** @internal */
export const POLICY_OPTIONS = {
  // How many there must be is known from the lists.
  propensity: {
    ...given<Float64Array>('Float64Array'),
    check: checkedLater,
    required: true,
    doc: 'The logging policy’s propensities: one for each interaction of the dataset, or one for each row of its items.',
  },
  threshold: {
    kind: 'number',
    defaultDoc: 'the label itself is the reward',
    doc: 'Reward 1 for a label of at least this, else 0.',
  },
  trainRows: {
    ...given<Int32Array>('Int32Array'),
    check: checkedLater,
    defaultDoc: 'no doubly robust estimate',
    doc: 'Interactions that the doubly robust estimate’s model is fitted on: an item’s mean reward, shrunk to the overall mean.',
  },
  shrinkage: {
    kind: 'number',
    min: 0,
    default: 5,
    doc: 'The number of interactions with the overall mean that are added to each item’s own.',
  },
  ...COUNTERFACTUAL_OPTIONS,
} as const satisfies OptionTable;

/** @internal */
export const MEDIAN_DECODER_OPTIONS = {
  bandwidth: {
    kind: 'number',
    min: 0,
    defaultDoc: '1.06 · sd(scores) · n^(−1/5)',
    doc: 'Standard deviation of the Gaussian kernel, in units of the score.',
  },
} as const satisfies OptionTable;

/** @internal */
export const RENDER_OPTIONS = {
  digits: { kind: 'integer', min: 0, max: 100, default: 4, doc: 'Digits after the point.' },
} as const satisfies OptionTable;
