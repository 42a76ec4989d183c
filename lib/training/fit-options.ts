/** Options of `fit`. */
import { invalid } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import { checkedLater, given, signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import type { Learner } from '../learner/learner.js';
import type { Algorithm } from '../meta/algorithm.js';
import type { Split, SplitOptions } from '../tasks/index.js';
import type { EpochReport } from './train.js';

/** @internal */
export const FIT_OPTIONS = {
  learner: {
    ...given<Algorithm | ((dataset: Dataset, split: Split) => Learner)>(
      'Algorithm | ((dataset: Dataset, split: Split) => Learner)',
    ),
    check: (value, field) => {
      if (typeof value !== 'function' && (typeof value !== 'object' || value === null))
        throw invalid(field, 'neither an algorithm nor a function', value, 'ridge(), maml() …, or a function');
    },
    defaultDoc:
      'the closed form that suits the labels, ridge() for ratings and laplace() for labels that are 0 or 1; for positives alone (no label is mapped: purchases, clicks, plays) maml() on the loss bpr',
    doc: 'An algorithm, such as maml(); or a function that makes the whole learner.',
  },
  protocol: {
    ...given<SplitOptions>('SplitOptions'),
    check: checkedLater,
    defaultDoc: '15 % of the users for validation and 15 % for the test, a third of each one’s rows asked',
    doc: 'How users become tasks.',
  },
  seed: { kind: 'integer', min: 0, default: 0, doc: 'Seed of the split, the parameters and the training.' },
  epochs: {
    kind: 'integer',
    min: 1,
    max: 1_000_000,
    default: 20,
    doc: 'Passes over the training tasks; the best by the validation tasks is kept.',
  },
  baselines: { kind: 'boolean', default: true, doc: 'Whether baselines are fitted and stand beside the learner.' },
  signal: signalOption('Ends the call with ABORTED.'),
  onEpoch: {
    ...given<(report: EpochReport) => void>('(report: EpochReport) => void'),
    doc: 'Called after every epoch.',
  },
} as const satisfies OptionTable;
