import { bindSteps } from '../batch/features.js';
import type { BoundDataset } from '../batch/features.js';
import { scaledSteps } from '../data/scaling.js';
import type { Dataset, FeatureTable } from '../foundation/contract.js';
import type { Steps } from '../foundation/steps.js';
import type { Model } from '../model/model.js';

/** Datasets in the ids of a model and the units of a catalog, each made once. @internal */
export class BoundTables {
  readonly #model: Model;
  readonly #bound = new WeakMap<object, { users: FeatureTable; catalog: Dataset | undefined; bound: BoundDataset }>();

  constructor(model: Model) {
    this.#model = model;
  }

  find(dataset: Dataset, catalog: Dataset | undefined): BoundDataset | undefined {
    const known = this.#bound.get(this.#keyOf(dataset));
    if (known?.catalog !== catalog || known?.users !== dataset.users) return undefined;
    return known.bound.dataset === dataset ? known.bound : { ...known.bound, dataset };
  }

  /** Makes what {@link find} then finds, in steps. */
  *make(dataset: Dataset, catalog: Dataset | undefined): Steps<BoundDataset> {
    const own = catalog === undefined ? dataset : yield* scaledSteps(dataset, catalog);
    const bound = { ...(yield* bindSteps(this.#model, own)), dataset };
    this.#bound.set(this.#keyOf(dataset), { users: dataset.users, catalog, bound });
    return bound;
  }

  /** Where no input reads the rows themselves, all datasets of the same tables are bound alike: tasks that are read bit by bit. */
  #keyOf(dataset: Dataset): object {
    const { inputs } = this.#model.spec;
    const readsRows = dataset.context.columns.some((column) => inputs.some(({ name }) => name === column.name));
    return readsRows ? dataset : dataset.items;
  }
}
