/** The part of a configuration that says how scenarios are played: one table, the scenario and its options. */
import { z } from 'zod';
import { count, fraction, text } from './config-data.js';
import { byLoss } from '../model/by-loss.js';

const metrics = z
  .array(text)
  .min(1)
  .optional()
  .describe(`Default: those of evaluation.metrics but for lists, or else ${byLoss(({ brief }) => brief.join(', '))}.`);
const metric = text.optional().describe(`Default ${byLoss(({ validation }) => validation)}.`);
const set = text
  .optional()
  .describe('Set of the split. Default: test, or else userCold, or else the first that is reported.');
const seed = z.int().min(0).optional().describe('Of its draws. Default: the seed of the configuration.');
const shots = (standard: string) =>
  z.array(z.int().min(0)).min(1).optional().describe(`Support rows, ascending. Default ${standard}.`);

export const scenarios = z.strictObject({
  coldStart: z
    .strictObject({
      sets: z.array(text).min(1).optional().describe('Sets of the split side by side. Default: all that are reported.'),
      metrics,
    })
    .optional()
    .describe('The cold-start partitions side by side: split.protocol partitions has them.'),
  fewShot: z
    .strictObject({
      set,
      shots: shots('1, 3, 5, 10, 20, as far as some task has so many'),
      steps: z
        .array(z.int().min(0))
        .optional()
        .describe('Inner steps at the largest number of shots, for algorithms that take steps. Default 0 … 10.'),
      metrics,
      order: z.enum(['random', 'first', 'last']).optional().describe('Which support rows come first. Default random.'),
      seed,
    })
    .optional()
    .describe('Curves over the number of support rows, and over the inner steps.'),
  drift: z
    .strictObject({
      warmUp: fraction
        .optional()
        .describe('Share of the interactions, the first ones, that training starts from. Default 0.5.'),
      blocks: count.optional().describe('The rest is replayed in so many blocks. Default 8.'),
      halfLife: z
        .number()
        .gt(0)
        .optional()
        .describe(
          'Of the weight of a support row, in the unit of the time column; seconds for dates. Default: a tenth of the time replayed.',
        ),
      updateEpochs: count.optional().describe('Epochs over a block, after it was predicted. Default 1.'),
      metric,
    })
    .optional()
    .describe(
      'The data in time order, every block predicted before anything learns from it; the split is not looked at.',
    ),
  crossDomain: z
    .strictObject({
      column: text.describe('Categorical feature of the interactions or of the items that holds the domain.'),
      source: text.describe('Value of the column: where users are known.'),
      target: text.describe('Value of the column: where they are new.'),
      shots: shots('0, 1, 3, 5, 10'),
      query: count.optional().describe('Target query rows of a test user. Default 10.'),
      history: z.int().min(5).optional().describe('At most so many source rows in a support set. Default 50.'),
      test: z
        .number()
        .gt(0)
        .lt(1)
        .optional()
        .describe('Share of the users with enough rows in both domains that are tested on. Default 0.3.'),
      metric,
      seed,
    })
    .optional()
    .describe('Users known in one domain and new in another; the split is not looked at.'),
  negativeTransfer: z
    .strictObject({
      set,
      metric,
      column: text
        .optional()
        .describe(
          'Categorical or bag feature whose values group the tasks for gradient alignment. Default: no alignment.',
        ),
    })
    .optional()
    .describe(
      'Whom adaptation hurts, and what helps. The model is not refitted: remedies are fitted on the validation tasks.',
    ),
  evidence: z
    .strictObject({
      set,
      count: count.optional().describe('Questions to show. Default 10.'),
      perItem: count.optional().describe('At most so many interactions an item are asked for their norm. Default 100.'),
      questions: z.array(count).min(1).optional().describe('Numbers of questions to compare. Default 5, 10, 20, 50.'),
      metrics,
      seed,
    })
    .optional()
    .describe('Which items to ask a new user about first, and whether that helps.'),
});

export type ScenarioOptions = z.infer<typeof scenarios>;
