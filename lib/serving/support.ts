/** What is known of a user who is served, as a batch of the core. */
import { checkArray, checkNumber, checkObject, checkOneOf, invalid } from '../foundation/check.js';
import type { Dataset, FloatArray } from '../foundation/contract.js';
import { FLOAT32_MAX } from '../data/columns.js';
import { idsIn } from '../data/vocabulary.js';
import { lossOf } from '../model/losses.js';
import { SIDES } from '../batch/features.js';
import { checkGiven, contextNames, givenColumns } from '../batch/given-features.js';
import type { FeatureValues, OwnColumn } from '../batch/given-features.js';
import { negativesOfSupport, rankedRows, userBias } from '../batch/row-rules.js';
import { servedHistories } from '../batch/support-histories.js';
import type { Learner } from '../learner/learner.js';
import { checkedLabel } from './labels.js';
import type { PackedRows } from './packed-rows.js';

/** What is known of a new user. */
export interface Support {
  /** Item ids, as in the training data. */
  items: readonly (string | number)[];
  /** One label an item. */
  labels: ArrayLike<number>;
  /** Id of a known user, to use that user's features (and id, where the model has it). Default: an unknown user. */
  user?: string | number;
  /**
   * What becomes of ids that training did not have, as any history in production holds: `skip` (default) leaves those items out
   * and takes such a user for an unknown one, and the personal model reports both (`me.unknown`); `error` refuses them.
   */
  unknown?: 'skip' | 'error';
  /**
   * What is known of the user, by feature: in place of what the table has of `user`, or of someone who is new and whom only the
   * features tell.
   */
  features?: FeatureValues;
  /** Features of the interactions: one object an item, or one for all. See {@link GivenContext}. */
  context?: GivenContext;
  /**
   * Ratings outside of the range that training had: `error` (default) refuses them, `clip` takes the nearest within, `allow` takes
   * them as they are. (Losses with labels of their own, such as `bce`, refuse others anyway.)
   */
  outside?: 'error' | 'clip' | 'allow';
  /** Labels of auxiliary heads by their names, one an item, NaN where there is none. Default: none. */
  also?: Readonly<Record<string, ArrayLike<number>>>;
  /** Weight of each row in the losses, ≥ 0. Default: equal. */
  weights?: ArrayLike<number>;
}

/**
 * Features of interactions (price, place, season) by name: an object for every row, or one for all rows. Needed where the model
 * reads any; a feature that is left out, as all are of `{}`, is the model's default: the mean of training, or its most frequent
 * value. `null` is a value that is missing.
 */
export type GivenContext = FeatureValues | readonly FeatureValues[];

/** Ids of a support set that training did not have. */
export interface UnknownIds {
  /** Items that were left out, in the order given. */
  items: readonly string[];
  /** The user, where an id was given that is unknown. */
  user: string | undefined;
}

/** @internal */
export interface PackedSupport {
  packed: PackedRows;
  user: number;
  items: Int32Array;
  /** As given. */
  labels: Float64Array;
  /** b_u, where labels are centred on biases. */
  bias: number;
  unknown: UnknownIds;
  features: FeatureValues | undefined;
  context: Context | undefined;
  /** Labels of auxiliary heads and weights, where any were given, of the known items. */
  values?: RowValues;
}

/** @internal What was told of interactions, and for each row which entry is its own; 0: the first is that of all. */
export interface Context {
  rows: readonly FeatureValues[];
  of: Int32Array | 0;
  /** What they were given as, for messages. */
  field: string;
}

/** @internal @param count of the rows @throws {InnerloopError} INVALID_OPTION where the model reads features of interactions and none are given */
export function contextOf(
  learner: Learner,
  catalog: Dataset,
  given: GivenContext | undefined,
  count: number,
  field: string,
): Context | undefined {
  const bound = learner.bind(catalog);
  if (given === undefined) {
    const names = contextNames(bound);
    if (names.length === 0 || count === 0) return undefined;
    throw invalid(
      field,
      `missing: the model reads ${names.join(', ')} of interactions`,
      given,
      `context: { ${names.join(', ')} } for all rows or one object a row; {} for the defaults of training`,
    );
  }
  if (!Array.isArray(given)) {
    checkGiven(bound, SIDES.interactions, given, field);
    return { rows: [given as FeatureValues], of: 0, field };
  }
  const rows = given as readonly FeatureValues[];
  if (rows.length !== count) throw invalid(field, 'not one object a row', given, `${count} objects, or one for all`);
  rows.forEach((row, r) => checkGiven(bound, SIDES.interactions, row, `${field}[${r}]`));
  return { rows, of: Int32Array.from(rows.keys()), field };
}

/** @internal */
export function packSupport(learner: Learner, catalog: Dataset, support: Support): PackedSupport {
  checkObject(support, 'support', [
    'items',
    'labels',
    'user',
    'unknown',
    'features',
    'context',
    'outside',
    'also',
    'weights',
  ]);
  const { user: id, unknown: rule = 'skip', features, outside = 'error' } = support;
  checkOneOf(rule, 'support.unknown', ['skip', 'error']);
  checkOneOf(outside, 'support.outside', ['error', 'clip', 'allow']);
  if (features !== undefined) checkGiven(learner.bind(catalog), SIDES.users, features, 'support.features');
  const unknownItems: string[] = [];
  const skip = rule === 'skip' ? unknownItems : undefined;
  checkArray(support.items, 'support.items', 'item ids');
  const all = itemRows(catalog, support.items, 'support.items', skip);
  if (support.labels?.length !== all.length) {
    throw invalid('support.labels', 'not one label an item', support.labels, `${all.length} labels`);
  }
  const labels = new Float64Array(all.length);
  for (let i = 0; i < all.length; i++)
    labels[i] = checkedLabel(learner, support.labels[i], outside, `support.labels[${i}]`);
  const told = contextOf(learner, catalog, support.context, all.length, 'support.context');
  const isKnown = (_: number, i: number) => all[i] > 0;
  const [items, given] = unknownItems.length === 0 ? [all, labels] : [all.filter(isKnown), labels.filter(isKnown)];
  if (id !== undefined) checkId(id, 'support.user');
  // A model that reads nothing of users is saved without them: it knows none, and none is unknown to it.
  const isAsked = id !== undefined && readsUsers(learner);
  const user = isAsked ? catalog.users.keys.idOf(String(id)) : 0;
  const isUnknownUser = isAsked && user === 0;
  if (isUnknownUser && rule === 'error') throw invalid('support.user', 'no such user', id, 'a user of the catalog');
  const values = rowValues(learner, support, all.length, isKnown);
  const rows = labelledRows(learner, catalog, items, given, values);
  const begin = Int32Array.of(0, rows.items.length, rows.items.length);
  const context = told && { ...told, of: told.of === 0 ? told.of : told.of.filter(isKnown) };
  const hasValues = support.also !== undefined || support.weights !== undefined;
  const known = { user, items, labels: given, features, context, ...(hasValues && { values }) };
  // What was drawn for an interaction is in its context.
  const own = context && { ...context, of: context.of === 0 ? context.of : at(context.of, rows.places) };
  return {
    packed: packRows(learner, catalog, known, rows.items, begin, own, rows),
    ...known,
    bias: rows.bias,
    unknown: { items: unknownItems, user: isUnknownUser ? String(id) : undefined },
  };
}

/** Whether the model reads anything of users: their ids, or a column of theirs. */
export function readsUsers({ model, catalog }: Learner): boolean {
  const columns = catalog?.users.columns.map(({ name }) => name) ?? [];
  return model.spec.inputs.some(({ name }) => name === 'user' || columns.includes(name));
}

function rowValues(
  { model }: Learner,
  { also, weights }: RowValues,
  count: number,
  isKnown: (_: number, i: number) => boolean,
): RowValues {
  const column = (values: ArrayLike<number> | undefined, field: string, check: (x: unknown, field: string) => void) => {
    if (values?.length !== count) throw invalid(field, 'not one number an item', values, `${count} numbers`);
    const numbers = Array.from(values);
    numbers.forEach((x, i) => check(x, `${field}[${i}]`));
    return numbers.filter(isKnown);
  };
  const most = model.precision === 'float32' ? FLOAT32_MAX : Infinity;
  const heads = model.spec.head.also ?? [];
  const names = heads.map(({ name }) => name);
  if (also !== undefined) checkObject(also, 'support.also', names);
  const labelled = heads
    .filter(({ name }) => also?.[name] !== undefined)
    .map((head): [string, number[]] => [
      head.name,
      column(also![head.name], `support.also.${head.name}`, (y, field) => {
        if (Number.isNaN(y) || (typeof y === 'number' && Number.isFinite(y) && lossOf(head).fits(y, head))) return;
        throw invalid(field, `not a label for ${head.loss}`, y, `${lossOf(head).labels(head)}, or NaN`);
      }),
    ]);
  return {
    also: Object.fromEntries(labelled),
    ...(weights && { weights: column(weights, 'support.weights', (w, field) => checkNumber(w, field, 0, most)) }),
  };
}

const at = (values: Int32Array, places: Int32Array) => places.map((place) => values[place]);

/** @internal What is told of each row beside its label: labels of auxiliary heads, weights in the losses. */
export type RowValues = Pick<Support, 'also' | 'weights'>;

/** The support set as it enters the losses: labels centred, negatives drawn, auxiliary labels missing where none are given. */
function labelledRows(
  learner: Learner,
  catalog: Dataset,
  items: Int32Array,
  given: Float64Array,
  { also = {}, weights }: RowValues,
) {
  const context = learner.rows(catalog);
  const { state, candidates } = context;
  const bias = userBias(context, items, given);
  let [rows, labels] = [items, given];
  let places = Int32Array.from(items.keys());
  const { head } = learner.model.spec;
  if (lossOf(head).ranks === true) checkLikes(given, candidates.length > 0, head.loss);
  if (candidates.length > 0) {
    const emitted: [place: number, item: number, label: number][] = [];
    const stream = negativesOfSupport(context, catalog, items);
    rankedRows(context, items, given, new Set(items), stream, (...row) => emitted.push(row));
    places = Int32Array.from(emitted, ([place]) => place);
    rows = Int32Array.from(emitted, ([, item]) => item);
    labels = Float64Array.from(emitted, ([, , label]) => label);
  }
  const heads = head.also ?? [];
  const width = 1 + heads.length;
  const all = learner.model.floats(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    all[i * width] = labels[i] - state.mean - (state.itemBias === undefined ? 0 : state.itemBias[rows[i]] + bias);
    heads.forEach(({ name }, h) => (all[i * width + 1 + h] = also[name]?.[places[i]] ?? NaN));
  }
  const rowWeights = weights && learner.model.floats(Array.from(places, (place) => weights[place]));
  return { items: rows, labels: all, rowWeights, bias, places };
}

/** A pairwise loss learns nothing from a dislike that no liked item stands beside: better said than left out. */
function checkLikes(labels: Float64Array, drawn: boolean, loss: string): void {
  if (labels.length === 0 || (drawn ? labels.includes(1) : labels[0] === 1)) return;
  throw invalid(
    'support.labels',
    `${loss} ranks items with label 1 above others`,
    Array.from(labels),
    drawn ? 'at least one label 1' : 'a label 1 before those that it is to be ranked above',
  );
}

/** @internal What is known of a user, which a history is made of. */
export type Known = Pick<PackedSupport, 'user' | 'items' | 'labels' | 'features'>;

/**
 * @internal Rows of a single user.
 * @param begin as in NativeRows
 * @param context of the rows
 * @param labelled of support rows; `places`: in the support; without, the rows come after it
 */
export function packRows(
  learner: Learner,
  catalog: Dataset,
  known: Known,
  items: Int32Array,
  begin: Int32Array,
  context: Context | undefined,
  { labels, rowWeights, places }: { labels?: FloatArray; rowWeights?: FloatArray; places?: Int32Array } = {},
): PackedRows {
  const { user, features } = known;
  const bound = learner.bind(catalog);
  const { frame, sequences } = bound;
  const sides: (Int32Array | number)[] = [];
  sides[SIDES.users] = user;
  sides[SIDES.items] = items;
  sides[SIDES.interactions] = 0;
  sides[SIDES.userId] = user;
  sides[SIDES.itemId] = items;
  const histories = servedHistories(sequences, known.items, known.labels, sides.length, places);
  const { model } = learner;
  sides.push(...histories.sides);
  const overrides: OwnColumn[] = [...histories.overrides];
  const add = (columns: OwnColumn[], rows: Int32Array | 0) => {
    overrides.push(...columns);
    for (const _ of columns) sides.push(rows);
  };
  if (features !== undefined)
    add(
      givenColumns(model, bound, SIDES.users, [features], user, sides.length, () => 'support.features'),
      0,
    );
  if (context !== undefined) {
    const field = (row: number) => (context.of === 0 ? context.field : `${context.field}[${row}]`);
    add(givenColumns(model, bound, SIDES.interactions, context.rows, 0, sides.length, field), context.of);
  }
  return { frame, rows: { begin, sides, overrides, labels, rowWeights } };
}

/**
 * @internal Catalog rows of items by id.
 * @param unknown takes the ids that the catalog lacks, whose rows are 0; undefined: they are refused
 */
export function itemRows(
  catalog: Dataset,
  ids: readonly (string | number)[],
  field: string,
  unknown?: string[],
): Int32Array {
  const rows = rowsInCatalog(catalog, ids);
  for (let i = 0; i < rows.length; i++) {
    if (rows[i] > 0) continue;
    const id = ids[i];
    checkId(id, `${field}[${i}]`);
    // No search for the nearest id: over a large catalog it takes longer than all else of a request.
    if (unknown === undefined) throw unknownItem(id, `${field}[${i}]`);
    unknown.push(String(id));
  }
  return rows;
}

/** @internal Catalog row of one item. */
export function itemRow(catalog: Dataset, id: string | number, field: string): number {
  checkId(id, field);
  const row = catalog.items.keys.idOf(String(id));
  if (row === 0) throw unknownItem(id, field);
  return row;
}

/** @internal */
export const unknownItem = (id: unknown, field: string) => {
  const remedy = field.startsWith('options.among') ? "; options.unknown: 'skip' leaves out what the catalog lacks" : '';
  return invalid(field, 'no such item in the catalog', id, `an item id of the training data${remedy}`);
};

/** Of shorter lists it is quicker to look all up than to see whether they are in catalog order. */
const LONG = 64;

/** @internal Rows of items by id; 0 for ids that the catalog lacks, and for what is no id. */
export function rowsInCatalog({ items: { keys } }: Dataset, ids: readonly unknown[]): Int32Array {
  // Ids in catalog order, such as those of the whole catalog, need no look-up.
  let run = 0;
  if (ids.length >= LONG && typeof ids[0] === 'string') {
    const first = keys.idOf(ids[0]);
    while (first > 0 && run < ids.length && ids[run] === keys.values[first + run]) run++;
    if (run === ids.length) return Int32Array.from({ length: run }, (_, i) => first + i);
  }
  return idsIn(keys, idTexts(ids));
}

/** @internal Ids as texts; what is no id is empty. */
export function idTexts(ids: readonly unknown[]): readonly string[] {
  let isText = true;
  for (let i = 0; i < ids.length; i++) isText &&= typeof ids[i] === 'string';
  return isText ? (ids as readonly string[]) : Array.from(ids, textOf);
}

const textOf = (id: unknown): string =>
  typeof id === 'string' || (typeof id === 'number' && Number.isFinite(id)) ? String(id) : '';

/** What is no id at all is a mistake of the caller, whatever becomes of ids that are unknown. @internal */
export function checkId(id: unknown, field: string): asserts id is string | number {
  if ((typeof id === 'string' && id !== '') || (typeof id === 'number' && Number.isFinite(id))) return;
  throw invalid(field, 'not an id', id, 'a non-empty string or a number');
}
