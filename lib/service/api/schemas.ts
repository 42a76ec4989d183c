/** Bodies and answers of the service's operations. */
import { described, list, object } from './schema.js';
import type { Infer } from './schema.js';

/** The most that one request may ask for or bring. */
export const LIMITS = {
  items: 1000,
  interactions: 1000,
  batch: 1000,
  exclude: 10_000,
  count: 1000,
  /** Characters of an id, which is a key of every table. */
  id: 512,
} as const;

const id = { type: 'string', minLength: 1, maxLength: LIMITS.id, pattern: '^[^\\u0000]+$' } as const;
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
  'Values by column: a text or number, a list of them, null for a value that is missing.',
);
const time = described(
  { anyOf: [number, text] },
  'Milliseconds since 1970, or a date as ISO 8601 writes it. Default: now.',
);

const own = {
  item: id,
  value: described(number, 'A rating, or 1 and 0. Default: 1 where the model is of clicks.'),
  weight: described({ type: 'number', minimum: 0 }, 'In the adaptation. Default: 1.'),
  context: features,
} as const;
export const interaction = object(
  {
    user: id,
    ...own,
    time,
    event: described(id, "The sender's name of the interaction: the same one counts once."),
    recommendationId: described(id, 'The recommendation that this answers.'),
  },
  ['user', 'item'],
);

/** Who is asked for. */
const who = {
  user: described(id, 'With the interactions and features that the state has.'),
  interactions: described(
    list(object(own, ['item']), LIMITS.interactions),
    'Of this request alone, after those of the state: a session without an account needs nothing else.',
  ),
  features: described(features, 'Of the person, in place of those that are known.'),
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
  among: described(list(id, LIMITS.exclude), 'Only these items.'),
  exclude: described(list(id, LIMITS.exclude), 'Not these items.'),
  excludeSeen: described(flag, 'Leave out what the person interacted with. Default: true.'),
  filter: described(
    { type: 'object', additionalProperties: condition },
    'Only items whose columns satisfy this: a text, one of several, { any, all, none }, or { min, max } of a number.',
  ),
  boost: described(
    { type: 'object', additionalProperties: { type: 'object', additionalProperties: number } },
    'Added to the rank of items, by column and value.',
  ),
  diversity: { type: 'number', minimum: 0, exclusiveMaximum: 1 },
  explore: described(
    { anyOf: [flag, object({ seed: { type: 'integer', minimum: 0 } }, ['seed'])] },
    'Rank by a draw from the posterior (ridge, laplace).',
  ),
  minSupport: described({ type: 'integer', minimum: 0 }, 'Training interactions that an item must have.'),
  columns: described(list(text, 100), 'Columns of the items to return.'),
  context: described(features, 'Features of the interactions that are recommended, where the model reads any.'),
  fallback: described(
    list({ type: 'string', enum: FALLBACKS }, FALLBACKS.length),
    "For people without interactions, the first that can say something: the model by their features, what is popular in their group, what is popular, the model's prior.",
  ),
  uncertainty: described(flag, 'Return a standard deviation of each score (ridge, laplace).'),
  explain: described(
    { type: 'integer', minimum: 0, maximum: 20 },
    'Interactions to name for each item as its reasons. Default: 0.',
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
    source: described({ type: 'string', enum: SOURCES }, 'What the list is made by.'),
    variants: described(
      { type: 'object', additionalProperties: text },
      'Of each experiment, the variant of the person.',
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
    milliseconds: described(number, 'What adapting and ranking took in the service.'),
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
    answers: described(list(number, 2), 'The answers that were thought of.'),
  },
  ['questions', 'answers'],
);

export const interactBody = object({ interactions: list(interaction, LIMITS.interactions, 1) }, ['interactions']);
export const interacted = object(
  {
    added: described({ type: 'integer' }, 'Those that were there already, by their event, are not counted.'),
    unknownItems: described(list(id, LIMITS.interactions), 'Kept, and used once the model knows them.'),
  },
  ['added', 'unknownItems'],
);

const itemFields = {
  features,
  owner: described({ anyOf: [id, nothing] }, 'Who offers it, and is not recommended it.'),
  hidden: flag,
} as const;
export const itemBody = object(itemFields);
export const item = object(
  { id, ...itemFields, columns: { type: 'object' }, interactions: described({ type: 'integer' }, 'Of the training.') },
  ['id', 'hidden', 'columns'],
);
const userFields = { features, hidden: described(flag, 'Served as somebody of whom nothing is known.') } as const;
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
