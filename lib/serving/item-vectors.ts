/** Items as vectors, and which are alike. */
import { invalid } from '../foundation/check.js';
import type { Dataset, FloatArray } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { TextIndex } from '../foundation/text-index.js';
import { topK } from '../foundation/top-k.js';
import type { Learner } from '../learner/learner.js';
import { CatalogCache } from './catalog-cache.js';
import { unitVectors } from './diversity.js';
import { NOBODY, rowOf } from './person.js';

/**
 * [rows, width]: what a linear last layer reads of an item for a user of whom nothing is known; of other models the item's
 * embedding. @internal
 */
export async function itemVectorsOf(learner: Learner, catalog: Dataset, rows: Int32Array): Promise<FloatArray> {
  const { model } = learner;
  if (model.head !== undefined)
    return CatalogCache.of(learner, catalog).vectors(() => rowOf(learner, catalog, NOBODY, undefined), rows);
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
  item: string;
  /** Cosine of the angle between the vectors of the two items, −1 to 1. */
  similarity: number;
}

/** The items whose vectors point the way of one item's, the nearest first, without itself. @internal */
export async function similarTo(
  learner: Learner,
  catalog: Dataset,
  row: number,
  count: number,
): Promise<SimilarItem[]> {
  const { rows: items, keys } = catalog.items;
  if (items < 2) throw invalid('learner', 'has no items', items, 'a catalog of items');
  const all = Int32Array.from({ length: items }, (_, i) => i);
  const vectors = await itemVectorsOf(learner, catalog, all);
  const width = vectors.length / items;
  const unit = unitVectors(vectors, items, width);
  const cosine = new Float64Array(items).fill(-Infinity);
  for (let i = 1; i < items; i++) {
    if (i === row) continue;
    let dot = 0;
    for (let k = 0; k < width; k++) dot += unit[i * width + k] * unit[row * width + k];
    cosine[i] = dot;
  }
  return Array.from(topK(cosine, Math.min(count, items - 2)), (i) => ({
    item: keys.values[i],
    similarity: Math.min(1, cosine[i]),
  }));
}
