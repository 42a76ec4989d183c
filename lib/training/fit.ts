/** The short road: from interactions to a trained and measured learner in one call, by choices that suit most data. */
import { invalid } from '../foundation/check.js';
import type { BodySpec, Dataset, HeadSpec } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { openDataset } from '../data/open.js';
import type { DataSource } from '../data/source.js';
import { splitTasks } from '../tasks/index.js';
import type { Split } from '../tasks/index.js';
import { defineModel } from '../model/model.js';
import { describeInputs } from '../batch/features.js';
import type { Algorithm } from '../meta/algorithm.js';
import { adam } from '../meta/outer-update.js';
import { hasOneLabel } from '../baselines/positives.js';
import { laplace } from '../algorithms/laplace.js';
import { maml } from '../algorithms/maml.js';
import { ridge } from '../algorithms/ridge.js';
import { fitBaselines } from '../baselines/fit.js';
import { createLearnerAsync } from '../learner/learner.js';
import type { Learner } from '../learner/learner.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { Evaluation } from '../evaluation/evaluate.js';
import { renderText } from '../evaluation/result-table.js';
import { FIT_OPTIONS } from './fit-options.js';
import type { FitOptions } from './option-types.js';
import { train } from './train.js';

/** What `fit` returns. */
export interface Fit {
  /** The data that was read. */
  dataset: Dataset;
  /** The tasks to train, validate and test with. */
  split: Split;
  /** The trained learner. */
  learner: Learner;
  /** Of the test users, whom training never met: before and after adaptation, beside the baselines. */
  evaluation: Evaluation;
  /** The evaluation as text, and what reading and splitting the data had to say. */
  table: string;
}

const DEFAULTS = { metaBatch: 16, itemDim: 8, featureDim: 12, hidden: 24 } as const;

/**
 * Opens interactions, divides the users, meta-trains a learner, and measures it on users whom it never met.
 *
 * ```ts
 * const { learner, table } = await fit({
 *   interactions: { from: 'ratings.csv', user: 'userId', item: 'movieId', label: 'rating' },
 * });
 * console.log(table);
 * const me = await learner.adapt({ items: ['1', '296'], labels: [5, 2] });
 * ```
 *
 * The same in steps, each with its options: `openDataset`, `splitTasks`, `describeInputs`, `defineModel`, `createLearner`,
 * `train`, `evaluate`.
 *
 * @param source what `openDataset` takes, or an open dataset
 * @throws {InnerloopError} as those functions do; UNSUPPORTED for labels that say nothing (all alike, and not 1)
 */
export async function fit(source: DataSource | Dataset, options: FitOptions = {}): Promise<Fit> {
  const { seed, epochs, baselines: withBaselines, signal, onEpoch } = resolveOptions(options, 'fit', FIT_OPTIONS);
  const { metaBatch } = DEFAULTS;
  const dataset = isDataset(source) ? source : await openDataset(source, { signal });
  const split = splitTasks(
    dataset,
    options.protocol ?? {
      protocol: 'users',
      validation: 0.15,
      test: 0.15,
      seed,
      tasks: { min: 4, query: { fraction: 0.3 } },
    },
  );
  const { train: training, validation, test = validation } = split.sets;
  if (test === undefined)
    throw invalid('fit.protocol', 'has no tasks to measure', options.protocol, 'a fraction for test or validation');
  const learner =
    typeof options.learner === 'function'
      ? options.learner(dataset, split)
      : await defaultLearner(dataset, split, options.learner, { seed, signal });
  for await (const report of train(learner, training, { epochs, metaBatch, validation, weigh: 'rows', signal }))
    onEpoch?.(report);
  const baselines = withBaselines ? await fitBaselines(dataset, split.trainRows, { signal }) : [];
  const evaluation = await evaluate(learner, test, { baselines, trainRows: split.trainRows, signal });
  const notes = [...dataset.notes, ...split.notes].map((note) => `note: ${note}`);
  return { dataset, split, learner, evaluation, table: [renderText(evaluation.table), ...notes].join('\n') };
}

function isDataset(source: unknown): source is Dataset {
  return typeof source === 'object' && source !== null && 'users' in source && 'size' in source;
}

/** Ids of items and every column there is, into one hidden layer whose last weights adapt. */
function defaultLearner(
  dataset: Dataset,
  split: Split,
  algorithm: Algorithm | undefined,
  { seed, signal }: { seed: number; signal: AbortSignal | undefined },
): Promise<Learner> {
  const kind = kindOf(dataset);
  const columns = [...dataset.users.columns, ...dataset.items.columns, ...dataset.context.columns];
  const choices = columns
    // A text of its own for nearly every row, such as a title, tells no two of them apart.
    .filter((column) => column.kind !== 'categorical' || column.vocabulary.values.length < dataset.items.rows / 2)
    .map(({ name, kind }) => (kind === 'dense' ? { name } : { name, dim: DEFAULTS.featureDim }));
  const inputs = describeInputs(dataset, [{ name: 'item', dim: KINDS[kind].itemDim }, ...choices], split.trainRows);
  const { loss, hidden } = KINDS[kind];
  const body: BodySpec = { kind: 'mlp', hidden: [...hidden], activation: 'identity' };
  return createLearnerAsync(
    {
      model: defineModel({ inputs, body, head: { loss } }),
      algorithm: algorithm ?? KINDS[kind].algorithm(),
      optimizer: adam({ learningRate: 0.01, schedule: 'linear', clipNorm: 5, l2: 0.001 }),
      seed,
    },
    { ...(signal && { signal }) },
  );
}

/** What suits the labels. Of positives the score is linear in the features, whose few weights a history can move. */
const KINDS = {
  ratings: { loss: 'mse', hidden: [DEFAULTS.hidden], algorithm: () => ridge(), itemDim: DEFAULTS.itemDim },
  clicks: { loss: 'bce', hidden: [DEFAULTS.hidden], algorithm: () => laplace(), itemDim: DEFAULTS.itemDim },
  positives: { loss: 'bpr', hidden: [], algorithm: () => maml({ steps: 3, learningRate: 0.5 }), itemDim: 16 },
} as const satisfies Record<
  string,
  { loss: HeadSpec['loss']; hidden: readonly number[]; algorithm: () => Algorithm; itemDim: number }
>;

/** @throws {InnerloopError} UNSUPPORTED where all labels are alike, and not 1 */
function kindOf(dataset: Dataset): keyof typeof KINDS {
  const { label } = dataset;
  if (!hasOneLabel(dataset)) return label.every((y) => y === 0 || y === 1) ? 'clicks' : 'ratings';
  if (label[0] === 1) return 'positives';
  throw new InnerloopError('UNSUPPORTED', 'every label is the same, so there is nothing to predict', {
    field: 'interactions.label',
    value: label[0],
    expected: 'ratings, or 0 and 1; for purchases, clicks and plays no label at all',
  });
}
