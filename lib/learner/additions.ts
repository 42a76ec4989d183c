/** `learner.addItems` and `learner.addUsers`: who and what has come since, known by features, for serving without training. */
import { checkObject, invalid } from '../foundation/check.js';
import { renaming } from '../foundation/errors.js';
import { checkLength } from '../data/columnar-features.js';
import { datasetFromColumns } from '../data/columnar.js';
import type { EntityColumns } from '../data/columnar.js';
import { idTexts } from '../data/ids.js';
import { checkTexts } from '../data/source-options.js';
import { growCatalog } from './grow.js';
import { Learner } from './learner.js';

declare module './learner.js' {
  interface Learner {
    /**
     * Puts items into the catalog, so that they can be rated, scored and recommended by their content: numbers are scaled by the
     * moments of the training data, texts that it did not have are unknown to the model, and an item's own embedding is that of an
     * unknown one until it is trained. Features of items that are there already are replaced.
     *
     * It works at once, on the calling thread, and the event loop waits: some 9 µs for each row of three features, beside copies of
     * the tables that are there.
     *
     * ```ts
     * learner.addItems({ id: ['9001'], features: { genres: { kind: 'bag', values: [['Drama']] } } });
     * ```
     *
     * @returns how many are new
     * @throws {InnerloopError} INVALID_OPTION (an untrained learner, one that is being trained, …), INVALID_DATA
     */
    addItems(items: AddedEntities): number;
    /** Adds users in the same way; `adapt({ user })` then knows them by their features. */
    addUsers(users: AddedEntities): number;
  }
}

/** Items or users that came after training. */
export interface AddedEntities extends Pick<EntityColumns, 'id'> {
  /** The features by name. Default: none, which are those of an unknown item or user. */
  features?: EntityColumns['features'];
  /** Texts that stand for a missing id or feature value, besides the empty text, as in `datasetFromColumns`. */
  nulls?: string[];
}

function add(learner: Learner, side: 'users' | 'items', table: AddedEntities): number {
  checkObject(table, side, ['id', 'features', 'nulls']);
  const { id: ids = [], nulls } = table as AddedEntities;
  if (nulls !== undefined) checkTexts(nulls, `${side}.nulls`);
  checkLength(ids, `${side}.id`, undefined);
  if (ids.length === 0) throw invalid(`${side}.id`, 'no ids', table.id, 'one id for each entry of the features');
  const catalog = learner.servedCatalog();
  const before = catalog[side].rows;
  learner.checkIdle();
  // What the learner has no column of could only be dropped.
  const { features = {} } = table as AddedEntities;
  checkObject(
    features,
    `${side}.features`,
    catalog[side].columns.map(({ name }) => name),
  );
  for (const [name, feature] of Object.entries(features)) {
    const { kind } = catalog[side].columns.find((column) => column.name === name)!;
    if (typeof feature === 'object' && feature !== null && feature.kind !== kind)
      throw invalid(`${side}.features.${name}.kind`, `the learner's column is ${kind}`, feature.kind, kind);
  }
  const [id] = idTexts([ids[0]], `${side}.id`, nulls);
  const own = { id: ids, features };
  const one =
    side === 'items' ? { user: [id], item: [id], itemFeatures: own } : { user: [id], item: [id], userFeatures: own };
  // The table is told as it was given.
  const dataset = renaming(
    () => datasetFromColumns({ ...one, label: [0], ...(nulls && { nulls }) }),
    (field) => field?.replace(/^(item|user)Features/, side) ?? side,
  );
  growCatalog(learner, dataset, [side]);
  const grown = learner.servedCatalog();
  // Now, so that no request has to wait for it.
  learner.bind(grown);
  return grown[side].rows - before;
}

Learner.prototype.addItems = function (items) {
  return add(this, 'items', items);
};
Learner.prototype.addUsers = function (users) {
  return add(this, 'users', users);
};
