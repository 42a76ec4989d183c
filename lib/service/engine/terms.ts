/** Filters and boosts of a request. A value that no item has is not an error: it matches nothing, and a note says so. */
import { checkObject } from '../../foundation/check.js';
import type { Column, Dataset } from '../../foundation/contract.js';
import type { ItemBoost, ItemFilter, NumberCondition, TextCondition } from '../../serving/item-terms.js';

type Conditions = Record<string, TextCondition | NumberCondition>;

export interface Terms {
  filter: ItemFilter | undefined;
  boost: ItemBoost | undefined;
  /** Whether no item can satisfy the filter. */
  isEmpty: boolean;
  notes: string[];
}

/** The filter and boosts of a request, without values that no item has. */
export function knownTerms(
  { items }: Dataset,
  given: { filter?: Conditions; boost?: Record<string, Record<string, number>> },
): Terms {
  const notes: string[] = [];
  let isEmpty = false;
  const textsOf = (name: string): (Column & { kind: 'bag' | 'categorical' }) | undefined => {
    const column = items.columns.find((each) => each.name === name);
    return column?.kind === 'bag' || column?.kind === 'categorical' ? column : undefined;
  };
  const known = (column: Column & { kind: 'bag' | 'categorical' }, texts: readonly string[], where: string): string[] =>
    texts.filter((text) => {
      if (column.vocabulary.idOf(text) > 0) return true;
      notes.push(`${where}: no item has ${JSON.stringify(text)}`);
      return false;
    });
  const filter = given.filter && { ...given.filter };
  for (const [name, condition] of Object.entries(filter ?? {})) {
    const column = textsOf(name);
    if (column === undefined) continue;
    const where = `filter.${name}`;
    const { any, all, none } =
      typeof condition === 'string' || Array.isArray(condition)
        ? { any: [condition].flat() as string[], all: undefined, none: undefined }
        : (checkObject(condition, where, ['any', 'all', 'none']),
          condition as { any?: string[]; all?: string[]; none?: string[] });
    const some = any && known(column, any, where);
    const every = all && known(column, all, where);
    const never = none && known(column, none, where);
    if ((any !== undefined && some!.length === 0) || every?.length !== all?.length) isEmpty = true;
    filter![name] = {
      ...(some !== undefined && { any: some }),
      ...(every !== undefined && { all: every }),
      ...(never !== undefined && { none: never }),
    };
  }
  const boost = given.boost && { ...given.boost };
  for (const [name, terms] of Object.entries(boost ?? {})) {
    const column = textsOf(name);
    if (column === undefined) continue;
    const kept = known(column, Object.keys(terms), `boost.${name}`);
    boost![name] = Object.fromEntries(kept.map((text) => [text, terms[text]]));
  }
  return { filter, boost, isEmpty, notes };
}
