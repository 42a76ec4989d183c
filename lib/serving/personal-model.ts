import { checkArray, checkBoolean, checkObject, checkSignal } from '../foundation/check.js';
import { Uncloneable } from '../foundation/uncloneable.js';
import { withNoise } from '../learner/uncertainty.js';
import type { Uncertain } from '../learner/uncertainty.js';
import type { FeatureValues } from '../batch/given-features.js';
import { adaptOne } from './adapt-one.js';
import { admitted } from './admission.js';
import { explain } from './explain.js';
import type { ExplainOptions, Explanation } from './explain.js';
import { checkRecommend } from './options.js';
import type { RecommendOptions } from './options.js';
import { adaptedOf, certainOf } from './person.js';
import type { Person } from './person.js';
import { personToJson } from './person-json.js';
import type { PersonalModelJson } from './person-json.js';
import { recommendTo } from './ranking.js';
import type { Recommendation } from './ranking.js';
import { scoreRows, scoreRowsSync } from './score-rows.js';
import { contextOf, itemRow, itemRows, packSupport } from './support.js';
import type { GivenContext, UnknownIds } from './support.js';
import { updatedPerson } from './update.js';

/**
 * A model adapted to one user. It holds the adapted parameters only, in memory that JavaScript owns; the shared ones are the
 * learner's. It serves the version of the learner that it was adapted from, and is refused after more training.
 */
export class PersonalModel extends Uncloneable {
  #person: Person;
  /** Ids of the support set that training did not have, and that were left out. */
  readonly unknown: UnknownIds;

  /** @internal */
  constructor(person: Person) {
    super('personalModel', 'me.toJSON() to be sent, and learner.restore(json) where it arrives');
    this.#person = person;
    this.unknown = person.known.unknown;
  }

  /** @internal */
  static personOf(me: PersonalModel): Person {
    return me.#person;
  }

  /** @internal The same, and not disposed of when `me` is. */
  static held(me: PersonalModel): PersonalModel {
    return new PersonalModel(me.#person);
  }

  /**
   * Scores of items, in the order given: ratings under `mse`, logits under `bce`, the expected class under `softmax`.
   * @throws {InnerloopError} INVALID_OPTION for an item that the catalog lacks, DISPOSED, ABORTED
   */
  predict(
    items: readonly (string | number)[],
    options?: { signal?: AbortSignal; context?: GivenContext; uncertainty?: false },
  ): Promise<Float64Array>;
  /**
   * Scores and their variances, where the algorithm solves for the last layer (`ridge`, `laplace`). The first call adapts once
   * more for the posterior, which is kept from then on.
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
    const person = this.#person;
    const { learner, catalog, support } = person;
    const rows = itemRows(catalog, items, 'items');
    const context = contextOf(learner, catalog, options.context, rows.length, 'options.context');
    if (!uncertainty) return admitted(learner, () => scoreRows(person, rows, context, signal));
    learner.checkUncertainty();
    return admitted(learner, async () => {
      const variance = new Float64Array(rows.length);
      const certain = await certainOf(person, () => packSupport(learner, catalog, support).packed, signal);
      const mean = await scoreRows(person, rows, context, signal, certain, variance);
      if (learner.noiseVariance !== undefined) withNoise(variance, learner.noiseVariance);
      return { mean, variance };
    });
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
    const { learner, catalog } = this.#person;
    const rows = itemRows(catalog, items, 'items');
    const context = contextOf(learner, catalog, options.context, rows.length, 'options.context');
    return scoreRowsSync(this.#person, rows, context);
  }

  /**
   * The best items of the catalog for this user, best first; equal scores in catalog order.
   *
   * ```ts
   * await me.recommend({ count: 10, filter: { genres: { any: ['Comedy'] } }, diversity: 0.3, columns: ['title'] });
   * ```
   */
  async recommend(options: RecommendOptions = {}): Promise<Recommendation[]> {
    const settings = checkRecommend(options);
    return (await admitted(this.#person.learner, () => recommendTo([this.#person], settings)))[0];
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
    adaptedOf(this.#person);
    const { learner, catalog, known } = this.#person;
    const row = itemRow(catalog, item, 'item');
    return admitted(learner, () => explain(learner, catalog, known, row, options));
  }

  /**
   * A new personal model that knows one interaction more: the same as adapting anew to all of them. An item that was in the
   * support set takes its new label, as the last interaction. This one stays as it is.
   *
   * Under `ridge` the new row changes the posterior without the others being looked at again, the same to rounding; the first
   * update of a model adapts once more for that posterior, which is kept from then on. Elsewhere, and where a model reads the
   * history, it is another adaptation, the same to the bit.
   *
   * @param options context: of the interaction, where the model reads any
   */
  async update(
    item: string | number,
    label: number,
    options: { context?: FeatureValues; signal?: AbortSignal } = {},
  ): Promise<PersonalModel> {
    checkObject(options, 'options', ['context', 'signal']);
    const { signal, context } = options;
    checkSignal(signal, 'options.signal');
    const { learner } = this.#person;
    return admitted(learner, async () => {
      const { support, person } = await updatedPerson(this.#person, item, label, context, signal);
      return new PersonalModel(person ?? (await adaptOne(learner, support, signal)));
    });
  }

  /** Plain data, for a store or another thread: `learner.restore(json)` makes it a personal model of the same learner again. */
  toJSON(): PersonalModelJson {
    return personToJson(this.#person);
  }

  /** Frees the adapted parameters at once; what is called later is refused with DISPOSED, what was called before comes to its end. */
  dispose(): void {
    // Calls that are under way hold what they were called on.
    this.#person = { ...this.#person, adapted: undefined, certain: undefined };
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
