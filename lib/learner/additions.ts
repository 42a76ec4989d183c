/** `learner.addItems` and `learner.addUsers`: who and what has come since, known by features, for serving without training. */
import { checkObject, invalid } from '../foundation/check.js';
import { renaming } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import { atOnce, inTurns } from '../foundation/steps.js';
import type { Steps } from '../foundation/steps.js';
import { checkLength } from '../data/columnar-features.js';
import { datasetSteps } from '../data/columnar.js';
import type { EntityColumns } from '../data/columnar.js';
import { idTexts } from '../data/ids.js';
import { checkTexts } from '../data/source-options.js';
import { growSteps } from './grow.js';
import type { Grown } from './grow.js';
import { Learner } from './learner.js';
import type { AddingOptions } from './option-types.js';
import { ADDING_OPTIONS } from './options.js';

declare module './learner.js' {
  interface Learner {
    /**
     * Puts items into the catalog, so that they can be rated, scored and recommended by their content: numbers are scaled by the
     * moments of the training data, texts that it did not have are unknown to the model, and an item's own embedding is that of an
     * unknown one until it is trained. Features of items that are there already are replaced.
     *
     * It works at once, on the calling thread, and the event loop waits: some microseconds for each row of three features, beside copies of
     * the tables that are there. {@link addItemsAsync} lets others have their turn.
     *
     * ```ts
     * learner.addItems({ id: ['9001'], features: { genres: { kind: 'bag', values: [['Drama']] } } });
     * ```
     *
     * @returns how many are new
     * @throws {InnerloopError} INVALID_OPTION (an untrained learner, one that is being trained or added to, …), INVALID_DATA
     */
    addItems(items: AddedEntities): number;
    /** Adds users in the same way; `adapt({ user })` then knows them by their features. */
    addUsers(users: AddedEntities): number;
    /**
     * `addItems` on the calling thread in slices of some milliseconds, between which the event loop turns: for many rows at once while
     * requests are served. They are served from the catalog as it was until all is done, and after an error it is as it was. Calls of
     * one learner wait for each other; training it meanwhile is refused. The arrays that are given must not change until then.
     *
     * ```ts
     * const count = await learner.addItemsAsync({ id: ['9002'], features: {} }, { signal });
     * ```
     *
     * @throws {InnerloopError} as `addItems`; ABORTED
     */
    addItemsAsync(items: AddedEntities, options?: AddingOptions): Promise<number>;
    /** Adds users in the same way. */
    addUsersAsync(users: AddedEntities, options?: AddingOptions): Promise<number>;
  }
}

/** Items or users that came after training. */
export interface AddedEntities extends Pick<EntityColumns, 'id'> {
  /** The features by name. Default: none, which are those of an unknown item or user. */
  features?: EntityColumns['features'];
  /** Texts that stand for a missing id or feature value, besides the empty text, as in `datasetFromColumns`. */
  nulls?: string[];
}

/** What there will be, made beside what there is. */
function* additionSteps(learner: Learner, now: Grown, side: 'users' | 'items', table: AddedEntities): Steps<Grown> {
  checkObject(table, side, ['id', 'features', 'nulls']);
  const { id: ids = [], nulls } = table as AddedEntities;
  if (nulls !== undefined) checkTexts(nulls, `${side}.nulls`);
  checkLength(ids, `${side}.id`, undefined);
  if (ids.length === 0) throw invalid(`${side}.id`, 'no ids', table.id, 'one id for each entry of the features');
  const { columns } = learner.servedCatalog()[side];
  // What the learner has no column of could only be dropped.
  const { features = {} } = table as AddedEntities;
  checkObject(
    features,
    `${side}.features`,
    columns.map(({ name }) => name),
  );
  for (const [name, feature] of Object.entries(features)) {
    const { kind } = columns.find((column) => column.name === name)!;
    if (typeof feature === 'object' && feature !== null && feature.kind !== kind)
      throw invalid(`${side}.features.${name}.kind`, `the learner's column is ${kind}`, feature.kind, kind);
  }
  const [id] = idTexts([ids[0]], `${side}.id`, nulls);
  const own = { id: ids, features };
  const one =
    side === 'items' ? { user: [id], item: [id], itemFeatures: own } : { user: [id], item: [id], userFeatures: own };
  const dataset = yield* datasetSteps({ ...one, label: [0], ...(nulls && { nulls }) });
  return yield* growSteps(now, dataset, [side]);
}

/** The same of several tables, with what requests need of the new catalog, so that none has to wait for it. */
function* allSteps(learner: Learner, side: 'users' | 'items', tables: readonly AddedEntities[]): Steps<() => number> {
  const before = learner.servedCatalog();
  let grown: Grown = learner;
  for (const table of tables) grown = yield* renamed(additionSteps(learner, grown, side, table), side);
  const { catalog, rowState } = grown;
  yield* learner.bound.make(catalog!, catalog);
  return () => {
    // Only two changes that were made beside each other could come here.
    if (learner.catalog !== before)
      throw invalid(`learner.${side}`, 'changed meanwhile', learner.algorithm.name, 'one change at a time');
    Object.assign(learner, { catalog, rowState });
    return catalog![side].rows - before[side].rows;
  };
}

/** Errors are of the table as it was given, not of the dataset that is made of it. */
function* renamed<R>(steps: Steps<R>, side: 'users' | 'items'): Steps<R> {
  for (;;) {
    const { done, value } = renaming(
      () => steps.next(),
      (field) => field?.replace(/^(item|user)Features/, side) ?? side,
    );
    if (done === true) return value;
    yield;
  }
}

function add(learner: Learner, side: 'users' | 'items', table: AddedEntities): number {
  learner.servedCatalog();
  learner.checkIdle();
  return atOnce(allSteps(learner, side, [table]))();
}

/** The last of the calls of a learner that wait for each other. */
const last = new WeakMap<Learner, Promise<unknown>>();

function addInTurns(
  learner: Learner,
  side: 'users' | 'items',
  table: AddedEntities,
  options: AddingOptions,
): Promise<number> {
  const work = async () => {
    const { signal } = resolveOptions(options, 'options', ADDING_OPTIONS);
    learner.servedCatalog();
    const end = learner.begin('adding');
    try {
      return (await inTurns(allSteps(learner, side, [table]), signal))();
    } finally {
      end();
    }
  };
  const result = (last.get(learner) ?? Promise.resolve()).then(work, work);
  last.set(learner, result);
  return result;
}

/** Makes a catalog with items of several tables in turns with the event loop. @returns puts it in place @internal */
export function preparedItems(learner: Learner, tables: readonly AddedEntities[]): Promise<() => number> {
  return inTurns(allSteps(learner, 'items', tables));
}

Learner.prototype.addItems = function (items) {
  return add(this, 'items', items);
};
Learner.prototype.addUsers = function (users) {
  return add(this, 'users', users);
};
Learner.prototype.addItemsAsync = function (items, options = {}) {
  return addInTurns(this, 'items', items, options);
};
Learner.prototype.addUsersAsync = function (users, options = {}) {
  return addInTurns(this, 'users', users, options);
};
