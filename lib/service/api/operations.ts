/** Every operation of the service: its address, what it takes and what it answers. Routes, OpenAPI and the client follow from this. */
import type { Infer, Schema } from './schema.js';
import * as schemas from './schemas.js';

export interface Operation {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `{name}` for each parameter. */
  path: string;
  summary: string;
  body?: Schema;
  /** Texts by name. */
  query?: Readonly<Record<string, Schema>>;
  answer: Schema;
  /** Only where the service keeps state. */
  needsState?: true;
  /** Answers 404 where what it names is not there. */
  isFindable?: true;
  /** Neither limited nor timed: of the operator. */
  isOpen?: true;
  /** Answered without the token too. */
  isPublic?: true;
  /** Of the operator, not of those who ask for lists. */
  tag: 'recommendations' | 'data' | 'operation';
}

const digits = { type: 'string', pattern: '^[1-9]\\d{0,3}$' } as const;

export const OPERATIONS = {
  recommend: {
    method: 'POST',
    path: '/recommendations',
    summary: 'Adapts to somebody and ranks the catalog, in one call.',
    body: schemas.recommendBody,
    answer: schemas.recommendation,
    tag: 'recommendations',
  },
  recommendMany: {
    method: 'POST',
    path: '/recommendations/batch',
    summary: 'The same for many people.',
    body: schemas.recommendManyBody,
    answer: schemas.recommendations,
    tag: 'recommendations',
  },
  givenRecommendation: {
    method: 'GET',
    path: '/recommendations/{id}',
    summary: 'What was recommended under an id.',
    answer: schemas.given,
    isFindable: true,
    needsState: true,
    tag: 'recommendations',
  },
  predict: {
    method: 'POST',
    path: '/predictions',
    summary: 'Scores of items for somebody.',
    body: schemas.predictBody,
    answer: schemas.prediction,
    tag: 'recommendations',
  },
  predictMany: {
    method: 'POST',
    path: '/predictions/batch',
    summary: 'The same for many people.',
    body: schemas.predictManyBody,
    answer: schemas.predictions,
    tag: 'recommendations',
  },
  explain: {
    method: 'POST',
    path: '/explanations',
    summary: "Which interactions moved an item's score, and by how much.",
    body: schemas.explainBody,
    answer: schemas.explanation,
    isFindable: true,
    tag: 'recommendations',
  },
  similar: {
    method: 'GET',
    path: '/items/{id}/similar',
    summary: 'Items whose vectors are nearest.',
    query: { count: digits },
    answer: schemas.similarItems,
    isFindable: true,
    tag: 'recommendations',
  },
  questions: {
    method: 'POST',
    path: '/questions',
    summary: 'Items to ask somebody about first: whose answers would move the list most.',
    body: schemas.questionsBody,
    answer: schemas.questions,
    tag: 'recommendations',
  },
  interact: {
    method: 'POST',
    path: '/interactions',
    summary: 'Adds interactions. When it answers, they are on the disk and in the next list.',
    body: schemas.interactBody,
    answer: schemas.interacted,
    needsState: true,
    tag: 'data',
  },
  item: {
    method: 'GET',
    path: '/items/{id}',
    summary: 'An item.',
    answer: schemas.item,
    isFindable: true,
    tag: 'data',
  },
  putItem: {
    method: 'PUT',
    path: '/items/{id}',
    summary: 'Adds an item, changes it, hides it or shows it again, from the next list on.',
    body: schemas.itemBody,
    answer: schemas.done,
    needsState: true,
    tag: 'data',
  },
  user: {
    method: 'GET',
    path: '/users/{id}',
    summary: 'All that is kept of a person.',
    answer: schemas.user,
    needsState: true,
    tag: 'data',
  },
  putUser: {
    method: 'PUT',
    path: '/users/{id}',
    summary: 'Features of a person, or hides it.',
    body: schemas.userBody,
    answer: schemas.done,
    needsState: true,
    tag: 'data',
  },
  forget: {
    method: 'DELETE',
    path: '/users/{id}',
    summary: 'Deletes all that is kept of a person.',
    answer: schemas.forgotten,
    needsState: true,
    tag: 'data',
  },
  experiments: {
    method: 'GET',
    path: '/experiments',
    summary: 'What came of the experiments, by a test that may be looked at at any time.',
    answer: schemas.experiments,
    needsState: true,
    tag: 'operation',
  },
  reload: {
    method: 'POST',
    path: '/model/reload',
    summary: 'Reads the model file again; requests go on meanwhile.',
    answer: schemas.reloaded,
    isOpen: true,
    tag: 'operation',
  },
  health: {
    method: 'GET',
    path: '/health',
    summary: 'Whether the process answers, and with which model.',
    answer: schemas.health,
    isOpen: true,
    isPublic: true,
    tag: 'operation',
  },
  ready: {
    method: 'GET',
    path: '/ready',
    summary: 'Whether it should be sent requests: 503 while it ends.',
    answer: schemas.health,
    isOpen: true,
    isPublic: true,
    tag: 'operation',
  },
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;
type Get<N extends OperationName, K extends string> = (typeof OPERATIONS)[N] extends Record<K, infer V> ? V : never;
export type BodyOf<N extends OperationName> = [Get<N, 'body'>] extends [never] ? undefined : Infer<Get<N, 'body'>>;
export type AnswerOf<N extends OperationName> = Infer<Get<N, 'answer'>>;
export type HasId<N extends OperationName> = Get<N, 'path'> extends `${string}{id}${string}` ? true : false;
export const NAMES = Object.keys(OPERATIONS) as OperationName[];
