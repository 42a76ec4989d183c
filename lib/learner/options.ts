/** Options of `createLearner` and `createLearnerAsync`, and of what is done to learners. */
import { checkAlgorithm } from '../algorithms/check.js';
import { checkModel } from '../batch/batch.js';
import { ROW_OPTIONS } from '../batch/row-rules.js';
import { checkNumber, checkFunction } from '../foundation/check.js';
import type { Parameters } from '../foundation/contract.js';
import { checkedLater, given, signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import type { Algorithm } from '../meta/algorithm.js';
import type { Optimizer } from '../meta/outer-update.js';
import { MODEL_OPTIONS } from '../model/inputs.js';
import type { Model } from '../model/model.js';

/** @internal */
export const LEARNER_OPTIONS = {
  model: {
    ...given<Model>('Model'),
    required: true,
    check: checkModel,
    doc: 'The model, as `defineModel` returns it.',
  },
  algorithm: {
    ...given<Algorithm>('Algorithm'),
    required: true,
    check: checkAlgorithm,
    doc: 'How the learner adapts to a task, such as `maml()` or `ridge()`.',
  },
  optimizer: {
    ...given<Optimizer>('Optimizer'),
    check: (value, field) =>
      checkNumber((value as Partial<Optimizer> | null)?.learningRate, `${field}.learningRate`, 0, undefined, true),
    defaultDoc: "`adam()`; for `reptile` its paper's, `sgd({ learningRate: 1, schedule: 'linear' })`",
    doc: 'Outer optimizer.',
  },
  seed: {
    kind: 'integer',
    min: 0,
    default: 0,
    doc: 'Seed of the initial parameters and of everything random in training.',
  },
  // Whether these are the model's is checked where they are taken over, with the model.
  parameters: {
    ...given<Parameters>('Parameters'),
    check: checkedLater,
    doc: 'Start from these instead of fresh parameters.',
  },
  // What suits the loss is checked with the loss.
  rows: {
    kind: 'object',
    fields: ROW_OPTIONS,
    named: 'RowOptions',
    doc: 'How labels are centred and negatives drawn.',
  },
  device: {
    kind: 'choice',
    of: MODEL_OPTIONS.device.of,
    defaultDoc: 'the device of the model',
    doc: MODEL_OPTIONS.device.doc,
  },
} as const satisfies OptionTable;

/** Options of `estimateTraining`. @internal */
export const ESTIMATE_OPTIONS = {
  metaBatch: { kind: 'integer', min: 1, max: 1_000_000, default: 32, doc: 'Tasks per outer step.' },
  snapshots: {
    kind: 'integer',
    min: 0,
    default: 2,
    doc: 'Copies of the whole state: the best epoch’s, and that of a checkpoint.',
  },
} as const satisfies OptionTable;

/** Options of `learner.addItemsAsync` and `addUsersAsync`. @internal */
export const ADDING_OPTIONS = {
  signal: signalOption('Ends the call with ABORTED; the catalog is as it was.'),
} as const satisfies OptionTable;

/** Options of `createLearnerAsync`. @internal */
export const CREATING_OPTIONS = {
  signal: signalOption('Ends the call with ABORTED.'),
  onProgress: {
    ...given<(progress: number) => void>('(progress: number) => void'),
    check: checkFunction,
    doc: 'Called with the share of the tables that is drawn.',
  },
} as const satisfies OptionTable;
