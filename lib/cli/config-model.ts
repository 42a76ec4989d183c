/** The parts of a configuration that say what is learned: the model, the algorithm, the optimizer. */
import { z } from 'zod';
import { ALGORITHMS } from '../algorithms/registry.js';
import { LOSSES, lossesWhere } from '../model/losses.js';
import { count, fraction, text } from './config-data.js';

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

const decay = (standard: number) => fraction.optional().describe(`Default ${standard}.`);
const inner = z.union([
  z.enum(['sgd', 'momentum', 'adam']),
  z.strictObject({ kind: z.literal('momentum'), momentum: decay(0.9) }),
  z.strictObject({
    kind: z.literal('adam'),
    beta1: decay(0.9),
    beta2: decay(0.999),
    epsilon: z.number().gt(0).optional().describe('Default 1e-8.'),
  }),
]);
const gradientOptions = {
  steps: z.int().min(0).optional().describe('Inner steps. Default 5 (melu: 1).'),
  learningRate: z
    .number()
    .gt(0)
    .optional()
    .describe('Inner rate, the initial one where rates are learned. Default 0.01.'),
  adapt: z
    .union([z.literal('all'), z.array(text)])
    .optional()
    .describe('Parameters that adapt, * at the end matching any rest. Default all (anil: the last layer).'),
  rates: z
    .enum(['fixed', 'perParameter', 'perStep'])
    .optional()
    .describe('Whether the inner rates are learned. Default fixed.'),
  shrinkage: z
    .number()
    .min(0)
    .optional()
    .describe('Added to the support count, so that tasks with few rows move less. Default 0.'),
  inner: inner.optional().describe('What a step follows. Default sgd, the gradient itself.'),
  proximal: z.number().min(0).optional().describe('Adds so much / 2 · ‖θ − θ₀‖² to the support loss. Default 0.'),
};
type GradientOption = keyof typeof gradientOptions;
const without = (...names: GradientOption[]): z.ZodRawShape =>
  Object.fromEntries(Object.entries(gradientOptions).filter(([name]) => !names.includes(name as GradientOption)));
const order = z.literal([1, 2]).optional().describe('2 is the exact meta-gradient. Default 2.');
const annealing = (what: string) =>
  z
    .strictObject({ epochs: z.int().min(0) })
    .optional()
    .describe(what);
const schedules = {
  multiStepLoss: annealing(
    'The meta-loss begins as the mean over all steps and becomes that of the last one over so many epochs. Default: the last from the beginning (mamlPlusPlus: 10).',
  ),
  orderAnnealing: annealing('So many epochs of first order at the beginning. Default: none (mamlPlusPlus: 5).'),
};
const covariance = z.enum(['diagonal', 'full']).optional().describe('Of the learned prior. Default diagonal.');

const threshold = z
  .number()
  .optional()
  .describe('Label from which a support row is liked. Default 0 from the mean (mse), 0.5 (bce).');
const units = (standard: number, of = 'Hidden units') => count.optional().describe(`${of}. Default ${standard}.`);

/** Algorithms whose options are not those that all gradient-based ones share. A new one is one line here, or none. */
const OWN_OPTIONS: Readonly<Record<string, z.ZodRawShape>> = {
  maml: { ...gradientOptions, order, ...schedules },
  reptile: without('rates'),
  ridge: { covariance },
  laplace: {
    covariance,
    probit: z.boolean().optional().describe('Moderates predictions by their uncertainty. Default false.'),
  },
  metaSgd: without('rates'),
  mamlPlusPlus: { ...without('rates'), ...schedules },
  imaml: {
    ...without('rates', 'proximal'),
    lambda: z.number().gt(0).optional().describe('Of the proximal term. Default 1.'),
    cgSteps: count.optional().describe('Most conjugate-gradient steps. Default 5.'),
    cgTolerance: z
      .number()
      .min(0)
      .optional()
      .describe('Residual that ends them, as a share of the gradient. Default 1e-6.'),
  },
  melu: { ...without('adapt'), order },
  lstmMetaLearner: { ...without('rates', 'inner', 'proximal'), hidden: units(20, 'Units of the first LSTM') },
  protoNets: {
    thresholds: z
      .array(z.number())
      .min(1)
      .optional()
      .describe('Between the classes that ratings fall into, rising. Default: see the algorithm.'),
  },
  matchingNets: {},
  tanp: {
    latent: units(16, 'Width of a row’s encoding and of the latent variable'),
    hidden: units(32),
    pool: units(8, 'Rows of the global pool'),
    klWeight: z.number().min(0).optional().describe('Of the divergence, beside the loss of a query row. Default 0.01.'),
  },
  lwa: { threshold },
  nlba: { threshold, hidden: units(16) },
  mwuf: { hidden: units(32) },
  mamo: {
    ...gradientOptions,
    slots: units(8, 'Kinds of users that the memories tell apart'),
    keys: units(16, 'Width of the profile keys'),
  },
  metaEmb: {
    ...gradientOptions,
    coldWeight: fraction.optional().describe('Share of the cold loss. Default 0.1.'),
    hidden: units(16, 'Hidden units of the generator'),
  },
  joint: {},
  fineTune: without('rates'),
};
const algorithms = Object.keys(ALGORITHMS).map((name) =>
  z.strictObject({ name: z.literal(name), ...(OWN_OPTIONS[name] ?? gradientOptions) }),
);
export const algorithm = z
  .discriminatedUnion('name', algorithms as [(typeof algorithms)[0], ...typeof algorithms])
  .meta({ id: 'algorithm' });

// -------------------------------------------------------------------------------------------------------- optimizer

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
