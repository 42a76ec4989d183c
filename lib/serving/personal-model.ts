import { runNative, runNativeSync } from '../foundation/addon.js';
import type { NativeAdapted, NativeOutputs, NativePrediction } from '../foundation/addon.js';
import { checkArray, checkBoolean, checkInteger, checkObject, checkSignal, invalid } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import { topK } from '../foundation/top-k.js';
import { rowsWhere } from '../tasks/select.js';
import { scoresOf } from '../model/scores.js';
import { queryChunks } from '../batch/batch.js';
import { preparedNoAdaptation } from '../meta/inner-loop.js';
import type { Learner } from '../learner/learner.js';
import { moderate, withNoise } from '../learner/uncertainty.js';
import type { Uncertain } from '../learner/uncertainty.js';
import { explain } from './explain.js';
import type { ExplainOptions, Explanation } from './explain.js';
import { contextOf, itemRows, packRows } from './support.js';
import type { Context, GivenContext, PackedSupport, UnknownIds } from './support.js';
import type { FeatureValues } from '../batch/given-features.js';

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
  /** Features of the interactions that are recommended, one object for all. Needed where the model reads any. */
  context?: FeatureValues;
  signal?: AbortSignal;
}

/** Items scored by one task: enough to be worth a hand-over, few enough that all threads share a catalog. */
const SCORING_CHUNK = 512;

/** A model adapted to one user. Holds the adapted parameters only; the shared ones are the learner's. */
export class PersonalModel {
  readonly #learner: Learner;
  readonly #catalog: Dataset;
  readonly #support: Omit<PackedSupport, 'batch'>;
  readonly #adapted: NativeAdapted;
  /** Ids of the support set that training did not have, and that were left out. */
  readonly unknown: UnknownIds;
  /** Of the learner, when it adapted. */
  readonly #version: number;

  /** @internal */
  constructor(learner: Learner, catalog: Dataset, support: PackedSupport, adapted: NativeAdapted, version: number) {
    this.#learner = learner;
    this.#version = version;
    this.#catalog = catalog;
    const { batch: _, ...kept } = support;
    this.#support = kept;
    this.unknown = support.unknown;
    this.#adapted = adapted;
  }

  /**
   * Scores of items, in the order given: ratings under `mse`, logits under `bce`, the expected class under `softmax`.
   * @throws {InnerloopError} INVALID_OPTION for an item that the catalog lacks, ABORTED
   */
  predict(
    items: readonly (string | number)[],
    options?: { signal?: AbortSignal; context?: GivenContext; uncertainty?: false },
  ): Promise<Float64Array>;
  /**
   * Scores and their variances, where the algorithm solves for the last layer (`ridge`, `laplace`).
   * @throws {InnerloopError} UNSUPPORTED for other algorithms, and for `ridge` before its noise is known
   */
  predict(
    items: readonly (string | number)[],
    options: { signal?: AbortSignal; context?: GivenContext; uncertainty: true },
  ): Promise<Uncertain>;
  async predict(
    items: readonly (string | number)[],
    options: { signal?: AbortSignal; context?: GivenContext; uncertainty?: boolean } = {},
  ): Promise<Float64Array | Uncertain> {
    checkArray(items, 'items', 'item ids');
    checkObject(options, 'options', ['signal', 'context', 'uncertainty']);
    const { signal, uncertainty = false } = options;
    checkSignal(signal, 'options.signal');
    checkBoolean(uncertainty, 'options.uncertainty');
    const rows = itemRows(this.#catalog, items, 'items');
    const context = contextOf(this.#learner, this.#catalog, options.context, rows.length, 'options.context');
    if (!uncertainty) return this.#score(rows, context, signal);
    this.#learner.checkUncertainty();
    const variance = new Float64Array(rows.length);
    const mean = await this.#score(rows, context, signal, variance);
    if (this.#learner.noiseVariance !== undefined) withNoise(variance, this.#learner.noiseVariance);
    return { mean, variance };
  }

  /**
   * Scores at once, on the calling thread: for some hundred items, which take less time than it takes to wake another thread
   * (see {@link Learner.adaptSync}).
   *
   * @throws {InnerloopError} as `predict`; INVALID_OPTION too while a training step of the learner runs
   */
  predictSync(items: readonly (string | number)[], options: { context?: GivenContext } = {}): Float64Array {
    checkArray(items, 'items', 'item ids');
    checkObject(options, 'options', ['context']);
    const rows = itemRows(this.#catalog, items, 'items');
    if (rows.length === 0) return new Float64Array(0);
    const context = contextOf(this.#learner, this.#catalog, options.context, rows.length, 'options.context');
    const call = this.#call(rows, context, this.#learner.isModerated);
    return this.#scores(
      rows,
      runNativeSync(() => this.#learner.model.ops.predictSync(call)),
    );
  }

  /** The best items of the catalog for this user, best first; equal scores in catalog order. */
  async recommend(options: RecommendOptions = {}): Promise<Recommendation[]> {
    checkObject(options, 'options', ['count', 'among', 'excludeSupport', 'context', 'signal']);
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
    if (Array.isArray(options.context))
      throw invalid('options.context', 'not one object for all items', options.context, 'an object of features');
    const context = contextOf(this.#learner, this.#catalog, options.context, rows.length, 'options.context');
    const scores = await this.#score(rows, context, signal);
    return Array.from(topK(scores, count), (i) => ({ item: items.keys.values[rows[i]], score: scores[i] }));
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
    this.#learner.checkVersion(this.#version, 'personalModel');
    const [row] = itemRows(this.#catalog, [item], 'item');
    return explain(this.#learner, this.#catalog, this.#support, row, options);
  }

  /** @param variances takes aᵀ M⁻¹ a of every row */
  async #score(
    rows: Int32Array,
    context: Context | undefined,
    signal: AbortSignal | undefined,
    variances?: Float64Array,
  ): Promise<Float64Array> {
    if (rows.length === 0) return new Float64Array(0);
    const call = this.#call(rows, context, variances !== undefined || this.#learner.isModerated);
    const outputs = await runNative(signal, (token) => this.#learner.model.ops.predict({ ...call, token }));
    // A step that began meanwhile may have moved the parameters under it.
    this.#learner.checkVersion(this.#version, 'personalModel');
    variances?.set(outputs.variance!);
    return this.#scores(rows, outputs);
  }

  #call(rows: Int32Array, context: Context | undefined, variance: boolean): NativePrediction {
    const learner = this.#learner;
    learner.checkVersion(this.#version, 'personalModel');
    const batch = packRows(
      learner,
      this.#catalog,
      this.#support,
      rows,
      queryChunks(rows.length, SCORING_CHUNK),
      context,
    );
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
      for (let i = 0; i < scores.length; i++) scores[i] += itemBias[rows[i]] + this.#support.bias;
    return scores;
  }
}
