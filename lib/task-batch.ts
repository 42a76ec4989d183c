/** Meta-batches of dataset tasks: row numbers only, no per-row objects. */
import { nativeError } from './addon.js';
import type { NativeBatch } from './addon.js';
import type { TaskSet } from './contract.js';
import type { BoundDataset } from './features.js';
import type { Model } from './model.js';
import { random } from './random.js';

export interface BatchOptions {
  /** Subtracted from every label. */
  offset: number;
  /** Puts a task's query rows into its support too (Reptile). */
  allRows?: boolean;
  /** Weighs a task in the meta-loss by its query rows instead of equally. */
  weighByRows?: boolean;
  /** Hides ids at random, so that the model learns what to do without them. */
  hide?: HideIds & { seed: number; epoch: number };
}

/** Share of the training tasks in which all ids of users or items are hidden (shown as "unknown"). */
export interface HideIds {
  /** Default 0. */
  user?: number;
  /** Default 0. */
  item?: number;
}

/** Tasks `indices[from … to)` of a task set as one native batch. @internal */
export function packTaskSet(
  model: Model,
  bound: BoundDataset,
  tasks: TaskSet,
  indices: Int32Array,
  from: number,
  to: number,
  options: BatchOptions,
): NativeBatch {
  const { dataset } = bound;
  const { supportOffsets, supportRows, queryOffsets, queryRows } = tasks;
  const begin = new Int32Array(2 * (to - from) + 1);
  for (let k = from; k < to; k++) {
    const t = indices[k]!;
    const query = queryOffsets[t + 1]! - queryOffsets[t]!;
    const support = supportOffsets[t + 1]! - supportOffsets[t]! + (options.allRows === true ? query : 0);
    const b = 2 * (k - from);
    begin[b + 1] = begin[b]! + support;
    begin[b + 2] = begin[b + 1]! + query;
  }
  const total = begin[begin.length - 1]!;
  const weights = options.weighByRows === true ? queryShares(begin) : undefined;
  const users = new Int32Array(total);
  const items = new Int32Array(total);
  const interactions = new Int32Array(total);
  const userIds = new Int32Array(total);
  const itemIds = new Int32Array(total);
  const labels = model.floats(total);

  let r = 0;
  const put = (rows: Int32Array, first: number, end: number, showUser: boolean, showItem: boolean) => {
    for (let i = first; i < end; i++, r++) {
      const row = rows[i]!;
      interactions[r] = row;
      users[r] = dataset.user[row]!;
      items[r] = dataset.item[row]!;
      userIds[r] = showUser ? users[r]! : 0;
      itemIds[r] = showItem ? items[r]! : 0;
      labels[r] = dataset.label[row]! - options.offset;
    }
  };
  const { hide } = options;
  for (let k = from; k < to; k++) {
    const t = indices[k]!;
    const stream = hide === undefined ? undefined : random(hide.seed, `hide.${hide.epoch}`, t);
    const showUser = stream === undefined || stream.uniform() >= (hide!.user ?? 0);
    const showItem = stream === undefined || stream.uniform() >= (hide!.item ?? 0);
    put(supportRows, supportOffsets[t]!, supportOffsets[t + 1]!, showUser, showItem);
    if (options.allRows === true) put(queryRows, queryOffsets[t]!, queryOffsets[t + 1]!, showUser, showItem);
    put(queryRows, queryOffsets[t]!, queryOffsets[t + 1]!, showUser, showItem);
  }
  try {
    return model.ops.createBatch(model.native, bound.frame, { begin, sides: [users, items, interactions, userIds, itemIds], labels, weights });
  } catch (error) {
    throw nativeError(error);
  }
}

function queryShares(begin: Int32Array): Float64Array {
  const shares = Float64Array.from({ length: (begin.length - 1) / 2 }, (_, t) => begin[2 * t + 2]! - begin[2 * t + 1]!);
  const total = shares.reduce((a, b) => a + b, 0);
  return shares.map((rows) => rows / total);
}
