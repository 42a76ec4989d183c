import { nativeError, runNative } from './addon.js';
import type { NativeAdapted, NativeBatch } from './addon.js';
import { checkArray, checkBoolean, checkInteger, checkObject, checkSignal, invalid } from './check.js';
import { queryChunks } from './batch.js';
import type { Dataset, FloatArray } from './contract.js';
import { InnerloopError, nearest } from './errors.js';
import { SIDES } from './features.js';
import { noAdaptation } from './inner-loop.js';
import type { Learner } from './learner.js';
import { rowsWhere } from './tasks/select.js';
import { topK } from './top-k.js';

/** What is known of a new user. */
export interface Support {
  /** Item ids, as in the training data. */
  items: readonly (string | number)[];
  /** One label an item. */
  labels: ArrayLike<number>;
  /** Id of a known user, to use that user's features (and id, where the model has it). Default: an unknown user. */
  user?: string | number;
}

export interface Recommendation {
  item: string;
  /** The predicted rating, or the score that items are ranked by. */
  score: number;
}

export interface RecommendOptions {
  /** Default 10. */
  count?: number;
  /** Only these items, by id. Default: the whole catalog. */
  among?: readonly (string | number)[];
  /** Leave out the items of the support set. Default true. */
  excludeSupport?: boolean;
  signal?: AbortSignal;
}

/** @internal */
export interface PackedSupport {
  batch: NativeBatch;
  user: number;
  items: Int32Array;
}

/** @internal */
export function packSupport(learner: Learner, catalog: Dataset, support: Support): PackedSupport {
  checkObject(support, 'support', ['items', 'labels', 'user']);
  checkArray(support.items, 'support.items', 'item ids');
  const items = itemRows(catalog, support.items, 'support.items');
  const { head } = learner.model.spec;
  const labels = learner.model.floats(items.length);
  if (support.labels?.length !== items.length) {
    throw invalid('support.labels', 'not one label an item', support.labels, `${items.length} labels`);
  }
  for (let i = 0; i < items.length; i++) {
    const y = support.labels[i]!;
    const fits =
      typeof y === 'number' &&
      Number.isFinite(y) &&
      (head.loss === 'mse' || (y >= 0 && (head.loss === 'bce' ? y <= 1 : Number.isInteger(y) && y < head.classes)));
    if (!fits) throw invalid(`support.labels[${i}]`, `not a label for ${head.loss}`, y, 'a finite label of the training data’s kind');
    labels[i] = y - learner.labelOffset;
  }
  const user = support.user === undefined ? 0 : catalog.users.keys.idOf(String(support.user));
  if (support.user !== undefined && user === 0) throw invalid('support.user', 'no such user', support.user, 'a user of the catalog');
  return { batch: packRows(learner, catalog, user, items, Int32Array.of(0, items.length, items.length), labels), user, items };
}

/** Items scored by one task: enough to be worth a hand-over, few enough that all threads share a catalog. */
const SCORING_CHUNK = 512;

/** Rows of a single user. @param begin as in NativeRows */
function packRows(learner: Learner, catalog: Dataset, user: number, items: Int32Array, begin: Int32Array, labels?: FloatArray): NativeBatch {
  const users = new Int32Array(items.length).fill(user);
  const sides: Int32Array[] = [];
  sides[SIDES.users] = users;
  sides[SIDES.items] = items;
  sides[SIDES.interactions] = new Int32Array(items.length);
  sides[SIDES.userId] = users;
  sides[SIDES.itemId] = items;
  const { model } = learner;
  try {
    return model.ops.createBatch(model.native, learner.bind(catalog).frame, { begin, sides, labels });
  } catch (error) {
    throw nativeError(error);
  }
}

function itemRows(catalog: Dataset, ids: readonly (string | number)[], field: string): Int32Array {
  const { keys } = catalog.items;
  const rows = new Int32Array(ids.length);
  // A loop: `Int32Array.from` with a callback takes five times as long, and a catalog is long.
  for (let i = 0; i < rows.length; i++) {
    const id = ids[i]!;
    const row = keys.idOf(String(id));
    if (row > 0) {
      rows[i] = row;
      continue;
    }
    const near = keys.values.length <= 100_000 ? nearest(String(id), keys.values) : undefined;
    throw new InnerloopError('INVALID_OPTION', 'no such item in the catalog', {
      field: `${field}[${i}]`,
      value: id,
      expected: near === undefined || near === '' ? 'an item id of the training data' : `an item id of the training data, ${near} perhaps`,
    });
  }
  return rows;
}

/** A model adapted to one user. Holds the adapted parameters only; the shared ones are the learner's. */
export class PersonalModel {
  readonly #learner: Learner;
  readonly #catalog: Dataset;
  readonly #support: PackedSupport;
  readonly #adapted: NativeAdapted;

  /** @internal */
  constructor(learner: Learner, catalog: Dataset, support: PackedSupport, adapted: NativeAdapted) {
    this.#learner = learner;
    this.#catalog = catalog;
    this.#support = support;
    this.#adapted = adapted;
  }

  /**
   * Scores of items, in the order given: ratings under `mse`, logits under `bce`, the expected class under `softmax`.
   * @throws {InnerloopError} INVALID_OPTION for an item that the catalog lacks, ABORTED
   */
  predict(items: readonly (string | number)[], options: { signal?: AbortSignal } = {}): Promise<Float64Array> {
    checkArray(items, 'items', 'item ids');
    checkObject(options as unknown, 'options', ['signal']);
    checkSignal(options.signal, 'options.signal');
    return this.#score(itemRows(this.#catalog, items, 'items'), options.signal);
  }

  /** The best items of the catalog for this user, best first; equal scores in catalog order. */
  async recommend(options: RecommendOptions = {}): Promise<Recommendation[]> {
    checkObject(options as unknown, 'options', ['count', 'among', 'excludeSupport', 'signal']);
    const { count = 10, among, excludeSupport = true, signal } = options;
    checkInteger(count, 'options.count', 1);
    checkBoolean(excludeSupport, 'options.excludeSupport');
    checkSignal(signal, 'options.signal');
    if (among !== undefined) checkArray(among, 'options.among', 'item ids');
    const { items } = this.#catalog;
    const wanted = new Uint8Array(items.rows).fill(among === undefined ? 1 : 0, 1);
    if (among !== undefined) for (const row of itemRows(this.#catalog, among, 'options.among')) wanted[row] = 1;
    if (excludeSupport) for (const row of this.#support.items) wanted[row] = 0;
    const rows = rowsWhere(wanted);
    const scores = await this.#score(rows, signal);
    return Array.from(topK(scores, count), (i) => ({ item: items.keys.values[rows[i]!]!, score: scores[i]! }));
  }

  async #score(rows: Int32Array, signal: AbortSignal | undefined): Promise<Float64Array> {
    const learner = this.#learner;
    if (rows.length === 0) return new Float64Array(0);
    const batch = packRows(learner, this.#catalog, this.#support.user, rows, queryChunks(rows.length, SCORING_CHUNK));
    const call = { ...learner.call(batch), inner: noAdaptation(learner.model), adapted: this.#adapted, before: true, after: false };
    const { before } = await runNative(signal, (token) => learner.model.ops.predict({ ...call, token }));
    return scoresOf(learner.model.spec.head, before!, learner.labelOffset);
  }
}

/** One score a row: the output itself plus the offset, or the expected class of a softmax. @internal */
export function scoresOf(head: { loss: string; classes?: number }, outputs: ArrayLike<number>, offset: number): Float64Array {
  if (head.loss !== 'softmax') {
    const scores = new Float64Array(outputs.length);
    for (let i = 0; i < scores.length; i++) scores[i] = outputs[i]! + offset;
    return scores;
  }
  const classes = head.classes!;
  return Float64Array.from({ length: outputs.length / classes }, (_, r) => {
    let top = -Infinity;
    for (let c = 0; c < classes; c++) top = Math.max(top, outputs[r * classes + c]!);
    let total = 0;
    let mean = 0;
    for (let c = 0; c < classes; c++) {
      const p = Math.exp(outputs[r * classes + c]! - top);
      total += p;
      mean += p * c;
    }
    return mean / total;
  });
}
