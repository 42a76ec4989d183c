/** The parts of a configuration that say what is learned: the model, the algorithm, the optimizer. */
import * as z from 'zod';
import { ALGORITHMS } from '../algorithms/registry.js';
import { INPUT_CHOICE } from '../batch/features.js';
import { OPTIMIZER_OPTIONS } from '../meta/outer-update.js';
import { HIDDEN_OPTIONS } from '../model/bodies/body.js';
import { BODIES } from '../model/bodies/index.js';
import { AUXILIARY_OPTIONS, MODEL_OPTIONS } from '../model/inputs.js';
import { LOSSES, lossesWhere } from '../model/losses.js';
import { zodShape } from './zod-options.js';

// ------------------------------------------------------------------------------------------------------------ model

const bodies = Object.entries(BODIES).map(([kind, { options }]) =>
  z.strictObject({ kind: z.literal(kind), ...zodShape(options) }),
);
// An id makes one definition in the JSON Schema of what occurs twice in it.
const body = z.discriminatedUnion('kind', bodies as [(typeof bodies)[0], ...typeof bodies]).meta({ id: 'body' });
const perceptron = zodShape(HIDDEN_OPTIONS);

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
    .array(z.strictObject(zodShape(INPUT_CHOICE)))
    .min(1)
    .meta({ description: 'Concatenated in this order.', examples: [[{ name: 'item', dim: 16 }]] }),
  body: body.optional().describe('What computes the outputs from the inputs. Either this or hidden.'),
  hidden: perceptron.hidden.optional().meta({
    description:
      'Short for a body of kind mlp: widths of its hidden layers; [] is a linear model. Either this or body.',
    examples: [[16]],
  }),
  activation: perceptron.activation,
  loss: loss.default('mse'),
  classWeights: z
    .array(z.number().min(0))
    .optional()
    .describe('What rows of each class count in the losses of bce and softmax, by class number. Default: equal.'),
  also: z
    .array(z.strictObject({ ...zodShape(AUXILIARY_OPTIONS), loss: loss.describe('As the loss of the model.') }))
    .optional()
    .describe('Further heads on the same body, whose weighted losses are added. Default: none.'),
  precision: zodShape(MODEL_OPTIONS).precision,
});

// -------------------------------------------------------------------------------------------------------- algorithm

const algorithms = Object.entries(ALGORITHMS).map(([name, { options }]) =>
  z.strictObject({ name: z.literal(name), ...zodShape(options) }),
);
export const algorithm = z
  .discriminatedUnion('name', algorithms as [(typeof algorithms)[0], ...typeof algorithms])
  .meta({ id: 'algorithm' });

// -------------------------------------------------------------------------------------------------------- optimizer

export const optimizer = z
  .discriminatedUnion('name', [
    z.strictObject({ name: z.literal('adam'), ...zodShape(OPTIMIZER_OPTIONS.adam) }),
    z.strictObject({ name: z.literal('sgd'), ...zodShape(OPTIMIZER_OPTIONS.sgd) }),
  ])
  .meta({ id: 'optimizer' });
