/** What is known of a user who is served, as a batch of the core. */
import { nativeError } from '../foundation/addon.js';
import type { NativeBatch } from '../foundation/addon.js';
import { checkArray, checkObject, invalid } from '../foundation/check.js';
import type { Dataset, FloatArray } from '../foundation/contract.js';
import { InnerloopError, nearest } from '../foundation/errors.js';
import { random } from '../foundation/random.js';
import { labelFits, labelsOf } from '../model/labels.js';
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
}

/** @internal */
export function packSupport(learner: Learner, catalog: Dataset, support: Support): PackedSupport {
  checkObject(support, 'support', ['items', 'labels', 'user']);
  checkArray(support.items, 'support.items', 'item ids');
  const items = itemRows(catalog, support.items, 'support.items');
  const { head } = learner.model.spec;
  if (support.labels?.length !== items.length) {
    throw invalid('support.labels', 'not one label an item', support.labels, `${items.length} labels`);
  }
  const given = new Float64Array(items.length);
  for (let i = 0; i < items.length; i++) {
    const y = support.labels[i];
    if (typeof y !== 'number' || !Number.isFinite(y) || !labelFits(head, y)) {
      throw invalid(
        `support.labels[${i}]`,
        `not a label for ${head.loss}`,
        y,
        `${labelsOf(head)}, as in the training data`,
      );
    }
    given[i] = y;
  }
  const user = support.user === undefined ? 0 : catalog.users.keys.idOf(String(support.user));
  if (support.user !== undefined && user === 0)
    throw invalid('support.user', 'no such user', support.user, 'a user of the catalog');
  const rows = labelledRows(learner, catalog, items, given);
  const begin = Int32Array.of(0, rows.items.length, rows.items.length);
  const known = { user, items, labels: given };
  return {
    batch: packRows(learner, catalog, known, rows.items, begin, rows.labels, rows.places),
    ...known,
    bias: rows.bias,
  };
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

/** @internal Catalog rows of items by id. */
export function itemRows(catalog: Dataset, ids: readonly (string | number)[], field: string): Int32Array {
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
    const near = keys.values.length <= 100_000 ? nearest(String(id), keys.values) : undefined;
    throw new InnerloopError('INVALID_OPTION', 'no such item in the catalog', {
      field: `${field}[${i}]`,
      value: id,
      expected:
        near === undefined || near === ''
          ? 'an item id of the training data'
          : `an item id of the training data, ${near} perhaps`,
    });
  }
  return rows;
}
