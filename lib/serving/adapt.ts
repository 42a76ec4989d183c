/**
 * What a learner does for users: adapting to one or to many, restoring, vectors of items. Serving comes after the learner in
 * the pipeline, so the methods are put on it here: whoever imports this module, as the package's index does, has them.
 */
import { runNativeSync } from '../foundation/addon.js';
import { checkArray, checkInteger, checkObject, checkSignal } from '../foundation/check.js';
import type { FloatArray } from '../foundation/contract.js';
import { Learner } from '../learner/learner.js';
import { adaptOne } from './adapt-one.js';
import { admitted } from './admission.js';
import { CatalogCache } from './catalog-cache.js';
import { itemVectorsOf, similarTo } from './item-vectors.js';
import { itemColumns } from './item-terms.js';
import type { SimilarItem, SimilarOptions } from './item-vectors.js';
import { adaptMany, predictMany, recommendMany } from './many.js';
import type { Served } from './many.js';
import type { RecommendOptions } from './options.js';
import { PersonalModel } from './personal-model.js';
import { copyOfSupport, packing } from './person.js';
import { personFromJson } from './person-json.js';
import type { PersonalModelJson } from './person-json.js';
import type { Recommendation } from './ranking.js';
import { divergedBy } from './labels.js';
import { itemRow, itemRows, packSupport } from './support.js';
import type { GivenContext, Support } from './support.js';

declare module '../learner/learner.js' {
  interface Learner {
    /**
     * Adapts to one user from a few labelled items.
     *
     * ```ts
     * const me = await learner.adapt({ items: ['1', '50', '260'], labels: [5, 4, 1] });
     * const films = await me.recommend({ count: 10 });
     * ```
     *
     * @param support items by id and their labels; features of the user where the model uses any
     * @throws {InnerloopError} INVALID_OPTION (a label that is not finite …), DIVERGED, ABORTED; BUSY where `learner.maxCalls` are at
     * work or wait
     */
    adapt(support: Support, options?: { signal?: AbortSignal }): Promise<PersonalModel>;

    /**
     * The same at once, on the calling thread, with the same result to the bit. For few interactions and a small model, whose
     * steps take less time than it takes to wake another thread and be woken by it: meanwhile the event loop stands still.
     *
     * @throws {InnerloopError} as `adapt`; INVALID_OPTION too while a training step of this learner runs
     */
    adaptSync(support: Support): PersonalModel;

    /**
     * Adapts to many users, hundreds in each call of the core: the same numbers as one by one. At most two calls of a learner are
     * packed or at work at a time, and the others wait, so that any number of users takes the memory of some hundred. Supports of those
     * that wait are read when their turn comes: what is given to this and the next two must stay as it is until they have answered.
     */
    adaptMany(supports: readonly Support[], options?: { signal?: AbortSignal }): Promise<PersonalModel[]>;

    /**
     * Scores for many users: support sets, which are adapted to and scored in the same call of the core, or personal models.
     * @param items by id, for all of them, or a list for each
     */
    predictMany(
      users: readonly Served[],
      items: readonly (string | number)[] | readonly (readonly (string | number)[])[],
      options?: { context?: GivenContext; signal?: AbortSignal },
    ): Promise<Float64Array[]>;

    /** Lists for many users, with the options of `me.recommend` for all of them. */
    recommendMany(users: readonly Served[], options?: RecommendOptions): Promise<Recommendation[][]>;

    /**
     * A personal model from what its `toJSON()` gave, in whatever process: no adaptation.
     * @throws {InnerloopError} MODEL_FILE for what is damaged, or belongs to another learner or to this one before more training
     */
    restore(json: PersonalModelJson): PersonalModel;

    /**
     * The vector of each item: what a linear last layer reads of it for a user of whom nothing is known; of other models its
     * embedding. All of one length.
     * @throws {InnerloopError} UNSUPPORTED for a model that has none
     */
    itemVectors(items: readonly (string | number)[]): Promise<FloatArray[]>;

    /** The items whose vectors are nearest to one item's, by the cosine of the angle, the nearest first. */
    similarItems(item: string | number, options?: SimilarOptions): Promise<SimilarItem[]>;

    /** Frees the learner's parameters at once. What is called later, on it or on its personal models, is refused with DISPOSED. */
    dispose(): void;
    [Symbol.dispose](): void;
  }
}

Learner.prototype.adapt = async function (support, options = {}) {
  checkObject(options, 'options', ['signal']);
  checkSignal(options.signal, 'options.signal');
  return admitted(this, async () => new PersonalModel(await adaptOne(this, support, options.signal)));
};

Learner.prototype.adaptSync = function (support) {
  const catalog = this.servedCatalog();
  const { packed, ...known } = packSupport(this, catalog, support);
  const { version } = this;
  const [adapted] = runNativeSync(
    () => this.model.ops.adaptSync({ ...this.call(packed), ...packing(this) }),
    () => divergedBy(this, support.labels, 'task 0', 'support'),
  );
  return new PersonalModel({ learner: this, catalog, version, support: copyOfSupport(support), known, adapted });
};

Learner.prototype.adaptMany = function (supports, options = {}) {
  return admitted(this, () => adaptMany(this, supports, options));
};

Learner.prototype.predictMany = function (users, items, options = {}) {
  return admitted(this, () => predictMany(this, users, items, options));
};

Learner.prototype.recommendMany = function (users, options = {}) {
  return admitted(this, () => recommendMany(this, users, options));
};

Learner.prototype.restore = function (json) {
  return new PersonalModel(personFromJson(this, json));
};

Learner.prototype.itemVectors = async function (items) {
  checkArray(items, 'items', 'item ids');
  const catalog = this.servedCatalog();
  const rows = itemRows(catalog, items, 'items');
  const vectors = await itemVectorsOf(this, catalog, rows);
  const width = rows.length === 0 ? 0 : vectors.length / rows.length;
  return Array.from(rows, (_, i) => vectors.slice(i * width, (i + 1) * width));
};

Learner.prototype.similarItems = async function (item, options = {}) {
  checkObject(options, 'options', ['count', 'columns', 'signal']);
  const { count = 10, columns = [], signal } = options;
  checkInteger(count, 'options.count', 1);
  checkSignal(signal, 'options.signal');
  const catalog = this.servedCatalog();
  const row = itemRow(catalog, item, 'item');
  const shown = itemColumns(catalog, columns, 'options.columns');
  return admitted(this, () => similarTo(this, catalog, row, count, shown, signal));
};

Learner.prototype.dispose = function () {
  this.checkIdle();
  CatalogCache.disposeOf(this);
  const { ops } = this.model;
  ops.release(this.store);
  if (this.rateStore !== undefined) ops.release(this.rateStore);
};

Learner.prototype[Symbol.dispose] = function () {
  this.dispose();
};
