/** The schemas of the bodies and answers of the service's operations. */
import { described, list, object } from './schema.js';
import type { Infer } from './schema.js';

/** The largest sizes of lists and ids in a request. */
export const LIMITS = {
  /** Bytes of a request body; imports are streams and have no limit. */
  body: 8 * 2 ** 20,
  items: 1000,
  interactions: 1000,
  batch: 1000,
  exclude: 10_000,
  count: 1000,
  /** Characters of an id, which databases index. */
  id: 512,
  /** Larger weights leave single precision when they are added up. */
  weight: 1e6,
} as const;

const id = { type: 'string', minLength: 1, maxLength: LIMITS.id, pattern: '^[^\\u0000\\ud800-\\udfff]+$' } as const;
const number = { type: 'number' } as const;
const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const nothing = { type: 'null' } as const;
const numberOrText = { anyOf: [text, number] } as const;
const features = described(
  {
    type: 'object',
    additionalProperties: {
      anyOf: [text, number, nothing, list(numberOrText, 10_000)],
    },
  },
  'Values by column: a text, a number, or a list of them; null for a missing value.',
);
const time = described({ anyOf: [number, text] }, 'Milliseconds since 1970, or a date in ISO 8601. Default: now.');

const own = {
  item: id,
  value: described(number, 'A rating, or 1 or 0. Default: 1, unless the model predicts ratings.'),
  weight: described(
    { type: 'number', minimum: 0, maximum: LIMITS.weight },
    'Weight of the interaction in the adaptation. Default: 1.',
  ),
  context: features,
} as const;
export const interaction = object(
  {
    user: id,
    ...own,
    time,
    event: described(id, "The sender's id of the interaction. Interactions with the same id are stored once."),
    recommendationId: described(id, 'Id of the recommendation that the interaction answers.'),
  },
  ['user', 'item'],
);

/** The person that a request is about. */
const who = {
  user: described(id, 'Id of the person, whose interactions and features in the state are used.'),
  interactions: described(
    list(object(own, ['item']), LIMITS.interactions),
    'Interactions to use for this request only, after those of the state. A session without an account needs nothing else.',
  ),
  features: described(
    features,
    'Features of the person for this request, which replace those of the same names in the state.',
  ),
} as const;

const condition = {
  anyOf: [
    text,
    list(text, LIMITS.items),
    object({ any: list(text, LIMITS.items), all: list(text, LIMITS.items), none: list(text, LIMITS.items) }),
    object({ min: number, max: number }),
  ],
} as const;
export const FALLBACKS = ['features', 'group', 'popular', 'prior'] as const;
const options = {
  count: { type: 'integer', minimum: 1, maximum: LIMITS.count },
  among: described(list(id, LIMITS.exclude), 'Rank only these items.'),
  exclude: described(list(id, LIMITS.exclude), 'Leave out these items.'),
  excludeSeen: described(flag, 'Leave out items that the person interacted with. Default: true.'),
  filter: described(
    { type: 'object', additionalProperties: condition },
    'Conditions by column that items must satisfy: a text, one of a list, { any, all, none }, or { min, max } for numbers.',
  ),
  boost: described(
    { type: 'object', additionalProperties: { type: 'object', additionalProperties: number } },
    'Numbers to add to the scores by which items are ranked, by column and value.',
  ),
  diversity: { type: 'number', minimum: 0, exclusiveMaximum: 1 },
  explore: described(
    { anyOf: [flag, object({ seed: { type: 'integer', minimum: 0 } }, ['seed'])] },
    'Rank by a draw from the posterior (solvers ridge and laplace).',
  ),
  minSupport: described({ type: 'integer', minimum: 0 }, 'The fewest training interactions that an item must have.'),
  columns: described(list(text, 100), 'Columns of the items to return.'),
  context: described(features, 'Features of the interactions that are predicted, if the model reads any.'),
  fallback: described(
    list({ type: 'string', enum: FALLBACKS }, FALLBACKS.length),
    "For people without interactions, the sources to try in order: the model with the person's features, popularity in their group, popularity among all, the model's prior.",
  ),
  uncertainty: described(flag, 'Return the standard deviation of each score (solvers ridge and laplace).'),
  explain: described(
    { type: 'integer', minimum: 0, maximum: 20 },
    'The number of interactions to return with each item as its reasons. Default: 0.',
  ),
} as const;

export const recommendBody = object({ ...who, ...options });
export const recommendManyBody = object({ people: list(object(who), LIMITS.batch, 1), ...options }, ['people']);
const why = list(object({ item: id, value: number, influence: number }, ['item', 'value', 'influence']), 20);
export const SOURCES = ['history', ...FALLBACKS] as const;
export const recommendation = object(
  {
    recommendationId: id,
    model: text,
    source: described({ type: 'string', enum: SOURCES }, 'The source that made the list.'),
    variants: described(
      { type: 'object', additionalProperties: text },
      "The person's variant in each experiment, by experiment.",
    ),
    items: list(
      object(
        {
          item: id,
          score: number,
          sd: described(number, 'Standard deviation of the score.'),
          columns: { type: 'object' },
          why,
        },
        ['item', 'score'],
      ),
      LIMITS.count,
    ),
    notes: list(text, 1000),
    milliseconds: described(number, 'Time that adapting and ranking took in the service.'),
  },
  ['recommendationId', 'model', 'source', 'variants', 'items', 'notes', 'milliseconds'],
);
export const recommendations = object({ recommendations: list(recommendation, LIMITS.batch) }, ['recommendations']);

export const predictBody = object({ ...who, items: list(id, LIMITS.items, 1), context: features, uncertainty: flag }, [
  'items',
]);
export const predictManyBody = object(
  { people: list(object(who), LIMITS.batch, 1), items: list(id, LIMITS.items, 1), context: features },
  ['people', 'items'],
);
const scores = list({ anyOf: [number, nothing] }, LIMITS.items);
export const prediction = object({ model: text, scores, sd: scores, unknown: list(id, LIMITS.items) }, [
  'model',
  'scores',
  'unknown',
]);
export const predictions = object(
  { model: text, scores: list(scores, LIMITS.batch), unknown: list(id, LIMITS.items) },
  ['model', 'scores', 'unknown'],
);

export const explainBody = object(
  { ...who, item: id, context: features, method: { type: 'string', enum: ['gradient', 'leaveOneOut'] } },
  ['item'],
);
export const explanation = object({ model: text, score: number, why: { ...why, maxItems: LIMITS.interactions } }, [
  'model',
  'score',
  'why',
]);

export const similarItems = object(
  { items: list(object({ item: id, similarity: number }, ['item', 'similarity']), LIMITS.count) },
  ['items'],
);
export const questionsBody = object({
  ...who,
  count: { type: 'integer', minimum: 1, maximum: 100 },
  columns: list(text, 100),
});
export const questions = object(
  {
    questions: list(
      object({ item: id, score: number, popularity: number, movement: number, columns: { type: 'object' } }, [
        'item',
        'score',
        'popularity',
        'movement',
      ]),
      100,
    ),
    answers: described(list(number, 2), 'The possible answers that were considered.'),
  },
  ['questions', 'answers'],
);

export const interactBody = object({ interactions: list(interaction, LIMITS.interactions, 1) }, ['interactions']);
export const interacted = object(
  {
    added: described(
      { type: 'integer' },
      'The number of new interactions; repeated ones, by their event, are not counted.',
    ),
    unknownItems: described(
      list(id, LIMITS.interactions),
      'Items that the model does not know. Their interactions are stored, and used when a model knows the items.',
    ),
  },
  ['added', 'unknownItems'],
);

const itemFields = {
  features,
  owner: described({ anyOf: [id, nothing] }, 'Id of the person who offers the item, to whom it is not recommended.'),
  hidden: flag,
} as const;
export const itemBody = object(itemFields);
export const item = object(
  {
    id,
    ...itemFields,
    columns: { type: 'object' },
    interactions: described({ type: 'integer' }, 'Interactions of the item in the training data.'),
  },
  ['id', 'hidden', 'columns'],
);
const userFields = { features, hidden: described(flag, 'Whether the person is served as an unknown one.') } as const;
export const userBody = object(userFields);
export const user = object({ id, ...userFields, interactions: list(interaction, 20_000) }, [
  'id',
  'features',
  'hidden',
  'interactions',
]);
export const forgotten = object({ interactions: { type: 'integer' } }, ['interactions']);
export const done = object({ ok: flag }, ['ok']);
export const importReport = object(
  {
    rows: { type: 'integer' },
    loaded: { type: 'integer' },
    refused: { type: 'integer' },
    errors: list(object({ line: { type: 'integer' }, message: text }, ['line', 'message']), 100),
  },
  ['rows', 'loaded', 'refused', 'errors'],
);
const comparison = object(
  { evidence: number, p: number, ratio: number, low: number, high: { anyOf: [number, nothing] }, isSignificant: flag },
  ['evidence', 'p', 'ratio', 'low', 'high', 'isSignificant'],
);
export const experiments = object(
  {
    experiments: list(
      object(
        {
          name: text,
          variants: list(
            object(
              { variant: text, people: { type: 'integer' }, converted: { type: 'integer' }, rate: number, comparison },
              ['variant', 'people', 'converted', 'rate'],
            ),
            100,
          ),
        },
        ['name', 'variants'],
      ),
      100,
    ),
  },
  ['experiments'],
);
export const given = object(
  {
    id,
    user: { anyOf: [id, nothing] },
    time: number,
    items: list(id, LIMITS.count),
    source: text,
    variants: { type: 'object', additionalProperties: text },
  },
  ['id', 'user', 'time', 'items', 'source', 'variants'],
);
export const health = object({ ok: flag, model: text, loaded: text, people: { type: 'integer' } }, ['ok', 'model']);
export const reloaded = object({ model: text, before: text }, ['model', 'before']);
export const failure = object(
  {
    error: object({ code: text, message: text, field: text, expected: text, requestId: text }, ['code', 'message']),
  },
  ['error'],
);

export type RecommendBody = Infer<typeof recommendBody>;
export type RecommendManyBody = Infer<typeof recommendManyBody>;
export type RecommendationAnswer = Infer<typeof recommendation>;
export type PredictBody = Infer<typeof predictBody>;
export type PredictManyBody = Infer<typeof predictManyBody>;
export type ExplainBody = Infer<typeof explainBody>;
export type QuestionsBody = Infer<typeof questionsBody>;
export type InteractBody = Infer<typeof interactBody>;
export type ItemBody = Infer<typeof itemBody>;
export type UserBody = Infer<typeof userBody>;
