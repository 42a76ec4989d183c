/** The configuration file: its schema, which is also published as JSON Schema, and reading it. */
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { BASELINES, FIT_OF } from '../baselines/options.js';
import { ROW_OPTIONS } from '../batch/row-rules.js';
import { WEIGHT_OPTIONS } from '../data/options.js';
import { EVALUATE_OPTIONS } from '../evaluation/options.js';
import { invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { docOf } from '../foundation/options.js';
import { TRAIN_OPTIONS } from '../training/options.js';
import { data, split, taskSizes, text } from './config-data.js';
import { configError } from './config-error.js';
import { checkMetrics } from './config-metrics.js';
import { algorithm, loss, model, optimizer } from './config-model.js';
import { MODEL_OPTIONS } from '../model/inputs.js';
import { readJson } from './json.js';
import { scenarios } from './config-scenarios.js';
import { zodShape } from './zod-options.js';

const { checkpoint: _, candidates: __, ...trainShape } = zodShape(TRAIN_OPTIONS);
const training = z.strictObject({
  ...trainShape,
  validation: z
    .union([text, z.array(text).min(1)])
    .optional()
    .describe(
      'Sets of the split to choose the epoch on, taken together. Default: every set whose name starts with "validation".',
    ),
  refit: z
    .boolean()
    .default(false)
    .describe(
      'After the best epoch is known, train once more from scratch for so many epochs, on the validation rows as well.',
    ),
});

const evaluateShape = zodShape(EVALUATE_OPTIONS);
const evaluation = z.strictObject({
  metrics: z.array(text).min(1).optional().describe(docOf(EVALUATE_OPTIONS.metrics)),
  candidates: evaluateShape.candidates,
  sets: z
    .array(text)
    .min(1)
    .optional()
    .describe('Sets of the split to report on. Default: all that neither train nor validate.'),
  shots: z
    .array(z.number().int().min(0))
    .min(1)
    .optional()
    .describe(
      'Report each set also with so many support rows, ascending: support sets are nested, query rows stay, and only tasks with as many support rows as the largest are in. Default: none.',
    ),
  baselines: z
    .union([z.boolean(), z.array(z.enum(BASELINES)).min(1)])
    .default(true)
    .describe(
      'Methods to stand beside: those that suit the labels, none, or these. Of ratings all but itemKnn and ease; where every label is the same, popularity, itemKnn and ease.',
    ),
  baselineRows: z
    .enum(['all', 'tasks'])
    .optional()
    .describe(
      'What baselines are fitted on: all rows that may be trained on, or those of the training tasks alone, which is what learners see where trainTasks leaves users out. Default all.',
    ),
  baselineOptions: z.strictObject(zodShape(FIT_OF)).optional().describe('How baselines are fitted, by their names.'),
  groups: evaluateShape.groups,
  features: evaluateShape.features,
  threshold: evaluateShape.threshold,
  best: evaluateShape.best,
  gain: evaluateShape.gain,
  calibration: z
    .boolean()
    .default(false)
    .describe(
      'Report the MAE of median-decoded ratings too. Decoders of a set xyz are fitted on validationXyz where there is one, else on all validation tasks.',
    ),
});

const rows = z.strictObject({
  ...zodShape(ROW_OPTIONS),
  weights: z
    .strictObject(zodShape(WEIGHT_OPTIONS))
    .optional()
    .describe('Weight of each interaction in the losses. Default: equal.'),
});

const pair = z.tuple([z.number(), z.number()]);
const tuning = z.strictObject({
  space: z
    .record(
      text,
      z.union([
        z.strictObject({ log: pair }),
        z.strictObject({ even: pair }),
        z.strictObject({ of: z.array(z.json()).min(1) }),
        z.literal(false),
      ]),
    )
    .optional()
    .describe(
      'Ranges in place of those that the options declare, by path, such as algorithm.learningRate: between two numbers, evenly or by their logarithm, or one of some values, null being the option left out; false leaves the option as it is.',
    ),
});

// ---------------------------------------------------------------------------------------------------------- learners

const changes = {
  model: model.partial().extend({ loss: loss.optional() }).optional(),
  algorithm: algorithm.optional(),
  optimizer: optimizer.optional(),
  rows: rows.optional(),
  training: training.omit({ validation: true, refit: true }).partial().optional(),
};
const ensemble = z
  .array(z.strictObject({ ...changes, rows: rows.omit({ weights: true }).optional() }))
  .min(2)
  .describe(
    'For innerloop train and compare: learners that are trained by themselves, in place of one, and predict the mean together; each entry is what differs from the rest of the configuration, option by option. Their seeds follow from seed.',
  );
const learner = z
  .strictObject({
    name: text.describe('Row of the table; the files of its results are named after it.'),
    ...changes,
    ensemble: ensemble.optional(),
  })
  .describe(
    'What differs from the rest of the configuration, option by option; lists, and what has another name or kind, replace.',
  );

export const configSchema = z
  .strictObject({
    $schema: z.string().optional().describe('For editors.'),
    data: data.describe('Where the data comes from; read through DuckDB.'),
    split: split.describe('How the data becomes training, validation and test tasks.'),
    trainTasks: z
      .strictObject(taskSizes)
      .optional()
      .describe('Build the training tasks by these rules, in place of split.tasks: longer histories, say.'),
    model: model.describe('Inputs, the network over them, and its loss.'),
    algorithm: algorithm.describe('How the model adapts to a task, and what the outer step follows.'),
    ensemble: ensemble.optional(),
    optimizer: optimizer
      .optional()
      .describe('Outer optimizer. Default adam; for reptile sgd from rate 1, falling linearly.'),
    rows: rows.optional().describe('How labels are centred, interactions weighted, negatives drawn.'),
    training: training.prefault({}).describe('How long to train, on what, and which epoch to keep.'),
    evaluation: evaluation.prefault({}).describe('What to measure.'),
    scenarios: scenarios.optional().describe('For innerloop scenario: options of each. The others ignore it.'),
    tune: tuning.optional().describe('For innerloop tune and compare --tune: what they search. The others ignore it.'),
    seed: z.int().min(0).default(0).describe('Of everything random: split, parameters, order of tasks.'),
    learners: z
      .array(learner)
      .min(1)
      .optional()
      .describe('For innerloop compare and scenario: learners to train on the same tasks. The others ignore it.'),
    seeds: z
      .array(z.int().min(0))
      .min(1)
      .optional()
      .describe(
        'For innerloop compare: train every learner once for each of these seeds, on the split of seed. Default: [seed].',
      ),
    threads: z.int().min(1).max(1024).optional().describe('Threads to use; results do not depend on it. Default: all.'),
    device: zodShape(MODEL_OPTIONS).device,
    output: text
      .optional()
      .describe(
        'Folder for the results, relative to the configuration file. Default runs/<name of the file>, from where the command is run.',
      ),
  })
  .meta({ title: 'innerloop configuration' });

export type Config = z.infer<typeof configSchema>;

/** The JSON Schema of the configuration file, as it is committed. */
export function jsonSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(configSchema, { io: 'input' }), undefined, 2)}\n`;
}

/** @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION with the path of the option */
export function parseConfig(value: unknown): Config {
  refusePrototypes(value, '');
  const result = configSchema.safeParse(value);
  if (!result.success) throw configError(configSchema, result.error.issues, value);
  // As they are written: defaults of a member would stand above options of the file.
  const { ensemble: members } = value as Pick<Config, 'ensemble'>;
  if (members !== undefined) result.data.ensemble = structuredClone(members);
  const { body, hidden, activation } = result.data.model;
  if (body === undefined && hidden === undefined)
    throw invalid('model.hidden', 'missing', undefined, 'a list, or model.body');
  if (body !== undefined && hidden !== undefined)
    throw invalid('model.hidden', 'stands beside model.body', hidden, 'one of the two');
  if (body !== undefined && activation !== undefined)
    throw invalid('model.activation', 'stands beside model.body', activation, 'model.body.activation');
  const { baselines, baselineOptions: fits = {} } = result.data.evaluation;
  const fitted: readonly string[] = baselines === false ? [] : baselines === true ? BASELINES : baselines;
  for (const name of Object.keys(fits))
    if (!fitted.includes(name))
      throw invalid(
        `evaluation.baselineOptions.${name}`,
        'is of a baseline that is not fitted',
        fits,
        'evaluation.baselines with it',
      );
  return result.data;
}

/** The schema would pass over `__proto__`, which JSON.parse makes a property like any other. */
function refusePrototypes(value: unknown, field: string): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, entry] of Object.entries(value)) {
    const at = Array.isArray(value) ? `${field}[${key}]` : field === '' ? key : `${field}.${key}`;
    if (key === '__proto__') throw new InnerloopError('UNKNOWN_OPTION', 'no such option', { field: at });
    refusePrototypes(entry, at);
  }
}

/**
 * Reads a configuration file and makes its folders absolute.
 * @throws {InnerloopError} MISSING_FILE, IO, INVALID_OPTION, UNKNOWN_OPTION
 */
export async function readConfig(path: string): Promise<Config> {
  const config = parseConfig(await readJson(path, 'a configuration file'));
  checkMetrics(config);
  return placed(config, path);
}

/** Relative folders start from that of the configuration file. @internal */
export function placed(config: Config, path: string): Config {
  const folder = dirname(resolve(path));
  config.data.baseDirectory = resolve(folder, config.data.baseDirectory ?? '.');
  if (config.output !== undefined) config.output = resolve(folder, config.output);
  return config;
}
