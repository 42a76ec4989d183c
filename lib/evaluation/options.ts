/** Options of `evaluate`. */
import type { Baseline } from '../baselines/baseline.js';
import { checkArray, checkSignal } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { checkedLater, given } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { byLoss } from '../model/by-loss.js';
import { CANDIDATES } from './candidates.js';
import type { CustomMetric } from './metric.js';
import { DEFAULT_THRESHOLD } from './metrics.js';
import { METRIC_NAMES } from './names.js';
import { AMONG_CANDIDATES } from './standard.js';

/** A metric by name, or one of one's own. @internal */
export const METRIC = {
  kind: 'any',
  of: [{ kind: 'text' }, given<CustomMetric>('CustomMetric')],
  what: 'the name of a metric, or { name, better, score, compute }',
} as const;

/** What measuring depends on, whatever is measured. @internal */
export const METRIC_OPTIONS = {
  threshold: {
    kind: 'number',
    check: checkedLater,
    defaultDoc: byLoss(({ threshold = DEFAULT_THRESHOLD }) => String(threshold)),
    doc: 'A row is relevant if its label is at least this: auc, precision, recall, hitrate, mrr, map.',
  },
  best: {
    kind: 'integer',
    min: 1,
    check: checkedLater,
    defaultDoc: 'threshold says which',
    doc: 'In place of threshold: of the query rows of a task the so many best rated are relevant, and gains in nDCG are 0 or 1. Which of equally rated rows are among them is drawn, the same for every method; a task with no other rows has no value.',
  },
  gain: {
    kind: 'choice',
    of: ['exponential', 'linear'],
    check: checkedLater,
    defaultDoc:
      'exponential where all labels measured are in 0 … 30, as ratings are; else y − min(0, lowest label measured), which any labels have',
    doc: 'Gain of a label y in nDCG: exponential is 2^y − 1, linear is y; both refuse labels below 0.',
  },
} as const satisfies OptionTable;

/** @internal */
export const EVALUATE_OPTIONS = {
  metrics: {
    kind: 'list',
    of: METRIC,
    what: 'metric names',
    isReadonly: true,
    check: (value, field) => checkArray(value, field, 'metric names'),
    defaultDoc: `${byLoss(({ metrics }) => metrics.join(', '))}; among candidates, in place of those that rank, ${AMONG_CANDIDATES.join(', ')}`,
    doc: `${METRIC_NAMES}; in code, also metrics of one’s own.`,
  },
  candidates: {
    ...CANDIDATES,
    named: 'Candidates',
    defaultDoc: 'query; where every label is the same, catalog',
    doc: 'What metrics that rank are of, in validation too: the query rows of a task among themselves (query), its held-out items among all items but those that its user had elsewhere (catalog), or among drawn items.',
  },
  baselines: {
    ...given<readonly Baseline[]>('readonly Baseline[]'),
    defaultDoc: 'none',
    doc: 'Methods to stand beside, from fitBaselines.',
  },
  calibration: {
    ...given<TaskSet>('TaskSet'),
    defaultDoc: 'none',
    doc: 'Tasks that neither trained nor are reported on: on them each method’s rating decoder is fitted, and the MAE of the decoded ratings is reported as well, for the learner and the baselines alike. See fitMedianDecoder.',
  },
  groups: {
    kind: 'any',
    of: [{ kind: 'text' }, given<readonly string[]>('readonly string[]')],
    what: 'a categorical feature of the users, or one name a task',
    check: checkedLater,
    defaultDoc: 'none',
    doc: 'Groups of users: a categorical feature of theirs, or in code one name a task. Every metric is reported by group too, with the gap between them.',
  },
  trainRows: {
    ...given<Int32Array>('Int32Array'),
    doc: 'Interactions trained on, which metrics of popularity and novelty count.',
  },
  features: {
    kind: 'text',
    check: checkedLater,
    defaultDoc: 'the bag column with the fewest values',
    doc: 'Item feature for diversity@k and miscalibration@k.',
  },
  signal: { ...given<AbortSignal>('AbortSignal'), check: checkSignal, doc: 'Ends the call with ABORTED.' },
  ...METRIC_OPTIONS,
} as const satisfies OptionTable;
