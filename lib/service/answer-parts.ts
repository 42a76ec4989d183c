/** What answers are made of: options of calls, explanations, values of items, and the split into known and unknown items. */
import type { FeatureValues } from '../batch/given-features.js';
import { invalid } from '../foundation/check.js';
import type { Column } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Explanation } from '../serving/explain.js';
import { valueOf } from '../serving/item-terms.js';
import type { AnswerOf } from './api/operations.js';
import type { Engine } from './engine/engine.js';

/** The context option of a call: that of the request, or an empty one if the model reads any. @internal */
export function given(context: FeatureValues | undefined, engine: Engine): { context?: FeatureValues } {
  const features = context ?? engine.emptyContext;
  return features === undefined ? {} : { context: features };
}

/** Scores as they are. @throws {InnerloopError} DIVERGED if one is not finite, which JSON cannot represent @internal */
export function finite<S extends ArrayLike<number>>(scores: S): S {
  for (let i = 0; i < scores.length; i++)
    if (!Number.isFinite(scores[i]))
      throw new InnerloopError('DIVERGED', 'scores are not finite', {
        value: scores[i],
        expected: 'features and weights of a size that the model was trained on',
      });
  return scores;
}

/** Explanations in the form of answers. @internal */
export function reasons(why: readonly Explanation[]): AnswerOf<'explain'>['why'] {
  return why.map(({ item, label, influence }) => ({ item, value: label, influence }));
}

/** The error for an id that does not exist, which HTTP answers with status 404. */
export function notFound(what: string, id: string): InnerloopError {
  return Object.assign(invalid(what, 'not found', id, `the id of an existing ${what}`), { status: 404 });
}

/** Throws "not found" for an item that the model does not know. @internal */
export function checkItem({ learner }: Engine, id: string): void {
  if (learner.servedCatalog().items.keys.idOf(id) === 0) throw notFound('item', id);
}

/** An item's values in the given columns, by column name. @internal */
export function valuesOf({ learner }: Engine, id: string, columns: readonly Column[]): Record<string, unknown> {
  const row = learner.servedCatalog().items.keys.idOf(id);
  return Object.fromEntries(columns.map((column) => [column.name, valueOf(column, row)]));
}

/** Divides items into known and unknown ones. `place` spreads the scores of the known over all items; unknown ones get null. */
export function known(
  { learner }: Engine,
  items: readonly string[],
): { ids: string[]; unknown: string[]; place: (scores: ArrayLike<number>) => (number | null)[] } {
  const { keys } = learner.servedCatalog().items;
  const ids = items.filter((id) => keys.idOf(id) > 0);
  const unknown = items.filter((id) => keys.idOf(id) === 0);
  const place = (scores: ArrayLike<number>): (number | null)[] => {
    let next = 0;
    return items.map((id) => (keys.idOf(id) > 0 ? scores[next++] : null));
  };
  return { ids, unknown, place };
}
