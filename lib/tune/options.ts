/** The table of the options of `tune`, which checks, types and docs follow from. */
import { invalid } from '../foundation/check.js';
import { checkOption, given, signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { checkGroup } from '../foundation/process-group.js';
import type { ProcessGroup } from '../foundation/process-group.js';
import type { Setting } from './space.js';

/** The training of one measurement. */
export interface TuneRun {
  /** Seed of the learner. */
  seed: number;
  /** Seed of the split into training and validation tasks. */
  split: number;
  /** Share of the whole training, such as of its epochs. */
  share: number;
  /** Aborted when the search ends before its time. */
  signal: AbortSignal;
}

const RUNGS = {
  kind: 'list',
  of: { kind: 'number', above: 0, max: 1 },
  what: 'shares of the training',
  least: 1,
  rising: true,
  isReadonly: true,
} as const;
const SEEDS = {
  kind: 'list',
  of: { kind: 'integer', min: 0 },
  what: 'different seeds',
  least: 1,
  isReadonly: true,
} as const;

function checkRungs(value: unknown, field: string): void {
  checkOption(value, field, RUNGS);
  if ((value as number[]).at(-1) !== 1) throw invalid(field, 'do not end with the whole training', value, '… 1');
}

function checkSeeds(value: unknown, field: string): void {
  checkOption(value, field, SEEDS);
  const seeds = value as number[];
  if (new Set(seeds).size < seeds.length) throw invalid(field, 'one of them twice', value, SEEDS.what);
}

function checkValidation(value: unknown, field: string): void {
  if (typeof value !== 'function')
    throw invalid(field, 'not a function', value, 'one that trains a setting and gives its metric');
}

/** A text, which may be empty. */
function checkIdentity(value: unknown, field: string): void {
  if (typeof value !== 'string') throw invalid(field, 'not a text', value, 'a text');
}

/** @internal */
export const TUNE_OPTIONS = {
  validation: {
    ...given<(setting: Setting, run: TuneRun) => Promise<number>>(
      '(setting: Setting, run: TuneRun) => Promise<number>',
    ),
    required: true,
    check: checkValidation,
    doc: 'Trains a setting on the training tasks of the split, with the seed, and returns its metric on the validation tasks; test tasks must not be used. If it throws an `InnerloopError` (when training diverges, say), the trial failed and the setting is dropped.',
  },
  better: {
    kind: 'choice',
    of: ['lower', 'higher'],
    default: 'lower',
    doc: 'Whether lower or higher values of the metric are better.',
  },
  budget: {
    kind: 'integer',
    min: 1,
    max: 100_000,
    default: 20,
    doc: 'The number of settings that are tried, `start` among them.',
  },
  rungs: {
    ...RUNGS,
    check: checkRungs,
    default: [1 / 9, 1 / 3, 1],
    defaultDoc: '1/9, 1/3, 1',
    doc: 'The share of the training that each round gives, ascending; the last one is 1.',
  },
  keep: {
    kind: 'number',
    above: 0,
    max: 1,
    default: 1 / 3,
    defaultDoc: '1/3',
    doc: 'The share of the settings of a round that goes on to the next.',
  },
  seeds: {
    ...SEEDS,
    check: checkSeeds,
    default: [1],
    doc: 'Seeds of the learner. In the last round each setting is trained with every seed, in earlier rounds with the first only.',
  },
  splits: {
    ...SEEDS,
    check: checkSeeds,
    default: [0],
    doc: 'Seeds of the split. The last round uses every split, earlier rounds the first only.',
  },
  start: {
    kind: 'record',
    of: given<unknown>('unknown'),
    what: 'values by name',
    named: 'Setting',
    default: {},
    defaultDoc: 'nothing is changed',
    doc: 'The setting that is tried first and in every round, so that the result is at least as good on the validation tasks.',
  },
  seed: { kind: 'integer', min: 0, default: 1, doc: 'Seed of the drawn settings.' },
  parallel: {
    kind: 'integer',
    min: 1,
    max: 1024,
    default: 1,
    doc: 'How many measurements run at a time; the result does not depend on it.',
  },
  group: {
    ...given<ProcessGroup>('ProcessGroup'),
    check: checkGroup,
    defaultDoc: 'this process alone',
    doc: 'The processes that share the search, from joinProcesses: each makes `parallel` measurements at a time, that of rank 0 keeps the state, and all yield the same trials. Each of them has to read all trials.',
  },
  state: {
    kind: 'text',
    doc: 'Path of a file that keeps the measurements; if it exists, the search goes on from it.',
  },
  identity: {
    kind: 'text',
    check: checkIdentity,
    defaultDoc: 'nothing',
    doc: 'A text for what the measurements depend on besides the options, such as the data; a state of another identity is refused.',
  },
  signal: signalOption('Ends the search with ABORTED.'),
} as const satisfies OptionTable;
