import { nativeError, runNative, runNativeSync } from '../foundation/addon.js';
import type { NativeAdapted, NativeBatch, NativeOutputs, NativePrediction } from '../foundation/addon.js';
import { checkArray, checkBoolean, checkInteger, checkObject, checkSignal, invalid } from '../foundation/check.js';
import { queryChunks } from '../batch/batch.js';
import type { Dataset, FloatArray } from '../foundation/contract.js';
import { InnerloopError, nearest } from '../foundation/errors.js';
import { explain } from './explain.js';
import type { ExplainOptions, Explanation } from './explain.js';
import { SIDES } from '../batch/features.js';
import { servedHistories } from '../data/history.js';
import { preparedNoAdaptation } from '../meta/inner-loop.js';
import { labelFits, labelsOf } from '../model/labels.js';
import type { Learner } from '../learner/learner.js';
import { random } from '../foundation/random.js';
import { drawNegatives, userBias } from '../batch/rows.js';
import { rowsWhere } from '../tasks/select.js';
import { topK } from '../foundation/top-k.js';
import { moderate, withNoise } from '../learner/uncertainty.js';
import type { Uncertain } from '../learner/uncertainty.js';

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
    const y = support.labels[i]!;
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
    all[i * width] = labels[i]! - state.mean - (state.itemBias === undefined ? 0 : state.itemBias[rows[i]!]! + bias);
  return { items: rows, labels: all, bias, places };
}

/** Items scored by one task: enough to be worth a hand-over, few enough that all threads share a catalog. */
const SCORING_CHUNK = 512;

/** What is known of a user, which a history is made of. */
type Known = Pick<PackedSupport, 'user' | 'items' | 'labels'>;

/** Rows of a single user. @param begin as in NativeRows @param places in the support; undefined: the rows come after it */
function packRows(
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

function itemRows(catalog: Dataset, ids: readonly (string | number)[], field: string): Int32Array {
  const { keys } = catalog.items;
  const { values } = keys;
  const rows = new Int32Array(ids.length);
  let next = 1;
  // A loop: `Int32Array.from` with a callback takes five times as long, and a catalog is long.
  for (let i = 0; i < rows.length; i++) {
    const id = ids[i]!;
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

/** A model adapted to one user. Holds the adapted parameters only; the shared ones are the learner's. */
export class PersonalModel {
  readonly #learner: Learner;
  readonly #catalog: Dataset;
  readonly #support: Omit<PackedSupport, 'batch'>;
  readonly #adapted: NativeAdapted;

  /** @internal */
  constructor(learner: Learner, catalog: Dataset, support: PackedSupport, adapted: NativeAdapted) {
    this.#learner = learner;
    this.#catalog = catalog;
    const { batch: _, ...kept } = support;
    this.#support = kept;
    this.#adapted = adapted;
  }

  /**
   * Scores of items, in the order given: ratings under `mse`, logits under `bce`, the expected class under `softmax`.
   * @throws {InnerloopError} INVALID_OPTION for an item that the catalog lacks, ABORTED
   */
  predict(
    items: readonly (string | number)[],
    options?: { signal?: AbortSignal; uncertainty?: false },
  ): Promise<Float64Array>;
  /**
   * Scores and their variances, where the algorithm solves for the last layer (`ridge`, `laplace`).
   * @throws {InnerloopError} UNSUPPORTED for other algorithms, and for `ridge` before its noise is known
   */
  predict(
    items: readonly (string | number)[],
    options: { signal?: AbortSignal; uncertainty: true },
  ): Promise<Uncertain>;
  async predict(
    items: readonly (string | number)[],
    options: { signal?: AbortSignal; uncertainty?: boolean } = {},
  ): Promise<Float64Array | Uncertain> {
    checkArray(items, 'items', 'item ids');
    checkObject(options as unknown, 'options', ['signal', 'uncertainty']);
    const { signal, uncertainty = false } = options;
    checkSignal(signal, 'options.signal');
    checkBoolean(uncertainty, 'options.uncertainty');
    const rows = itemRows(this.#catalog, items, 'items');
    if (!uncertainty) return this.#score(rows, signal);
    this.#learner.checkUncertainty();
    const variance = new Float64Array(rows.length);
    const mean = await this.#score(rows, signal, variance);
    if (this.#learner.noiseVariance !== undefined) withNoise(variance, this.#learner.noiseVariance);
    return { mean, variance };
  }

  /**
   * Scores at once, on the calling thread: for some hundred items, which take less time than it takes to wake another thread
   * (see {@link Learner.adaptSync}).
   *
   * @throws {InnerloopError} as `predict`; INVALID_OPTION too while a training step of the learner runs
   */
  predictSync(items: readonly (string | number)[]): Float64Array {
    checkArray(items, 'items', 'item ids');
    const rows = itemRows(this.#catalog, items, 'items');
    if (rows.length === 0) return new Float64Array(0);
    const call = this.#call(rows, this.#learner.isModerated);
    return this.#scores(
      rows,
      runNativeSync(() => this.#learner.model.ops.predictSync(call)),
    );
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

  /**
   * Which interactions of the support set moved the score of an item, and by how much, the strongest first.
   *
   * ```ts
   * const [strongest] = await me.explain('858');   // { item: '1221', label: 5, influence: 0.31 }
   * ```
   *
   * `influence` is what the score would lose without the interaction: by the gradients of the inner loop to first order,
   * exactly for `ridge`, or by adapting again (`method: 'leaveOneOut'`).
   *
   * @throws {InnerloopError} INVALID_OPTION for an item that the catalog lacks or a method that the algorithm has not, ABORTED
   */
  async explain(item: string | number, options: ExplainOptions = {}): Promise<Explanation[]> {
    const [row] = itemRows(this.#catalog, [item], 'item');
    return explain(this.#learner, this.#catalog, this.#support, row!, options);
  }

  /** @param variances takes aᵀ M⁻¹ a of every row */
  async #score(rows: Int32Array, signal: AbortSignal | undefined, variances?: Float64Array): Promise<Float64Array> {
    if (rows.length === 0) return new Float64Array(0);
    const call = this.#call(rows, variances !== undefined || this.#learner.isModerated);
    const outputs = await runNative(signal, (token) => this.#learner.model.ops.predict({ ...call, token }));
    variances?.set(outputs.variance!);
    return this.#scores(rows, outputs);
  }

  #call(rows: Int32Array, variance: boolean): NativePrediction {
    const learner = this.#learner;
    const batch = packRows(learner, this.#catalog, this.#support, rows, queryChunks(rows.length, SCORING_CHUNK));
    return {
      ...learner.call(batch),
      inner: preparedNoAdaptation(learner.model),
      adapted: this.#adapted,
      before: true,
      after: false,
      variance,
    };
  }

  #scores(rows: Int32Array, { before, variance }: NativeOutputs): Float64Array {
    const learner = this.#learner;
    const { mean, itemBias } = learner.rows(this.#catalog).state;
    const scores = scoresOf(learner.model.spec.head, learner.model.mainOf(before!), mean);
    if (learner.isModerated) moderate(scores, variance!);
    if (itemBias !== undefined)
      for (let i = 0; i < scores.length; i++) scores[i]! += itemBias[rows[i]!]! + this.#support.bias;
    return scores;
  }
}

/** One score a row: the output itself plus the offset, or the expected class of a softmax. @internal */
export function scoresOf(
  head: { loss: string; classes?: number },
  outputs: ArrayLike<number>,
  offset: number,
): Float64Array {
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
