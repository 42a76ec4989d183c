/** The parts of a configuration that say what is learned: the model, the algorithm, the optimizer. */
import { z } from 'zod';
import { ALGORITHMS } from '../algorithms/registry.js';
import { LOSSES, lossesWhere } from '../model/losses.js';
import { count, fraction, text } from './config-data.js';
import { zodShape } from './zod-options.js';

// ------------------------------------------------------------------------------------------------------------ model

const activation = z
  .enum(['relu', 'tanh', 'sigmoid', 'softplus', 'identity'])
  .optional()
  .describe('Between the layers; identity makes a factorised linear model. Default relu.');
const hidden = z.array(count).describe('Widths of the hidden layers; [] is a linear model.');
const dropout = fraction
  .optional()
  .describe('Share of the hidden units that are left out of a training step. Default 0.');
const idOf = (what: string) => text.describe(`Name of the input that is the ${what}.`);
const tower = (what: string) => z.array(text).min(1).describe(`Names of the inputs of the ${what}’s tower.`);

/** What stands in model.body beside its kind. A new body is one line here. */
const BODY_OPTIONS: Readonly<Record<string, z.ZodRawShape>> = {
  mlp: { hidden, activation, dropout },
  mf: { user: idOf('user'), item: idOf('item') },
  fm: {},
  neumf: {
    user: idOf('user'),
    item: idOf('item'),
    factors: count.describe('Width of the factors.'),
    hidden,
    activation,
  },
  twoTower: {
    user: tower('user'),
    item: tower('item'),
    hidden,
    width: count.describe('Of the towers’ outputs.'),
    activation,
  },
  gru: { gruHidden: count.describe('Width of the recurrent state.'), hidden, activation },
};
const bodies = Object.entries(BODY_OPTIONS).map(([kind, options]) =>
  z.strictObject({ kind: z.literal(kind), ...options }),
);
// An id makes one definition in the JSON Schema of what occurs twice in it.
const body = z.discriminatedUnion('kind', bodies as [(typeof bodies)[0], ...typeof bodies]).meta({ id: 'body' });

/** Losses with one output, which a name alone describes. */
const SINGLE = lossesWhere(({ leastClasses }) => leastClasses === undefined);

export const loss = z
  .union([
    z.enum(SINGLE),
    z.strictObject({ softmax: z.int().min(LOSSES.softmax.leastClasses!).describe('Number of classes.') }),
  ])
  .describe(
    `${SINGLE.map((name) => `${name} ${LOSSES[name].doc}`).join('; ')}; { softmax: classes } ${LOSSES.softmax.doc}. Default mse.`,
  );

export const model = z.strictObject({
  inputs: z
    .array(
      z.strictObject({
        name: text.describe('A feature, or user or item for the id itself.'),
        dim: count.optional().describe('Embedding width; required unless the feature is dense.'),
        pooling: z.enum(['mean', 'sum']).optional().describe('Bags only. Default mean.'),
        maxLength: count
          .optional()
          .describe('Sequences only: at most so many ids, the most recent ones. Default: as many as the feature has.'),
      }),
    )
    .min(1)
    .describe('Concatenated in this order.'),
  body: body.optional().describe('What computes the outputs from the inputs. Either this or hidden.'),
  hidden: hidden
    .optional()
    .describe('Short for a body of kind mlp: widths of its hidden layers; [] is a linear model. Either this or body.'),
  activation: activation.describe('Of the layers of hidden; identity makes a factorised linear model. Default relu.'),
  loss: loss.default('mse'),
  also: z
    .array(
      z.strictObject({
        name: text.describe('A dense feature of the interactions, of size 1 and not standardised: the labels.'),
        loss: loss.describe('As the loss of the model.'),
        weight: z.number().min(0).optional().describe('Beside the main loss. Default 1.'),
      }),
    )
    .optional()
    .describe('Further heads on the same body, whose weighted losses are added. Default: none.'),
  precision: z.enum(['float32', 'float64']).optional().describe('Default float32.'),
});

// -------------------------------------------------------------------------------------------------------- algorithm

const algorithms = Object.entries(ALGORITHMS).map(([name, { options }]) =>
  z.strictObject({ name: z.literal(name), ...zodShape(options) }),
);
export const algorithm = z
  .discriminatedUnion('name', algorithms as [(typeof algorithms)[0], ...typeof algorithms])
  .meta({ id: 'algorithm' });

// -------------------------------------------------------------------------------------------------------- optimizer

const decay = (standard: number) => fraction.optional().describe(`Default ${standard}.`);
const optimizerOptions = {
  learningRate: z.number().gt(0).optional().describe('Outer rate. Default 0.001 (adam), 0.01 (sgd).'),
  schedule: z
    .enum(['constant', 'linear', 'cosine'])
    .optional()
    .describe('linear and cosine fall to 0 over the epochs. Default constant.'),
  weightDecay: z
    .union([z.number().min(0), z.record(z.string(), z.number().min(0))])
    .optional()
    .describe('One number, or numbers by parameter name with * at the end matching any rest. Default 0.'),
  l2: z
    .union([z.number().min(0), z.record(z.string(), z.number().min(0))])
    .optional()
    .describe(
      'Adds l2 / 2 · ‖parameters‖² to every step’s loss, in the same form; rare embedding rows are held as strongly. Default 0.',
    ),
  maxNorm: z
    .union([z.number().gt(0), z.record(z.string(), z.number().gt(0))])
    .optional()
    .describe('Longest row of an embedding table: one number, or numbers by table. Default: no limit.'),
  clipNorm: z.number().gt(0).optional().describe('Longest meta-gradient. Default: no clipping.'),
};
export const optimizer = z
  .discriminatedUnion('name', [
    z.strictObject({
      name: z.literal('adam'),
      ...optimizerOptions,
      beta1: decay(0.9),
      beta2: decay(0.999),
      epsilon: z.number().gt(0).optional().describe('Default 1e-8.'),
    }),
    z.strictObject({ name: z.literal('sgd'), ...optimizerOptions, momentum: decay(0) }),
  ])
  .meta({ id: 'optimizer' });
