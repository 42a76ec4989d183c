/** The parts of a configuration that say what the data is, and how it becomes tasks. */
import * as z from 'zod';
import {
  COLUMN_OPTIONS,
  FEATURE_OPTIONS,
  FILE_OPTIONS,
  FROM_OPTIONS,
  RULE_OPTIONS,
  VALUE_OPTIONS,
} from '../data/source-options.js';
import { SPLIT_OPTIONS, SPLIT_PROTOCOLS, TASK_SIZES } from '../tasks/options.js';
import type { SplitOptions } from '../tasks/option-types.js';
import { zodShape, zodVariants } from './zod-options.js';

export const count = z.int().min(1);
export const fraction = z.number().min(0).lt(1);
export const text = z.string().min(1);

// ------------------------------------------------------------------------------------------------------------- data

const table = { ...zodShape(FROM_OPTIONS), ...zodShape(FILE_OPTIONS), ...zodShape(VALUE_OPTIONS) };
const feature = z.strictObject(zodShape(FEATURE_OPTIONS));
const entity = z.strictObject({
  ...table,
  id: text.optional().describe('Column that holds the id. Not needed where all features are files with ids.'),
  features: z.array(feature).describe('Features of the user or item.'),
});
export const data = z.strictObject({
  baseDirectory: text
    .optional()
    .describe(
      'Folder that relative data paths start from, itself relative to the configuration file. Default: the folder of the configuration file.',
    ),
  interactions: z
    .strictObject({
      ...table,
      ...zodShape(COLUMN_OPTIONS),
      features: z.array(feature).optional().describe('Features of the interaction itself.'),
    })
    .describe('Who rated what, and how.'),
  users: entity.optional().describe('Features of users.'),
  items: entity.optional().describe('Features of items.'),
  ...zodShape(RULE_OPTIONS),
});

// ------------------------------------------------------------------------------------------------------------ tasks

/** How many rows a task has. */
export const taskSizes = zodShape(TASK_SIZES);
const splitSeed = z.int().min(0).optional().describe('Seed of the split. Default: the seed of the configuration.');
/** The schema of a split; its seed and that of its tasks follow the configuration. */
const splits = zodVariants({ kind: 'variant', tag: 'protocol', of: SPLIT_OPTIONS }).map((each, i) =>
  each.extend({ seed: splitSeed }).describe(Object.values(SPLIT_PROTOCOLS)[i]),
);
export const split = z.discriminatedUnion('protocol', [
  splits[0],
  ...splits.slice(1),
]) as unknown as z.ZodType<SplitOptions>;
