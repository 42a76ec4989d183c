/** Items as vectors, and which are alike. */
import { runNative } from '../foundation/addon.js';
import type { Column, Dataset, FloatArray } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { TextIndex } from '../foundation/text-index.js';
import type { Learner } from '../learner/learner.js';
import { CatalogCache } from './catalog-cache.js';
import { valuesOf } from './item-terms.js';
import type { ItemRecord } from './item-terms.js';
import { NOBODY, rowOf } from './person.js';

/**
 * [rows, width]: what a linear last layer reads of an item for a user of whom nothing is known; of other models the item's
 * embedding. @internal
 */
export async function itemVectorsOf(learner: Learner, catalog: Dataset, rows: Int32Array): Promise<FloatArray> {
  if (learner.model.head !== undefined)
    return CatalogCache.of(learner, catalog).vectors(() => rowOf(learner, catalog, NOBODY, undefined), rows);
  return embeddingsOf(learner, catalog, rows);
}

function embeddingsOf(learner: Learner, catalog: Dataset, rows: Int32Array): FloatArray {
  const { model } = learner;
  const t = model.tensors.findIndex(({ name, embedding }) => embedding && name.startsWith('embedding.item.'));
  const input = model.spec.inputs.find(({ name }) => name === 'item');
  if (t < 0 || input?.kind !== 'categorical') {
    throw new InnerloopError('UNSUPPORTED', 'has no vectors of items', {
      field: 'model.body.kind',
      value: model.spec.body.kind,
      expected: 'a body with a linear last layer, or the input item',
    });
  }
  const width = model.tensors[t].shape[1];
  const table = model.ops.readTensor(learner.store, t);
  const ids = new TextIndex(input.vocabulary!);
  const vectors = model.floats(rows.length * width);
  rows.forEach((row, i) => {
    const id = ids.idOf(catalog.items.keys.values[row]);
    vectors.set(table.subarray(id * width, (id + 1) * width), i * width);
  });
  return vectors;
}

/** An item like another, and how much. */
export interface SimilarItem {
  /** The item's id. */
  item: string;
  /** Cosine of the angle between the vectors of the two items, −1 to 1. */
  similarity: number;
  /** Of the item, where `columns` were asked for. */
  columns?: Omit<ItemRecord, 'item'>;
}

/** Options of `learner.similarItems`. */
export interface SimilarOptions {
  /** Default 10. */
  count?: number;
  /** Columns of the items to return beside the ids: titles, say. */
  columns?: readonly string[];
  /** Stops the search. */
  signal?: AbortSignal;
}

/** The items whose vectors point the way of one item's, the nearest first, without itself. @internal */
export async function similarTo(
  learner: Learner,
  catalog: Dataset,
  row: number,
  count: number,
  columns: readonly Column[],
  signal: AbortSignal | undefined,
): Promise<SimilarItem[]> {
  const { model } = learner;
  const { rows: items, keys } = catalog.items;
  const cache = CatalogCache.of(learner, catalog);
  const everything = () =>
    embeddingsOf(
      learner,
      catalog,
      Int32Array.from({ length: items }, (_, i) => i),
    );
  const vectors =
    model.head === undefined
      ? cache.vectorsBy(everything)
      : await cache.features(() => rowOf(learner, catalog, NOBODY, undefined));
  const { rows, similarities } = await runNative(signal, (token) =>
    model.ops.similarItems(vectors, { row, count, threads: model.threads, token }),
  );
  return Array.from(rows, (found, i) => ({
    item: keys.values[found],
    similarity: similarities[i],
    ...(columns.length > 0 && { columns: valuesOf(columns, found) }),
  }));
}
