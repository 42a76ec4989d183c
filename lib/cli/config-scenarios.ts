/** The part of a configuration that says how scenarios are played: the options of the library's scenarios, by name. */
import * as z from 'zod';
import type { OptionSpec } from '../foundation/options.js';
import {
  ASK_FIRST_OPTIONS,
  CROSS_DOMAIN_OPTIONS,
  DRIFT_OPTIONS,
  EVIDENCE_OPTIONS,
  FEW_SHOT_OPTIONS,
  NEGATIVE_TRANSFER_OPTIONS,
  PARTITION_OPTIONS,
} from '../scenarios/options.js';
import { zodShape } from './zod-options.js';

/** An option whose default the configuration knows better. */
const otherwise = <const S extends OptionSpec>(spec: S, defaultDoc: string): Omit<S, 'default'> => ({
  ...spec,
  default: undefined,
  defaultDoc,
});
const seeded = <const S extends OptionSpec>(spec: S) => otherwise(spec, 'the seed of the configuration');

const metrics = otherwise(
  PARTITION_OPTIONS.metrics,
  `those of evaluation.metrics but for lists, or else ${PARTITION_OPTIONS.metrics.defaultDoc}`,
);
const set = {
  kind: 'text',
  defaultDoc: 'test, or else userCold, or else the first that is reported',
  doc: 'Set of the split.',
} as const satisfies OptionSpec;

export const scenarios = z.strictObject({
  coldStart: z
    .strictObject(
      zodShape({
        ...PARTITION_OPTIONS,
        sets: {
          kind: 'list',
          of: { kind: 'text' },
          what: 'names of sets',
          least: 1,
          defaultDoc: 'all that are reported',
          doc: 'Sets of the split side by side.',
        },
        metrics,
      }),
    )
    .optional()
    .describe('The cold-start partitions side by side: split.protocol partitions has them.'),
  fewShot: z
    .strictObject(
      zodShape({
        ...FEW_SHOT_OPTIONS,
        set,
        shots: otherwise(FEW_SHOT_OPTIONS.shots, '1, 3, 5, 10, 20, as far as some task has so many'),
        metrics,
        seed: seeded(FEW_SHOT_OPTIONS.seed),
      }),
    )
    .optional()
    .describe('Curves over the number of support rows, and over the inner steps.'),
  drift: z
    .strictObject(zodShape(DRIFT_OPTIONS))
    .optional()
    .describe(
      'The data in time order, every block predicted before anything learns from it; the split is not looked at.',
    ),
  crossDomain: z
    .strictObject(zodShape({ ...CROSS_DOMAIN_OPTIONS, seed: seeded(CROSS_DOMAIN_OPTIONS.seed) }))
    .optional()
    .describe('Users known in one domain and new in another; the split is not looked at.'),
  negativeTransfer: z
    .strictObject(zodShape({ ...NEGATIVE_TRANSFER_OPTIONS, set }))
    .optional()
    .describe(
      'Whom adaptation hurts, and what helps. The model is not refitted: remedies are fitted on the validation tasks.',
    ),
  evidence: z
    .strictObject(
      zodShape({
        ...EVIDENCE_OPTIONS,
        ...ASK_FIRST_OPTIONS,
        set,
        count: { ...EVIDENCE_OPTIONS.count, doc: 'Questions to show.' },
        questions: { ...ASK_FIRST_OPTIONS.questions, least: 1 },
        metrics,
        seed: seeded(EVIDENCE_OPTIONS.seed),
      }),
    )
    .optional()
    .describe('Which items to ask a new user about first, and whether that helps.'),
});

export type ScenarioOptions = z.infer<typeof scenarios>;
