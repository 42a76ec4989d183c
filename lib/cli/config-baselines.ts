/** The part of a configuration that says how baselines are fitted. */
import { z } from 'zod';

const amount = (doc: string) => z.number().min(0).optional().describe(doc);
const count = (doc: string) => z.int().min(1).optional().describe(doc);
const minLabel = z
  .number()
  .optional()
  .describe('A row counts as an interaction if its label is at least this. Default: every label above 0.');

export const baselineOptions = z
  .strictObject({
    itemMean: z
      .strictObject({ shrinkage: amount('Interactions at the global mean that each item is given.') })
      .optional(),
    userItemBias: z
      .strictObject({
        itemRegularization: amount('Ridge on item biases.'),
        userRegularization: amount('Ridge on user biases.'),
        sweeps: count('Alternating sweeps over users and items.'),
      })
      .optional(),
    alsFoldIn: z
      .strictObject({
        factors: count('Latent factors.'),
        regularization: amount('On factors, for each interaction of the user or item.'),
        biasRegularization: amount('On biases, per user or item.'),
        sweeps: count('Alternating sweeps over items and users.'),
        seed: z.int().min(0).optional().describe('Of the initial user factors.'),
      })
      .optional(),
    contentRidge: z
      .strictObject({
        regularization: amount('On the content weights.'),
        shrinkage: z.number().gt(0).optional().describe('Interactions that weigh as much as the content.'),
        userRegularization: amount('On a task’s intercept.'),
        tasteRegularization: amount('On a task’s taste for each value of the taste column.'),
        tasteColumn: z.string().min(1).optional().describe('Item bag column whose values a user likes or dislikes.'),
      })
      .optional(),
    itemKnn: z
      .strictObject({
        neighbours: count('Neighbours kept of each item.'),
        shrinkage: amount('Added to the norm: items that few users had are less similar to anything.'),
        minLabel,
      })
      .optional(),
    ease: z
      .strictObject({
        regularization: z.number().gt(0).optional().describe('On the item-to-item weights.'),
        memory: count('Bytes that the matrices may take.'),
        minLabel,
      })
      .optional(),
  })
  .optional()
  .describe('How baselines are fitted, by their names. Defaults: those of the library.');
