/** All operations of the service with their paths, bodies and answers, from which routes, OpenAPI document and client are made. */
import type { Infer, Schema } from './schema.js';
import * as schemas from './schemas.js';

/** One operation of the service. */
export interface Operation {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path of the URL, with `{name}` for each parameter. */
  path: string;
  summary: string;
  /** JSON Schema of the request body; operations without one take no body. */
  body?: Schema;
  /** Schemas of the query parameters by name; each is a text. */
  query?: Readonly<Record<string, Schema>>;
  /** JSON Schema of the answer. */
  answer: Schema;
  /** Whether the operation exists only if the service keeps a state. */
  needsState?: true;
  /** Whether it answers 404 for an id that does not exist. */
  isFindable?: true;
  /** Whether it is exempt from the limit of concurrent requests and from the time-out. */
  isOpen?: true;
  /** Whether it is answered without the token. */
  isPublic?: true;
  /** The group in the OpenAPI document; `operation` is for those who run the service. */
  tag: 'recommendations' | 'data' | 'operation';
}

/** A count from 1 to 9999 as a query parameter. */
const digits = { type: 'string', pattern: '^[1-9]\\d{0,3}$' } as const;

/** All operations of the service by name: method, path, parameters, and the schemas of request and answer. */
export const OPERATIONS = {
  recommend: {
    method: 'POST',
    path: '/recommendations',
    summary: 'Adapts the model to a person and ranks the catalog, in one call.',
    body: schemas.recommendBody,
    answer: schemas.recommendation,
    tag: 'recommendations',
  },
  recommendMany: {
    method: 'POST',
    path: '/recommendations/batch',
    summary: 'Ranks the catalog for each of many people.',
    body: schemas.recommendManyBody,
    answer: schemas.recommendations,
    tag: 'recommendations',
  },
  givenRecommendation: {
    method: 'GET',
    path: '/recommendations/{id}',
    summary: 'Returns a recommendation that was given before, by its id.',
    answer: schemas.given,
    isFindable: true,
    needsState: true,
    tag: 'recommendations',
  },
  predict: {
    method: 'POST',
    path: '/predictions',
    summary: 'Returns scores of items for a person.',
    body: schemas.predictBody,
    answer: schemas.prediction,
    tag: 'recommendations',
  },
  predictMany: {
    method: 'POST',
    path: '/predictions/batch',
    summary: 'Returns scores of items for each of many people.',
    body: schemas.predictManyBody,
    answer: schemas.predictions,
    tag: 'recommendations',
  },
  explain: {
    method: 'POST',
    path: '/explanations',
    summary: "Returns which interactions influence an item's score, and by how much.",
    body: schemas.explainBody,
    answer: schemas.explanation,
    isFindable: true,
    tag: 'recommendations',
  },
  similar: {
    method: 'GET',
    path: '/items/{id}/similar',
    summary: 'Returns the items whose vectors are nearest to that of an item.',
    query: { count: digits },
    answer: schemas.similarItems,
    isFindable: true,
    tag: 'recommendations',
  },
  questions: {
    method: 'POST',
    path: '/questions',
    summary: "Returns items to ask a new person about: those whose answers would change the person's scores most.",
    body: schemas.questionsBody,
    answer: schemas.questions,
    tag: 'recommendations',
  },
  interact: {
    method: 'POST',
    path: '/interactions',
    summary: 'Adds interactions. When it answers, they are on disk, and the next list takes them into account.',
    body: schemas.interactBody,
    answer: schemas.interacted,
    needsState: true,
    tag: 'data',
  },
  item: {
    method: 'GET',
    path: '/items/{id}',
    summary: 'Returns an item.',
    answer: schemas.item,
    isFindable: true,
    tag: 'data',
  },
  putItem: {
    method: 'PUT',
    path: '/items/{id}',
    summary: 'Adds or changes an item, hides it or shows it again, from the next list on.',
    body: schemas.itemBody,
    answer: schemas.done,
    needsState: true,
    tag: 'data',
  },
  user: {
    method: 'GET',
    path: '/users/{id}',
    summary: 'Returns everything that the state holds about a person.',
    answer: schemas.user,
    needsState: true,
    tag: 'data',
  },
  putUser: {
    method: 'PUT',
    path: '/users/{id}',
    summary: 'Sets the features of a person, hides the person or shows them again.',
    body: schemas.userBody,
    answer: schemas.done,
    needsState: true,
    tag: 'data',
  },
  forget: {
    method: 'DELETE',
    path: '/users/{id}',
    summary: 'Deletes everything that the state holds about a person.',
    answer: schemas.forgotten,
    needsState: true,
    tag: 'data',
  },
  experiments: {
    method: 'GET',
    path: '/experiments',
    summary: 'Returns the results of the experiments, by a sequential test that is valid at any time.',
    answer: schemas.experiments,
    needsState: true,
    tag: 'operation',
  },
  reload: {
    method: 'POST',
    path: '/model/reload',
    summary: 'Reads the model file again, while requests go on.',
    answer: schemas.reloaded,
    isOpen: true,
    tag: 'operation',
  },
  health: {
    method: 'GET',
    path: '/health',
    summary: 'Says that the process is alive, and which model it serves.',
    answer: schemas.health,
    isOpen: true,
    isPublic: true,
    tag: 'operation',
  },
  ready: {
    method: 'GET',
    path: '/ready',
    summary: 'Says whether the service accepts requests; it answers 503 while it is ending.',
    answer: schemas.health,
    isOpen: true,
    isPublic: true,
    tag: 'operation',
  },
} as const satisfies Record<string, Operation>;

/** The name of an operation. */
export type OperationName = keyof typeof OPERATIONS;
type Get<N extends OperationName, K extends string> = (typeof OPERATIONS)[N] extends Record<K, infer V> ? V : never;
/** The body that an operation takes; undefined if it takes none. */
export type BodyOf<N extends OperationName> = [Get<N, 'body'>] extends [never] ? undefined : Infer<Get<N, 'body'>>;
/** What an operation answers. */
export type AnswerOf<N extends OperationName> = Infer<Get<N, 'answer'>>;
export type HasId<N extends OperationName> = Get<N, 'path'> extends `${string}{id}${string}` ? true : false;
export const NAMES = Object.keys(OPERATIONS) as OperationName[];
