/** Options of inputs, of auxiliary heads, and of a model beside its parts. */
import { POOLINGS } from '../foundation/addon.js';
import { checkArray, checkObject, checkOneOf, invalid } from '../foundation/check.js';
import type { InputSpec } from '../foundation/contract.js';
import { given, resolveOptions } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';

const NAME = {
  kind: 'text',
  required: true,
  doc: 'Names the input in rows, and its embedding among the parameters.',
} as const;
const DIM = { kind: 'integer', min: 1, max: 65536, required: true, doc: 'Embedding width.' } as const;
const INIT = {
  kind: 'number',
  min: 0,
  defaultDoc: '0.1; 0.01 for the linear terms of fm',
  doc: 'Standard deviation of the embedding’s fresh rows: near 0 a row that training hardly touches stays neutral.',
} as const;
const CARDINALITY = {
  kind: 'integer',
  min: 1,
  max: 2 ** 31 - 1,
  required: true,
  doc: 'Number of ids; valid ids are 0 … cardinality − 1.',
} as const;
const VOCABULARY = {
  ...given<readonly string[]>('readonly string[]'),
  doc: 'Text of each id, as many as the cardinality, where the model works on a dataset; id 0 is "missing or unknown".',
} as const;

/** Options of the inputs by kind. @internal */
export const INPUT_OPTIONS = {
  dense: {
    name: NAME,
    size: { kind: 'integer', min: 1, max: 65536, required: true, doc: 'Values per row.' },
    dim: {
      kind: 'integer',
      min: 1,
      max: 65536,
      doc: 'Of factorization machines alone, which need it: width of each value’s embedding.',
    },
  },
  categorical: { name: NAME, cardinality: CARDINALITY, dim: DIM, init: INIT, vocabulary: VOCABULARY },
  bag: {
    name: NAME,
    cardinality: CARDINALITY,
    dim: DIM,
    pooling: {
      kind: 'choice',
      of: POOLINGS,
      default: 'mean',
      doc: 'How the embeddings of a row’s ids are combined; an empty bag is the zero vector.',
    },
    init: INIT,
    vocabulary: VOCABULARY,
  },
  sequence: {
    name: NAME,
    cardinality: CARDINALITY,
    dim: DIM,
    maxLength: {
      kind: 'integer',
      min: 1,
      max: 65536,
      required: true,
      doc: 'Ids a row may hold, oldest first; of longer lists the newest count.',
    },
    init: INIT,
    vocabulary: VOCABULARY,
  },
} as const satisfies Record<string, OptionTable>;

/** Options of an auxiliary head beside its loss. @internal */
export const AUXILIARY_OPTIONS = {
  name: {
    kind: 'text',
    required: true,
    doc: 'Names its labels: those of the rows, or a dense column of the interactions of size 1, not standardised.',
  },
  weight: { kind: 'number', min: 0, default: 1, doc: 'Of its loss, beside the main one’s 1.' },
} as const satisfies OptionTable;

/** @internal */
export const MODEL_OPTIONS = {
  precision: {
    kind: 'choice',
    of: ['float32', 'float64'],
    default: 'float32',
    doc: 'Of all numbers; float64 is for checks and research.',
  },
  threads: {
    kind: 'integer',
    min: 1,
    max: 1024,
    defaultDoc: 'all hardware threads',
    doc: 'Threads that a call may use; results do not depend on it.',
  },
  device: {
    kind: 'choice',
    of: ['cpu', 'cuda', 'auto'],
    default: 'cpu',
    doc: 'Where calls run: cuda needs the package innerloop-cuda and refuses what does not run there; auto is the GPU where there is one, and model.device.reason says why it is not.',
  },
} as const satisfies OptionTable;

/** @param embedsDense whether the body takes a `dim` of dense inputs @internal */
export function checkInput(input: unknown, field: string, embedsDense: boolean): asserts input is InputSpec {
  checkObject(input, field, ['kind', ...new Set(Object.values(INPUT_OPTIONS).flatMap((table) => Object.keys(table)))]);
  const { kind, ...options } = input;
  checkOneOf(kind, `${field}.kind`, Object.keys(INPUT_OPTIONS) as (keyof typeof INPUT_OPTIONS)[]);
  const { dim: _, ...withoutDim } = INPUT_OPTIONS.dense;
  const table: OptionTable = kind === 'dense' && !embedsDense ? withoutDim : INPUT_OPTIONS[kind];
  checkObject(input, field, ['kind', ...Object.keys(table)]);
  resolveOptions(options, field, table);
  checkVocabulary(options['vocabulary'], options['cardinality'], `${field}.vocabulary`);
}

function checkVocabulary(vocabulary: unknown, cardinality: unknown, field: string): void {
  if (vocabulary === undefined) return;
  checkArray(vocabulary, field, 'texts');
  if (vocabulary.length !== cardinality) {
    throw invalid(field, `has ${vocabulary.length} texts`, vocabulary, `${String(cardinality)}, as the cardinality`);
  }
  vocabulary.forEach((text, id) => {
    if (typeof text !== 'string') throw invalid(`${field}[${id}]`, 'not a text', text, 'a string');
  });
}
