/** The tables of the options that metrics have wherever they are measured, and of `evaluateScores`. */
import { invalid } from '../foundation/check.js';
import { given } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { byLoss } from '../model/by-loss.js';
import type { CustomMetric } from './metric.js';
import { ROW_METRIC_NAMES } from './names.js';

/** The default threshold of relevance, for ratings up to five stars. @internal */
export const DEFAULT_THRESHOLD = 4;

/** A metric by name, or a custom one. @internal */
export const METRIC = {
  kind: 'any',
  of: [{ kind: 'text' }, given<CustomMetric>('CustomMetric')],
  what: 'the name of a metric, or { name, better, score, compute }',
} as const;

/** Options of metrics that apply wherever metrics are measured. @internal */
export const METRIC_OPTIONS = {
  threshold: {
    kind: 'number',
    defaultDoc: byLoss(({ threshold = DEFAULT_THRESHOLD }) => String(threshold)),
    doc: 'The label from which on a row is relevant, for auc, precision, recall, hitrate, mrr and map.',
  },
  best: {
    kind: 'integer',
    min: 1,
    defaultDoc: 'threshold says which',
    doc: 'In place of threshold: the number of best-rated query rows of each task that are relevant; gains in nDCG are then 0 or 1. Ties at the last place are broken at random, in the same way for every method. A task without other rows has no value.',
  },
  gain: {
    kind: 'choice',
    of: ['exponential', 'linear'],
    defaultDoc:
      'exponential if all measured labels are in 0 … 30, as ratings are; else y − min(0, lowest measured label), which is defined for all labels',
    doc: 'Gain of a label y in nDCG: exponential is 2^y − 1, linear is y; both refuse labels below 0.',
  },
} as const satisfies OptionTable;

/** @internal */
export const EVALUATION_OPTIONS = {
  metrics: {
    kind: 'list',
    of: METRIC,
    what: 'metric names',
    isReadonly: true,
    default: ['mae', 'rmse', 'ndcg@1', 'ndcg@3'],
    // The names are read, and refused, with the rest of what a metric is.
    check: (value, field) => {
      if (!Array.isArray(value) || value.length === 0)
        throw invalid(field, 'no metrics', value, 'a list of metric names');
    },
    doc: `${ROW_METRIC_NAMES.join(', ')}, or custom metrics.`,
  },
  ...METRIC_OPTIONS,
  threshold: { ...METRIC_OPTIONS.threshold, default: DEFAULT_THRESHOLD, defaultDoc: String(DEFAULT_THRESHOLD) },
} as const satisfies OptionTable;
