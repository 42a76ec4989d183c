/** What is known of a user who is served, as a batch of the core. */
import { nativeError } from '../foundation/addon.js';
import type { NativeBatch } from '../foundation/addon.js';
import { checkArray, checkObject, checkOneOf, invalid } from '../foundation/check.js';
import type { Dataset, FloatArray } from '../foundation/contract.js';
import { random } from '../foundation/random.js';
import { lossOf } from '../model/losses.js';
import { SIDES } from '../batch/features.js';
import { drawNegatives, userBias } from '../batch/rows.js';
import { servedHistories } from '../batch/support-histories.js';
import type { Learner } from '../learner/learner.js';

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
}

/** Ids of a support set that training did not have. */
export interface UnknownIds {
  /** Items that were left out, in the order given. */
  items: readonly string[];
  /** The user, where an id was given that is unknown. */
  user: string | undefined;
}

/** @internal */
export interface PackedSupport {
  batch: NativeBatch;
  user: number;
  items: Int32Array;
  /** As given. */
  labels: Float64Array;
  /** b_u, where labels are centred on biases. */
  bias: number;
  unknown: UnknownIds;
}

/** @internal */
export function packSupport(learner: Learner, catalog: Dataset, support: Support): PackedSupport {
  checkObject(support, 'support', ['items', 'labels', 'user', 'unknown']);
  const { user: id, unknown: rule = 'skip' } = support;
  checkOneOf(rule, 'support.unknown', ['skip', 'error']);
  const unknownItems: string[] = [];
  const skip = rule === 'skip' ? unknownItems : undefined;
  checkArray(support.items, 'support.items', 'item ids');
  const all = itemRows(catalog, support.items, 'support.items', skip);
  const { head } = learner.model.spec;
  if (support.labels?.length !== all.length) {
    throw invalid('support.labels', 'not one label an item', support.labels, `${all.length} labels`);
  }
  const labels = new Float64Array(all.length);
  for (let i = 0; i < all.length; i++) {
    const y = support.labels[i];
    if (typeof y !== 'number' || !Number.isFinite(y) || !lossOf(head).fits(y, head)) {
      throw invalid(
        `support.labels[${i}]`,
        `not a label for ${head.loss}`,
        y,
        `${lossOf(head).labels(head)}, as in the training data`,
      );
    }
    labels[i] = y;
  }
  const isKnown = (_: number, i: number) => all[i] > 0;
  const [items, given] = unknownItems.length === 0 ? [all, labels] : [all.filter(isKnown), labels.filter(isKnown)];
  if (id !== undefined) checkId(id, 'support.user');
  // A model that reads nothing of users is saved without them: it knows none, and none is unknown to it.
  const isAsked = id !== undefined && readsUsers(learner);
  const user = isAsked ? catalog.users.keys.idOf(String(id)) : 0;
  const isUnknownUser = isAsked && user === 0;
  if (isUnknownUser && rule === 'error') throw invalid('support.user', 'no such user', id, 'a user of the catalog');
  const rows = labelledRows(learner, catalog, items, given);
  const begin = Int32Array.of(0, rows.items.length, rows.items.length);
  const known = { user, items, labels: given };
  return {
    batch: packRows(learner, catalog, known, rows.items, begin, rows.labels, rows.places),
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

/** The support set as it enters the losses: labels centred, negatives drawn, auxiliary labels missing. */
function labelledRows(learner: Learner, catalog: Dataset, items: Int32Array, given: Float64Array) {
  const context = learner.rows(catalog);
  const { rules, state, candidates, seed } = context;
  const bias = userBias(context, items, given);
  let [rows, labels] = [items, given];
  let places = Int32Array.from(items.keys());
  if (candidates.length > 0) {
    const stream = random(seed, 'negatives.serving');
    const held = new Set(items);
    rows = new Int32Array(items.length * (1 + rules.negatives));
    labels = new Float64Array(rows.length);
    places = new Int32Array(rows.length);
    let n = 0;
    items.forEach((item, i) => {
      if (given[i] !== 1) return;
      const first = n;
      rows[n] = item;
      labels[n++] = 1;
      n += drawNegatives(context, rules.negatives, held, stream, rows, n);
      places.fill(i, first, n);
    });
    [rows, labels, places] = [rows.subarray(0, n), labels.subarray(0, n), places.subarray(0, n)];
  }
  const width = 1 + (learner.model.spec.head.also?.length ?? 0);
  const all = learner.model.floats(rows.length * width);
  if (width > 1) all.fill(NaN);
  for (let i = 0; i < rows.length; i++)
    all[i * width] = labels[i] - state.mean - (state.itemBias === undefined ? 0 : state.itemBias[rows[i]] + bias);
  return { items: rows, labels: all, bias, places };
}

/** @internal What is known of a user, which a history is made of. */
export type Known = Pick<PackedSupport, 'user' | 'items' | 'labels'>;

/** @internal Rows of a single user. @param begin as in NativeRows @param places in the support; undefined: the rows come after it */
export function packRows(
  learner: Learner,
  catalog: Dataset,
  known: Known,
  items: Int32Array,
  begin: Int32Array,
  labels?: FloatArray,
  places?: Int32Array,
): NativeBatch {
  const { user } = known;
  const { frame, sequences } = learner.bind(catalog);
  const sides: (Int32Array | number)[] = [];
  sides[SIDES.users] = user;
  sides[SIDES.items] = items;
  sides[SIDES.interactions] = 0;
  sides[SIDES.userId] = user;
  sides[SIDES.itemId] = items;
  const histories = servedHistories(sequences, known.items, known.labels, sides.length, places);
  const { model } = learner;
  try {
    return model.ops.createBatch(model.native, frame, {
      begin,
      sides: [...sides, ...histories.sides],
      own: histories.own,
      labels,
    });
  } catch (error) {
    throw nativeError(error);
  }
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
  const { keys } = catalog.items;
  const { values } = keys;
  const rows = new Int32Array(ids.length);
  let next = 1;
  // A loop: `Int32Array.from` with a callback takes five times as long, and a catalog is long.
  for (let i = 0; i < rows.length; i++) {
    const id = ids[i];
    // Ids in catalog order, such as those of the whole catalog, need no look-up.
    const row = typeof id === 'string' && id === values[next] ? next : keys.idOf(String(id));
    next = row + 1;
    if (row > 0) {
      rows[i] = row;
      continue;
    }
    checkId(id, `${field}[${i}]`);
    // No search for the nearest id: over a large catalog it takes longer than all else of a request.
    if (unknown === undefined)
      throw invalid(`${field}[${i}]`, 'no such item in the catalog', id, 'an item id of the training data');
    unknown.push(String(id));
  }
  return rows;
}

/** What is no id at all is a mistake of the caller, whatever becomes of ids that are unknown. */
function checkId(id: unknown, field: string): asserts id is string | number {
  if ((typeof id === 'string' && id !== '') || (typeof id === 'number' && Number.isFinite(id))) return;
  throw invalid(field, 'not an id', id, 'a non-empty string or a number');
}
