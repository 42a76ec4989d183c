/** The parts of a configuration that say what the data is, and how it becomes tasks. */
import { z } from 'zod';
import { FORMATS } from '../data/table-source.js';
import { SPLIT_OPTIONS, SPLIT_PROTOCOLS, TASK_SIZES } from '../tasks/options.js';
import type { SplitOptions } from '../tasks/option-types.js';
import { zodShape, zodVariants } from './zod-options.js';

export const count = z.int().min(1);
export const fraction = z.number().min(0).lt(1);
export const text = z.string().min(1);

// ------------------------------------------------------------------------------------------------------------- data

const decimal = z.enum(['.', ',']).optional();
const table = {
  from: text.optional().describe('Path or glob of files, also as .gz, .zst or in a .zip. Either this or sql.'),
  sql: text.optional().describe('A SELECT that DuckDB can run. Either this or from.'),
  format: z
    .enum(FORMATS)
    .optional()
    .describe('Kind of the file; csv is any text table. Default: by its name, else by its first bytes.'),
  delimiter: text
    .optional()
    .describe(
      'Between the fields of a text table; \\s+ is any run of blanks. Default: the one that makes the mapped columns of the first line.',
    ),
  comment: text.optional().describe('What lines begin with that are none of the table, such as #. Default: none do.'),
  skip: z.int().min(0).optional().describe('Lines at the beginning that are none of the table. Default 0.'),
  header: z.boolean().optional().describe('Whether the first line holds names. Default true; false with columns.'),
  columns: z.array(text).optional().describe('Names of the columns. Without a header the default is 1, 2, …'),
  encoding: text
    .optional()
    .describe('Such as latin-1, windows-1252, gbk. Default utf-8, or what a byte order mark says.'),
  quote: z.string().optional().describe('Around fields that hold delimiters; empty where quotes are text. Default ".'),
  escape: z.string().optional().describe('What makes a quote inside quotes text. Default: the quote, doubled.'),
  path: text.optional().describe('Path to a list in JSON, file in a zip archive, or table of a database.'),
  sheet: text.optional().describe('Sheet of a workbook. Default: the first.'),
  nulls: z.array(z.string()).optional().describe('Texts that stand for a missing value. Default: NULL, NaN, NA, …'),
  decimal: decimal.describe('Decimal mark of numbers in text. Default ".".'),
  timeFormat: z
    .union([text, z.array(text)])
    .optional()
    .describe('Patterns such as %d.%m.%Y %H:%M, or the unit of numbers: s, ms, us, ns. Default: ISO 8601, or numbers.'),
};
const feature = z.strictObject({
  name: text.describe('Name of the feature, as in model.inputs.'),
  kind: z
    .enum(['categorical', 'bag', 'dense', 'sequence'])
    .describe(
      'categorical: one text; bag: a list of texts; dense: numbers; sequence: of interactions, the items that the user had before.',
    ),
  column: text.optional().describe('Column of the table. Default: the name.'),
  sql: text.optional().describe('SQL expression over the table’s columns, in place of column.'),
  separator: text.optional().describe('Between the entries of a bag held in text. Default "|".'),
  minCount: count.optional().describe('Texts that occur fewer times become "unknown". Default 1.'),
  standardize: z
    .boolean()
    .optional()
    .describe('Dense: shift and scale to mean 0 and variance 1. Default true, without normalize.'),
  normalize: z.boolean().optional().describe('Dense: first scale every row to length 1. Default false.'),
  present: z
    .boolean()
    .optional()
    .describe('Dense: a second feature <name>.present, 0 where this one is missing. Default false.'),
  size: count.optional().describe('Dense lists: numbers per row. Default: the length of the first list.'),
  file: text.optional().describe('Dense: a matrix in a .npy or .safetensors file, in place of column and sql.'),
  tensor: text.optional().describe('The tensor of a .safetensors file. Default: its only one of two dimensions.'),
  ids: z
    .union([text, z.strictObject({ ...table, column: text }), z.strictObject({ tensor: text })])
    .optional()
    .describe(
      'Whose features the rows of file are: a .txt, .json or .npy file, the column of a table, or a tensor. Default: those of the table, row by row.',
    ),
  of: z
    .enum(['before', 'support'])
    .optional()
    .describe(
      'Sequences: all items strictly before the interaction, or those of its task’s support set. Default before.',
    ),
  maxLength: count.optional().describe('Sequences: at most so many items, the most recent ones. Default 20.'),
  minLabel: z.number().optional().describe('Sequences: leave out interactions with a smaller label. Default: none.'),
});
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
      user: text.describe('Column that holds the user id.'),
      item: text.describe('Column that holds the item id.'),
      label: z
        .union([
          text,
          z.strictObject({
            column: text,
            values: z.record(z.string(), z.number()).optional().describe('The number that each text stands for.'),
            unit: z
              .union([text, z.array(text)])
              .optional()
              .describe('What stands beside the number, such as stars or %.'),
            decimal: decimal.describe('Decimal mark. Default: that of the table.'),
            thousands: text.optional().describe('What separates groups of three digits. Default: nothing.'),
          }),
        ])
        .optional()
        .describe('Column that holds the rating, or 0/1. Default: every interaction is a positive one, of label 1.'),
      time: text.optional().describe('Column that holds a number, a timestamp or a date.'),
      count: text.optional().describe('Column that holds how often the interaction took place.'),
      weight: text.optional().describe('Column that holds the weight of the interaction.'),
      part: text.optional().describe('Column that says which part of a prescribed split a row is in.'),
      features: z.array(feature).optional().describe('Features of the interaction itself.'),
    })
    .describe('Who rated what, and how.'),
  users: entity.optional().describe('Features of users.'),
  items: entity.optional().describe('Features of items.'),
  duplicates: z
    .enum(['last', 'first', 'mean', 'sum', 'error'])
    .optional()
    .describe('One user and one item more than once. Default last.'),
  missingLabel: z.enum(['error', 'drop']).optional().describe('A row without a label. Default error.'),
  missingId: z.enum(['error', 'drop']).optional().describe('A row without a user or item. Default error.'),
  missingTime: z
    .enum(['error', 'drop'])
    .optional()
    .describe('A row without a time, where times are mapped. Default error.'),
  kCore: z
    .union([count, z.strictObject({ user: count.optional(), item: count.optional() })])
    .optional()
    .describe('Keep users and items with at least so many interactions with each other. Default: all.'),
  unseenItems: z
    .enum(['keep', 'drop'])
    .optional()
    .describe('With part: rows outside training whose item training does not have. Default keep.'),
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
