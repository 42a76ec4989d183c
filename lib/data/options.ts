/** The tables of the options of `openDataset`, `rowWeights` and `withHistory`, which checks, types and docs follow from. */
import { checkObject } from '../foundation/check.js';
import { checkedLater, given, resolveOptions, signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';

/** @internal */
export const OPEN_OPTIONS = {
  baseDirectory: {
    kind: 'text',
    defaultDoc: 'the process’s working directory',
    doc: 'Folder that relative paths start from, in `from` and in SQL.',
  },
  threads: {
    kind: 'integer',
    min: 1,
    max: 1024,
    defaultDoc: 'all cores',
    doc: 'Threads that DuckDB may use; the dataset does not depend on it.',
  },
  signal: signalOption('Stops the reading; the promise rejects with code ABORTED.'),
} as const satisfies OptionTable;

/** @internal */
export const HISTORY_OPTIONS = {
  name: { kind: 'text', default: 'history', doc: 'The column’s name.' },
  of: {
    kind: 'choice',
    of: ['before', 'support'],
    default: 'before',
    doc: 'All items strictly before the interaction, or those of its task’s support set.',
  },
  maxLength: {
    kind: 'integer',
    min: 1,
    max: 65536,
    default: 20,
    doc: 'Keep at most this many items, the most recent ones.',
  },
  minLabel: { kind: 'number', defaultDoc: 'none are left out', doc: 'Leave out interactions with a smaller label.' },
} as const satisfies OptionTable;

/** @internal */
export const RECENCY_OPTIONS = {
  halfLife: {
    kind: 'number',
    above: 0,
    required: true,
    doc: 'The age at which a weight is half, in the unit of the time column (seconds for dates).',
  },
  at: {
    kind: 'number',
    defaultDoc: 'the latest time of the interactions that training may see',
    doc: 'The time at which the age is 0; later interactions have age 0 too.',
  },
} as const satisfies OptionTable;

/** @internal */
export const POPULARITY_OPTIONS = {
  of: { kind: 'choice', of: ['item', 'user'], default: 'item', doc: 'Whose popularity is used.' },
  power: {
    kind: 'number',
    min: 0,
    default: 0.5,
    doc: 'The exponent in p = (n / max n)^power for n interactions; 0 means no correction.',
  },
} as const satisfies OptionTable;

/** @internal */
export const PROPENSITY_COLUMN = {
  column: {
    kind: 'text',
    required: true,
    doc: 'A dense column of size 1 whose values, in (0, 1], are the propensities.',
  },
} as const satisfies OptionTable;

/** @internal */
export const CONFIDENCE_OPTIONS = {
  alpha: { kind: 'number', min: 0, default: 1, doc: 'The factor α.' },
  scale: {
    kind: 'choice',
    of: ['linear', 'log'],
    default: 'log',
    doc: 'linear: 1 + α n for a count n; log: 1 + α ln(1 + n), so that a few very frequent rows do not dominate.',
  },
} as const satisfies OptionTable;

/** @internal */
export const WEIGHT_OPTIONS = {
  recency: {
    kind: 'object',
    fields: RECENCY_OPTIONS,
    defaultDoc: 'age does not count',
    doc: 'Exponential forgetting: weights halve with every `halfLife` of age.',
  },
  propensity: {
    kind: 'any',
    of: [
      { kind: 'object', fields: POPULARITY_OPTIONS },
      { kind: 'object', fields: PROPENSITY_COLUMN },
    ],
    what: '{ of, power } or { column }',
    named: 'PopularityPropensity | { column: string }',
    check: (value, field) => {
      checkObject(value, field, [...Object.keys(POPULARITY_OPTIONS), ...Object.keys(PROPENSITY_COLUMN)]);
      resolveOptions(value, field, 'column' in value ? PROPENSITY_COLUMN : POPULARITY_OPTIONS);
    },
    defaultDoc: 'all count alike',
    doc: 'Inverse propensity: interactions that were likely to be observed count less. By popularity, or the name of a column of propensities.',
  },
  column: {
    kind: 'text',
    defaultDoc: 'none',
    doc: 'Name of a dense column of size 1 of the interactions, items or users, whose values ≥ 0 multiply the weights, in the units of the data.',
  },
  confidence: {
    kind: 'object',
    fields: CONFIDENCE_OPTIONS,
    named: 'CountConfidence',
    defaultDoc: 'counts do not matter',
    doc: 'Confidence: an interaction that took place often (`dataset.count`) more certainly shows a preference, and counts more.',
  },
  clip: {
    kind: 'number',
    min: 1,
    defaultDoc: 'no limit',
    doc: 'The largest weight, as a multiple of the mean weight; larger ones are reduced to it.',
  },
  // Whether these are rows of the dataset is checked with the dataset.
  rows: {
    ...given<Int32Array>('Int32Array'),
    check: checkedLater,
    defaultDoc: 'all',
    doc: 'The interactions that training may see: popularity, latest time, mean and clip are computed from these only.',
  },
} as const satisfies OptionTable;
