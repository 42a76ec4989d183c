/** Options of the baselines. */
import { checkArray, unknownName } from '../foundation/check.js';
import { signalOption } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';

const PENALTY = { kind: 'number', min: 0 } as const;
const BIAS_SEARCH = { log: [0.5, 50] } as const;
const POSITIVE_OPTIONS = {
  minLabel: {
    kind: 'number',
    defaultDoc:
      'every label above 0, so that a click that did not happen (0) and a film not yet rated (−1) do not count, and every rating does',
    doc: 'A row counts as an interaction if its label is at least this.',
  },
} as const satisfies OptionTable;

/** By the names of the baselines; those that have no options have nothing to search. */
export const OPTIONS_OF = {
  globalMean: {},
  itemMean: {
    shrinkage: {
      ...PENALTY,
      default: 5,
      search: BIAS_SEARCH,
      doc: 'λ: the number of interactions at the global mean that each item is given.',
    },
  },
  popularity: {},
  userItemBias: {
    itemRegularization: { ...PENALTY, default: 5, search: BIAS_SEARCH, doc: 'Ridge λ on item biases.' },
    userRegularization: {
      ...PENALTY,
      default: 5,
      search: BIAS_SEARCH,
      doc: 'Ridge λ on user biases, in training and for a task.',
    },
    sweeps: { kind: 'integer', min: 1, default: 15, doc: 'Alternating sweeps over users and items.' },
  },
  alsFoldIn: {
    factors: {
      kind: 'integer',
      min: 1,
      max: 1024,
      default: 16,
      search: { of: [4, 8, 16, 32] },
      doc: 'Latent factors.',
    },
    regularization: {
      ...PENALTY,
      default: 0.08,
      search: { log: [0.01, 1] },
      doc: 'λ on factors, for each interaction of the user or item: the penalty is λ n |p|² (ALS-WR).',
    },
    biasRegularization: { ...PENALTY, default: 3, search: BIAS_SEARCH, doc: 'λ on biases, per user or item.' },
    sweeps: {
      kind: 'integer',
      min: 1,
      default: 10,
      search: { of: [5, 10, 20] },
      doc: 'Alternating sweeps over items and users.',
    },
    seed: { kind: 'integer', min: 0, default: 1, doc: 'Of the initial user factors.' },
  },
  contentRidge: {
    regularization: { ...PENALTY, default: 150, search: { log: [10, 1000] }, doc: 'λ on the content weights.' },
    shrinkage: {
      kind: 'number',
      above: 0,
      default: 5,
      search: BIAS_SEARCH,
      doc: 'κ: how many interactions weigh as much as the content when an item’s bias is estimated from both, and where further interactions of an item stop adding weight to the content regression.',
    },
    userRegularization: { ...PENALTY, default: 5, search: BIAS_SEARCH, doc: 'λ on a task’s intercept.' },
    tasteRegularization: {
      ...PENALTY,
      default: 20,
      search: { log: [2, 200] },
      doc: 'λ on a task’s taste for each value of the taste column.',
    },
    tasteColumn: {
      kind: 'text',
      defaultDoc: 'the one of the smallest vocabulary',
      doc: 'Item bag column whose values a user likes or dislikes (genres).',
    },
  },
  itemKnn: {
    neighbours: {
      kind: 'integer',
      min: 1,
      default: 100,
      search: { of: [20, 50, 100, 200, 500] },
      doc: 'Neighbours kept of each item.',
    },
    shrinkage: {
      ...PENALTY,
      default: 10,
      search: { log: [1, 100] },
      doc: 'h, added to the norm: items that few users had are less similar to anything.',
    },
    ...POSITIVE_OPTIONS,
  },
  ease: {
    regularization: {
      kind: 'number',
      above: 0,
      default: 100,
      search: { log: [5, 2000] },
      doc: 'λ on the item-to-item weights; sparse data want less, long histories more.',
    },
    memory: { ...PENALTY, defaultDoc: 'what is available', doc: 'Bytes that the matrices may take.' },
    ...POSITIVE_OPTIONS,
  },
} as const satisfies Readonly<Record<string, OptionTable>>;

export type BaselineName = keyof typeof OPTIONS_OF;
export const BASELINES = Object.keys(OPTIONS_OF) as readonly BaselineName[];

const optionsOf = <Name extends BaselineName, Type extends string>(name: Name, named: Type) =>
  ({
    kind: 'object',
    fields: OPTIONS_OF[name],
    named,
    doc: `How \`${name}\` is fitted.`,
  }) as const;

/** How each baseline that has options is fitted. @internal */
export const FIT_OF = {
  itemMean: optionsOf('itemMean', 'ItemMeanOptions'),
  userItemBias: optionsOf('userItemBias', 'UserItemBiasOptions'),
  alsFoldIn: optionsOf('alsFoldIn', 'AlsFoldInOptions'),
  contentRidge: optionsOf('contentRidge', 'ContentRidgeOptions'),
  itemKnn: optionsOf('itemKnn', 'ItemKnnOptions'),
  ease: optionsOf('ease', 'EaseOptions'),
} as const satisfies OptionTable;

/** @internal */
export const BASELINE_OPTIONS = {
  include: {
    kind: 'list',
    of: { kind: 'choice', of: BASELINES },
    what: 'names of baselines',
    isReadonly: true,
    check: checkNames,
    defaultDoc:
      'of ratings all but `itemKnn` and `ease`; where every label is the same, `popularity`, `itemKnn`, `ease`',
    doc: 'Which baselines, in this order.',
  },
  ...FIT_OF,
  signal: signalOption('Stops between baselines and between the steps of a long fit.'),
} as const satisfies OptionTable;

function checkNames(value: unknown, field: string): void {
  checkArray(value, field, 'names');
  for (const name of value)
    if (!BASELINES.some((known) => known === name))
      throw unknownName(field, 'no such baseline', name as string, BASELINES);
}
