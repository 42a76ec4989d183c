/** The tables of the options of calls of the core: `adapt`, `predict`, `metaGradient`, `hessianVectorProduct`, `episodeGradient`. */
import { signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';

/** @internal */
export const CALL_OPTIONS = {
  signal: signalOption('Stops the call between tasks; the promise rejects with code ABORTED.'),
} as const satisfies OptionTable;

/** @internal */
export const TABLE_OPTIONS = {
  tables: {
    kind: 'choice',
    of: ['dense', 'sparse'],
    default: 'dense',
    doc: 'dense: tables of embeddings in full; sparse: of each only the rows that the batch read.',
  },
} as const satisfies OptionTable;

/** What `adapt` and `hessianVectorProduct` take. @internal */
export const TENSOR_OPTIONS = { ...CALL_OPTIONS, ...TABLE_OPTIONS } as const satisfies OptionTable;

/** @internal */
export const META_GRADIENT_OPTIONS = {
  direction: {
    kind: 'choice',
    of: ['meta-gradient', 'reptile'],
    default: 'meta-gradient',
    doc: 'The meta-gradient, or reptile: the mean over tasks of θ_0 − θ_K.',
  },
  ...TENSOR_OPTIONS,
} as const satisfies OptionTable;

/** @internal */
export const EPISODE_OPTIONS = {
  method: {
    kind: 'choice',
    of: ['prototypical', 'matching'],
    required: true,
    doc: 'Which loss the embeddings of a task have.',
  },
  ...CALL_OPTIONS,
} as const satisfies OptionTable;
