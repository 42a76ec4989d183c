/** The configuration file: its schema, which is also published as JSON Schema, and reading it. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { AlgorithmName } from '../algorithms/index.js';
import { ALGORITHMS } from '../algorithms/index.js';
import { BASELINES } from '../baselines/index.js';
import { invalid } from '../check.js';
import { InnerloopError } from '../errors.js';
import { configError } from './config-error.js';

const count = z.int().min(1);
const fraction = z.number().min(0).lt(1);
const text = z.string().min(1);

// ------------------------------------------------------------------------------------------------------------- data

const table = {
  from: text.optional().describe('Path or glob of .csv, .tsv, .parquet, .json, .ndjson or .jsonl files, text ones also as .gz. Either this or sql.'),
  sql: text.optional().describe('A SELECT that DuckDB can run. Either this or from.'),
};
const feature = z.strictObject({
  name: text.describe('Name of the feature, as in model.inputs.'),
  kind: z.enum(['categorical', 'bag', 'dense']).describe('categorical: one text; bag: a list of texts; dense: numbers.'),
  column: text.optional().describe('Column of the table. Default: the name.'),
  sql: text.optional().describe('SQL expression over the table’s columns, in place of column.'),
  separator: text.optional().describe('Between the entries of a bag held in text. Default "|".'),
  minCount: count.optional().describe('Texts that occur fewer times become "unknown". Default 1.'),
  standardize: z.boolean().optional().describe('Dense: shift and scale to mean 0 and variance 1. Default true.'),
  size: count.optional().describe('Dense lists: numbers per row. Default: the length of the first list.'),
});
const entity = z.strictObject({
  ...table,
  id: text.describe('Column that holds the id.'),
  features: z.array(feature).describe('Features of the user or item.'),
});
const data = z.strictObject({
  baseDirectory: text.optional().describe('Folder that relative data paths start from, itself relative to the configuration file. Default: the folder of the configuration file.'),
  interactions: z
    .strictObject({
      ...table,
      user: text.describe('Column that holds the user id.'),
      item: text.describe('Column that holds the item id.'),
      label: text.describe('Column that holds the rating, or 0/1.'),
      time: text.optional().describe('Column that holds a number, a timestamp or a date.'),
      features: z.array(feature).optional().describe('Features of the interaction itself.'),
    })
    .describe('Who rated what, and how.'),
  users: entity.optional().describe('Features of users.'),
  items: entity.optional().describe('Features of items.'),
  duplicates: z.enum(['last', 'first', 'mean', 'error']).optional().describe('One user and one item more than once. Default last.'),
  missingLabel: z.enum(['error', 'drop']).optional().describe('A row without a label. Default error.'),
});

// ------------------------------------------------------------------------------------------------------------ tasks

const query = z.union([count, z.strictObject({ fraction: z.number().gt(0).lt(1) })]);
const taskSizes = {
  min: z.int().min(2).optional().describe('A task needs at least this many rows, support and query together. Default 2.'),
  max: z.int().min(2).optional().describe('Users with more rows are left out. Default: no limit.'),
  query: query.describe('Query rows per task, or { fraction } of its rows.'),
  support: count.optional().describe('At most this many support rows. Default: all that are not in the query.'),
};
const tasks = z
  .strictObject({
    by: z.enum(['user', 'item']).optional().describe('What a task is. Default user.'),
    ...taskSizes,
    order: z.enum(['random', 'time']).optional().describe('time takes the last rows as the query. Default random.'),
    seed: z.int().min(0).optional().describe('Seed of the draw. Default: the seed of the split.'),
  })
  .describe('How the rows of a user become support and query.');
const selector = z.strictObject({
  fraction: z.number().gt(0).lt(1).optional().describe('So many of them, drawn at random.'),
  column: text.optional().describe('A feature, with in, or with min and max.'),
  in: z.array(z.union([z.string(), z.number()])).min(1).optional().describe('Those with one of these values.'),
  min: z.number().optional().describe('Those with at least this number.'),
  max: z.number().optional().describe('Those with at most this number.'),
});
const splitSeed = z.int().min(0).optional().describe('Seed of the split. Default: the seed of the configuration.');
const split = z.discriminatedUnion('protocol', [
  z
    .strictObject({
      protocol: z.literal('users'),
      validation: fraction.optional().describe('Fraction of the users. Default: no validation set.'),
      test: fraction.optional().describe('Fraction of the users. Default: no test set.'),
      seed: splitSeed,
      tasks,
    })
    .describe('Every user belongs to one set: train, validation or test.'),
  z
    .strictObject({
      protocol: z.literal('partitions'),
      newUsers: selector.describe('Users that training does not see.'),
      newItems: selector.describe('Items that training does not see.'),
      validation: z
        .strictObject({ users: selector, items: selector })
        .optional()
        .describe('Chosen among the existing users and items. Default: no validation sets.'),
      warm: fraction
        .optional()
        .describe('Share of the training tasks whose query rows are held out as the set warm. Default: no such set.'),
      seed: splitSeed,
      tasks,
    })
    .describe('Users × items, each existing or new: train, userCold, itemCold, bothCold (MeLU’s protocol).'),
]);

// ------------------------------------------------------------------------------------------- model and optimization

const model = z.strictObject({
  inputs: z
    .array(
      z.strictObject({
        name: text.describe('A feature, or user or item for the id itself.'),
        dim: count.optional().describe('Embedding width; required unless the feature is dense.'),
        pooling: z.enum(['mean', 'sum']).optional().describe('Bags only. Default mean.'),
      }),
    )
    .min(1)
    .describe('Concatenated in this order.'),
  hidden: z.array(count).describe('Widths of the hidden layers; [] is a linear model.'),
  activation: z
    .enum(['relu', 'tanh', 'sigmoid', 'softplus', 'identity'])
    .optional()
    .describe('Between the layers; identity makes a factorised linear model. Default relu.'),
  loss: z
    .union([z.enum(['mse', 'bce']), z.strictObject({ softmax: z.int().min(2).describe('Number of classes.') })])
    .default('mse')
    .describe('mse for ratings, bce for 0/1, { softmax: classes } for classes 0 … classes − 1.'),
  precision: z.enum(['float32', 'float64']).optional().describe('Default float32.'),
});

const gradientOptions = {
  steps: z.int().min(0).optional().describe('Inner steps. Default 5.'),
  learningRate: z.number().gt(0).optional().describe('Inner rate, the initial one where rates are learned. Default 0.01.'),
  adapt: z
    .union([z.literal('all'), z.array(text)])
    .optional()
    .describe('Parameters that adapt, * at the end matching any rest. Default all (anil: the last layer).'),
  rates: z.enum(['fixed', 'perParameter', 'perStep']).optional().describe('Whether the inner rates are learned. Default fixed.'),
  shrinkage: z.number().min(0).optional().describe('Added to the support count, so that tasks with few rows move less. Default 0.'),
};
/** Algorithms whose options are not those that all gradient-based ones share. */
const OWN_OPTIONS: Partial<Record<AlgorithmName, z.ZodRawShape>> = {
  maml: { ...gradientOptions, order: z.literal([1, 2]).optional().describe('2 is the exact meta-gradient. Default 2.') },
  ridge: {},
  reptile: (({ rates: _, ...shared }) => shared)(gradientOptions),
};
const algorithms = Object.keys(ALGORITHMS).map((name) =>
  z.strictObject({ name: z.literal(name), ...(OWN_OPTIONS[name as AlgorithmName] ?? gradientOptions) }),
);
const algorithm = z.discriminatedUnion('name', algorithms as [(typeof algorithms)[0], ...typeof algorithms]);

const optimizerOptions = {
  learningRate: z.number().gt(0).optional().describe('Outer rate. Default 0.001 (adam), 0.01 (sgd).'),
  schedule: z.enum(['constant', 'linear', 'cosine']).optional().describe('linear and cosine fall to 0 over the epochs. Default constant.'),
  weightDecay: z
    .union([z.number().min(0), z.record(z.string(), z.number().min(0))])
    .optional()
    .describe('One number, or numbers by parameter name with * at the end matching any rest. Default 0.'),
  l2: z
    .union([z.number().min(0), z.record(z.string(), z.number().min(0))])
    .optional()
    .describe('Adds l2 / 2 · ‖parameters‖² to every step’s loss, in the same form; rare embedding rows are held as strongly. Default 0.'),
  clipNorm: z.number().gt(0).optional().describe('Longest meta-gradient. Default: no clipping.'),
};
const optimizer = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('adam'),
    ...optimizerOptions,
    beta1: fraction.optional().describe('Default 0.9.'),
    beta2: fraction.optional().describe('Default 0.999.'),
    epsilon: z.number().gt(0).optional().describe('Default 1e-8.'),
  }),
  z.strictObject({ name: z.literal('sgd'), ...optimizerOptions, momentum: fraction.optional().describe('Default 0.') }),
]);

const training = z.strictObject({
  epochs: count.optional().describe('Passes over the training tasks. Default 10.'),
  metaBatch: count.optional().describe('Tasks per outer step. Default 32.'),
  weigh: z.enum(['tasks', 'rows']).optional().describe('What counts equally in the meta-loss: tasks or query rows. Default tasks.'),
  redraw: z.boolean().optional().describe('Draw support and query anew in every epoch. Default true.'),
  hide: z
    .strictObject({ user: fraction.optional(), item: fraction.optional() })
    .optional()
    .describe('Share of user and item ids hidden while training, so that the model can do without them. Default: none.'),
  metric: text.optional().describe('What the best epoch is chosen by, on the validation tasks. Default mae (bce: logloss).'),
  keep: z.enum(['best', 'last']).optional().describe('Which epoch to keep, and to refit for: the best on the validation tasks, or the last. Default best.'),
  patience: count.optional().describe('Stop after so many epochs without a better one. Default: never.'),
  validation: z
    .union([text, z.array(text).min(1)])
    .optional()
    .describe('Sets of the split to choose the epoch on, taken together. Default: every set whose name starts with "validation".'),
  refit: z
    .boolean()
    .default(false)
    .describe('After the best epoch is known, train once more from scratch for so many epochs, on the validation rows as well.'),
});

const evaluation = z.strictObject({
  metrics: z.array(text).min(1).optional().describe('mae, rmse, logloss, auc, ndcg@k, precision@k, recall@k, hitrate@k, mrr@k. Default mae, rmse, ndcg@5 (bce: logloss, auc).'),
  baselines: z.union([z.boolean(), z.array(z.enum(BASELINES)).min(1)]).default(true).describe('Methods to stand beside: all, none, or these.'),
  threshold: z.number().optional().describe('A row is relevant if its label is at least this. Default 4 (bce: 0.5).'),
  calibration: z
    .boolean()
    .default(false)
    .describe('Report the MAE of median-decoded ratings too. Decoders of a set xyz are fitted on validationXyz where there is one, else on all validation tasks.'),
});

export const configSchema = z
  .strictObject({
    $schema: z.string().optional().describe('For editors.'),
    data: data.describe('Where the data comes from; read through DuckDB.'),
    split: split.describe('How the data becomes training, validation and test tasks.'),
    trainTasks: z
      .strictObject(taskSizes)
      .optional()
      .describe('Build the training tasks by these rules, in place of split.tasks: longer histories, say.'),
    model: model.describe('Inputs concatenated into a multilayer perceptron under a loss.'),
    algorithm: algorithm.describe('How the model adapts to a task, and what the outer step follows.'),
    optimizer: optimizer.optional().describe('Outer optimizer. Default adam.'),
    training: training.prefault({}).describe('How long to train, on what, and which epoch to keep.'),
    evaluation: evaluation.prefault({}).describe('What to measure.'),
    seed: z.int().min(0).default(0).describe('Of everything random: split, parameters, order of tasks.'),
    threads: z.int().min(1).max(1024).optional().describe('Threads to use; results do not depend on it. Default: all.'),
    output: text.optional().describe('Folder for the results, relative to the configuration file. Default runs/<name of the file>, from where the command is run.'),
  })
  .meta({ title: 'innerloop configuration' });

export type Config = z.infer<typeof configSchema>;

/** The JSON Schema of the configuration file, as it is committed. */
export function jsonSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(configSchema, { io: 'input' }), undefined, 2)}\n`;
}

/** @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION with the path of the option */
export function parseConfig(value: unknown): Config {
  const result = configSchema.safeParse(value);
  if (!result.success) throw configError(configSchema, result.error.issues, value);
  return result.data;
}

/**
 * Reads a configuration file and makes its data folder absolute.
 * @throws {InnerloopError} MISSING_FILE, IO, INVALID_OPTION, UNKNOWN_OPTION
 */
export async function readConfig(path: string): Promise<Config> {
  let source: string;
  try {
    source = await readFile(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InnerloopError('MISSING_FILE', 'no such file', { field: path, expected: 'a configuration file', cause });
    throw new InnerloopError('IO', message, { field: path, cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(source.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw invalid(path, `not JSON: ${(error as Error).message.replace(/\s+/g, ' ')}`, source.trim(), 'a JSON object');
  }
  const config = parseConfig(value);
  const folder = dirname(resolve(path));
  config.data.baseDirectory = resolve(folder, config.data.baseDirectory ?? '.');
  if (config.output !== undefined) config.output = resolve(folder, config.output);
  return config;
}
