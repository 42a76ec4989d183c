/** The table of the options of `evaluate`, which checks, types and docs follow from. */
import type { Baseline } from '../baselines/baseline.js';
import { checkArray } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import { checkedLater, given, signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { byLoss } from '../model/by-loss.js';
import { CANDIDATES } from './candidates.js';
import { METRIC, METRIC_OPTIONS } from './metric-options.js';
import { METRIC_NAMES } from './names.js';
import { AMONG_CANDIDATES } from './standard.js';

/** @internal */
export const EVALUATE_OPTIONS = {
  metrics: {
    kind: 'list',
    of: METRIC,
    what: 'metric names',
    isReadonly: true,
    check: (value, field) => checkArray(value, field, 'metric names'),
    defaultDoc: `${byLoss(({ metrics }) => metrics.join(', '))}; among candidates, in place of those that rank, ${AMONG_CANDIDATES.join(', ')}`,
    doc: `${METRIC_NAMES}; in code, also custom metrics.`,
  },
  candidates: {
    ...CANDIDATES,
    named: 'Candidates',
    defaultDoc: 'query; if all labels are the same, catalog',
    doc: 'The candidates that ranking metrics rank, in validation too: the query rows of a task (query), its held-out items among all items that its user did not have elsewhere (catalog), or its held-out items among drawn items.',
  },
  baselines: {
    ...given<readonly Baseline[]>('readonly Baseline[]'),
    defaultDoc: 'none',
    doc: 'Methods to compare with, from fitBaselines.',
  },
  calibration: {
    ...given<TaskSet>('TaskSet'),
    defaultDoc: 'none',
    doc: 'Tasks that are neither trained nor reported on, on which a rating decoder is fitted for each method, learner and baselines alike. The MAE of the decoded ratings is then reported too. See fitMedianDecoder.',
  },
  groups: {
    kind: 'any',
    of: [{ kind: 'text' }, given<readonly string[]>('readonly string[]')],
    what: 'a categorical feature of the users, or a name for each task',
    check: checkedLater,
    defaultDoc: 'none',
    doc: 'Groups of users: the name of a categorical feature of users, or in code a group name for each task. Every metric is then also reported by group, with the gap between groups.',
  },
  trainRows: {
    ...given<Int32Array>('Int32Array'),
    doc: 'The interactions that were trained on, in which popularity and novelty are counted.',
  },
  features: {
    kind: 'text',
    check: checkedLater,
    defaultDoc: 'the bag column with the fewest values',
    doc: 'The item feature that diversity@k and miscalibration@k are computed from.',
  },
  signal: signalOption('Aborts the call, which then throws ABORTED.'),
  // Checked where they are read, with what the metrics are.
  threshold: { ...METRIC_OPTIONS.threshold, check: checkedLater },
  best: { ...METRIC_OPTIONS.best, check: checkedLater },
  gain: { ...METRIC_OPTIONS.gain, check: checkedLater },
} as const satisfies OptionTable;
