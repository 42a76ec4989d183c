/** Options of `train`. */
import { HIDE_OPTIONS } from '../batch/task-batch.js';
import { METRIC } from '../evaluation/metric-options.js';
import { EVALUATE_OPTIONS } from '../evaluation/options.js';
import { checkFunction } from '../foundation/check.js';
import type { TaskSet } from '../foundation/contract.js';
import type { TaskSource } from '../foundation/task-source-types.js';
import { checkGroup } from '../foundation/process-group.js';
import type { ProcessGroup } from '../foundation/process-group.js';
import { checkedLater, given, signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { ESTIMATE_OPTIONS } from '../learner/options.js';
import { byLoss } from '../model/by-loss.js';
import { SUPPORT_SIZE } from '../tasks/options.js';
import { TASK_SAMPLING } from './task-sampling.js';

/** @internal */
export const TRAIN_OPTIONS = {
  epochs: {
    kind: 'integer',
    min: 1,
    max: 1_000_000,
    default: 10,
    doc: 'Passes over the training tasks, after those of earlier trainings; with a checkpoint, in all since it was begun.',
  },
  metaBatch: ESTIMATE_OPTIONS.metaBatch,
  weigh: {
    kind: 'choice',
    of: ['tasks', 'rows'],
    default: 'tasks',
    doc: 'What counts equally in the meta-loss: tasks, or query rows, so that users with many rows weigh more.',
  },
  sampling: {
    ...TASK_SAMPLING,
    named: 'TaskSampling',
    default: 'uniform',
    doc: 'Which tasks an epoch draws: every one once, by their rows, by their loss, or every value of a column as often. An epoch has as many draws as there are tasks.',
  },
  weights: {
    ...given<Float64Array>('Float64Array'),
    defaultDoc: 'equal',
    doc: 'Factor of each task in the meta-loss: positive numbers, one a task, of which only the ratios within a meta-batch matter.',
  },
  redraw: {
    kind: 'boolean',
    default: true,
    doc: 'Draw support and query anew in every epoch, keeping their sizes. The draw is random: set it to false for tasks whose query has to stay what it is (the last in time, another domain).',
    defaultDoc: 'true; false for tasks whose support and query the data prescribes',
  },
  supportSize: {
    kind: 'object',
    fields: SUPPORT_SIZE,
    named: 'SupportSize',
    search: { of: [null, { min: 1, fraction: 0.5 }] },
    defaultDoc: 'the sizes that the tasks were built with',
    doc: 'Draw the number of support rows anew as well, for each task and epoch, log-uniformly from min to a fraction of the task’s rows; all its other rows are its query. Trains for users with few interactions and with many alike.',
  },
  hide: {
    kind: 'object',
    fields: HIDE_OPTIONS,
    named: 'HideIds',
    defaultDoc: 'none',
    doc: 'Train on tasks with hidden user or item ids as well, so that the model can do without them (cold items).',
  },
  validation: {
    ...given<TaskSet | TaskSource>('TaskSet | TaskSource'),
    defaultDoc: 'none',
    doc: 'Tasks to measure after every epoch: in memory, or a source that they are read from a thousand at a time.',
  },
  keep: {
    kind: 'choice',
    of: ['best', 'last'],
    default: 'best',
    doc: 'Which epoch to keep (and in a configuration to refit for): the best on the validation tasks, or the last.',
  },
  metric: {
    ...METRIC,
    check: checkedLater,
    defaultDoc: byLoss(({ validation }) => validation),
    doc: 'What the best epoch is chosen by, on the validation tasks: a metric of the query rows by name, such as mae or ndcg@5; in code, also one of one’s own.',
  },
  candidates: {
    ...EVALUATE_OPTIONS.candidates,
    doc: 'What a metric that ranks is of, on the validation tasks: as in evaluate.',
  },
  patience: {
    kind: 'integer',
    min: 1,
    defaultDoc: 'never',
    doc: 'Stop after so many epochs without a better one; needs validation tasks.',
  },
  checkpoint: {
    kind: 'text',
    defaultDoc: 'none',
    doc: 'File to save the state in after every epoch; if it exists, training goes on from it, to the same bytes.',
  },
  checkpointSteps: {
    kind: 'integer',
    min: 1,
    defaultDoc: 'after every epoch only',
    doc: 'Saves the checkpoint after so many outer steps within an epoch as well: worth it where an epoch takes long.',
  },
  group: {
    ...given<ProcessGroup>('ProcessGroup'),
    check: checkGroup,
    defaultDoc: 'this process alone',
    doc: 'The processes that train together, from joinProcesses: each computes a share of every meta-batch, and all end with the bits that one alone would have.',
  },
  signal: signalOption('Ends the training with ABORTED; the checkpoint stays.'),
  onProgress: {
    ...given<(progress: number, epoch: number) => void>('(progress: number, epoch: number) => void'),
    check: checkFunction,
    doc: 'Called after every outer step with the share of the whole training done.',
  },
} as const satisfies OptionTable;

/** @internal */
export const TRAIN_STEP_OPTIONS = {
  progress: {
    kind: 'number',
    min: 0,
    max: 1,
    default: 0,
    doc: 'Share of the training done: what a schedule of the optimizer goes by.',
  },
  signal: signalOption('Stops the step.'),
} as const satisfies OptionTable;
